"""emma models [NAME]: the weights that ship, and their cards."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def models(
    name: Annotated[
        str | None,
        typer.Argument(help="The model whose card is shown. Without it, all models are listed."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """List the models that ship, or show the card of one."""
    from emma_fusion import models as room
    from emma_fusion.errors import UserError

    names = room.shipped()
    if name is not None and name not in names:
        raise UserError(f"There is no model {name!r}: those that ship are {', '.join(names)}.")
    listed, lines = [], []
    for model in names if name is None else [name]:
        weights = room.find(model)
        card = weights.with_name("README.md").read_text(encoding="utf-8")
        size = weights.stat().st_size
        listed.append({"name": model, "bytes": size, "card": card})
        lines.append(f"{model}  {size / 1e6:.1f} MB  its card: emma models {model}")
    if as_json:
        print(json.dumps(listed, indent=2))
    elif name is not None:
        print(listed[0]["card"])
    else:
        print("\n".join(lines))
