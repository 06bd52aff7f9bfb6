"""Running: what is scored, what is kept, what is named and not averaged."""

import csv
from dataclasses import replace

import cv2
import numpy as np
import pytest

from emma_fusion import metrics
from emma_fusion.bench import Method, Rules, open_dataset, open_methods, run
from emma_fusion.bench.store import Store
from emma_fusion.errors import UserError
from small_datasets import METRICS, SHAPE, write


def read(path):
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return image if image.ndim == 2 else image[..., ::-1].copy()


@pytest.fixture
def dataset(pairs):
    return open_dataset(pairs)


@pytest.fixture
def theirs(folders):
    """A folder of fused images that another program made of all four pairs."""
    for stem in "abcd":
        fused = read(folders / "ir" / f"{stem}.png") // 2 + 30
        write(folders / "theirs" / f"{stem}.png", fused)
    return open_methods([f"folder:{folders / 'theirs'}"])[0]


@pytest.mark.parametrize("protocol", ["direct", "paper"])
def test_values_are_those_of_the_written_images(dataset, theirs, folders, protocol):
    rules = Rules("ours", protocol, METRICS)
    out = folders / "out"
    outcome = run([dataset], [*open_methods(["average"]), theirs], rules, out)
    (scores,) = outcome.scores
    assert outcome.warnings == outcome.failures == []
    assert outcome.scored == 8
    for stem in "abcd":
        sources = [read(folders / side / f"{stem}.png") for side in ("ir", "vi")]
        made = read(out / "fused" / protocol / "street" / "average" / f"{stem}.png")
        given = metrics.prepare(read(folders / "theirs" / f"{stem}.png"), protocol)
        for method, fused in (("average", made), ("theirs", given)):
            expected = metrics.score(fused, *sources, metrics=METRICS)
            assert scores.values[method][stem] == expected
    made = read(out / "fused" / protocol / "street" / "average" / "a.png")
    assert (made.min(), made.max()) == (0, 255) or protocol == "direct"


def test_processes_change_nothing(dataset, theirs, folders, rules):
    methods = [*open_methods(["average", "guided"]), theirs]
    one = run([dataset], methods, rules, folders / "one")
    two = run([dataset], methods, rules, folders / "two", processes=2)
    assert one.scores[0].values == two.scores[0].values
    assert (folders / "one/scores.csv").read_text() == (folders / "two/scores.csv").read_text()


def test_a_second_run_does_nothing_anew(dataset, theirs, folders, rules):
    methods = [*open_methods(["average"]), theirs]
    first = run([dataset], methods, rules, folders / "out")
    fused = folders / "out/fused/direct/street/average/a.png"
    before = fused.stat().st_mtime_ns
    second = run([dataset], methods, rules, folders / "out")
    assert (first.scored, second.scored) == (8, 0)
    assert second.scores[0].values == first.scores[0].values
    assert fused.stat().st_mtime_ns == before


def test_only_what_changed_is_done_anew(dataset, theirs, folders, rules):
    methods = [*open_methods(["average"]), theirs]
    before = run([dataset], methods, rules, folders / "out").scores[0].values
    write(folders / "theirs" / "b.png", np.full(SHAPE, 9, np.uint8))  # one fused image
    write(folders / "ir" / "c.png", np.full(SHAPE, 90, np.uint8))  # one source of two methods
    outcome = run([dataset], methods, rules, folders / "out")
    after = outcome.scores[0].values
    assert outcome.scored == 3
    assert after["theirs"]["b"]["EN"] == 0
    assert after["average"]["c"] != before["average"]["c"]
    assert after["average"]["a"] == before["average"]["a"]


