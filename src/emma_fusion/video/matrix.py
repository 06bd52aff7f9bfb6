"""The matrix between RGB and a video's luma and chroma, where the file does not say which it is."""

from __future__ import annotations

# The numbers of ISO/IEC 23091-2.
BT709, UNSPECIFIED, BT601 = 1, 2, 6

_SD_HEIGHT, _HD_WIDTH = 576, 1280


def usual_matrix(height: int, width: int) -> int:
    """What players take for a video of this size without a tag, and what is written here.

    It is BT.709 for more than 576 rows or from 1280 columns on, and BT.601 below.

    >>> usual_matrix(480, 640), usual_matrix(720, 1280), usual_matrix(640, 160)
    (6, 1, 1)
    """
    return BT709 if height > _SD_HEIGHT or width >= _HD_WIDTH else BT601
