"""The published layouts are found, split as published, and what is missing is said."""

import pytest

import labelled as made
from emma_fusion.downstream.labels import read_boxes, read_mask
from emma_fusion.downstream.layouts import open_dataset
from emma_fusion.errors import UserError


def stems(scenes):
    return [scene.stem for scene in scenes]


@pytest.mark.parametrize("layout", made.LAYOUTS)
def test_every_layout_is_found_under_its_root_and_as_the_root(layout, tmp_path):
    root = made.LAYOUTS[layout](tmp_path)
    dataset = open_dataset(layout, root)
    (home,) = root.iterdir()
    assert open_dataset(layout, home).train == dataset.train
    assert dataset.train
    assert dataset.test
    assert not set(stems(dataset.train)) & set(stems(dataset.test)) or layout in ("msrs", "fmb")
    for scene in dataset.train + dataset.test:
        assert scene.infrared.stem == scene.visible.stem == scene.label.stem == scene.stem
        assert {"ir", "nir", "infrared"} & {part.lower() for part in scene.infrared.parts}
        if dataset.task == "detect":
            assert len(read_boxes(scene.label, dataset.classes)) > 0
        else:
            read_mask(scene.label, len(dataset.classes), dataset.first)


def test_the_authors_split_of_cwfid_with_a_number_in_both_lists(tmp_path):
    dataset = open_dataset("cwfid", made.cwfid(tmp_path))
    assert stems(dataset.train) == ["001", "002", "006"]
    assert stems(dataset.test) == ["003", "004", "005"]
    assert dataset.labels == ("near-infrared", "red")


def test_both_forms_of_m3fd_have_the_same_boxes(tmp_path):
    (tmp_path / "voc").mkdir()
    (tmp_path / "yolo").mkdir()
    forms = [open_dataset("m3fd", made.m3fd(tmp_path / form, form)) for form in ("voc", "yolo")]
    assert stems(forms[0].test) == stems(forms[1].test) == ["00004", "00005"]
    for one, other in zip(*(form.train for form in forms), strict=True):
        a, b = (read_boxes(s.label, forms[0].classes) for s in (one, other))
        assert a.corners == pytest.approx(b.corners, abs=1e-6)
        assert a.classes.tolist() == b.classes.tolist() == [0, 1]
    assert a.corners[0] == pytest.approx([8 / 64, 8 / 48, 24 / 64, 40 / 48])


def test_what_is_missing_is_said_and_left_out(tmp_path):
    root = made.msrs(tmp_path)
    (root / "MSRS/train/Segmentation_labels/00001N.png").unlink()
    (root / "MSRS/train/vi/00002D.png").unlink()
    dataset = open_dataset("msrs", root)
    assert stems(dataset.train) == ["00000D", "00003N"]
    told = "\n".join(dataset.missing)
    assert "1 times the label" in told
    assert "00001N" in told
    assert "1 times the visible image" in told
    assert "00002D" in told
    assert "published are 1083 and 361" in told


@pytest.mark.parametrize(
    ("layout", "gone", "told"),
    [
        ("msrs", "MSRS/test/vi", "the folder .*vi"),
        ("fmb", "FMB/train/Label", "the folder .*Label"),
        ("cwfid", "cwfid/split.yaml", "the split .*split.yaml"),
        ("m3fd", "M3FD_Detection/meta/val.txt", "the list .*val.txt"),
        ("llvip", "LLVIP/Annotations", "the folder .*Annotations"),
    ],
)
def test_without_a_folder_or_a_list_nothing_begins(layout, gone, told, tmp_path):
    path = made.LAYOUTS[layout](tmp_path) / gone
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(UserError, match=rf"(?s)not complete.*{told}.*no complete scene"):
        open_dataset(layout, tmp_path)


def test_a_limit_is_spread_evenly(tmp_path):
    dataset = open_dataset("msrs", made.msrs(tmp_path, train=4)).limited(2)
    assert stems(dataset.train) == ["00000D", "00002D"]
    assert len(dataset.test) == 2


def test_the_real_cwfid(data):
    dataset = open_dataset("cwfid", data)
    assert (len(dataset.train), len(dataset.test)) == (39, 21)
    assert dataset.missing == []
    assert "028" in stems(dataset.test)
