"""Settings of any kind: read from YAML files and the command line, put together, and validated."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from emma_fusion.errors import UserError


class Section(BaseModel):
    """A part of the settings; unknown names are errors, not ignored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


Model = TypeVar("Model", bound=BaseModel)


class Setting(NamedTuple):
    """One setting of a model, with the name that YAML and ``--set`` give it."""

    name: str
    field: FieldInfo
    default: Any


def settings(kind: type[BaseModel], values: BaseModel | None = None) -> Iterator[Setting]:
    """Every setting of a model and of its parts, in their order.

    Args:
        kind: The model.
        values: Where the defaults are read from; those of the kind if not given.

    Yields:
        The settings; one in a list of parts has a name without a number, such as ``pairs.scene``.
    """
    for name, field in kind.model_fields.items():
        default = getattr(values, name, field.get_default(call_default_factory=True))
        if part := _part(field.annotation):
            inner = default if isinstance(default, part) else None
            for each in settings(part, inner):
                yield each._replace(name=f"{name}.{each.name}")
        else:
            yield Setting(name, field, default)


def _part(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation such as ``list[Pairs]`` or ``Additive | None`` is of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((part for each in get_args(annotation) if (part := _part(each))), None)


def gathered(files: list[Path], overrides: dict[str, Any]) -> dict[str, Any]:
    """The settings of YAML files, a later one over those before, with single ones over all.

    Args:
        files: The files.
        overrides: Dotted names to values.

    Raises:
        UserError: A file cannot be used, or a dotted name goes into something without parts.
    """
    values: dict[str, Any] = {}
    for file in files:
        _merge(values, read_settings(file))
    for name, value in overrides.items():
        *parents, last = name.split(".")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise UserError(f"{name} is not a setting: {parent} has no parts.")
        place[last] = value
    return values


def validated(kind: type[Model], values: dict[str, Any], what: str) -> Model:
    """Values as a model of settings.

    Args:
        kind: The model.
        values: Nested names to values.
        what: What the error message calls it.

    Raises:
        UserError: A value is not valid or a name is not known; each is named.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        names = [each.name for each in settings(kind)]
        lines = [f"  {_wrong(e['loc'], e['type'], e['msg'], names)}" for e in error.errors()]
        raise UserError(f"The {what} is not valid:\n" + "\n".join(lines)) from None


def read_settings(file: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        UserError: The file cannot be read, or holds something else.
    """
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The configuration {file} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise UserError(f"The configuration {file} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"The configuration {file} must be a YAML mapping of settings.")
    return values


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _wrong(place: tuple[int | str, ...], kind: str, message: str, names: list[str]) -> str:
    """What is wrong with one setting; for a name that is none, the one that may be meant."""
    name = ".".join(str(part) for part in place)
    if kind != "extra_forbidden":
        return f"{name or 'settings'}: {message}"
    plain = ".".join(str(part) for part in place if isinstance(part, str))
    near = get_close_matches(plain, names, n=1, cutoff=0.75)
    return f"{name} is not a setting" + (f"; do you mean {near[0]}?" if near else ".")
