"""Which names of two lists belong together: the same, but for what marks the camera.

A mark says which camera a file is of: `_T` and `_W`, `_ir` and `_vi`, `IR_` and `DC_`. Names are
compared as they are, then without case, then without marks, then by the value of their numbers
(1 and 0001); each step looks only at what the steps before it have left alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from emma_fusion.errors import UserError

Mark = Literal["first", "second"]

# Of the first side are also the medical images that are fused with an MRI.
_FIRST = "ir infrared thermal therm lwir mwir swir nir inf previewdata pet spect ct"
_SECOND = "vi vis visible rgb dc color colour eo mri mr"
_WORDS: dict[str, Mark] = dict.fromkeys(_FIRST.split(), "first")
_WORDS |= dict.fromkeys(_SECOND.split(), "second")
# Marks only at the end and after a number, 0001_T or 00001i: elsewhere they are just letters.
_LETTERS: dict[str, Mark] = {"t": "first", "w": "second", "v": "second", "z": "second"}
_GLUED: dict[str, Mark] = {"i": "first", "v": "second"}
_SEPARATORS = re.compile(r"[_\-. /]+")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Matched:
    """What `match_names` found.

    Attributes:
        pairs: of names, in the order of the first list.
        how: what each pair is by, beside it: "name", "case", "mark", "number" or "pattern".
        left_out_of_first: names that are marked as the second camera's and stand beside the first
            camera's of the same number, as in a folder that holds the images of both cameras.
        left_out_of_second: the reverse.
    """

    pairs: list[tuple[str, str]]
    how: list[str]
    left_out_of_first: list[str]
    left_out_of_second: list[str]


class UnclearNumbers(UserError):
    """Running numbers that go together in two ways; the sentence has the pattern of each."""


def match_names(
    first: Collection[str], second: Collection[str], pattern: str | None = None
) -> Matched:
    """Match two lists of stems, of infrared and of visible images.

    Args:
        first: stems, each once.
        second: the same.
        pattern: what decides instead of names and marks, "IR_{n}=DC_{n+1}": on the left of the
            equals sign how the first names look and on its right how the second look. `*` is any
            text, the same on both sides, and `{n}` a number, which may have leading zeros;
            `{n+1}` is the number after it.

    Raises:
        UserError: a name has several partners of which none is nearer, the two lists are
            swapped, their numbers run one behind the other, or the pattern is not understood.

    >>> match_names(["DJI_0001_T", "2"], ["DJI_0001_W", "002"]).pairs
    [('DJI_0001_T', 'DJI_0001_W'), ('2', '002')]
    >>> match_names(["IR_90", "IR_92"], ["DC_91"], "IR_{n}=DC_{n+1}").pairs
    [('IR_90', 'DC_91')]
    """
    out: tuple[list[str], list[str]] = [], []
    if pattern is not None:
        left, right = _parse_pattern(pattern)
        partners = _match_by({n: left(n) for n in first}, {n: right(n) for n in second})
        how = dict.fromkeys(partners, "pattern")
    else:
        out = _find_twins(first, "second"), _find_twins(second, "first")
        first = [name for name in first if name not in set(out[0])]
        second = [name for name in second if name not in set(out[1])]
        _refuse_swapped(first, second)
        _refuse_shifted(first, second)
        partners, how = _match_in_steps(first, second)
    pairs = [(name, partners[name]) for name in first if name in partners]
    return Matched(pairs, [how[name] for name, _ in pairs], *out)


def fold(name: str) -> str:
    """What Windows' and macOS's disks take for the same name: in one case, accents composed.

    >>> fold("Cafe\u0301.PNG") == fold("caf\u00e9.png")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def split_mark(name: str) -> tuple[str, Mark | None]:
    """A name without its mark, in one case and with one kind of separator; and whose mark it is.

    >>> split_mark("DJI_0001_T"), split_mark("VIS12"), split_mark("scene-3")
    (('dji_0001', 'first'), ('12', 'second'), ('scene_3', None))
    """
    parts = [part for part in _SEPARATORS.split(fold(name)) if part]
    for place, part in enumerate(parts):
        letters = part.strip("0123456789")
        if letters in _WORDS and (part == letters or part.startswith(letters)):
            rest = part.removeprefix(letters)
            return _join(parts, place, rest), _WORDS[letters]
        if letters in _WORDS and part.endswith(letters):
            return _join(parts, place, part.removesuffix(letters)), _WORDS[letters]
    if len(parts) > 1 and parts[-1] in _LETTERS and parts[-2][-1].isdigit():
        return "_".join(parts[:-1]), _LETTERS[parts[-1]]
    if parts and re.fullmatch(r"\d+[iv]", parts[-1]):
        return _join(parts, len(parts) - 1, parts[-1][:-1]), _GLUED[parts[-1][-1]]
    return "_".join(parts), None


def _join(parts: Sequence[str], place: int, rest: str) -> str:
    """The parts of a name with another, or none, in one place."""
    return "_".join([*parts[:place], *([rest] if rest else []), *parts[place + 1 :]])


