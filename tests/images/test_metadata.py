"""EXIF, GPS, colour profile and resolution, from any format to any that holds them."""

import struct
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from emma_fusion.images.metadata import Metadata, load_exif, read_metadata
from emma_fusion.images.raster import read_image, write_image
from emma_fusion.images.record import read_record
from emma_fusion.images.xmp import find_kept

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 30, 3), np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GPS = {1: "N", 2: (47.0, 22.0, 30.0), 3: "E", 4: (8.0, 33.0, 0.0), 5: b"\0", 6: 412.5}
RECORD = {"model": "base"}


def exif_block(orientation=1):
    exif = Image.Exif()
    exif[271], exif[272], exif[306], exif[274] = "DJI", "M3T", "2026:01:02 03:04:05", orientation
    exif[34665] = {
        33434: 0.004,
        36867: "2026:01:02 03:04:05",
        37500: b"maker" * 9,
        40962: 30,
        40963: 20,
    }
    exif[34853] = GPS
    return exif


@pytest.fixture(params=["jpg", "png", "webp", "tif"])
def source(request, tmp_path):
    """An image turned by 90 degrees, with all that can be said of it."""
    path = tmp_path / f"source.{request.param}"
    options = {"exif": exif_block(6).tobytes(), "icc_profile": PROFILE}
    if request.param != "webp":
        options["dpi"] = (300, 150)
    Image.fromarray(RGB).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_what_is_read_is_written_and_read_by_another(source, suffix, tmp_path):
    metadata = read_metadata(source)
    target = tmp_path / f"target.{suffix}"
    image = read_image(source)
    assert image.shape == (30, 20, 3)
    write_image(target, image, RECORD, metadata=metadata)
    assert read_record(target) == RECORD
    with Image.open(target) as by_pillow:
        exif = by_pillow.getexif()
        assert (exif[271], exif[272], exif[306]) == ("DJI", "M3T", "2026:01:02 03:04:05")
        assert exif.get(274, 1) == 1  # the image stands upright already
        assert dict(exif.get_ifd(34853)) == GPS
        details = exif.get_ifd(34665)
        assert (details[33434], details[37500]) == (0.004, b"maker" * 9)
        assert (details[40962], details[40963]) == (20, 30)
        assert by_pillow.info["icc_profile"] == PROFILE
        if suffix != "webp" and source.suffix != ".webp":
            assert np.allclose(by_pillow.info["dpi"], (300, 150), atol=0.1)
        assert by_pillow.size == (20, 30)
    if suffix in ("png", "tif"):
        np.testing.assert_array_equal(read_image(target), image)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_has_it_too(suffix, tmp_path):
    exif = exif_block().tobytes().removeprefix(b"Exif\0\0")
    path = tmp_path / f"deep.{suffix}"
    deep = RGB.astype(np.uint16) * 257
    write_image(path, deep, metadata=Metadata(exif, PROFILE, (300, 300)))
    np.testing.assert_array_equal(read_image(path), deep)
    again = read_metadata(path)
    assert dict(load_exif(again.exif).get_ifd(34853)) == GPS
    assert again.profile == PROFILE


def test_a_profile_of_colour_is_not_put_into_a_grey_image(tmp_path):
    for suffix in ("png", "tif", "jpg"):
        path = tmp_path / f"grey.{suffix}"
        write_image(path, RGB[..., 0], metadata=Metadata(profile=PROFILE))
        assert read_metadata(path).profile == b""


def test_an_exif_block_too_long_for_jpeg_loses_the_makers_part(tmp_path):
    exif = exif_block()
    exif[34665] = {33434: 0.004, 37500: bytes(70_000)}
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    assert len(block) > 65_535
    write_image(tmp_path / "x.jpg", RGB, metadata=Metadata(block))
    kept = load_exif(read_metadata(tmp_path / "x.jpg").exif)
    assert dict(kept.get_ifd(34853)) == GPS
    assert 37500 not in kept.get_ifd(34665)


