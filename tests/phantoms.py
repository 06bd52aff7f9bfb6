"""A body with three blobs at places known in millimetres, drawn on any grid, as NIfTI or DICOM.

The files are written by nibabel and pydicom from the standards and by none of the code under test.
"""

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    NuclearMedicineImageStorage,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

# x to the right, y to the front, z to the head, and the standard deviation; all in millimetres
BLOBS = [(-22.0, 14.0, 8.0, 6.0), (20.0, -12.0, -10.0, 7.0), (6.0, 28.0, 14.0, 5.0)]
NAME, IDENTITY, BIRTH = "Secretname^Jane", "ID-0815-77", "19610203"
_CLASSES = {
    "MR": MRImageStorage,
    "CT": CTImageStorage,
    "PT": PositronEmissionTomographyImageStorage,
}


def rotation(axis, degrees):
    """Rodrigues' formula."""
    x, y, z = np.array(axis, float) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def grid(spacing, shape, turn=None, centre=(0, 0, 0)):
    """An affine whose grid lies around `centre`; negative spacings flip axes."""
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if turn is None else turn) @ np.diag(spacing)
    affine[:3, 3] = np.array(centre) - affine[:3, :3] @ (np.array(shape) - 1) / 2
    return affine


def places(affine, shape):
    """Where every voxel lies: (X, Y, Z, 3) millimetres."""
    indices = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return indices @ affine[:3, :3].T + affine[:3, 3]


def draw(affine, shape, weights=(1, 1, 1), body=0.0, moved=None):
    """Blobs, and a body of the value `body`; `moved` is where the patient went, (4, 4)."""
    where = places(affine, shape)
    if moved is not None:
        back = np.linalg.inv(moved)
        where = where @ back[:3, :3].T + back[:3, 3]
    radius = np.linalg.norm(where / np.array([45, 55, 40]), axis=-1)
    voxels = body / (1 + np.exp(np.clip((radius - 1) * 25, -50, 50)))
    for (*centre, sigma), weight in zip(BLOBS, weights, strict=True):
        voxels += weight * np.exp(-((where - centre) ** 2).sum(axis=-1) / (2 * sigma**2))
    return voxels


def meet(voxels, affine):
    """How far, in voxels, the blobs in a volume lie from where they were drawn, the largest."""
    where, largest = places(affine, voxels.shape), 0.0
    for *centre, sigma in BLOBS:
        near = np.linalg.norm(where - centre, axis=-1) < 2.5 * sigma
        weight = voxels[near].astype(float)
        weight -= weight.min()
        indices = np.argwhere(near)
        found = (indices * weight[:, None]).sum(axis=0) / weight.sum()
        wanted = np.linalg.inv(affine) @ [*centre, 1]
        # the mean over the blob's neighbourhood, compared with that of the blob itself
        ideal = np.exp(-((where[near] - centre) ** 2).sum(axis=-1) / (2 * sigma**2))
        ideal -= ideal.min()
        bias = (indices * ideal[:, None]).sum(axis=0) / ideal.sum() - wanted[:3]
        largest = max(largest, float(np.linalg.norm(found - wanted[:3] - bias)))
    return largest


def write_nifti(path, voxels, affine, code=1, **header):
    import nibabel as nib

    image = nib.Nifti1Image(voxels, affine)
    image.set_sform(affine, code)
    image.set_qform(affine, code)
    for key, value in header.items():
        image.header[key] = value
    nib.save(image, path)
    return path


def identify(dataset, modality, study=None, series=None, frame_of_reference=None):
    """What every file of a series says of the patient, the study and itself."""
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = NAME, IDENTITY, BIRTH
    dataset.PatientSex, dataset.InstitutionName = "F", "Clinic of Secretplace"
    dataset.StudyInstanceUID = study or STUDY
    dataset.SeriesInstanceUID = series or generate_uid()
    dataset.FrameOfReferenceUID = frame_of_reference or REFERENCE
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20200101", "1200", "A1"
    dataset.StudyID, dataset.SeriesNumber, dataset.Modality = "S1", 3, modality
    dataset.SOPInstanceUID = generate_uid()


STUDY, REFERENCE = generate_uid(), generate_uid()


