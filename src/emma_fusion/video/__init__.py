"""Films: what is read from a video file, a folder of frames or a pair of cameras, and written.

Reading gives `Frame`s with their time; `pairing` brings two films together, `steady` keeps the
brightness from flickering, `layout` lays pictures out, `writing` makes a film of them.
"""

from emma_fusion.video.frames import Frame, is_video, need_av

__all__ = ["Frame", "is_video", "need_av"]
