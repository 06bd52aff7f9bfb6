"""What is learned: the U-Fuser and the pseudo-sensing networks (EMMA, Fig. 2)."""

from emma_fusion.networks.block import RestormerCNNBlock
from emma_fusion.networks.padding import pad_to_multiple
from emma_fusion.networks.sensing import SensingUNet
from emma_fusion.networks.ufuser import UFuser

__all__ = ["RestormerCNNBlock", "SensingUNet", "UFuser", "pad_to_multiple"]
