"""Folders fused by Ray: the plan, a worker by itself, and two workers one of which is killed."""

import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

fsspec = pytest.importorskip("fsspec", reason="the extra cluster is not installed")


from emma_fusion import Fuser  # noqa: E402
from emma_fusion.cli import main  # noqa: E402
from emma_fusion.errors import UserError  # noqa: E402
from emma_fusion.images.geotiff import Tag, read_georeference  # noqa: E402
from emma_fusion.images.raster import read_image, write_image  # noqa: E402
from emma_fusion.images.record import beside, read_record  # noqa: E402
from emma_fusion.jobs.image import Recipe  # noqa: E402
from emma_fusion.jobs.messages import Messages  # noqa: E402
from emma_fusion.jobs.ray import Worker, fuse_on_ray, plan  # noqa: E402
from emma_fusion.jobs.request import ClusterOptions, FuseRequest  # noqa: E402

RNG = np.random.default_rng(0)


class Said(Messages):
    """Keeps what was said."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def recipe(folders, overwrite=False, workers=None):
    cluster = ClusterOptions("ray", workers)
    return Recipe.of(FuseRequest(*folders, overwrite=overwrite, cluster=cluster))


def planned(folders, overwrite=False):
    return plan(recipe(folders, overwrite), Messages())


def write_pair(folder, name, width=8, **options):
    for side, shape in (("ir", (9, width)), ("vi", (9, width, 3))):
        write_image(folder / side / name, RNG.integers(0, 255, shape, np.uint8), **options)


@pytest.fixture
def folders(tmp_path):
    """Two folders of six pairs, the last the largest, and one image that has no partner."""
    for number in range(6):
        write_pair(tmp_path, f"{number}.png", 8 + 4 * number)
    write_image(tmp_path / "vi" / "alone.png", np.zeros((4, 4), np.uint8))
    return str(tmp_path / "ir"), str(tmp_path / "vi"), str(tmp_path / "out")


@pytest.fixture
def remote(folders):
    """The same folders in fsspec's memory, which this process has to itself."""
    files = fsspec.filesystem("memory")
    for side in folders[:2]:
        files.put(side, f"/{Path(side).name}", recursive=True)
    yield "memory://ir", "memory://vi", "memory://out"
    for name in ("ir", "vi", "out"):
        if files.exists(f"/{name}"):
            files.rm(f"/{name}", recursive=True)


def work(jobs, model, overwrite=False):
    """What a worker says of the jobs."""
    worker = Worker(recipe("abc", overwrite), lambda threads: Fuser.from_pretrained(model), 1)
    return dict(worker.fuse(jobs))


# --- the plan ------------------------------------------------------------------------------------
def test_the_plan_has_the_largest_first_and_leaves_out_what_is_there(folders):
    write_image(Path(folders[2]) / "3.png", np.zeros((4, 4), np.uint8))
    messages = Said()
    jobs = plan(recipe(folders), messages)
    assert [job.stem for job in jobs] == ["5", "4", "2", "1", "0"]
    assert jobs[0].target == f"file://{folders[2]}/5.png"
    assert messages.lines[0] == "No partner for alone.png"
    assert messages.lines[1].startswith("Skipped 1 that exist")
    assert len(planned(folders, overwrite=True)) == 6


def test_a_plan_of_remote_folders(remote):
    assert sorted(job.target for job in planned(remote)) == [
        f"memory:///out/{number}.png" for number in range(6)
    ]


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (("nowhere", "vi", "out"), "no folder nowhere"),
        (("ir", "memory://nowhere", "out"), "no folder memory://nowhere"),
        (("gopher://ir", "vi", "out"), "gopher://ir cannot be reached"),
        (("ir", "vi", "vi"), "one of the inputs"),
    ],
)
def test_folders_that_cannot_be_fused(folders, monkeypatch, names, complaint):
    monkeypatch.chdir(Path(folders[0]).parent)
    with pytest.raises(UserError, match=complaint):
        planned(names)


# --- a worker ------------------------------------------------------------------------------------
def test_a_worker_gives_what_the_library_gives(folders, model):
    infrared, visible, output = map(Path, folders)
    (infrared / "2.png").write_bytes(b"not an image")
    said = work(planned(folders), model)
    fuser = Fuser.from_pretrained(model)
    for number in (0, 1, 3, 4, 5):
        pair = (read_image(folder / f"{number}.png") for folder in (infrared, visible))
        np.testing.assert_array_equal(
            read_image(output / f"{number}.png"), fuser(*pair, contrast="auto")
        )
    failed = {target: failure for target, failure in said.items() if failure}
    assert list(failed) == [f"file://{output}/2.png"]
    assert "2.png is not a PNG" in next(iter(failed.values()))
    assert len(list(output.iterdir())) == 5


def test_a_worker_skips_what_was_written_since(folders, model):
    jobs = planned(folders)
    target = Path(folders[2]) / "4.png"
    target.parent.mkdir()
    target.write_bytes(b"written")
    assert set(work(jobs, model).values()) == {""}
    assert target.read_bytes() == b"written"
    work(jobs, model, overwrite=True)
    assert read_image(target).shape == (9, 24, 3)


