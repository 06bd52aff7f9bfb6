import csv
import warnings

import cv2
import numpy as np
import pytest
import torch

from emma_fusion.errors import UserError
from emma_fusion.metrics.hidden_pattern import hidden_pattern_ratio
from emma_fusion.training.config import Additive, Pairs, Patches, Schedule, load_config, presets
from emma_fusion.training.journal import Journal
from emma_fusion.training.patches import blacken, has_contrast, read_patches
from emma_fusion.training.processes import SharedBatchNorm2d, share_statistics
from emma_fusion.training.stages import group
from emma_fusion.training.teachers import Teachers, additive
from emma_fusion.training.texture import pattern_excess, texture_excess

from .conftest import smooth_picture


def test_the_preset_paper_has_the_papers_values():
    config = load_config("paper")
    assert (config.patches.size, config.patches.stride, config.patches.min_contrast) == (
        128,
        200,
        0.1,
    )
    s, f = config.sensing, config.fusion
    assert (s.width, s.batch, s.lr, s.epochs, s.low_pass, s.noise) == (64, 64, 1e-4, 40, 0, 0)
    assert [s.rate(k, 400) for k in (0, 99, 100, 200, 300, 399)] == [
        1e-4,
        1e-4,
        5e-5,
        2.5e-5,
        1.25e-5,
        1.25e-5,
    ]
    assert (f.batch, f.lr, f.epochs, f.alpha) == (4, 1e-4, 120, 0.1)
    assert f.rate(119, 120) == 1e-4 / 32
    assert (f.shifts, f.rotations, f.reflections, f.mixed) == (3, 3, 3, 0)
    assert f.angles == [10, 130, 250]
    assert (f.anchor, f.texture, f.ema, config.start.steps) == (0, 0, 0, 0)
    assert group(f, 128).factor == 9
    assert f.total(1001) == 120 * 251


def test_every_preset_is_valid():
    assert {"paper", "cpu", "tune"} <= set(presets())
    for name in presets():
        load_config(name)


