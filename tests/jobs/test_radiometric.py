"""One radiometric file, a folder of them, and temperatures beside another visible image."""

import json
import re

import numpy as np
import pytest
import tifffile

import flir
from emma_fusion.images.raster import read_image, write_image
from emma_fusion.images.record import read_record

pytest.importorskip("flyr")


def slope(low, high):
    return np.linspace(low, high, 24 * 32).reshape(24, 32)


def save(path, celsius, visible=128, place=(1.0, 0, 0)):
    """A file whose visible image is twice as fine, and shows the same field of view."""
    path.parent.mkdir(exist_ok=True)
    picture = None if visible is None else np.full((48, 64, 3), visible, np.uint8)
    path.write_bytes(flir.radiometric(flir.to_counts(celsius), picture, place))
    return path


def test_one_file_holds_both(emma, tmp_path):
    file = save(tmp_path / "FLIR0001.jpg", slope(10, 50))
    code, said = emma("fuse", file, "-o", tmp_path / "out.png", "--infrared-range", "0:100")
    assert code == 0
    assert "its temperatures were used" in said
    assert "parallax" in said
    fused = read_image(tmp_path / "out.png").astype(float)
    assert fused.shape == (48, 64, 3)
    # 10 to 50 degrees of 0 to 100
    assert fused[2].mean() / 255 == pytest.approx(0.10 + 0.4 * 2 / 48, abs=0.02)
    assert fused[-3].mean() / 255 == pytest.approx(0.50 - 0.4 * 2 / 48, abs=0.02)
    record = read_record(tmp_path / "out.png")["infrared"]
    assert record["unit"] == "degC"
    assert record["range"] == [0, 100]
    assert record["emissivity"] == 1.0
    assert record["temperatures"] == pytest.approx([10, 50], abs=0.02)
    assert record["alignment"]["by"] == "camera"


def test_another_file_needs_a_visible_one(emma, tmp_path):
    plain = tmp_path / "plain.jpg"
    write_image(plain, np.zeros((48, 64), np.uint8))
    alone = save(tmp_path / "alone.jpg", slope(10, 50), visible=None)
    for file, sentence in (
        (plain, "VISIBLE is missing"),
        (alone, "alone.jpg holds no visible image: give one"),
        (tmp_path / "none.jpg", "does not exist"),
    ):
        code, said = emma("fuse", file, "-o", tmp_path / "out.png")
        assert code == 2
        assert sentence in said
    assert not (tmp_path / "out.png").exists()
    code, said = emma("fuse", tmp_path / "FLIR0001.jpg", "-o", tmp_path / "out.png", "--live")
    assert (code, "VISIBLE is missing" in said) == (2, True)


def test_the_file_itself_is_not_replaced(emma, tmp_path):
    file = save(tmp_path / "FLIR0001.jpg", slope(10, 50))
    before = file.read_bytes()
    code, said = emma("fuse", file, "-o", tmp_path, "--overwrite")
    assert (code, "one of the inputs" in said) == (2, True)
    assert file.read_bytes() == before


def test_temperatures_beside_another_visible_image(emma, tmp_path):
    file = save(tmp_path / "FLIR0001.jpg", slope(10, 50), visible=None)
    other = tmp_path / "photo.png"
    write_image(other, np.full((24, 32), 90, np.uint8))
    code, _ = emma(*("fuse", file, other, "-o", tmp_path / "out.png", "--infrared-range", "0:100"))
    assert code == 0
    fused = read_image(tmp_path / "out.png").astype(float)
    np.testing.assert_allclose(fused / 255, slope(0.1, 0.5), atol=0.003)
    emma("fuse", file, other, "-o", tmp_path / "auto.png")
    rule = read_record(tmp_path / "auto.png")["infrared"]
    assert rule["rule"] == "percentile:0.1:99.9"
    assert rule["range"] == pytest.approx([10.04, 49.96], abs=0.05)


def test_a_folder_at_one_range(emma, tmp_path):
    folder = tmp_path / "dcim"
    save(folder / "FLIR0001.jpg", slope(10, 20))
    save(folder / "FLIR0003.jpg", slope(30, 40))
    save(folder / "FLIR0005.jpg", slope(30, 40), visible=None)
    write_image(folder / "photo.jpg", np.zeros((48, 64), np.uint8))
    out = tmp_path / "out"
    code, said = emma("fuse", folder, "-o", out, "--infrared-range", "folder:0:100")
    assert code == 1
    assert "1 images without temperatures, such as photo.jpg" in said
    assert "Failed FLIR0005: FLIR0005.jpg holds no visible image" in said
    low, high = (read_image(out / f"FLIR000{n}.jpg").astype(float) / 255 for n in (1, 3))
    # of 10 to 40 degrees, the first is the lowest third and the other the highest
    assert low.max() < 0.36
    assert high.min() > 0.64
    assert read_record(out / "FLIR0001.jpg")["infrared"]["rule"] == "folder:0:100"
    code, said = emma("fuse", folder, "-o", out)
    assert "Skipped 2" in said


