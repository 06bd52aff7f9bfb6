"""What `emma fuse` is asked for, as plain data.

The command line and the page fill it in. Every option stands here once, with its type, its
default and its help; `cli.options` makes the command line of it. So a new option is one field
here, and its use in `jobs`. What other verbs have too is in `jobs.options`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from emma_fusion.jobs.options import NetworkOptions, Option, Overwrite, PairingOptions

_THERMAL = "Thermal cameras"
_SCANS = "Scans (NIfTI, DICOM)"
_VIDEOS = "Videos, folders of frames, cameras"
_CLUSTERS = "Several workers, several machines"


@dataclass(frozen=True)
class ScanOptions:
    """What is asked for of scans alone."""

    plane: Annotated[
        Literal["auto", "axial", "coronal", "sagittal"],
        Option(
            "The plane of the slices that are fused. auto takes the slices in which the scan has "
            "its finest voxels.",
            panel=_SCANS,
        ),
    ] = "auto"
    window: Annotated[
        str | None,
        Option(
            "The window of the anatomical scan. Without it, the file's own window is used, or else "
            "the percentiles 0.1 to 99.9. The first scan's range is set by --infrared-range.",
            metavar="LEVEL:WIDTH",
            panel=_SCANS,
        ),
    ] = None
    register: Annotated[
        Literal["headers", "rigid"],
        Option(
            "How the first scan is brought onto the grid of the second: headers follows the "
            "positions in the files' headers; rigid then also shifts and turns the scan until "
            "their mutual information is largest.",
            panel=_SCANS,
        ),
    ] = "headers"


@dataclass(frozen=True)
class VideoOptions:
    """What is asked for of videos alone."""

    video: Annotated[
        bool,
        Option(
            "Treat the two folders as the numbered frames of two videos. This is the default if "
            "OUT is a video file.",
            flags=("--video",),
            panel=_VIDEOS,
        ),
    ] = False
    layout: Annotated[
        Literal["fused", "side-by-side", "picture-in-picture"],
        Option(
            "What the video shows: the fused frames alone; infrared, visible and fused in a row; "
            "or the fused frames with the infrared ones small in a corner.",
            panel=_VIDEOS,
        ),
    ] = "fused"
    rate: Annotated[
        str | None,
        Option(
            "The number of frames per second of a folder of frames. Without it, the rate is that "
            "of the other video, or 25 if there is none.",
            metavar="RATE",
            panel=_VIDEOS,
        ),
    ] = None
    offset: Annotated[
        float,
        Option(
            "How many seconds later than the visible video the infrared one begins.",
            panel=_VIDEOS,
        ),
    ] = 0.0
    frames: Annotated[
        int | None,
        Option(
            "Stop after this number of frames. Without it, all frames are fused.",
            panel=_VIDEOS,
            minimum=1,
        ),
    ] = None
    live: Annotated[
        bool,
        Option(
            "Treat INFRARED and VISIBLE as cameras: their numbers, or the URLs of streams. Ctrl-C "
            "ends the video.",
            flags=("--live",),
            panel=_VIDEOS,
        ),
    ] = False
    show: Annotated[
        bool,
        Option("Show the video in a window while it is made.", flags=("--show",), panel=_VIDEOS),
    ] = False


@dataclass(frozen=True)
class ClusterOptions:
    """Where the work is done."""

    engine: Annotated[
        Literal["here", "ray"],
        Option(
            "Where the work is done. ray distributes two folders, which may be URLs such as "
            "s3://bucket/ir, over workers on this machine or on the Ray cluster that RAY_ADDRESS "
            "names.",
            panel=_CLUSTERS,
        ),
    ] = "here"
    workers: Annotated[
        int | None,
        Option(
            "The number of workers, each of which opens the model once. Without it, there is one "
            "for each GPU, or without GPUs one for every two cores.",
            panel=_CLUSTERS,
            minimum=1,
        ),
    ] = None


@dataclass(frozen=True)
class FuseRequest:
    """What is to be fused, how, and where to."""

    infrared: Annotated[  # text, because a path would lose part of a camera's URL
        str,
        Option(
            "The infrared image, video or folder; for medical pairs, the PET, SPECT or CT scan.",
            metavar="INFRARED",
            is_argument=True,
        ),
    ]
    visible: Annotated[
        str,
        Option(
            "The visible image, video or folder of the same scene; for medical pairs, the MRI "
            "scan. Leave it out for a radiometric file of a FLIR camera, which holds both images, "
            "and for a folder that holds the images of both cameras.",
            metavar="VISIBLE",
            is_argument=True,
        ),
    ] = ""
    output: Annotated[
        str,
        Option(
            "The file or folder that the fused images are written to.",
            flags=("--output", "-o"),
            metavar="OUT",
            is_required=True,
        ),
    ] = ""
    colour: Annotated[
        Literal["auto", "visible", "infrared", "none"],
        Option(
            "Whose colour the fused image takes. auto takes the visible image's colour, or else "
            "the infrared one's, if there is any."
        ),
    ] = "auto"
    contrast: Annotated[
        Literal["auto", "none", "stretch"],
        Option(
            "Whether the contrast is changed. auto spreads the luminance of an image until all but "
            "its darkest and brightest pixels fill the range, by a gain of at most 1.5, and clips "
            "none. It leaves videos, scans and pages as they are, images of a range that you gave, "
            "and those of which the infrared image covers a part. stretch spreads the darkest to "
            "black and the brightest to white; none never changes it."
        ),
    ] = "auto"
    infrared_range: Annotated[
        str,
        Option(
            "Which infrared values become black and white: auto, full, LOW:HIGH (values), "
            "percentile:LOW:HIGH, or folder (the percentiles 0.1 to 99.9 over the whole folder, so "
            "that its images compare) or folder:LOW:HIGH. auto is percentile:0.1:99.9 for 16-bit "
            "images that use less than half their range and for temperatures, and full for others.",
            metavar="RULE",
        ),
    ] = "auto"
    visible_range: Annotated[
        str,
        Option(
            "Which visible values become black and white: auto, full, LOW:HIGH (values), "
            "percentile:LOW:HIGH, '12 bits' (or 8, 10 or 14) or folder. auto is the fewest such "
            "bits that hold all values of a 16-bit image, and full for others; folder is the same "
            "for all images of the folder together.",
            metavar="RULE",
        ),
    ] = "auto"
    false_colour: Annotated[
        Literal["auto", "reversed", "off"],
        Option(
            "How an infrared image is read that its camera coloured by a known palette. auto turns "
            "the colours back into the values that they stand for; reversed does so with the other "
            "end of the palette as hot; off takes their brightness.",
            panel=_THERMAL,
        ),
    ] = "auto"
    protocol: Annotated[
        Literal["none", "paper"],
        Option(
            "The protocol that the output follows. paper writes what EMMA's authors score: grey "
            "8-bit images with the contrast stretched, as png."
        ),
    ] = "none"
    format: Annotated[
        Literal["png", "jpg", "bmp", "tif", "webp"] | None,
        Option(
            "The format of the fused image. Without it, the format is that of OUT, or else of the "
            "visible image."
        ),
    ] = None
    depth: Annotated[
        Literal["8", "16"] | None,
        Option(
            "The bit depth of the fused image. Without it, the depth is that of the visible image."
        ),
    ] = None
    align: Annotated[
        str,
        Option(
            "How the infrared image is aligned with the visible one: off, translation, rigid, "
            "similarity, affine, homography, auto (the simplest of these that fits), or a file "
            "that emma calibrate wrote.",
            metavar="HOW",
        ),
    ] = "off"
    palette: Annotated[
        Literal["none", "inferno", "magma", "plasma", "viridis", "turbo", "hot"] | None,
        Option(
            "The palette that colours the fused image by its infrared values; it replaces "
            "--colour. Without it, only functional scans (PET, SPECT) are coloured, by hot."
        ),
    ] = None
    overlay: Annotated[
        float | None,
        Option(
            "Also write what viewers show beside the fused image or scan: the infrared image or "
            "first scan in its palette (hot, if --palette names none; a coloured image keeps its "
            "colours) laid over the grey second one with this opacity, 0 to 1, as OUT with "
            "_overlay. Without it, no overlay is written.",
            metavar="OPACITY",
        ),
    ] = None
    mending: Annotated[
        Literal["none", "dead-pixels", "stripes", "both"],
        Option(
            "What is corrected in the infrared image: dead pixels, which differ from all of their "
            "neighbours; stripes, which are offsets of rows and columns; or both.",
            flags=("--mend",),
            panel=_THERMAL,
        ),
    ] = "none"
    unit: Annotated[
        str,
        Option(
            "The unit of the infrared values, such as K, degC or counts, which is written into the "
            "record. Without it, the record names none.",
            panel=_THERMAL,
        ),
    ] = ""
    strip_metadata: Annotated[
        bool,
        Option(
            "Do not copy the EXIF data of the visible image, such as its GPS position, its colour "
            "profile and its resolution into the fused image.",
            flags=("--strip-metadata",),
        ),
    ] = False
    overwrite: Overwrite = False
    pairing: PairingOptions = field(default_factory=PairingOptions)
    network: NetworkOptions = field(default_factory=NetworkOptions)
    scan: ScanOptions = ScanOptions()
    video: VideoOptions = VideoOptions()
    cluster: ClusterOptions = ClusterOptions()