def _match_in_steps(
    first: Sequence[str], second: Sequence[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The partners of the first names, and what they are by."""

    def unmarked(name: str, other: Mark) -> str | None:
        """The name without its mark; none where the mark is the other side's."""
        rest, mark = split_mark(name)
        return None if mark == other else rest

    def by_value(name: str, other: Mark) -> str | None:
        rest = unmarked(name, other)
        return None if rest is None else _NUMBER.sub(lambda digits: str(int(digits.group())), rest)

    steps: list[tuple[str, Callable[[str, Mark], str | None]]] = [
        ("name", lambda name, other: name),
        ("case", lambda name, other: fold(name)),
        ("mark", unmarked),
        ("number", by_value),
    ]
    partners: dict[str, str] = {}
    how: dict[str, str] = {}
    for step, key in steps:
        taken = set(partners.values())
        found = _match_by(
            {name: key(name, "second") for name in first if name not in partners},
            {name: key(name, "first") for name in second if name not in taken},
        )
        partners |= found
        how |= dict.fromkeys(found, step)
    return partners, how


def _match_by(
    first: Mapping[str, Hashable | None], second: Mapping[str, Hashable | None]
) -> dict[str, str]:
    """The names, by their keys, whose keys are the same; those whose key is None have no partner.

    Raises:
        UserError: several names of a list have a key that the other list has too.
    """
    found: dict[Hashable, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side, keys in enumerate((first, second)):
        for name, key in keys.items():
            if key is not None:
                found[key][side].append(name)
    both = [(a, b) for a, b in found.values() if a and b]
    for a, b in both:
        if len(a) > 1 or len(b) > 1:
            raise UserError(
                f"It is unclear which images belong together: {_list(a)} could go with "
                f"{_list(b)}. Rename or move some of them."
            )
    return {a[0]: b[0] for a, b in both}


def _find_twins(names: Collection[str], other: Mark) -> list[str]:
    """The names of the other camera whose own camera's image is in the list too."""
    marked = {name: split_mark(name) for name in names}
    own = {key for key, mark in marked.values() if mark not in (None, other)}
    return [name for name, (key, mark) in marked.items() if mark == other and key in own]


def _refuse_swapped(first: Sequence[str], second: Sequence[str]) -> None:
    """Refuse lists that are each marked as the other camera's.

    Raises:
        UserError: they are.
    """
    if not (first and second):
        return
    first_marks = {split_mark(name)[1] for name in first}
    second_marks = {split_mark(name)[1] for name in second}
    if first_marks == {"second"} and second_marks == {"first"}:
        raise UserError(
            f"The two are swapped by their names: the first images are visible ones ({first[0]}) "
            f"and the second are infrared ({second[0]}). Give the infrared ones first."
        )


def _refuse_shifted(first: Sequence[str], second: Sequence[str]) -> None:
    """Refuse marked running numbers, IR_1, IR_2 and DC_2, DC_3, that agree one step further.

    A camera that numbers all its images on and on has an IR_2 and a DC_2 of two moments.

    Raises:
        UnclearNumbers: they do, and some numbers are in both lists.
    """
    sides = _running_numbers(first, "first"), _running_numbers(second, "second")
    low, high = (sorted(side) for side in sides)
    if not low or len(low) != len(high) or low == high or not set(low) & set(high):
        return
    step = high[0] - low[0]
    if [number + step for number in low] == high:
        left, right = (_NUMBER.sub("{n}", side[min(side)]) for side in sides)
        by_step = right.replace("{n}", f"{{n{step:+d}}}")
        raise UnclearNumbers(
            f"It is unclear whether {sides[0][low[0]]} goes with {sides[1][high[0]]}, and so on, "
            f"or those of one number go together. Say which: --match '{left}={by_step}' or "
            f"--match '{left}={right}'. Or give the two of a pair the same number."
        )


def _running_numbers(names: Sequence[str], own: Mark) -> dict[int, str]:
    """The names by their numbers, if each is its camera's mark and a number; else none."""
    found = {}
    for name in names:
        rest, mark = split_mark(name)
        if mark != own or not rest.isdecimal():
            return {}
        found[int(rest)] = name
    return found


def _parse_pattern(
    pattern: str,
) -> tuple[Callable[[str], Hashable | None], Callable[[str], Hashable | None]]:
    """The two sides of a pattern as functions from a name to what its partner has too."""
    sides = pattern.split("=")
    if len(sides) != 2 or not all(sides):
        raise UserError(
            f"The pattern {pattern!r} is not understood: it has the form INFRARED=VISIBLE, such as "
            "'*_T=*_W' or 'IR_{n}=DC_{n+1}'."
        )
    left, right = (_parse_side(side, pattern) for side in sides)
    if left[1:] != right[1:]:
        raise UserError(
            f"The pattern {pattern!r} has not the same parts on both sides of its equals sign: "
            "each * and each {n} stands on both, as in '*_T=*_W' or 'IR_{n}=DC_{n+1}'."
        )
    return left[0], right[0]


def _parse_side(side: str, pattern: str) -> tuple[Callable[[str], Hashable | None], int, bool]:
    """One side: its key, how many `*` it has, and whether it has a number."""
    texts, numbers = 0, 0
    shift, expression = 0, ""
    for part in re.split(r"(\*|\{.*?\})", fold(side)):
        number = re.fullmatch(r"\{n(?:([+-]\d{1,9}))?\}", part)
        if part == "*":
            texts += 1
            expression += "(.*?)"
        elif number:
            numbers += 1
            shift = int(number.group(1) or 0)
            expression += r"(?P<n>\d+)" if numbers == 1 else ""
        elif "{" in part or "}" in part:
            raise UserError(
                f"The pattern {pattern!r} is not understood: {part!r} is no {{n}} or {{n+1}}."
            )
        else:
            expression += re.escape(part)
    if numbers > 1 or texts > 3:
        raise UserError(
            f"The pattern {pattern!r} has too many parts: a side has one {{n}} and three * at most."
        )
    compiled = re.compile(expression)

    def key(name: str) -> Hashable | None:
        found = compiled.fullmatch(fold(name))
        if found is None:
            return None
        number = found.groupdict().get("n")
        place = compiled.groupindex.get("n", 0)
        free = tuple(text for at, text in enumerate(found.groups(), 1) if at != place)
        return free, None if number is None else int(number) - shift

    return key, texts, numbers == 1


def _list(names: Sequence[str]) -> str:
    """At most three names in a sentence."""
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
