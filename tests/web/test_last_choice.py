"""Of two quick choices on the page, the last one's answer is shown, however slow the first is."""

import threading

import numpy as np
import pytest

from emma_fusion.images.raster import decode_image
from emma_fusion.web import studio as studio_room
from emma_fusion.web.studio import Studio
from web_images import draw, png
from web_pages import MODEL, SHAPE, choose, fetch, wait_until


class Slow:
    """A function whose calls wait, where they are told to, until they are let go."""

    def __init__(self, function, waits):
        self._function, self._waits = function, waits
        self.begun, self.let_go, self.ended = (threading.Event() for _ in range(3))

    def __call__(self, *arguments):
        if not self._waits(*arguments):
            return self._function(*arguments)
        self.begun.set()
        assert self.let_go.wait(60)
        try:
            return self._function(*arguments)
        finally:
            self.ended.set()


def settle(page, slow):
    """Let the slow answer go, and give the page time to make a mistake with it."""
    slow.let_go.set()
    assert slow.ended.wait(60)
    page.evaluate("fetch('settings').then((answer) => answer.text())")
    page.wait_for_timeout(300)


@pytest.fixture
def pair(page):
    choose(page, "infrared", png(SHAPE, 1), "T1.png")
    choose(page, "visible", png((*SHAPE, 3), 2), "V1.png")
    page.wait_for_selector("#go:not([disabled])")
    return draw(SHAPE, 1), draw((*SHAPE, 3), 2)


def test_of_choices_one_after_the_other_the_last_is_shown(page, pair, networks, monkeypatch):
    slow = Slow(studio_room.fuse_given, lambda *a: a[2].request.contrast == "stretch")
    monkeypatch.setattr(studio_room, "fuse_given", slow)
    page.click("#go")
    page.wait_for_selector("#scores:not([hidden])")
    page.select_option("#contrast", "stretch")
    assert slow.begun.wait(60)
    wait_until(page, "#status", "Fusing …")
    page.select_option("#contrast", "none")
    page.select_option("#model", "fast")
    page.select_option("#colour", "none")
    wait_until(page, "#status", "Done.")
    src = page.get_attribute(".under .base", "src")
    settle(page, slow)
    assert page.get_attribute(".under .base", "src") == src
    assert page.text_content("#status") == "Done."
    _, data = fetch(page, "#download")
    assert (decode_image(data) == networks.open("fast")(*pair, colour="none")).all()


def test_a_fused_image_of_other_sources_never_comes(page, pair, monkeypatch):
    slow = Slow(studio_room.fuse_given, lambda *a: True)
    monkeypatch.setattr(studio_room, "fuse_given", slow)
    page.click("#go")
    assert slow.begun.wait(60)
    choose(page, "visible", png((*SHAPE, 3), 3), "V2.png")
    wait_until(page, "#said-visible", "V2")
    settle(page, slow)
    assert page.is_hidden("#download")
    assert page.text_content("#status") == ""


def test_of_two_files_in_one_place_the_last_counts(page, monkeypatch):
    monkeypatch.setattr(
        Studio, "take_image", slow := Slow(Studio.take_image, lambda *a: a[2] == "slow.png")
    )
    monkeypatch.setattr(Studio, "take_image", lambda *a: slow(*a))
    choose(page, "infrared", png(SHAPE, 1), "slow.png")
    assert slow.begun.wait(60)
    choose(page, "infrared", png((40, 48), 1), "quick.png")
    wait_until(page, "#said-infrared", "quick")
    settle(page, slow)
    assert page.text_content("#said-infrared") == "quick.png, 48×40, 8 bit"


def test_a_file_given_while_the_example_is_drawn_stays(page, monkeypatch):
    slow = Slow(studio_room.render_scene, lambda *a: True)
    monkeypatch.setattr(studio_room, "render_scene", lambda: slow(*SHAPE))
    page.click("#example")
    assert slow.begun.wait(60)
    choose(page, "infrared", png(SHAPE, 1), "mine.png")
    wait_until(page, "#said-infrared", "mine")
    settle(page, slow)
    assert page.text_content("#said-infrared").startswith("mine.png")
    assert page.is_disabled("#go")


def test_what_one_tab_says_is_not_said_of_another(page, pair, monkeypatch):
    slow = Slow(studio_room.fuse_given, lambda *a: True)
    monkeypatch.setattr(studio_room, "fuse_given", slow)
    page.click("#go")
    assert slow.begun.wait(60)
    page.click("#tab-many")
    assert page.text_content("#status") == ""
    settle(page, slow)
    assert page.text_content("#status") == ""
    page.click("#tab-images")
    wait_until(page, "#status", "Done.")


def test_a_superseded_fusion_is_not_scored(studio):
    tokens = {
        side: studio.take_image(png(seed=n), f"{side}.png", n == 0)["token"]
        for n, side in enumerate(("infrared", "visible"))
    }
    states = []
    for state in studio.fuse({"model": MODEL, "job": "mine", **tokens}):
        states.append(state["state"])
        if state["state"] == "fused":
            studio.stop("mine")
    assert states == ["started", "fused"]
    assert np.all(list(studio.fuse({"model": MODEL, "job": "mine", **tokens}))[-1]["metrics"])
