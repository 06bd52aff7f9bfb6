"""Pairs and their teachers, cut into patches that a training step can draw from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from emma_fusion.errors import UserError
from emma_fusion.images.raster import read_pair
from emma_fusion.training.bad_pairs import BadPairs
from emma_fusion.training.config import Folders, Pairs, Patches
from emma_fusion.training.teachers import Teachers, levelled
from emma_fusion.values.arrays import FloatArray

Place = tuple[Tensor, int]
"""A stack of patches and an index in it."""


@dataclass
class PatchSet:
    """The training patches of all sets of pairs, and whole pairs kept for validation.

    Attributes:
        stacks: One uint8 tensor ``(N, 2 + teachers, S, S)`` a set of pairs: infrared, visible,
            then its teachers.
        stages: For each stack, the stages that learn from it.
        validation: Whole pairs ``(stem, infrared, visible)``, float32 in [0, 1].
        unmatched: Files without a partner or a teacher.
        useless: Stems of pairs that gave no patch: too small, or without contrast.
        bad: Pairs that were left out because they cannot be used, and why.
        fingerprint: Of all planes read, so that a result can say what it was trained on.
        counts: Pairs read, a set each.
        turned: Whether drawn patches are turned and mirrored.
    """

    stacks: list[Tensor] = field(default_factory=list)
    stages: list[Sequence[str]] = field(default_factory=list)
    validation: list[tuple[str, FloatArray, FloatArray]] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    useless: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    fingerprint: str = ""
    counts: list[int] = field(default_factory=list)
    turned: bool = True
    shares: list[float | None] = field(default_factory=list)
    """How often each stack is drawn from; see `emma_fusion.training.config.Pairs`."""

    def __len__(self) -> int:
        return sum(len(stack) for stack in self.stacks)

    def of(self, stage: str) -> PatchSet:
        """The patches that one stage learns from; of the rest of this object, nothing."""
        kept = [index for index, to in enumerate(self.stages) if stage in to]
        return PatchSet(
            [self.stacks[index] for index in kept],
            [[stage]] * len(kept),
            turned=self.turned,
            shares=[self.shares[index] for index in kept],
        )

    def draw(
        self,
        places: list[Place],
        generator: torch.Generator,
        teacher: Literal["any", "last", "none"],
        last: float = 0.0,
    ) -> tuple[Tensor, ...]:
        """Takes patches, each turned and mirrored at random if they are to be.

        Args:
            places: Which: of `at_random` or `of_epochs`, B of them.
            generator: On the CPU.
            teacher: Which of a patch's teachers comes with it: "last" the last one, which is
                the additive one where there is one; "any" the last one as often as ``last``
                says, else any; "none" none.
            last: A share, for "any".

        Returns:
            Infrared, visible and, unless there is none, the teacher's fused patches, each
            ``(B, 1, S, S)`` float32 in [0, 1].
        """
        batch = len(places)
        choices = torch.rand(batch, 2, generator=generator).tolist()
        turns = (torch.randint(8, (batch,), generator=generator) * self.turned).tolist()
        patches = []
        for (stack, index), (first, share), turn in zip(places, choices, turns, strict=True):
            teachers = stack.shape[1] - 2
            keep_last = teacher == "last" or first < last
            chosen = teachers - 1 if keep_last else int(share * teachers)
            wanted = [0, 1] if teacher == "none" else [0, 1, 2 + chosen]
            planes = stack[index, wanted].rot90(turn % 4, (-2, -1))
            patches.append(planes.flip(-1) if turn >= 4 else planes)
        drawn = torch.stack(patches).float() / 255
        return tuple(plane.unsqueeze(1) for plane in drawn.unbind(1))

    def at_random(self, batch: int, generator: torch.Generator) -> list[Place]:
        """Places of patches, each set drawn from as often as its share says.

        Raises:
            UserError: There are no patches.
        """
        self._check()
        shares = torch.tensor([share or 0.0 for share in self.shares])
        if not shares.any():
            shares = torch.tensor([float(len(stack)) for stack in self.stacks])
        stacks = torch.multinomial(shares, batch, replacement=True, generator=generator).tolist()
        within = torch.rand(batch, generator=generator).tolist()
        return [
            (self.stacks[chosen], int(place * len(self.stacks[chosen])))
            for chosen, place in zip(stacks, within, strict=True)
        ]

    def of_epochs(self, batch: int, step: int, seed: int) -> list[Place]:
        """Places of the patches of one step, where every epoch takes each patch once.

        A batch goes over from one epoch into the next where they do not end together.

        Raises:
            UserError: There are no patches.
        """
        self._check()
        total = len(self)
        places = []
        for number in range(step * batch, (step + 1) * batch):
            epoch, within = divmod(number, total)
            place = int(_order(total, epoch, seed)[within])
            for stack in self.stacks:
                if place < len(stack):
                    places.append((stack, place))
                    break
                place -= len(stack)
        return places

    def _check(self) -> None:
        if not len(self):
            raise UserError(
                "A stage has no pairs to learn from: name the stage in the `stages` of some pairs."
            )


@lru_cache(maxsize=2)
def _order(total: int, epoch: int, seed: int) -> Tensor:
    """The order of the patches in an epoch."""
    words = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
    return torch.randperm(total, generator=torch.Generator().manual_seed(int(words[0] >> 1)))


def blacken(
    planes: tuple[Tensor, ...], share: float, generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Makes some samples black outside a random ellipse, in all planes alike.

    Scans lie in black, and patches without contrast are not trained on: without this a network
    does not learn that black stays black.

    Args:
        planes: ``(B, 1, S, S)`` each.
        share: Of the samples, about.
        generator: On the CPU; not drawn from where ``share`` is 0.

    Returns:
        The planes, the same shapes.
    """
    if share == 0:
        return planes
    batch, size = len(planes[0]), planes[0].shape[-1]
    whole = torch.rand(batch, generator=generator) >= share
    centre = 0.2 + 0.6 * torch.rand(batch, 2, 1, generator=generator)
    radius = 0.25 + 0.4 * torch.rand(batch, 2, 1, generator=generator)
    rows, columns = ((torch.linspace(0, 1, size) - centre) / radius).square().unbind(1)
    inside = (rows[:, :, None] + columns[:, None, :] <= 1) | whole[:, None, None]
    return tuple(plane * inside[:, None] for plane in planes)


