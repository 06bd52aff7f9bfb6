"""What judges chose who knew no method: how often each was put before each other.

    python benchmarks/ranked_blind.py [reports/training/ranked-blind.csv] [--round 28]

A line of the file is one judge's order of the fused images of one pair, from the best to the worst;
a tie counts half. Only rounds whose choices were kept are there.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
Shares = dict[tuple[str, str], float]


def shares(orders: list[str]) -> Shares:
    """How often each method was put before each other, 0 to 1.

    >>> shares(["a > b = c", "b > a > c"])["a", "b"], shares(["a > b = c"])["b", "c"]
    (0.5, 0.5)
    """
    won: dict[tuple[str, str], list[float]] = defaultdict(list)
    for order in orders:
        groups = [group.split(" = ") for group in order.split(" > ")]
        place = {name: number for number, group in enumerate(groups) for name in group}
        for first, second in itertools.permutations(place, 2):
            before = (place[second] > place[first]) + (place[second] == place[first]) / 2
            won[first, second].append(before)
    return {pair: sum(each) / len(each) for pair, each in won.items()}


def main() -> None:
    """Print a table for each judge, and one for all of them, by the images that they saw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "file", type=Path, nargs="?", default=HERE / "reports" / "training" / "ranked-blind.csv"
    )
    parser.add_argument("--round", help="only this one")
    asked = parser.parse_args()
    with asked.file.open(encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if asked.round in (None, row["round"])]
    tables: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        tables[f"round {row['round']}, {row['images']}, judge {row['judge']}"].append(row["order"])
        tables[f"round {row['round']}, {row['images']}, all"].append(row["order"])
    for title, orders in sorted(tables.items()):
        found = shares(orders)
        names = sorted({name for name, _ in found})
        print(f"\n{title}, {len(orders)} orders\n\n| over | {' | '.join(names)} |")
        print("|---" * (len(names) + 1) + "|")
        for first in names:
            cells = [f"{found[first, b]:.0%}" if b != first else "" for b in names]
            print(f"| {first} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
