"""Each model that ships says on its card what it may be used for."""

import shutil

import pytest

from emma_fusion import models
from emma_fusion.errors import UserError


@pytest.mark.parametrize("name", models.shipped())
def test_weights_of_non_commercial_images_are_non_commercial(name):
    card = (models.find(name).parent / "README.md").read_text("utf-8")
    assert "LLVIP" in card or name == "emma"  # of RoadScene alone, which states no licence
    assert models.licence(name).startswith("non-commercial use only")
    assert models.licence(models.find(name)) == models.licence(name)


def test_weights_of_ones_own(tmp_path):
    weights = tmp_path / models.FUSER
    shutil.copy(models.find("fast"), weights)
    assert models.licence(weights).startswith("not stated")
    (tmp_path / "README.md").write_text("# Model card\n\nLicence: CC0-1.0\n", "utf-8")
    assert models.licence(weights) == models.licence(tmp_path) == "CC0-1.0"


def test_no_such_model():
    with pytest.raises(UserError, match="There is no model"):
        models.licence("nothing")
