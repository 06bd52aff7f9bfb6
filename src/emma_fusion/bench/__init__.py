"""Datasets x methods x metrics -> tables and a report.

`open_datasets` and `open_methods` find what is meant, `run` fuses and scores it and keeps every
value, `summarise` says what the values mean, `tables` and `report` write it down.
"""

from emma_fusion.bench.datasets import Dataset, open_dataset, open_datasets
from emma_fusion.bench.layouts import LAYOUTS
from emma_fusion.bench.methods import ENTRY_POINTS, Method, open_methods
from emma_fusion.bench.runner import BenchResult, Scores, run
from emma_fusion.bench.scoring import Rules
from emma_fusion.bench.statistics import Cell, Line, summarise
from emma_fusion.bench.tables import Table

__all__ = [
    "ENTRY_POINTS",
    "LAYOUTS",
    "BenchResult",
    "Cell",
    "Dataset",
    "Line",
    "Method",
    "Rules",
    "Scores",
    "Table",
    "open_dataset",
    "open_datasets",
    "open_methods",
    "run",
    "summarise",
]
