"""What is learned: the U-Fuser and the pseudo-sensing networks (EMMA, Fig. 2), and a fast fuser."""

from emma_fusion.networks.block import RestormerCNNBlock
from emma_fusion.networks.fast import FastFuser
from emma_fusion.networks.padding import pad_to_multiple
from emma_fusion.networks.sensing import SensingUNet
from emma_fusion.networks.ufuser import UFuser

__all__ = ["FastFuser", "RestormerCNNBlock", "SensingUNet", "UFuser", "pad_to_multiple"]
