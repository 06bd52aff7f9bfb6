"""The overlay beside the fused image on the page, and the values under the cursor."""

import io

import numpy as np
import pytest
from PIL import Image

from emma_fusion.errors import UserError
from emma_fusion.images.raster import decode_image, encode_image
from emma_fusion.values.overlay import overlay
from emma_fusion.web.values import keep_values, read_values
from flir import radiometric, to_counts
from web_images import png
from web_pages import MODEL, choose, fetch, wait_until

# Four fields of one value each, so that what is shown there does not depend on its size.
INFRARED = np.kron([[0, 255], [140, 60]], np.ones((48, 64))).astype(np.uint8)
VISIBLE = np.kron([[200, 30], [90, 255]], np.ones((48, 64))).astype(np.uint8)


def field_colours(page):
    """What is seen in the middle of each field of the stage."""
    image = Image.open(io.BytesIO(page.locator("#stage").screenshot())).convert("RGB")
    shown = np.asarray(image)
    height, width = shown.shape[:2]
    rows, columns = (height // 8, 5 * height // 8), (width // 4, 3 * width // 4)
    return shown[np.ix_(rows, columns)].astype(int)


def point_at(page, x, y, size):
    """Point at a pixel of an image of a size (height, width) on the stage."""
    box = page.locator("#stage").bounding_box()
    page.mouse.move(
        box["x"] + (x + 0.5) * box["width"] / size[1],
        box["y"] + (y + 0.5) * box["height"] / size[0],
    )


def test_the_overlay_is_linear_in_the_browser(page):
    choose(page, "infrared", encode_image("a.png", INFRARED), "PET.png")
    choose(page, "visible", encode_image("a.png", VISIBLE), "MRI.png")
    page.click("#go")
    wait_until(page, "#status", "Done.")
    assert page.is_hidden("#overlay-look")
    for side in ("left", "right"):
        page.check(f"input[name=pick-{side}][value=overlay]", force=True)
    for palette, opacity in (("hot", 50), ("viridis", 20), ("turbo", 100), ("hot", 0)):
        page.select_option("#overlay-palette", palette)
        page.fill("#overlay-opacity", str(opacity))
        page.wait_for_timeout(300)
        planes = (np.float32(plane[24::48, 32::64] / 255) for plane in (INFRARED, VISIBLE))
        wanted = 255 * overlay(*planes, palette, opacity / 100)
        assert np.abs(field_colours(page) - wanted).max() <= 3, palette
    page.check("input[name=pick-right][value=fused]", force=True)  # beside the fused one
    assert page.locator("#stage .caption").all_text_contents() == ["Overlay", "Fused"]


def test_the_overlay_of_a_coloured_scan_keeps_its_colours(page):
    coloured = np.dstack([INFRARED, 255 - INFRARED, INFRARED // 2])
    choose(page, "infrared", encode_image("a.png", coloured), "PET.png")
    choose(page, "visible", encode_image("a.png", VISIBLE), "MRI.png")
    page.click("#go")
    wait_until(page, "#status", "Done.")
    for side in ("left", "right"):
        page.check(f"input[name=pick-{side}][value=overlay]", force=True)
    assert page.is_hidden("#overlay-palette")
    page.fill("#overlay-opacity", "40")
    page.wait_for_timeout(300)
    first, second = (plane[24::48, 32::64] / np.float32(255) for plane in (coloured, VISIBLE))
    assert np.abs(field_colours(page) - 255 * overlay(first, second, opacity=0.4)).max() <= 3


def test_values_of_both_sources_and_the_fused_image(page):
    visible = np.dstack([VISIBLE, VISIBLE, 255 - VISIBLE])
    infrared = INFRARED.astype(np.uint16) * 200
    choose(page, "infrared", encode_image("a.png", infrared), "T.png")
    choose(page, "visible", encode_image("a.png", visible), "V.png")
    page.click("#go")
    wait_until(page, "#status", "Done.")
    fused = decode_image(fetch(page, "#download")[1])
    for x, y in ((100, 10), (3, 95)):
        point_at(page, x, y, (96, 128))
        wait_until(page, "#values", f"{x}, {y}")
        rows = page.locator("#values dd").all_text_contents()
        assert rows == [
            f"{x}, {y}",
            f"{infrared[y, x]} ({infrared[y, x] / 257:.0f} of 255)",
            ", ".join(map(str, visible[y, x])),
            ", ".join(map(str, fused[y, x])),
        ]


def test_of_a_flir_file_the_temperature_of_the_pixel_below(page):
    celsius = np.linspace(10, 42, 40 * 48).reshape(40, 48)
    inside = np.full((64, 80, 3), 50, np.uint8)
    choose(page, "infrared", radiometric(to_counts(celsius), inside, place=(1.25, 2, -1)), "F.jpg")
    page.wait_for_selector("#go:not([disabled])")
    page.click("#go")
    wait_until(page, "#status", "Done.")
    x, y, step = 50, 40, 1.25 * 48 / 80
    u, v = round(23.5 + step * (x - 39.5 - 2)), round(19.5 + step * (y - 31.5 + 1))
    point_at(page, x, y, (64, 80))
    wait_until(page, "#values", f"{x}, {y}")
    told = page.locator("#values dd").all_text_contents()[1]
    assert told.endswith(" °C")
    assert float(told.split()[0]) == pytest.approx(celsius[v, u], abs=0.06)
    point_at(page, 1, 1, (64, 80))  # where the thermal camera does not see
    wait_until(page, "#values", "1, 1")
    assert page.locator("#values dd").all_text_contents()[1] == "–"


def test_pixels_are_read_and_nothing_else(studio):
    masked = np.ma.masked_less(np.float32([[1, 2], [3, np.pi]]), 2)
    token = keep_values(studio.shelf, masked)
    asked = [f"{token}:{x}:{y}" for x, y in ((0, 0), (1, 0), (1, 1), (2, 0), (0, -1))]
    read = read_values(studio.shelf, asked)
    assert read == [None, [2.0], [pytest.approx(np.pi)], None, None]
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((2, 2)))
    stranger = studio.shelf.put(buffer.getvalue(), "a.npy", "application/octet-stream")
    for wrong in (f"{stranger}:0:0", f"{token}:a:0", token, "x:0:0"):
        with pytest.raises(UserError):
            read_values(studio.shelf, [wrong])


def test_a_false_colour_image_has_the_levels_of_its_palette(studio):
    from emma_fusion.values.palettes import apply_palette

    levels = np.tile(np.arange(64, dtype=np.uint8) * 4, (40, 1))
    coloured = np.rint(255 * apply_palette(levels / 255, "turbo")).astype(np.uint8)
    taken = studio.take_image(encode_image("a.png", coloured), "a.png", True)
    ((level,),) = read_values(studio.shelf, [f"{taken['pixels']}:20:7"])
    assert level == pytest.approx(80, abs=1)


def test_an_aligned_pair_tells_where_it_lies(studio):
    given = [studio.take_image(png((80, 96), n), "a.png", n == 0) for n in range(2)]
    form = {"model": MODEL, "infrared": given[0]["token"], "visible": given[1]["token"]}
    assert list(studio.fuse(form))[-1]["matrix"] is None
    tokens = {key: form[key] for key in ("infrared", "visible")}
    rig = list(studio.align({**tokens, "motion": [5, -3, 0, 1]}))[-1]
    done = list(studio.fuse({**form, "align": "hand", "rig": rig["rig"]}))[-1]
    assert np.allclose(done["matrix"], [[1, 0, -5], [0, 1, 3], [0, 0, 1]])
    assert done["aligned"]
