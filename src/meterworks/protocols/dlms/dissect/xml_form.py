"""A tree as XML in the form of the DLMS UA: an element for each part of the message, named as in the ASN.1.

Frames, lengths and check sums have no place in that form. What was deciphered follows as a comment in the element of
the ciphered APDU.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final
from xml.sax.saxutils import escape

from meterworks.protocols.dlms.dissect.name import APDU_NAMES
from meterworks.protocols.dlms.dissect.node import Node

__all__ = ["NAMESPACE", "render_xml"]

NAMESPACE: Final = "http://www.dlms.com/COSEMpdu"
_ASSOCIATION: Final = frozenset({"AARQ", "AARE", "RLRQ", "RLRE"})
_APDUS: Final = frozenset(APDU_NAMES.values())
_ELEMENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "initiate-request": "initiateRequest", "initiate-response": "initiateResponse",
        "read-request": "readRequest", "read-response": "readResponse", "write-request": "writeRequest",
        "write-response": "writeResponse", "confirmed-service-error": "confirmedServiceError",
        "unconfirmed-write-request": "unconfirmedWriteRequest",
        "information-report-request": "informationReportRequest",
        "AARQ": "aarq", "AARE": "aare", "RLRQ": "rlrq", "RLRE": "rlre",
    }
)  # fmt: skip
_ILLEGAL: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "?")


def render_xml(node: Node) -> str:
    """Give every message in the tree as an XML document element, one after the other; data alone as its element."""
    return "".join(_document(message) for message in _tops(node))


def _tops(node: Node) -> Iterator[Node]:
    """Give the outermost nodes that belong to a message."""
    for child in node.children:
        if child.is_wire or child.name == "octets":
            yield from _tops(child)
        else:
            yield child
            # An APDU that blocks were joined to hangs below the last block.
            yield from (top for joined in child.children if joined.name == "apdu" for top in _tops(joined))


def _document(node: Node) -> str:
    if node.name not in _APDUS:
        return "\n".join(_element(node, 0, f' xmlns:x="{NAMESPACE}"')) + "\n"
    wrapping = "aCSE-APDU" if node.name in _ASSOCIATION else "xDLMS-APDU"
    lines = "\n".join(_element(node, 1, ""))
    return f'<x:{wrapping} xmlns:x="{NAMESPACE}">\n{lines}\n</x:{wrapping}>\n'


def _element(node: Node, depth: int, attributes: str) -> Iterator[str]:
    indent = "  " * depth
    name = f"x:{_ELEMENTS.get(node.name, node.name)}"
    if node.error:
        yield f"{indent}<!-- {_comment(node.error)} -->"
    if node.xml is not None:
        text = escape(node.xml.translate(_ILLEGAL))
        yield f"{indent}<{name}{attributes}>{text}</{name}>" if text else f"{indent}<{name}{attributes} />"
        yield from _deciphered(node, depth)
        return
    inside = [line for child in node.children for line in _child(child, depth + 1)]
    if not inside:
        yield f"{indent}<{name}{attributes} />"
        return
    yield f"{indent}<{name}{attributes}>"
    yield from inside
    yield f"{indent}</{name}>"


def _child(node: Node, depth: int) -> Iterator[str]:
    """Give the lines of a child; those of the encoding alone are passed over, their children are not."""
    if not node.is_wire:
        yield from _element(node, depth, "")
    elif not node.octets and node.xml is None:
        for child in node.children:
            yield from _child(child, depth)


def _deciphered(node: Node, depth: int) -> Iterator[str]:
    for child in node.children:
        if child.name == "deciphered":
            indent = "  " * depth
            yield f"{indent}<!-- {_comment(child.value)}:"
            for top in _tops(child):
                yield from (_comment(line) for line in _element(top, depth, ""))
            yield f"{indent}-->"


def _comment(text: str) -> str:
    """Give a text that may stand in a comment."""
    return text.translate(_ILLEGAL).replace("--", "- -")
