"""Every command and every line of Python that README.md and docs/ show is one that works.

What a block may say of itself stands in benchmarks/snippets.py. The files that commands name are
drawn here, tiny; a page that needs others adds them to FILES.
"""

import doctest
import re
import shutil
import tomllib
from functools import cache

import numpy as np
import pytest
import torch
import typer

import flir
from emma_fusion import models
from emma_fusion.align.rig import Rig
from emma_fusion.cli import app, main
from emma_fusion.demo import render_scene
from emma_fusion.errors import UserError
from emma_fusion.fuser import Fuser
from emma_fusion.images.radiometric import read_thermogram
from emma_fusion.images.raster import read_image, write_image
from emma_fusion.images.record import read_record
from emma_fusion.networks import UFuser
from emma_fusion.networks.authors import to_authors
from phantoms import draw, grid, write_nifti, write_series, write_spect
from snippets import HERE, PAGES, README, blocks
from videos import image, write_video

SHAPE = (176, 192)  # the smallest that every metric takes
SCAN = grid((3, 3, 9), (24, 24, 3))
# Some verbs take hours as the pages show them; with these words behind they take a second.
STEPS = [
    *("patches.size=32", "patches.stride=32", "sensing.width=4"),
    *("sensing.steps=1", "start.steps=1", "fusion.steps=1"),
    *("sensing.batch=1", "start.batch=1", "fusion.batch=1"),
]
SHORTER = {
    "train": [word for setting in STEPS for word in ("--set", setting)],
    "equivariance": ["--limit", "1", "--shifts", "1", "--angles", "90"],
    "bench": ["--limit", "1", "--metrics", "EN"],
    "distill": ["--set", "learning.steps=1"],
}


@cache
def street(seed):
    return render_scene(*SHAPE, seed=seed)


def grey(seed=0):
    return street(seed)[0]


def colour(seed=0):
    return street(seed)[1]


def kelvin(path):
    """A thermal camera's 16 bits, in hundredths of a kelvin."""
    write_image(path, (29315 + 8 * grey().astype(np.uint16)).astype(np.uint16))


def folder(make):
    return lambda path: [write_image(path / f"{name}.png", make(i)) for i, name in NAMES]


def radiometric(path):
    """A FLIR file: the middle of a street as temperatures, and the street inside."""
    height, width = SHAPE
    rows, columns = slice(height // 6, -(height // 6)), slice(width // 6, -(width // 6))
    seen = np.ascontiguousarray(grey()[rows, columns])
    counts = flir.to_counts(10 + seen / 10)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(flir.radiometric(counts, colour(), (width / seen.shape[1], 0, 0)))


def marked(path, *marks):
    """Images of two moments by one or both of a camera's lenses."""
    for mark in marks:
        for i, name in NAMES:
            image = grey(i) if mark in ("T", "IR") else colour(i)
            write_image(path / f"DJI_{name}_{mark}.JPG", image)


def card(path):
    """What a camera writes that counts on with every file."""
    for i, number in ((0, 12390), (1, 12412)):
        write_image(path / f"IR_{number}.jpg", grey(i))
        write_image(path / f"DC_{number + 1}.jpg", colour(i))


def celsius(path):
    """Temperatures as another tool writes them."""
    for i, name in NAMES:
        write_image(path / f"DJI_{name}_T.tif", (15 + grey(i) / 10).astype(np.float32))


def rig(path):
    """A calibration of two cameras that see the same."""
    path.write_bytes(Rig(np.eye(3), "translation", SHAPE, SHAPE, 12, 0.5).to_json())


NAMES = [(0, "001"), (1, "002")]
FILES = {
    **dict.fromkeys(("INFRARED", "MRI", "IR", "CT"), folder(grey)),
    **dict.fromkeys(("VISIBLE", "PET", "SPECT", "VI", "VIS"), folder(colour)),
    "FUSED": folder(colour),
    **dict.fromkeys(("IR.tif", "VIS.tif"), lambda path: write_image(path, grey())),
    "THERMAL": lambda path: [kelvin(path / f"{name}.png") for _, name in NAMES],
    **dict.fromkeys(("ir.png", "fused.png"), lambda path: write_image(path, grey())),
    **dict.fromkeys(("vis.jpg", "vis.png"), lambda path: write_image(path, colour())),
    "OTHER": lambda path: write_image(path / "frame-17.png", colour()),
    "FLIR0001.jpg": radiometric,
    "FLIR": lambda path: [radiometric(path / f"FLIR000{n}.jpg") for n in (1, 3)],
    "photo.jpg": lambda path: write_image(path, colour()),
    "THERMAL_T": lambda path: marked(path, "T"),
    "WIDE_W": lambda path: marked(path, "W"),
    "DCIM": lambda path: marked(path, "T", "W"),
    "CARD": card,
    "CELSIUS": celsius,
    "small.jpg": lambda path: write_image(path, colour()[:24, :32]),
    "damaged.png": lambda path: path.write_bytes(b"\x89PNG\r\n"),
    "thermal.tif": kelvin,
    "SPECT.dcm": lambda path: write_spect(path, draw(SCAN, (24, 24, 3), body=1), SCAN),
    "RUN": lambda path: shutil.copytree(models.find("base").parent, path),
    "rig.json": rig,
    "EMMA.pth": lambda path: torch.save(to_authors(UFuser()), path),
    **dict.fromkeys(
        ("thermal.mp4", "visible.mp4", "drone_ir.mp4", "drone_rgb.mp4"),
        lambda path: write_video(path, [image(i, SHAPE) for i in range(4)]),
    ),
    **dict.fromkeys(
        ("PET.nii.gz", "CT.nii.gz", "MRI.nii.gz", "SPECT.nii.gz"),
        lambda path: write_nifti(path, draw(SCAN, (24, 24, 3), body=1), SCAN),
    ),
    **dict.fromkeys(
        ("PETS", "MRIS"),
        lambda path: (
            path.mkdir(),
            write_nifti(path / "one.nii.gz", draw(SCAN, (24, 24, 3), body=1), SCAN),
        ),
    ),
    **dict.fromkeys(
        ("PET_SERIES", "CT_SERIES", "MRI_SERIES"),
        lambda path: write_series(path, draw(SCAN, (24, 24, 3), body=1), SCAN),
    ),
}


def identity(page):
    return str(page.relative_to(HERE))


# make and pip: see below
PROGRAMS = ("emma", "python", "pytest", "git", "cd", "source", "ray", "docker")

every_page = pytest.mark.parametrize("page", PAGES, ids=identity)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of its own, with the project's configurations where pages name them."""
    (tmp_path / "configs").symlink_to(HERE / "configs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMMA_DATA", raising=False)
    return tmp_path


def provide(place, text):
    """Draw the files that a text names and that are not there."""
    for name, make in FILES.items():
        path = place / name
        if re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w.-])", text) and not path.exists():
            path.parent.mkdir(exist_ok=True)
            make(path)


