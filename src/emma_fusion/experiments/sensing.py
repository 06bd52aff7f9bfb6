"""How near what is sensed in a fused image comes to the images that were fused."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from numpy.typing import NDArray

from emma_fusion.metrics import peak_signal_to_noise, structural_similarity

Scores = dict[str, dict[str, dict[str, float]]]

#: What is compared: the names in JSON and how a table writes them.
SENSED = {"sensed_infrared": "A_i(f)", "sensed_visible": "A_v(f)", "fused": "f"}
SOURCES = {"infrared": "i", "visible": "v"}
METRICS = ("PSNR", "SSIM")


def score_sensing(
    sensed: tuple[NDArray[Any], NDArray[Any]],
    fused: NDArray[Any],
    sources: tuple[NDArray[Any], NDArray[Any]],
) -> Scores:
    """Compare A_i(f), A_v(f) and f itself with both sources.

    A sensing network that works comes nearer to its own source than f does, and nearer to it than
    to the other source.

    Args:
        sensed: A_i(f) and A_v(f), (H, W), uint8, uint16 or floats in [0, 1].
        fused: f, likewise.
        sources: i and v, likewise.

    Returns:
        "sensed_infrared", "sensed_visible" or "fused" -> "infrared" or "visible" -> "PSNR" (dB,
        higher is better, infinite where equal) and "SSIM" (-1 to 1).

    Raises:
        UserError: sizes differ, or a side is below 11 pixels.
    """
    images = dict(zip(SENSED, (*sensed, fused), strict=True))
    return {
        name: {
            source: {
                "PSNR": float(peak_signal_to_noise(image, other, other)),
                "SSIM": float(structural_similarity(image, other, other, combine="mean")),
            }
            for source, other in zip(SOURCES, sources, strict=True)
        }
        for name, image in images.items()
    }


def mean_scores(scores: list[Scores]) -> Scores:
    """The mean over images of each of the twelve values; one image at least."""
    return {
        name: {
            source: {metric: fmean(s[name][source][metric] for s in scores) for metric in METRICS}
            for source in SOURCES
        }
        for name in SENSED
    }
