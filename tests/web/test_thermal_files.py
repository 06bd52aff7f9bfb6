"""Radiometric files on the page: their temperatures count, and not their colours."""

import io
import zipfile

import numpy as np
import pytest

from emma_fusion.errors import UserError
from emma_fusion.images.raster import decode_image
from emma_fusion.jobs.fuse import fuse
from emma_fusion.jobs.options import NetworkOptions
from emma_fusion.jobs.request import FuseRequest
from emma_fusion.web.limits import Limits
from emma_fusion.web.studio import Studio
from flir import radiometric, to_counts
from web_images import draw, png
from web_pages import MODEL, choose, fetch, pack, wait_until

pytest.importorskip("flyr", reason="needs the extra flir")
CELSIUS = np.linspace(10, 42, 40 * 48).reshape(40, 48)
VISIBLE = draw((64, 80, 3), 5)
# What other programs see is of no use: one colour.
BOTH = radiometric(to_counts(CELSIUS), VISIBLE, place=(1.25, 2, -1))
ALONE = radiometric(to_counts(CELSIUS))


@pytest.fixture
def studio(networks):
    studio = Studio(networks, Limits(image_megabytes=1, megapixels=0.01, upload_megabytes=2))
    yield studio
    studio.shelf.close()


def by_command(networks, tmp_path, *inputs):
    """What `emma fuse` makes of files."""
    paths = []
    for name, data in inputs:
        (tmp_path / name).write_bytes(data)
        paths.append(str(tmp_path / name))
    target = tmp_path / "by_command.jpg"
    network = NetworkOptions(networks._known[MODEL], device="cpu")
    fuse(FuseRequest(*paths, output=str(target), network=network))
    return decode_image(target.read_bytes())


def test_one_file_is_enough(studio, networks, tmp_path):
    taken = studio.take_image(BOTH, "FLIR0001.jpg", True)
    assert (taken["unit"], taken["width"], taken["height"]) == ("degC", 48, 40)
    assert np.allclose(taken["values"], [10, 42], atol=0.05)
    shown = decode_image(studio.shelf.read(taken["view"]))
    assert shown[0, 0] == 0
    assert shown[-1, -1] == 255
    inside = taken["inside"]
    assert inside["token"] == taken["token"]
    assert (decode_image(studio.shelf.read(inside["view"])) == VISIBLE).all()
    form = {"model": MODEL, "infrared": taken["token"], "visible": inside["token"]}
    done = list(studio.fuse(form))[-1]
    assert (done["width"], done["height"], done["name"]) == (80, 64, "FLIR0001-fused.jpg")
    assert "Real2IR" in " ".join(done["notes"])
    fused = decode_image(studio.shelf.read(done["download"]))
    assert (fused == by_command(networks, tmp_path, ("FLIR0001.jpg", BOTH))).all()
    plane = studio.shelf.read(done["planes"]["infrared"])
    alpha = decode_image(plane)[..., 3]
    assert set(np.unique(alpha)) == {0, 255}  # the thermal camera sees a part
    assert all(metric["value"] is not None for metric in done["metrics"] if metric["name"] == "EN")


def test_beside_another_image_its_temperatures_count(studio, networks, tmp_path):
    visible = png((40, 48, 3), 7, suffix=".jpg")
    tokens = {
        "infrared": studio.take_image(BOTH, "a.jpg", True)["token"],
        "visible": studio.take_image(visible, "b.jpg", False)["token"],
    }
    done = list(studio.fuse({"model": MODEL, **tokens}))[-1]
    fused = decode_image(studio.shelf.read(done["download"]))
    assert (fused == by_command(networks, tmp_path, ("a.jpg", BOTH), ("b.jpg", visible))).all()


def test_as_the_visible_image_it_is_what_other_programs_see(studio):
    taken = studio.take_image(BOTH, "FLIR0001.jpg", False)
    assert "unit" not in taken
    assert (taken["width"], taken["height"], taken["bits"]) == (48, 40, 8)


def test_what_is_not_inside_and_what_is_too_large_are_said(studio):
    taken = studio.take_image(ALONE, "FLIR0001.jpg", True)
    assert "inside" not in taken
    form = {"model": MODEL, "infrared": taken["token"], "visible": taken["token"]}
    assert "holds no visible image" in list(studio.fuse(form))[-1]["sentence"]
    large = radiometric(to_counts(CELSIUS), np.zeros((120, 120, 3), np.uint8), place=(1, 0, 0))
    with pytest.raises(UserError, match=r"visible image inside FLIR.* 10000"):
        studio.take_image(large, "FLIR0002.jpg", True)


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"DCIM/1.jpg": BOTH, "DCIM/2.jpg": BOTH, "DCIM/3.jpg": png(suffix=".jpg")}, {"1", "2"}),
        ({"ir/4.jpg": BOTH, "vi/4.jpg": png((40, 48, 3), 7, suffix=".jpg")}, {"4"}),
    ],
)
def test_a_folder_of_them(studio, networks, tmp_path, files, names):
    token = studio.shelf.put(pack(files)["buffer"], "a.zip", "application/zip")
    done = list(studio.fuse_many({"model": MODEL, "zip": token, "job": "j"}))[-1]
    assert done["fused"] == len(names)
    assert done["alone"] == (["3.jpg"] if "1" in names else [])
    with zipfile.ZipFile(io.BytesIO(studio.shelf.read(done["download"]))) as out:
        for name in names:
            inputs = [(path.replace("/", ""), data) for path, data in files.items() if name in path]
            fused = decode_image(out.read(f"{name}.jpg"))
            assert (fused == by_command(networks, tmp_path, *inputs)).all()
            (tmp_path / "by_command.jpg").unlink()


def test_in_the_browser(page, networks, tmp_path):
    choose(page, "infrared", BOTH, "FLIR0001.jpg")
    page.wait_for_selector("#go:not([disabled])")
    assert page.text_content("#said-infrared") == "FLIR0001.jpg, 48×40, 10.0 to 42.0 °C"
    assert page.text_content("#said-visible") == "FLIR0001.jpg, 80×64, 8 bit"
    page.click("#go")
    wait_until(page, "#status", "Done.")
    assert "Real2IR" in page.text_content("#notes")
    name, data = fetch(page, "#download")
    assert name == "FLIR0001-fused.jpg"
    fused = by_command(networks, tmp_path, ("FLIR0001.jpg", BOTH))
    assert (decode_image(data) == fused).all()
    choose(page, "infrared", png(), "T.png")  # to which the visible one inside does not belong
    wait_until(page, "#said-infrared", "T.png")
    assert page.text_content("#said-visible") == ""
    assert page.is_disabled("#go")
    assert page.is_hidden("#download")
