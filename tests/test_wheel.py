"""The wheel works outside of the project, with the core dependencies alone.

The environment is new and has the wheel and what it requires, by its own metadata; the packages are
those that are installed here, linked, so that nothing is downloaded but the build system.
"""

import os
import re
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
HERE = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(folder), str(HERE)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "No matching distribution found for hatchling" in done.stderr:
        pytest.skip("the build system cannot be downloaded")
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("emma_fusion-*.whl")
    return path


def required(wheel):
    """Names of what the wheel requires without extras, and of what that requires."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    todo = re.findall(r"^Requires-Dist: (?!.*extra ==)([\w.-]+)", text, re.MULTILINE)
    found = {}
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # for another platform or an older Python
            continue
        more = [line for line in found[name].requires or [] if "extra ==" not in line]
        todo += [re.match(r"[\w.-]+", line)[0] for line in more]
    return found


@pytest.fixture(scope="module")
def place(wheel, tmp_path_factory):
    """A folder far from the project, with an environment in it."""
    folder = tmp_path_factory.mktemp("outside")
    venv.create(folder / "env", with_pip=False, symlinks=True)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    for package in required(wheel).values():
        for top in {path.parts[0] for path in package.files or () if path.parts[0] != ".."}:
            if not (site / top).exists():
                (site / top).symlink_to(package.locate_file(top))
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(site)]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    return folder


def run(place, *words):
    """Run the command line of the wheel; nothing of this process's environment leads elsewhere."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "EMMA"))}
    command = [str(place / "env" / "bin" / "python"), "-m", "emma_fusion", *words]
    return subprocess.run(command, cwd=place, env=kept, capture_output=True, text=True)


def test_the_wheel_holds_what_it_needs_and_nothing_of_the_project_around_it(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"emma_fusion/py.typed", "emma_fusion/models/base/fuser.safetensors"} <= names
    assert "emma_fusion/models/base/README.md" in names
    outside = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert outside == {"emma_fusion"}


def test_it_is_the_wheel_that_runs(place):
    python = str(place / "env" / "bin" / "python")
    code = "import emma_fusion; print(emma_fusion.__file__)"
    done = subprocess.run([python, "-I", "-c", code], cwd=place, capture_output=True, text=True)
    assert Path(done.stdout.strip()).is_relative_to(place), done.stderr


def test_fusing_and_scoring_need_no_extra(place):
    demo = ["demo", "-o", "street"]
    fuse = ["fuse", "street/infrared.png", "street/visible.png", "-o", "fused.png"]
    score = ["evaluate", "fused.png", "street/infrared.png", "street/visible.png"]
    for words in (["--version"], demo, fuse, score, ["info", *fuse[1:3]], ["models"]):
        done = run(place, *words)
        assert done.returncode == 0, (words, done.stderr)
    assert (place / "fused.png").stat().st_size > 1000


def test_a_verb_that_needs_an_extra_names_it(place):
    done = run(place, "train", "street", "street", "-o", "run")
    assert done.returncode == 2
    assert "emma-fusion[train]" in done.stderr
    assert "Traceback" not in done.stderr
