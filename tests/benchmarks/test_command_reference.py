"""The page of the command line is what the program says of itself."""

import re

import pytest

import command_reference
from emma_fusion.cli import VERBS
from marked import get


def test_the_page_is_what_the_program_says():
    said = get(command_reference.PAGE, command_reference.PART)
    again = "run python benchmarks/command_reference.py"
    assert said == command_reference.reference().strip(), again


def test_every_verb_and_exit_code_is_in_it():
    said = command_reference.reference()
    assert all(re.search(rf"^## emma {verb}\b", said, re.MULTILINE) for verb in VERBS)
    assert re.findall(r"^\| (\d+) \|", said, re.MULTILINE) == ["0", "1", "2", "130"]


@pytest.mark.parametrize(
    ("kind", "limits", "words"),
    [
        ("<a|b>", [], "`a`, `b`"),
        ("<int range>", ["x>=1"], "whole number, `x>=1`"),
        ("<list[str]>", [], "text, several"),
        ("LOW:HIGH", [], "`LOW:HIGH`"),
        ("", [], ""),
    ],
)
def test_values_in_words(kind, limits, words):
    assert command_reference.told(kind, limits) == words