def has_contrast(patch: npt.NDArray[np.uint8], least: float) -> bool:
    """Whether (p90 - p10) / p90 of a patch reaches ``least``; a black patch has none.

    >>> has_contrast(np.zeros((8, 8), np.uint8), 0.1)
    False
    """
    p10, p90 = np.percentile(patch, (10, 90))
    return bool(p90 > 0 and (p90 - p10) >= least * p90)


def read_patches(
    sets: list[Pairs],
    patches: Patches,
    with_teachers: bool = True,
    progress: Callable[[int, int], None] | None = None,
    skip_bad: bool = False,
    fuse: Callable[[FloatArray, FloatArray], FloatArray] | None = None,
) -> PatchSet:
    """Reads every pair, asks its teachers, and cuts what has contrast.

    Args:
        sets: Folders of pairs.
        patches: How to cut.
        with_teachers: Whether the teachers are asked; a fine-tuning needs none.
        progress: Called with the pairs done and in all.
        skip_bad: Whether pairs that cannot be used are left out.
        fuse: Given a pair, an image whose mean and spread its teachers' images are brought to;
            without it they stay as they are.

    Raises:
        UserError: A folder or pair cannot be used, of pairs all that cannot, or nothing remains
            to train on.
    """
    result = PatchSet(turned=patches.turned)
    bad = BadPairs(skip_bad)
    digest = hashlib.sha256()
    listed = []
    for pairs in sets:
        teachers = Teachers(pairs)
        matched, unmatched = pairs.matched()
        result.unmatched += [str(path) for path in unmatched]
        usable = []
        for found in matched:
            missing = teachers.missing(found[0]) if with_teachers else []
            result.unmatched += [f"{folder}: no image of {found[0]}" for folder in missing]
            if not missing:
                usable.append(found)
        listed.append((pairs, teachers, usable))
    total, done = sum(len(usable) for *_, usable in listed), 0
    for pairs, teachers, usable in listed:
        kept_out = held_out(pairs, [stem for stem, *_ in usable])
        cut: list[npt.NDArray[np.uint8]] = []
        learnt = 0
        for index, (stem, infrared_path, visible_path) in enumerate(usable):
            with bad.noting(stem):
                planes = read_planes(pairs, infrared_path, visible_path)
                if index in kept_out:
                    result.validation.append((stem, planes[0], planes[1]))
                else:
                    if with_teachers:
                        shown = teachers.fuse(stem, *planes)
                        if fuse and pairs.level:
                            like = fuse(*planes)
                            shown = [levelled(image, like) for image in shown]
                        planes += shown
                    stack = np.stack(planes)
                    digest.update(stem.encode() + stack.tobytes())
                    of_pair = [p for s in pairs.scales for p in _cut(resized(stack, s), patches)]
                    if not of_pair:
                        result.useless.append(stem)
                    cut += of_pair
                    learnt += 1
            done += 1
            if progress:
                progress(done, total)
        if pairs.most is not None:
            cut = [cut[index] for index in evenly_spaced(len(cut), pairs.most)]
        if cut:
            result.stacks.append(torch.from_numpy(np.stack(cut)))
            result.stages.append(pairs.stages)
            result.shares.append(pairs.share)
        result.counts.append(learnt)
    bad.settle(total)
    result.bad = bad.found
    if not len(result):
        raise UserError(
            f"No patch of {patches.size}×{patches.size} pixels with enough contrast was found in "
            f"{total} pairs: give larger images, or lower patches.size or patches.min_contrast."
        )
    result.fingerprint = digest.hexdigest()[:16]
    return result


