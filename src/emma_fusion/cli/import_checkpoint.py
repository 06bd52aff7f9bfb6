"""emma import-checkpoint FILE -o OUT.safetensors: the paper's authors' weights, for our Fuser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="The authors' checkpoint, such as EMMA.pth.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="The .safetensors file that the weights are written to."
        ),
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.")
    ] = False,
) -> None:
    """Convert a checkpoint of the paper's authors into weights for this program.

    The file may hold the U-Fuser or one of the sensing networks. Use the U-Fuser as a model:
    emma fuse INFRARED VISIBLE -o OUT --model OUT.safetensors. Put the sensing networks beside it in
    one folder, as sensing_infrared.safetensors and sensing_visible.safetensors, for emma sense.
    """
    from emma_fusion.errors import UserError
    from emma_fusion.jobs.targets import Targets
    from emma_fusion.networks.authors import read_authors
    from emma_fusion.networks.weights import save_weights

    if output.suffix != ".safetensors":
        raise UserError(f"{output} must end in .safetensors.")
    Targets([file], overwrite).check(output)
    save_weights(read_authors(file), output, {"imported from": file.name})
    typer.echo(f"Wrote {output}", err=True)
