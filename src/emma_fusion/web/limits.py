"""How much a visitor may ask for."""

from __future__ import annotations

from dataclasses import dataclass

MEGA = 1_000_000


@dataclass(frozen=True)
class Limits:
    """What is refused, each with a sentence.

    Attributes:
        image_megabytes: Of one image's file.
        megapixels: Of one image, by its header, before it is decoded.
        upload_megabytes: Of a zip or video, and of all that is unpacked of a zip.
        pairs: In a folder or zip.
        minutes: For a folder, zip or video.
        shelf_megabytes: Kept for all visitors together; the oldest makes room.
    """

    image_megabytes: int = 64
    megapixels: float = 10.0
    upload_megabytes: int = 1000
    pairs: int = 5000
    minutes: float = 30.0
    shelf_megabytes: int = 8000

    @property
    def image_bytes(self) -> int:
        """`image_megabytes` in bytes."""
        return self.image_megabytes * MEGA

    @property
    def upload_bytes(self) -> int:
        """`upload_megabytes` in bytes."""
        return self.upload_megabytes * MEGA

    @property
    def pixels(self) -> int:
        """`megapixels` in pixels."""
        return int(self.megapixels * MEGA)
