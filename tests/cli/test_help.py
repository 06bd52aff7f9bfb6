"""The help: every verb has examples that parse, completion is there, and exit codes are as said."""

import os
import shlex
import subprocess
import sys

import pytest
import typer

from emma_fusion import cli
from emma_fusion.cli.examples import EXAMPLES

GROUP = typer.main.get_command(cli.app)


@pytest.mark.parametrize("verb", EXAMPLES)
def test_the_examples_are_commands(verb, capsys):
    context = GROUP.make_context("emma", [], resilient_parsing=True)
    for line in EXAMPLES[verb]:
        program, *words = shlex.split(line)
        assert (program, words[0]) == ("emma", verb)
        name, command, rest = GROUP.resolve_command(context, words)
        command.make_context(name, rest, parent=context)
    with pytest.raises(SystemExit):
        cli.main([verb, "--help"])
    said = capsys.readouterr().out
    assert "Examples:" in said
    assert EXAMPLES[verb][0] in said


def test_the_first_page_names_every_verb(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert all(verb in said for verb in cli.VERBS)
    assert "130 interrupted" in said


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (cli.UserError("no such thing"), 2, "emma: no such thing\n"),
        (OSError("disk full"), 2, "emma: disk full\n"),
        (KeyboardInterrupt(), 130, None),
    ],
)
def test_exit_codes(monkeypatch, capsys, error, code, said):
    def fail(**options):
        raise error

    command = GROUP.get_command(GROUP.make_context("emma", [], resilient_parsing=True), "models")
    monkeypatch.setattr(command, "callback", fail)
    monkeypatch.setattr(cli, "app", lambda args: GROUP(args=args))
    with pytest.raises(SystemExit) as ended:
        cli.main(["models"])
    assert ended.value.code == code
    out = capsys.readouterr()
    assert out.out == ""
    assert said is None or out.err == said
    assert "Traceback" not in out.err


def test_an_unknown_option_and_verb(capsys):
    for words in (["fuse", "--unknown"], ["defuse"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        assert ended.value.code == 2
        assert capsys.readouterr().out == ""


def refused(words, capsys):
    """The one line that a command line that is not right is answered with."""
    with pytest.raises(SystemExit) as ended:
        cli.main(shlex.split(words))
    assert ended.value.code == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.count("\n") == 1
    return out.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "fuse a b -o c --contrst none",
            "emma fuse has no option --contrst: did you mean --contrast?",
        ),
        ("fuse a b -o c -q", "emma fuse has no option -q: emma fuse --help lists all."),
        (
            "fuse a b -o c --contrast much",
            "emma fuse cannot use the value of --contrast: 'much' is not one of 'auto', 'none', ",
        ),
        (
            "fuse a b -o c --threads many",
            "emma fuse cannot use the value of --threads: it must be ",
        ),
        ("fuse a b c -o d", "emma fuse has no use for c: see emma fuse --help."),
        ("fuse a b -o", "emma fuse: Option '-o' requires an argument. See emma fuse --help."),
        (
            "fuze a b",
            "There is no command emma fuze: did you mean emma fuse? emma --help lists all.",
        ),
        (
            "downstream chek",
            "There is no command emma downstream chek: did you mean emma downstream c",
        ),
        (
            "--versoin",
            "emma has no option --versoin: did you mean --version? emma --help lists all.",
        ),
        ("xyz", "There is no command emma xyz: emma --help lists all."),
    ],
)
def test_what_is_not_known_is_said_in_a_sentence(capsys, words, said):
    assert refused(words, capsys).startswith(f"emma: {said}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("fuse a 'b c'", "fuse needs -o OUT: write emma fuse a 'b c' -o OUT, or"),
        ("fuse", "fuse needs INFRARED and -o OUT: write emma fuse INFRARED VISIBLE -o OUT, or"),
        ("fuse -o f", "fuse needs INFRARED: write emma fuse -o f INFRARED VISIBLE, or"),
        ("align a b --match x", "align needs -o OUT: write emma align a b --match x -o OUT, or"),
        (
            "evaluate",
            "evaluate needs FUSED, INFRARED and VISIBLE: write emma evaluate FUSED INFRARED "
            "VISIBLE, or",
        ),
        ("bench a -o x", "bench needs -d DATASET: write emma bench a -o x -d DATASET, or"),
        ("downstream check msrs", "downstream check needs --root ROOT: write emma downstream "),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(capsys, words, said):
    error = refused(words, capsys)
    assert error.startswith(f"emma: emma {said}")
    assert error.endswith(" --help.\n")


def test_completion():
    words = {"COMP_WORDS": "emma equi", "COMP_CWORD": "1", "_EMMA_COMPLETE": "complete_bash"}
    code = "from emma_fusion.cli import app; app(prog_name='emma')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | words, capture_output=True, text=True
    )
    assert done.stdout.split() == ["equivariance"]
