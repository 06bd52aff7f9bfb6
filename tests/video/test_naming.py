"""The order of frames by name, and the times that names tell."""

from fractions import Fraction

import pytest

from emma_fusion.errors import UserError
from emma_fusion.images.raster import write_image
from emma_fusion.video.folder import FrameFolder
from emma_fusion.video.frames import Frame
from emma_fusion.video.naming import find_order
from emma_fusion.video.pairing import pair_videos
from videos import image

SECONDS = {
    "Unix time": ["1305031102.975304", "1305031103.075304", "1305031103.175304"],
    "decimals of any length": ["1305031102.25", "1305031102.5", "1305031103.0"],
    "milliseconds": ["1305031102975", "1305031103075", "1305031103175"],
    "nanoseconds": ["cam0_1403636579963555584", "cam0_1403636580013555456"],
    "seconds and nanoseconds": ["1305031102_975304000", "1305031103_075304000"],
    "a date and a clock": ["20240131_235959", "20240201_000000", "20240201_000001"],
    "a date, a clock, a fraction": ["2024-01-31_23-59-59.75", "2024-02-01_00-00-00.5"],
    "a phone's": ["PXL_20240131_120000967", "PXL_20240131_120001033"],
    "a drone's": ["DJI_20240131120059_0009_T", "DJI_20240131120101_0010_T"],
    "milliseconds after a mark": ["20240131_120000_967", "20240131_120001_033"],
    "a clock": ["12-00-59", "12-01-00", "12-01-01"],
    "a clock, a fraction": ["cam_09.59.59.900", "cam_10.00.00.000"],
    "a clock of digits": ["120058", "120059", "120100"],
    "seconds": ["t9.5", "t10.25", "t11.0"],
}
STEPS = {
    "Unix time": ["0.1", "0.1"],
    "decimals of any length": ["0.25", "0.5"],
    "milliseconds": ["0.1", "0.1"],
    "nanoseconds": ["0.049999872"],
    "seconds and nanoseconds": ["0.1"],
    "a date and a clock": ["1", "1"],
    "a date, a clock, a fraction": ["0.75"],
    "a phone's": ["0.066"],
    "a drone's": ["2"],
    "milliseconds after a mark": ["0.066"],
    "a clock": ["1", "1"],
    "a clock, a fraction": ["0.1"],
    "a clock of digits": ["1", "1"],
    "seconds": ["0.75", "0.75"],
}


@pytest.mark.parametrize("kind", SECONDS)
def test_times_in_names(kind):
    stems = SECONDS[kind]
    order = find_order(stems[::-1])
    assert (order.kind, order.stems) == ("time", stems)
    steps = [b - a for a, b in zip(order.values, order.values[1:], strict=False)]
    assert steps == [Fraction(step) for step in STEPS[kind]]


@pytest.mark.parametrize(
    ("stems", "numbers"),
    [
        (["shot9", "shot10", "shot11"], [9, 10, 11]),
        (["frame9_640x480", "frame10_640x480"], [9, 10]),
        ([f"{n:010}" for n in (0, 1, 3)], [0, 1, 3]),
        ([f"{n:06}" for n in range(50, 70)], list(range(50, 70))),  # no clock: 60 is no second
        (["DJI_0001_T", "DJI_0002_T"], [1, 2]),
        (["photo (2)", "photo (10)"], [2, 10]),
        (["one7"], [7]),
    ],
)
def test_numbers_in_names(stems, numbers):
    order = find_order(stems[::-1])
    assert (order.kind, order.stems, order.values) == ("number", stems, numbers)


@pytest.mark.parametrize(
    "stems",
    [
        ["a", "b", "c"],
        ["20240131", "20240201"],  # days
        ["2024-01-31", "2024-02-01"],
        ["seq1_frame9", "seq1_frame10", "seq2_frame1"],
        ["20240131_120000_001", "20240131_120000_002", "20240131_120001_003"],  # counted
        ["17234567", "17267890", "17301234"],  # microseconds of nobody knows what
    ],
)
def test_names_that_tell_only_an_order(stems):
    order = find_order(stems[::-1])
    assert (order.kind, order.stems) == ("order", stems)
    assert order.values == list(range(len(stems)))


def test_times_that_do_not_grow_are_none():
    # the clock of a camera that was set back: the numbers before it tell the order
    order = find_order(["1_12-00-05", "2_12-00-06", "3_11-00-07"])
    assert order.kind == "order"
    assert order.stems == ["1_12-00-05", "2_12-00-06", "3_11-00-07"]


def test_one_number_twice():
    with pytest.raises(UserError, match="have the same number"):
        find_order(["shot04", "shot4", "shot5"])


def fill(folder, stems):
    folder.mkdir()
    for number, stem in enumerate(stems):
        write_image(folder / f"{stem}.png", image(number, (16, 16)))
    return folder


def test_a_folder_named_by_unix_time(tmp_path):
    stems = [f"130503110{2 + (n + 1) // 10}.{(n + 1) % 10}75304" for n in range(10)]
    folder = FrameFolder(fill(tmp_path / "ir", stems))
    assert (folder.kind, folder.rate, folder.paced) == ("time", 10, False)
    frames = list(folder)
    assert [frame.name for frame in frames] == [f"{stem}.png" for stem in stems]
    assert frames[-1].time - frames[0].time == Fraction(9, 10)
    asked = FrameFolder(tmp_path / "ir", Fraction(30))
    pairs = list(pair_videos(asked, asked))
    assert [v.time for _, v in pairs] == [Fraction(n, 30) for n in range(10)]
    assert all(i.name == v.name for i, v in pairs)


def test_a_time_lapse_is_shown_at_the_rate(tmp_path):
    stems = [f"20240131_1{n}0000" for n in range(4)]
    folder = FrameFolder(fill(tmp_path / "hourly", stems))
    assert (folder.kind, folder.paced, folder.rate) == ("time", True, 25)
    pairs = list(pair_videos(folder, folder))
    assert [v.time for _, v in pairs] == [Fraction(n, 25) for n in range(4)]
    assert all(i.name == v.name for i, v in pairs)


def test_two_folders_go_by_the_times_of_their_names(tmp_path):
    infrared = FrameFolder(fill(tmp_path / "ir", ["100.05", "100.25", "100.45"]))
    visible = FrameFolder(fill(tmp_path / "vis", ["100.00", "100.10", "100.20", "100.30", "101.0"]))
    names = [(i and i.name, v.name) for i, v in pair_videos(infrared, visible)]
    assert names == [
        ("100.05.png", "100.00.png"),
        ("100.05.png", "100.10.png"),
        ("100.25.png", "100.20.png"),
        ("100.25.png", "100.30.png"),
        (None, "101.0.png"),
    ]
    # another clock altogether: they begin together
    other = FrameFolder(fill(tmp_path / "other", ["7.05", "7.25", "7.45"]))
    first = next(iter(pair_videos(other, visible)))
    assert isinstance(first[0], Frame)
    assert first[0].name == "7.05.png"
