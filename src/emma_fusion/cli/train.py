"""emma train INFRARED VISIBLE -o RUN: learn to fuse, from folders of registered pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

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
            help="paper: the paper's settings; cpu: two cores, two hours; tune.",
            show_default="cpu",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings, over the preset's.")
    ] = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of fused images to learn sensing from; may be repeated."),
    ] = None,
    set_: Settings = None,
    init: Annotated[
        str | None, typer.Option(help="Weights to go on from: base, or the folder of a run.")
    ] = None,
    device: Device = None,
    precision: Precision = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of each process.")] = None,
    devices: Annotated[int | None, typer.Option(help="Processes on each machine.")] = None,
    nodes: Annotated[int | None, typer.Option(help="Machines.")] = None,
    seed: Seed = None,
    skip_bad: SkipBad = False,
    resume: Resume = False,
) -> None:
    """Train the sensing networks A_i and A_v, then the U-Fuser, by EMMA's loss.

    Writes fuser.safetensors, sensing_infrared.safetensors, sensing_visible.safetensors,
    config.yaml, logs and previews into the run's folder. Afterwards:

    emma fuse INFRARED VISIBLE -o FUSED --model RUN
    """
    from emma_fusion.errors import UserError

    output = checked(infrared, visible, output)
    if teacher and infrared is None:
        raise UserError("--teacher belongs to two folders; a --config names its teachers itself.")
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
        pairs = set_of_pairs(infrared, visible) | {"teachers": teacher or []}
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
