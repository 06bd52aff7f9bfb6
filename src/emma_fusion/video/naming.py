"""The order of frames by their files' names, and the times that the names tell."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from natsort import natsorted, ns

from emma_fusion.errors import UserError

Kind = Literal["time", "number", "order"]
Read = Callable[[str], Fraction | None]

# Numbers that are mostly further apart count something else than frames, such as microseconds.
_LARGEST_STEP = 100

_DECIMAL = re.compile(r"\D*(\d+\.\d+)\D*")
_UNIX = re.compile(r"(?<!\d)([1-3]\d{9})(?:[_-]?(\d{9}|\d{6}|\d{3}))?(?!\d)")
_DAY = r"(?<!\d)(\d{4})[-_.]?(\d{2})[-_.]?(\d{2})"
_CLOCK = r"(\d{2})[-_.:hH]?(\d{2})[-_.:mM]?(\d{2})[sS]?"
_APART = r"(?<!\d)()()()(\d{2})[-_.:hH](\d{2})[-_.:mM](\d{2})[sS]?"
_COMPACT = r"(?<!\d)()()()(\d{2})(\d{2})(\d{2})"
_FRACTION = r"(?:[.,](\d{1,9})|(\d{6}|\d{3}))?(?!\d)"
_JOINED_FRACTION = r"()[-_](\d{6}|\d{3})(?!\d)"


@dataclass(frozen=True)
class Order:
    """Frames in their order.

    Attributes:
        stems: Of the files.
        kind: What the values are: seconds that the names tell ("time"), frame numbers in them
            ("number"), or where each stands in the natural order ("order").
        values: As many as stems, increasing.
    """

    stems: list[str]
    kind: Kind
    values: list[Fraction]


def find_order(stems: list[str]) -> Order:
    """Order frames by their whole names, numbers in them by value.

    A time in the names (Unix time, a date with a clock, a clock, decimal seconds) is theirs if it
    grows from name to name. Else the one number that differs between them is, if it grows in
    steps that are mostly no larger than 100. Else they are counted.

    Raises:
        UserError: Names differ in one number only, and two have the same one.

    >>> order = find_order(["1305031103.075304", "1305031102.975304"])
    >>> order.kind, [float(value) for value in order.values]
    ('time', [1305031102.975304, 1305031103.075304])
    >>> find_order(["frame10_640x480", "frame9_640x480"]).values
    [Fraction(9, 1), Fraction(10, 1)]
    """
    natural = natsorted(stems)
    orders = [natural, natsorted(stems, alg=ns.FLOAT | ns.NOEXP)]
    for read in _READERS:
        for ordered in orders:
            times = _read_all(ordered, read)
            if times and _DOUBTS.get(read, _none)(times):
                continue
            if times:
                return Order(ordered, "time", times)
    numbers = _frame_numbers(natural)
    if numbers:
        return Order(natural, "number", numbers)
    return Order(natural, "order", [Fraction(n) for n in range(len(natural))])


def _read_all(stems: list[str], read: Read) -> list[Fraction] | None:
    """The time of each name, where all have one and it grows."""
    times = [time for stem in stems if (time := read(stem)) is not None]
    grows = all(a < b for a, b in pairwise(times))
    return times if len(times) == len(stems) > 1 and grows else None


def _frame_numbers(stems: list[str]) -> list[Fraction] | None:
    """The one number in which names differ, where it counts frames."""
    found = [re.findall(r"\d+", stem) for stem in stems]
    if not found[0] or len({re.sub(r"\d+", "0", stem) for stem in stems}) > 1:
        return None
    differ = [place for place, texts in enumerate(zip(*found, strict=True)) if len({*texts}) > 1]
    if len(differ) > 1:
        return None
    place = differ[0] if differ else -1
    numbers = [int(texts[place]) for texts in found]
    for (a, stem), (b, other) in pairwise(zip(numbers, stems, strict=True)):
        if a == b:
            raise UserError(
                f"The frames {stem} and {other} have the same number, so their order is unclear: "
                "rename one of them."
            )
    steps = [b - a for a, b in pairwise(numbers)]
    days = all(_is_day(texts[place]) for texts in found)
    if steps and (statistics.median(steps) > _LARGEST_STEP or days):
        return None
    return [Fraction(number) for number in numbers]


def _is_day(text: str) -> bool:
    """Whether a number is a date, such as 20240131: its steps are no frames."""
    return len(text) == 8 and _seconds(text[:4], text[4:6], text[6:], "0", "0", "0") is not None


def _read_decimal(stem: str) -> Fraction | None:
    """Seconds with a point: 1305031102.175304, t12.5."""
    found = _DECIMAL.fullmatch(stem)
    return Fraction(found[1]) if found else None


def _read_unix(stem: str) -> Fraction | None:
    """Unix time in seconds, or with milli-, micro- or nanoseconds behind."""
    found = list(_UNIX.finditer(stem))
    if not found:
        return None
    return int(found[-1][1]) + _fraction(found[-1][2])


def _reader(pattern: str) -> Read:
    """Reads a date and a clock by a pattern of their parts."""
    compiled = re.compile(pattern)

    def read(stem: str) -> Fraction | None:
        found = list(compiled.finditer(stem))
        if not found:
            return None
        *parts, point, digits = found[-1].groups()
        seconds = _seconds(*(part or "" for part in parts))
        return None if seconds is None else seconds + _fraction(point or digits)

    return read


def _seconds(year: str, month: str, day: str, *clock: str) -> Fraction | None:
    """Seconds since 1970, or since midnight where there is no date; None where there is no such."""
    date = (int(year), int(month), int(day)) if year else (1970, 1, 1)
    hour, minute, second = (int(part) for part in clock)
    try:
        moment = datetime(*date, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return Fraction(round(moment.timestamp())) if 1970 <= moment.year < 2100 else None


def _fraction(digits: str | None) -> Fraction:
    return Fraction(int(digits), 10 ** len(digits)) if digits else Fraction(0)


def _in_one_minute(times: list[Fraction]) -> bool:
    """Whether six digits may be no clock: only a clock goes from 59 to 100, past a minute."""
    return times[0] // 60 == times[-1] // 60


def _counted(times: list[Fraction]) -> bool:
    """Whether what looks like a fraction of a second is a number that counts one by one."""
    return {(b - a) % 1 for a, b in pairwise(times)} <= {Fraction(1, 10**3), Fraction(1, 10**6)}


def _none(times: list[Fraction]) -> bool:
    return False


_read_compact = _reader(_COMPACT + r"()(\d{6}|\d{3})?(?!\d)")
_read_date_joined = _reader(_DAY + r"\D{0,4}" + _CLOCK + _JOINED_FRACTION)
_read_clock_joined = _reader(_APART + _JOINED_FRACTION)
_READERS: list[Read] = [
    _read_decimal,
    _read_date_joined,
    _reader(_DAY + r"\D{0,4}" + _CLOCK + _FRACTION),
    _read_unix,
    _read_clock_joined,
    _reader(_APART + _FRACTION),
    _read_compact,
]
# Why the times that a reader found may be none.
_DOUBTS: dict[Read, Callable[[list[Fraction]], bool]] = {
    _read_date_joined: _counted,
    _read_clock_joined: _counted,
    _read_compact: _in_one_minute,
}