def test_temperatures_as_a_file_of_floats(emma, tmp_path):
    celsius = slope(-10, 50)
    file = save(tmp_path / "FLIR0001.jpg", celsius)
    target = tmp_path / "t.tif"
    code, said = emma("thermal", file, "-o", target)
    assert code == 0
    assert "emissivity 1" in said
    values = tifffile.imread(target)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, celsius, atol=0.03)
    record = json.loads((tmp_path / "t.tif.json").read_text())
    assert (record["unit"], record["emissivity"]) == ("degC", 1.0)
    assert record["measuring_range"] == [-20, 120]
    assert emma("thermal", file, "-o", target)[0] == 2  # it exists
    assert emma("thermal", file, "-o", target, "--unit", "K", "--overwrite")[0] == 0
    np.testing.assert_allclose(tifffile.imread(target), celsius + 273.15, atol=0.03)
    code, said = emma("thermal", file, "-o", tmp_path / "t.png")
    assert (code, "write a .tif file" in said) == (2, True)
    # and it is an infrared image like any other
    photo = tmp_path / "photo.png"
    write_image(photo, np.full((24, 32), 90, np.uint8))
    emma("thermal", file, "-o", target, "--overwrite")
    code, said = emma("fuse", target, photo, "-o", tmp_path / "x.png", "--infrared-range", "-10:50")
    assert code == 0
    fused = read_image(tmp_path / "x.png").astype(float)
    np.testing.assert_allclose(fused / 255, slope(0, 1), atol=0.004)


def test_temperatures_of_a_folder(emma, tmp_path):
    folder = tmp_path / "dcim"
    save(folder / "1.jpg", slope(10, 20))
    save(folder / "2.jpg", slope(30, 40))
    counts = flir.to_counts(slope(30, 40))
    (folder / "3.jpg").write_bytes(flir.radiometric(counts, records={0x20: bytes(2476)}))
    code, said = emma("thermal", folder, "-o", tmp_path / "out")
    assert code == 1
    assert "Wrote 2 of 3 files" in said
    assert "Failed 3: " in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("1.tif", "1.tif.json", "2.tif", "2.tif.json")
    ]
    (tmp_path / "empty").mkdir()
    code, said = emma("thermal", tmp_path / "empty", "-o", tmp_path / "x")
    assert (code, "holds no radiometric file" in said) == (2, True)


def test_a_counted_pixel_without_temperature_is_marked(emma, tmp_path):
    celsius = slope(10, 50)
    counts = flir.to_counts(celsius)
    counts[5, 7] = 100
    file = tmp_path / "a.jpg"
    file.write_bytes(flir.radiometric(counts, np.full((24, 32, 3), 128, np.uint8), (1.0, 0, 0)))
    assert emma("thermal", file, "-o", tmp_path / "t.tif")[0] == 0
    assert np.isnan(tifffile.imread(tmp_path / "t.tif", key=0)).sum() == 1
    code, said = emma("fuse", file, "-o", tmp_path / "x.png", "--infrared-range", "0:100")
    assert code == 0
    assert "1 pixels without data" in said
    fused = read_image(tmp_path / "x.png")
    assert (fused[5, 7] == 128).all()  # the visible image alone


def test_emma_info_and_check_see_temperatures(emma, tmp_path):
    file = save(tmp_path / "FLIR0001.jpg", slope(10, 50), visible=None)
    other = tmp_path / "photo.png"
    write_image(other, np.full((24, 32), 90, np.uint8))
    code, said = emma("info", file, other)
    assert code == 0
    assert "float32, 10.0" in said


def test_the_recipe_on_files_as_cameras_wrote_them(emma, data, tmp_path):
    folder, moved = data / "radiometric", data / "registration" / "false_colour"
    code, _ = emma("fuse", folder / "flir_example.jpg", "-o", tmp_path / "mug.jpg")
    assert code == 0
    record = read_record(tmp_path / "mug.jpg")["infrared"]
    assert record["temperatures"] == pytest.approx([25.948, 62.320], abs=0.01)
    assert record["emissivity"] == 0.95
    assert read_image(tmp_path / "mug.jpg").shape == (640, 480, 3)
    code, said = emma(
        *("fuse", moved / "IR_12390.jpg", "-o", tmp_path / "tree.jpg", "--align", "auto")
    )
    assert code == 0
    found = re.search(r"the scene lies ([\d.]+) pixels from where the camera places it", said)
    assert found
    assert float(found[1]) == pytest.approx(21.7, abs=1.0)
    code, said = emma("fuse", folder / "IR_2412.jpg", "-o", tmp_path / "x.jpg")
    assert (code, "IR_2412.jpg holds no visible image" in said) == (2, True)
    code, _ = emma("thermal", folder / "IR_2412.jpg", "-o", tmp_path / "t.tif")
    assert code == 0
    assert tifffile.imread(tmp_path / "t.tif").shape == (480, 640)
    code, said = emma("thermal", folder / "H20T_DJI_0001.JPG", "-o", tmp_path / "d.tif")
    assert (code, "the maker's own tool" in said) == (2, True)
