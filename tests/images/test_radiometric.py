"""FLIR's radiometric JPEG: temperatures by Planck's law, and where the visible image lies."""

import struct
import sys

import cv2
import numpy as np
import pytest

import flir
from emma_fusion.align import Aligner
from emma_fusion.align.aligner import place as place_at
from emma_fusion.align.geometry import apply
from emma_fusion.errors import UserError
from emma_fusion.images.radiometric import (
    decode_thermogram,
    find_placement,
    is_radiometric,
    is_radiometric_file,
    read_both,
    read_infrared,
    read_thermogram,
)
from emma_fusion.images.raster import read_pair
from emma_fusion.images.reading import read_image
from emma_fusion.values.false_colour import levels_of, recognise

pytest.importorskip("flyr")


def temperatures(height=24, width=32):
    """A warm slope with a hot spot."""
    celsius = np.linspace(15, 40, height * width).reshape(height, width)
    celsius[5:9, 6:12] = 95
    return celsius


@pytest.mark.parametrize("how", ["plain", "png", "swapped png", "jpeg-ls"])
def test_temperatures_are_plancks(how):
    counts = flir.to_counts(temperatures())
    data = flir.radiometric(counts, how=how)
    assert is_radiometric(data)
    found = decode_thermogram(data)
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(found.values, temperatures(), atol=0.02)  # one count
    np.testing.assert_allclose(found.values, flir.to_celsius(counts), atol=1e-3)


def test_a_body_of_lower_emissivity_is_hotter_than_it_looks():
    counts = flir.to_counts(np.full((24, 32), 60.0))
    data = flir.radiometric(counts, records={0x20: flir.camera_record(emissivity=0.8)})
    # what is not emitted is reflected, of surroundings at 20 degrees
    reflected = float(flir.R1 / (flir.R2 * (np.exp(flir.B / 293.15) - 1)) - flir.OFFSET)
    emitted = (counts[0, 0] - 0.2 * reflected) / 0.8
    expected = flir.B / np.log(flir.R1 / (flir.R2 * (emitted + flir.OFFSET)) + 1) - 273.15
    found = decode_thermogram(data)
    assert expected > 65
    np.testing.assert_allclose(found.values, expected, atol=2e-3)
    assert found.facts["emissivity"] == 0.8


def test_the_record_says_how():
    found = decode_thermogram(flir.radiometric(flir.to_counts(temperatures())))
    facts = found.facts
    assert facts["unit"] == "degC"
    assert facts["temperatures"] == pytest.approx([15, 95], abs=0.02)
    assert facts["measuring_range"] == [-20.0, 120.0]
    assert facts["shown_by_camera"] == pytest.approx(
        flir.to_celsius(np.array([15000, 17000])).tolist(), abs=1e-3
    )
    assert facts["reflected"] == 20.0
    assert facts["distance_m"] == 0


def test_records_over_many_segments_and_in_any_order():
    data = flir.radiometric(flir.to_counts(temperatures()), part=500)
    at = data.index(b"\xff\xe1")
    first = data[at : at + 2 + 510]
    second = data[at + 512 : at + 1024]
    assert data[at : at + 1024] == first + second
    swapped = data[:at] + second + first + data[at + 1024 :]
    for file in (data, swapped):
        np.testing.assert_allclose(decode_thermogram(file).values, temperatures(), atol=0.02)
    assert not is_radiometric(data[:at] + first + data[at + 1024 :])  # one is missing


def test_counts_beyond_the_calibration_are_no_temperatures():
    counts = flir.to_counts(temperatures())
    counts[0, 0] = 100  # less than the sensor's own offset
    found = decode_thermogram(flir.radiometric(counts))
    assert np.isnan(found.values[0, 0])
    assert np.isfinite(found.values[1:]).all()


