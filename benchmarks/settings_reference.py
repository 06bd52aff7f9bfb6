"""Write docs/all-settings.md: every setting of a training and of a distillation.

    python benchmarks/settings_reference.py

tests/benchmarks/test_settings_reference.py fails when the page is not what this writes. Only the
parts of the page between its markers are replaced; see marked.py.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from emma_fusion.training.config import TrainingConfig
from emma_fusion.training.distill import DistillationConfig
from emma_fusion.training.settings import Setting, settings
from marked import put

PAGE = Path(__file__).resolve().parents[1] / "docs" / "all-settings.md"
PARTS: dict[str, type[BaseModel]] = {"training": TrainingConfig, "distillation": DistillationConfig}
KINDS = {int: "whole number", float: "number", bool: "true or false", str: "text", Path: "path"}
LIMITS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "multiple_of": "a multiple of"}


def reference(kind: type[BaseModel]) -> str:
    """The tables of all settings of a model, one for each of its parts."""
    tables = []
    for part, several in groupby(settings(kind), lambda each: each.name.partition(".")[0]):
        rows = [row(setting) for setting in several]
        head = ["| setting | value | default | what it is |", "|---|---|---|---|"]
        tables.append("\n".join([f"### `{part}`", "", *head, *rows]))
    return "\n\n".join(tables)


def row(setting: Setting) -> str:
    """A setting's name, what it may be, its default and what it is."""
    facts = [f"`{setting.name}`", allowed(setting.field), default(setting.default)]
    said = (setting.field.description or "").replace("|", "\\|")
    return "| " + " | ".join([*facts, said]) + " |"


def allowed(field: FieldInfo) -> str:
    """What a setting may be, in words: some choices, or a kind of value and its limits."""
    kinds = plain(field.annotation)
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    if choices:
        words = ", ".join(f"`{choice}`" for choice in choices)
    else:
        words = " or ".join(KINDS[kind] for kind in kinds)
    several = "list" in str(field.annotation)
    limits = [
        f"{sign} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, sign in LIMITS.items()
        if getattr(limit, name, None) is not None
    ]
    return ", ".join([words + (", several" if several else ""), *limits])


def plain(annotation: Any) -> list[Any]:
    """The kinds that an annotation such as ``list[Annotated[float, ...]] | None`` is made of."""
    if annotation in KINDS or get_origin(annotation) is Literal:
        return [annotation]
    return [kind for inner in get_args(annotation) for kind in plain(inner)]


def default(value: Any) -> str:
    """A default as YAML has it; nothing where there is none."""
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ("", []):
        return ""
    if isinstance(value, list):
        return "`[" + ", ".join(str(each) for each in value) + "]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    for part, of in PARTS.items():
        put(PAGE, part, reference(of))