def test_what_a_tiff_says_of_its_own_layout_is_left_out(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", RGB, photometric="rgb")
    assert read_metadata(tmp_path / "x.tif") == Metadata()
    write_image(tmp_path / "y.tif", RGB, metadata=read_metadata(tmp_path / "x.tif"))
    with tifffile.TiffFile(tmp_path / "y.tif") as file:
        assert file.pages[0].description == ""


@pytest.mark.parametrize("data", [b"", b"II*\0", b"MM\0*" + bytes(20), b"\xff\xd8\xff", b"text"])
def test_what_is_not_readable_has_none_and_raises_nothing(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    assert read_metadata(tmp_path / "x") == Metadata()
    assert read_metadata(tmp_path / "missing") == Metadata()


def test_flipped_bytes_raise_nothing(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "x.jpg", exif=exif_block(), icc_profile=PROFILE)
    data = (tmp_path / "x.jpg").read_bytes()
    rng = np.random.default_rng(1)
    for place in rng.integers(2, 600, 100):
        flipped = bytearray(data)
        flipped[place] ^= 1 << rng.integers(8)
        (tmp_path / "y.jpg").write_bytes(flipped)
        metadata = read_metadata(tmp_path / "y.jpg")
        write_image(tmp_path / "z.png", RGB, metadata=metadata)
        np.testing.assert_array_equal(read_image(tmp_path / "z.png"), RGB)


def test_big_endian_exif_is_read(tmp_path):
    entry = struct.pack(">HHI", 271, 2, 4) + b"DJI\0"
    block = b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    Image.fromarray(RGB).save(tmp_path / "x.jpg", exif=b"Exif\0\0" + block)
    assert load_exif(read_metadata(tmp_path / "x.jpg").exif)[271] == "DJI"


DJI = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"
 xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" xmlns:emma="urn:emma-fusion:record">
<rdf:Description rdf:about="DJI Meta Data" tiff:Orientation="6" crs:HasSettings="False"
 drone-dji:GpsLatitude="+47.3750000" drone-dji:GimbalYawDegree="-12.50" drone-dji:Note="a &lt; b">
<Camera:CentralWavelength xmlns:Camera="http://pix4d.com/camera/1.0"><rdf:Seq><rdf:li>560</rdf:li>
</rdf:Seq></Camera:CentralWavelength><emma:record>{"model": "old"}</emma:record></rdf:Description>
</rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
def test_xmp_of_drones_is_kept(kind, suffix, tmp_path):
    from PIL.PngImagePlugin import PngInfo

    path, target = tmp_path / f"source.{kind}", tmp_path / f"target.{suffix}"
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", DJI)
    options = {
        "png": {"pnginfo": info},
        "tif": {"tiffinfo": {700: DJI.encode()}},
    }.get(kind, {"xmp": DJI.encode()})
    Image.fromarray(RGB).save(path, **options)
    write_image(target, RGB, RECORD, metadata=read_metadata(path))
    assert read_record(target) == RECORD
    with Image.open(target) as image:
        packet = image.info.get("xmp") or image.tag_v2[700]
    root = ElementTree.fromstring(packet.decode().strip("\ufeff"))
    dji, camera = "{http://www.dji.com/drone-dji/1.0/}", "{http://pix4d.com/camera/1.0}"
    (found,) = [d for d in root.iter() if dji + "GpsLatitude" in d.attrib]
    assert found.attrib[dji + "GpsLatitude"] == "+47.3750000"
    assert found.attrib[dji + "GimbalYawDegree"] == "-12.50"
    assert found.attrib[dji + "Note"] == "a < b"
    (wavelength,) = root.iter(camera + "CentralWavelength")
    assert [item.text for item in wavelength[0]] == ["560"]
    packet = target.read_bytes()
    assert b"drone-dji:GimbalYawDegree" in packet  # the prefix that mapping programs look for
    for gone in (b"HasSettings", b"tiff:Orientation", b"old"):
        assert gone not in packet
    # once more, as the visible image of another pair
    write_image(tmp_path / f"again.{suffix}", RGB, {"model": "b"}, metadata=read_metadata(target))
    assert read_record(tmp_path / f"again.{suffix}") == {"model": "b"}
    assert read_metadata(tmp_path / f"again.{suffix}").xmp == read_metadata(target).xmp


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"no XML",
        DJI.replace("<x:xmpmeta", '<!DOCTYPE x [<!ENTITY a "b">]><x:xmpmeta').encode(),
        DJI.replace("rdf:li>560<", "rdf:li>" + "<rdf:Seq>" * 9000 + "<").encode(),
        DJI.encode()[:400],
    ],
)
def test_xmp_that_is_not_readable_is_left_out(packet):
    assert find_kept(packet) == ""


def test_xmp_that_is_too_long_for_a_jpeg_is_left_out(tmp_path):
    long = find_kept(DJI.replace("-12.50", "1" * 70_000).encode())
    assert "1" * 70_000 in long
    for suffix, kept in (("jpg", False), ("png", True)):
        path = tmp_path / f"x.{suffix}"
        write_image(path, RGB, RECORD, metadata=Metadata(xmp=long))
        assert read_record(path) == RECORD
        assert (b"1" * 70_000 in path.read_bytes()) == kept
