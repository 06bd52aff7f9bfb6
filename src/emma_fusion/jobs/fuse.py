"""`fuse`: does what a request asks for, by the job for what its inputs are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from emma_fusion.errors import UserError
from emma_fusion.images.radiometric import is_radiometric_file
from emma_fusion.images.raster import count_pages
from emma_fusion.jobs import image
from emma_fusion.jobs.image import Recipe
from emma_fusion.jobs.messages import Messages, Outcome
from emma_fusion.jobs.overlay import overlay_beside
from emma_fusion.jobs.request import ClusterOptions, FuseRequest, ScanOptions, VideoOptions
from emma_fusion.jobs.targets import check_exist, check_inputs, check_pairing
from emma_fusion.scans.folders import list_volumes
from emma_fusion.scans.open import is_volume
from emma_fusion.values.overlay import check_opacity
from emma_fusion.values.ranges import parse_range
from emma_fusion.video import is_video


def fuse(request: FuseRequest, messages: Messages | None = None) -> Outcome:
    """Do what a request asks for.

    Args:
        request: What is to be fused, how, and where to.
        messages: Takes what there is to say; without it, nothing is said.

    Returns:
        Which pairs could not be fused, and whether the user ended it.

    Raises:
        UserError: An input or an option is not right; then nothing was written.
    """
    messages = messages or Messages()
    request = settle(request)
    recipe = Recipe.of(request)
    if request.cluster.engine == "ray":
        from emma_fusion.jobs.ray import fuse_on_ray

        return fuse_on_ray(recipe, messages)
    if wants_video(request):
        check_pairing(request.pairing)
        _check_not_for_scans(request)
        if request.overlay is not None:
            raise UserError("--overlay is for images and scans: leave it out.")
        from emma_fusion.jobs.video import fuse_video

        return fuse_video(recipe, messages)
    infrared, visible = Path(request.infrared), Path(request.visible)
    folders = list_volumes(infrared), list_volumes(visible)
    if all(folders):
        from emma_fusion.jobs.scan_folder import fuse_scan_folder

        return fuse_scan_folder(request, *folders, messages)
    if is_volume(infrared) or is_volume(visible):
        from emma_fusion.jobs.scan import fuse_scans

        check_pairing(request.pairing)
        return fuse_scans(request, messages)
    if any(folders):
        scans, other = (infrared, visible) if folders[0] else (visible, infrared)
        raise UserError(
            f"{scans} is a folder of scans and {other} is not: give two folders of scans."
        )
    _check_not_for_scans(request)
    if check_inputs(infrared, visible):
        from emma_fusion.jobs.folder import fuse_folder

        return fuse_folder(recipe, messages)
    check_pairing(request.pairing)
    files = image.choose_target(request)
    if max(count_pages(infrared), count_pages(visible)) > 1:
        from emma_fusion.jobs.pages import fuse_pages

        fuse_pages(files, recipe, image.open_fuser(request.network), messages)
    elif "folder" in (request.infrared_range.split(":")[0], request.visible_range):
        raise UserError(
            "The range folder (--infrared-range, --visible-range) is for two folders, or TIFF "
            "files of many pages."
        )
    else:
        image.fuse_files(files, recipe, messages)
    messages.say(f"Wrote {files.target}")
    if request.overlay is not None:
        messages.say(f"Wrote {overlay_beside(files.target)}")
    return Outcome()


def settle(request: FuseRequest) -> FuseRequest:
    """Check what a request says by itself, and fill in what its protocol says.

    Raises:
        UserError: Options do not fit together, or an input does not exist.
    """
    request = _settle_inputs(request)
    if request.infrared_range.split(":")[0] != "folder":
        parse_range(request.infrared_range)
    if request.visible_range != "folder":
        parse_range(request.visible_range, "visible")
    if request.overlay is not None:
        check_opacity(request.overlay)
    if not request.output:
        raise UserError("The output has no name: give -o FILE or -o FOLDER.")
    if request.cluster.engine == "ray":
        _check_for_ray(request)
    elif request.cluster != ClusterOptions():
        raise UserError("--workers is for --engine ray: leave it out.")
    elif not request.video.live:
        check_exist(request.infrared, request.visible)
    if request.protocol != "paper":
        return request
    if request.palette not in (None, "none"):
        raise UserError("The paper protocol writes grey images: leave out --palette.")
    lossy = request.format in ("jpg", "webp")
    if lossy or request.depth == "16" or request.colour not in ("auto", "none"):
        raise UserError(
            "The paper protocol writes 8-bit grey images without loss: leave out --colour "
            "and --depth, and write png, tif or bmp."
        )
    return replace(request, colour="none", contrast="stretch", depth="8")


def _settle_inputs(request: FuseRequest) -> FuseRequest:
    """Where no visible input is given, the infrared one stands for both.

    Raises:
        UserError: It cannot hold both.
    """
    if request.visible:
        return request
    path = Path(request.infrared)
    if request.cluster.engine == "ray" or request.video != VideoOptions():
        raise UserError("VISIBLE is missing: give the visible input as the second one.")
    check_exist(path)
    if path.is_dir() and not is_video(request.output) and not is_volume(path):
        return replace(request, visible=request.infrared)
    if path.is_dir() or not is_radiometric_file(path):
        raise UserError(
            f"VISIBLE is missing: give the visible input of the same scene beside {path}. Only a "
            "radiometric file of a FLIR camera, or a folder of them, holds both."
        )
    return replace(request, visible=request.infrared)


def wants_video(request: FuseRequest) -> bool:
    """Whether videos are to be fused, and not images.

    They are where an input is a video file, with --live, and of two folders where OUT is a video
    file or --video says so.

    Raises:
        UserError: An option for videos is given, and there is none.
    """
    inputs, options = (request.infrared, request.visible), request.video
    if options.live or any(is_video(name) and Path(name).is_file() for name in inputs):
        return True
    folders = all(Path(name).is_dir() for name in inputs)
    if folders and (options.video or is_video(request.output)):
        return True
    if options != VideoOptions():
        raise UserError(
            "--layout, --rate, --offset, --frames and --show are for videos, and --video is for "
            "two folders of frames: leave them out, or give two video files or folders."
        )
    return False


def _check_not_for_scans(request: FuseRequest) -> None:
    """Refuse what is for scans alone."""
    if request.scan != ScanOptions():
        raise UserError("--plane, --window and --register are for scans: leave them out.")


def _check_for_ray(request: FuseRequest) -> None:
    """Refuse what is not for folders of images."""
    for option, is_given in (
        ("--video", request.video.video),
        ("--live", request.video.live),
        ("the options for videos", request.video != VideoOptions()),
        ("--recursive", request.pairing.recursive),
        ("--plane", request.scan.plane != "auto"),
        ("--window", request.scan.window is not None),
        ("--register", request.scan.register != "headers"),
        ("--overlay", request.overlay is not None),
    ):
        if is_given:
            raise UserError(f"--engine ray is for folders of images: leave out {option}.")
