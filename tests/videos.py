"""Small videos, drawn."""

from fractions import Fraction

import av
import numpy as np


def image(number, shape=(64, 96), seed=0):
    """A frame (H, W, 3) whose mean tells its number, with a block that moves to the right."""
    height, width = shape
    y, x = np.mgrid[:height, :width]
    flat = np.stack([40 + x % 32, 60 + y % 16, np.full_like(x, 50)], -1) + 4 * number
    flat[8:24, 4 + 2 * number : 24 + 2 * number] = 200
    noise = np.random.default_rng([seed, number]).normal(0, 2, flat.shape)
    return np.clip(flat + noise, 0, 255).astype(np.uint8)


def write_video(
    path,
    images,
    rate=25,
    times=None,
    codec="libx264",
    pix_fmt="yuv420p",
    options=None,
    turn=None,
    sound=False,
):
    """Write a video with PyAV alone; `times` are seconds, `turn` degrees of its display matrix."""
    images = list(images)
    with av.open(str(path), "w") as container:
        options = {"crf": "10", "g": "4"} if options is None else options
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 12000)
        if turn is not None:
            stream.set_display_rotation(turn)
        if sound:
            voice = container.add_stream("aac", rate=16000, layout="mono")
        for number, pixels in enumerate(images):
            kinds = {2: "gray" if pixels.dtype == np.uint8 else "gray16le", 3: "rgb24"}
            frame = av.VideoFrame.from_ndarray(pixels, format=kinds[pixels.ndim])
            seconds = Fraction(number) / rate if times is None else Fraction(times[number])
            frame.pts, frame.time_base = round(seconds * 12000), Fraction(1, 12000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound:
            count = round(16000 * len(images) / rate)
            wave = np.sin(np.arange(count) * 0.2).astype(np.float32)
            for begin in range(0, count, 1024):
                block = wave[None, begin : begin + 1024]
                tone = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
                tone.sample_rate, tone.pts = 16000, begin
                tone.time_base = Fraction(1, 16000)
                container.mux(voice.encode(tone))
            container.mux(voice.encode())


def damage(path, numbers):
    """Overwrite the packets of these numbers, in the order of the file."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        for number in numbers:
            begin, size = packets[number].pos, packets[number].size
            data[begin : begin + size] = b"\x5b" * size
    path.write_bytes(data)
