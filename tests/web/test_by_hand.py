"""Alignment by hand in a real browser, against a pair whose transform is known."""

import json

import cv2
import numpy as np
import pytest

from emma_fusion.align import load_rig
from emma_fusion.align.geometry import apply, corner_distance, corners, middle, shift, turned
from emma_fusion.demo import render_scene
from emma_fusion.errors import UserError
from emma_fusion.images.raster import decode_image, encode_image
from emma_fusion.jobs.fuse import fuse
from emma_fusion.jobs.options import NetworkOptions
from emma_fusion.jobs.request import FuseRequest
from emma_fusion.web.limits import Limits
from flir import radiometric, to_counts
from web_images import png
from web_pages import MODEL, choose, fetch, wait_until

SIZE = (180, 240)
INFRARED, VISIBLE = render_scene(*SIZE)
MOTION = (30.0, 20.0, 32.0, 1.05)  # right, down, degrees, scale: too far turned for `auto`
TRUTH = np.linalg.inv(shift(*MOTION[:2]) @ turned(*MOTION[2:], middle(SIZE)))
_WARPED = cv2.warpPerspective(INFRARED, TRUTH, SIZE[::-1])
MOVED = np.where(_WARPED == 0, 90, _WARPED).astype(np.uint8)  # no black frame


@pytest.fixture(scope="module")
def limits():
    return Limits(megapixels=0.05)


@pytest.fixture
def pair(page):
    choose(page, "infrared", encode_image("a.png", MOVED), "T.png")
    choose(page, "visible", encode_image("a.png", VISIBLE), "V.png")
    page.wait_for_selector("#go:not([disabled])")
    return page


def drag(page, selector, *places):
    """Drag along places, each in shares of an element's width and height."""
    box = page.locator(selector).bounding_box()
    points = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point)
    page.mouse.up()


def download_rig(page, path):
    path.write_bytes(fetch(page, "#hand-rig")[1])
    return load_rig(path)


def numbers(page):
    names = ("right", "down", "turn", "scale")
    return [float(page.input_value(f"#hand-{name}")) for name in names]


