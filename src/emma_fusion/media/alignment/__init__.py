"""Alignment: the infrared picture of a pair brought onto the visible picture's pixels."""

from emma_fusion.media.alignment.aligner import Aligned, Aligner, align
from emma_fusion.media.alignment.calibration import calibrate
from emma_fusion.media.alignment.registration import Alignment, register
from emma_fusion.media.alignment.rig import Rig, load_rig

__all__ = ["Aligned", "Aligner", "Alignment", "Rig", "align", "calibrate", "load_rig", "register"]
