"""emma evaluate: what it prints, and what it says of bad input."""

import json
import sys

import cv2
import numpy as np
import pytest

from emma_fusion import metrics
from emma_fusion.cli import main


@pytest.fixture
def folders(tmp_path):
    """Three folders with the images a, b and c, 48x56, the visible ones in colour."""
    random = np.random.default_rng(0)
    for side, shape in (("fused", (48, 56)), ("ir", (48, 56)), ("vi", (48, 56, 3))):
        (tmp_path / side).mkdir()
        for stem in "abc":
            image = random.integers(20, 200, shape, dtype=np.uint8)
            assert cv2.imwrite(str(tmp_path / side / f"{stem}.png"), image)
    return tmp_path


@pytest.fixture
def emma(folders, capsys):
    """Run emma evaluate on the three folders: (exit code, stdout, stderr)."""

    def run(*options, paths=("fused", "ir", "vi")):
        with pytest.raises(SystemExit) as stop:
            main(["evaluate", *(str(folders / path) for path in paths), *options])
        return (stop.value.code, *capsys.readouterr())

    return run


def read(path):
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return image if image.ndim == 2 else image[..., ::-1].copy()


@pytest.mark.parametrize("convention", ["ours", "paper"])
def test_json_holds_every_value_and_where_it_is_from(emma, folders, convention):
    code, out, err = emma("--json", "--convention", convention)
    assert code == 0
    assert err == ""
    report = json.loads(out)
    assert report["convention"] == convention
    assert report["protocol"] == "direct"
    assert report["count"] == 3
    assert {"emma-fusion", "torch", "numpy", "opencv"} <= set(report["versions"])
    for stem in "abc":
        images = (read(folders / side / f"{stem}.png") for side in ("fused", "ir", "vi"))
        assert report["images"][stem] == metrics.score(*images, convention=convention)
    for name, mean in report["mean"].items():
        values = [report["images"][stem][name] for stem in "abc"]
        assert mean == pytest.approx(np.mean(values))
    assert set(report["mean"]) == set(metrics.CONVENTIONS[convention].default)


def test_paper_protocol_stretches_the_fused_image(emma, folders):
    _, out, _ = emma("--json", "--protocol", "paper", "--metrics", "SD")
    fused = read(folders / "fused" / "a.png").astype(float)
    stretched = np.rint((fused - fused.min()) / np.ptp(fused) * 255)
    report = json.loads(out)
    assert report["protocol"] == "paper"
    assert report["images"]["a"] == {"SD": pytest.approx(stretched.std())}


def test_three_files(emma):
    code, out, _ = emma("--json", "--metrics", "EN", paths=("fused/a.png", "ir/a.png", "vi/b.png"))
    assert code == 0
    assert list(json.loads(out)["images"]) == ["a"]


def test_a_table_for_people(emma):
    code, out, _ = emma("--metrics", "EN,VIF")
    assert code == 0
    assert "EN" in out
    assert "VIF" in out
    assert "3 images" in out


@pytest.mark.parametrize(
    ("names", "word", "metric"),
    [("EN,VIF", "Lowest", "VIF"), ("EN,SD", "Lowest", "EN"), ("RMSE", "Highest", "RMSE")],
)
def test_the_worst_image_is_named(emma, names, word, metric):
    images = json.loads(emma("--json", "--metrics", names)[1])["images"]
    choose = min if word == "Lowest" else max
    stem = choose(images, key=lambda stem: images[stem][metric])
    last = emma("--metrics", names)[1].splitlines()[-1]
    assert last == f"{word} {metric}: {images[stem][metric]:.4f}, {stem}.png"
    one = emma("--metrics", names, paths=("fused/a.png", "ir/a.png", "vi/a.png"))[1]
    assert word not in one.splitlines()[-1]


def test_all_metrics_of_a_convention(emma):
    _, out, _ = emma("--json", "--metrics", "all", "--convention", "paper")
    assert set(json.loads(out)["mean"]) == set(metrics.CONVENTIONS["paper"].metrics)


def test_stale_and_missing_images_are_named_and_left_out(emma, folders):
    (folders / "fused" / "b.png").rename(folders / "fused" / "old.png")
    code, out, err = emma("--json", "--metrics", "EN")
    report = json.loads(out)
    assert code == 0
    assert sorted(report["images"]) == ["a", "c"]
    assert report["count"] == 2
    assert report["missing"] == ["b"]
    assert "old.png" in report["stale"][0]
    assert "old.png" in err
    assert "1 pairs (b)" in err


