"""XMP (ISO 16684-1) of an image file: what of it holds for another image that is made of it.

Drones write there where they were and how the gimbal stood, which mapping programs ask for.
"""

from __future__ import annotations

from typing import Any
from xml.dom import Node, minidom
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import quoteattr

RECORD = "urn:emma-fusion:record"
_RDF, _XMLNS = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://www.w3.org/2000/xmlns/"
_DATES, _EXIF, _DUBLIN_CORE = (
    "http://ns.adobe.com/xap/1.0/",
    "http://ns.adobe.com/exif/1.0/",
    "http://purl.org/dc/elements/1.1/",
)
# Namespaces that describe the file, its editing, or other images in it: its size and orientation,
# thumbnails, gain maps, depth.
_OF_THE_FILE = ("http://ns.adobe.com/", "http://ns.google.com/", "http://ns.apple.com/",
                "http://www.w3.org/", "adobe:", RECORD)  # fmt: skip
_MOST = 2**20  # bytes of a packet that is looked at
_WRAPPED = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
{}</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def wrap(descriptions: str) -> bytes:
    """The XMP packet of some rdf:Description elements."""
    return _WRAPPED.format(descriptions).encode()


def find_kept(packet: bytes) -> str:
    """What an XMP packet says of the shot and not of the file.

    Kept are the properties of makers, such as DJI's and Pix4D's, those of EXIF but for the size,
    Dublin Core, and when the image was made.

    Args:
        packet: of an image file.

    Returns:
        rdf:Description elements; "" where there is nothing, or the packet is not readable.
    """
    # a document type, which XMP has none of, could make a few bytes into gigabytes
    if not packet or len(packet) > _MOST or b"<!" in packet:
        return ""
    try:
        document: Any = minidom.parseString(packet.strip(b"\0 \r\n\t"))
        found = document.getElementsByTagNameNS(_RDF, "Description")
        return "".join(_keep(node) for node in found if node.parentNode.localName == "RDF")
    except (ExpatError, ValueError, RecursionError):  # the pixels may be sound
        return ""


def _keep(description: Any) -> str:
    """A description with the properties that hold; "" where there are none."""
    spaces, said, inside = _spaces_of(description), "", ""
    for attribute in description.attributes.values():
        if _holds(attribute):
            said += f" {attribute.nodeName}={quoteattr(attribute.value)}"
    for child in description.childNodes:
        if child.nodeType == Node.ELEMENT_NODE and _holds(child):
            inside += child.toxml()
    text = said + inside
    named = "".join(
        f" xmlns:{prefix}={quoteattr(uri)}"
        for prefix, uri in spaces.items()
        if prefix != "rdf" and f"{prefix}:" in text
    )
    element = f'<rdf:Description rdf:about=""{named}{said}>{inside}</rdf:Description>\n'
    return element if text else ""


def _spaces_of(node: Any) -> dict[str, str]:
    """The namespaces that an element's prefixes stand for."""
    spaces: dict[str, str] = {}
    while node is not None and node.nodeType == Node.ELEMENT_NODE:
        for (uri, name), value in node.attributes.itemsNS():
            if uri == _XMLNS and name != "xmlns":
                spaces.setdefault(name, value)
        node = node.parentNode
    return spaces


def _holds(node: Any) -> bool:
    """Whether a property holds for another image of the same scene and size."""
    space, name = node.namespaceURI, node.localName
    if not space or node.prefix in (None, "rdf"):
        return False
    if space == _EXIF:
        return name not in ("PixelXDimension", "PixelYDimension")
    if space == _DATES:
        return bool(name == "CreateDate")
    if space == _DUBLIN_CORE:
        return bool(name != "format")
    return not space.startswith(_OF_THE_FILE)
