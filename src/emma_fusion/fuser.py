"""Fuser: a pair in, a fused image out."""

from __future__ import annotations

import functools
import hashlib
import os
import time
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from emma_fusion import models
from emma_fusion.errors import UserError
from emma_fusion.networks.copies import is_unchanged
from emma_fusion.networks.device import check_threads, find_device, inference
from emma_fusion.networks.padding import pad_to_multiple
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.networks.weights import FusionNetwork, load_fuser
from emma_fusion.pair import Colour, Pair
from emma_fusion.runtimes.choice import open_runtime
from emma_fusion.runtimes.large import Progress, choose_rows, fuse_large
from emma_fusion.runtimes.memory import parse_size, usable_memory
from emma_fusion.runtimes.pytorch import PRECISIONS
from emma_fusion.values.arrays import FloatArray
from emma_fusion.values.contrast import Contrast

Image = TypeVar("Image", npt.NDArray[Any], Tensor)
_NUMPY_FLOATS = (torch.float16, torch.float32, torch.float64)
# Nanoseconds within which two contents of a file may have one time: two seconds on FAT.
_SETTLED = 2 * 10**9


class Fuser:
    """Fuses pairs of any size with one pass of a network each.

    Args:
        network: the trained U-Fuser or fast fuser; a folded copy of it is used. A subclass of
            either, or one with forward hooks, is copied and run as it is, by PyTorch and whole.
        name: what the record of a fused image calls the model.
        device: "auto" (CUDA where there is one, else the CPU), or any name PyTorch knows.
        precision: "fp32", or "bf16" or "fp16" to compute faster and a little less exactly; on an
            NVIDIA GPU also "tf32", float32 whose products have 11 significant bits.
        threads: their number on a CPU. None leaves it to PyTorch, which takes one for each core.
        memory: the most that the process may use, on a GPU of its memory, such as "4GiB" or a
            number of bytes; None for what is free. Images that are too large for it are fused in
            strips, with the same output.
        runtime: "torch"; "engine" for the U-Fuser in fewer passes on a CPU; of the extra
            `runtimes`, "onnxruntime" or "openvino"; or "auto" for the fastest that is installed,
            which takes a minute to find out the first time. Images that are fused in strips are
            fused by PyTorch.

    Raises:
        UserError: the device is not there, or an option is unknown.
    """

    def __init__(
        self,
        network: FusionNetwork,
        name: str = "unnamed",
        *,
        device: str = "auto",
        precision: str = "fp32",
        threads: int | None = None,
        memory: str | int | None = None,
        runtime: str = "torch",
    ) -> None:
        if precision not in PRECISIONS:
            options = ", ".join(PRECISIONS)
            raise UserError(f"The precision is {precision!r}; it must be one of {options}.")
        self.name = name
        self.device = find_device(device)
        self.precision = precision
        self.threads = check_threads(threads)
        self.memory = parse_size(memory) if isinstance(memory, str) else memory
        self._multiple_of, self._minimum_size = network.multiple_of, network.minimum_size
        if precision == "tf32" and self.device.type != "cuda":
            raise UserError(
                f"TF32 exists on NVIDIA GPUs only: use fp32, bf16 or fp16 on {self.device}."
            )
        if precision == "fp16" and not getattr(network, "supports_half", True):
            raise UserError(
                f"The network of {name!r} gives wrong results in fp16: use fp32 or bf16."
            )
        # What can be computed in strips too; anything else is run as it is, and whole.
        self._network: UFuser | None = None
        if isinstance(network, UFuser) and is_unchanged(network):
            self._network = network.fold().to(self.device)
        self.runtime, self._run = open_runtime(
            network, self.device, runtime=runtime, precision=precision, threads=self.threads
        )

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path = "base",
        *,
        device: str = "auto",
        precision: str = "fp32",
        threads: int | None = None,
        memory: str | int | None = None,
        runtime: str = "torch",
    ) -> Fuser:
        """Open a shipped model by its name, or weights of your own: a file or a training's folder.

        The other arguments are those of `Fuser`.

        Raises:
            UserError: there are no such weights, or the file does not hold a fusing network.
        """
        network = load_fuser(name_or_path)
        return cls(
            network,
            Path(name_or_path).name,
            device=device,
            precision=precision,
            threads=threads,
            memory=memory,
            runtime=runtime,
        )

    def __call__(
        self,
        infrared: Image,
        visible: Image,
        *,
        colour: Colour = "auto",
        contrast: Contrast = "none",
        infrared_range: str = "auto",
        visible_range: str = "auto",
        align: str = "off",
    ) -> Image:
        """Fuse two arrays or tensors.

        Args:
            infrared: (H, W), or (H, W, 3) RGB; uint8, uint16 or floats in [0, 1].
            visible: the same; (H, W, 4) has an alpha that is kept.
            colour: see `Pair.from_arrays`.
            contrast: see `fuse`; only the default differs.
            infrared_range: see `Pair.from_arrays`.
            visible_range: see `Pair.from_arrays`.
            align: see `fuse`.

        Returns:
            An array or tensor as `visible` is one, of its dtype and device: (H, W), or (H, W, 3)
            where `visible` has three channels or colour is taken from `infrared`.

        Raises:
            UserError: see `Pair.from_arrays`, or the two could not be aligned.
        """
        pair = _pair(
            (_to_array(infrared), _to_array(visible)),
            ("infrared", "visible"),
            colour=colour,
            infrared_range=infrared_range,
            visible_range=visible_range,
            align=align,
        )
        fused = self.fuse_pair(pair, contrast)
        if isinstance(visible, Tensor):
            return torch.from_numpy(fused).to(visible.device, visible.dtype)
        return fused

    def fuse_pair(
        self, pair: Pair, contrast: Contrast = "none", progress: Progress | None = None
    ) -> npt.NDArray[Any]:
        """Fuse a pair into an image of its dtype, with its colour and alpha.

        Args:
            pair: the pair.
            contrast: see `Pair.compose`.
            progress: is called with the share that is done, for an image that is fused in strips.

        Returns:
            (H, W), (H, W, 3) or (H, W, 4); see `Pair.compose`.
        """
        return pair.compose(self.fuse_luminance(pair, progress), contrast)

    def fuse_luminance(self, pair: Pair, progress: Progress | None = None) -> FloatArray:
        """Fuse the two planes of a pair; the result is the network's output, unchanged.

        One exception: two constant planes give a constant plane, the median of the network's
        output. Otherwise the transposed convolutions would draw a faint grid of up to 4/255 and
        the padding a border that are not in the sources.

        Args:
            pair: the pair.
            progress: see `fuse_pair`.

        Returns:
            (H, W) float32 in [0, 1].

        Raises:
            UserError: the device has too little memory for an image of this size, or the network
                gave NaN or infinite values.
        """
        height, width = pair.visible.shape
        network, rows = self._network, None
        if network is not None:
            limit = self.memory or usable_memory(self.device)
            rows = choose_rows(network, (height, width), limit, self.device)
        advice = "a smaller image or the precision bf16"
        with inference(
            self.device,
            self.threads,
            (height, width),
            advice,
            allow_tf32=self.precision == "tf32",
        ):
            if rows and network is not None:
                with self._autocast():
                    fused = fuse_large(
                        network,
                        pair.infrared,
                        pair.visible,
                        rows=rows,
                        device=self.device,
                        progress=progress,
                    )
            else:
                fused = self._fuse_whole(pair)
        if not np.isfinite(fused).all():
            raise UserError(
                f"The model {self.name!r} gave NaN or infinite values, in the precision "
                f"{self.precision}: "
                + ("its weights are damaged." if self.precision == "fp32" else "use fp32.")
            )
        if _is_constant(pair.infrared) and _is_constant(pair.visible):
            fused = np.full_like(fused, np.median(fused))
        return fused

    def _fuse_whole(self, pair: Pair) -> FloatArray:
        """One pass of the network over the whole image."""
        height, width = pair.visible.shape
        planes = torch.from_numpy(np.stack([pair.infrared, pair.visible])).unsqueeze(1)
        planes = planes.to(self.device)
        planes = pad_to_multiple(planes, self._multiple_of, self._minimum_size)
        fused = self._run(planes[:1], planes[1:])
        array: FloatArray = fused[0, 0, :height, :width].cpu().numpy()
        return array

    def _autocast(self) -> torch.autocast:
        """Half-precision arithmetic where it was asked for."""
        dtype = PRECISIONS[self.precision]
        return torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)


