"""Radiometric files as FLIR cameras write them, made for the tests."""

import struct

import cv2
import imagecodecs
import numpy as np

# Of a camera: Planck's constants R1, B, F, O, R2 of its calibration.
R1, B, F, OFFSET, R2 = 16721.947, 1431.0, 1.0, -5603, 0.011678985


def to_counts(celsius):
    """The counts of a sensor that sees a black body through nothing at all."""
    kelvin = np.asarray(celsius, float) + 273.15
    return np.rint(R1 / (R2 * (np.exp(B / kelvin) - F)) - OFFSET).astype(np.uint16)


def to_celsius(counts):
    """The reverse, by Planck's law."""
    return B / np.log(R1 / (R2 * (counts.astype(float) + OFFSET)) + F) - 273.15


def camera_record(emissivity=1.0, low=7000, high=60000):
    """The record of calibration and object (0x20), at the places that ExifTool documents."""
    record = bytearray(2476)
    values = {
        0x20: ("<f", emissivity),
        0x24: ("<f", 0.0),  # distance: no air between
        0x28: ("<f", 293.15),
        0x2C: ("<f", 293.15),
        0x30: ("<f", 293.15),
        0x34: ("<f", 1.0),
        0x3C: ("<f", 0.5),
        0x58: ("<f", R1),
        0x5C: ("<f", B),
        0x60: ("<f", F),
        0x70: ("<f", 0.006569),
        0x74: ("<f", 0.01262),
        0x78: ("<f", -0.002276),
        0x7C: ("<f", -0.00667),
        0x80: ("<f", 1.9),
        0x90: ("<f", 393.15),
        0x94: ("<f", 253.15),
        0x308: ("<i", OFFSET),
        0x30C: ("<f", R2),
        0x310: ("<H", low),
        0x312: ("<H", high),
        0x338: ("<i", 16000),
        0x33C: ("<i", 2000),
    }
    for place, (form, value) in values.items():
        struct.pack_into(form, record, place, value)
    return bytes(record)


def image_record(width, height, image):
    """A record of an image (0x01 or 0x0E)."""
    return struct.pack("<HHH", 2, width, height) + bytes(26) + image


def encode_counts(counts, how):
    """Counts as cameras keep them."""
    if how == "plain":
        return counts.astype("<u2").tobytes()
    if how == "jpeg-ls":
        return imagecodecs.jpegls_encode(counts)
    stored = counts.byteswap() if how == "swapped png" else counts
    return cv2.imencode(".png", stored)[1].tobytes()


def radiometric(counts, visible=None, place=None, how="plain", records=None, shown=None, part=None):
    """The bytes of a radiometric JPEG.

    Args:
        counts: (H, W) uint16.
        visible: (H, W, 3) RGB inside, or None.
        place: Real2IR, OffsetX, OffsetY.
        how: the counts are kept: "plain", "png", "swapped png" or "jpeg-ls".
        records: others, in place of these, by type.
        shown: (H, W, 3) RGB, the JPEG that other programs see.
        part: bytes of FLIR's data in one segment.
    """
    height, width = counts.shape
    held = {0x01: image_record(width, height, encode_counts(counts, how)), 0x20: camera_record()}
    if visible is not None:
        png = cv2.imencode(".png", visible[..., ::-1])[1].tobytes()
        held[0x0E] = image_record(visible.shape[1], visible.shape[0], png)
    if place is not None:
        held[0x2A] = struct.pack("<fhh", *place) + bytes(88)
    held |= records or {}
    directory, body = b"", b""
    for kind, record in held.items():
        start = 64 + 32 * len(held) + len(body)
        directory += struct.pack(">HHIIII", kind, 1, 100, 1, start, len(record)) + bytes(12)
        body += record
    head = b"FFF\0" + bytes(20) + struct.pack(">II", 64, len(held)) + bytes(32)
    data = head + directory + body
    part = part or 65000
    parts = [data[at : at + part] for at in range(0, len(data), part)]
    segments = b"".join(
        b"\xff\xe1" + struct.pack(">H", len(one) + 10) + b"FLIR\0\x01" + bytes([n, len(parts) - 1])
        + one
        for n, one in enumerate(parts)
    )  # fmt: skip
    shown = np.full((height, width, 3), 90, np.uint8) if shown is None else shown
    jpeg = cv2.imencode(".jpg", shown[..., ::-1])[1].tobytes()
    return jpeg[:2] + segments + jpeg[2:]