def test_another_metric_or_protocol_does_not_lose_the_first(dataset, folders, rules):
    methods = open_methods(["average"])
    out = folders / "out"
    run([dataset], methods, rules, out)
    assert run([dataset], methods, replace(rules, metrics=("AG",)), out).scored == 4
    assert run([dataset], methods, replace(rules, protocol="paper"), out).scored == 4
    assert run([dataset], methods, replace(rules, metrics=(*METRICS, "AG")), out).scored == 0
    with (out / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert {row["protocol"] for row in rows} == {"direct", "paper"}


def test_a_stopped_run_goes_on(dataset, folders, rules):
    calls = []

    def stop_at_third(pair):
        calls.append(pair.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return pair.visible

    method = Method("slow", "a function", "stamp", open=lambda: stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        run([dataset], [method], rules, folders / "out")
    assert len(Store(folders / "out/scores.csv").rows) == 2
    outcome = run([dataset], [method], rules, folders / "out")
    assert calls == ["a", "b", "c", "c", "d"]
    assert outcome.scored == 2
    assert list(outcome.scores[0].values["slow"]) == list("abcd")


def test_stale_and_missing_images_are_named(dataset, theirs, folders, rules):
    (folders / "theirs" / "b.png").rename(folders / "theirs" / "old.png")
    outcome = run([dataset], [theirs], rules, folders / "out")
    (scores,) = outcome.scores
    assert list(scores.values["theirs"]) == list("acd")
    assert not scores.is_complete("theirs")
    stale, missing = outcome.warnings
    assert "old.png" in stale
    assert "(b)" in missing
    assert "1 of 4" in missing


def test_images_of_other_pairs_are_not_stale_where_only_some_are_asked_for(
    dataset, theirs, folders, rules
):
    outcome = run([dataset.first(2)], [theirs], rules, folders / "out")
    assert not any("stale" in warning for warning in outcome.warnings)


def test_a_folder_of_two_programs_is_told(dataset, folders, rules):
    run([dataset], open_methods(["average", "maximum"]), rules, folders / "out")
    made = folders / "out/fused/direct/street"
    (made / "average/a.png").write_bytes((made / "maximum/a.png").read_bytes())
    (mixed,) = open_methods([f"folder:{made / 'average'}"])
    outcome = run([dataset], [mixed], rules, folders / "out2")
    assert "not made together" in outcome.warnings[0]
    assert "1 by" in outcome.warnings[0]
    assert "3 by" in outcome.warnings[0]


def test_only_common_images(dataset, theirs, folders, rules):
    (folders / "theirs" / "b.png").unlink()
    methods = [*open_methods(["average"]), theirs]
    outcome = run([dataset], methods, rules, folders / "out", common=True)
    (scores,) = outcome.scores
    assert list(scores.dataset.pairs) == list("acd")
    assert scores.is_complete("average")
    assert scores.is_complete("theirs")
    assert "3 of 4" in outcome.warnings[0]


@pytest.mark.parametrize("processes", [1, 2])
def test_bad_images_are_a_sentence_each_and_no_score(dataset, theirs, folders, rules, processes):
    (folders / "theirs" / "a.png").write_text("no image")
    write(folders / "theirs" / "b.png", np.zeros((40, 50), np.uint8))
    (folders / "vi" / "c.png").write_bytes(b"")
    methods = [*open_methods(["average"]), theirs]
    outcome = run([dataset], methods, rules, folders / "out", processes=processes)
    a, b, c, other_c = sorted(outcome.failures, key=lambda text: text.split(", ")[2])
    assert "a.png" in a
    assert "50x40" in b
    assert "c.png" in c
    assert "c.png" in other_c
    assert list(outcome.scores[0].values["average"]) == list("abd")
    assert list(outcome.scores[0].values["theirs"]) == ["d"]


def test_a_method_that_fails_costs_only_its_image(dataset, folders, rules):
    def fuse(pair):
        if pair.name == "b":
            raise RuntimeError("no b today")
        return pair.visible

    outcome = run([dataset], [Method("moody", "", "s", open=lambda: fuse)], rules, folders / "out")
    assert outcome.failures == ["street, moody, b: no b today"]
    assert list(outcome.scores[0].values["moody"]) == list("acd")


def test_nothing_scored_is_an_error(dataset, theirs, folders, rules):
    for stem in "abcd":
        (folders / "theirs" / f"{stem}.png").write_text("no image")
    with pytest.raises(UserError, match="Nothing could be scored"):
        run([dataset], [theirs], rules, folders / "out")


def test_a_folder_of_another_dataset_is_an_error(dataset, folders, rules):
    write(folders / "other" / "z.png", np.zeros(SHAPE, np.uint8))
    with pytest.raises(UserError, match="z is one of its names"):
        run([dataset], open_methods([f"folder:{folders / 'other'}"]), rules, folders / "out")


def test_a_convention_of_channels_is_given_colour(dataset, folders):
    rules = Rules("vifb", "direct", ("EN", "SF"))
    run([dataset], open_methods(["average"]), rules, folders / "out")
    fused = read(folders / "out/fused/direct-colour/street/average/a.png")
    assert fused.shape == (*SHAPE, 3)


def test_a_file_that_is_no_store_is_named(dataset, folders, rules):
    (folders / "out").mkdir()
    (folders / "out" / "scores.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"scores\.csv is not a table"):
        run([dataset], open_methods(["average"]), rules, folders / "out")


def test_a_store_that_was_cut_is_named(dataset, folders, rules):
    methods = open_methods(["average"])
    run([dataset], methods, rules, folders / "out")
    path = folders / "out" / "scores.csv"
    path.write_text(path.read_text()[:-60] + "\nstreet,average")
    with pytest.raises(UserError, match="cut short"):
        run([dataset], methods, rules, folders / "out")


def test_the_store_keeps_every_bit_and_what_is_not_finite(tmp_path, dataset, folders):
    from emma_fusion.bench.store import Row

    store = Store(tmp_path / "scores.csv")
    key = ("d", "m, with a comma", "p", "direct", "ours")
    store.put(key, Row("s", {"EN": 0.1 + 0.2, "PSNR": float("inf")}))
    store.save()
    again = Store(tmp_path / "scores.csv")
    assert again.rows == store.rows
    assert again.find(key, "s", ("EN",)) is not None
    assert again.find(key, "s", ("EN", "SD")) is None
    assert again.find(key, "other", ("EN",)) is None