def run(words):
    """Run a verb in this process; its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code or 0


def lengthened(words):
    """A command with what makes it short, and with leave to replace what the page made before."""
    verb = typer.main.get_command(app).commands.get(words[0])
    replaces = verb and any("--overwrite" in option.opts for option in verb.params)
    return [
        *words,
        *(SHORTER.get(words[0], ()) if "--resume" not in words else ()),
        *(["--overwrite"] if replaces and "--overwrite" not in words else []),
    ]


def run_page(page, place, capfd, refusal=None):
    """Run the code of a page from top to bottom: a block may use what those before it made.

    `refusal` is what the commands with --align auto say of images that have too little in common.
    """
    names = {"infrared": grey(), "visible": colour(), "fused": colour(2)}
    for block in blocks(page):
        if block.marker == "not run":
            continue
        provide(place, block.code)
        refused = block.marker == "refused"
        for words in [words[1:] for words in block.commands if words[0] == "emma"]:
            capfd.readouterr()
            code = run(words if refused else lengthened(words))
            said = "".join(capfd.readouterr())
            if refusal and "auto" in words:
                assert code == 2, (block.place, words, said)
                assert refusal in said
                continue
            assert code == (2 if refused else 0), (block.place, words, said)
            assert not refused or block.words in " ".join(said.split()), (block.place, said)
        if block.language == "python" and refused:
            with pytest.raises(UserError, match=re.escape(block.words)):
                exec(compile(block.code, block.place, "exec"), names)
        elif block.language == "python" and ">>>" in block.code:
            example = doctest.DocTestParser().get_doctest(block.code, names, block.place, None, 0)
            assert not doctest.DocTestRunner().run(example, clear_globs=False).failed
            names = example.globs
        elif block.language == "python":
            exec(compile(block.code, block.place, "exec"), names)


# Pages that a newcomer opens first run with the quick tests, the others with the slow ones.
QUICK = ("README.md", "tour.md", "tour-scores.md")


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=() if page.name in QUICK else pytest.mark.slow) for page in PAGES],
    ids=identity,
)
def test_the_code_of_a_page_runs(page, place, capfd):
    run_page(page, place, capfd)


@pytest.mark.slow
def test_the_page_on_thermal_cameras_runs_with_a_cameras_own_file(data, place, capfd, monkeypatch):
    """Its commands for FLIR, with a file of a FLIR camera and the visible image that is in it."""
    pytest.importorskip("flyr")
    source = data / "radiometric" / "flir_example.jpg"
    if not source.is_file():
        pytest.skip(f"no file of a camera: {source} is not there")
    monkeypatch.setattr(Fuser, "fuse_luminance", lambda self, pair, progress=None: pair.infrared)
    (place / "FLIR").mkdir()
    for name in ("FLIR0001.jpg", "FLIR/FLIR0001.jpg", "FLIR/FLIR0003.jpg"):
        shutil.copy(source, place / name)
    write_image(place / "photo.jpg", read_thermogram(source).visible)
    page = HERE / "docs" / "thermal-cameras.md"
    run_page(page, place, capfd, refusal="too few contours in common")
    assert read_image(place / "fused.jpg").shape == read_image(place / "photo.jpg").shape
    assert read_record(place / "t.tif")["emissivity"] == 0.95
    assert read_record(place / "fused.jpg")["infrared"]["unit"] == "degC"
    kelvin, degrees = (read_image(place / n) for n in ("TEMPERATURES/FLIR0001.tif", "t.tif"))
    np.testing.assert_allclose(kelvin, degrees + 273.15, atol=1e-3)
    assert 25.9 < degrees.min() < degrees.max() < 62.4


def parse(words):
    """Parse a command as far as a verb or a verb's own verbs go; nothing is run."""
    command, context = typer.main.get_command(app), None
    name, rest = "emma", list(words)
    while True:
        context = command.make_context(name, rest, parent=context, resilient_parsing=False)
        if not hasattr(command, "resolve_command"):
            return
        left = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, left)


