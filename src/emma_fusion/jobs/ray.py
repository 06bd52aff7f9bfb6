"""Two folders, local or remote, fused by workers on many machines.

The workers are actors of Ray. Each opens the model once, and reads, fuses and writes batch after
batch of pairs, of which it gets the names: no pixel travels through Ray. Where a worker dies,
another takes its place, and its pairs are given out again one by one, without those that are
written, so that a pair that kills every worker costs no other.

Plain actors and not Ray Data, which gives what a dead worker had out again for ever, or, with a
limit to that (which it is about to drop), counts the pairs that only waited at the worker, too.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from emma_fusion.errors import UserError
from emma_fusion.images.folders import by_stem, pair_stems
from emma_fusion.jobs.folder import fuse_all, report
from emma_fusion.jobs.image import Recipe, choose_suffix
from emma_fusion.jobs.image import open_fuser as open_here
from emma_fusion.jobs.messages import Messages, Outcome
from emma_fusion.jobs.remote import Names, StoredFolder, fetch, is_there, store
from emma_fusion.jobs.targets import (
    Targets,
    check_names,
    tell_pairing,
    tell_skipped,
)

if TYPE_CHECKING:
    from emma_fusion.fuser import Fuser

OpenFuser = Callable[[int], "Fuser"]
# Pairs that a worker gets at a time: few, so that the last ones are shared out evenly, and little
# is done again where a worker died.
_BATCH = 16
# How often a pair is given out by itself, where its worker dies each time.
_TRIES = 3
# Seconds without a batch that is done, after which is asked whether there is a machine left.
_PATIENCE = 30.0


def fuse_on_ray(recipe: Recipe, messages: Messages, open_fuser: OpenFuser | None = None) -> Outcome:
    """Fuse the pairs of two folders by Ray.

    Ray is the cluster that RAY_ADDRESS names, else one that is started on this machine. The
    machines need this package, and must see folders and model under the same names.

    Args:
        recipe: What is asked for; its inputs and output are paths or URLs that fsspec knows.
        messages: Takes what there is to say.
        open_fuser: Opens the model for a number of threads; called once in each worker.

    Raises:
        UserError: The extra is missing, a folder cannot be listed, the model not opened, or no
            machine of the cluster is left.
    """
    open_fuser = open_fuser or partial(open_here, recipe.request.network)
    workers = recipe.request.cluster.workers
    for name in ("ray", "fsspec"):
        if find_spec(name) is None:
            raise UserError(f"--engine ray needs {name}: pip install 'emma-fusion[cluster]'.")
    for side, rule in (
        ("infrared", recipe.infrared_range),
        ("visible", recipe.request.visible_range),
    ):
        if rule.startswith("folder"):
            raise UserError(f"--{side}-range folder looks at all images first: leave out --engine.")
    jobs = plan(recipe, messages)
    if not jobs:
        return Outcome()
    open_fuser(1)  # what is wrong with it is said here, and not by every worker
    failures: dict[str, str] = {}
    with _cluster(workers), messages.bar("Fusing") as show:
        outcomes = _run(jobs, recipe, open_fuser, workers)
        for number, (target, failure) in enumerate(outcomes, 1):
            if failure:
                failures[target] = failure
            show(number, len(jobs))
    jobs.sort(key=lambda job: job.stem)
    listed = [f"{job.stem}: {failures[job.target]}" for job in jobs if job.target in failures]
    return report("Fused", listed, len(jobs), recipe.request.output, messages)


def plan(recipe: Recipe, messages: Messages) -> list[Names]:
    """What is to be done, the largest pairs first; the rest is named.

    Raises:
        UserError: See `images.folders.pair_stems` and `Targets`; or a folder cannot be listed.
    """
    request = recipe.request
    sides = [StoredFolder(request.infrared), StoredFolder(request.visible)]
    out = StoredFolder(request.output)
    if out in sides:
        raise UserError(f"{out.name} is one of the inputs: write to another folder.")
    sizes = [side.sizes() for side in sides]
    targets = Targets([side.path for side in sides if side.path], request.overwrite)
    if out.path:
        targets.check_folder(out.path)
    first, second = (
        by_stem(map(PurePosixPath, names), side.name)
        for names, side in zip(sizes, sides, strict=True)
    )
    found = pair_stems(
        first, second, request.infrared, request.visible, pattern=request.pairing.match
    )
    tell_pairing(found, messages)
    pairs = found.pairs
    names = {stem: stem + choose_suffix(request, v.suffix) for stem, _, v in pairs}
    check_names(names.values())
    if out.path:
        targets.check_all([out.path / name for name in names.values()])
    there = out.sizes() if out.files.exists(out.root) else {}
    jobs = [
        Names(
            sides[0].url(i.name),
            sides[1].url(v.name),
            out.url(names[stem]),
            sizes[0][i.name] + sizes[1][v.name],
        )
        for stem, i, v in pairs
        if request.overwrite or names[stem] not in there
    ]
    tell_skipped(len(pairs) - len(jobs), messages)
    return sorted(jobs, key=lambda job: -job.size)


@contextmanager
def _cluster(workers: int | None) -> Iterator[None]:
    """Ray, for the length of a block."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what fails is listed in the end
    import ray

    here: dict[str, Any] = {}
    if "RAY_ADDRESS" not in os.environ:
        cores = max(os.cpu_count() or 1, workers or 1)
        here = {"address": "local", "num_cpus": cores, "include_dashboard": False}
    ray.init(log_to_driver=False, logging_level=logging.ERROR, **here)
    try:
        yield
    finally:
        ray.shutdown()


