"""What a verb says where something that it needs was not given."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import typer
from typer.core import TyperCommand

from emma_fusion.errors import UserError

# Typer shows this class under no name of its own; depending on its version, it is Click's or one
# that it keeps itself.
_MissingParameter: type[Exception] = sys.modules[typer.BadParameter.__module__].MissingParameter


class Verb(TyperCommand):
    """A command that says in a sentence which arguments and options are missing."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line.

        Raises:
            UserError: Something that the verb needs was not given.
        """
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except _MissingParameter:
            raise UserError(_describe(ctx, given)) from None


def _describe(ctx: Any, given: list[str]) -> str:
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
