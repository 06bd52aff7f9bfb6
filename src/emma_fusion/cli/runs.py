"""What the verbs that train have in common: their folders, settings and resumed runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emma_fusion.cli.options import pair_aloud
from emma_fusion.errors import UserError

if TYPE_CHECKING:
    from pydantic import BaseModel

Infrared = Annotated[
    Path | None, typer.Argument(help="The folder of infrared images.", show_default=False)
]
Visible = Annotated[
    Path | None,
    typer.Argument(
        help="The folder of visible images, which have the same names as the infrared ones."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        help="The folder that the weights, the settings and the logs are written to.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change one setting, such as run.seed=1. The option may be given several times.",
    ),
]
Device = Annotated[str | None, typer.Option(help="The device to train on: auto, cpu, cuda or mps.")]
Precision = Annotated[
    str | None,
    typer.Option(help="The precision to train in: fp32, or bf16 where the hardware has it."),
]
Seed = Annotated[int | None, typer.Option(help="The seed of everything random in the training.")]
SkipBad = Annotated[
    bool,
    typer.Option(
        "--skip-bad",
        help="Train without the pairs that cannot be read or whose sizes differ. Without this "
        "option, all of them are listed and the training does not begin.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Continue the run in the output folder from its last checkpoint."
    ),
]


def checked(
    infrared: Path | None, visible: Path | None, output: Path | None, match: str | None
) -> Path:
    """The folder of the run.

    Raises:
        UserError: There is none, one folder of images came without the other, or a pattern of
            their names without both.
    """
    if output is None:
        raise UserError("Name a folder for the results with -o, for example -o runs/mine.")
    if (infrared is None) != (visible is None):
        raise UserError(
            "Give two folders, INFRARED and VISIBLE, or no folder and a --config that names the "
            "pairs."
        )
    if match is not None and infrared is None:
        raise UserError(
            "--match is for two folders on the command line; in a --config, each set of pairs has "
            "its own `match`."
        )
    return output


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def set_of_pairs(infrared: Path, visible: Path, match: str | None) -> dict[str, Any]:
    """Two folders of the command line as a set of pairs in a configuration.

    How their images were paired is said as in `pair_aloud`.
    """
    found = pair_aloud(infrared, visible, match)
    # A few pairs to look at while the others train; of a handful none can be spared.
    pairs = len(found.pairs)
    validation = min(4, pairs // 10) / pairs
    settings = {"infrared": infrared, "visible": visible, "validation": validation}
    return settings | ({"match": match} if match is not None else {})


def single_settings(texts: list[str]) -> dict[str, Any]:
    """``["a.b=1"]`` → ``{"a.b": 1}``, values read as YAML."""
    import yaml

    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(
                f"--set {text} is not of the form NAME=VALUE. An example: --set fusion.alpha=0.3."
            )
        try:
            settings[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UserError(f"The value of --set {text} is not valid YAML.") from error
    return settings


def saved_settings(output: Path) -> Path:
    """The configuration that a run was begun with.

    Raises:
        UserError: The folder has none.
    """
    from emma_fusion.training.loop import CONFIG

    if not (output / CONFIG).is_file():
        raise UserError(f"There is no run to resume in {output}: it has no {CONFIG}.")
    return output / CONFIG


def check_same(asked: BaseModel, settings: BaseModel, output: Path) -> None:
    """Check that the settings given beside --resume are those of the run.

    Raises:
        UserError: They are not.
    """
    if asked != settings:
        raise UserError(
            f"The settings given are not those that the run in {output} began with, and it "
            f"goes on with those: give --resume and -o {output} alone."
        )
