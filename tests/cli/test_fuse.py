import errno
import json
import os
import shutil
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest

import emma_fusion
from emma_fusion import Fuser
from emma_fusion.cli import main
from emma_fusion.images.geotiff import Tag, read_georeference
from emma_fusion.images.raster import read_image, write_image
from emma_fusion.images.record import read_record

RNG = np.random.default_rng(0)


@pytest.fixture
def emma(capfd, model):
    """Run `emma fuse`; the exit code and what it said on stderr."""

    def run(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["fuse", *map(str, arguments), "--model", str(model)])
        said = capfd.readouterr()
        assert said.out == ""
        assert "Traceback" not in said.err
        return end.value.code or 0, said.err

    return run


@pytest.fixture
def refused(emma):
    """Run `emma fuse` with bad input: exit code 2 and one sentence, which is returned."""

    def run(*arguments):
        code, said = emma(*arguments)
        assert code == 2
        assert said.startswith("emma: ")
        assert said.count("\n") == 1
        return said

    return run


def infrared(path, height=9, width=10, dtype=np.uint8):
    write_image(path, RNG.integers(0, 200, (height, width), dtype))
    return path


def visible(path, height=9, width=10, dtype=np.uint8, channels=3):
    top = np.iinfo(dtype).max
    write_image(path, RNG.integers(0, top, (height, width, channels), dtype))
    return path


@pytest.fixture
def two(tmp_path):
    """Two files of a pair."""
    return infrared(tmp_path / "i.png"), visible(tmp_path / "v.png")


@pytest.fixture
def folders(tmp_path):
    """Two folders with three pairs of three kinds, and one image more in each."""
    i, v = tmp_path / "ir", tmp_path / "vi"
    for name in ("1.png", "2.png", "3.png", "lonely.png"):
        infrared(i / name)
    for name in ("1.jpg", "2.tif", "3.png", "single.png"):
        visible(v / name, dtype=np.uint16 if name == "3.png" else np.uint8)
    return i, v


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- two files -----------------------------------------------------------------------------------
def test_two_files_give_what_the_library_gives(emma, two, tmp_path, model):
    code, said = emma(*two, "-o", tmp_path / "f.png")
    assert code == 0
    assert "f.png" in said
    expected = emma_fusion.fuse(*two, model)
    np.testing.assert_array_equal(read_image(tmp_path / "f.png"), expected)
    assert names(tmp_path) == ["f.png", "i.png", "v.png"]


def test_the_record_says_how_it_was_made(emma, two, tmp_path):
    emma(infrared(tmp_path / "thermal.png", dtype=np.uint16), two[1], "-o", tmp_path / "f.png")
    record = read_record(tmp_path / "f.png")
    assert record["software"] == f"emma-fusion {emma_fusion.__version__}"
    assert record["model"] == "small.safetensors"
    assert (record["colour"], record["contrast"], record["protocol"]) == ("visible", "auto", "none")
    assert record["infrared"]["name"] == "thermal.png"
    assert record["infrared"]["rule"] == "percentile:0.1:99.9"
    assert 0 <= record["infrared"]["range"][0] < record["infrared"]["range"][1] < 200
    assert str(tmp_path) not in json.dumps(record)


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp"])
def test_every_format_in_and_out(emma, tmp_path, suffix):
    i, v = infrared(tmp_path / f"i.{suffix}"), visible(tmp_path / f"v.{suffix}")
    assert emma(i, v, "-o", tmp_path / f"f.{suffix}")[0] == 0
    assert read_image(tmp_path / f"f.{suffix}").shape == (9, 10, 3)
    assert read_record(tmp_path / f"f.{suffix}")["visible"]["name"] == f"v.{suffix}"


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_in_16_bit_out(emma, tmp_path, suffix):
    i = infrared(tmp_path / "i.png", dtype=np.uint16)
    v = visible(tmp_path / f"v.{suffix}", dtype=np.uint16)
    emma(i, v, "-o", tmp_path / "out" / f"f.{suffix}")
    fused = read_image(tmp_path / "out" / f"f.{suffix}")
    assert fused.dtype == np.uint16
    assert np.mean(fused % 257 == 0) < 0.1  # not 8 bit blown up