def _run(
    jobs: list[Names], recipe: Recipe, open_fuser: OpenFuser, workers: int | None
) -> Iterator[tuple[str, str]]:
    """Have the jobs done.

    Yields:
        The target of each job when it is done, and what it failed by or "".
    """
    import ray

    resources = ray.cluster_resources()
    cores, gpus = resources.get("CPU", 1.0), resources.get("GPU", 0.0)
    number = min(workers or int(gpus) or max(1, int(cores) // 2), len(jobs))
    share = cores / number if number > cores else cores // number
    remote = ray.remote(num_cpus=share, num_gpus=min(1.0, gpus / number))(Worker)
    size = min(_BATCH, max(1, len(jobs) // (4 * number)))
    waiting = deque((jobs[at : at + size], 0) for at in range(0, len(jobs), size))
    idle: list[Any] = []
    running: dict[Any, tuple[Any, list[Names], int]] = {}
    while waiting or running:
        while waiting and len(running) < number:
            if not idle:
                idle.append(remote.remote(recipe, open_fuser, max(1, int(share))))
            worker = idle.pop()
            batch, tries = waiting.popleft()
            running[worker.fuse.remote(batch)] = (worker, batch, tries)
        finished, _ = ray.wait(list(running), num_returns=1, timeout=_PATIENCE)
        if not finished:
            _check_alive(ray.nodes())
            continue
        (done,) = finished
        worker, batch, tries = running.pop(done)
        try:
            yield from ray.get(done)
            idle.append(worker)
        except ray.exceptions.RayActorError:
            if len(batch) > 1:
                waiting.extend(([job], 0) for job in batch)
            elif tries + 1 < _TRIES:
                waiting.append((batch, tries + 1))
            else:
                yield batch[0].target, f"its worker died, {_TRIES} times"


def _check_alive(machines: list[dict[str, Any]]) -> None:
    """Check that there is a machine that workers can be on; Ray waits for one without end.

    Raises:
        UserError: there is none.
    """
    if not any(machine["Alive"] for machine in machines):
        raise UserError(
            "Ray has no machine left: it was ended, or out of memory. Run the same command again; "
            "what is written is skipped."
        )


class Worker:
    """Fuses batches of pairs, as an actor of Ray.

    Args:
        recipe: What is asked for.
        open_fuser: Opens the model.
        threads: For the model.
    """

    def __init__(self, recipe: Recipe, open_fuser: OpenFuser, threads: int) -> None:
        self._recipe = recipe
        self._fuser = open_fuser(threads)

    def fuse(self, jobs: list[Names]) -> list[tuple[str, str]]:
        """Fuse pairs; gives the target of each, and what it failed by or ""."""
        done = {job.target: "" for job in jobs}
        with tempfile.TemporaryDirectory() as folder:
            if not self._recipe.request.overwrite:  # done by one that died after it
                jobs = [job for job in jobs if not is_there(job.target)]
            for job, error in fuse_all(
                jobs,
                self._fuser,
                self._recipe,
                lambda job: fetch(job, Path(folder)),
                store,
                Messages(),
            ):
                done[job.target] = (str(error) or type(error).__name__) if error else ""
        return list(done.items())
