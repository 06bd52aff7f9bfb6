"""One scan on the grid of another: resampled by the headers, and registered where these are off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emma_fusion.errors import UserError
from emma_fusion.scans.volume import Affine, Volume, apply_affine, corners
from emma_fusion.values.arrays import FloatArray

# A registration starts where it is told and follows the slope; further off than this it is lost.
FARTHEST_MM, FARTHEST_DEGREES = 60.0, 30.0
_GRID_MM, _GRID_VOXELS = 2.0, 160  # of the grid on which a registration compares


def resample(
    volume: Volume, affine: Affine, shape: Sequence[int], motion: Affine | None = None
) -> tuple[FloatArray, float]:
    """Interpolate a volume linearly on another grid.

    Where the other grid is coarser, the volume is first smoothed by a Gaussian along each of its
    own axes, sigma = sqrt(t^2 - 1) / 2 voxels for steps of t voxels, so that a thick slice shows
    what lies in it and not only what lies at its centre. What is outside the volume gets its
    darkest value.

    Args:
        volume: what is to be resampled.
        affine: (4, 4), from the other grid's indices to millimetres in RAS+.
        shape: (X, Y, Z) of the other grid.
        motion: (4, 4) rigid, from a place in the other scan to the same place in this one; None
            where the headers are right.

    Returns:
        (X, Y, Z) float32, and the share of the other grid that lies within the volume.
    """
    values = _interpolate(volume, affine, shape, np.eye(4) if motion is None else motion)
    known = np.isfinite(values)
    return np.where(known, values, np.float32(volume.darkest)), float(known.mean())


@dataclass(frozen=True, eq=False)
class Rigid:
    """What a registration found.

    Attributes:
        motion: (4, 4), from a place in the anatomical scan to the same place in the functional
            one, in millimetres of RAS+.
        shift_mm: how far it moves the centre of the anatomical scan.
        degrees: how far it turns.
        information: the mutual information (nats, Mattes) where the headers put the scans, and
            where the registration does.
    """

    motion: Affine
    shift_mm: float
    degrees: float
    information: tuple[float, float]


def register_rigid(functional: Volume, anatomical: Volume, *, seed: int = 0) -> Rigid:
    """Find the shift and the rotation that bring a functional scan onto an anatomical one.

    Mattes' mutual information (32 bins) of the two on a common grid (2 mm, or the finer scan's
    spacing where that is more), maximised by gradient descent from coarse to fine (SimpleITK). It
    starts where the headers put the scans, and centre on centre where these do not overlap; where
    it finds no better place, that one stays.

    Args:
        functional: the scan that moves.
        anatomical: the scan that stays.
        seed: of the voxels that are compared.

    Raises:
        UserError: the scans share too little for a registration, or it moves by more than
            `FARTHEST_MM` and `FARTHEST_DEGREES` allow.
    """
    import SimpleITK as sitk

    ends = corners(anatomical)
    low, extent = ends.min(axis=0), np.ptp(ends, axis=0)
    finest = min(float(volume.spacing.min()) for volume in (functional, anatomical))
    step = max(_GRID_MM, finest, float(extent.max()) / _GRID_VOXELS)
    shape = [int(np.ceil(length / step)) + 1 for length in extent]
    grid = np.diag([step, step, step, 1.0])
    grid[:3, 3] = low
    centre = ends.mean(axis=0)
    start = np.eye(4)
    if coverage(functional, anatomical) == 0:
        start[:3, 3] = corners(functional).mean(axis=0) - centre

    fixed = _image(resample(anatomical, grid, shape)[0], step, low)
    # the moving scan on a grid of the same step that holds all of it
    far = corners(functional)
    own = grid.copy()
    own[:3, 3] = far.min(axis=0)
    own_shape = [int(np.ceil(length / step)) + 1 for length in np.ptp(far, axis=0)]
    moving = _image(resample(functional, own, own_shape)[0], step, own[:3, 3])

    transform = sitk.Euler3DTransform()
    transform.SetCenter(centre.tolist())
    transform.SetTranslation(start[:3, 3].tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # sums in another order would give another answer
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.25, seed + 1)  # 0 is SimpleITK's word for the clock
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=0.001, numberOfIterations=300, relaxationFactor=0.85
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2 * step, step, 0])
    method.SetSmoothingSigmasAreSpecifiedInPhysicalUnits(True)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        before = -method.MetricEvaluate(fixed, moving)
        method.Execute(fixed, moving)
        after = -method.MetricEvaluate(fixed, moving)
    except RuntimeError:
        raise UserError(
            "The registration failed: the scans share too few voxels that differ."
        ) from None
    motion = np.eye(4)
    motion[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    motion[:3, 3] = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    moved = apply_affine(motion, centre[None])[0] - centre - start[:3, 3]
    shift = float(np.linalg.norm(moved))
    degrees = float(np.degrees(np.arccos(np.clip((np.trace(motion[:3, :3]) - 1) / 2, -1, 1))))
    if not max(before, after) > 0.01:
        raise UserError("The registration failed: the scans have nothing in common to go by.")
    if after < before:  # it started at the best place, give or take the voxels that it looks at
        motion, shift, degrees, after = start, 0.0, 0.0, before
    if shift > FARTHEST_MM or degrees > FARTHEST_DEGREES:
        raise UserError(
            f"The registration moved the functional scan by {shift:.0f} mm and {degrees:.0f} "
            f"degrees, which is more than it can be trusted with ({FARTHEST_MM:.0f} and "
            f"{FARTHEST_DEGREES:.0f}): bring the scans nearer to each other first."
        )
    return Rigid(motion, shift, degrees, (before, after))


def coverage(functional: Volume, anatomical: Volume) -> float:
    """The share of the anatomical grid that lies within the functional scan, by a coarse grid."""
    steps = [np.linspace(0, size - 1, min(size, 12)) for size in anatomical.voxels.shape]
    indices = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = np.linalg.inv(functional.affine) @ anatomical.affine
    places = apply_affine(inside, indices)
    upper = np.array(functional.voxels.shape) - 0.5
    return float(((places > -0.5) & (places < upper)).all(axis=1).mean())


def _image(voxels: FloatArray, step: float, origin: Any) -> Any:
    """An image of SimpleITK whose axes are ours, whatever ITK calls their directions."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T))
    image.SetSpacing([step] * 3)
    image.SetOrigin([float(place) for place in origin])
    return image


def _interpolate(
    volume: Volume, affine: Affine, shape: Sequence[int], motion: Affine
) -> FloatArray:
    """Linear interpolation between index spaces, which takes sheared grids too; NaN outside."""
    import SimpleITK as sitk

    to_index = np.linalg.inv(volume.affine) @ motion @ affine
    image = _image(volume.voxels, 1.0, np.zeros(3))
    steps = np.linalg.norm(to_index[:3, :3], axis=1)  # of the other grid, in our voxels
    if steps.max() > 1.05:
        variance = np.maximum(steps**2 - 1, 0) / 4
        image = sitk.DiscreteGaussian(image, variance.tolist(), 64, 0.01, False)
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(to_index[:3, :3].ravel().tolist())
    transform.SetTranslation(to_index[:3, 3].tolist())
    size, unit = [int(length) for length in shape], (1.0, 1.0, 1.0)
    direction = np.eye(3).ravel().tolist()
    values = sitk.Resample(
        image,
        size,
        transform,
        sitk.sitkLinear,
        (0.0, 0.0, 0.0),
        unit,
        direction,
        float("nan"),
        sitk.sitkFloat32,
    )
    array: FloatArray = sitk.GetArrayFromImage(values).T
    return array