def held_out(pairs: Folders, stems: list[str]) -> set[int]:
    """The indices of the pairs that are kept out of training.

    Whole scenes are kept out, chosen by a hash of their names: two sets that show the same scenes,
    one of them dimmed, keep out the same ones, and a training image has no twin in validation.
    """
    named = {
        index
        for index, stem in enumerate(stems)
        if any(fnmatchcase(stem, pattern) for pattern in pairs.held_out)
    }
    scenes = [scene_of(pairs, stem) for stem in stems]
    ranked = sorted(set(scenes), key=lambda scene: hashlib.sha256(scene.encode()).digest())
    wanted = round(pairs.validation * len(ranked))
    if pairs.validation:
        wanted = min(max(wanted, 1), len(ranked) - 1)
    chosen = set(ranked[:wanted])
    return named | {index for index, scene in enumerate(scenes) if scene in chosen}


def scene_of(pairs: Folders, stem: str) -> str:
    """The scene that a pair shows, by its name."""
    found = re.search(pairs.scene, stem) if pairs.scene else None
    return found[0] if found else stem


def read_planes(pairs: Folders, infrared: Path, visible: Path) -> list[FloatArray]:
    """A pair's planes at the size and with the dimming or haze that the settings ask for."""
    pair = read_pair(infrared, visible, colour="none")
    changed = pairs.visible_gain * pair.visible + pairs.visible_offset
    planes = [pair.infrared, np.minimum(changed, 1).astype(np.float32)]
    return list(resized(np.stack(planes), pairs.shrink))


def evenly_spaced(count: int, chosen: int) -> list[int]:
    """``chosen`` indices, evenly spaced over ``count``; all of them where there are no more."""
    chosen = min(chosen, count)
    return [(2 * k + 1) * count // (2 * chosen) for k in range(chosen)]


def resized(planes: FloatArray, scale: float) -> FloatArray:
    """Planes ``(N, H, W)`` at another size."""
    if scale == 1:
        return planes
    mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.stack([cv2.resize(p, None, fx=scale, fy=scale, interpolation=mode) for p in planes])


def _cut(planes: FloatArray, patches: Patches) -> list[npt.NDArray[np.uint8]]:
    stack = np.rint(planes * 255).clip(0, 255).astype(np.uint8)
    size, stride = patches.size, patches.stride
    cut = []
    for top in range(0, stack.shape[1] - size + 1, stride):
        for left in range(0, stack.shape[2] - size + 1, stride):
            patch = stack[:, top : top + size, left : left + size]
            if all(has_contrast(plane, patches.min_contrast) for plane in patch[:2]):
                cut.append(patch)
    return cut
