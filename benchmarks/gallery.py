"""Make docs/gallery.md's images: each drawn scene, fused by every model that ships.

    python benchmarks/gallery.py [--scenes street,fog] [--seed 0]

It takes one to three minutes on two cores. The sentences on what to look at are those of
`emma_fusion.demo.SCENES`, which `emma demo` prints, too.
"""

import argparse

import cv2
import numpy as np

from emma_fusion import Fuser
from emma_fusion.demo import SCENES, Scene, render_scene
from emma_fusion.images.sheet import make_sheet
from emma_fusion.models import shipped
from marked import put
from snippets import HERE

PAGE = HERE / "docs" / "gallery.md"
IMAGES = HERE / "docs" / "images" / "gallery"
TILE = 320  # height of one image on a sheet
COLUMNS = 3
QUALITY = 78  # of WebP: a sheet has about 100 kB


def sheet(tiles: dict[str, np.ndarray]) -> np.ndarray:
    """Lay images out in rows, each under its caption."""
    small = {}
    for caption, image in tiles.items():
        width = round(image.shape[1] * TILE / image.shape[0])
        small[caption] = cv2.resize(image, (width, TILE), interpolation=cv2.INTER_AREA)
    names = list(small)
    rows = [names[start : start + COLUMNS] for start in range(0, len(names), COLUMNS)]
    sheets = [make_sheet({name: small[name] for name in row}) for row in rows]
    widest = max(each.shape[1] for each in sheets)
    paper = tuple(int(value) for value in sheets[0][-1, -1])
    sheets = [
        cv2.copyMakeBorder(each, 0, 0, 0, widest - each.shape[1], cv2.BORDER_CONSTANT, value=paper)
        for each in sheets
    ]
    return np.concatenate(sheets)


def draw(name: str, seed: int, fusers: dict[str, Fuser]) -> None:
    """Draw and fuse a scene, and write its sheet."""
    scene = SCENES[name]
    first, second = render_scene(*scene.size, seed=seed, scene=name)
    tiles = {scene.names[0]: first, scene.names[1]: second}
    tiles |= {model: fuser(first, second) for model, fuser in fusers.items()}
    path = IMAGES / f"{name}.webp"
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sheet(tiles)[..., ::-1]
    path.write_bytes(cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1].tobytes())
    print(f"{path.relative_to(HERE)}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def describe(name: str, scene: Scene) -> str:
    """The part of the page that shows a scene."""
    first, second, fused = scene.look
    labels = [
        f"{word[0].upper()}{word[1:]}" if len(word) > 3 else word.upper() for word in scene.names
    ]
    return "\n".join(
        [
            f"## {scene.title}\n",
            f"`emma demo --scene {name}`\n",
            f"![{scene.title}: {scene.names[0]}, {scene.names[1]}, and fused by each model]"
            f"(images/gallery/{name}.webp)\n",
            f"- {labels[0]}: {first}.",
            f"- {labels[1]}: {second}.",
            f"- In a good fused image, {fused}.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", default=",".join(SCENES), help="names with commas between")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    fusers = {name: Fuser.from_pretrained(name) for name in shipped()}
    for name in options.scenes.split(","):
        draw(name, options.seed, fusers)
    put(PAGE, "scenes", "\n\n".join(describe(*each) for each in SCENES.items()))


if __name__ == "__main__":
    main()
