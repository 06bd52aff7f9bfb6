"""The overlay beside fused images: what it shows, where it goes, and what it replaces."""

import numpy as np
import pytest

from emma_fusion.errors import UserError
from emma_fusion.images.raster import encode_pages, read_image, write_image
from emma_fusion.images.reading import open_pages
from emma_fusion.images.record import read_record
from emma_fusion.jobs.fuse import fuse
from emma_fusion.jobs.options import NetworkOptions
from emma_fusion.jobs.request import FuseRequest, VideoOptions
from emma_fusion.values.colour import luminance
from emma_fusion.values.palettes import apply_palette

SIZE = (24, 32)


@pytest.fixture
def ask(model, tmp_path):
    """Asks for the fusion of files by their names."""

    def ask(*names, **options):
        paths = [str(tmp_path / name) for name in names]
        fuse(FuseRequest(*paths, network=NetworkOptions(model=str(model)), **options))

    return ask


def draw(seed, shape=SIZE):
    return np.random.default_rng(seed).integers(0, 255, shape, np.uint8, endpoint=True)


def expected(infrared, visible, palette, opacity):
    """The formula, written out once more."""
    grey = luminance(visible / np.float32(255)) if visible.ndim == 3 else visible / np.float32(255)
    hot = apply_palette(infrared / np.float32(255), palette)
    return np.rint(255 * (opacity * hot + (1 - opacity) * grey[..., None]))


def test_a_coloured_scan_keeps_its_colours(ask, tmp_path):
    """In a scale from blue to yellow to red the highest uptake is not the brightest."""
    infrared, visible = draw(1, (*SIZE, 3)), draw(2)
    write_image(tmp_path / "i.png", infrared)
    write_image(tmp_path / "v.png", visible)
    ask("i.png", "v.png", "f.png", overlay=0.3)
    laid = read_image(tmp_path / "f_overlay.png")
    own = 0.3 * infrared + 0.7 * visible[..., None]
    assert np.abs(laid - own).max() <= 1
    assert read_record(tmp_path / "f_overlay.png")["overlay"]["palette"] == "its own"
    ask("i.png", "v.png", "p.png", overlay=0.3, protocol="paper")  # which gives up colours
    assert read_record(tmp_path / "p.png")["colour"] == "none"
    assert read_record(tmp_path / "p_overlay.png")["overlay"]["palette"] == "hot"
    ask("i.png", "v.png", "g.png", overlay=0.3, palette="turbo")
    grey = np.rint(255 * luminance(infrared / np.float32(255))).astype(np.uint8)
    turbo = expected(grey, visible, "turbo", 0.3)
    assert np.abs(read_image(tmp_path / "g_overlay.png") - turbo).max() <= 3


@pytest.mark.parametrize(("palette", "shown"), [(None, "hot"), ("none", "hot"), ("turbo", "turbo")])
def test_it_is_linear_and_lies_beside_the_fused_image(ask, tmp_path, palette, shown):
    infrared, visible = draw(1), draw(2, (*SIZE, 3))
    write_image(tmp_path / "i.png", infrared)
    write_image(tmp_path / "v.png", visible)
    ask("i.png", "v.png", "f.png", overlay=0.3, palette=palette)
    laid = read_image(tmp_path / "f_overlay.png")
    assert np.abs(laid - expected(infrared, visible, shown, 0.3)).max() <= 1
    record = read_record(tmp_path / "f_overlay.png")
    assert record["overlay"] == {"palette": shown, "opacity": 0.3}
    assert record["infrared"]["name"] == "i.png"
    assert "model" not in record  # nothing is learned
    with pytest.raises(UserError, match=r"f\.png exists"):
        ask("i.png", "v.png", "f.png", overlay=0.3)
    (tmp_path / "f.png").unlink()
    with pytest.raises(UserError, match=r"f_overlay\.png exists"):
        ask("i.png", "v.png", "f.png", overlay=0.3)
    ask("i.png", "v.png", "f.png", overlay=1.0, overwrite=True)
    only = read_image(tmp_path / "f_overlay.png")
    assert np.abs(only - expected(infrared, visible, "hot", 1)).max() <= 1


def test_where_the_infrared_does_not_reach_it_is_the_visible(ask, tmp_path):
    infrared, visible = draw(1, (48, 64)), draw(2, (48, 64))
    write_image(tmp_path / "i.png", infrared)
    write_image(tmp_path / "v.png", visible)
    (tmp_path / "rig.json").write_text(
        '{"kind": "emma-fusion calibration", "format": 1, "software": "", "model": "translation", '
        '"infrared": {"height": 48, "width": 64}, "visible": {"height": 48, "width": 64}, '
        '"visible_to_infrared": [[1, 0, -20], [0, 1, 0], [0, 0, 1]], "pairs": 1, '
        '"residual_pixels": 0}'
    )
    ask("i.png", "v.png", "f.png", overlay=0.5, align=str(tmp_path / "rig.json"))
    laid = read_image(tmp_path / "f_overlay.png").astype(int)
    assert (laid[:, :20] == visible[:, :20, None]).all()
    moved = expected(infrared[:, 1:44], visible[:, 21:], "hot", 0.5)  # but for a border's pixel
    assert np.abs(laid[:, 21:] - moved).max() <= 1


def test_folders_and_pages_have_overlays_too(ask, tmp_path):
    for side in ("ir", "vi"):
        (tmp_path / side).mkdir()
    for seed in range(2):
        write_image(tmp_path / f"ir/{seed}.png", draw(seed))
        write_image(tmp_path / f"vi/{seed}.png", draw(9 + seed))
    ask("ir", "vi", "out", overlay=0.5)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"0.png", "1.png", "0_overlay.png", "1_overlay.png"}
    laid = read_image(tmp_path / "out/1_overlay.png")
    assert np.abs(laid - expected(draw(1), draw(10), "hot", 0.5)).max() <= 1

    write_image(tmp_path / "ir/0_overlay.png", draw(5))  # whose fused image would be in its place
    write_image(tmp_path / "vi/0_overlay.png", draw(5))
    with pytest.raises(UserError, match=r"0_overlay\.png would be a fused image and the overlay"):
        ask("ir", "vi", "other", overlay=0.5)
    assert not (tmp_path / "other").exists()

    for name, first in (("i.tif", 0), ("v.tif", 5)):
        (tmp_path / name).write_bytes(encode_pages([draw(first + n) for n in range(2)]))
    ask("i.tif", "v.tif", "f.tif", overlay=0.5, infrared_range="full")
    with open_pages(tmp_path / "f_overlay.tif") as pages:
        shown = [page.pixels for page in pages]
    for number, page in enumerate(shown):
        wanted = expected(draw(number), draw(5 + number), "hot", 0.5)
        assert np.abs(page - wanted).max() <= 1


def test_what_is_no_opacity_and_videos_are_refused(ask, tmp_path):
    for name in ("i.png", "v.png"):
        write_image(tmp_path / name, draw(1))
    with pytest.raises(UserError, match="between 0 and 1, and not 2"):
        ask("i.png", "v.png", "f.png", overlay=2.0)
    for side in ("ir", "vi"):
        (tmp_path / side).mkdir()
    with pytest.raises(UserError, match="--overlay is for images and scans"):
        ask("ir", "vi", "f.mp4", overlay=0.5, video=VideoOptions(video=True))
    assert not (tmp_path / "f.png").exists()
