"""emma bench: what it writes, what its report holds, and what it says of bad input."""

import base64
import csv
import importlib.util
import json
import re

import cv2
import numpy as np
import pytest

from emma_fusion.cli import main


@pytest.fixture
def folders(tmp_path):
    """ir, vi and theirs with the images a, b and c."""
    random = np.random.default_rng(0)
    for side, shape in (("ir", (48, 56)), ("vi", (48, 56, 3)), ("theirs", (48, 56))):
        (tmp_path / side).mkdir()
        for stem in "abc":
            image = random.integers(20, 200, shape, dtype=np.uint8)
            assert cv2.imwrite(str(tmp_path / side / f"{stem}.png"), image)
    return tmp_path


@pytest.fixture
def emma(folders, capsys):
    """Run emma bench on the folders: (exit code, stdout, stderr)."""

    def run(*options, dataset=None, methods=("average",)):
        dataset = dataset or f"street={folders / 'ir'},{folders / 'vi'}"
        arguments = ["bench", *methods, "-d", dataset, "-o", str(folders / "out")]
        with pytest.raises(SystemExit) as stop:
            main([*arguments, "--processes", "1", *options])
        return (stop.value.code, *capsys.readouterr())

    return run


def page_data(page):
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])


def test_everything_is_written(emma, folders):
    theirs = f"theirs=folder:{folders / 'theirs'}"
    code, out, err = emma("--metrics", "EN,MSE,VIF", methods=("average", "maximum", theirs))
    assert code == 0
    assert "street, 3 images" in out
    assert "theirs" in out
    assert "report.html" in err
    written = {path.name for path in (folders / "out").iterdir()}
    assert written == {
        "report.html",
        "tables.md",
        "tables.tex",
        "tables.csv",
        "scores.csv",
        "fused",
    }
    with (folders / "out/scores.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 9
    markdown = (folders / "out/tables.md").read_text()
    for fact in ("Convention: ours", "Protocol: direct", "Colour:", "Quantisation:", "Hardware:"):
        assert fact in markdown
    assert "Difference from average" in markdown


def test_means_are_those_of_emma_evaluate(emma, folders, capsys):
    emma("--metrics", "EN,SD,SSIM", "--protocol", "paper", "--convention", "paper")
    with (folders / "out/tables.csv").open() as file:
        means = {row["metric"]: float(row["mean"]) for row in csv.DictReader(file)}
    fused = folders / "out/fused/paper/street/average"
    paths = [str(path) for path in (fused, folders / "ir", folders / "vi")]
    options = ["--metrics", "EN,SD,SSIM", "--protocol", "paper", "--convention", "paper"]
    with pytest.raises(SystemExit):
        main(["evaluate", *paths, *options, "--json"])
    assert json.loads(capsys.readouterr().out)["mean"] == pytest.approx(means, rel=1e-12)


def test_the_report_is_one_file_with_every_image(emma, folders):
    emma("--metrics", "EN,MSE", methods=("average", "maximum"))
    page = (folders / "out/report.html").read_text()
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert not re.search(r"@import|url\(\s*['\"]?http", page)
    for fact in ("Convention", "Protocol", "Colour", "Quantisation", "Versions", "Hardware"):
        assert f"<dt>{fact}</dt>" in page
    assert page.count("<svg") == 2
    (dataset,) = page_data(page)
    assert [pair["stem"] for pair in dataset["pairs"]] == list("abc")
    images = dataset["pairs"][1]["images"]
    assert [p["name"] for p in images] == ["infrared", "visible", "average", "maximum"]
    for image, path in zip(
        images,
        ("ir", "vi", "out/fused/direct/street/average", "out/fused/direct/street/maximum"),
        strict=True,
    ):
        data = base64.b64decode(image["src"].partition(",")[2])
        shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        stored = cv2.imread(str(folders / path / "b.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(shown, stored)


def test_names_of_files_are_text_and_not_html(emma, folders):
    for side in ("ir", "vi"):
        (folders / side / "a.png").rename(folders / side / "<b>&x.png")
        (folders / side / "b.png").rename(folders / side / "</script>.png".replace("/", "∕"))
    code, _, _ = emma("--metrics", "EN")
    page = (folders / "out/report.html").read_text()
    assert code == 0
    assert "<b>&x" not in page
    assert page_data(page)[0]["pairs"][0]["stem"] in ("<b>&x", "<∕script>")


def test_sixteen_bit_images_are_shown_with_8(emma, folders):
    thermal = np.random.default_rng(1).integers(20000, 22000, (48, 56), dtype=np.uint16)
    cv2.imwrite(str(folders / "ir" / "a.png"), thermal)
    assert emma("--metrics", "EN")[0] == 0
    (dataset,) = page_data((folders / "out/report.html").read_text())
    data = base64.b64decode(dataset["pairs"][0]["images"][0]["src"].partition(",")[2])
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert shown.dtype == np.uint8
    assert shown.max() > 250


def test_fewer_images_where_asked_or_where_there_is_no_room(emma, folders, monkeypatch):
    emma("--metrics", "EN", "--images", "2")
    (dataset,) = page_data((folders / "out/report.html").read_text())
    assert len(dataset["pairs"]) == 2
    assert "2 of 3" in (folders / "out/report.html").read_text()
    monkeypatch.setattr("emma_fusion.bench.report.BUDGET", 30_000)
    emma("--metrics", "EN")
    (dataset,) = page_data((folders / "out/report.html").read_text())
    assert len(dataset["pairs"]) == 1
    emma("--metrics", "EN", "--images", "0")
    assert page_data((folders / "out/report.html").read_text()) == []


def test_published_figures_only_beside_the_paper_protocol(emma, folders):
    dataset = f"roadscene={folders / 'ir'},{folders / 'vi'}"
    _, out, _ = emma("--metrics", "EN,MI", "--protocol", "paper", dataset=dataset)
    assert "EMMA (published)" in out
    assert "† <i>published</i>" in (folders / "out/report.html").read_text()
    _, out, _ = emma("--metrics", "EN,MI", dataset=dataset)
    assert "published" not in out
    _, out, _ = emma("--metrics", "EN,MI", "--published", dataset=dataset)
    assert "EMMA (published)" in out


def test_stale_and_missing_files_are_warned_of(emma, folders):
    (folders / "theirs" / "b.png").rename(folders / "theirs" / "old.png")
    code, out, err = emma("--metrics", "EN", methods=("average", f"folder:{folders / 'theirs'}"))
    assert code == 0
    assert "old.png" in err
    assert "theirs (2 of 3)" in out
    assert "old.png" in (folders / "out/report.html").read_text()
    assert "old.png" in (folders / "out/tables.md").read_text()


def test_a_bad_image_is_named_and_the_exit_code_says_so(emma, folders):
    (folders / "theirs" / "b.png").write_text("no image")
    code, out, err = emma("--metrics", "EN", methods=(f"folder:{folders / 'theirs'}",))
    assert code == 1
    assert "Failed street, theirs, b:" in err
    assert "Traceback" not in err
    assert "theirs (2 of 3)" in out


def test_a_function_in_a_file_here(emma, folders, monkeypatch):
    (folders / "my_bench_method.py").write_text(
        "def darker(infrared, visible):\n    return visible * 0.5\n"
    )
    monkeypatch.chdir(folders)
    monkeypatch.syspath_prepend(str(folders))
    code, out, _ = emma("--metrics", "EN", methods=("my_bench_method:darker",))
    assert code == 0
    assert "darker" in out


def test_ctrl_c_keeps_what_was_scored(emma, folders, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("emma_fusion.bench.runner.fuse_file", stop)
    (folders / "my_stopped_method.py").write_text("def f(a, b):\n    return b\n")
    monkeypatch.syspath_prepend(str(folders))
    code, _, err = emma("--metrics", "EN", methods=("average", "my_stopped_method:f"))
    assert code == 130
    assert "continues the run" in err


def test_the_default_metrics_leave_out_what_only_finds_defects(emma, folders):
    emma()
    with (folders / "out/tables.csv").open() as file:
        names = [row["metric"] for row in csv.DictReader(file)]
    assert names == ["EN", "SD", "SF", "AG", "MI", "SCD", "VIF", "Qabf", "SSIM"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--metrics", "EN,QQ"), "QQ"),
        (("--convention", "theirs"), "paper"),
        (("--reference", "nobody"), "average"),
        (("-d", "tno", "--root", "."), "figshare"),
        (("-d", "street=x,y"), "does not exist"),
    ],
)
def test_bad_options_are_a_sentence(emma, options, word):
    code, out, err = emma(*options)
    assert (code, out) == (2, "")
    assert word in err
    assert err.startswith("emma: ")


def test_a_missing_extra_is_named(emma, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    code, _, err = emma()
    assert code == 2
    assert err == "emma: emma bench needs matplotlib: pip install 'emma-fusion[bench]'.\n"


def test_files_of_others_are_not_overwritten(emma, folders):
    (folders / "out").mkdir()
    (folders / "out" / "tables.md").write_text("mine")
    code, _, err = emma("--metrics", "EN")
    assert code == 2
    assert "tables.md exists" in err
    assert (folders / "out" / "tables.md").read_text() == "mine"
    assert len(list((folders / "out").iterdir())) == 1


def test_an_output_that_is_a_file(emma, folders):
    (folders / "out").write_text("")
    assert "is a file" in emma()[2]


def test_roadscene_as_the_golden_values_say(emma, data, golden, folders):
    code, _, err = emma(
        "--root", str(data), "--convention", "paper", "--metrics", "EN,SF", "--common",
        "--images", "1", dataset="roadscene", methods=(f"folder:{golden / 'fused' / 'auif'}",),
    )  # fmt: skip
    assert code == 0
    assert "10 of 50" in err
    with (folders / "out/tables.csv").open() as file:
        means = {row["metric"]: float(row["mean"]) for row in csv.DictReader(file)}
    assert means == {
        "EN": pytest.approx(7.3836347, rel=1e-5),
        "SF": pytest.approx(14.065364, rel=1e-5),
    }