def test_depth_as_asked(emma, two, tmp_path):
    emma(*two, "-o", tmp_path / "deep.png", "--depth", 16)
    emma(*two, "-o", tmp_path / "plain.png")
    deep, plain = read_image(tmp_path / "deep.png"), read_image(tmp_path / "plain.png")
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - plain).max() <= 0.51
    v = visible(tmp_path / "v16.png", dtype=np.uint16)
    emma(two[0], v, "-o", tmp_path / "f.jpg", "--depth", 8)
    assert read_image(tmp_path / "f.jpg").dtype == np.uint8


def test_alpha_is_kept(emma, two, tmp_path):
    v = visible(tmp_path / "rgba.png", channels=4)
    emma(two[0], v, "-o", tmp_path / "f.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "f.tif")[..., 3], read_image(v)[..., 3])


def test_an_opaque_alpha_is_no_hindrance_for_jpg_but_another_is(emma, refused, two, tmp_path):
    image = read_image(visible(tmp_path / "rgba.png", channels=4))
    assert "alpha" in refused(two[0], tmp_path / "rgba.png", "-o", tmp_path / "f.jpg")
    image[..., 3] = 255
    write_image(tmp_path / "rgba.png", image)
    assert emma(two[0], tmp_path / "rgba.png", "-o", tmp_path / "f.jpg")[0] == 0


def test_a_folder_as_output_of_two_files(emma, two, tmp_path):
    emma(*two, "-o", f"{tmp_path / 'out'}/")
    emma(*two, "-o", tmp_path / "out", "--format", "webp")
    assert names(tmp_path / "out") == ["v.png", "v.webp"]


def test_options_arrive(emma, tmp_path, two, model):
    emma(*two, "-o", tmp_path / "a.png", "--colour", "none", "--contrast", "stretch")
    expected = emma_fusion.fuse(*two, model, colour="none", contrast="stretch")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)
    emma(*two, "-o", tmp_path / "b.png", "--infrared-range", "50:100")
    expected = emma_fusion.fuse(*two, model, infrared_range="50:100")
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), expected)
    code, _ = emma(*two, "-o", tmp_path / "c.png", "--precision", "bf16", "--threads", 1)
    assert code == 0
    assert read_record(tmp_path / "c.png")["precision"] == "bf16"


def test_contrast_is_left_alone_where_images_are_to_compare(emma, two, tmp_path, model):
    plain = emma_fusion.fuse(*two, model, contrast="none")
    emma(*two, "-o", tmp_path / "a.png", "--contrast", "none")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), plain)
    emma(*two, "-o", tmp_path / "b.png", "--infrared-range", "0:255")
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), plain)
    assert read_record(tmp_path / "b.png")["contrast"] == "none"
    folders = tmp_path / "ir", tmp_path / "vi"
    for folder, path in zip(folders, two, strict=True):
        folder.mkdir()
        shutil.copy(path, folder / "1.png")
    emma(*folders, "-o", tmp_path / "one")
    emma(*folders, "-o", tmp_path / "compared", "--infrared-range", "folder:0:100")
    assert read_record(tmp_path / "one/1.png")["contrast"] == "auto"
    assert read_record(tmp_path / "compared/1.png")["contrast"] == "none"


def test_the_paper_protocol(emma, two, tmp_path, model):
    v = visible(tmp_path / "v16.png", dtype=np.uint16)
    emma(two[0], v, "-o", tmp_path / "f.png", "--protocol", "paper")
    fused = read_image(tmp_path / "f.png")
    assert fused.shape == (9, 10)
    assert fused.dtype == np.uint8
    assert (fused.min(), fused.max()) == (0, 255)
    record = read_record(tmp_path / "f.png")
    assert (record["protocol"], record["contrast"], record["colour"]) == (
        "paper",
        "stretch",
        "none",
    )


@pytest.mark.parametrize(
    "options",
    [("--format", "jpg"), ("--depth", "16"), ("--colour", "visible"), ("-o", "f.jpg")],
)
def test_the_paper_protocol_leaves_no_choice(refused, two, tmp_path, options):
    assert "paper protocol" in refused(
        *two, "-o", tmp_path / "f.png", "--protocol", "paper", *options
    )