def _pixels(dataset, stored):
    """The pixel module of stored values, (rows, columns) or (frames, rows, columns)."""
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0 if stored.dtype == np.uint16 else 1
    dataset.PixelData = stored.tobytes()


def save(path, dataset, sop_class):
    dataset.SOPClassUID = sop_class
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)


def lps(affine):
    return np.diag([-1.0, -1, 1, 1]) @ affine


def _measures(affine):
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    return (affine[:3, :3] / spacing).T, spacing


def write_series(folder, voxels, affine, modality="MR", seed=0, **tags):
    """One file a slice, (column, row, slice) = (i, j, k), named and numbered at random.

    Values are stored as 1000 times themselves, with a slope that undoes it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    left = lps(affine)
    axes, spacing = _measures(left)
    series, order = generate_uid(), np.random.default_rng(seed).permutation(voxels.shape[2])
    for k in range(voxels.shape[2]):
        dataset = Dataset()
        identify(dataset, modality, series=series)
        dataset.InstanceNumber = int(order[k]) + 1
        dataset.ImageOrientationPatient = [f"{value:.10g}" for value in axes[:2].ravel()]
        dataset.ImagePositionPatient = [f"{v:.10g}" for v in left[:3, 3] + k * left[:3, 2]]
        dataset.PixelSpacing = [f"{spacing[1]:.10g}", f"{spacing[0]:.10g}"]
        dataset.SliceThickness = 1.0  # contradicts the positions, and is not to be believed
        dataset.RescaleSlope, dataset.RescaleIntercept = "0.001", "0"
        _pixels(dataset, np.rint(voxels[:, :, k].T * 1000).astype(np.int16))
        for tag, value in tags.items():
            setattr(dataset, tag, value)
        save(folder / f"IM{order[k]:04}", dataset, _CLASSES[modality])
    return folder


def write_enhanced(path, voxels, affine):
    """All slices in one enhanced MR file, in a scrambled order."""
    left = lps(affine)
    axes, spacing = _measures(left)
    dataset = Dataset()
    identify(dataset, "MR")
    order = np.random.default_rng(1).permutation(voxels.shape[2])
    _pixels(dataset, np.rint(voxels.transpose(2, 1, 0)[order] * 1000).astype(np.uint16))
    dataset.NumberOfFrames = len(order)
    shared, orientation, measures, values = Dataset(), Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [f"{value:.10g}" for value in axes[:2].ravel()]
    measures.PixelSpacing = [f"{spacing[1]:.10g}", f"{spacing[0]:.10g}"]
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = "0.001", "0", "US"
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    shared.PixelValueTransformationSequence = [values]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = []
    for k in order:
        frame, position = Dataset(), Dataset()
        position.ImagePositionPatient = [f"{v:.10g}" for v in left[:3, 3] + k * left[:3, 2]]
        frame.PlanePositionSequence = [position]
        dataset.PerFrameFunctionalGroupsSequence.append(frame)
    save(path, dataset, EnhancedMRImageStorage)
    return path


def write_spect(path, voxels, affine):
    """Reconstructed nuclear medicine: one file whose slices follow from the first."""
    left = lps(affine)
    axes, spacing = _measures(left)
    dataset, detector = Dataset(), Dataset()
    identify(dataset, "NM")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    _pixels(dataset, np.rint(voxels.transpose(2, 1, 0) * 1000).astype(np.uint16))
    dataset.NumberOfFrames = voxels.shape[2]
    dataset.PixelSpacing = [f"{spacing[1]:.10g}", f"{spacing[0]:.10g}"]
    # along the normal, or against it where the sign says so
    dataset.SpacingBetweenSlices = f"{left[:3, 2] @ np.cross(axes[0], axes[1]):.10g}"
    detector.ImageOrientationPatient = [f"{value:.10g}" for value in axes[:2].ravel()]
    detector.ImagePositionPatient = [f"{value:.10g}" for value in left[:3, 3]]
    dataset.DetectorInformationSequence = [detector]
    save(path, dataset, NuclearMedicineImageStorage)
    return path


def change(path, **tags):
    """Rewrite a DICOM file with other tags; None removes one."""
    dataset = pydicom.dcmread(path)
    for tag, value in tags.items():
        if value is None:
            delattr(dataset, tag)
        else:
            setattr(dataset, tag, value)
    dataset.save_as(path)
