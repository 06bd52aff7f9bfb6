"""Videos of kinds that were once read wrong, in silence."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from emma_fusion.errors import UserError
from emma_fusion.video.folder import FrameFolder
from emma_fusion.video.matrix import usual_matrix
from emma_fusion.video.pairing import pair_videos
from emma_fusion.video.reading import VideoFile
from emma_fusion.video.writing import VideoWriter, read_video_record
from videos import image, write_video

IMAGES = [image(number) for number in range(6)]
CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
COLOURS = [(200, 40, 40), (40, 60, 200), (60, 90, 60), (240, 230, 90)]


def most_apart(a, b):
    return int(np.abs(a.astype(int) - b).max())


def with_cover(path, first, marked=True):
    """A video with a cover image, before or after the track."""
    with av.open(str(path), "w") as container:

        def add_cover():
            cover = container.add_stream("mjpeg", rate=25)
            cover.width, cover.height, cover.pix_fmt = 96, 64, "yuvj420p"
            if marked:
                cover.disposition = av.stream.Disposition.attached_pic
            return cover

        def add_track():
            track = container.add_stream("libx264", rate=25, options={"crf": "10", "bf": "0"})
            track.width, track.height, track.pix_fmt = 96, 64, "yuv420p"
            return track

        if first:
            cover, track = add_cover(), add_track()
        else:
            track, cover = add_track(), add_cover()
        black = av.VideoFrame.from_ndarray(np.zeros((64, 96, 3), np.uint8), format="rgb24")
        container.mux(cover.encode(black.reformat(format="yuvj420p")))
        container.mux(cover.encode())
        for pixels in IMAGES:
            container.mux(track.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(track.encode())


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("marked", [True, False])
def test_a_cover_is_no_video(tmp_path, first, marked):
    with_cover(tmp_path / "video.mp4", first, marked)
    opened = VideoFile(tmp_path / "video.mp4")
    frames = list(opened)
    assert opened.count == len(frames) == 6
    for frame, pixels in zip(frames, IMAGES, strict=True):
        assert np.abs(frame.image.astype(float) - pixels).mean() < 6


def test_a_file_with_a_cover_alone(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 96, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        black = av.VideoFrame.from_ndarray(np.zeros((64, 96, 3), np.uint8), format="rgb24")
        container.mux(cover.encode(black.reformat(format="yuvj420p")))
        container.mux(cover.encode())
    with pytest.raises(UserError, match="no video stream but a cover image"):
        VideoFile(path)


def test_time_stamps_that_begin_at_an_hour(tmp_path):
    late = tmp_path / "late.mkv"
    write_video(late, IMAGES, times=[3600 + Fraction(n, 25) for n in range(6)], sound=True)
    frames = list(VideoFile(late))
    assert frames[0].time == 3600
    out = tmp_path / "out.mp4"
    with VideoWriter(out, (64, 96), Fraction(25), time_base=Fraction(1, 12800), audio=late) as made:
        for frame in frames:
            made.write(frame.image, frame.time)
    assert [f.time for f in VideoFile(out)] == [Fraction(n, 25) for n in range(6)]
    assert read_video_record(out) == {"begins": 3600.0}
    with av.open(str(out)) as container:
        assert container.duration < 400_000  # microseconds, sound and all


def test_sound_moves_with_the_video(tmp_path):
    source, out = tmp_path / "source.mp4", tmp_path / "out.mp4"
    write_video(source, [image(n) for n in range(25)], sound=True)
    with VideoWriter(out, (64, 96), Fraction(25), audio=source) as made:
        for frame in list(VideoFile(source))[10:]:  # as with an infrared video that began later
            made.write(frame.image, frame.time)
    with av.open(str(source)) as a, av.open(str(out)) as b:
        sent = {bytes(p): p.pts * p.time_base for p in a.demux(audio=0) if p.size}
        came = [(bytes(p), p.pts * p.time_base) for p in b.demux(audio=0) if p.size]
    assert came
    for data, time in came:
        assert float(sent[data] - time) == pytest.approx(0.4, abs=0.001)


def flat(shape, colour):
    return np.full((*shape, 3), colour, np.uint8)


def write_matrix(path, colours, shape, matrix, tagged, full=False):
    """A lossless video whose colours are encoded by a matrix, with or without its tag."""
    name = {1: "ITU709", 6: "ITU601"}[matrix]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "0"})
        stream.height, stream.width = shape
        stream.pix_fmt = "yuv444p"
        if tagged:
            stream.codec_context.colorspace = matrix
            stream.codec_context.color_range = 2 if full else 1
        for colour in colours:
            frame = av.VideoFrame.from_ndarray(flat(shape, colour), format="rgb24")
            ends = "JPEG" if full else "MPEG"
            frame = frame.reformat(format="yuv444p", dst_colorspace=name, dst_color_range=ends)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("shape", "matrix"),
    [((640, 160), 1), ((64, 1280), 1), ((576, 64), 6), ((96, 128), 6)],
)
@pytest.mark.parametrize("tagged", [True, False])
def test_colours_without_a_tag_are_read_as_players_do(tmp_path, shape, matrix, tagged):
    assert usual_matrix(*shape) == matrix
    write_matrix(tmp_path / "video.mp4", COLOURS, shape, matrix, tagged)
    for frame, colour in zip(VideoFile(tmp_path / "video.mp4"), COLOURS, strict=True):
        assert most_apart(frame.image, flat(shape, colour)) <= 3


@pytest.mark.parametrize(("shape", "matrix"), [((96, 128), 1), ((640, 160), 6)])
@pytest.mark.parametrize("full", [True, False])
def test_a_tag_wins(tmp_path, shape, matrix, full):
    write_matrix(tmp_path / "video.mp4", COLOURS, shape, matrix, True, full)
    for frame, colour in zip(VideoFile(tmp_path / "video.mp4"), COLOURS, strict=True):
        assert most_apart(frame.image, flat(shape, colour)) <= 3


def test_a_large_video_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "video.mp4"
    write_video(path, IMAGES)
    assert VideoFile(path, most_pixels=64 * 96).count == 6

    def fail(*given):
        raise AssertionError("decoded")

    monkeypatch.setattr(VideoFile, "_decode", fail)
    with pytest.raises(UserError, match="96x64 pixels; more than 6143"):
        VideoFile(path, most_pixels=64 * 96 - 1)


def test_a_video_that_grows_past_the_limit_is_not_decoded_on(tmp_path):
    """A transport stream of two parts, the second one larger than the first said."""
    small, large = tmp_path / "small.ts", tmp_path / "large.ts"
    write_video(small, IMAGES)
    write_video(large, [image(n, (256, 384)) for n in range(6)])
    joined = tmp_path / "joined.ts"
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    shapes = {frame.image.shape for frame in VideoFile(joined, most_pixels=64 * 96)}
    assert shapes == {(64, 96, 3)}
    with pytest.raises(UserError, match="changes its size"):
        list(VideoFile(joined))


# --- the files that are handed around with the project


def case(name):
    path = CASES / name
    if not path.exists():
        pytest.skip("needs ../shared/cases")
    return path


def read(name, **options):
    return list(VideoFile(case(name), **options))


def test_the_case_of_the_cover():
    plain, covered = read("film/vis.mp4"), read("film/vis_covr_same.mp4")
    assert len(plain) == len(covered) == 8
    assert all((a.image == b.image).all() for a, b in zip(plain, covered, strict=True))


def test_the_case_of_the_late_time_stamps(tmp_path):
    visible = VideoFile(case("film/vis_late.ts"))
    pairs = list(pair_videos(VideoFile(case("film/ir_late.ts"), deep=True), visible))
    assert all(i is not None and i.time == v.time for i, v in pairs)
    out = tmp_path / "out.mp4"
    with VideoWriter(out, (96, 128), visible.rate, time_base=visible.time_base) as made:
        for _, frame in pairs:
            made.write(frame.image, frame.time)
    times = [float(frame.time) for frame in VideoFile(out)]
    assert times == pytest.approx([n / 10 for n in range(8)], abs=0.001)


def test_the_case_of_the_colour_without_a_tag():
    tagged, plain = read("film/hd_709tag.mp4"), read("film/hd_709untag.mp4")
    assert all((a.image == b.image).all() for a, b in zip(tagged, plain, strict=True))
    assert plain[0].image[0, 0] == pytest.approx([200, 40, 40], abs=3)


def test_the_case_of_frames_named_by_unix_time():
    sides = [FrameFolder(case(f"frames/tum/{side}"), Fraction(10)) for side in ("ir", "vi")]
    pairs = list(pair_videos(*sides))
    names = [v.name for _, v in pairs]
    assert names == sorted(names)  # they are all as long
    assert names[0] == "1305031102.175304.png"
    assert [v.time for _, v in pairs] == [Fraction(n, 10) for n in range(10)]
    assert all(i.name == v.name for i, v in pairs)


def test_the_case_of_frames_named_by_a_drone():
    sides = [FrameFolder(case(f"frames/dji_T/{side}"), Fraction(10)) for side in ("ir", "vi")]
    names = [(i.name, v.name) for i, v in pair_videos(*sides)]
    assert names == [(f"DJI_000{n}_T.png",) * 2 for n in range(1, 6)]