def test_what_exists_is_replaced_only_when_asked(emma, refused, two, tmp_path):
    target = tmp_path / "f.png"
    target.write_bytes(b"mine")
    assert "--overwrite" in refused(*two, "-o", target)
    assert target.read_bytes() == b"mine"
    assert emma(*two, "-o", target, "--overwrite")[0] == 0
    assert read_image(target).shape == (9, 10, 3)


def test_an_input_is_never_replaced(refused, two):
    before = two[1].read_bytes()
    assert "one of the inputs" in refused(*two, "-o", two[1], "--overwrite")
    assert two[1].read_bytes() == before


def test_the_record_of_a_tiff_replaces_no_other_file(emma, refused, two, tmp_path):
    target, beside = tmp_path / "f.tif", tmp_path / "f.tif.json"
    beside.write_text('{"mine": 1}')
    assert "f.tif.json exists" in refused(*two, "-o", target)
    assert beside.read_text() == '{"mine": 1}'
    assert not target.exists()
    assert emma(*two, "-o", target, "--overwrite")[0] == 0
    target.unlink()  # what a kill between record and image leaves
    assert emma(*two, "-o", target)[0] == 0


# --- mistakes ------------------------------------------------------------------------------------
def flat_png(height, width):
    return cv2.imencode(".png", np.zeros((height, width), np.uint8))[1].tobytes()


def huge_png():
    import struct
    import zlib

    data = bytearray(flat_png(8, 8))
    data[16:24] = struct.pack(">II", 100_000, 100_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


BAD = {
    "empty.png": b"",
    "text.png": b"not an image\n",
    "short.png": flat_png(64, 64)[:-20],
    "short.jpg": cv2.imencode(".jpg", np.zeros((64, 64), np.uint8))[1].tobytes()[:-2],
    "short.bmp": cv2.imencode(".bmp", np.zeros((64, 64), np.uint8))[1].tobytes()[:-1],
    "short.tif": cv2.imencode(".tif", np.zeros((64, 64), np.uint8))[1].tobytes()[:-1],
    "short.webp": cv2.imencode(".webp", np.zeros((64, 64), np.uint8))[1].tobytes()[:-1],
    "noise.png": np.random.default_rng(0).bytes(999),
    "huge.png": huge_png(),
    "other_size.png": flat_png(7, 8),
}


@pytest.mark.parametrize("which", ["infrared", "visible"])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_sentence_and_leaves_nothing(refused, two, tmp_path, name, which):
    bad = tmp_path / name
    bad.write_bytes(BAD[name])
    before = names(tmp_path)
    files = (bad, two[1]) if which == "infrared" else (two[0], bad)
    assert name in refused(*files, "-o", tmp_path / "out" / "f.png")
    assert names(tmp_path) == before


def test_missing_files_and_mixed_kinds(refused, two, folders, tmp_path):
    assert "no.png does not exist" in refused(tmp_path / "no.png", two[1], "-o", "f.png")
    assert "no.png does not exist" in refused(two[0], tmp_path / "no.png", "-o", "f.png")
    assert "does not exist" in refused(two[0], "a" * 300 + ".png", "-o", "f.png")
    assert "is a folder" in refused(two[0], folders[1], "-o", "f.png")
    (tmp_path / "x.png").mkdir()
    assert "is a folder" in refused(two[0], tmp_path / "x.png", "-o", "f.png")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("-o", ""), "no name"),
        (("-o", "f"), "suffix"),
        (("-o", "a" * 300 + ".png"), "too long"),
        (("-o", "f.gif"), "suffix"),
        (("-o", "f.png", "--format", "jpg"), r"f.jpg"),
        (("-o", "f.png", "--infrared-range", "hot"), "infrared range"),
        (("-o", "f.png", "--device", "abacus"), "abacus"),
        (("-o", "f.jpg", "--depth", "16"), "16 bit"),
    ],
)
def test_bad_options(refused, two, tmp_path, monkeypatch, options, complaint):
    monkeypatch.chdir(tmp_path)
    before = names(tmp_path)
    assert complaint in refused(*two, *options)
    assert names(tmp_path) == before


@pytest.mark.parametrize("options", [(), ("-o", "f.png", "--colour", "red"), ("--nonsense",)])
def test_usage_errors(emma, two, options):
    assert emma(*two, *options)[0] == 2


