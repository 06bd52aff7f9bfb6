"""emma info INFRARED VISIBLE: what a pair is, and what fusing it would give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def info(
    infrared: Annotated[
        Path, typer.Argument(help="Infrared image or video (medical: PET, SPECT or CT).")
    ],
    visible: Annotated[Path, typer.Argument(help="Visible image or video (medical: MRI).")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say what two images or videos are, whether they fit, and what the fused one would be.

    Exit code 2 where a file is unreadable or the sizes differ.
    """
    from emma_fusion.images.raster import read_pair
    from emma_fusion.video.frames import is_video

    if is_video(infrared) or is_video(visible):
        _videos(infrared, visible, as_json)
        return
    pair = read_pair(infrared, visible)
    height, width = pair.visible.shape
    facts = {
        "width": width,
        "height": height,
        "infrared": pair.record["infrared"],
        "visible": pair.record["visible"],
        "fused": {
            "dtype": str(pair.dtype),
            "colour": pair.record["colour"],
            "alpha": pair.alpha is not None,
        },
    }
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    print(f"size      {width}x{height} pixels, both")
    for side in ("infrared", "visible"):
        found = pair.record[side]
        low, high = found["range"]
        print(
            f"{side:9} {found['name']}: {found['dtype']}, "
            f"{low:g} becomes black and {high:g} white ({found['rule']})"
        )
    colour = pair.record["colour"]
    kind = "grey" if colour == "none" else f"colour of the {colour} image"
    print(f"fused     {pair.dtype}, {kind}{', alpha kept' if pair.alpha is not None else ''}")


def _videos(infrared: Path, visible: Path, as_json: bool) -> None:
    """Say what two videos are."""
    from emma_fusion.errors import UserError
    from emma_fusion.video.reading import VideoFile

    videos = {"infrared": VideoFile(infrared, deep=True), "visible": VideoFile(visible)}
    facts: dict[str, dict[str, object]] = {}
    for side, video in videos.items():
        height, width = video.first.shape[:2]
        facts[side] = {
            "name": video.name,
            "width": width,
            "height": height,
            "dtype": str(video.first.dtype),
            "rate": round(float(video.rate), 3),
            "frames": video.count,
            "seconds": video.count and round(float(video.count / video.rate), 2),
        }
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        for side, found in facts.items():
            print(
                f"{side:9} {found['name']}: {found['width']}x{found['height']} pixels, "
                f"{found['dtype']}, {found['rate']} frames a second, {found['frames']} frames, "
                f"{found['seconds']} s"
            )
    first, second = (video.first.shape[:2] for video in videos.values())
    if first != second:
        raise UserError("The two videos must be of one size and show the same scene: align them.")
