"""emma train INFRARED VISIBLE -o RUN: learn to fuse, from folders of registered pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def train(
    infrared: Annotated[
        Path | None, typer.Argument(help="Folder of infrared pictures.", show_default=False)
    ] = None,
    visible: Annotated[
        Path | None, typer.Argument(help="Folder of visible pictures, same stems.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the run.")
    ] = None,
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
        typer.Option(help="Folder of fused pictures to learn sensing from; may be repeated."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="One setting, such as fusion.alpha=0.3; may be repeated."),
    ] = None,
    init: Annotated[
        str | None, typer.Option(help="Weights to go on from: base, or the folder of a run.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="fp32, or bf16 where the hardware has it.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of each process.")] = None,
    devices: Annotated[int | None, typer.Option(help="Processes on each machine.")] = None,
    nodes: Annotated[int | None, typer.Option(help="Machines.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in the run's folder.")
    ] = False,
) -> None:
    """Train the sensing networks A_i and A_v, then the U-Fuser, by EMMA's loss.

    Writes fuser.safetensors, sensing_infrared.safetensors, sensing_visible.safetensors,
    config.yaml, logs and previews into the run's folder. Afterwards:

    emma fuse INFRARED VISIBLE -o FUSED --model RUN
    """
    from emma_fusion.errors import UserError

    if output is None:
        raise UserError("Say where the run is to be kept: -o RUN.")
    if (infrared is None) != (visible is None):
        raise UserError(
            "Give two folders, INFRARED and VISIBLE, or none and a --config with pairs."
        )
    if teacher and infrared is None:
        raise UserError("--teacher belongs to two folders; a --config names its teachers itself.")
    try:
        from emma_fusion.training import loop, run
        from emma_fusion.training.config import load_config
    except ImportError as error:
        raise UserError(
            f"Training needs {error.name}: pip install 'emma-fusion[train]'."
        ) from error
    overrides: dict[str, Any] = {
        name: value
        for name, value in {
            "init": init,
            "run.device": device,
            "run.precision": precision,
            "run.threads": threads,
            "run.devices": devices,
            "run.nodes": nodes,
            "run.seed": seed,
        }.items()
        if value is not None
    }
    if infrared is not None and visible is not None:
        from emma_fusion.media.folders import match_pairs

        pairs: dict[str, Any] = {"infrared": infrared, "visible": visible}
        # A few pairs to look at while the others train; of a handful none can be spared.
        pairs["validation"] = min(4, len(match_pairs(infrared, visible)[0]) // 10)
        pairs["teachers"] = teacher or []
        if preset != "paper":
            pairs["additive"] = {}
        overrides["pairs"] = [pairs]
    overrides |= _settings(set_ or [])
    if resume:
        saved = output / loop.CONFIG
        if not saved.is_file():
            raise UserError(f"There is no run to resume in {output}: it has no {loop.CONFIG}.")
        settings = load_config(file=saved)
        asked = preset or config or overrides
        if asked and load_config(preset or "cpu", config, overrides) != settings:
            raise UserError(
                f"The settings given are not those that the run in {output} began with, and it "
                f"goes on with those: give --resume and -o {output} alone."
            )
    else:
        settings = load_config(preset or "cpu", config, overrides)
    weights = run.train(settings, output, resume=resume)
    typer.echo(f"The weights are in {weights.parent}. Try them:", err=True)
    typer.echo(f"  emma fuse INFRARED VISIBLE -o FUSED --model {weights.parent}", err=True)


def _settings(texts: list[str]) -> dict[str, Any]:
    """``["a.b=1"]`` → ``{"a.b": 1}``, values read as YAML."""
    import yaml

    from emma_fusion.errors import UserError

    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set {text} is not NAME=VALUE, such as --set fusion.alpha=0.3.")
        try:
            settings[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UserError(f"The value of --set {text} is not valid YAML.") from error
    return settings