def test_16_bit_into_jpg_is_refused_with_the_way_out(refused, two, tmp_path):
    v = visible(tmp_path / "v16.png", dtype=np.uint16)
    said = refused(two[0], v, "-o", tmp_path / "f.jpg")
    assert "png or tif" in said
    assert "8 bit" in said


def test_a_model_that_is_not_there(capfd, two, tmp_path):
    with pytest.raises(SystemExit) as end:
        main(["fuse", *map(str, two), "-o", str(tmp_path / "f.png"), "--model", "best"])
    assert end.value.code == 2
    assert "'best'" in capfd.readouterr().err
    assert not (tmp_path / "f.png").exists()


# --- folders -------------------------------------------------------------------------------------
def test_two_folders(emma, folders, tmp_path):
    out = tmp_path / "out"
    code, said = emma(*folders, "-o", out)
    assert code == 0
    assert names(out) == ["1.jpg", "2.tif", "2.tif.json", "3.png"]
    assert read_image(out / "3.png").dtype == np.uint16
    assert "lonely.png" in said
    assert "single.png" in said
    assert "3 of 3" in said


def test_what_exists_is_skipped_and_counted(emma, folders, tmp_path):
    out = tmp_path / "out"
    emma(*folders, "-o", out)
    (out / "1.jpg").write_bytes(b"mine")
    (out / "2.tif").unlink()
    code, said = emma(*folders, "-o", out)
    assert code == 0
    assert "Skipped 2" in said
    assert "1 of 1" in said
    assert (out / "1.jpg").read_bytes() == b"mine"
    assert (out / "2.tif").exists()
    code, said = emma(*folders, "-o", out, "--overwrite")
    assert "3 of 3" in said
    assert read_image(out / "1.jpg").shape == (9, 10, 3)


def test_failures_are_listed_and_the_rest_is_done(emma, folders, tmp_path):
    (folders[0] / "1.png").write_bytes(b"not an image")
    visible(folders[1] / "3.png", height=20)
    code, said = emma(*folders, "-o", tmp_path / "out")
    assert code == 1
    assert names(tmp_path / "out") == ["2.tif", "2.tif.json"]
    assert "1 of 3" in said
    last = said.splitlines()[-2:]
    assert last[0].startswith("Failed 1: ")
    assert "1.png is not a PNG" in last[0]
    assert last[1].startswith("Failed 3: ")
    assert "10x9 pixels and 3.png is 10x20" in last[1]


def test_formats_in_folders(emma, folders, tmp_path):
    emma(*folders, "-o", tmp_path / "a", "--format", "png")
    assert names(tmp_path / "a") == ["1.png", "2.png", "3.png"]
    emma(*folders, "-o", tmp_path / "b", "--protocol", "paper")
    assert names(tmp_path / "b") == ["1.png", "2.png", "3.png"]
    assert {read_image(p).shape for p in (tmp_path / "b").iterdir()} == {(9, 10)}