@every_page
def test_the_commands_exist_with_their_options(page):
    """Those that are not run, too: verb, options, and the configurations that they name."""
    for block in blocks(page):
        if block.language == "python" and ">>>" not in block.code:
            compile(block.code, block.place, "exec")
        for words in (words for words in block.commands if words[0] == "emma"):
            try:
                parse(words[1:])
            except (SystemExit, typer.Exit):  # --version and --show-completion end here
                pass
            except Exception as error:
                pytest.fail(f"{block.place}: {' '.join(words)}: {error}")
            for word in words:
                assert not word.startswith("configs/") or (HERE / word).is_file(), word


def test_a_command_that_does_not_exist_is_noticed():
    for words in (["fuse", "a", "b", "-o", "c", "--colours", "none"], ["melt"], ["fuse", "a"]):
        with pytest.raises(Exception, match=r"has no option|no command|needs -o OUT"):
            parse(words)


@every_page
def test_what_else_the_commands_name_is_there(page):
    """Other programs are not run: what they name must exist."""
    makefile = (HERE / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"])
    for block in blocks(page):
        for program, *words in block.commands:
            named = [word for word in words if not word.startswith("-")]
            if program == "make":
                assert set(named) <= {*targets, *(w for w in named if "=" in w)}, block.place
            elif program == "python" and named and named[0].endswith(".py"):
                script = HERE / named[0]
                assert script.is_file(), (block.place, named[0])
                text = script.read_text(encoding="utf-8")
                options = [w.split("=")[0] for w in words if w.startswith("--")]
                assert all(f'"{option}"' in text for option in options), (block.place, options)
            elif program == "pip":
                assert "-c" in words, f"{block.place}: without constraints"
                for found in re.findall(r"\.\[([a-z,]+)\]", " ".join(words)):
                    assert set(found.split(",")) <= extras, block.place
            else:
                assert program in PROGRAMS, block.place
    scripts = re.findall(r"\bpython (\S+\.py)\b", page.read_text(encoding="utf-8"))
    assert all((HERE / script).is_file() for script in scripts)


@every_page
def test_what_the_text_names_is_there(page):
    """Commands and files within a sentence: verbs, targets of make, scripts and configurations."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    verbs = typer.main.get_command(app).commands
    makefile = (HERE / "Makefile").read_text(encoding="utf-8")
    for code in re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", text):
        words = code.split()
        if words[:1] == ["emma"] and len(words) > 1:
            assert words[1] in verbs or words[1] == "VERB" or words[1].startswith("-"), code
        elif words[:1] == ["make"] and len(words) == 2:
            assert f"\n{words[1]}:" in makefile, code
        for word in words:
            if re.fullmatch(r"(?:benchmarks|configs|tests)/[\w/.-]+", word):
                assert (HERE / word).exists(), code
            elif re.fullmatch(r"\w+\.py", word):
                assert list(HERE.glob(f"*/**/{word}")), code


@every_page
def test_no_command_hides_in_a_block_without_a_language(page):
    fences = re.findall(r"^ *```(\S*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) % 2 == 0
    assert all(fences[::2]), "a fence without a language: sh and python are run, text is not"


@every_page
def test_the_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        assert "://" in link or (page.parent / link).exists(), link


def test_the_image_comes_first_and_is_there():
    found = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    assert read_image(HERE / found[0]).shape[1] > 1000
    assert README.read_text(encoding="utf-8").splitlines()[2].startswith("![")


def test_the_page_on_installing_names_every_extra():
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (HERE / "docs" / "install.md").read_text(encoding="utf-8")
    assert all(f"| `{extra}` |" in text for extra in project["optional-dependencies"])