def fuse(
    infrared: str | Path | npt.NDArray[Any],
    visible: str | Path | npt.NDArray[Any],
    model: str | Path = "base",
    *,
    colour: Colour = "auto",
    contrast: Contrast = "auto",
    infrared_range: str = "auto",
    visible_range: str = "auto",
    align: str = "off",
    device: str = "auto",
    precision: str = "fp32",
    threads: int | None = None,
    memory: str | int | None = None,
    runtime: str = "torch",
) -> npt.NDArray[Any]:
    """Fuse two images of one scene, given as files or as arrays.

    The opened model is kept for the next call with the same weights, device, precision, threads,
    memory and runtime.

    Args:
        infrared: path, or array as in `Fuser.__call__`.
        visible: path, or array.
        model: see `Fuser.from_pretrained`.
        colour: whose colour to take: "auto", "visible", "infrared" or "none".
        contrast: "auto" spreads the fused luminance until all but its darkest and brightest pixels
            fill the range, by a gain of at most 1.5 and without clipping (see
            `emma_fusion.values.contrast.tone_curve`), unless a range is given in values or the
            infrared image covers a part alone; "stretch" spreads it
            from its minimum to its maximum; "none" leaves the network's output as it is, as a
            `Fuser` does.
        infrared_range: how infrared values become 0 to 1; see `Pair.from_arrays`.
        visible_range: how visible values become 0 to 1; see `Pair.from_arrays`.
        align: "off" for images that are registered; or how the infrared one is brought onto the
            visible one's pixels first: "translation", "rigid", "similarity", "affine",
            "homography", "auto" for the simplest of these that fits, or the file that emma
            calibrate wrote. Sizes may then differ.
        device: see `Fuser`.
        precision: see `Fuser`.
        threads: see `Fuser`.
        memory: see `Fuser`.
        runtime: see `Fuser`.

    Returns:
        (H, W) or (H, W, 3) RGB, of the visible image's size and dtype.

    Raises:
        UserError: a file is not readable, or the two do not fit or could not be aligned.
    """
    fuser = _open(
        str(model), _digest(models.find(model)), device, precision, threads, memory, runtime
    )
    if isinstance(infrared, str | Path) and isinstance(visible, str | Path):
        from emma_fusion.align import Aligner
        from emma_fusion.images.raster import read_pair

        pair = read_pair(
            infrared,
            visible,
            colour=colour,
            infrared_range=infrared_range,
            visible_range=visible_range,
            aligner=None if align == "off" else Aligner(align),
        )
    else:
        images = [_read(image) for image in (infrared, visible)]
        pair = _pair(
            (images[0][0], images[1][0]),
            (images[0][1] or "infrared", images[1][1] or "visible"),
            colour=colour,
            infrared_range=infrared_range,
            visible_range=visible_range,
            align=align,
        )
    return fuser.fuse_pair(pair, contrast)


