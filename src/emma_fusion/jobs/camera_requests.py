"""What `emma align`, `check`, `calibrate` and `thermal` are asked for; see `jobs.request`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from emma_fusion.jobs.options import Option, Overwrite, PairingOptions

Infrared = Annotated[Path, Option("The infrared image or folder.", is_argument=True)]
Visible = Annotated[
    Path, Option("The visible image or folder of the same scene.", is_argument=True)
]


@dataclass(frozen=True)
class AlignRequest:
    """What is to be aligned, how, and where to."""

    infrared: Infrared
    visible: Visible
    output: Annotated[
        Path,
        Option(
            "The file that the aligned image is written to, or a folder if folders are aligned.",
            flags=("--output", "-o"),
            metavar="OUT",
        ),
    ]
    align: Annotated[
        str,
        Option(
            "How the images are aligned: translation, rigid, similarity, affine, homography, auto "
            "(the simplest of these that fits), or a file that emma calibrate wrote.",
            metavar="HOW",
        ),
    ] = "auto"
    overwrite: Overwrite = False
    pairing: PairingOptions = field(default_factory=PairingOptions)


@dataclass(frozen=True)
class CheckRequest:
    """Which pairs are to be checked."""

    infrared: Infrared
    visible: Visible
    as_json: Annotated[bool, Option("Print JSON instead of a table.", flags=("--json",))] = False
    pairing: PairingOptions = field(default_factory=PairingOptions)


@dataclass(frozen=True)
class CalibrateRequest:
    """Which pairs a calibration is to be found from, and where to."""

    infrared: Annotated[Path, Option("The folder of infrared images.", is_argument=True)]
    visible: Annotated[
        Path, Option("The folder of visible images of the same scenes.", is_argument=True)
    ]
    output: Annotated[
        Path,
        Option(
            "The file that the calibration is written to.",
            flags=("--output", "-o"),
            metavar="FILE.json",
        ),
    ]
    model: Annotated[
        Literal["translation", "rigid", "similarity", "affine", "homography"],
        Option("The most general transform that is considered without --board."),
    ] = "affine"
    board: Annotated[
        str | None,
        Option(
            "The number of inner corners along the two sides of the checkerboard that the images "
            "show, such as 11x8. The distortion of the lenses is then corrected too.",
            metavar="11x8",
        ),
    ] = None
    square: Annotated[
        float,
        Option(
            "The side of a square of the board, in the unit that you want distances in, such as "
            "0.03 for metres. By default distances are counted in squares."
        ),
    ] = 1.0
    distance: Annotated[
        float | None,
        Option(
            "The distance for which the transform is exact, in the unit of --square. By default it "
            "is the median distance of the boards."
        ),
    ] = None
    overwrite: Overwrite = False
    pairing: PairingOptions = field(default_factory=PairingOptions)


@dataclass(frozen=True)
class ThermalRequest:
    """Which radiometric files are to be written as temperatures, and where to."""

    input: Annotated[
        Path,
        Option(
            "The radiometric JPEG of a FLIR camera, or a folder of them.",
            metavar="FILE",
            is_argument=True,
        ),
    ]
    output: Annotated[
        Path,
        Option(
            "The .tif file that the temperatures are written to, or a folder if FILE is one.",
            flags=("--output", "-o"),
            metavar="OUT",
        ),
    ]
    unit: Annotated[
        Literal["degC", "K"], Option("The unit: degrees Celsius (degC) or kelvin (K).")
    ] = "degC"
    recursive: Annotated[
        bool, Option("Also take the files in subfolders.", flags=("--recursive",))
    ] = False
    overwrite: Overwrite = False
