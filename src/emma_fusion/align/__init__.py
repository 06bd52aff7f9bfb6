"""Alignment: the infrared image of a pair brought onto the visible image's pixels."""

from emma_fusion.align.aligner import Aligned, Aligner, align
from emma_fusion.align.board import BoardCalibration, calibrate_board
from emma_fusion.align.by_hand import refine, rig_from_motion, rig_from_points, rig_of
from emma_fusion.align.calibration import calibrate
from emma_fusion.align.registration import Alignment, register
from emma_fusion.align.rig import Rig, load_rig

__all__ = [
    "Aligned",
    "Aligner",
    "Alignment",
    "BoardCalibration",
    "Rig",
    "align",
    "calibrate",
    "calibrate_board",
    "load_rig",
    "refine",
    "register",
    "rig_from_motion",
    "rig_from_points",
    "rig_of",
]
