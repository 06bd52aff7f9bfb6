"""The command line: `emma VERB ...`, one file a verb.

A verb's file defines the function of its name and imports what it needs inside it, so that
`emma --help` does not wait for PyTorch. Exit codes: 0 done, 1 some of it failed, 2 bad input.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

import emma_fusion
from emma_fusion.cli.examples import epilog
from emma_fusion.cli.process import set_up_process
from emma_fusion.cli.usage import Verb, Verbs
from emma_fusion.errors import UserError

VERBS = [
    "demo",
    "fuse",
    "align",
    "calibrate",
    "check",
    "thermal",
    "sense",
    "info",
    "models",
    "serve",
    "evaluate",
    "bench",
    "equivariance",
    "train",
    "distill",
    "ablate",
    "downstream",
    "export",
    "import-checkpoint",
]

EPILOG = "\n\n".join(
    [
        "Examples:",
        "emma demo",
        "emma info ir.png vis.jpg",
        "emma fuse ir.png vis.jpg -o fused.png",
        "emma fuse INFRARED VISIBLE -o FUSED",
        "emma fuse thermal.mp4 visible.mp4 -o fused.mp4",
        "emma evaluate FUSED INFRARED VISIBLE",
        "emma VERB --help has examples of each verb.",
        "Exit codes: 0 done, 1 some of it failed, 2 bad input, 130 interrupted.",
    ]
)

app = typer.Typer(
    epilog=EPILOG,
    name="emma",
    cls=Verbs,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"emma-fusion {emma_fusion.__version__}")
        raise typer.Exit


@app.callback()
def emma(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version."),
    ] = False,
) -> None:
    """Fuse registered images of two modalities, such as infrared and visible, into one."""


for _verb in VERBS:
    _function = _verb.replace("-", "_")
    _found = getattr(import_module(f"{__name__}.{_function}"), _function)
    if isinstance(_found, typer.Typer):  # a verb of several commands
        for _command in _found.registered_commands:
            _command.cls = Verb
        _found.info.cls = Verbs
        app.add_typer(_found, name=_verb, epilog=epilog(_verb))
    else:
        app.command(_verb, cls=Verb, epilog=epilog(_verb))(_found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake becomes one sentence on stderr and exit code 2."""
    if arguments is None:  # the process is the command line's own
        set_up_process()
    try:
        app(args=arguments)
    except (UserError, OSError) as error:  # such as a file that may not be read, or a full disk
        print(f"emma: {error}", file=sys.stderr)
        raise SystemExit(2) from None
