"""Videos: what is read from a video file, a folder of frames or a pair of cameras, and written.

Reading gives `Frame`s with their time; `pairing` brings two videos together, `steady` keeps the
brightness from flickering, `layout` lays images out, `writing` makes a video of them.
"""

from emma_fusion.video.frames import Frame, is_video, need_av

__all__ = ["Frame", "is_video", "need_av"]
