"""Alignment: the infrared image of a pair brought onto the visible image's pixels."""

from emma_fusion.align.aligner import Aligned, Aligner, align
from emma_fusion.align.calibration import calibrate
from emma_fusion.align.registration import Alignment, register
from emma_fusion.align.rig import Rig, load_rig

__all__ = ["Aligned", "Aligner", "Alignment", "Rig", "align", "calibrate", "load_rig", "register"]
