"""Small images of noise, and the bytes of their files."""

import numpy as np

from emma_fusion.images.raster import encode_image


def draw(shape, seed, dtype=np.uint8):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, shape, dtype, endpoint=True)


def png(shape=(40, 48), seed=0, dtype=np.uint8, suffix=".png"):
    """The bytes of an image's file."""
    return encode_image(f"a{suffix}", draw(shape, seed, dtype))
