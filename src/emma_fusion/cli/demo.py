"""emma demo: a scene drawn by code, fused by the weights that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The folder that the four images go to.", metavar="FOLDER"
        ),
    ] = Path("demo"),
    model: Annotated[
        str,
        typer.Option(
            help="The weights to use: the name of a shipped model, or a .safetensors file."
        ),
    ] = "base",
    seed: Annotated[
        int, typer.Option(help="The seed of the scene's bricks, leaves and noise.", min=0)
    ] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.")
    ] = False,
) -> None:
    """Draw a street at night in infrared and visible light, and fuse the two."""
    from emma_fusion import __version__
    from emma_fusion.demo import render_scene
    from emma_fusion.fuser import Fuser
    from emma_fusion.images.raster import write_image
    from emma_fusion.images.sheet import make_sheet
    from emma_fusion.jobs.targets import Targets

    names = ("infrared", "visible", "fused", "sheet")
    infrared_file, visible_file, fused_file, sheet_file = (output / f"{n}.png" for n in names)
    targets = Targets((), overwrite)
    targets.check_folder(output)
    for path in (infrared_file, visible_file, fused_file, sheet_file):
        targets.check(path)
    fuser = Fuser.from_pretrained(model)
    infrared, visible = render_scene(seed=seed)
    fused = fuser(infrared, visible)
    sheet = make_sheet({"infrared": infrared, "visible": visible, "fused": fused})

    drawn = {"software": f"emma-fusion {__version__}", "scene": f"drawn, seed {seed}"}
    write_image(infrared_file, infrared, drawn)
    write_image(visible_file, visible, drawn)
    write_image(fused_file, fused, {**drawn, "model": fuser.name})
    write_image(sheet_file, sheet, {**drawn, "model": fuser.name})

    print(f"""A street at night, drawn for two cameras and fused by {fuser.name!r}:
  {infrared_file}   warm: the walker in the dark, the engine, the manhole
  {visible_file}    lit: the signs, the windows, the road markings
  {fused_file}      both
  {sheet_file}      the three side by side

Try next:
  emma fuse INFRARED VISIBLE -o OUT   two images of your own, or two folders of them
  emma fuse --help                    colour, contrast, 16 bit, devices
  emma --help                         what else there is""")
