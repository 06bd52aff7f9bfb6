"""Where the tests find real images, and why they skip without them."""

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real pairs: $EMMA_DATA, else ../shared/data beside the project."""
    folder = Path(os.environ.get("EMMA_DATA") or BESIDE)
    if not (folder / "roadscene").is_dir():
        pytest.skip(f"no real images: {folder} has no roadscene folder (set EMMA_DATA)")
    return folder


@pytest.fixture(scope="session")
def golden(data: Path) -> Path:
    """Reference values and images made by other programs, beside the data folder."""
    folder = data.parent / "golden"
    if not folder.is_dir():
        pytest.skip(f"no reference values: {folder} does not exist")
    return folder
