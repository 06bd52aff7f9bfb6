"""Importing the package is free, and no import of the core needs an extra."""

import subprocess
import sys

import pytest

CORE = [
    "torch",
    "cv2",
    "simplejpeg",
    "psutil",
    "pydantic",
    "typer",
    "rich",
    "yaml",
    "pywt",
    "safetensors",
]
EXTRAS = [
    *("lightning_fabric", "tensorboard", "matplotlib", "pandas", "skimage", "sklearn", "scipy"),
    *("onnx", "onnxruntime", "onnxscript", "openvino", "av", "pydicom", "nibabel", "SimpleITK"),
    *("gradio", "ray", "transformers", "torchmetrics", "torchvision"),
]


def imported_by(code, looked_for):
    """Which of these top-level modules a fresh interpreter has imported after running `code`."""
    report = f"import sys; print(*sorted({set(looked_for)!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1].split()


def test_importing_the_package_imports_nothing_heavy():
    assert imported_by("import emma_fusion", [*CORE, *EXTRAS, "numpy"]) == []


def test_the_public_names_are_there_and_import_no_extra():
    code = "from emma_fusion import Fuser, Pair, fuse"
    imported = imported_by(code, [*CORE, *EXTRAS])
    # what PyTorch itself imports is not ours to guard
    allowed = {"safetensors", "torch", "psutil", *imported_by("import torch", [*CORE, *EXTRAS])}
    assert set(imported) <= allowed


def test_the_help_does_not_wait_for_pytorch():
    code = """
import sys
from emma_fusion.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
"""
    heavy = ["torch", "cv2", "pydantic", "yaml", "pywt", "numpy", *EXTRAS]
    assert imported_by(code, heavy) == []


def test_fusing_files_needs_no_extra(tmp_path):
    code = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {set(EXTRAS)!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked())
import numpy as np, torch
from emma_fusion.cli import main
from emma_fusion.images.raster import write_image
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.networks.weights import save_weights
from pathlib import Path
folder = Path({str(tmp_path)!r})
save_weights(UFuser((8, 8, 8, 8)), folder / "model.safetensors")
write_image(folder / "a.png", np.zeros((5, 6), np.uint8))
try:
    main(["fuse", *2 * [str(folder / "a.png")], "-o", str(folder / "b.png"),
          "--model", str(folder / "model.safetensors")])
except SystemExit as end:
    assert end.code == 0, end.code
assert (folder / "b.png").exists()
"""
    assert imported_by(code, EXTRAS) == []


def test_names_that_do_not_exist():
    import emma_fusion

    with pytest.raises(AttributeError, match="no attribute 'defuse'"):
        _ = emma_fusion.defuse
    assert {"fuse", "Fuser", "Pair"} <= set(dir(emma_fusion))
