"""emma equivariance: what it writes, how it goes on, and what it says of bad input."""

import csv
import json

import numpy as np
import pytest

from emma_fusion.cli import main
from emma_fusion.images.raster import write_image

RNG = np.random.default_rng(0)


@pytest.fixture
def folders(tmp_path):
    """ir and vi with the images a, b and c."""
    for side, shape in (("ir", (32, 40)), ("vi", (32, 40, 3))):
        for stem in "abc":
            image = RNG.integers(20, 200, shape, dtype=np.uint8)
            write_image(tmp_path / side / f"{stem}.png", image)
    return tmp_path


@pytest.fixture
def emma(folders, capsys):
    """Run emma equivariance on the folders: (exit code, stdout, stderr)."""

    def run(*options, methods=("average", "maximum")):
        dataset = f"street={folders / 'ir'},{folders / 'vi'}"
        with pytest.raises(SystemExit) as stop:
            main(["equivariance", *methods, "-d", dataset, "-o", str(folders / "out"), *options])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return (stop.value.code or 0, *said)

    return run


SMALL = ("--shifts", "0.5,1,8", "--angles", "45,90", "--zooms", "1.5", "--margin", "2")
MIXED = ("0.5", "45", "1.5")  # pixels between pixels


def test_everything_is_written_and_kept(emma, folders):
    code, out, err = emma(*SMALL)
    assert code == 0
    assert "maximum" in out
    assert "Measured 54 transforms now" in err
    written = {path.name for path in (folders / "out").iterdir()}
    assert written == {"errors.csv", "tables.md", "summary.json", "street.png"}
    with (folders / "out" / "errors.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3 * 9  # methods, images, transforms
    assert all(float(row["error"]) < 1e-6 for row in rows if row["method"] == "average")
    # The maximum commutes with moving pixels, and not with mixing them.
    moved = [row for row in rows if row["method"] == "maximum" and row["amount"] not in MIXED]
    mixed = [row for row in rows if row["method"] == "maximum" and row["amount"] in MIXED]
    assert all(float(row["error"]) == 0 for row in moved)
    assert all(float(row["error"]) > 0.01 for row in mixed)
    report = json.loads((folders / "out" / "summary.json").read_text())
    assert report["configuration"]["padding"] == "reflection"
    assert "baseline" in report["methods"]["maximum"]["about"]
    tables = (folders / "out" / "tables.md").read_text()
    assert "| maximum |" in tables
    assert str(folders) not in tables + json.dumps(report)
    code, _, err = emma(*SMALL)
    assert code == 0
    assert "Measured 0 transforms now" in err


def test_a_bad_image_is_named_and_the_exit_code_is_1(emma, folders):
    (folders / "vi" / "b.png").write_bytes(b"")
    code, out, err = emma(*SMALL)
    assert code == 1
    assert "average" in out
    assert "Failed street, average, b:" in err
    assert "- Warning: street, average, b:" in (folders / "out" / "tables.md").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--shifts", "1,two"), "--shifts '1,two' is not understood"),
        (("--zooms", "0"), "--zooms '0'"),
        (("--shifts", "-3"), "above 0"),
        (("--angles", "nan"), "--angles 'nan'"),
    ],
)
def test_bad_numbers(emma, options, said):
    code, out, err = emma(*options)
    assert code == 2
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_bad_methods_and_folders(emma, folders):
    assert "no method 'nothing'" in emma(methods=["nothing"])[2]
    code, _, err = emma(methods=[f"folder:{folders / 'ir'}"])
    assert code == 2
    assert "folder of fused images" in err
    (folders / "out").write_text("")
    code, _, err = emma()
    assert code == 2
    assert "is a file" in err


def test_a_missing_extra_is_one_sentence(emma, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    code, _, err = emma()
    assert code == 2
    assert err == "emma: emma equivariance needs matplotlib: pip install 'emma-fusion[bench]'.\n"
