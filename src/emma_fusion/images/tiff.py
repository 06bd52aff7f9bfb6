"""TIFF files, read with tifffile: which of their pages are images, decoded one at a time.

Before anything is decoded the directories are looked at: how many there are, whether the pieces
that they name lie in the file, and whether so few bytes can hold so many pixels.
"""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from emma_fusion.images.decoded import Decoded
from emma_fusion.images.formats import MAX_PIXELS, Damaged, Header
from emma_fusion.images.tiff_samples import interpret

MAX_PAGES = 2**15
# Pieces (strips or tiles) that all pages together may name, and bytes that one may decode to.
_MOST_PIECES, _MOST_BYTES = 2**22, 2**33
# How many bytes one byte can become: by Deflate 1032, by an LZW code of 12 bits 4096.
_EXPANSION = {1: 1, 5: 2731, 8: 1032, 32946: 1032, 32773: 64}
# What is decoded: uncompressed, CCITT, LZW, JPEG, Deflate, PackBits, LZMA, ZSTD. Of image formats
# within a TIFF (JPEG 2000, WebP, JPEG XL, LERC) nothing says what size they decode to.
_READ = {1, 2, 3, 4, 5, 7, 8, 32946, 32773, 34925, 50000, 34926}
# Bytes of a value, by its type, as `struct` writes them.
_TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 5: "2I", 6: "b", 7: "B", 8: "h", 9: "i", 10: "2i",
          11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}  # fmt: skip
_STRIPS, _TILES = 273, 324
# What a directory says in one whole number each; tifffile gives whatever is there.
_NUMBERS = ("subfiletype", "imagewidth", "imagelength", "imagedepth", "compression",
            "photometric", "samplesperpixel", "planarconfig")  # fmt: skip
_MASK, _PREVIEW = 4, 1  # bits of NewSubfileType


@dataclass(frozen=True)
class _Place:
    """Where an image is: its directory, its plane in there, and the directory of its mask."""

    directory: int
    plane: int | None = None
    mask: int | None = None


