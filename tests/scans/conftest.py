"""Where the tests of scans find the inputs that once failed, and why they skip without them."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cases(data: Path) -> Path:
    """The folder of small failing inputs, beside the folder of real images."""
    folder = data.parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"no failing inputs: {folder} does not exist")
    return folder