@pytest.mark.parametrize("ratio", [1.0, 1.4, 0.7])
@pytest.mark.parametrize("offsets", [(0, 0), (14, -6)])
def test_the_visible_image_lies_where_the_file_says(ratio, offsets):
    visible = np.full((60, 80, 3), 128, np.uint8)
    counts = flir.to_counts(temperatures())
    found = decode_thermogram(flir.radiometric(counts, visible, (ratio, *offsets)))
    np.testing.assert_array_equal(found.visible, visible)
    # the thermal image's centre lies so far from the visible one's, and is so much smaller
    centre = np.array([[39.5 + offsets[0], 29.5 + offsets[1]]])
    there = apply(
        found.visible_to_infrared, np.vstack([centre, centre + np.array([80 / ratio, 0])])
    )
    np.testing.assert_allclose(there, [[15.5, 11.5], [15.5 + 32, 11.5]], atol=1e-4)


def squares(height, width, seed=1):
    """Rectangles, which both cameras see."""
    rng = np.random.default_rng(seed)
    plane = np.full((height, width), 90, np.uint8)
    for _ in range(60):
        y, x = rng.integers(0, height - 20), rng.integers(0, width - 20)
        h, w = rng.integers(12, height // 4), rng.integers(12, width // 4)
        plane[y : y + h, x : x + w] = rng.integers(0, 255)
    return cv2.GaussianBlur(plane, (0, 0), 1)


def two_cameras(parallax=(0, 0), ratio=1.5, offsets=(8, -6)):
    """One scene by a wide visible and a narrow thermal camera; the file leaves parallax out."""
    scene = squares(240, 320)
    step = ratio * 160 / 320
    right, down = offsets[0] + parallax[0], offsets[1] + parallax[1]
    x, y = np.meshgrid(np.arange(160), np.arange(120))
    at_x = (x - 79.5) / step + 159.5 + right
    at_y = (y - 59.5) / step + 119.5 + down
    seen = cv2.remap(scene, at_x.astype(np.float32), at_y.astype(np.float32), cv2.INTER_LINEAR)
    counts = flir.to_counts(20 + seen / 10)
    return flir.radiometric(counts, np.dstack([scene] * 3), (ratio, *offsets)), 20 + scene / 10


def place(data, aligner=None):
    """The temperatures on the visible image's grid, and the record of how."""
    found = decode_thermogram(data, "a.jpg")
    placement = find_placement(found, "a.jpg", aligner)
    size = found.visible.shape[:2]
    return place_at(found.values, placement.matrix, size, placement.facts)


def test_temperatures_come_onto_the_visible_image():
    data, truth = two_cameras()
    aligned = place(data)
    inside = cv2.erode(aligned.covered, np.ones((5, 5))) > 0
    assert 0.4 < inside.mean() < 0.46  # 1 / 1.5 each way
    off = np.abs(aligned.image - truth)[inside]
    assert np.median(off) < 0.2  # blurred, but in place
    assert aligned.record["alignment"]["by"] == "camera"


def test_an_aligner_finds_the_parallax():
    data, truth = two_cameras(parallax=(9, 5))
    by_camera, aligned = place(data), place(data, Aligner("translation"))
    record = aligned.record["alignment"]
    assert record["by"] == "camera, then translation"
    assert record["moved_pixels"] == pytest.approx(np.hypot(9, 5), abs=0.6)
    inside = cv2.erode(aligned.covered, np.ones((9, 9))) > 0
    off = [np.median(np.abs(one.image - truth)[inside]) for one in (by_camera, aligned)]
    assert off[1] < 0.25 < off[0]


def test_no_alignment_keeps_its_reason_and_names_the_way_out():
    visible = np.full((240, 320, 3), 128, np.uint8)
    data = flir.radiometric(flir.to_counts(temperatures(120, 160)), visible, (1.2, 0, 0))
    with pytest.raises(UserError, match=r"could not be aligned.*Without --align they stay"):
        place(data, Aligner("auto"))


def test_no_visible_image_inside(tmp_path):
    file = tmp_path / "a.jpg"
    file.write_bytes(flir.radiometric(flir.to_counts(temperatures())))
    assert read_thermogram(file).visible is None
    with pytest.raises(UserError, match=r"a\.jpg holds no visible image: give one"):
        read_both(file)


def test_as_the_infrared_image_it_is_its_temperatures(tmp_path):
    counts = flir.to_counts(temperatures())
    counts[0, 0] = 100
    (tmp_path / "a.jpg").write_bytes(flir.radiometric(counts))
    found = read_infrared(tmp_path / "a.jpg")
    assert found.pixels.dtype == np.float32
    assert (~found.valid).sum() == 1
    assert not found.valid[0, 0]
    np.testing.assert_allclose(found.pixels[1:], temperatures()[1:], atol=0.02)
    assert found.facts["emissivity"] == 1.0
    plain = cv2.imencode(".jpg", np.full((8, 8), 77, np.uint8))[1].tobytes()
    (tmp_path / "b.jpg").write_bytes(plain)
    assert not is_radiometric_file(tmp_path / "b.jpg")
    assert (read_infrared(tmp_path / "b.jpg").pixels == 77).all()


def test_kelvin():
    found = decode_thermogram(flir.radiometric(flir.to_counts(temperatures())))
    kelvin = found.in_kelvin()
    np.testing.assert_allclose(kelvin.values, found.values + 273.15, atol=1e-4)
    assert kelvin.facts["unit"] == "K"
    assert kelvin.facts["measuring_range"] == [253.15, 393.15]
    assert kelvin.facts["emissivity"] == 1.0


@pytest.mark.parametrize("place", [None, (0.0, 0, 0), (float("nan"), 0, 0), (1.3, 3000, 0)])
def test_a_visible_image_without_a_place(place):
    visible = np.full((60, 80, 3), 128, np.uint8)
    found = decode_thermogram(flir.radiometric(flir.to_counts(temperatures()), visible, place))
    with pytest.raises(UserError, match="does not say where its visible image lies"):
        find_placement(found, "a.jpg")


def test_another_jpeg_is_none():
    jpeg = cv2.imencode(".jpg", np.zeros((8, 8), np.uint8))[1].tobytes()
    for data in (jpeg, b"", b"\xff\xd8", b"no image", jpeg[:20]):
        assert not is_radiometric(data)
        with pytest.raises(UserError, match="holds no temperatures"):
            decode_thermogram(data, "a.jpg")


def test_damage_is_named():
    counts = flir.to_counts(temperatures())
    big = flir.image_record(60000, 60000, b"\x89PNG" + bytes(100))
    other = b"\0\x02" + bytes(100)
    png = flir.encode_counts(counts, "png")
    wrong_size = flir.image_record(31, 24, png)
    bomb = flir.image_record(32, 24, flir.encode_counts(np.zeros((2000, 2000), "u2"), "jpeg-ls"))
    for raw, sentence in (
        (flir.image_record(32, 24, bytes(100)), "could not be decoded"),
        (big, "claims to be 60000x60000"),
        (other, "in a form that is not read"),
        (wrong_size, "could not be decoded"),
        (bomb, "could not be decoded"),
        (flir.image_record(32, 24, png[:200]), "is cut short"),
    ):
        with pytest.raises(UserError, match=sentence):
            decode_thermogram(flir.radiometric(counts, records={0x01: raw}), "a.jpg")


@pytest.mark.parametrize("camera", [b"short", bytes(2476), flir.camera_record(emissivity=0.0)])
def test_a_calibration_that_gives_no_temperatures(camera):
    data = flir.radiometric(flir.to_counts(temperatures()), records={0x20: camera})
    with pytest.raises(UserError, match="its calibration gives no temperatures"):
        decode_thermogram(data, "a.jpg")


def test_a_directory_of_any_length_is_read_at_once():
    data = bytearray(flir.radiometric(flir.to_counts(temperatures())))
    struct.pack_into(">I", data, data.index(b"FFF\0") + 28, 2**32 - 1)
    assert is_radiometric(bytes(data))


def test_without_the_extra(monkeypatch):
    data = flir.radiometric(flir.to_counts(temperatures()))
    monkeypatch.setitem(sys.modules, "flyr.thermal", None)
    with pytest.raises(UserError, match=r"need flyr: install the extra `flir`"):
        decode_thermogram(data)


@pytest.fixture
def radiometric(data):
    folder = data / "radiometric"
    if not folder.is_dir():
        pytest.skip("no files of thermal cameras here")
    return folder


def test_what_a_camera_wrote_on_its_image(radiometric):
    found = read_thermogram(radiometric / "IR_2412.jpg")
    assert found.values.shape == (480, 640)
    # the scale and the mean of the box that the camera itself drew into the JPEG
    assert found.facts["shown_by_camera"] == pytest.approx([22.9, 30.2], abs=0.05)
    assert found.values[157:323, 210:429].mean() == pytest.approx(28.1, abs=0.05)
    assert found.visible is None


def test_a_visible_image_lies_where_its_camera_drew_it(radiometric):
    found = read_thermogram(radiometric / "flir_example.jpg")
    assert found.values.shape == (320, 240)
    assert found.values.max() == pytest.approx(62.32, abs=0.01)
    # this camera drew the visible image's edges into its JPEG, which is twice the thermal image
    drawn = cv2.imread(str(radiometric / "flir_example.jpg"))

    def edges(image):
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
        return np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 2))

    def agreement(right, down):
        double = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
        to_drawn = (
            double
            @ found.visible_to_infrared
            @ np.array([[1, 0, right], [0, 1, down], [0, 0, 1.0]])
        )
        moved = cv2.warpPerspective(
            edges(found.visible[..., ::-1]), to_drawn, drawn.shape[1::-1], flags=cv2.INTER_LINEAR
        )
        inside = np.s_[60:600, 20:460]
        return np.corrcoef(moved[inside].ravel(), edges(drawn)[inside].ravel())[0, 1]

    here = agreement(0, 0)
    assert here > 0.75
    assert all(agreement(*away) < here - 0.1 for away in ((3, 0), (-3, 0), (0, 3), (0, -3)))


