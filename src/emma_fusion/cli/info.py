"""emma info INFRARED VISIBLE: what a pair is, and what fusing it would give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def info(
    infrared: Annotated[Path, typer.Argument(help="Infrared picture (medical: PET, SPECT or CT).")],
    visible: Annotated[Path, typer.Argument(help="Visible picture (medical: MRI).")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say what two pictures are, whether they fit, and what the fused one would be.

    Exit code 2 where a file is unreadable or the sizes differ.
    """
    from emma_fusion.media.rasters import read_pair

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
    kind = "grey" if colour == "none" else f"colour of the {colour} picture"
    print(f"fused     {pair.dtype}, {kind}{', alpha kept' if pair.alpha is not None else ''}")
