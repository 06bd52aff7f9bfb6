"""Whole pairs with the image that a model fuses of them, for another model to learn from.

Patches would not do: how bright a fused image is depends on the whole pair, and a network that
sees statistics of the whole at work is to see them in training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from emma_fusion.errors import UserError
from emma_fusion.training.bad_pairs import BadPairs
from emma_fusion.training.config import Folders
from emma_fusion.training.patches import evenly_spaced, held_out, read_planes, resized
from emma_fusion.values.arrays import FloatArray

Fuse = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass
class ImageSet:
    """The images to learn from, and those to look at.

    Attributes:
        images: ``(3, H, W)`` float16 in [0, 1] each, of any sizes: infrared, visible, fused.
            Half precision is finer than 8 bits everywhere.
        validation: Whole pairs ``(stem, infrared, visible, fused)``, float32 in [0, 1].
        unmatched: Files without a partner.
        bad: Pairs that were left out because they cannot be used, and why.
        fingerprint: Of all planes read, so that a result can say what it was trained on.
        counts: Pairs to learn from, a set each.
    """

    images: list[Tensor] = field(default_factory=list)
    validation: list[tuple[str, FloatArray, FloatArray, FloatArray]] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    fingerprint: str = ""
    counts: list[int] = field(default_factory=list)

    def draw(
        self, batch: int, largest: int, multiple_of: int, generator: torch.Generator
    ) -> list[Tensor]:
        """Draws images at random, each turned and mirrored at random.

        Args:
            batch: How many.
            largest: Height and width at most; of a larger image a piece is taken at random.
            multiple_of: What height and width are to be multiples of; the rest is left off.
            generator: On the CPU.

        Returns:
            ``(3, 1, 1, H, W)`` float32 in [0, 1] each: infrared, visible, fused.
        """
        drawn = []
        places = torch.randint(len(self.images), (batch,), generator=generator).tolist()
        turns = torch.randint(8, (batch,), generator=generator).tolist()
        corners = torch.rand(batch, 2, generator=generator).tolist()
        for place, turn, corner in zip(places, turns, corners, strict=True):
            planes = self.images[place]
            for axis, where in zip((1, 2), corner, strict=True):
                size = planes.shape[axis]
                kept = min(size, largest) // multiple_of * multiple_of
                planes = planes.narrow(axis, int(where * (size - kept + 1)), kept)
            planes = planes.rot90(turn % 4, (1, 2))
            planes = planes.flip(2) if turn >= 4 else planes
            drawn.append(planes[:, None, None].float())
        return drawn


def read_images(
    sets: Sequence[Folders],
    fuse: Fuse,
    smallest: int,
    progress: Callable[[int, int], None] | None = None,
    skip_bad: bool = False,
) -> ImageSet:
    """Reads every pair and has it fused.

    Args:
        sets: Folders of pairs.
        fuse: The model to learn from: infrared and visible plane, ``(H, W)`` float32 in [0, 1]
            each, to the fused one.
        smallest: Images with a smaller side are left out.
        progress: Called with the pairs done and in all.
        skip_bad: Whether pairs that cannot be used are left out.

    Raises:
        UserError: A folder or pair cannot be used, of pairs all that cannot, or nothing remains
            to learn from.
    """
    result = ImageSet()
    bad = BadPairs(skip_bad)
    digest = hashlib.sha256()
    listed = []
    for pairs in sets:
        matched, unmatched = pairs.matched()
        result.unmatched += [str(path) for path in unmatched]
        out = held_out(pairs, [stem for stem, *_ in matched])
        left = [index for index in range(len(matched)) if index not in out]
        if pairs.most is not None:
            left = [left[index] for index in evenly_spaced(len(left), pairs.most)]
        listed.append((pairs, [(matched[index], index in out) for index in sorted({*out, *left})]))
    total, done = sum(len(chosen) for _, chosen in listed), 0
    for pairs, chosen in listed:
        learnt = 0
        for (stem, infrared_path, visible_path), is_held_out in chosen:
            with bad.noting(stem):
                planes = np.stack(read_planes(pairs, infrared_path, visible_path))
                learnt += not is_held_out
                digest.update(stem.encode() + planes.tobytes())
                if bad.found and not skip_bad:
                    continue  # nothing will come of it: only what else is bad is to be found
                for scale in pairs.scales:
                    infrared, visible = resized(planes, scale)
                    if min(infrared.shape) < smallest:
                        continue
                    fused = fuse(infrared, visible)
                    if is_held_out:
                        result.validation.append((stem, infrared, visible, fused))
                    else:
                        stack = np.stack((infrared, visible, fused)).astype(np.float16)
                        result.images.append(torch.from_numpy(stack))
            done += 1
            if progress:
                progress(done, total)
        result.counts.append(learnt)
    bad.settle(total)
    result.bad = bad.found
    if not result.images:
        raise UserError(
            f"No image of at least {smallest}×{smallest} pixels was found in {total} pairs: give "
            "larger ones, or keep fewer out for validation."
        )
    result.fingerprint = digest.hexdigest()[:16]
    return result
