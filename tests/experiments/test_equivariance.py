"""Equivariance errors: known ones of methods made here, and what is kept, named and averaged."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from emma_fusion.bench import Method, open_dataset, open_methods
from emma_fusion.equivariance import Rotation
from emma_fusion.errors import UserError
from emma_fusion.experiments.equivariance import Case, Settings, grid, measure, run
from emma_fusion.experiments.equivariance_report import as_json, collect, markdown, plot, summarise
from emma_fusion.pair import Pair
from small_datasets import write

GRID = grid((1, 2, 2.5, 8), (30, 90, 180, 270), ("horizontal", "vertical", "both"), (0.8, 1.5))
RNG = np.random.default_rng(0)
_HALVES = (np.eye(52) + np.roll(np.eye(52), 1, 1)) / 4  # half of a column and of the one before


@pytest.fixture
def pair():
    infrared, visible = RNG.uniform(0.1, 1, (2, 41, 52)).astype(np.float32)
    return Pair(infrared, visible)


def average(pair):
    return (pair.infrared + pair.visible) / 2


def ramp(pair):
    """A quarter of the visible image, and a ramp that does not move with it."""
    return (pair.visible / 4 + np.linspace(0, 0.5, pair.visible.shape[1])).astype(np.float32)


def errors(fuse, pair, case, **settings):
    return measure(fuse, pair, fuse(pair), case, Settings(**{"margin": 3, **settings}))


def relative(after, expected):
    return np.linalg.norm(after - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("padding", ["reflection", "border", "zeros"])
@pytest.mark.parametrize("case", GRID, ids=lambda case: "-".join(case.key))
def test_a_linear_method_is_equivariant(pair, case, padding):
    found = errors(average, pair, case, padding=padding)
    assert found["error"] < 1e-6
    assert found["inner"] < 1e-6


@pytest.mark.parametrize(
    ("case", "moved"),
    [
        (Case("shift", "5"), lambda x: np.roll(x, (5, 5), (0, 1))),
        (Case("shift", "0.5"), lambda x: (x + np.roll(x, 1, 0)) @ _HALVES),
        (Case("reflection", "horizontal"), lambda x: x[:, ::-1]),
        (Case("reflection", "vertical"), lambda x: x[::-1]),
        (Case("reflection", "both"), lambda x: x[::-1, ::-1]),
        (Case("rotation", "90"), lambda x: np.rot90(x, 1)),
        (Case("rotation", "270"), lambda x: np.rot90(x, 3)),
    ],
    ids=lambda value: str(value) if isinstance(value, Case) else "moved",
)
def test_a_ramp_that_stays_has_a_known_error(pair, case, moved):
    after = ramp(Pair(moved(pair.infrared), moved(pair.visible)))
    expected = relative(after, moved(ramp(pair)))
    assert errors(ramp, pair, case)["error"] == pytest.approx(expected, abs=1e-6)
    assert (expected == 0) == (case.amount == "vertical")


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_an_exact_turn_goes_the_way_of_a_resampled_one(degrees):
    square = torch.rand(1, 2, 9, 9, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(1, 1, 9, 9, dtype=torch.bool)
    exact, _ = Case("rotation", str(degrees)).apply(square, mask, "reflection")
    resampled, valid = Rotation().apply(square, {"degrees": torch.tensor([float(degrees)])})
    assert valid.all()
    torch.testing.assert_close(exact, resampled, atol=1e-5, rtol=0)


def test_a_long_shift_keeps_its_number():
    (case,) = grid((1234567,), (), (), ())
    assert case.amount == "1234567"
    assert case.group == "other shifts"


def test_pixels_between_two_that_count_count(pair):
    inside = torch.zeros(1, 1, 7, 8, dtype=torch.bool)
    inside[..., 2:5, 3:6] = True
    _, moved = Case("shift", "1.25").apply(torch.zeros(1, 2, 7, 8), inside, "reflection")
    assert moved.nonzero()[:, 2:].tolist() == [[r, c] for r in (4, 5) for c in (5, 6)]


def test_a_method_that_halves_the_image_tells_odd_from_even_shifts(pair):
    def halved(pair):
        coarse = pair.visible[::2, ::2].repeat(2, 0).repeat(2, 1)
        return coarse[: pair.visible.shape[0], : pair.visible.shape[1]]

    # The frame has an odd side, so that beside the seam of a shift by 2 something is left.
    assert errors(halved, pair, Case("shift", "2"))["inner"] == 0
    assert errors(halved, pair, Case("shift", "2"))["error"] > 0
    assert errors(halved, pair, Case("shift", "1"))["inner"] > 0.3


def test_the_inner_value_leaves_out_the_frame_and_the_seam(pair):
    def framed(pair):
        fused = pair.visible.copy()
        fused[:2], fused[-2:], fused[:, :2], fused[:, -2:] = 0, 0, 0, 0
        return fused

    case = Case("shift", "10")
    moved = np.roll(framed(pair), (10, 10), (0, 1))
    after = framed(Pair(pair.infrared, np.roll(pair.visible, (10, 10), (0, 1))))
    found = errors(framed, pair, case, margin=2)
    assert found == {"error": pytest.approx(relative(after, moved), abs=1e-6), "inner": 0}
    assert errors(framed, pair, case, margin=1)["inner"] > 0.1
    assert np.isnan(errors(framed, pair, case, margin=30)["inner"])


def test_the_corners_of_a_turned_image_are_seen_and_not_counted(pair):
    def bright_where_black(pair):
        return np.where(pair.visible == 0, 1, pair.visible)

    def by_its_mean(pair):
        return pair.visible * pair.visible.mean()

    case = Case("rotation", "30")
    assert errors(bright_where_black, pair, case, padding="zeros")["error"] == 0
    black, filled = (
        errors(by_its_mean, pair, case, padding=padding)["error"]
        for padding in ("zeros", "reflection")
    )
    assert black > 0.1 > 0.05 > filled > 0


def test_the_error_of_a_mean_is_that_of_the_mean(pair):
    def by_its_mean(pair):
        return pair.visible * pair.visible.mean()

    turned = []

    def listening(pair):
        turned.append(pair.visible)
        return by_its_mean(pair)

    # Bright in the middle, which a rotation keeps: its mean changes by far more than rounding.
    rows, columns = np.hanning(41)[:, None], np.hanning(52)
    pair = replace(pair, visible=(pair.visible * rows * columns).astype(np.float32))
    found = measure(listening, pair, by_its_mean(pair), Case("rotation", "45"), Settings())
    expected = abs(turned[0].mean() / pair.visible.mean() - 1)
    assert found["error"] == pytest.approx(expected, rel=1e-4)


def test_a_black_result(pair):
    case = Case("shift", "1")
    assert errors(lambda pair: 0 * pair.visible, pair, case)["error"] == 0
    black_once = iter([np.zeros((41, 52)), np.ones((41, 52))])
    assert errors(lambda pair: next(black_once), pair, case)["error"] == np.inf


# --- runs ----------------------------------------------------------------------------------------
class Counted:
    """A method that counts its calls, and may stop at one of them."""

    def __init__(self, stop_at=None, error=KeyboardInterrupt):
        self.calls, self.stop_at, self.error = 0, stop_at, error

    def __call__(self, pair):
        self.calls += 1
        if self.calls == self.stop_at:
            raise self.error
        return ramp(pair)

    def method(self, name="ramp"):
        return Method(name, "made here", "1", open=lambda: self)


SETTINGS = Settings(GRID, margin=4)


@pytest.fixture
def dataset(pairs):
    return open_dataset(pairs)


def test_a_run_measures_all_and_the_next_nothing(dataset, folders):
    first, second, out = Counted(), Counted(), folders / "out"
    seen = []
    before = run([dataset], [first.method()], SETTINGS, out, lambda *done: seen.append(done))
    assert before.measured == 4 * len(GRID)
    assert first.calls == 4 * (1 + len(GRID))
    assert seen[-1] == (4 * len(GRID), 4 * len(GRID))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    after = run([dataset], [second.method()], SETTINGS, out)
    assert (after.measured, second.calls) == (0, 0)
    assert after.values == before.values


def test_what_changed_is_measured_again(dataset, folders):
    out = folders / "out"
    run([dataset], [Counted().method()], SETTINGS, out)
    write(folders / "vi" / "b.png", np.full((40, 48, 3), 99, np.uint8))
    again = run(
        [open_dataset(f"street={folders / 'ir'},{folders / 'vi'}")],
        [Counted().method()],
        SETTINGS,
        out,
    )
    assert again.measured == len(GRID)
    wider = replace(SETTINGS, margin=5)
    assert run([dataset], [Counted().method()], wider, out).measured == 4 * len(GRID)
    other = replace(Counted().method(), stamp="2")
    assert run([dataset], [other], wider, out).measured == 4 * len(GRID)


def test_an_interrupted_run_goes_on(dataset, folders):
    out = folders / "out"
    with pytest.raises(KeyboardInterrupt):
        run([dataset], [Counted(stop_at=len(GRID) + 5).method()], SETTINGS, out)
    rest = run([dataset], [Counted().method()], SETTINGS, out)
    assert rest.measured == 4 * len(GRID) - len(GRID) - 2  # two calls fused a pair as it is
    whole = run([dataset], [Counted().method()], SETTINGS, folders / "other")
    assert rest.values == whole.values


def test_a_bad_image_costs_no_other(dataset, folders):
    (folders / "ir" / "b.png").write_bytes(b"no image")
    outcome = run([dataset], [Counted().method()], SETTINGS, folders / "out")
    assert [key[2] for key in outcome.values] == ["a", "c", "d"]
    assert len(outcome.failures) == 1
    assert outcome.failures[0].startswith("street, ramp, b: ")


def test_a_method_that_fails_everywhere_is_said(dataset, folders):
    with pytest.raises(UserError, match=r"Nothing could be measured.\n.*division by zero"):
        run([dataset], [Method("none", "", open=lambda: lambda pair: 1 / 0)], SETTINGS, folders)


def test_a_folder_of_images_cannot_be_measured(dataset, folders):
    with pytest.raises(UserError, match="folder of fused images"):
        run([dataset], open_methods([f"folder:{folders / 'ir'}"]), SETTINGS, folders / "out")


# --- what it says --------------------------------------------------------------------------------
@pytest.fixture
def outcome(dataset, folders):
    methods = [Counted().method(), *open_methods(["average"])]
    return run([dataset], methods, SETTINGS, folders / "out")


def test_means_are_over_images_of_means_over_transforms(outcome):
    line, floor = summarise(outcome)
    assert list(line.groups["error"]) == [
        "other shifts",
        "shifts by parts of a pixel",
        "shifts by multiples of 8",
        "other angles",
        "quarter turns",
        "reflections",
        "zooms",
    ]
    each = [
        np.mean([outcome.values["street", "ramp", stem][case]["inner"] for case in GRID[:2]])
        for stem in "abcd"
    ]
    found = line.groups["inner"]["other shifts"]
    assert found.mean == pytest.approx(np.mean(each))
    assert found.low <= found.mean <= found.high
    assert found.images == 4
    eight = line.groups["error"]["shifts by multiples of 8"]
    assert eight == line.cases["error"][Case("shift", "8")]
    assert all(found.mean < 1e-6 for found in floor.groups["error"].values())


def test_an_image_without_a_value_is_left_out_of_its_mean(outcome):
    for image in "ab":
        outcome.values["street", "ramp", image][GRID[0]]["inner"] = np.nan
    line = summarise(outcome)[0]
    assert line.groups["inner"]["other shifts"].images == 2
    assert line.groups["error"]["other shifts"].images == 4


def test_tables_and_json(outcome, folders):
    lines = summarise(outcome)
    text = markdown(outcome, lines)
    found = lines[0].groups["error"]["reflections"]
    assert f"{100 * found.mean:.2f} [{100 * found.low:.2f}, {100 * found.high:.2f}]" in text
    assert "Divided by that of ramp" in text
    facts = collect(outcome, 0, "cpu")
    report = json.loads(json.dumps(as_json(outcome, lines, facts), allow_nan=False))
    assert report["configuration"]["margin"] == 4
    assert report["results"][0]["groups"]["error"]["reflections"]["mean"] == found.mean
    assert len(report["results"][0]["transforms"]["inner"]) == len(GRID)
    assert "torch" in report["facts"]["Versions"]
    write(folders / "vi" / "b.png", np.full((40, 48, 3), 99, np.uint8))
    assert collect(outcome, 0, "cpu")["Images"] != facts["Images"]


def test_the_plot_is_an_image(outcome):
    import cv2

    image = cv2.imdecode(np.frombuffer(plot(summarise(outcome), 4), np.uint8), cv2.IMREAD_COLOR)
    blue = (image.astype(int)[..., 0] - image[..., 2] > 100).sum()
    assert image.shape[1] > 2 * image.shape[0]
    assert blue > 500  # the first method's line
