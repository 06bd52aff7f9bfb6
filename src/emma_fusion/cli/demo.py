"""emma demo: scenes drawn by code, fused by the weights that ship."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emma_fusion.jobs.options import MODEL_HELP

if TYPE_CHECKING:
    from emma_fusion.fuser import Fuser

SceneName = Literal[
    "street", "smoke", "roofs", "day", "fog", "machine", "brain", "field", "all"
]  # written down, since the scenes themselves take a while to import


def demo(
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The folder that the four images of a scene are written to; "
            "with --scene all, a folder with one folder for each scene.",
            metavar="FOLDER",
        ),
    ] = Path("demo"),
    scene: Annotated[
        SceneName,
        typer.Option(
            help="The scene to draw: a street at night, a house on fire, roofs from a drone, a "
            "road by day against the sun, a road in fog, a warm machine, PET and MRI of a brain, "
            "a field in near-infrared, or all of them."
        ),
    ] = "street",
    model: Annotated[
        str,
        typer.Option(help=MODEL_HELP),
    ] = "base",
    seed: Annotated[
        int, typer.Option(help="The seed of everything random in the scene.", min=0)
    ] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.")
    ] = False,
) -> None:
    """Draw a scene as an infrared and a visible camera would show it, and fuse the two."""
    from emma_fusion.demo import SCENES
    from emma_fusion.fuser import Fuser
    from emma_fusion.jobs.targets import Targets

    names = list(SCENES) if scene == "all" else [scene]
    folders = {name: output / name if scene == "all" else output for name in names}
    targets = Targets((), overwrite)
    for name, folder in folders.items():
        targets.check_folder(folder)
        for path in _files(folder, name):
            targets.check(path)
    fuser = Fuser.from_pretrained(model)
    for name, folder in folders.items():
        _draw(name, folder, seed, fuser)
    print("""Try next:
  emma fuse INFRARED VISIBLE -o OUT   two images of your own, or two folders of them
  emma fuse --help                    colour, contrast, 16 bit, devices
  emma --help                         what else there is""")


def _files(folder: Path, name: str) -> list[Path]:
    """What is written of a scene: its two images, the fused one, and a sheet of the three."""
    from emma_fusion.demo import SCENES

    return [folder / f"{each}.png" for each in (*SCENES[name].names, "fused", "sheet")]


def _draw(name: str, folder: Path, seed: int, fuser: Fuser) -> None:
    from emma_fusion import __version__
    from emma_fusion.demo import SCENES, render_scene
    from emma_fusion.images.raster import write_image
    from emma_fusion.images.sheet import make_sheet

    scene = SCENES[name]
    first, second = render_scene(*scene.size, seed=seed, scene=name)
    fused = fuser(first, second, contrast="auto")  # as emma fuse does
    sheet = make_sheet({scene.names[0]: first, scene.names[1]: second, "fused": fused})
    drawn = {"software": f"emma-fusion {__version__}", "scene": f"{name}, drawn, seed {seed}"}
    by_model = {**drawn, "model": fuser.name}
    files = _files(folder, name)
    for path, image in zip(files, (first, second, fused, sheet), strict=True):
        write_image(path, image, drawn if path in files[:2] else by_model)
    print(f"{scene.title}, drawn by code and fused by {fuser.name!r}:")
    for path, look in zip(files, (*scene.look, "the three side by side"), strict=True):
        print(f"  {path}\n      {look}")
    print()
