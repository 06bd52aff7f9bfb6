"""emma distill INFRARED VISIBLE -o RUN: a fast fuser learns to fuse as a trained model does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from emma_fusion.cli.options import MatchOption
from emma_fusion.cli.runs import (
    Device,
    Infrared,
    Output,
    Precision,
    Resume,
    Seed,
    Settings,
    SkipBad,
    Visible,
    check_same,
    checked,
    given,
    saved_settings,
    set_of_pairs,
    single_settings,
)


def distill(
    infrared: Infrared = None,
    visible: Visible = None,
    output: Output = None,
    config: Annotated[
        Path | None, typer.Option(help="A YAML file of settings, which replace the defaults.")
    ] = None,
    teacher_model: Annotated[
        str | None,
        typer.Option(
            help="The model to learn from: the name of a shipped one, a .safetensors file, or the "
            "folder of a run.",
            show_default="base",
        ),
    ] = None,
    set_: Settings = None,
    device: Device = None,
    precision: Precision = None,
    threads: Annotated[int | None, typer.Option(help="The number of CPU threads.")] = None,
    seed: Seed = None,
    match: MatchOption = None,
    skip_bad: SkipBad = False,
    resume: Resume = False,
) -> None:
    """Distill a model into a small network that fuses in real time.

    The teacher fuses every pair once, and the small network learns to give the same images. The
    output folder receives fuser.safetensors, config.yaml, logs and previews. Use it as a model:

    emma fuse INFRARED VISIBLE -o FUSED --model RUN
    """
    from emma_fusion.errors import UserError

    output = checked(infrared, visible, output, match)
    try:
        from emma_fusion.training import distill as room
    except ImportError as error:
        raise UserError(
            f"Distilling needs {error.name}: pip install 'emma-fusion[train]'."
        ) from error
    overrides: dict[str, Any] = given(
        {
            "teacher": teacher_model,
            "run.device": device,
            "run.precision": precision,
            "run.threads": threads,
            "run.seed": seed,
            "run.skip_bad": skip_bad or None,
        }
    )
    if infrared is not None and visible is not None:
        overrides["pairs"] = [set_of_pairs(infrared, visible, match)]
    overrides |= single_settings(set_ or [])
    if resume:
        settings = room.load_config(saved_settings(output))
        if config or overrides:
            check_same(room.load_config(config, overrides), settings, output)
    else:
        settings = room.load_config(config, overrides)
    weights = room.distill(settings, output, resume=resume)
    typer.echo(f"The weights are {weights}. Try them:", err=True)
    typer.echo(f"  emma fuse INFRARED VISIBLE -o FUSED --model {weights.parent}", err=True)