def test_a_worker_reads_from_and_writes_to_elsewhere(remote, model, tmp_path):
    files = fsspec.filesystem("memory")
    assert set(work(planned(remote), model).values()) == {""}
    assert sorted(Path(path).name for path in files.ls("/out", detail=False)) == [
        f"{number}.png" for number in range(6)
    ]
    files.get("/out/1.png", str(tmp_path / "1.png"))
    expected = Fuser.from_pretrained(model)(
        read_image(tmp_path / "ir" / "1.png"),
        read_image(tmp_path / "vi" / "1.png"),
        contrast="auto",
    )
    np.testing.assert_array_equal(read_image(tmp_path / "1.png"), expected)
    assert read_record(tmp_path / "1.png")["visible"]["name"] == "1.png"


def test_record_and_place_of_a_remote_tiff(folders, model, tmp_path):
    files = fsspec.filesystem("memory")
    scale = [Tag(33550, 12, 3, np.array([0.5, 0.5, 0], "<f8").tobytes())]
    shutil.rmtree(folders[0])
    shutil.rmtree(folders[1])
    write_pair(tmp_path, "a.tif", georeference=scale)
    try:
        work(planned((*folders[:2], "memory://tiffs")), model)
        files.get("/tiffs", str(tmp_path / "got"), recursive=True)
    finally:
        files.rm("/tiffs", recursive=True)
    assert read_georeference(tmp_path / "got" / "a.tif") == scale
    assert beside(tmp_path / "got" / "a.tif").exists()
    assert len(list((tmp_path / "got").iterdir())) == 2


# --- the command ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--engine", "ray", "--video"), "leave out --video"),
        (("--engine", "ray", "--infrared-range", "folder"), "leave out --engine"),
        (("--workers", "2"), "--workers is for"),
    ],
)
def test_options_that_do_not_go_together(folders, capfd, options, complaint):
    with pytest.raises(SystemExit) as end:
        main(["fuse", *folders[:2], "-o", folders[2], *options])
    assert end.value.code == 2
    assert complaint in capfd.readouterr().err


def test_without_the_extra_it_is_named(folders, monkeypatch):
    monkeypatch.setattr("emma_fusion.jobs.ray.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"emma-fusion\[cluster\]"):
        fuse_on_ray(recipe(folders), Messages())


@pytest.fixture
def ray(monkeypatch):
    """Ray, whose workers have the priority of the test."""
    monkeypatch.setenv("RAY_worker_niceness", "0")
    return pytest.importorskip("ray", reason="the extra cluster is not installed")


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_two_workers_one_of_which_is_killed(folders, model, tmp_path):
    """Pair 3 kills its worker the first time; every pair is done, and none is broken."""
    struck = tmp_path / "struck"

    def open_fuser(threads):
        fuser = Fuser.from_pretrained(model, threads=1)
        fuse_pair = fuser.fuse_pair

        def fuse_or_die(pair, contrast, progress=None):
            if pair.name == "3" and not struck.exists():
                struck.write_text("")
                os.kill(os.getpid(), signal.SIGKILL)
            return fuse_pair(pair, contrast, progress)

        fuser.fuse_pair = fuse_or_die
        return fuser

    messages = Said()
    assert not fuse_on_ray(recipe(folders, workers=2), messages, open_fuser).failures
    assert struck.exists()
    assert f"Fused 6 of 6 pairs into {folders[2]}" in messages.lines
    output = Path(folders[2])
    assert sorted(path.name for path in output.iterdir()) == [f"{n}.png" for n in range(6)]
    for number in range(6):
        assert read_image(output / f"{number}.png").shape == (9, 8 + 4 * number, 3)


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_a_pair_that_always_kills_its_worker_costs_no_other(folders, model, monkeypatch):
    monkeypatch.setattr("emma_fusion.jobs.ray._TRIES", 1)

    def open_fuser(threads):
        fuser = Fuser.from_pretrained(model, threads=1)
        fuse_pair = fuser.fuse_pair

        def fuse_or_die(pair, contrast, progress=None):
            if pair.name == "3":
                os.kill(os.getpid(), signal.SIGKILL)
            return fuse_pair(pair, contrast, progress)

        fuser.fuse_pair = fuse_or_die
        return fuser

    messages = Said()
    outcome = fuse_on_ray(recipe(folders, workers=1), messages, open_fuser)
    assert outcome.failures == ("3: its worker died, 1 times",)
    assert f"Fused 5 of 6 pairs into {folders[2]}" in messages.lines
    assert len(list(Path(folders[2]).iterdir())) == 5


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_a_cluster_without_a_machine_ends_with_a_sentence(folders, model, monkeypatch):
    monkeypatch.setattr("emma_fusion.jobs.ray._PATIENCE", 0.2)
    monkeypatch.setattr("ray.nodes", lambda: [{"Alive": False}])

    def open_fuser(threads):
        fuser = Fuser.from_pretrained(model, threads=1)
        fuser.fuse_pair = lambda *_: time.sleep(60)
        return fuser

    with pytest.raises(UserError, match="no machine left"):
        fuse_on_ray(recipe(folders, workers=1), Messages(), open_fuser)
