"""Classical fusion methods: yardsticks for the network, and its first teachers.

Every method takes two registered luminance planes and gives one back, through one call:

>>> import numpy as np
>>> from emma_fusion import baselines
>>> infrared = np.zeros((4, 6), np.float32)
>>> visible = np.ones((4, 6), np.float32)
>>> fused = baselines.fuse("average", infrared, visible)
>>> fused.shape, fused.dtype.name, float(fused.mean())
((4, 6), 'float32', 0.5)

`BASELINES` names them all, each with its citation.
"""

from emma_fusion.baselines.additive import additive
from emma_fusion.baselines.baseline import Baseline, Plane
from emma_fusion.baselines.diffusion import anisotropic_diffusion
from emma_fusion.baselines.gradient_transfer import transfer_gradients
from emma_fusion.baselines.guided import guided_filtering
from emma_fusion.baselines.pixelwise import average, maximum
from emma_fusion.baselines.pyramid import laplacian_pyramid
from emma_fusion.baselines.two_scale import two_scales
from emma_fusion.baselines.wavelet import stationary_wavelet
from emma_fusion.errors import UserError

__all__ = ["BASELINES", "Baseline", "Plane", "fuse"]

BASELINES: dict[str, Baseline] = {
    baseline.name: baseline
    for baseline in (
        Baseline("average", average, "The mean of both images at every pixel."),
        Baseline("maximum", maximum, "The brighter of both images at every pixel."),
        Baseline(
            "laplacian",
            laplacian_pyramid,
            "P. J. Burt and R. J. Kolczynski, Enhanced image capture through fusion, ICCV 1993, "
            "on the pyramid of P. J. Burt and E. H. Adelson, The Laplacian pyramid as a compact "
            "image code, IEEE Trans. Communications 31(4), 1983.",
        ),
        Baseline(
            "wavelet",
            stationary_wavelet,
            "O. Rockinger, Image sequence fusion using a shift-invariant wavelet transform, "
            "ICIP 1997; the rule of choice of H. Li, B. S. Manjunath and S. K. Mitra, "
            "Multisensor image fusion using the wavelet transform, Graphical Models and Image "
            "Processing 57(3), 1995.",
        ),
        Baseline(
            "guided",
            guided_filtering,
            "S. Li, X. Kang and J. Hu, Image fusion with guided filtering (GFF), IEEE Trans. "
            "Image Processing 22(7), 2013; the filter of K. He, J. Sun and X. Tang, Guided image "
            "filtering, IEEE Trans. Pattern Analysis and Machine Intelligence 35(6), 2013.",
        ),
        Baseline(
            "two-scale",
            two_scales,
            "D. P. Bavirisetti and R. Dhuli, Two-scale image fusion of visible and infrared images "
            "using saliency detection (TIF), Infrared Physics & Technology 76, 2016.",
        ),
        Baseline(
            "diffusion",
            anisotropic_diffusion,
            "D. P. Bavirisetti and R. Dhuli, Fusion of infrared and visible sensor images based on "
            "anisotropic diffusion and Karhunen-Loeve transform (ADF), IEEE Sensors Journal "
            "16(1), 2016.",
        ),
        Baseline(
            "gradient-transfer",
            transfer_gradients,
            "J. Ma, C. Chen, C. Li and J. Huang, Infrared and visible image fusion via gradient "
            "transfer and total variation minimization (GTF), Information Fusion 31, 2016.",
        ),
        Baseline(
            "additive",
            additive,
            "A formula of emma-fusion, unpublished: the sum of both sources, its spread and detail "
            "raised. It leads the common metrics without a network; see docs/metrics.md.",
        ),
    )
}


def fuse(name: str, infrared: Plane, visible: Plane) -> Plane:
    """Fuse two registered planes by the named method.

    Args:
        name: A key of `BASELINES`.
        infrared: (H, W) float32 or float64 in [0, 1], any size from 1x1 up.
        visible: As `infrared`, of the same size and dtype.

    Returns:
        (H, W) in [0, 1], of the sources' dtype.

    Raises:
        UserError: The name is unknown, or the images do not fit the method or each other.
    """
    try:
        baseline = BASELINES[name]
    except KeyError:
        raise UserError(
            f"There is no fusion method named {name!r}; choose one of {', '.join(BASELINES)}."
        ) from None
    return baseline(infrared, visible)
