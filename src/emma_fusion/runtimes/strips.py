"""Feature maps that need not fit in memory: of each, any rows can be had, exactly.

But for its attention, the U-Fuser is local: a row of a map depends on a few rows of the map before
it. So a map is described by what it is computed from, and a strip of it is computed from strips of
its sources that are a few rows (the halo) higher. What a module makes of the borders of such a
strip is wrong there, by its padding, and cut off with the halo; at the borders of the image the
padding is the network's own. Strips have the full width.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from emma_fusion.errors import UserError
from emma_fusion.networks.padding import pad_to_multiple
from emma_fusion.values.arrays import FloatArray


class FeatureMap(ABC):
    """A map of ``(1, C, height, width)`` of which rows can be had.

    Attributes:
        height: Rows.
        width: Columns.
        cost: Multiply-adds, about, to have every row once.
    """

    height: int
    width: int
    cost: float = 0

    @abstractmethod
    def rows(self, start: int, stop: int) -> Tensor:
        """The rows from `start` up to `stop`, ``(1, C, stop - start, width)``."""


class PlaneMap(FeatureMap):
    """A plane of an image, brought to a size that the network takes.

    Args:
        plane: (H, W) float32, kept and not copied.
        multiple_of: See `pad_to_multiple`, whose result this map has.
        minimum_size: See there.
        device: Where the rows are wanted.
    """

    def __init__(
        self, plane: FloatArray, multiple_of: int, minimum_size: int, device: torch.device
    ) -> None:
        self._plane, self._device = plane, device
        self._rows, self._columns = (
            _padded_index(size, multiple_of, minimum_size) for size in plane.shape
        )
        self.height, self.width = len(self._rows), len(self._columns)

    def rows(self, start: int, stop: int) -> Tensor:
        """See `FeatureMap.rows`."""
        strip = self._plane[self._rows[start:stop]]
        if self.width > strip.shape[1]:
            strip = strip[:, self._columns]
        return torch.from_numpy(strip)[None, None].to(self._device)


def _padded_index(size: int, multiple_of: int, minimum_size: int) -> npt.NDArray[np.int64]:
    """Which pixel of a side stands at each place of the padded side."""
    places = torch.arange(size, dtype=torch.float64).reshape(1, 1, size, 1)
    padded = pad_to_multiple(places.expand(1, 1, size, 2), multiple_of, minimum_size)
    index: npt.NDArray[np.int64] = padded[0, 0, :, 0].long().numpy()
    return index


class Computed(FeatureMap):
    """What a function makes of other maps, computed whenever rows are asked for.

    Args:
        function: Of tensors of the sources' rows, concatenated over channels.
        sources: Maps of one size.
        halo: So many rows more on both sides make the rows between them exact.
        weights: Of the function, for the cost.
        down: By what the function divides the size.
        up: By what it multiplies it.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        sources: Sequence[FeatureMap],
        halo: int,
        *,
        weights: int = 0,
        down: int = 1,
        up: int = 1,
    ) -> None:
        self._function, self._sources = function, list(sources)
        self._halo, self._down, self._up = halo, down, up
        self.height = sources[0].height * up // down
        self.width = sources[0].width * up // down
        self.cost = weights * self.height * self.width + sum(source.cost for source in sources)

    def rows(self, start: int, stop: int) -> Tensor:
        """See `FeatureMap.rows`."""
        first, last = max(0, start - self._halo), min(self.height, stop + self._halo)
        first, last = first - first % self._up, last + -last % self._up
        place = [row * self._down // self._up for row in (first, last)]
        strip = self._function(concatenated(self._sources, *place))
        return strip[..., start - first : stop - first, :]


def concatenated(sources: Sequence[FeatureMap], start: int, stop: int) -> Tensor:
    """The rows of several maps, concatenated over channels."""
    strips = [source.rows(start, stop) for source in sources]
    return strips[0] if len(strips) == 1 else torch.cat(strips, dim=1)


class Stored(FeatureMap):
    """A map that is computed once, strip by strip (`fill`), and then read from a file.

    The file has no name, so that nothing of it outlives the process.

    Args:
        source: What is stored.
        scratch: Folder of the file; None is the system's folder for temporary files.
    """

    def __init__(self, source: FeatureMap, scratch: Path | None = None) -> None:
        self.height, self.width = source.height, source.width
        self._source: FeatureMap | None = source
        self._scratch = scratch
        self._channels = 0
        self._dtype, self._device = torch.float32, torch.device("cpu")

    def fill(self, start: int, stop: int) -> None:
        """Compute and store rows.

        Raises:
            UserError: The disk is full.
        """
        if self._source is None:
            raise RuntimeError("The map is complete.")
        strip = self._source.rows(start, stop)
        if not self._channels:
            # plain reads and writes: pages of a mapped file would count as the process's memory
            self._file = tempfile.TemporaryFile(dir=self._scratch, buffering=0)  # noqa: SIM115
            self._channels, self._dtype, self._device = strip.shape[1], strip.dtype, strip.device
        strip = strip[0].contiguous().cpu()
        try:
            for channel in range(self._channels):
                self._file.seek(self._place(channel, start))
                left = _bytes(strip[channel])
                while left:
                    left = left[self._file.write(left) :]
        except OSError as error:
            raise UserError(
                f"The scratch file of a large image could not be written: {error.strerror}. It "
                "is in the folder for temporary files; TMPDIR names another, on a disk with more "
                "room."
            ) from error

    def complete(self) -> None:
        """Forget what the map was computed from: all of it is stored."""
        self._source = None

    def rows(self, start: int, stop: int) -> Tensor:
        """See `FeatureMap.rows`."""
        strip = torch.empty((self._channels, stop - start, self.width), dtype=self._dtype)
        for channel in range(self._channels):
            self._file.seek(self._place(channel, start))
            left = _bytes(strip[channel])
            while left:
                left = left[self._file.readinto(left) :]
        return strip[None].to(self._device)

    def _place(self, channel: int, row: int) -> int:
        """Where in the file a row begins."""
        return (channel * self.height + row) * self.width * self._dtype.itemsize


def _bytes(tensor: Tensor) -> memoryview:
    """The bytes of a contiguous tensor on the CPU, not a copy of them."""
    return tensor.view(torch.uint8).reshape(-1).numpy().data