def test_newer_cameras_keep_jpeg_ls(data):
    found = read_thermogram(data / "registration" / "false_colour" / "IR_12390.jpg")
    assert found.values.shape == (288, 384)
    assert found.visible.shape == (960, 1280, 3)
    # warm wall, cool leaves: brighter in the camera's own palette where it is warmer
    shown = cv2.imread(str(data / "registration" / "false_colour" / "IR_12390.jpg"))
    bright = cv2.cvtColor(shown, cv2.COLOR_BGR2GRAY).astype(float)
    assert np.corrcoef(bright.ravel(), found.values.ravel())[0, 1] > 0.9
    assert found.facts["temperatures"] == pytest.approx([25.38, 30.61], abs=0.01)
    placement = find_placement(found, "IR_12390.jpg", Aligner("auto"))
    assert placement.facts["moved_pixels"] == pytest.approx(21.7, abs=1.0)


def test_files_of_another_maker(radiometric):
    with pytest.raises(UserError, match=r"holds no temperatures.*the maker's own tool"):
        read_thermogram(radiometric / "H20T_DJI_0001.JPG")


@pytest.mark.parametrize(
    ("name", "palette"),
    [
        ("radiometric/flir_example", "iron"),
        ("radiometric/IR_2412", "iron"),
        ("registration/false_colour/IR_12428", "iron, full range"),
    ],
)
def test_what_the_camera_shows_in_its_palette_is_turned_back(data, name, palette):
    """The displayed image against the temperatures in the same file; the camera clips some."""
    path = data / f"{name}.jpg"
    shown, celsius = read_image(path), read_infrared(path).pixels.astype(np.float32)
    assert recognise(shown).palette == palette
    celsius = cv2.resize(celsius, shown.shape[1::-1])
    levels = np.corrcoef(levels_of(shown, palette).ravel(), celsius.ravel())[0, 1]
    brightness = np.corrcoef((shown @ (0.299, 0.587, 0.114)).ravel(), celsius.ravel())[0, 1]
    assert levels > 0.9
    assert levels > brightness


def test_one_file_given_as_both_images_of_a_pair_is_the_camera_s_pair(tmp_path):
    """As the command line does with one file, so that Python can, too."""
    data, _ = two_cameras()
    (tmp_path / "a.jpg").write_bytes(data)
    pair = read_pair(tmp_path / "a.jpg", tmp_path / "a.jpg")
    found = decode_thermogram(data)
    assert pair.visible.shape == found.visible.shape[:2]
    assert pair.record["infrared"]["alignment"]["by"] == "camera"
    assert pair.cover is not None
    assert 0.4 < (pair.cover > 0).mean() < 0.46  # 1 / 1.5 each way
    assert pair.record["infrared"]["rule"] == "percentile:0.1:99.9"
