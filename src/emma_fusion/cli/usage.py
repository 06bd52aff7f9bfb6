"""What the program says where a command line is not right: one sentence for each mistake."""

from __future__ import annotations

import shlex
import sys
from difflib import get_close_matches
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from emma_fusion.errors import UserError

# Typer shows these classes under no name of its own; depending on its version, they are Click's or
# some that it keeps itself.
_ERRORS = sys.modules[typer.BadParameter.__module__]
_UsageError: type[Exception] = _ERRORS.UsageError


class _Sentences:
    """What the two classes below say in a sentence."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line.

        Raises:
            UserError: Something is missing, unknown or not right.
        """
        given = list(args)
        try:
            parsed: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        except _UsageError as error:
            raise UserError(_describe(error, ctx, given)) from None
        return parsed


class Verb(_Sentences, TyperCommand):
    """A command that says in a sentence what is missing, unknown or not right."""


class Verbs(_Sentences, TyperGroup):
    """A group of commands that says in a sentence which command or option there is not."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that is asked for.

        Raises:
            UserError: There is no such command.
        """
        try:
            return super().resolve_command(ctx, args)
        except _UsageError:
            near = get_close_matches(args[0], self.list_commands(ctx), 1)
            hint = f"did you mean {_name(ctx)} {near[0]}? " if near else ""
            raise UserError(
                f"There is no command {_name(ctx)} {args[0]}: {hint}{_name(ctx)} --help lists all."
            ) from None


def _describe(error: Any, ctx: Any, given: list[str]) -> str:
    """What is not right, in a sentence."""
    verb = _name(ctx)
    if isinstance(error, _ERRORS.MissingParameter):
        return _missing(ctx, given)
    if isinstance(error, _ERRORS.NoSuchOption):
        hint = f"did you mean {error.possibilities[0]}? " if error.possibilities else ""
        return f"{verb} has no option {error.option_name}: {hint}{verb} --help lists all."
    if isinstance(error, _ERRORS.BadParameter) and error.param is not None:
        name = max(error.param.opts, key=len)
        if error.param.param_type_name == "argument":
            name = error.param.metavar or error.param.name.upper()
        # Typer reads some values by Pydantic, whose messages begin in these ways.
        said = error.message.removeprefix("Value error, ")
        said = said.replace("Input should be", "it must be").rstrip(".")
        return f"{verb} cannot use the value of {name}: {said}. See {verb} --help."
    if "unexpected extra argument" in error.message:
        surplus = error.message.rsplit("(", 1)[-1].rstrip(")")
        return f"{verb} has no use for {surplus}: see {verb} --help."
    return f"{verb}: {error.message.rstrip('.')}. See {verb} --help."


def _missing(ctx: Any, given: list[str]) -> str:
    """Which parameters are missing, and the command with them in their places."""
    needed: list[str] = []
    shown: list[str] = []
    # What was given was taken in first, so that all that is not there yet is missing.
    for parameter in ctx.command.params:
        if parameter.name in ctx.params:
            continue
        name = parameter.metavar or parameter.name.upper()
        if parameter.param_type_name != "argument":
            name = f"{min(parameter.opts, key=len)} {name}"
        if parameter.required:
            needed.append(name)
        if parameter.required or parameter.param_type_name == "argument":
            shown.append(name)
    *most, last = needed
    what = f"{', '.join(most)} and {last}" if most else last
    verb = _name(ctx)
    command = " ".join([shlex.join([*verb.split(), *given]), *shown])
    return f"{verb} needs {what}: write {command}, or see {verb} --help."


def _name(ctx: Any) -> str:
    """What the command is called, however the program was started."""
    return "emma" if ctx.parent is None else f"{_name(ctx.parent)} {ctx.info_name}"