def test_later_settings_win_and_wrong_ones_are_named(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("sensing: {width: 8}\nfusion: {alpha: 0.3}\n")
    config = load_config("paper", file, {"fusion.alpha": 1.0})
    assert (config.sensing.width, config.sensing.batch, config.fusion.alpha) == (8, 64, 1.0)
    with pytest.raises(UserError, match=r"fusion\.alhpa"):
        load_config("paper", None, {"fusion.alhpa": 1})
    with pytest.raises(UserError, match="no preset"):
        load_config("nonsense")
    with pytest.raises(UserError, match="cannot be shared by 3"):
        load_config("paper", None, {"run.devices": 3})
    file.write_text("{")
    with pytest.raises(UserError, match="not valid YAML"):
        load_config("paper", file)


def test_cosine_with_warm_up_rises_then_falls():
    schedule = Schedule(batch=1, lr=1.0, decay="cosine", warm_up=4)
    rates = [schedule.rate(step, 100) for step in range(100)]
    assert rates[0] == 0.25
    assert max(rates) == rates[3] == 1.0
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert 0 < rates[-1] < 0.03


def test_contrast_of_patches():
    black = np.zeros((8, 8), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not has_contrast(black, 0.1)
        assert not has_contrast(black, 0.0)
    ramp = np.linspace(100, 200, 64).astype(np.uint8).reshape(8, 8)
    p10, p90 = np.percentile(ramp, (10, 90))
    assert has_contrast(ramp, (p90 - p10) / p90)
    assert not has_contrast(ramp, (p90 - p10) / p90 + 0.01)


def test_patches_are_cut_in_step_and_validation_is_kept_out(pairs):
    sets = [Pairs(infrared=pairs / "ir", visible=pairs / "vi", methods=["average"], validation=1)]
    patches = read_patches(sets, Patches(size=32, stride=16, min_contrast=0))
    assert len(patches) == 4 * 9
    assert [stem for stem, *_ in patches.validation] == ["c"]
    infrared, visible, fused = patches.draw(8, torch.Generator().manual_seed(0), "last")
    assert infrared.shape == visible.shape == fused.shape == (8, 1, 32, 32)
    # The same place, turned the same way: the average teacher is the average of the two.
    assert ((infrared + visible) / 2 - fused).abs().max() <= 1 / 255
    again = patches.draw(8, torch.Generator().manual_seed(0), "last")
    assert torch.equal(again[0], infrared)
    assert len(patches.draw(2, torch.Generator(), "none")) == 2


@pytest.mark.parametrize("turned", [True, False])
def test_patches_are_turned_only_if_they_are_to_be(pairs, turned):
    sets = [Pairs(infrared=pairs / "ir", visible=pairs / "vi", methods=["average"])]
    cut = Patches(size=32, stride=16, min_contrast=0, turned=turned)
    patches = read_patches(sets, cut).of("fusion")
    known = {bytes(patch[0].numpy()) for patch in patches.stacks[0]}
    drawn = (patches.draw(16, torch.Generator().manual_seed(0), "none")[0] * 255).round().byte()
    as_cut = [bytes(patch[0].numpy()) in known for patch in drawn]
    assert all(as_cut) != turned


def test_patches_are_thinned_evenly(pairs):
    def stack(**settings):
        sets = [Pairs(infrared=pairs / "ir", visible=pairs / "vi", **settings)]
        cut = Patches(size=32, stride=16, min_contrast=0)
        return read_patches(sets, cut, with_teachers=False).stacks[0]

    every = stack()
    assert torch.equal(stack(most=5), every[[4, 13, 22, 31, 40]])
    assert torch.equal(stack(most=1000), every)


def test_pairs_that_give_no_patch_are_listed(pairs, tmp_path):
    for kind, size in (("ir", 40), ("vi", 40)):
        (tmp_path / kind).mkdir()
        for name in "ab":
            picture = cv2.imread(str(pairs / kind / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
            picture = picture[:size] if name == "a" else picture
            cv2.imwrite(str(tmp_path / kind / f"{name}.png"), picture)
    sets = [Pairs(infrared=tmp_path / "ir", visible=tmp_path / "vi")]
    patches = read_patches(sets, Patches(size=48, stride=16, min_contrast=0), with_teachers=False)
    assert patches.useless == ["a"]
    assert len(patches) == 4


def test_unmatched_pictures_are_listed(pairs, tmp_path):
    (tmp_path / "vi").mkdir()
    for name in "ab":
        (tmp_path / "vi" / f"{name}.png").write_bytes((pairs / "vi" / f"{name}.png").read_bytes())
    sets = [Pairs(infrared=pairs / "ir", visible=tmp_path / "vi")]
    patches = read_patches(sets, Patches(size=32, stride=32, min_contrast=0))
    assert patches.counts == [2]
    assert sorted(name[-5:] for name in patches.unmatched) == ["c.png", "d.png", "e.png"]


def test_nothing_to_train_on_is_one_sentence(pairs):
    sets = [Pairs(infrared=pairs / "ir", visible=pairs / "vi")]
    with pytest.raises(UserError, match="No patch of 128×128"):
        read_patches(sets, Patches(size=128))


def test_at_least_three_classical_teachers_where_no_folder_is_given(pairs):
    teachers = Teachers(Pairs(infrared=pairs / "ir", visible=pairs / "vi"))
    rng = np.random.default_rng(1)
    infrared, visible = (smooth_picture(rng).astype(np.float32) / 255 for _ in range(2))
    fused = teachers.fuse("a", infrared, visible)
    assert len(fused) >= 3
    for one in fused:
        assert one.shape == infrared.shape
        assert np.corrcoef(one.ravel(), (infrared + visible).ravel())[0, 1] > 0.5
    assert len({one.tobytes() for one in fused}) == len(fused)


def test_additive_teacher_is_the_sum_where_it_fits_into_a_picture():
    rng = np.random.default_rng(2)
    infrared, visible = (smooth_picture(rng).astype(np.float32) / 1024 + 0.15 for _ in range(2))
    plain = Additive(contrast=1, spread=1, centre=1, gains=[1, 1], noise=0)
    fused = additive(infrared, np.zeros_like(infrared), plain)
    assert np.abs(fused - infrared).max() < 1e-4  # nothing to add: the source itself
    fused = additive(infrared, visible, plain)
    assert np.corrcoef(fused.ravel(), (infrared + visible).ravel())[0, 1] > 0.99
    assert abs(fused.mean() - (infrared + visible).mean()) < 0.01


def test_additive_teacher_keeps_contrast_detail_and_range():
    rng = np.random.default_rng(2)
    infrared, visible = (smooth_picture(rng).astype(np.float32) / 255 for _ in range(2))
    mean = (infrared + visible) / 2
    strong = additive(infrared, visible, Additive())
    assert strong.dtype == np.float32
    assert strong.min() >= 0
    assert strong.max() <= 1
    assert strong.std() > 1.2 * mean.std()
    assert np.abs(np.diff(strong)).mean() > 1.5 * np.abs(np.diff(mean)).mean()
    assert strong.mean() < mean.mean() * 2 * Additive().contrast  # brought towards the centre
    black = np.zeros_like(infrared)
    assert additive(black, black, Additive()).max() < 1.5 / 255


def test_a_dimmed_or_hazy_visible_picture_is_what_training_sees(pairs):
    def first(**settings):
        sets = [Pairs(infrared=pairs / "ir", visible=pairs / "vi", **settings)]
        return read_patches(sets, Patches(size=32, stride=32), with_teachers=False).stacks[0]

    plain, other = first(), first(visible_gain=0.5, visible_offset=0.25)
    assert torch.equal(plain[:, 0], other[:, 0])
    expected = plain[:, 1].float() * 0.5 + 0.25 * 255
    assert (other[:, 1] - expected).abs().max() <= 1


def test_pairs_are_held_out_by_name(pairs):
    def read(**settings):
        sets = [Pairs(infrared=pairs / "ir", visible=pairs / "vi", **settings)]
        return read_patches(sets, Patches(size=32, stride=32), with_teachers=False)

    result = read(held_out=["[ad]"], validation=1)
    assert [stem for stem, *_ in result.validation] == ["a", "c", "d"]
    assert result.counts == [2]


def test_a_stage_draws_only_from_its_pairs(pairs):
    folders = {"infrared": pairs / "ir", "visible": pairs / "vi"}
    sets = [Pairs(**folders), Pairs(**folders, visible_gain=0.1, stages=["start"])]
    patches = read_patches(sets, Patches(size=32, stride=32, min_contrast=0), with_teachers=False)
    generator = torch.Generator().manual_seed(0)
    _, visible = patches.of("sensing").draw(64, generator, "none")
    assert (visible.amax((1, 2, 3)) > 0.1).all()
    _, visible = patches.of("start").draw(64, generator, "none")
    dark = (visible.amax((1, 2, 3)) <= 0.11).float().mean().item()
    assert 0.2 < dark < 0.8
    assert len(patches) == len(patches.of("start")) == 2 * len(patches.of("fusion"))
    only_start = read_patches(sets[1:], Patches(size=32, min_contrast=0), with_teachers=False)
    with pytest.raises(UserError, match="stages"):
        only_start.of("fusion").draw(1, generator, "none")


def test_blackened_patches_are_black_in_all_planes_around_an_ellipse():
    generator = torch.Generator().manual_seed(0)
    planes = (torch.ones(64, 1, 32, 32), torch.full((64, 1, 32, 32), 0.5))
    infrared, visible = blacken(planes, 0.5, generator)
    assert torch.equal(infrared, 2 * visible)
    kept = infrared.mean((1, 2, 3))
    assert 0.3 < (kept < 1).float().mean() < 0.7
    assert 0.02 < kept[kept < 1].mean() < 0.9
    state = generator.get_state()
    assert blacken(planes, 0, generator) is planes
    assert torch.equal(state, generator.get_state())


@pytest.mark.parametrize("period", [2, 3, 4])
def test_texture_guard_sees_hidden_patterns(period):
    rng = np.random.default_rng(3)
    i, v = (
        torch.from_numpy(smooth_picture(rng).astype(np.float32) / 255)[None, None] for _ in "iv"
    )
    fused = (i + v) / 2
    assert texture_excess(fused, i, v).item() == 0
    columns = torch.cos(2 * torch.pi * torch.arange(64) / period)
    assert texture_excess(fused + 0.05 * columns, i, v).item() > 1e-3
    if period == 2:
        pattern = (fused + 0.05 * columns)[0, 0].numpy()
        assert hidden_pattern_ratio(pattern, i[0, 0].numpy(), v[0, 0].numpy()) > 3


def test_pattern_guard_is_the_hidden_pattern_ratio_above_what_is_allowed():
    rng = np.random.default_rng(0)
    infrared, visible = (smooth_picture(rng) / 255 for _ in range(2))
    y, x = np.mgrid[:64, :64]
    grid = 0.02 * (-1.0) ** (x + y)
    fused = np.clip((infrared + visible) / 2, 0.02, 0.98) + grid
    sources = [plane + 0.01 * grid / 0.02 for plane in (infrared, visible)]
    sources = [np.clip(plane, 0, 1) for plane in sources]
    planes = [torch.from_numpy(p)[None, None] for p in (fused, *sources)]
    # The columns and rows respond alike weakly in all three; the checkerboard is twice as strong.
    expected = hidden_pattern_ratio(*(p[0, 0].numpy() for p in planes)) - 1.3
    assert float(pattern_excess(*planes)) == pytest.approx(expected / 3, rel=0.05)
    assert pattern_excess(planes[1], *planes[1:]) == 0


def test_texture_guard_allows_contrast():
    generator = torch.Generator().manual_seed(4)
    v = torch.rand(1, 1, 64, 64, generator=generator)
    dark = torch.zeros_like(v)
    assert texture_excess(0.5 + 1.15 * (v - 0.5), dark, v).item() == 0
    assert texture_excess(0.5 + 1.4 * (v - 0.5), dark, v).item() > 0.01


def test_shared_batch_norm_is_batch_norm_in_one_process():
    plain = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    shared = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    share_statistics(shared)
    assert isinstance(shared[0], SharedBatchNorm2d)
    x = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(plain(x), shared(x))
    assert torch.equal(plain[0].running_var, shared[0].running_var)


def test_journal_forgets_rows_that_are_done_again(tmp_path):
    with Journal(tmp_path, True) as journal:
        journal.begin("fusion", 10)
        for step in (2, 4, 6):
            journal.write("fusion", step, {"loss": 1 / step})
    with Journal(tmp_path, True) as journal:
        journal.begin("fusion", 10, done=4)
        journal.write("fusion", 6, {"loss": 9.0})
    with (tmp_path / "fusion.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], float(row["loss"])) for row in rows] == [
        ("2", 0.5),
        ("4", 0.25),
        ("6", 9.0),
    ]
