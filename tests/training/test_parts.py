import csv
import warnings

import cv2
import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from emma_fusion.equivariance import fidelity
from emma_fusion.errors import UserError
from emma_fusion.metrics.hidden_pattern import hidden_pattern_ratio
from emma_fusion.training import processes
from emma_fusion.training.config import (
    Guard,
    Pairs,
    Patches,
    Schedule,
    TrainingConfig,
    load_config,
    presets,
)
from emma_fusion.training.darkness import darkness_excess
from emma_fusion.training.journal import Journal
from emma_fusion.training.patches import blacken, has_contrast, held_out, read_patches
from emma_fusion.training.processes import SharedBatchNorm2d, share_statistics
from emma_fusion.training.robust import perturb
from emma_fusion.training.stages import Draw, fusion_stage, group, noisy, start_stage, stop_where
from emma_fusion.training.teachers import Teachers, levelled
from emma_fusion.training.texture import pattern_excess, texture_excess
from emma_fusion.training.validation import darkening, validation_row

from .conftest import smooth_image


def take(patches, batch, generator, teacher):
    return patches.draw(patches.at_random(batch, generator), generator, teacher)


def test_an_epoch_takes_every_patch_once(pairs):
    folders = {"infrared": pairs / "ir", "visible": pairs / "vi"}
    cut = Patches(size=32, stride=16, min_contrast=0)
    patches = read_patches([Pairs(**folders), Pairs(**folders)], cut, with_teachers=False)
    total, batch = len(patches), 8
    places = [
        place
        for step in range(2 * total // batch)
        for place in patches.of_epochs(batch, step, seed=3)
    ]
    numbered = [(id(stack), index) for stack, index in places]
    assert len(set(numbered[:total])) == total
    assert len(set(numbered[total : 2 * total])) >= total - batch
    assert numbered[: total // 2] != numbered[total : total + total // 2]
    assert [i for _, i in patches.of_epochs(batch, 1, 3)] == [
        i for _, i in places[batch : 2 * batch]
    ]


def test_the_papers_copies_are_fixed():
    group_of_nine = group(load_config("paper").fusion, 128)
    params = group_of_nine.draw(4, 128, 128, torch.Generator().manual_seed(0))
    x = torch.rand(4, 1, 128, 128, generator=torch.Generator().manual_seed(1))
    copies, mask = group_of_nine.apply(x, params)
    assert copies.shape[0] == 36
    assert torch.equal(copies[24:28], x.flip(-1))
    assert torch.equal(copies[28:32], x.flip(-2))
    assert torch.equal(copies[32:36], x.flip(-1, -2))
    assert mask[:12].all()
    assert not mask[12:24, ..., 0, 0].any()
    for shifted in copies[:12].split(4):
        assert not torch.equal(shifted, x)


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
    assert (f.itself, f.gradient, s.robust.radius, f.fixed) == (True, 1, 0, True)
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
    sets = [Pairs(infrared=pairs / "ir", visible=pairs / "vi", methods=["average"], validation=0.2)]
    patches = read_patches(sets, Patches(size=32, stride=16, min_contrast=0))
    assert len(patches) == 4 * 9
    assert [stem for stem, *_ in patches.validation] == ["d"]
    infrared, visible, fused = take(patches, 8, torch.Generator().manual_seed(0), "last")
    assert infrared.shape == visible.shape == fused.shape == (8, 1, 32, 32)
    # The same place, turned the same way: the average teacher is the average of the two.
    assert ((infrared + visible) / 2 - fused).abs().max() <= 1 / 255
    again = take(patches, 8, torch.Generator().manual_seed(0), "last")
    assert torch.equal(again[0], infrared)
    assert len(take(patches, 2, torch.Generator(), "none")) == 2


@pytest.mark.parametrize("turned", [True, False])
def test_patches_are_turned_only_if_they_are_to_be(pairs, turned):
    sets = [Pairs(infrared=pairs / "ir", visible=pairs / "vi", methods=["average"])]
    cut = Patches(size=32, stride=16, min_contrast=0, turned=turned)
    patches = read_patches(sets, cut).of("fusion")
    known = {bytes(patch[0].numpy()) for patch in patches.stacks[0]}
    drawn = (take(patches, 16, torch.Generator().manual_seed(0), "none")[0] * 255).round().byte()
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
            image = cv2.imread(str(pairs / kind / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
            image = image[:size] if name == "a" else image
            cv2.imwrite(str(tmp_path / kind / f"{name}.png"), image)
    sets = [Pairs(infrared=tmp_path / "ir", visible=tmp_path / "vi")]
    patches = read_patches(sets, Patches(size=48, stride=16, min_contrast=0), with_teachers=False)
    assert patches.useless == ["a"]
    assert len(patches) == 4


def test_unmatched_images_are_listed(pairs, tmp_path):
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
    infrared, visible = (smooth_image(rng).astype(np.float32) / 255 for _ in range(2))
    fused = teachers.fuse("a", infrared, visible)
    assert len(fused) >= 3
    for one in fused:
        assert one.shape == infrared.shape
        assert np.corrcoef(one.ravel(), (infrared + visible).ravel())[0, 1] > 0.5
    assert len({one.tobytes() for one in fused}) == len(fused)


def test_a_dimmed_or_hazy_visible_image_is_what_training_sees(pairs):
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

    result = read(held_out=["[ac]"], validation=0.2)
    assert [stem for stem, *_ in result.validation] == ["a", "c", "d"]
    assert result.counts == [2]


def test_whole_scenes_are_held_out_and_the_same_in_every_set(pairs):
    folders = {"infrared": pairs / "ir", "visible": pairs / "vi"}
    stems = [f"{scene}_{frame}" for scene in ("lake", "road", "gate", "yard") for frame in range(3)]
    by_scene = Pairs(**folders, scene="^[a-z]+", validation=0.25)
    kept_out = {stems[index] for index in held_out(by_scene, stems)}
    assert len(kept_out) == 3
    assert len({stem[:4] for stem in kept_out}) == 1
    # Another order, and a set that dims the same images: the same scene.
    dimmed = Pairs(**folders, scene="^[a-z]+", validation=0.25, visible_gain=0.3)
    assert {stems[::-1][index] for index in held_out(dimmed, stems[::-1])} == kept_out
    assert not held_out(Pairs(**folders), stems)


def test_shares_say_how_often_a_set_is_drawn(pairs):
    folders = {"infrared": pairs / "ir", "visible": pairs / "vi"}
    sets = [Pairs(**folders, share=3), Pairs(**folders, visible_gain=0.1, share=1)]
    cut = Patches(size=32, stride=8, min_contrast=0)
    patches = read_patches(sets, cut, with_teachers=False)
    _, visible = take(patches, 400, torch.Generator().manual_seed(0), "none")
    dark = (visible.amax((1, 2, 3)) <= 0.11).float().mean().item()
    assert 0.19 < dark < 0.31


def test_pairs_are_shrunk_before_their_teachers_are_asked(pairs, tmp_path):
    for name in "abcde":
        half = cv2.imread(str(pairs / "fused" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)[::2, ::2]
        cv2.imwrite(str(tmp_path / f"{name}.png"), half)
    folders = {"infrared": pairs / "ir", "visible": pairs / "vi", "teachers": [tmp_path]}
    cut = Patches(size=32, stride=32, min_contrast=0)
    patches = read_patches([Pairs(**folders, shrink=0.5)], cut)
    assert patches.stacks[0].shape == (5, 3, 32, 32)
    with pytest.raises(UserError, match="must be equal"):
        read_patches([Pairs(**folders)], cut)


def test_a_levelled_teacher_is_free_of_its_own_stretch(pairs):
    """Whatever gain and offset a method gave its image, the same one is learned from."""
    raw = np.float32([[0.2, 0.3], [0.5, 0.4]])
    like = np.float32([[0.3, 0.5], [0.9, 0.7]])
    stretched = (raw - 0.2) / 0.3
    np.testing.assert_allclose(levelled(stretched, raw), raw, atol=1e-6)
    np.testing.assert_allclose(levelled(stretched, like), levelled(raw, like), atol=1e-6)
    assert levelled(raw, like).mean() == pytest.approx(0.6, abs=1e-6)
    assert levelled(raw, like).std() == pytest.approx(like.std(), abs=1e-6)
    np.testing.assert_array_equal(levelled(np.float32([[0.1, 0.1]]), raw[:1]), [[0.25, 0.25]])

    def halved(infrared, visible):
        return infrared / 4 + visible / 4 + np.float32(0.3)

    folders = {"infrared": pairs / "ir", "visible": pairs / "vi", "teachers": [pairs / "fused"]}
    cut = Patches(size=64, stride=64, min_contrast=0)
    plain = read_patches([Pairs(**folders)], cut).stacks[0].float()
    level = read_patches([Pairs(**folders)], cut, fuse=halved).stacks[0].float()
    assert torch.equal(plain[:, :2], level[:, :2])
    # The teacher is the mean of both, so its image at half the contrast is what comes out.
    assert (level[:, 2] - (plain[:, 2] / 2 + 0.3 * 255)).abs().max() <= 1.5
    kept = read_patches([Pairs(**folders, level=False)], cut, fuse=halved).stacks[0].float()
    assert torch.equal(plain, kept)


def test_levelling_needs_weights_to_go_on_from():
    with pytest.raises(UserError, match="level needs init"):
        load_config("cpu", None, {"start.level": True})


def test_an_epoch_of_nothing_is_refused():
    with pytest.raises(UserError, match=r"sensing\.epochs"):
        load_config("paper", None, {"sensing.epochs": 0})
    with pytest.raises(UserError, match="random"):
        load_config("paper", None, {"sensing.steps": 0})


def test_the_worst_image_is_near_and_worse():
    """Of a linear sensor the worst image in the box is known: each pixel at its side."""
    generator = torch.Generator().manual_seed(0)
    fused, target = torch.rand(2, 8, 1, 16, 16, generator=generator)

    def error(image):
        return (image - target).square().mean()

    worst = perturb(fused, error, 8 / 255, 1, torch.Generator().manual_seed(1))
    change = worst - fused
    assert change.abs().max() <= 8 / 255 + 1e-6
    # Away from the target, but where a short box around a near target is crossed.
    away = (change.sign() == (fused - target).sign()).float().mean()
    assert away > 0.9
    assert error(worst) > error(fused)
    assert perturb(fused, error, 0.0, 1, generator) is fused


def test_noise_has_its_own_strength_on_each_image():
    images = torch.full((64, 1, 32, 32), 0.5)
    seen = noisy(images, 0.03, torch.Generator().manual_seed(0)) - images
    sigmas = seen.flatten(1).std(dim=1)
    assert sigmas.max() < 0.032
    assert sigmas.min() < 0.005
    assert sigmas.mean().item() == pytest.approx(0.015, rel=0.2)
    assert noisy(images, 0, torch.Generator()) is images


def test_the_guard_stops_a_run_whose_images_go_wrong():
    good = {"pattern": 1.0, "darkening": 1.0}
    stop_where(Guard(), 400, good)
    stop_where(Guard(), 100, good | {"darkening": 9.0})
    with pytest.raises(UserError, match="period-2 ratio"):
        stop_where(Guard(), 400, good | {"pattern": 1.5})
    with pytest.raises(UserError, match="darkening"):
        stop_where(Guard(), 400, good | {"darkening": 9.0})


def test_images_too_small_for_a_metric_are_scored_by_the_others():
    rng = np.random.default_rng(0)
    small = [tuple(rng.random((3, 24, 24), dtype=np.float32))]
    row = validation_row(small)
    assert "VIF" not in row
    assert {"EN", "SCD", "pattern", "darkening"} <= row.keys()
    large = [tuple(rng.random((3, 80, 80), dtype=np.float32))]
    assert {"VIF", "Qabf"} <= validation_row(large).keys()


def test_darkening_counts_what_is_below_both_sources():
    i, v = np.full((32, 32), 0.5, np.float32), np.full((32, 32), 0.75, np.float32)
    assert darkening(i, i, v) == 0
    assert darkening(np.full_like(i, 0.25), i, v) == pytest.approx(0.25 * 255)


def test_the_guard_against_darkness_counts_means_below_both_sources():
    infrared = torch.full((2, 1, 32, 32), 0.5)
    visible = torch.full_like(infrared, 0.75)
    fused = infrared.clone()
    assert darkness_excess(fused, infrared, visible) == 0
    fused[:, :, :, 0] = 0.3  # a line: its mean over 8 columns is 0.475
    assert darkness_excess(fused, infrared, visible).item() == pytest.approx(0.025 / 7, abs=1e-6)
    fused[0] = 0.25
    fused[1] = 0.6
    fused.requires_grad_()
    excess = darkness_excess(fused, infrared, visible)
    assert excess.item() == pytest.approx(0.25 / 2)
    excess.backward()
    assert (fused.grad[0] < 0).all()  # it wants that one brighter
    assert not fused.grad[1].any()


def test_the_guard_against_darkness_has_its_weight_in_the_loss(tiny):
    class Black(torch.nn.Module):
        def forward(self, *planes):
            return 0 * planes[-1]

    tiny["fusion"] |= {"anchor": 0, "tone": 0, "texture": 0, "noise": 0}
    totals = {}
    for weight in (0, 3):
        tiny["fusion"]["darkness"] = weight
        config = TrainingConfig.model_validate(tiny)
        patches = read_patches(config.pairs, config.patches)
        networks = Black(), Black(), Black()
        stage = fusion_stage(config, Fabric(accelerator="cpu", devices=1), patches, *networks)
        totals[weight], logged = stage.loss(Draw(torch.Generator().manual_seed(0), 0, 0))
    assert logged["darkness"] > 0.1
    assert (totals[3] - totals[0]).item() == pytest.approx(3 * logged["darkness"].item(), rel=1e-5)


def test_the_direct_term_is_flat_between_the_sources_and_has_its_weight(tiny):
    class Blend(torch.nn.Module):
        def __init__(self, share):
            super().__init__()
            self.share = share

        def forward(self, *planes):
            return torch.lerp(planes[0], planes[-1], self.share)

    tiny["fusion"] |= {"anchor": 0, "tone": 0, "texture": 0, "noise": 0, "gradient": 2}
    direct = {}
    for share in (0.0, 0.3, 1.0, 1.5):  # the last goes beyond the visible image
        totals, logged = {}, {}
        for weight in (0, 3):
            tiny["fusion"]["direct"] = weight
            config = TrainingConfig.model_validate(tiny)
            patches = read_patches(config.pairs, config.patches)
            networks = Blend(share), Blend(0), Blend(0)
            stage = fusion_stage(config, Fabric(accelerator="cpu", devices=1), patches, *networks)
            totals[weight], logged = stage.loss(Draw(torch.Generator().manual_seed(0), 0, 0))
        direct[share] = logged["direct"].item()
        assert (totals[3] - totals[0]).item() == pytest.approx(3 * direct[share], rel=1e-4)
    of_stage, generator = patches.of("fusion"), torch.Generator().manual_seed(0)
    infrared, visible = of_stage.draw(of_stage.at_random(2, generator), generator, "none")
    apart = fidelity(infrared, visible, gradient=2).item()
    assert [direct[share] for share in (0.0, 0.3, 1.0)] == pytest.approx([apart] * 3, rel=1e-5)
    assert direct[1.5] == pytest.approx(2 * apart, rel=1e-5)


def test_the_start_has_the_direct_term_beside_its_teacher(tiny):
    class Second(torch.nn.Module):
        def forward(self, infrared, visible):
            return 1.5 * visible - 0.5 * infrared

    totals = {}
    for weight in (0, 3):
        tiny["start"]["direct"] = weight
        config = TrainingConfig.model_validate(tiny)
        patches = read_patches(config.pairs, config.patches)
        stage = start_stage(config, Fabric(accelerator="cpu", devices=1), patches, Second())
        totals[weight], logged = stage.loss(Draw(torch.Generator().manual_seed(0), 0, 0))
    of_stage, generator = patches.of("start"), torch.Generator().manual_seed(0)
    infrared, visible, _ = of_stage.draw(of_stage.at_random(2, generator), generator, "last")
    apart = fidelity(infrared, visible, gradient=config.start.gradient).item()
    assert logged["direct"].item() == pytest.approx(2 * apart, rel=1e-4)
    assert (totals[3] - totals[0]).item() == pytest.approx(6 * apart, rel=1e-4)


def test_a_stage_draws_only_from_its_pairs(pairs):
    folders = {"infrared": pairs / "ir", "visible": pairs / "vi"}
    sets = [Pairs(**folders), Pairs(**folders, visible_gain=0.1, stages=["start"])]
    patches = read_patches(sets, Patches(size=32, stride=32, min_contrast=0), with_teachers=False)
    generator = torch.Generator().manual_seed(0)
    _, visible = take(patches.of("sensing"), 64, generator, "none")
    assert (visible.amax((1, 2, 3)) > 0.1).all()
    _, visible = take(patches.of("start"), 64, generator, "none")
    dark = (visible.amax((1, 2, 3)) <= 0.11).float().mean().item()
    assert 0.2 < dark < 0.8
    assert len(patches) == len(patches.of("start")) == 2 * len(patches.of("fusion"))
    only_start = read_patches(sets[1:], Patches(size=32, min_contrast=0), with_teachers=False)
    with pytest.raises(UserError, match="stages"):
        take(only_start.of("fusion"), 1, generator, "none")


@pytest.mark.parametrize(
    ("term", "counted"), [("tone", torch.Tensor.abs), ("brightness", torch.Tensor.relu)]
)
def test_the_tone_counts_means_that_differ_from_the_teachers(tiny, term, counted):
    """A network that gives the visible image back, in stripes, beside a teacher that averages."""
    tilt = torch.tensor([1.0, -0.2, 0.2, -1.0]).repeat_interleave(8)  # means of 16: 0.4 and -0.4

    class Tilted(torch.nn.Module):
        def forward(self, *planes):
            return planes[-1] + tilt

    tiny["pairs"][0] |= {"methods": ["average"], "additive": None}
    tiny["fusion"] |= {"anchor": 0, "texture": 0, "noise": 0, "tone": 0}
    totals, logged = {}, {}
    for weight in (0, 3):
        tiny["fusion"][term] = weight
        config = TrainingConfig.model_validate(tiny)
        patches = read_patches(config.pairs, config.patches)
        networks = Tilted(), Tilted(), Tilted()
        stage = fusion_stage(config, Fabric(accelerator="cpu", devices=1), patches, *networks)
        step = Draw(torch.Generator().manual_seed(0), 0, 0)
        totals[weight], logged = stage.loss(step)
    of_stage, generator = patches.of("fusion"), torch.Generator().manual_seed(0)
    infrared, visible = of_stage.draw(of_stage.at_random(2, generator), generator, "none")
    differences = (visible - infrared) / 2 + tilt
    means = differences.unflatten(2, (2, 16)).unflatten(4, (2, 16)).mean((3, 5))
    assert means.max() > 0.1
    assert means.min() < -0.1
    expected = counted(means).mean().item()
    assert logged[term].item() == pytest.approx(expected, abs=0.002)  # teachers are of 8 bits
    assert (totals[3] - totals[0]).item() == pytest.approx(3 * logged[term].item(), rel=1e-4)


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
    i, v = (torch.from_numpy(smooth_image(rng).astype(np.float32) / 255)[None, None] for _ in "iv")
    fused = (i + v) / 2
    assert texture_excess(fused, i, v).item() == 0
    columns = torch.cos(2 * torch.pi * torch.arange(64) / period)
    assert texture_excess(fused + 0.05 * columns, i, v).item() > 1e-3
    if period == 2:
        pattern = (fused + 0.05 * columns)[0, 0].numpy()
        assert hidden_pattern_ratio(pattern, i[0, 0].numpy(), v[0, 0].numpy()) > 3


def test_pattern_guard_is_the_hidden_pattern_ratio_above_what_is_allowed():
    rng = np.random.default_rng(0)
    infrared, visible = (smooth_image(rng) / 255 for _ in range(2))
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


@pytest.mark.parametrize("momentum", [0.1, 0.0])
def test_shared_batch_norm_among_processes_follows_statistics_as_far_as_it_is_to(
    momentum, monkeypatch
):
    plain = torch.nn.Sequential(torch.nn.BatchNorm2d(3, momentum=momentum))
    shared = torch.nn.Sequential(torch.nn.BatchNorm2d(3, momentum=momentum))
    share_statistics(shared)
    monkeypatch.setattr(processes.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(processes.distributed, "get_world_size", lambda: 1)
    monkeypatch.setattr(processes, "_sum", lambda x: x)
    x = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain(x), shared(x))
    torch.testing.assert_close(plain.state_dict(), shared.state_dict())
    assert shared[0].running_mean.any() == (momentum > 0)


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
