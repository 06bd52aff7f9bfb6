"""emma train INFRARED VISIBLE -o RUN: learn to fuse, from folders of registered pairs."""

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


def train(
    infrared: Infrared = None,
    visible: Visible = None,
    output: Output = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="The settings to begin with: paper are those of the paper, cpu takes about two "
            "hours on two cores, tune adapts weights that exist (see --init).",
            show_default="cpu",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="A YAML file of settings, which replace those of the preset."),
    ] = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(
            help="A folder of fused images that the sensing networks learn from. The option may be "
            "given several times."
        ),
    ] = None,
    set_: Settings = None,
    init: Annotated[
        str | None,
        typer.Option(
            help="The weights that the training starts from: the name of a shipped model, or the "
            "folder of an earlier run."
        ),
    ] = None,
    device: Device = None,
    precision: Precision = None,
    threads: Annotated[
        int | None, typer.Option(help="The number of CPU threads of each process.")
    ] = None,
    devices: Annotated[
        int | None, typer.Option(help="The number of processes, or of GPUs, on each machine.")
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(help="The number of machines that train together.")
    ] = None,
    seed: Seed = None,
    match: MatchOption = None,
    skip_bad: SkipBad = False,
    resume: Resume = False,
) -> None:
    """Train the sensing networks A_i and A_v, and then the U-Fuser with EMMA's loss.

    The output folder receives fuser.safetensors, sensing_infrared.safetensors,
    sensing_visible.safetensors, config.yaml, logs and previews. Use it as a model:

    emma fuse INFRARED VISIBLE -o FUSED --model RUN
    """
    from emma_fusion.errors import UserError

    output = checked(infrared, visible, output, match)
    if teacher and infrared is None:
        raise UserError(
            "--teacher is for two folders on the command line; a --config names its own teachers."
        )
    try:
        from emma_fusion.training import run
        from emma_fusion.training.config import load_config
    except ImportError as error:
        raise UserError(
            f"Training needs {error.name}: pip install 'emma-fusion[train]'."
        ) from error
    overrides: dict[str, Any] = given(
        {
            "init": init,
            "run.device": device,
            "run.precision": precision,
            "run.threads": threads,
            "run.devices": devices,
            "run.nodes": nodes,
            "run.seed": seed,
            "run.skip_bad": skip_bad or None,
        }
    )
    if infrared is not None and visible is not None:
        pairs = set_of_pairs(infrared, visible, match) | {"teachers": teacher or []}
        if preset != "paper":
            pairs["additive"] = {}
        overrides["pairs"] = [pairs]
    overrides |= single_settings(set_ or [])
    if resume:
        settings = load_config(file=saved_settings(output))
        if preset or config or overrides:
            check_same(load_config(preset or "cpu", config, overrides), settings, output)
    else:
        settings = load_config(preset or "cpu", config, overrides)
    weights = run.train(settings, output, resume=resume)
    typer.echo(f"The weights are in {weights.parent}. Try them:", err=True)
    typer.echo(f"  emma fuse INFRARED VISIBLE -o FUSED --model {weights.parent}", err=True)