def test_infinite_values_are_null(emma, folders):
    for side in ("ir", "vi"):
        for stem in "abc":
            image = (folders / "fused" / f"{stem}.png").read_bytes()
            (folders / side / f"{stem}.png").write_bytes(image)
    _, out, _ = emma("--json", "--metrics", "PSNR,MSE")
    assert json.loads(out)["mean"] == {"PSNR": None, "MSE": 0}


def test_sixteen_bit_sources_are_scaled_as_for_fusing(emma, folders):
    thermal = np.random.default_rng(1).integers(20000, 22000, (48, 56), dtype=np.uint16)
    cv2.imwrite(str(folders / "ir" / "a.png"), thermal)
    low, high = np.percentile(thermal, (0.1, 99.9))
    scaled = np.clip((thermal - low) / (high - low), 0, 1)
    _, out, _ = emma("--json", "--metrics", "MSE")
    fused, visible = (read(folders / side / "a.png") for side in ("fused", "vi"))
    expected = metrics.mean_squared_error(fused, scaled, metrics.luminance(visible))
    assert json.loads(out)["images"]["a"]["MSE"] == pytest.approx(expected, rel=1e-4)


def test_sizes_that_differ_are_named(emma, folders):
    cv2.imwrite(str(folders / "ir" / "b.png"), np.zeros((48, 50), np.uint8))
    code, out, err = emma("--json")
    assert code == 2
    assert out == ""
    assert "50x48" in err
    assert "56x48" in err
    assert "1 of 3" in err


def test_an_unreadable_image_is_named_and_nothing_averaged(emma, folders):
    (folders / "fused" / "c.png").write_text("not an image")
    code, out, err = emma()
    assert code == 2
    assert out == ""
    assert "c.png" in err
    assert "Traceback" not in err


def test_bad_images_are_left_out_of_the_mean_if_that_is_asked(emma, folders):
    _, out, _ = emma("--json", "--metrics", "EN")
    before = json.loads(out)
    (folders / "fused" / "c.png").write_text("not an image")
    (folders / "ir" / "b.png").write_bytes(b"")
    code, out, err = emma("--json", "--metrics", "EN")
    assert (code, out) == (2, "")
    assert "2 of 3" in err
    code, out, err = emma("--json", "--metrics", "EN", "--skip-bad")
    assert code == 0
    after = json.loads(out)
    assert after["mean"]["EN"] == before["images"]["a"]["EN"]
    assert [what[0] for what in after["bad"]] == ["b", "c"]
    assert "Not scored, c: " in err
    (folders / "vi" / "a.png").write_bytes(b"")
    code, out, _ = emma("--json", "--skip-bad")
    assert (code, out) == (2, "")


def test_an_empty_folder(emma, folders):
    for path in (folders / "fused").iterdir():
        path.unlink()
    code, out, err = emma("--json")
    assert (code, out) == (2, "")
    assert "holds no images" in err


def test_match_scores_pairs_whose_names_differ(emma, folders):
    """A fused image has the name of its visible one; the values are those of equal names."""
    _, before, _ = emma("--json")
    for stem in "abc":
        (folders / "ir" / f"{stem}.png").rename(folders / "ir" / f"north-{stem}.png")
    code, _, err = emma("--json")
    assert code == 2
    assert "as in --match" in err
    code, out, err = emma("--json", "--match", "north-*=*")
    assert code == 0
    assert "Paired, though the names differ: north-a.png with a.png" in err
    assert json.loads(out)["images"] == json.loads(before)["images"]
    files = ("fused/a.png", "ir/north-a.png", "vi/a.png")
    code, _, err = emma("--match", "north-*=*", paths=files)
    assert code == 2
    assert "--match is for folders of images" in err


def test_names_that_do_not_match(emma, folders):
    for path in (folders / "fused").iterdir():
        path.rename(path.with_stem(f"{path.stem}_fused"))
    code, out, err = emma("--json")
    assert (code, out) == (2, "")
    assert "a_fused" in err


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--convention", "theirs"), "paper"),
        (("--metrics", "EN,QQ"), "QQ"),
    ],
)
def test_unknown_names_list_the_known_ones(emma, options, word):
    code, out, err = emma(*options)
    assert (code, out) == (2, "")
    assert word in err


