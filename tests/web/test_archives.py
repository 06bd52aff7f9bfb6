"""Zips and folders from outside: what is refused, and what is matched."""

import stat
import struct
import zipfile

import pytest

from emma_fusion.errors import UserError
from emma_fusion.web import archives
from emma_fusion.web.archives import Archive, Match, match_paths
from emma_fusion.web.limits import Limits
from web_images import png

LIMITS = Limits(image_megabytes=1, upload_megabytes=2)


def make(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in entries:
            out.writestr(name, data)
    return path


def refused(path, limits=LIMITS):
    with pytest.raises(UserError) as error:
        Archive(path, limits)
    return str(error.value)


def test_a_plain_zip_is_read(tmp_path):
    image = png()
    archive = Archive(make(tmp_path / "a.zip", [("x/ir/1.png", image), ("x/y/", "")]), LIMITS)
    assert archive.paths == ["x/ir/1.png"]
    assert archive.read("x/ir/1.png") == image
    archive.close()


@pytest.mark.parametrize("how", ["DEFLATED", "BZIP2", "LZMA", "STORED"])
def test_one_damaged_entry_costs_only_itself(tmp_path, how):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", getattr(zipfile, f"ZIP_{how}")) as out:
        out.writestr("ir/1.png", png())
        out.writestr("vi/1.png", png())
    for at in range(60, 110, 7):  # of the first entry's packed bytes
        data = bytearray(path.read_bytes())
        data[at] ^= 0xFF
        broken = tmp_path / f"{at}.zip"
        broken.write_bytes(data)
        archive = Archive(broken, LIMITS)
        with pytest.raises(UserError, match=r"1\.png"):
            archive.read("ir/1.png")
        assert archive.read("vi/1.png") == png()
        archive.close()


@pytest.mark.parametrize(
    "name", ["../ir/1.png", "ir/../../1.png", "/ir/1.png", "C:/ir/1.png", "ir\\1.png", "C:1.png"]
)
def test_paths_that_lead_out_are_refused_whole(tmp_path, name):
    path = make(tmp_path / "a.zip", [("ir/0.png", b"x"), (name, b"x")])
    assert "1.png leads out" in refused(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_a_name_with_a_nul_is_refused(tmp_path):
    path = make(tmp_path / "a.zip", [("ir/1.pngX..", b"x")])
    path.write_bytes(path.read_bytes().replace(b"1.pngX..", b"1.png\0.."))
    assert "leads out" in refused(path)


def test_a_link_is_refused(tmp_path):
    info = zipfile.ZipInfo("ir/1.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "1.png is a link" in refused(make(tmp_path / "a.zip", [(info, "/etc/passwd")]))


def test_no_zip_and_half_a_zip_are_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"not a zip" * 99)
    assert "no zip file" in refused(tmp_path / "a.zip")
    whole = make(tmp_path / "b.zip", [("ir/1.png", png())]).read_bytes()
    (tmp_path / "b.zip").write_bytes(whole[: len(whole) // 2])
    assert "no zip file" in refused(tmp_path / "b.zip")
    (tmp_path / "c.zip").write_bytes(whole.replace(b"PK\1\2", b"PK\1\3"))
    assert "damaged" in refused(tmp_path / "c.zip")


def test_a_bomb_is_refused_by_what_it_declares(tmp_path):
    path = make(tmp_path / "a.zip", [(f"ir/{n}.bmp", bytes(900_000)) for n in range(3)])
    assert path.stat().st_size < 10_000
    assert "more than 2 MB" in refused(path)


def test_one_entry_that_is_too_large_costs_only_itself(tmp_path):
    path = make(tmp_path / "a.zip", [("ir/1.bmp", bytes(1_900_000))])
    archive = Archive(path, LIMITS)
    with pytest.raises(UserError, match=r"1\.bmp has 2 MB; an image may have 1\."):
        archive.read("ir/1.bmp")
    archive.close()


def test_a_bomb_that_declares_little_gives_no_more_than_that(tmp_path):
    path = make(tmp_path / "a.zip", [("ir/1.bmp", bytes(5_000_000))])
    lie = path.read_bytes().replace(struct.pack("<I", 5_000_000), struct.pack("<I", 1000))
    path.write_bytes(lie)
    archive = Archive(path, LIMITS)
    with pytest.raises(UserError, match=r"1\.bmp is damaged"):
        archive.read("ir/1.bmp")
    archive.close()


def test_a_huge_directory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = make(tmp_path / "a.zip", [(f"ir/{n}.png", b"") for n in range(40)])
    monkeypatch.setattr(archives, "_DIRECTORY_BYTES", 1000)
    monkeypatch.setattr(archives.zipfile, "ZipFile", None)  # it is not asked
    assert "too many entries" in refused(path)


def test_the_same_path_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = make(tmp_path / "a.zip", [("ir/1.png", b"x"), ("ir/1.png", b"y")])
    assert "1.png twice" in refused(path)


def test_a_password_is_said(tmp_path):
    path = make(tmp_path / "a.zip", [("ir/1.png", b"x")])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    assert "password" in refused(path)


def test_pairs_by_folder_and_stem():
    pairs, alone = match_paths(
        [
            *("set/test/IR/1.png", "set/test/VIS/1.jpg", "set/train/ir/1.png"),
            *("set/train/vi/1.tif", "set/train/vi/2.tif", "__MACOSX/ir/._1.png"),
            *("set/ir/.hidden.png", "set/readme.txt", "set/label/1.png"),
        ]
    )
    assert pairs == [
        Match("test_1", "set/test/IR/1.png", "set/test/VIS/1.jpg"),
        Match("train_1", "set/train/ir/1.png", "set/train/vi/1.tif"),
    ]
    assert alone == ["set/label/1.png", "set/train/vi/2.tif"]


def test_names_that_differ_in_the_cameras_mark():
    pairs, alone = match_paths(["ir/001_ir.png", "vi/001_vi.png", "vi/2.png", "ir/0002.png"])
    assert pairs == [
        Match("001_vi", "ir/001_ir.png", "vi/001_vi.png"),
        Match("2", "ir/0002.png", "vi/2.png"),
    ]
    assert alone == []
    # a camera that keeps both in one folder
    pairs, alone = match_paths(["d/D_1_T.JPG", "d/D_1_W.JPG", "d/D_2_W.JPG", "d/map.png"])
    assert pairs == [Match("D_1_W", "d/D_1_T.JPG", "d/D_1_W.JPG")]
    assert sorted(alone) == ["d/D_2_W.JPG", "d/map.png"]
    with pytest.raises(UserError, match="D_1_T could go with d/D_1_W, d/D_1_Z"):
        match_paths(["d/D_1_T.JPG", "d/D_1_W.JPG", "d/D_1_Z.JPG"])


def test_what_cannot_be_matched_is_said():
    with pytest.raises(UserError, match=r"1 infrared, 0 visible and 1 other"):
        match_paths(["a/ir/1.png", "a/b/1.png"])
    with pytest.raises(UserError, match=r"1\.png and 1\.jpg have the same stem"):
        match_paths(["ir/1.png", "ir/1.jpg", "vi/1.png"])
