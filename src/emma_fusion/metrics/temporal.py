"""How steady a fused video is: BiSWE and MS2R, after VF-Bench (NeurIPS 2025).

Flow is OpenCV's DIS (Kroeger et al., ECCV 2016) unless another function is given. Both are lower
for better videos. They were written from a description; no values of the original were at hand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError

GreyFrame = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Flow = Callable[[GreyFrame, GreyFrame], Field]

SMALLEST = 16  # pixels a side, below which DIS has no pyramid
AGREEMENT = 1.0  # pixels


def dis_flow(start: GreyFrame, end: GreyFrame) -> Field:
    """Optical flow by DIS, preset medium.

    Args:
        start: (H, W) uint8.
        end: (H, W) uint8.

    Returns:
        (H, W, 2) float32: how far to the right and down each pixel of `start` has gone, in pixels.
    """
    flow = np.zeros((*start.shape, 2), np.float32)
    cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(start, end, flow)
    return flow


def bidirectional_warping_error(
    fused: Sequence[GreyFrame],
    infrared: Sequence[GreyFrame],
    visible: Sequence[GreyFrame],
    flow: Flow = dis_flow,
) -> float:
    """BiSWE: what changes between frames beyond motion.

    Each frame that has two neighbours is compared with both, warped to it by the fused video's own
    flow: the mean absolute difference on 0..255 over the pixels where forward and backward flow
    agree within 1 pixel in both sources, summed over the two directions, averaged over the frames.

    Args:
        fused: At least three frames (H, W) uint8.
        infrared: As many.
        visible: As many.
        flow: From one frame to another; see `dis_flow`.

    Returns:
        0 or more; NaN where the flows agree nowhere.

    Raises:
        UserError: Frames are too few or too small, or numbers, sizes or types differ.
    """
    _check([fused, infrared, visible], 3)
    errors = []
    for t in range(1, len(fused) - 1):
        directions = []
        for n in (t - 1, t + 1):
            agree = np.ones(fused[t].shape, bool)
            for source in (infrared, visible):
                there, back = flow(source[t], source[n]), flow(source[n], source[t])
                agree &= np.linalg.norm(there + _warp(back, there), axis=2) <= AGREEMENT
            warped = _warp(fused[n].astype(np.float32), flow(fused[t], fused[n]))
            if agree.any():
                directions.append(float(np.abs(fused[t] - warped)[agree].mean()))
        if len(directions) == 2:
            errors.append(sum(directions))
    return float(np.mean(errors)) if errors else float("nan")


def motion_smoothness(
    fused: Sequence[GreyFrame],
    infrared: Sequence[GreyFrame],
    visible: Sequence[GreyFrame],
    flow: Flow = dis_flow,
) -> float:
    """MS2R: how far the jerks of the fused video's motion are from those of its sources.

    Half the sum over both sources of the mean absolute value of the second difference of the fused
    video's flow in time minus that of the source's.

    Args:
        fused: At least four frames (H, W) uint8.
        infrared: As many.
        visible: As many.
        flow: From one frame to the next; see `dis_flow`.

    Returns:
        0 or more, in pixels a frame.

    Raises:
        UserError: As `bidirectional_warping_error`.
    """
    _check([fused, infrared, visible], 4)
    total = 0.0
    # three flows of each at a time: those of a long video would not fit into memory
    recent: list[deque[Field]] = [deque(maxlen=3) for _ in range(3)]
    for frames in zip(*(pairwise(video) for video in (fused, infrared, visible)), strict=True):
        for flows, (start, end) in zip(recent, frames, strict=True):
            flows.append(flow(start, end))
        if len(recent[0]) == 3:
            f, i, v = (flows[2] - 2 * flows[1] + flows[0] for flows in recent)
            total += (float(np.abs(f - i).mean()) + float(np.abs(f - v).mean())) / 2
    return total / (len(fused) - 3)


def _warp(image: npt.NDArray[Any], flow: Field) -> npt.NDArray[Any]:
    """The image's values where the flow points to, the border repeated."""
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    return cv2.remap(
        image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE
    )


def _check(videos: Sequence[Sequence[GreyFrame]], fewest: int) -> None:
    """Refuse what cannot be scored."""
    if len({len(video) for video in videos}) > 1 or len(videos[0]) < fewest:
        numbers = ", ".join(str(len(video)) for video in videos)
        raise UserError(
            f"Fused, infrared and visible have {numbers} frames: give as many of each, at least "
            f"{fewest}."
        )
    shape = videos[0][0].shape
    for frame in (frame for video in videos for frame in video):
        if frame.shape != shape or frame.ndim != 2 or frame.dtype != np.uint8:
            raise UserError("Frames to score must be uint8 luminance (H, W), all of one size.")
    if min(shape) < SMALLEST:
        raise UserError(f"Frames to score must have {SMALLEST} pixels a side or more.")
