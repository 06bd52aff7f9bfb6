"""Compressed pixels: every codec, with and without sign, and streams that claim too much."""

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
)

from emma_fusion.errors import UserError
from emma_fusion.scans.dicom import read_series
from emma_fusion.scans.pixels import claimed_size, decode
from phantoms import change, write_series, write_spect

AFFINE = np.diag([-2.0, -2, 3, 1])
SHAPE = (24, 20, 3)
VOXELS = np.random.default_rng(0).integers(-2000, 2000, SHAPE) / 1000
LOSSLESS = {
    "jpeg lossless": (JPEGLossless, imagecodecs.ljpeg_encode),
    "jpeg lossless, first order": (JPEGLosslessSV1, imagecodecs.ljpeg_encode),
    "jpeg-ls": (JPEGLSLossless, imagecodecs.jpegls_encode),
    "jpeg 2000": (
        JPEG2000Lossless,
        lambda plane: imagecodecs.jpeg2k_encode(plane, codecformat="j2k"),
    ),
    "jpeg 2000, which may lose": (JPEG2000, imagecodecs.jpeg2k_encode),
}


def compress(path, encode, syntax, bits=16):
    """Replace the pixels of a file by one stream a frame."""
    dataset = pydicom.dcmread(path)
    planes = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    planes = (planes.astype(np.int64) & ((1 << bits) - 1)).astype(
        np.uint16 if bits > 8 else np.uint8
    )
    dataset.PixelData = encapsulate([encode(plane) for plane in planes])
    dataset["PixelData"].is_undefined_length = True
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.BitsAllocated = 16 if bits > 8 else 8
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path)


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("bits", [12, 16])
def test_signed_values_come_back(tmp_path, kind, bits):
    syntax, encode = LOSSLESS[kind]
    folder = write_series(tmp_path / "s", VOXELS, AFFINE)
    for path in folder.iterdir():
        compress(path, encode, syntax, bits)
    np.testing.assert_allclose(read_series(folder).voxels, VOXELS, atol=1e-6)


def test_many_frames_in_one_file(tmp_path):
    voxels = np.abs(VOXELS)
    path = write_spect(tmp_path / "n.dcm", voxels, AFFINE)
    compress(path, imagecodecs.jpegls_encode, JPEGLSLossless)
    plain = write_spect(tmp_path / "p.dcm", voxels, AFFINE)
    np.testing.assert_array_equal(read_series(path).voxels, read_series(plain).voxels)


@pytest.mark.parametrize(("bits", "syntax"), [(8, JPEGBaseline8Bit), (12, JPEGExtended12Bit)])
def test_lossy_jpeg_is_near(tmp_path, bits, syntax):
    x, y, z = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    voxels = (2 * x + 3 * y + z) * (2 ** (bits - 8)) / 1000
    folder = write_series(tmp_path / "s", voxels, AFFINE)
    for path in folder.iterdir():
        change(path, PixelRepresentation=0)
        compress(path, lambda p: imagecodecs.jpeg8_encode(p, 95, bitspersample=bits), syntax, bits)
    seen = read_series(folder).voxels
    np.testing.assert_allclose(seen, voxels, atol=0.004 * 2 ** (bits - 8))


def test_high_throughput_streams_are_read_by_what_they_are(tmp_path):
    """A reader of HTJ2K reads plain JPEG 2000 too, and no encoder of HTJ2K is at hand."""
    folder = write_series(tmp_path / "s", VOXELS, AFFINE)
    for path in folder.iterdir():
        compress(path, LOSSLESS["jpeg 2000"][1], HTJ2KLossless)
    np.testing.assert_allclose(read_series(folder).voxels, VOXELS, atol=1e-6)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_the_size_is_read_before_the_stream_is_decoded(kind):
    stream = LOSSLESS[kind][1](np.zeros((20, 24), np.uint16))
    assert claimed_size(stream) == (20, 24)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"a text" * 9, b"\xff\xd8" + b"\xff" * 99]
)
def test_what_is_no_stream_claims_no_size(data):
    assert claimed_size(data) is None


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_stream_that_claims_another_size_is_not_decoded(tmp_path, kind, monkeypatch):
    syntax, encode = LOSSLESS[kind]
    path = next(write_series(tmp_path / "s", VOXELS, AFFINE).iterdir())
    compress(path, lambda plane: encode(np.zeros((60, 70), np.uint16)), syntax)
    for name in ("jpeg_decode", "jpegls_decode", "jpeg2k_decode"):
        monkeypatch.setattr(imagecodecs, name, lambda data: pytest.fail("it was decoded"))
    with pytest.raises(UserError, match="could not be decoded"):
        decode(path)


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (JPEG2000, imagecodecs.jpeg2k_encode),
        (JPEGLSLossless, imagecodecs.jpegls_encode),
        (JPEGBaseline8Bit, imagecodecs.jpeg8_encode),
    ],
)
def test_a_stream_of_three_colours_is_refused(tmp_path, syntax, encode):
    path = next(write_series(tmp_path / "s", VOXELS, AFFINE).iterdir())
    compress(path, lambda plane: encode(np.zeros((20, 24, 3), np.uint8)), syntax)
    with pytest.raises(UserError, match="could not be decoded"):
        decode(path)
