"""Write docs/command-line.md from the program: verbs, options, defaults and exit codes.

    python benchmarks/command_reference.py

tests/benchmarks/test_command_reference.py fails when the page is not what this writes. Only the
part of the page between its markers is replaced; see marked.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from emma_fusion.cli import EPILOG, app
from emma_fusion.cli.examples import EXAMPLES
from marked import put

PAGE = Path(__file__).resolve().parents[1] / "docs" / "command-line.md"
PART = "commands"
_FACTS = re.compile(r"\s*\[([^\[\]]*(?:default: |required|[<>]=?)[^\[\]]*)\]$")
KINDS = {"str": "text", "int": "whole number", "float": "number", "path": "path", "bool": ""}


def reference() -> str:
    """The part of the page that the program makes."""
    program = typer.main.get_command(app)
    context = program.make_context("emma", [], resilient_parsing=True)
    overview = ["| verb | what it does |", "|---|---|"]
    sections = []
    for words, command in verbs(program, []):
        name = " ".join(words)
        overview.append(f"| [`emma {name}`](#{anchor(name)}) | {cell(first_paragraph(command))} |")
        sections.append(section(words, command))
    options = table(program, context)
    return "\n\n".join([exit_codes(), "\n".join(overview), options, *sections])


def verbs(command: Any, words: list[str]) -> Iterator[tuple[list[str], Any]]:
    """Every command that can be run, with the words that name it."""
    for name, each in command.commands.items():
        if hasattr(each, "commands"):
            yield from verbs(each, [*words, name])
        elif not each.hidden:
            yield [*words, name], each


def section(words: list[str], command: Any) -> str:
    """The heading, usage, options and examples of one verb."""
    name = " ".join(words)
    context = command.make_context(f"emma {name}", [], resilient_parsing=True)
    usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
    parts = [
        f"## emma {name}",
        re.sub(r"[ \n]*\n[ \n]*", "\n", (command.help or "").strip()),
        f"```text\n{usage.replace('{', '').replace('}', '')}\n```",
        table(command, context),
    ]
    mine = [line for line in EXAMPLES.get(words[0], ()) if f"emma {name} " in f"{line} "]
    if mine:
        parts.append("```text\n" + "\n".join(mine) + "\n```")
    return "\n\n".join(part for part in parts if part)


def table(command: Any, context: Any) -> str:
    """Arguments and options, each with its values, its default and what it does."""
    rows = []
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None or "--help" in parameter.opts:
            continue
        names, text = record
        option = [word for word in parameter.opts if word.startswith("-")]
        name = ", ".join([*option, *parameter.secondary_opts]) or names.split(" ")[0]
        found = _FACTS.search(text)
        facts = [part.strip() for part in found[1].split(";")] if found else []
        text = text[: found.start()] if found else text
        default = next((f[len("default: ") :] for f in facts if f.startswith("default: ")), "")
        default = "required" if "required" in facts else f"`{default}`" if default else ""
        limits = [fact for fact in facts if fact != "required" and "default: " not in fact]
        kind = [word for word in names.split() if not word.startswith(("-", "/"))]
        values = told(" ".join(kind if option else kind[1:]), limits)
        rows.append(" | ".join(["", f"`{name}`", values, cell(default), cell(text), ""]).strip())
    if not rows:
        return ""
    head = ["| argument or option | value | default | what it does |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


def told(kind: str, limits: list[str]) -> str:
    """What may be given, in words: a name in capitals, some choices, or a kind of number."""
    choices = re.fullmatch(r"<([^<>]*\|[^<>]*)>(?:\.\.\.)?", kind)
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices[1].split("|"))
    if plain := re.fullmatch(r"<(list\[)?(\w+)\]?(?: range)?>(?:\.\.\.)?", kind):
        word = KINDS.get(plain[2].lower(), plain[2])
        several = "several" if plain[1] or kind.endswith("...") else ""
        return ", ".join(part for part in (word, several, *(f"`{x}`" for x in limits)) if part)
    return f"`{kind}`" if kind else ""


def exit_codes() -> str:
    """The table of exit codes, as the program's own help says them."""
    (said,) = re.findall(r"Exit codes: (.*)\.", EPILOG)
    rows = [part.strip().partition(" ") for part in said.split(",")]
    lines = [f"| {code} | {text} |" for code, _, text in rows]
    return "\n".join(["| exit code | meaning |", "|---|---|", *lines])


def first_paragraph(command: Any) -> str:
    return " ".join((command.help or "").strip().split("\n\n")[0].split())


def anchor(name: str) -> str:
    return f"emma {name}".replace(" ", "-")


def cell(text: str) -> str:
    """Text for a cell, which a bar would end."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    put(PAGE, PART, reference())
