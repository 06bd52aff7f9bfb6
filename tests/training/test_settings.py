"""Settings that are wrong are named, with the one that may be meant."""

import pytest

from emma_fusion.errors import UserError
from emma_fusion.training.config import TrainingConfig, load_config
from emma_fusion.training.settings import settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"fusion.step": 5}, "fusion.step is not a setting; do you mean fusion.steps?"),
        ({"fusion.alpah": 1}, "fusion.alpah is not a setting; do you mean fusion.alpha?"),
        ({"sensing.robust.radios": 1}, "do you mean sensing.robust.radius?"),
        ({"colour": 1}, "colour is not a setting."),
        (
            {"pairs": [{"infrared": "a", "visible": "b", "scenes": "c"}]},
            "pairs.0.scenes is not a setting; do you mean pairs.scene?",
        ),
        ({"fusion.alpha": -1}, "fusion.alpha: Input should be greater than or equal to 0"),
    ],
)
def test_a_wrong_name_gets_the_one_that_may_be_meant(given, said):
    with pytest.raises(UserError, match="training configuration is not valid") as error:
        load_config(overrides=given)
    assert said in str(error.value)


def test_settings_are_listed_with_the_defaults_of_their_place():
    found = {each.name: each.default for each in settings(TrainingConfig)}
    assert (found["sensing.batch"], found["fusion.batch"], found["start.steps"]) == (64, 4, 0)
    assert (found["sensing.epochs"], found["fusion.epochs"]) == (40, 120)
    assert found["sensing.robust.radius"] == 8
    assert "pairs.additive.contrast" in found
    assert "pairs" not in found
