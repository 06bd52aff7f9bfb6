"""What the page does, without a browser."""

import io
import threading
import zipfile

import numpy as np
import pytest

from emma_fusion.bench.scoring import Rules, score_files
from emma_fusion.errors import UserError
from emma_fusion.fuser import Fuser
from emma_fusion.images.raster import decode_image
from emma_fusion.images.record import read_record
from emma_fusion.metrics.conventions import NINE
from emma_fusion.web.images import read_form, view
from emma_fusion.web.limits import Limits
from emma_fusion.web.networks import Networks
from emma_fusion.web.shelf import Shelf
from emma_fusion.web.studio import Studio
from web_images import draw, png

MODEL = "small.safetensors"


def give(studio, infrared, visible, names=("i.png", "v.png"), **choices):
    """Fuse two files' bytes; the last state."""
    tokens = {
        side: studio.take_image(data, name, side == "infrared")["token"]
        for side, data, name in zip(
            ("infrared", "visible"), (infrared, visible), names, strict=True
        )
    }
    states = list(studio.fuse({"model": MODEL, **tokens, **choices}))
    assert states[0] == {"state": "started"}
    return states[-1]


def pack(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, data in files.items():
            out.writestr(name, data)
    return buffer.getvalue()


def many(studio, files, **request):
    token = studio.shelf.put(pack(files), "a.zip", "application/zip")
    return list(studio.fuse_many({"model": MODEL, "zip": token, "job": "j", **request}))


def test_a_pair_is_fused_in_the_depth_and_format_of_the_visible(studio, networks, tmp_path):
    infrared, visible = png((44, 48), 1, np.uint16), png((44, 48, 3), 2, np.uint16, ".tif")
    done = give(studio, infrared, visible, ("T 1.png", "ü/V 1.tif"))
    assert (done["state"], done["bits"], done["format"]) == ("done", 16, "tif")
    assert done["name"] == "V_1-fused.tif"
    item = studio.shelf.get(done["download"])
    fused = decode_image(item.path.read_bytes())
    sources = draw((44, 48), 1, np.uint16), draw((44, 48, 3), 2, np.uint16)
    expected = networks.open(MODEL)(*sources, contrast="auto")  # as emma fuse does
    assert fused.dtype == np.uint16
    assert (fused == expected).all()
    shown = decode_image(studio.shelf.read(done["view"]))
    assert shown.dtype == np.uint8
    assert np.abs(shown - expected / 257).max() <= 0.5

    paths = [tmp_path / name for name in ("f.tif", "i.png", "v.tif")]
    for path, data in zip(paths, (item.path.read_bytes(), infrared, visible), strict=True):
        path.write_bytes(data)
    values = {metric["name"]: metric["value"] for metric in done["metrics"]}
    assert values == score_files(*paths, Rules(metrics=NINE))  # what emma evaluate gives


def test_choices_are_those_of_the_fuser(studio, networks):
    infrared, visible = draw((40, 48), 1), draw((40, 48, 3), 2)
    fuser = networks.open(MODEL)
    for choices in ({"colour": "none"}, {"contrast": "stretch"}, {"colour": "infrared"}):
        done = give(studio, png((40, 48), 1), png((40, 48, 3), 2), **choices)
        fused = decode_image(studio.shelf.read(done["download"]))
        assert (fused == fuser(infrared, visible, **{"contrast": "auto"} | choices)).all()
    plain = give(studio, png((40, 48), 1), png((40, 48), 2))
    assert decode_image(studio.shelf.read(plain["download"])).ndim == 2
    assert [m["name"] for m in plain["metrics"] if m["value"] is None] == ["VIF"]  # too small
    hot = give(studio, png((40, 48), 1), png((40, 48), 2), palette="inferno")
    assert hot["colour"] == "palette inferno"
    assert decode_image(studio.shelf.read(hot["download"])).ndim == 3


@pytest.mark.parametrize("wrong", [{"model": "../x"}, {"colour": "red"}, {"palette": 7}])
def test_choices_from_outside_are_checked(studio, wrong):
    assert give(studio, png(), png(), **wrong)["state"] == "failed"


def test_the_fused_file_says_how_it_was_made(studio, tmp_path):
    done = give(studio, png(), png(seed=1))
    (tmp_path / "f.png").write_bytes(studio.shelf.read(done["download"]))
    record = read_record(tmp_path / "f.png")
    assert record["model"] == MODEL
    assert record["infrared"]["name"] == "i.png"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"GIF89a nothing", "mine.png is"),
        (b"", "mine.png is"),
        (png()[:300], "mine.png is"),
        (png((101, 100)), "claims to be 100x101 pixels; more than 10000"),
        (bytes(1_100_000), "has 1 MB; an image may have 1"),
    ],
)
def test_what_is_no_image_is_refused_in_a_sentence(studio, data, sentence):
    with pytest.raises(UserError) as error:
        studio.take_image(data, "/somewhere/mine.png", True)
    assert sentence in str(error.value)
    assert "somewhere" not in str(error.value)


