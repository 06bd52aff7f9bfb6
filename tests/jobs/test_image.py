"""The straight line of one image, and the request that goes down it."""

import dataclasses
import typing

import numpy as np
import pytest

from emma_fusion.errors import UserError
from emma_fusion.fuser import PRECISIONS, Fuser
from emma_fusion.fuser import fuse as fuse_arrays
from emma_fusion.images.raster import read_image, write_image
from emma_fusion.images.record import read_record
from emma_fusion.jobs import image
from emma_fusion.jobs.fuse import fuse
from emma_fusion.jobs.image import Recipe
from emma_fusion.jobs.messages import Messages, Outcome
from emma_fusion.jobs.options import NetworkOptions, Option
from emma_fusion.jobs.request import FuseRequest, VideoOptions
from emma_fusion.jobs.targets import Files
from emma_fusion.pair import Colour
from emma_fusion.scans.display import AnatomicalPlane
from emma_fusion.values.contrast import Contrast
from emma_fusion.values.mending import Mend
from emma_fusion.values.palettes import Palette
from emma_fusion.video.layout import Layout


@pytest.fixture
def files(tmp_path):
    """A pair of 16 and 8 bit with one dead pixel."""
    rng = np.random.default_rng(0)
    infrared = (7000 + 1500 * rng.random((24, 32))).astype(np.uint16)
    infrared[5, 7] = 60000
    write_image(tmp_path / "i.png", infrared)
    write_image(tmp_path / "v.png", rng.integers(0, 255, (24, 32, 3), np.uint8))
    return Files(tmp_path / "i.png", tmp_path / "v.png", tmp_path / "f.png")


def request(files, **options):
    return FuseRequest(*map(str, files), **options)


def test_a_pair_is_mended_before_it_is_scaled(files):
    asked = request(files, infrared_range="7000:9000", mending="dead-pixels")
    pair = image.read(files, Recipe.of(asked))
    assert pair.infrared[5, 7] < 0.8
    assert pair.record["infrared"]["dead_pixels"] == 1
    assert image.read(files, Recipe.of(request(files))).infrared[5, 7] == 1


def test_a_notebook_fuses_by_a_request_and_hears_nothing(files, model, capfd):
    asked = request(files, contrast="stretch", network=NetworkOptions(model=str(model)))
    assert fuse(asked) == Outcome()
    assert capfd.readouterr() == ("", "")
    expected = fuse_arrays(files.infrared, files.visible, model, contrast="stretch")
    np.testing.assert_array_equal(read_image(files.target), expected)
    with pytest.raises(UserError, match="exists"):
        fuse(asked)


def test_what_a_job_says_and_what_failed(tmp_path, model, monkeypatch):
    monkeypatch.setattr(Fuser, "fuse_luminance", lambda self, pair, *_: pair.infrared)
    for side in ("ir", "vi"):
        for name in ("1.png", "2.png"):
            write_image(tmp_path / side / name, np.zeros((8, 8), np.uint8))
    (tmp_path / "ir" / "2.png").write_bytes(b"broken")
    said = []

    class Kept(Messages):
        def say(self, line):
            said.append(line)

    folders = (tmp_path / "ir", tmp_path / "vi", tmp_path / "out")
    outcome = fuse(request(folders, network=NetworkOptions(model=str(model))), Kept())
    assert len(outcome.failures) == 1
    assert outcome.failures[0].startswith("2: ")
    assert said == [f"Fused 1 of 2 pairs into {folders[2]}", f"Failed {outcome.failures[0]}"]


def test_the_record_names_program_model_and_options(files, model):
    fuse(request(files, unit="counts", network=NetworkOptions(model=str(model), threads=1)))
    record = read_record(files.target)
    keys = ["software", "model", "precision", "runtime", "protocol", "contrast"]
    assert list(record)[:6] == keys
    assert record["infrared"]["unit"] == "counts"


# --- the request
def options_of(kind):
    """The fields of a request and of the options in it, with their types and what is said."""
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        if dataclasses.is_dataclass(hint):
            yield from options_of(hint)
        else:
            yield (name, *typing.get_args(hint))


OPTIONS = {name: (kind, option) for name, kind, option in options_of(FuseRequest)}


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("colour", typing.get_args(Colour)),
        ("contrast", typing.get_args(Contrast)),
        ("mending", typing.get_args(Mend)),
        ("palette", ("none", *typing.get_args(Palette))),
        ("layout", typing.get_args(Layout)),
        ("plane", typing.get_args(AnatomicalPlane)),
        ("precision", tuple(PRECISIONS)),
    ],
)
def test_choices_are_those_of_the_rooms(name, known):
    """The request imports nothing of the house, so that it must say them again."""
    kind = OPTIONS[name][0]
    literal = next((part for part in typing.get_args(kind) if typing.get_args(part)), kind)
    assert typing.get_args(literal) == known


@pytest.mark.parametrize("name", OPTIONS)
def test_an_options_help_is_whole_sentences(name):
    option = OPTIONS[name][1]
    assert isinstance(option, Option)
    assert option.help[0].isupper()
    assert option.help.endswith(".")
    default = getattr(FuseRequest("", "", ""), name, 0)
    if default is None:  # the command line shows other defaults, and this one cannot be shown
        assert "Without it, " in option.help


def test_options_that_do_not_fit_are_refused_before_anything_is_read(tmp_path):
    names = [str(tmp_path / name) for name in ("i.png", "v.png", "f.png")]
    with pytest.raises(UserError, match=r"i.png does not exist"):
        fuse(FuseRequest(*names))
    live = FuseRequest(
        "0", "1", "f.mp4", protocol="paper", depth="16", video=VideoOptions(live=True)
    )
    with pytest.raises(UserError, match="paper protocol"):
        fuse(live)
