"""Where the tests find real images, and why they skip without them."""

import os
from pathlib import Path

import pytest

# Reasons that hold on every machine of the continuous integration; any other skip fails there.
MAY_SKIP = (
    "no GPU here",
    "Pillow writes no alpha",
    "a grey TIFF with alpha is refused",
    "this processor has no",
    "the runtime engine has no",
)
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Fails what is skipped in continuous integration, where all that tests need is to be there."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(allowed in reason for allowed in MAY_SKIP):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} was skipped where it must run: {reason}"
    return report


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


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Weights of a small U-Fuser, untrained."""
    import torch

    from emma_fusion.networks.ufuser import UFuser
    from emma_fusion.networks.weights import save_weights

    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_weights(UFuser((8, 8, 8, 8)), path)
    return path