def test_sizes_that_differ_and_tokens_that_are_gone(studio):
    assert "48x40" in give(studio, png(), png((40, 40)))["sentence"]
    state = list(studio.fuse({"model": MODEL, "infrared": "../../etc/passwd", "visible": "x"}))[-1]
    assert state["state"] == "failed"
    assert "no longer kept" in state["sentence"]


def test_two_visitors_do_not_meet(networks):
    """Each of four at the same time gets what they get alone."""
    studio = Studio(networks)
    fuser = Fuser.from_pretrained(networks._known[MODEL], device="cpu")
    wishes = [("none", "none"), ("none", "stretch"), ("visible", "none"), ("visible", "stretch")]
    got, together = {}, threading.Barrier(len(wishes))

    def visit(number):
        colour, contrast = wishes[number]
        infrared, visible = png((64, 64), number), png((64, 64, 3), 9 + number)
        together.wait()
        for _ in range(3):
            done = give(studio, infrared, visible, colour=colour, contrast=contrast)
            got.setdefault(number, []).append(decode_image(studio.shelf.read(done["download"])))

    threads = [threading.Thread(target=visit, args=(n,)) for n in range(len(wishes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, (colour, contrast) in enumerate(wishes):
        alone = fuser(
            draw((64, 64), number), draw((64, 64, 3), 9 + number), colour=colour, contrast=contrast
        )
        assert len(got[number]) == 3
        assert all((image == alone).all() for image in got[number])
    studio.shelf.close()


def test_a_zip_of_pairs_comes_back_fused(studio, networks):
    files = {
        "n/ir/a b.png": png(seed=1),
        "n/vi/a b.png": png((40, 48, 3), 2),
        "n/ir/deep.png": png(seed=3),
        "n/vi/deep.tif": png((40, 48), 4, np.uint16, ".tif"),
        "n/ir/bad.png": b"no image",
        "n/vi/bad.png": png(),
        "n/ir/alone.png": png(),
    }
    states = many(studio, files)
    running = [state for state in states if state["state"] == "running"]
    assert [(state["done"], state["total"]) for state in running] == [(1, 3), (2, 3), (3, 3)]
    done = states[-1]
    assert (done["fused"], done["total"], done["ended"]) == (2, 3, "")
    assert done["alone"] == ["alone.png"]
    assert len(done["failures"]) == 1
    assert done["failures"][0].startswith("bad: bad.png ")
    with zipfile.ZipFile(studio.shelf.get(done["download"]).path) as out:
        assert out.namelist() == ["a_b.png", "deep.tif", "deep.tif.json", "failed.txt"]
        fused = decode_image(out.read("a_b.png"))
        assert decode_image(out.read("deep.tif")).dtype == np.uint16
    expected = networks.open(MODEL)(draw((40, 48), 1), draw((40, 48, 3), 2), contrast="auto")
    assert (fused == expected).all()


def test_a_folder_is_as_a_zip_and_its_files_are_dropped(studio):
    files = [
        {"path": f"n/{side}/1.png", "token": studio.shelf.put(png((40, 48), s), "1.png", "x")}
        for s, side in enumerate(("thermal", "rgb"))
    ]
    done = list(studio.fuse_many({"model": MODEL, "files": files, "job": "j"}))[-1]
    assert done["fused"] == 1
    with pytest.raises(UserError):
        studio.shelf.get(files[0]["token"])
    for wrong in ("../rgb/1.png", "/rgb/1.png"):
        request = {"model": MODEL, "files": [{"path": wrong, "token": "x"}], "job": "j"}
        assert "leads out" in list(studio.fuse_many(request))[-1]["sentence"]
    state = list(studio.fuse_many({"model": MODEL, "files": "x", "job": "j"}))[-1]
    assert state["state"] == "failed"


def test_a_wrong_order_is_said(studio):
    grey, coloured = png((40, 48), 1), png((40, 48, 3), 2)
    assert any(
        "order seems wrong: a.png" in note
        for note in give(studio, coloured, grey, ("a.png", "b.png"))["notes"]
    )
    assert give(studio, grey, coloured)["notes"] == []
    files = {f"ir/{n}.png": coloured if n else grey for n in range(3)}
    done = many(studio, files | {f"vi/{n}.png": grey for n in range(3)})[-1]
    assert len(done["notes"]) == 1
    assert "order seems wrong in 2 pairs. First, " in done["notes"][0]
    assert many(studio, {"ir/1.png": grey, "vi/1.png": coloured})[-1]["notes"] == []


def test_a_zip_that_leads_out_is_refused_whole(studio):
    states = many(studio, {"ir/1.png": png(), "../vi/1.png": png()})
    assert [state["state"] for state in states] == ["started", "failed"]
    assert "leads out" in states[-1]["sentence"]


def test_a_job_can_be_stopped_and_keeps_what_it_has(studio):
    files = {f"{side}/{n}.png": png(seed=n) for n in range(4) for side in ("ir", "vi")}
    token = studio.shelf.put(pack(files), "a.zip", "application/zip")
    states = studio.fuse_many({"model": MODEL, "zip": token, "job": "mine"})
    for state in states:
        if state["state"] == "running":
            studio.stop("other")
            if state["done"] == 2:
                studio.stop("mine")
    assert (state["fused"], state["total"]) == (2, 4)
    assert "stopped" in state["ended"]


def test_limits_of_time_and_pairs_end_a_job_with_a_sentence(networks):
    files = {f"{side}/{n}.png": png(seed=n) for n in range(3) for side in ("ir", "vi")}
    short = Studio(networks, Limits(minutes=-1))
    assert "more than -1 minutes" in many(short, files)[-1]["sentence"]
    few = Studio(networks, Limits(pairs=2))
    assert "3 pairs; at once there may be 2" in many(few, files)[-1]["sentence"]
    for studio in (short, few):
        studio.shelf.close()


def test_the_shelf_forgets(tmp_path):
    now = [0.0]
    shelf = Shelf(10, 60, lambda: now[0])
    old = shelf.put(b"1234", "a", "x")
    now[0] = 1
    kept = shelf.put(b"1234", "b", "x")
    now[0] = 2
    assert shelf.read(old) == b"1234"  # used: the other one is now the older
    new = shelf.put(b"1234", "c", "x")
    with pytest.raises(UserError, match="no longer kept"):
        shelf.get(kept)
    now[0] = 61.5
    shelf.put(b"1", "d", "x")
    assert shelf.read(new) == b"1234"
    now[0] = 200
    path = shelf.get(shelf.put(b"1", "e", "x")).path
    with pytest.raises(UserError, match="no longer kept"):
        shelf.get(new)
    shelf.close()
    assert not path.parent.exists()


def test_a_view_is_small_and_of_8_bit():
    wide = view(np.full((10, 5000, 4), 65535, np.uint16))
    assert decode_image(wide).shape == (4, 2048, 3)
    assert decode_image(wide).max() == 255


def test_base_comes_first_and_own_weights_before_it(networks):
    assert Networks().names[0] == "base"
    assert networks.names[:2] == [MODEL, "base"]
    with pytest.raises(UserError, match="no model"):
        Networks("absent.safetensors")
    assert read_form({"model": 3}).network.model == "3"