def _pair(
    images: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    labels: tuple[str, str],
    *,
    colour: Colour,
    infrared_range: str,
    visible_range: str,
    align: str,
) -> Pair:
    """The pair of two arrays, aligned as asked."""
    infrared, visible = images
    cover = None
    if align != "off":
        from emma_fusion.align import Aligner

        aligned = Aligner(align)(infrared, visible, labels)
        infrared, cover = aligned.image, aligned.cover
    return Pair.from_arrays(
        infrared,
        visible,
        colour=colour,
        infrared_range=infrared_range,
        visible_range=visible_range,
        labels=labels,
        cover=cover,
    )


@functools.lru_cache(maxsize=4)
def _open(
    model: str,
    digest: str,
    device: str,
    precision: str,
    threads: int | None,
    memory: str | int | None,
    runtime: str,
) -> Fuser:
    """Open a model, or the one that is open already."""
    return Fuser.from_pretrained(
        model,
        device=device,
        precision=precision,
        threads=threads,
        memory=memory,
        runtime=runtime,
    )


def _digest(weights: Path) -> str:
    """A hash of a weights file, which may be trained anew; "" where it cannot be read.

    It is computed again only when the file is another one, or has another size or time.
    """
    try:
        found = os.stat(weights)
        latest = max(found.st_mtime_ns, found.st_ctime_ns)
        if time.time_ns() - latest < _SETTLED:
            return _hash(weights)
        return _remembered_hash(
            weights.absolute(), (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        )
    except OSError:
        return ""  # opening it says why


def _hash(weights: Path) -> str:
    return hashlib.sha256(weights.read_bytes()).hexdigest()


@functools.lru_cache(maxsize=16)
def _remembered_hash(weights: Path, stamp: tuple[int, ...]) -> str:
    """The hash of a file as it was when it had this stamp."""
    return _hash(weights)


def _is_constant(plane: FloatArray) -> bool:
    """Whether all pixels have one value."""
    return bool((plane == plane.flat[0]).all())


def _read(image: str | Path | npt.NDArray[Any]) -> tuple[npt.NDArray[Any], str]:
    """An image and the name of its file, "" where it is no file."""
    if not isinstance(image, str | Path):
        return image, ""
    from emma_fusion.images.raster import read_image

    return read_image(image), Path(image).name


def _to_array(image: npt.NDArray[Any] | Tensor) -> npt.NDArray[Any]:
    """A tensor as an array; a float type that NumPy has not, such as bfloat16, as float32."""
    if not isinstance(image, Tensor):
        return image
    try:
        image = image.detach().cpu()
        if image.is_floating_point() and image.dtype not in _NUMPY_FLOATS:
            image = image.float()
        array: npt.NDArray[Any] = image.numpy()
    except (RuntimeError, TypeError) as error:  # sparse, quantised, without data, ...
        raise UserError(
            f"A tensor of layout {image.layout}, dtype {image.dtype} on {image.device} is no "
            "image: use a dense one."
        ) from error
    return array
