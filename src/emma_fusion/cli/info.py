"""emma info INFRARED VISIBLE: what a pair is, and what fusing it would give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def info(
    infrared: Annotated[
        Path, typer.Argument(help="The infrared image or video, or the PET, SPECT or CT scan.")
    ],
    visible: Annotated[Path, typer.Argument(help="The visible image or video, or the MRI scan.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Describe two images, videos or scans, whether they fit, and what the fused one would be.

    The exit code is 2 if a file is unreadable, the sizes of the images differ, or the scans do not
    overlap.
    """
    from emma_fusion.images.raster import read_pair
    from emma_fusion.scans.open import is_volume
    from emma_fusion.video.frames import is_video

    if is_video(infrared) or is_video(visible):
        _videos(infrared, visible, as_json)
        return
    if is_volume(infrared) or is_volume(visible):
        _scans(infrared, visible, as_json)
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


def _scans(functional: Path, anatomical: Path, as_json: bool) -> None:
    """Say what two scans are."""
    from emma_fusion.errors import UserError
    from emma_fusion.jobs.scan import need_extra
    from emma_fusion.scans.describe import describe, describe_in_words
    from emma_fusion.scans.grid import coverage
    from emma_fusion.scans.open import read_volume

    need_extra()
    moving, fixed = read_volume(functional), read_volume(anatomical)
    share = coverage(moving, fixed)
    first, second = describe(moving, functional), describe(fixed, anatomical)
    palette = first["palette"]
    if as_json:
        facts = {
            "infrared": first,
            "visible": second,
            "covered": round(share, 2),
            "fused": {"shape": second["shape"], "palette": palette},
        }
        print(json.dumps(facts, indent=2))
    else:
        for side, found in (("infrared", first), ("visible", second)):
            print(f"{side:9} {describe_in_words(found)}")
            for note in found["notes"]:
                print(f"          Note: {note}")
        shape = "x".join(map(str, second["shape"]))
        colour = f"coloured by the palette {palette}" if palette else "grey"
        print(f"fused     {shape} voxels, {colour}; {share:.0%} of it lies within the first scan")
    if share == 0:
        raise UserError(
            f"{functional} and {anatomical} do not overlap: their headers put them at different "
            "places. --register rigid starts from their centres."
        )
