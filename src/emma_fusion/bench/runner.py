"""Datasets x methods: fuse what is not fused yet, score what is not scored yet, keep it all."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path

from emma_fusion.bench.datasets import Dataset
from emma_fusion.bench.makers import mixed_makers
from emma_fusion.bench.methods import Fuse, Method
from emma_fusion.bench.scoring import (
    Job,
    Rules,
    fuse_file,
    fuse_stamp,
    score_files,
    score_stamp,
    was_made_by,
)
from emma_fusion.bench.store import Row, Store
from emma_fusion.bench.workers import workers
from emma_fusion.errors import UserError
from emma_fusion.images.folders import list_images

SAVE_EVERY = 5.0  # seconds
Progress = Callable[[int, int], None]


@dataclass
class Scores:
    """What was measured on one dataset.

    Attributes:
        dataset: The pairs.
        methods: In the order of the table.
        values: Method -> stem -> metric -> value; stems that could not be scored are not there.
        fused: Method -> stem -> file.
    """

    dataset: Dataset
    methods: list[Method]
    values: dict[str, dict[str, dict[str, float]]]
    fused: dict[str, dict[str, Path]]

    def is_complete(self, method: str) -> bool:
        """Whether all pairs have a score of this method."""
        return len(self.values[method]) == len(self.dataset.pairs)


@dataclass
class BenchResult:
    """The outcome of a run.

    Attributes:
        scores: One a dataset.
        rules: How they were scored.
        warnings: Stale and missing files, and whatever else a reader must know.
        failures: Images that could not be fused or scored, a sentence each.
        scored: How many images were scored now; the others were kept from before.
    """

    scores: list[Scores]
    rules: Rules
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    scored: int = 0


def run(
    datasets: list[Dataset],
    methods: list[Method],
    rules: Rules,
    output: Path,
    *,
    processes: int = 1,
    common: bool = False,
    progress: Progress = lambda done, total: None,
) -> BenchResult:
    """Fuse and score everything that a table needs.

    Fused images are kept in OUTPUT/fused/PROTOCOL/DATASET/METHOD, values in OUTPUT/scores.csv.
    What is there and was made of the same files by the same method and formulas is not made again.

    Args:
        datasets: On which images.
        methods: Of which methods.
        rules: How to score.
        output: Folder.
        processes: For scoring and for baselines; networks run in this process.
        common: Only the images of which every folder method has a fused one.
        progress: Called with how many images are done, and of how many.

    Raises:
        UserError: There is nothing to score, or a folder has no image of any dataset.
    """
    store = Store(output / "scores.csv")
    outcome = BenchResult([], rules)
    plan = [_plan(dataset, methods, rules, output, common, outcome) for dataset in datasets]
    _check_folders(methods, outcome.scores)
    jobs = [job for planned in plan for job in planned]
    by_name = {method.name: method for method in methods}
    by_dataset = {scores.dataset.name: scores for scores in outcome.scores}
    opened: dict[str, Fuse] = {}
    done, saved = 0, time.monotonic()
    waiting: dict[Future[tuple[str, dict[str, float]]], Job] = {}

    def finish(job: Job, result: dict[str, float] | Exception) -> None:
        nonlocal done
        dataset, method, stem = job.key[:3]
        if isinstance(result, Exception):
            said = str(result) or type(result).__name__
            outcome.failures.append(f"{dataset}, {method}, {stem}: {said}")
        else:
            values = {name: result[name] for name in rules.metrics}
            by_dataset[dataset].values[method][stem] = values
        done += 1
        progress(done, len(jobs))

    def collect(block: bool) -> None:
        nonlocal saved
        timeout = None if block else 0
        for future in wait(waiting, timeout=timeout, return_when=FIRST_COMPLETED).done:
            job = waiting.pop(future)
            try:
                stamp, values = future.result()
            except BrokenProcessPool:
                raise
            except Exception as error:
                finish(job, error)
                continue
            store.put(job.key, Row(stamp, values))
            outcome.scored += 1
            finish(job, values)
        if time.monotonic() - saved > SAVE_EVERY:
            store.save()
            saved = time.monotonic()

    try:
        with workers(processes) as executor:
            for job in jobs:
                method = by_name[job.key[1]]
                fuse, row = None, None
                try:
                    if method.open is not None:
                        job = _with_stamp(job, method)
                except UserError as error:
                    finish(job, error)
                    continue
                if method.open is not None and job.make is not None:
                    fuse = opened[method.name] = opened.get(method.name) or method.open()
                try:
                    if fuse is not None and not method.portable:
                        fuse_file(job, fuse)
                        fuse = None
                    if fuse is None:
                        row = _stored(store, job)
                except Exception as error:  # one bad pair must not cost the others their night
                    finish(job, error)
                    continue
                if row is not None:
                    finish(job, row.values)
                    continue
                waiting[executor.submit(_work, job, fuse)] = job
                collect(block=False)
            while waiting:
                collect(block=True)
    except BrokenProcessPool:
        raise UserError(
            "A process that was scoring was ended from outside, perhaps because memory ran out. "
            "What was scored is kept: run it again with fewer processes."
        ) from None
    finally:
        if store.rows:
            store.save()
    _in_order(outcome)
    _warn_of_gaps(outcome)
    if not any(values for scores in outcome.scores for values in scores.values.values()):
        raise UserError("Nothing could be scored.\n" + "\n".join(outcome.failures))
    return outcome


def _work(job: Job, fuse: Fuse | None) -> tuple[str, dict[str, float]]:
    """What another process does: fuse, where it is given how, and score."""
    if fuse is not None:
        fuse_file(job, fuse)
    return score_stamp(job), score_files(job.fused, job.infrared, job.visible, job.rules)


def _with_stamp(job: Job, method: Method) -> Job:
    """Decide whether the image is to be made: it is not there, or of another make."""
    stamp = fuse_stamp(job, method.stamp)
    return job if was_made_by(job.fused, stamp) else replace(job, make=stamp)


def _stored(store: Store, job: Job) -> Row | None:
    """The row that the store has of this very image."""
    return (
        store.find(job.key, score_stamp(job), job.rules.metrics) if job.key in store.rows else None
    )


def _plan(
    dataset: Dataset,
    methods: list[Method],
    rules: Rules,
    output: Path,
    common: bool,
    outcome: BenchResult,
) -> list[Job]:
    """The jobs of one dataset, and what is stale or missing in folders."""
    fused: dict[str, dict[str, Path]] = {}
    protocol = rules.protocol + ("-colour" if rules.coloured else "")
    for method in methods:
        folder = method.folder_of(dataset.name)
        if folder is None:
            made = output / "fused" / protocol / dataset.name / method.name
            fused[method.name] = {stem: made / f"{stem}.png" for stem in dataset.pairs}
            continue
        images = list_images(folder)
        stale = [path for stem, path in images.items() if stem not in dataset.stems]
        fused[method.name] = {s: path for s, path in images.items() if s in dataset.pairs}
        if fused[method.name]:
            _warn_of_stale(dataset, method, stale, list(fused[method.name].values()), outcome)
    if common:
        stems = [s for s in dataset.pairs if all(s in found for found in fused.values())]
        if not stems:
            raise UserError(f"No image of {dataset.title} is there from every method.")
        if len(stems) < len(dataset.pairs):
            outcome.warnings.append(
                f"{dataset.title}: only the {len(stems)} of {len(dataset.pairs)} images that "
                "every method has."
            )
        dataset = replace(dataset, pairs={stem: dataset.pairs[stem] for stem in stems})
        fused = {name: {s: found[s] for s in stems} for name, found in fused.items()}
    outcome.warnings += dataset.warnings
    values: dict[str, dict[str, dict[str, float]]] = {method.name: {} for method in methods}
    outcome.scores.append(Scores(dataset, methods, values, fused))
    return [
        Job(
            (dataset.name, method.name, stem, rules.protocol, rules.convention),
            *dataset.pairs[stem],
            path,
            rules,
        )
        for method in methods
        for stem, path in sorted(fused[method.name].items())
    ]


def _warn_of_stale(
    dataset: Dataset, method: Method, stale: list[Path], used: list[Path], outcome: BenchResult
) -> None:
    """Name images of a folder that have no pair, and folders that hold two runs' images."""
    if stale:
        few = ", ".join(path.name for path in stale[:5]) + (", ..." if stale[5:] else "")
        outcome.warnings.append(
            f"{dataset.title}, {method.name}: {len(stale)} fused images belong to no pair and "
            f"are not scored: stale, or of another set ({few})."
        )
    if mixed := mixed_makers(used):
        outcome.warnings.append(f"{dataset.title}, {method.name}: {mixed}")


def _check_folders(methods: list[Method], scores: list[Scores]) -> None:
    for method in methods:
        if method.folder is not None and not any(s.fused[method.name] for s in scores):
            has = next(iter(list_images(method.folder)), None)
            wants = next(iter(scores[0].dataset.pairs))
            raise UserError(
                f"The folder {method.folder} has no fused image of any pair: "
                + (
                    f"{has} is one of its names, {wants} one of the pairs'."
                    if has
                    else "it is empty."
                )
            )


def _in_order(outcome: BenchResult) -> None:
    """Processes finish in any order; results do not depend on it."""
    for scores in outcome.scores:
        for method, values in scores.values.items():
            scores.values[method] = dict(sorted(values.items()))
    outcome.failures.sort()


def _warn_of_gaps(outcome: BenchResult) -> None:
    for scores in outcome.scores:
        total = len(scores.dataset.pairs)
        for method in scores.methods:
            missing = [s for s in scores.dataset.pairs if s not in scores.values[method.name]]
            if missing:
                few = ", ".join(missing[:5]) + (", ..." if missing[5:] else "")
                outcome.warnings.append(
                    f"{scores.dataset.title}, {method.name}: {len(missing)} of {total} images "
                    f"have no score ({few}), so the method is not ranked."
                )
