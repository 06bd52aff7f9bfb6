"""The options of a verb, made of the dataclass that it fills in."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_type_hints

import typer

from emma_fusion.jobs.options import MATCH_HELP, Option

if TYPE_CHECKING:
    from emma_fusion.images.folders import Pairing

# For the verbs whose options are not made of a dataclass.
MatchOption = Annotated[str | None, typer.Option("--match", help=MATCH_HELP, metavar="PATTERN")]
T = TypeVar("T")


def pair_aloud(infrared: Path, visible: Path, pattern: str | None) -> Pairing[Path]:
    """Pair the images of two folders; what is to be said about that goes to stderr.

    Images without a partner are left to the caller.

    Raises:
        UserError: See `images.folders.pair_folders`.
    """
    from emma_fusion.images.folders import pair_folders

    found = pair_folders(infrared, visible, pattern=pattern)
    for note in found.notes:
        typer.echo(note, err=True)
    return found


def takes(kind: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Make a verb of a function of one request: its options are the request's fields.

    Args:
        kind: A dataclass whose fields are annotated with `Option`, or are such dataclasses.
    """

    def decorate(verb: Callable[[T], None]) -> Callable[..., None]:
        def command(**options: Any) -> None:
            verb(_build(kind, options))

        command.__doc__ = verb.__doc__
        command.__name__ = verb.__name__
        command.__module__ = verb.__module__
        parameters = list(_parameters(kind))
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return decorate


def _parameters(kind: type) -> Iterator[inspect.Parameter]:
    """The fields of a dataclass, and of those in it, as parameters that Typer reads."""
    hints = get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            yield from _parameters(hint)  # type: ignore[arg-type]
            continue
        value, option = get_args(hint)
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(field, option),
            annotation=Annotated[value, _for_typer(field.name, option)],
        )


def _for_typer(name: str, option: Option) -> Any:
    """What Typer is told of a field."""
    if option.is_argument:
        return typer.Argument(help=option.help, metavar=option.metavar)
    return typer.Option(
        *(option.flags or (f"--{name.replace('_', '-')}",)),
        help=option.help,
        metavar=option.metavar,
        rich_help_panel=option.panel,
        min=option.minimum,
    )


def _default(field: dataclasses.Field[Any], option: Option) -> Any:
    """A field's default, in the terms of a signature."""
    missing = field.default is dataclasses.MISSING or option.is_required
    return inspect.Parameter.empty if missing else field.default


def _build(kind: type[T], options: dict[str, Any]) -> T:
    """The dataclass that holds these options, where each belongs."""
    hints = get_type_hints(kind)
    values = {
        field.name: _build(hints[field.name], options)
        if dataclasses.is_dataclass(hints[field.name])
        else options[field.name]
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]
    }
    return kind(**values)