def test_a_missing_folder_and_a_mixture(emma):
    assert emma(paths=("nowhere", "ir", "vi"))[0] == 2
    code, _, err = emma(paths=("fused", "ir/a.png", "vi"))
    assert code == 2
    assert "a.png is a file" in err


def test_golden_images_by_the_command_line(emma, golden, data, capsys):
    test = data / "roadscene" / "test"
    arguments = [str(golden / "fused" / "auif"), str(test / "ir"), str(test / "vi")]
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", *arguments, "--json", "--convention", "paper", "--metrics", "EN,SF"])
    assert stop.value.code == 0
    report = json.loads(capsys.readouterr().out)
    assert report["count"] == 10
    assert report["mean"] == {
        "EN": pytest.approx(7.3836347, rel=1e-5),
        "SF": pytest.approx(14.065364, rel=1e-5),
    }


def test_no_extra_is_needed(emma, monkeypatch):
    for name in ("scipy", "scipy.stats", "matplotlib", "jinja2"):
        monkeypatch.setitem(sys.modules, name, None)
    code, out, _ = emma("--json", "--metrics", " SSIM ,EN,EN")
    assert code == 0
    assert list(json.loads(out)["mean"]) == ["SSIM", "EN"]


def test_images_of_two_programs_are_told(emma, folders):
    from emma_fusion.images.raster import write_image

    path = folders / "fused" / "a.png"
    write_image(path, read(path), {"software": "emma-fusion", "model": "base"})
    code, _, err = emma("--metrics", "EN")
    assert code == 0
    assert "not made together: 1 by emma-fusion base, 2 by no record" in err


def test_a_source_given_as_the_fused_one_is_told(emma):
    code, _, err = emma("--metrics", "EN", paths=("vi", "ir", "vi"))
    assert code == 0
    assert "FUSED and VISIBLE are the same" in err


def test_the_three_in_another_order_are_told(emma, folders):
    ramp = np.tile(np.arange(20, 84, dtype=np.uint8), (48, 1))
    for side, image in (("fused", ramp), ("ir", ramp), ("vi", ramp[:, ::-1] // 4)):
        for stem in "abc":
            assert cv2.imwrite(str(folders / side / f"{stem}.png"), image)
    assert "SCD is below 0" not in emma("--metrics", "SCD")[2]
    code, _, err = emma("--metrics", "SCD", paths=("vi", "ir", "fused"))
    assert code == 0
    assert "SCD is below 0" in err


def test_names_that_go_together_by_a_pattern(emma, folders):
    """Camera numbers that count on: without the pattern they are refused."""
    for number, stem in enumerate("abc", 1):
        (folders / "ir" / f"{stem}.png").rename(folders / "ir" / f"IR_{number}.png")
        for side in ("vi", "fused"):
            (folders / side / f"{stem}.png").rename(folders / side / f"DC_{number + 1}.png")
    code, out, err = emma("--json", "--metrics", "SCD", "--match", "IR_{n}=DC_{n+1}")
    assert code == 0
    assert "Paired, though the names differ: IR_1.png with DC_2.png" in err
    assert "If that is wrong" not in err  # the pattern says that it is right
    images = json.loads(out)["images"]
    assert list(images) == ["DC_2", "DC_3", "DC_4"]
    sides = ("fused/DC_2.png", "ir/IR_1.png", "vi/DC_2.png")
    assert images["DC_2"] == metrics.score(*(read(folders / s) for s in sides), metrics=["SCD"])
    code, out, err = emma("--json", "--metrics", "SCD")
    assert (code, out) == (2, "")
    assert "--match 'IR_{n}=DC_{n+1}'" in err


def test_a_pattern_for_files_and_a_scan_are_refused(emma, folders):
    code, _, err = emma("--match", "*=*", paths=("fused/a.png", "ir/a.png", "vi/a.png"))
    assert code == 2
    assert "--match is for folders" in err
    (folders / "brain.nii.gz").write_bytes(b"scan")
    code, _, err = emma(paths=("brain.nii.gz", "ir/a.png", "vi/a.png"))
    assert code == 2
    assert "is a scan, and only images are scored" in " ".join(err.split())