def is_tiff(start: bytes) -> bool:
    """Whether a file that starts so is a TIFF or BigTIFF."""
    return start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class TiffImages:
    """The images of a TIFF file, each decoded when it is asked for.

    They are the pages of the largest size; smaller ones and those marked as reduced are previews,
    and left out, and pages marked as masks belong to the image before them. A page of more than
    four grey samples, or of some depth, is that many images, as is a stack with one directory,
    which ImageJ writes.

    Args:
        source: a path, or the bytes of the file.
        max_pixels: an image may have.

    Raises:
        Damaged: it is no TIFF file, is cut short, or contradicts itself.
    """

    def __init__(self, source: Path | bytes, max_pixels: int = MAX_PIXELS) -> None:
        self._max_pixels = max_pixels
        self._decoded: tuple[int, npt.NDArray[Any]] | None = None
        self._stack = 1
        with _telling("is damaged: its directory could not be read"):
            self._file = tifffile.TiffFile(
                io.BytesIO(source) if isinstance(source, bytes) else source, _multifile=False
            )
        try:
            self._images, self._notes = self._find_images()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> TiffImages:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __len__(self) -> int:
        return len(self._images)

    @property
    def header(self) -> Header:
        """What the directory of the first image says, checked.

        Raises:
            Damaged: it contradicts itself, or what it names is not there.
        """
        page = self._load(self._images[0].directory)
        self._check(page)
        bits = page.bitspersample if isinstance(page.bitspersample, int) else 8
        return Header("tif", page.imagewidth, page.imagelength, orientation_of(page), bits)

    @property
    def first(self) -> tifffile.TiffPage:
        """The directory of the first image."""
        return self._load(self._images[0].directory)

    def __getitem__(self, number: int) -> Decoded:
        """Decode an image.

        Raises:
            Damaged: it is too large, could not be decoded, or holds what is not read.
        """
        place = self._images[number]
        page = self._load(place.directory)
        self._check(page)
        planes = self._planes(page, place.plane is not None)
        with _telling("is damaged: its directory contradicts itself"):
            image = interpret(planes, page, place.plane)
        valid = image.valid
        if place.mask is not None:
            mask = self._load(place.mask)
            self._check(mask)
            shown = self._planes(mask)[0, ..., 0] != 0
            valid = shown if valid is None else valid & shown
        if valid is not None and valid.all():
            valid = None
        image = Decoded(image.pixels, valid, image.stored, self._notes + image.notes)
        return image.upright(orientation_of(page))

    def _planes(self, page: tifffile.TiffPage, kept: bool = False) -> npt.NDArray[Any]:
        """The samples of a page, (planes, H, W, S); kept where they are of many images."""
        if self._decoded is not None and self._decoded[0] == page.offset:
            return self._decoded[1]
        samples: npt.NDArray[Any]
        with _telling("is damaged: its image data could not be decoded"):
            if self._stack > 1:  # (planes, ...) follow one another in the file
                file, shape = self._file.filehandle, (page.shaped[0], self._stack, *page.shaped[2:])
                file.seek(page.dataoffsets[0])
                stored = np.dtype(page.dtype).newbyteorder(self._file.byteorder)
                samples = file.read_array(stored, prod(shape)).reshape(shape)
                samples = samples.astype(page.dtype, copy=False)
            else:
                samples = page.asarray(squeeze=False)
            # (separate samples, depth, H, W, contiguous samples) -> (depth, H, W, samples)
            moved = np.moveaxis(samples, 0, -2)
            samples = moved.reshape(*moved.shape[:3], -1)
        self._decoded = (page.offset, samples) if kept else None
        return samples

    def _count_stack(self, page: tifffile.TiffPage) -> int:
        """How many planes lie behind the only directory of a file that ImageJ or tifffile wrote."""
        described = self._file.is_imagej or self._file.is_shaped
        if not described or page.shaped[0] * page.shaped[1] > 1:
            return 1
        with _telling("is damaged: its description could not be read"):
            series = self._file.series[0]
            if series.dataoffset is None or page.nbytes == 0:
                return 1
            count = int(series.nbytes // page.nbytes)
        if page.dataoffsets[0] + count * page.nbytes > self._file.filehandle.size:
            raise Damaged("is cut short")
        return max(1, count)

    def _find_images(self) -> tuple[list[_Place], tuple[str, ...]]:
        """Where the images are, and what is said of the other pages."""
        images: list[tuple[int, int]] = []  # area, directory
        reduced: list[tuple[int, int]] = []
        masks: dict[int, tuple[int, int]] = {}  # of the directory before them
        places = 0
        for place in self._walk():
            places += 1
            page = self._load(place)
            area = page.imagewidth * page.imagelength
            if page.subfiletype & _MASK:
                if images and images[-1][1] not in masks:
                    masks[images[-1][1]] = area, place
            elif page.subfiletype & _PREVIEW:
                reduced.append((area, place))
                reduced += self._inner(page)  # of a raw file, the image is in the preview
            else:
                images.append((area, place))
        images = images or reduced
        if not images:
            raise Damaged("holds no image")
        largest = max(area for area, _ in images)
        chosen = [place for area, place in images if area == largest]
        notes: tuple[str, ...] = ()
        if len(chosen) < len(images):
            notes = (f"has {len(images) - len(chosen)} smaller pages, which are left out",)
        found: list[_Place] = []
        for place in chosen:
            area, mask = masks.get(place, (0, 0))
            page = self._load(place)
            self._stack = self._count_stack(page) if places == 1 else 1
            planes = self._stack if self._stack > 1 else _count_planes(page)
            if len(found) + planes > MAX_PAGES:
                raise Damaged(
                    f"has {len(found) + planes} pages; more than {MAX_PAGES} are not read"
                )
            for plane in [None] if planes == 1 else range(planes):
                found.append(_Place(place, plane, mask if area == largest else None))
        return found, notes

    def _inner(self, page: tifffile.TiffPage) -> list[tuple[int, int]]:
        """The areas and directories of full images that hang on a preview (SubIFDs)."""
        inner = [self._load(at) for at in (page.subifds or ())[:16]]
        return [(p.imagewidth * p.imagelength, p.offset) for p in inner if not p.subfiletype]

    def _walk(self) -> Iterator[int]:
        """The places of the directories in the file."""
        form, file = self._file.tiff, self._file.filehandle
        seen: set[int] = set()
        pieces = 0
        try:
            file.seek(8 if form.is_bigtiff else 4)
            (at,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))
            while at:
                if at in seen:
                    raise Damaged("is damaged: its pages go round in a circle")
                if len(seen) == MAX_PAGES:
                    raise Damaged(f"has more than {MAX_PAGES} pages, which are not read")
                seen.add(at)
                file.seek(at)
                (entries,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
                directory = file.read(entries * form.tagsize)
                (following,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))
                for start in range(0, len(directory), form.tagsize):
                    pieces += self._check_tag(directory[start : start + form.tagsize])
                if pieces > _MOST_PIECES:
                    raise Damaged("is damaged: it names more pieces than images are made of")
                yield at
                at = following
        except (struct.error, ValueError, OSError):
            raise Damaged("is cut short") from None

    def _check_tag(self, entry: bytes) -> int:
        """Check that the values of a tag lie in the file; tifffile drops one whose do not.

        Returns:
            How many pieces of an image it places.
        """
        form = self._file.tiff
        number, kind, count, value = struct.unpack(form.tagheaderformat, entry)
        size = count * struct.calcsize(_TYPES.get(kind, "x"))
        if size > form.tagoffsetthreshold:
            (place,) = struct.unpack(form.offsetformat, value)
            if place + size > self._file.filehandle.size:
                raise Damaged("is cut short")
        return int(count) if number in (_STRIPS, _TILES) else 0

    def _load(self, place: int) -> tifffile.TiffPage:
        """A directory."""
        with _telling("is damaged: one of its directories could not be read"):
            self._file.filehandle.seek(place)
            page = tifffile.TiffPage(self._file, place)
        if not all(isinstance(getattr(page, name), int) for name in _NUMBERS):
            raise Damaged("is damaged: its directory has several values where one belongs")
        return page

    def _check(self, page: tifffile.TiffPage) -> None:
        """Check that a directory is one of an image that is read, and that all of it is there.

        Raises:
            Damaged: it is not.
        """
        with _telling("is damaged: its directory contradicts itself"):
            self._check_kind(page)
            self._check_data(page)

    def _check_kind(self, page: tifffile.TiffPage) -> None:
        """Check the size, the values and the compression of an image."""
        width, height = page.imagewidth, page.imagelength
        if width < 1 or height < 1:
            raise Damaged(f"is damaged: it claims to be {width}x{height} pixels")
        if width * height > self._max_pixels:
            raise Damaged(
                f"claims to be {width}x{height} pixels; more than {self._max_pixels} in all are "
                "not read"
            )
        if page.dtype is None or page.dtype.kind not in "buif":
            raise Damaged(
                f"holds values of {page.bitspersample} bit and sample format {page.sampleformat}, "
                "which are not read: save it with 8 or 16 bit"
            )
        compression = page.compression
        if compression not in _READ:
            name = getattr(compression, "name", compression)
            raise Damaged(
                f"has the compression {name}, which is not read: save it with Deflate, LZW or none"
            )

    def _check_data(self, page: tifffile.TiffPage) -> None:
        """Check that the data of an image are in the file, and can be as many as it says."""
        offsets, counts = np.asarray(page.dataoffsets), np.asarray(page.databytecounts)
        if not len(offsets) or len(offsets) != len(counts):
            raise Damaged("is damaged: it does not say where its image data are")
        if (offsets.astype(object) + counts.astype(object)).max() > self._file.filehandle.size:
            raise Damaged("is cut short")
        if len(offsets) < prod(page.chunked):
            raise Damaged("is damaged: some of its image data are missing")
        bits = page.bitspersample if isinstance(page.bitspersample, int) else 8
        needed = prod(page.shaped[:3]) * -(-page.shaped[3] * page.shaped[4] * bits // 8)
        # pieces may be named twice, so what counts is no more than what the file has
        held = min(int(counts.sum()), self._file.filehandle.size)
        if needed > _MOST_BYTES or held * _EXPANSION.get(page.compression, needed) < needed:
            raise Damaged("is damaged: some of its image data are missing")


def _count_planes(page: tifffile.TiffPage) -> int:
    """How many images a directory holds: of some depth, or with more samples than colours."""
    if page.imagedepth > 1:
        return int(page.imagedepth)
    return (
        int(page.samplesperpixel) if page.photometric in (0, 1) and page.samplesperpixel > 4 else 1
    )


def orientation_of(page: tifffile.TiffPage) -> int:
    """The EXIF orientation of a page, 1 where it has none."""
    value = page.tags.valueof(274, 1)
    return value if value in range(1, 9) else 1


_READING: ContextVar[bool] = ContextVar("reading", default=False)
logging.getLogger("tifffile").addFilter(lambda record: not _READING.get())


@contextmanager
def _telling(complaint: str) -> Iterator[None]:
    """Turn what tifffile and its codecs raise on damaged files, nearly anything, into `Damaged`.

    tifffile also logs what it finds odd, such as a nodata value that it cannot read. That is
    dropped for what is read here alone: other threads, and the host's own use of tifffile, log on.
    """
    here = _READING.set(True)
    try:
        yield
    except Damaged:
        raise
    except MemoryError:
        raise Damaged("is too large for the memory of this computer") from None
    except Exception:
        raise Damaged(complaint) from None
    finally:
        _READING.reset(here)