def test_where_auto_refuses_the_pair_is_moved_refined_and_fused(pair, networks, tmp_path):
    page = pair
    page.select_option("#align", "auto")
    assert page.is_hidden("#offer-hand")
    page.click("#go")
    page.wait_for_selector("#offer-hand:not([hidden])")
    assert "could not be aligned" in page.text_content("#error")
    page.click("#offer-hand")
    page.wait_for_selector("#hand-table")
    assert numbers(page) == [0, 0, 0, 100]

    drag(page, "#hand-table", (0.5, 0.5), (0.6, 0.6))
    assert numbers(page) == pytest.approx([24, 18, 0, 100], abs=0.3)
    page.focus("#hand-table")
    for key in ("ArrowRight", "Shift+ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    assert numbers(page) == pytest.approx([34, 19, 0, 100], abs=0.3)
    page.check("input[value=turn]", force=True)
    page.focus("#hand-table")
    middle_now = 0.5 + 34 / 240, 0.5 + 19 / 180
    # a quarter of a turn about where the middle is now, and 59 degrees back
    drag(
        page,
        "#hand-table",
        (middle_now[0] + 0.2, middle_now[1]),
        (middle_now[0], middle_now[1] + 0.2 * 240 / 180),
    )
    assert numbers(page)[2] == pytest.approx(90, abs=0.6)
    for _ in range(59):
        page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowUp")
    assert numbers(page)[2] == pytest.approx(30.9, abs=0.6)
    page.check("input[value=scale]", force=True)
    page.focus("#hand-table")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Shift+ArrowRight")
    assert numbers(page)[3] == pytest.approx(104)

    # what is seen is what the rig says, which changes nothing
    rough = download_rig(page, tmp_path / "rough.json")
    assert 2 < corner_distance(rough.matrix, TRUTH, SIZE) < 12
    halves = [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]  # of the pixels at the corners
    ends = apply(np.linalg.inv(rough.matrix), corners(SIZE) + halves)
    table = page.locator("#hand-table").bounding_box()
    laid = page.locator("#hand-table .laid").bounding_box()
    factor = table["width"] / SIZE[1]
    assert laid["x"] - table["x"] == pytest.approx(factor * (ends[:, 0].min() + 0.5), abs=1)
    assert laid["y"] - table["y"] == pytest.approx(factor * (ends[:, 1].min() + 0.5), abs=1)
    assert laid["width"] == pytest.approx(factor * np.ptp(ends[:, 0]), abs=1)

    assert numbers(page)[3] == pytest.approx(104)
    page.click("#hand-refine")
    wait_until(page, "#hand-said", "Refined, as a")
    rig = download_rig(page, tmp_path / "rig.json")
    assert corner_distance(rig.matrix, TRUTH, SIZE) < 0.5
    assert rig.notes == {"by": "hand, then auto"}

    page.click("#hand-fuse")
    wait_until(page, "#status", "Done.")
    assert page.is_hidden("#hand")
    fused = decode_image(fetch(page, "#download")[1])
    paths = [tmp_path / name for name in ("T.png", "V.png", "fused.png")]
    for path, image in zip(paths, (MOVED, VISIBLE), strict=False):
        path.write_bytes(encode_image("a.png", image))
    network = NetworkOptions(networks._known[MODEL], device="cpu")
    fuse(
        FuseRequest(
            *map(str, paths[:2]),
            output=str(paths[2]),
            align=str(tmp_path / "rig.json"),
            network=network,
        )
    )
    assert (fused == decode_image(paths[2].read_bytes())).all()


def test_opacity_and_blink(pair):
    page = pair
    page.click("#to-hand")
    page.fill("#hand-opacity", "80")
    laid = page.locator("#hand-table .laid")
    assert laid.evaluate("(image) => getComputedStyle(image).opacity") == "0.8"
    page.click("#hand-blink")
    page.wait_for_selector("#hand-table.without")
    page.wait_for_selector("#hand-table:not(.without)")
    page.click("#hand-blink")
    assert page.get_attribute("#hand-blink", "aria-pressed") == "false"


def test_three_clicked_pairs_say_where_it_lies(pair, tmp_path):
    page = pair
    page.select_option("#align", "hand")
    page.check("input[value=points]", force=True)
    here = np.array([[60.0, 60], [180, 70], [120, 130]])
    there = apply(TRUTH, here)
    for count, (one, other) in enumerate(zip(here, there, strict=True)):
        for side, (x, y) in (("visible", one), ("infrared", other)):
            field = page.locator(f"#hand-points figure[data-of={side}] > div")
            box = field.bounding_box()
            place = {"x": (x + 0.5) * box["width"] / 240, "y": (y + 0.5) * box["height"] / 180}
            if count == 0 and side == "visible":  # a click beside it, which the next one replaces
                field.click(position={"x": place["x"] + 30, "y": place["y"]})
            field.click(position=place)
    wait_until(page, "#hand-said", "By 3 point pairs, as a similarity")
    assert page.locator("#hand-points .point").all_text_contents() == ["1", "2", "3"] * 2
    rig = download_rig(page, tmp_path / "rig.json")
    assert corner_distance(rig.matrix, TRUTH, SIZE) < 1
    page.click("#hand-remove")
    assert page.locator("#hand-points .point").count() == 4
    page.check("input[value=shift]", force=True)  # and it is moved on from there
    page.focus("#hand-table")
    page.keyboard.press("ArrowRight")
    moved = download_rig(page, tmp_path / "moved.json")
    expected = rig.matrix @ shift(-1, 0)
    assert corner_distance(moved.matrix, expected, SIZE) < 1e-6


def test_a_pair_of_other_sizes_is_offered_and_stays_set(page, tmp_path):
    choose(page, "infrared", png((40, 48), 1), "T.png")
    choose(page, "visible", png((80, 96, 3), 2), "V.png")
    page.wait_for_selector("#go:not([disabled])")
    page.click("#go")
    page.click("#offer-hand")
    page.focus("#hand-table")
    page.keyboard.press("ArrowRight")
    choose(page, "infrared", png((40, 48), 3), "next.png")  # of the same cameras
    wait_until(page, "#said-infrared", "next.png")
    page.wait_for_selector("#go:not([disabled])")
    rig = download_rig(page, tmp_path / "rig.json")
    assert np.allclose(rig.matrix[:2], [[0.5, 0, -0.75], [0, 0.5, -0.25]])
    page.click("#hand-reset")
    choose(page, "visible", png((60, 72, 3), 2), "other.png")
    wait_until(page, "#said-visible", "other.png")
    rig = download_rig(page, tmp_path / "other.json")
    assert rig.visible == (60, 72)


def states(studio, infrared, visible, **form):
    tokens = {"infrared": infrared["token"], "visible": visible["token"]}
    return list(studio.align({**tokens, **form}))[-1]


def test_a_camera_says_where_it_begins(studio):
    celsius = np.linspace(10, 42, 40 * 48).reshape(40, 48)
    data = radiometric(to_counts(celsius), np.zeros((64, 80, 3), np.uint8), place=(1.25, 2, -1))
    taken = studio.take_image(data, "a.jpg", True)
    done = states(studio, taken, taken["inside"], motion=[0, 0, 0, 1])
    rig = json.loads(studio.shelf.read(done["rig"]))
    assert rig["visible_to_infrared"] == done["matrix"]
    step = 1.25 * 48 / 80
    assert done["matrix"][0] == pytest.approx([step, 0, 23.5 - step * (39.5 + 2)])
    form = {"model": MODEL, "infrared": taken["token"], "visible": taken["token"]}
    fused = list(studio.fuse({**form, "align": "hand", "rig": done["rig"]}))[-1]
    plain = list(studio.fuse(form))[-1]
    images = [decode_image(studio.shelf.read(one["download"])) for one in (fused, plain)]
    assert (images[0] == images[1]).all()


@pytest.mark.parametrize(
    "form",
    [{}, {"motion": "x"}, {"motion": [1, 2]}, {"motion": [0, 0, 0, -1]}, {"motion": [None] * 4}],
)
def test_what_is_no_motion_is_refused(studio, form):
    given = [studio.take_image(png(seed=n), "a.png", n == 0) for n in range(2)]
    assert states(studio, *given, **form)["state"] == "failed"


def test_points_from_outside_are_checked(studio):
    given = [studio.take_image(png(seed=n), "a.png", n == 0) for n in range(2)]
    for points in ("x", {"infrared": [[1, 2]]}, {"infrared": [[0, 0]] * 501, "visible": []}):
        assert states(studio, *given, points=points)["state"] == "failed"
    with pytest.raises(UserError, match="no longer kept"):
        studio._rig({"rig": "../../etc/passwd"})


def test_hand_without_a_rig_is_said(studio):
    given = [studio.take_image(png(seed=n), "a.png", n == 0) for n in range(2)]
    form = {"model": MODEL, "infrared": given[0]["token"], "visible": given[1]["token"]}
    assert "by hand yet" in list(studio.fuse({**form, "align": "hand"}))[-1]["sentence"]