def test_folders_that_cannot_be_fused(refused, folders, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "No pairs" in refused(folders[0], tmp_path / "empty", "-o", tmp_path / "out")
    assert "one of the inputs" in refused(*folders, "-o", folders[1], "--overwrite")
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(*folders, "-o", tmp_path / "file")
    infrared(folders[0] / "1.bmp")
    assert "same stem" in refused(*folders, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_killed_run_left_is_no_input(emma, folders, tmp_path):
    (folders[1] / ".1.jpg.0a1b2c3d.tmp").write_bytes(b"half")
    (folders[0] / ".4.png").write_bytes(b"half")
    assert emma(*folders, "-o", tmp_path / "out")[0] == 0


def test_a_full_disk_fails_what_does_not_fit(emma, folders, tmp_path, monkeypatch):
    """One image fits; of the others nothing is left, and each is listed."""
    write_bytes = Path.write_bytes

    def full(path, data):
        write_bytes(path, data[: len(data) // 2])  # a full disk holds a part
        if path.parent.name == "out" and len(names(path.parent)) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    code, said = emma(*folders, "-o", tmp_path / "out", "--format", "png")
    assert code == 1
    assert said.count("No space left on device") == 2
    assert "Failed 2: " in said
    assert names(tmp_path / "out") == ["1.png"]


def test_ctrl_c_leaves_whole_images_only(folders, tmp_path, model, monkeypatch):
    """The second image is interrupted; the first stays, and nothing half-written."""
    done = []
    fuse_pair = Fuser.fuse_pair

    def interrupted(self, *arguments):
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return fuse_pair(self, *arguments)

    monkeypatch.setattr(Fuser, "fuse_pair", interrupted)
    with pytest.raises(SystemExit) as end:
        main(["fuse", *map(str, folders), "-o", str(tmp_path / "out"), "--model", str(model)])
    assert end.value.code not in (0, 2)
    assert names(tmp_path / "out") == ["1.jpg"]


def test_real_pairs(emma, data, tmp_path):
    for side in ("ir", "vi"):
        source = data / "roadscene" / "test" / side
        (tmp_path / side).mkdir()
        for path in sorted(source.iterdir())[:2]:
            os.symlink(path, tmp_path / side / path.name)
    assert emma(tmp_path / "ir", tmp_path / "vi", "-o", tmp_path / "out")[0] == 0
    for path in (tmp_path / "out").iterdir():
        assert read_image(path).shape == read_image(tmp_path / "vi" / path.name).shape


# --- memory and place ----------------------------------------------------------------------------
def test_memory_that_does_not_suffice_and_memory_that_does(emma, refused, two, tmp_path):
    assert "'much' is no size" in refused(*two, "-o", tmp_path / "f.png", "--memory", "much")
    assert "--memory" in refused(*two, "-o", tmp_path / "f.png", "--memory", "1MB")
    assert not (tmp_path / "f.png").exists()
    assert emma(*two, "-o", tmp_path / "f.png", "--memory", "64GiB")[0] == 0


def test_strips_give_the_image_that_the_whole_gives(emma, tmp_path, monkeypatch):
    i, v = infrared(tmp_path / "i.png", 70, 50), visible(tmp_path / "v.png", 70, 50)
    emma(i, v, "-o", tmp_path / "whole.png", "--depth", 16)
    monkeypatch.setattr("emma_fusion.fuser.choose_rows", lambda *_: 16)
    emma(i, v, "-o", tmp_path / "strips.png", "--depth", 16)
    whole, strips = (read_image(tmp_path / f"{n}.png").astype(int) for n in ("whole", "strips"))
    assert np.abs(whole - strips).max() <= 1


def test_an_interrupted_large_image_leaves_nothing(two, tmp_path, model, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("emma_fusion.fuser.choose_rows", lambda *_: 16)
    monkeypatch.setattr("emma_fusion.runtimes.strips.Stored.fill", interrupted)
    before = names(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["fuse", *map(str, two), "-o", str(tmp_path / "f.png"), "--model", str(model)])
    assert end.value.code not in (0, 2)
    assert names(tmp_path) == before


def test_the_place_on_the_earth_is_kept(emma, two, tmp_path):
    scale = [Tag(33550, 12, 3, np.array([0.5, 0.5, 0], "<f8").tobytes())]
    write_image(tmp_path / "v.tif", read_image(two[1]), georeference=scale)
    emma(two[0], tmp_path / "v.tif", "-o", tmp_path / "f.tif")
    assert read_georeference(tmp_path / "f.tif") == scale


def test_many_pairs_do_not_pile_up_in_memory(emma, tmp_path, monkeypatch):
    """However many pairs there are, a handful is in memory at a time, and in the end none."""
    alive, most = weakref.WeakSet(), []
    read = emma_fusion.jobs.image.read

    def counted(*arguments):
        pair = read(*arguments)
        alive.add(pair)
        most.append(len(alive))
        return pair

    monkeypatch.setattr("emma_fusion.jobs.image.read", counted)
    pair = infrared(tmp_path / "i.png", 3, 4).read_bytes(), visible(tmp_path / "v.png", 3, 4)
    for side, data in (("ir", pair[0]), ("vi", pair[1].read_bytes())):
        (tmp_path / side).mkdir()
        for number in range(60):
            (tmp_path / side / f"{number}.png").write_bytes(data)
    assert emma(tmp_path / "ir", tmp_path / "vi", "-o", tmp_path / "out")[0] == 0
    assert len(most) == len(names(tmp_path / "out")) == 60
    assert max(most) <= 4
    assert len(alive) == 0
