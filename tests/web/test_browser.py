"""The page in a real browser: Debian's chromium, driven by Playwright."""

import io
import re
import zipfile

import numpy as np
import pytest

from emma_fusion.demo import render_scene
from emma_fusion.images.raster import decode_image, encode_image
from emma_fusion.web import studio as studio_room
from web_images import draw, png
from web_pages import MODEL, SHAPE, choose, fetch, pack


def test_upload_fuse_slide_and_download(page, networks):
    assert page.is_disabled("#go")
    choose(page, "infrared", png(SHAPE, 1, np.uint16), "T1.png")
    choose(page, "visible", png((*SHAPE, 3), 2, np.uint16), "V1.png")
    page.wait_for_selector("#go:not([disabled])")
    assert page.text_content("#said-visible") == "V1.png, 128×96, 16 bit"
    page.select_option("#colour", "none")
    captions = page.locator("#stage .caption")
    assert captions.all_text_contents() == ["Infrared", "Visible"]
    page.click("#go")
    page.wait_for_selector("#scores:not([hidden])")
    assert page.locator("#scores tr").count() == 9
    assert page.text_content("#status") == "Done."

    stage = page.locator("#stage")
    assert stage.get_attribute("aria-valuenow") == "50"
    stage.focus()
    page.keyboard.press("ArrowRight")
    assert stage.get_attribute("aria-valuenow") == "52"
    box = stage.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.52, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20, steps=4)
    page.mouse.up()
    assert stage.get_attribute("aria-valuenow") == "25"
    clip = page.evaluate("getComputedStyle(document.querySelector('.over')).clipPath")
    assert float(re.search(r"([\d.]+)%", clip)[1]) == pytest.approx(75, abs=0.5)
    assert stage.locator(".caption").all_text_contents() == ["Visible", "Fused"]
    page.click("#pick-left label:has-text('Infrared')")
    assert stage.locator(".caption").all_text_contents() == ["Infrared", "Fused"]

    name, data = fetch(page, "#download")
    assert name == "V1-fused.png"
    sources = draw(SHAPE, 1, np.uint16), draw((*SHAPE, 3), 2, np.uint16)
    fused = decode_image(data)
    assert fused.dtype == np.uint16
    assert (fused == networks.open(MODEL)(*sources, colour="none", contrast="auto")).all()


def test_a_bad_file_and_a_huge_image_are_refused_where_they_were_dropped(page):
    choose(page, "infrared", b"Dear all", "letter.png")
    page.wait_for_selector("#said-infrared.wrong")
    assert page.text_content("#said-infrared").startswith("letter.png ")
    choose(page, "visible", encode_image("a.png", np.zeros((200, 200), np.uint8)), "huge.png")
    page.wait_for_selector("#said-visible.wrong")
    assert "200x200 pixels; more than 20000" in page.text_content("#said-visible")
    assert page.is_disabled("#go")
    choose(page, "infrared", png((20, 20)), "a.png")
    choose(page, "visible", png((20, 24)), "b.png")
    page.wait_for_selector("#go:not([disabled])")
    page.click("#go")
    page.wait_for_selector("#error:not([hidden])")
    assert "a.png is 20x20 pixels and b.png is 24x20" in page.text_content("#error")
    assert page.is_enabled("#go")


def test_a_zip_comes_back_and_one_that_leads_out_is_refused(page):
    page.click("#tab-many")
    files = {f"{side}/{n}.png": png(seed=n) for n in range(3) for side in ("ir", "vi")}
    page.set_input_files("#zip", pack(files | {"ir/2.png": b"no"}))
    page.click("#go")
    page.wait_for_selector("#work-many a[href^='download/']")
    assert page.text_content("#work-many h2") == "2 of 3 pairs fused"
    assert page.text_content("#work-many .failures li").startswith("2: 2.png ")
    name, data = fetch(page, "#work-many a")
    assert name == "fused.zip"
    with zipfile.ZipFile(io.BytesIO(data)) as out:
        assert out.namelist() == ["0.png", "1.png", "failed.txt"]

    page.set_input_files("#zip", pack({"ir/0.png": png(), "../vi/0.png": png()}))
    page.click("#go")
    page.wait_for_selector("#error:not([hidden])")
    assert "0.png leads out of it" in page.text_content("#error")


def test_a_folder_is_taken_as_it_is(page, tmp_path):
    for side in ("ir", "vi"):
        (tmp_path / "mine" / side).mkdir(parents=True)
        (tmp_path / "mine" / side / "a.png").write_bytes(png())
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    page.click("#tab-many")
    page.set_input_files("#folder", tmp_path / "mine")
    assert page.text_content("#said-many") == "mine, 2 images"
    page.click("#go")
    page.wait_for_selector("#work-many a[href^='download/']")
    assert page.text_content("#work-many h2") == "1 of 1 pairs fused"


def test_the_example_by_keyboard_on_a_small_screen(page, monkeypatch):
    monkeypatch.setattr(studio_room, "render_scene", lambda: render_scene(*SHAPE))
    page.set_viewport_size({"width": 390, "height": 844})
    page.focus("#tab-images")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#tab-many", "aria-selected") == "true"
    assert page.is_visible("#panel-many")
    page.keyboard.press("ArrowLeft")
    page.focus("#example-too")
    page.keyboard.press("Enter")
    page.wait_for_selector("#download:not([hidden])")
    assert page.text_content("#said-infrared") == "street-infrared.png, 128×96, 8 bit"
    for tab in ("#tab-many", "#tab-video", "#tab-images"):
        if page.is_visible(tab):
            page.click(tab)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    # Nothing of the form leaves it; what chooses the two sides stays above the image and off the
    # scores beside it.
    beyond = """form => [...form.querySelectorAll("*:not(input)")]
        .filter(e => e.offsetParent)
        .filter(e => e.getBoundingClientRect().right > form.getBoundingClientRect().right)
        .map(e => e.outerHTML)"""
    for width in (390, 800, 1024, 1200, 1600):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.locator("#inputs").evaluate(beyond) == [], width
        image = page.locator("#stage").bounding_box()
        for side in ("#pick-left", "#pick-right"):
            box = page.locator(side).bounding_box()
            assert box["x"] + box["width"] <= image["x"] + image["width"] + 1, (width, side)


def test_two_videos_become_one_that_plays(page, tmp_path):
    pytest.importorskip("av", reason="needs the extra video")
    from videos import image, write_video

    for name in ("i", "v"):
        write_video(tmp_path / f"{name}.mp4", [image(n) for n in range(4)])
    page.click("#tab-video")
    page.set_input_files(".tile[data-side=video-infrared] input", tmp_path / "i.mp4")
    page.set_input_files(".tile[data-side=video-visible] input", tmp_path / "v.mp4")
    page.wait_for_selector("#go:not([disabled])")
    page.select_option("#layout", "side-by-side")
    page.click("#go")
    page.wait_for_selector("#work-video video")
    # its promise is kept once the video plays
    width = "async (video) => { await video.play(); return video.videoWidth; }"
    assert page.locator("#work-video video").evaluate(width) == 3 * 96
    name, data = fetch(page, "#work-video a")
    assert name == "v-fused.mp4"
    assert data[4:8] == b"ftyp"

    playlist = {"name": "v.mp4", "mimeType": "video/mp4", "buffer": b"#EXTM3U\n/etc/passwd"}
    page.set_input_files(".tile[data-side=video-visible] input", playlist)
    page.wait_for_selector("#go:not([disabled])")
    page.click("#go")
    page.wait_for_selector("#error:not([hidden])")
    assert page.text_content("#error").startswith("v.mp4 is no video")
