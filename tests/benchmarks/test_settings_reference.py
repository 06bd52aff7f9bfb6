"""The page of all settings is what the configurations say of themselves."""

import pytest

import settings_reference
from emma_fusion.training.settings import settings
from marked import get


@pytest.mark.parametrize("part", settings_reference.PARTS)
def test_the_page_is_what_the_configurations_say(part):
    said = get(settings_reference.PAGE, part)
    again = "run python benchmarks/settings_reference.py"
    assert said == settings_reference.reference(settings_reference.PARTS[part]).strip(), again


@pytest.mark.parametrize("part", settings_reference.PARTS)
def test_every_setting_says_what_it_is(part):
    kind = settings_reference.PARTS[part]
    assert [each.name for each in settings(kind) if not each.field.description] == []


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("run.device", "| `run.device` | `auto`, `cpu`, `cuda`, `mps` | `auto` |"),
        ("patches.size", "| `patches.size` | whole number, ≥ 32, a multiple of 16 | `128` |"),
        ("run.skip_bad", "| `run.skip_bad` | true or false | `false` |"),
        ("pairs.infrared", "| `pairs.infrared` | path | required |"),
        ("fusion.angles", "| `fusion.angles` | number, several |  |"),
    ],
)
def test_rows(name, row):
    of = settings_reference.PARTS["training"]
    (found,) = [each for each in settings(of) if each.name == name]
    assert settings_reference.row(found).startswith(row)
