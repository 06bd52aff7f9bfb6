"""Make the images of the handbook, and what its tours print.

    python benchmarks/handbook.py [--model base]

The tours' images are what the commands on docs/tour.md and docs/tour-scores.md write, run as they
stand there; the text between the markers `<!-- emma VERB prints -->` is what they print. The images
of docs/how-it-works.md are drawn by the same weights from the same street, and those of other pages
show what an option does to it.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from emma_fusion import Fuser, Pair, Sensor
from emma_fusion.demo import render_scene
from emma_fusion.equivariance import Rotation
from emma_fusion.images.raster import read_image
from emma_fusion.images.sheet import make_sheet
from emma_fusion.metrics import luminance
from emma_fusion.values.arrays import from_unit
from emma_fusion.values.overlay import overlay
from marked import put
from snippets import HERE, blocks

DOCS = HERE / "docs"
TOURS = (DOCS / "tour.md", DOCS / "tour-scores.md")
WIDTH = 1280  # of the widest image that a page shows
DEGREES = 20.0
RANGES = ("full", "auto")


def tour(page: Path, model: str) -> None:
    """Run the commands of a tour; keep the images that the page shows."""
    shown = re.findall(r"\]\((images/tour/[^)]+)\.jpg\)", page.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        for words in (words for block in blocks(page) for words in block.commands):
            if words[0] == "emma":
                print(*words)
                printed = emma(words[1:], model, Path(folder))
                part = f"emma {words[1]} prints"
                if f"<!-- {part} -->" in page.read_text(encoding="utf-8"):
                    put(page, part, f"```text\n{printed.rstrip()}\n```")
        for name in shown:
            made = Path(folder) / f"{Path(name).relative_to('images/tour')}.png"
            keep(DOCS / f"{name}.jpg", read_image(made))


def emma(words: list[str], model: str, folder: Path) -> str:
    """Run a command as it stands on the page; what it prints."""
    chosen = ["--model", model] if words[0] in ("demo", "fuse", "sense") else []
    command = [sys.executable, "-m", "emma_fusion", *words, *chosen]
    done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    return "\n".join(line.rstrip() for line in done.stdout.splitlines())


def keep(path: Path, image: np.ndarray) -> None:
    """Write an image small enough for a page."""
    scale = min(1.0, WIDTH / image.shape[1])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = cv2.imencode(".jpg", small[..., ::-1] if small.ndim == 3 else small, [1, 80])[1]
    path.write_bytes(written.tobytes())
    print(f"{path.relative_to(HERE)}: {path.stat().st_size / 1000:.0f} kB")


def method(model: str) -> None:
    """The three steps of the method on the drawn street, in luminance."""
    fuser, sensor = Fuser.from_pretrained(model), Sensor.from_pretrained(model)
    infrared, visible = (luminance(image) for image in render_scene(300, 400))
    pair = Pair.from_arrays(infrared, visible)
    fused = fuser.fuse_luminance(pair)
    sources = {"i, infrared": pair.infrared, "v, visible": pair.visible}
    sheet("fusing", {**sources, "f = F(i, v)": fused})
    seen = sensor.sense_luminance(fused)
    sheet("sensing", {"f": fused, "A_i(f), infrared": seen[0], "A_v(f), visible": seen[1]})
    scene, angle = torch.from_numpy(fused)[None, None], torch.tensor([DEGREES])
    turned = Rotation(padding="reflection").apply(scene, {"degrees": angle})[0][0, 0].numpy()
    seen = sensor.sense_luminance(turned)
    again = fuser.fuse_luminance(Pair.from_arrays(*seen))
    sheet(
        "turning",
        {
            "T f, turned": turned,
            "A_i(T f)": seen[0],
            "A_v(T f)": seen[1],
            "F(A_i(T f), A_v(T f))": again,
        },
    )


def options(model: str) -> None:
    """What options do: one sheet for each of some pages, from drawn scenes."""
    fuser = Fuser.from_pretrained(model)
    infrared, visible = render_scene(300, 400)

    def fuse(first: np.ndarray, second: np.ndarray = visible, **options: str) -> np.ndarray:
        return fuser(first, second, contrast="auto", **options)

    pair = Pair.from_arrays(infrared, visible).in_palette("inferno")
    colours = {
        "as it is": fuse(infrared),
        "--colour none": fuse(infrared, colour="none"),
        "--palette inferno": fuser.fuse_pair(pair, "auto"),
    }
    show("colour", colours)
    turned = cv2.getRotationMatrix2D((200, 150), 3, 1.04)
    turned[:, 2] += 9, 6
    moved = cv2.warpAffine(infrared, turned, (400, 300), borderMode=cv2.BORDER_REPLICATE)
    fused = {"--align off": fuse(moved), "--align auto": fuse(moved, align="auto")}
    show("alignment", {"infrared, turned and shifted": moved, **fused})
    kelvin = 29000 + 8 * luminance(infrared).astype(np.uint16)  # 2000 of 65536 values
    ranges = {f"--infrared-range {rule}": fuse(kelvin, infrared_range=rule) for rule in RANGES}
    show("range", {"visible": visible, **ranges})
    pet, mri = render_scene(300, 300, scene="brain")
    scans = Pair.from_arrays(pet, mri)
    laid = from_unit(overlay(scans.colour, scans.visible, opacity=0.4), np.uint8)
    show("scans", {"PET": pet, "MRI": mri, "fused": fuse(pet, mri), "--overlay 0.4": laid})


def show(name: str, images: dict[str, np.ndarray]) -> None:
    """Lay images side by side for a page."""
    keep(DOCS / "images" / "options" / f"{name}.jpg", make_sheet(images))


def sheet(name: str, planes: dict[str, np.ndarray]) -> None:
    """Lay planes in [0, 1] side by side."""
    images = {text: from_unit(plane, np.uint8) for text, plane in planes.items()}
    keep(DOCS / "images" / "method" / f"{name}.jpg", make_sheet(images))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="base")
    model = parser.parse_args().model
    for page in TOURS:
        tour(page, model)
    method(model)
    options(model)


if __name__ == "__main__":
    main()
