"""A watch on patterns hidden at the finest scale."""

import torch
from torch import Tensor

from emma_fusion.metrics.filters import correlate, ratio
from emma_fusion.metrics.levels import of_three_images

MEAN = (0.25, 0.25, 0.25, 0.25)
ALTERNATING = (0.25, -0.25, 0.25, -0.25)


@of_three_images(smallest=4)
def hidden_pattern_ratio(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    """Pattern, how much stronger a period-2 pattern is in the fused image than in its sources.

    A network that is trained through frozen sensing networks can hide one source in the other as
    a fine grid that they can read; SF and AG rise by it. Each image is filtered with three 4x4
    kernels, columns (-1)^x / 16, rows (-1)^y / 16 and checkerboard (-1)^(x+y) / 16; the RMS
    response in the fused image is divided by the larger one of the sources.

    Args:
        fused: (..., H, W), four pixels a side or more.
        infrared: As `fused`.
        visible: As `fused`.

    Returns:
        The largest of the three ratios, 0 and more; around 1 for fusion methods without such a
        pattern. 1 where neither the fused image nor a source responds; infinite
        where only the fused one does.
    """
    ratios = []
    for rows, columns in ((MEAN, ALTERNATING), (ALTERNATING, MEAN), (ALTERNATING, ALTERNATING)):
        response, *sources = (
            correlate(x, rows, columns).square().mean().sqrt() for x in (fused, infrared, visible)
        )
        ratios.append(ratio(response, torch.maximum(*sources), 1.0))
    return torch.stack(ratios).max()
