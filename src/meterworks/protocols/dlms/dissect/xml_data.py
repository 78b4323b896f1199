"""Plain A-XDR data as XML in the form of the DLMS UA, and back."""

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from meterworks.protocols.dlms.data import DEPTH_MAX, DataValue, Tag, encode
from meterworks.protocols.dlms.dissect.data import pull_value
from meterworks.protocols.dlms.dissect.json_form import data_from_json
from meterworks.protocols.dlms.dissect.name import TYPE_NAMES
from meterworks.protocols.dlms.dissect.node import Node, Walk
from meterworks.protocols.dlms.dissect.xml_form import render_xml
from meterworks.protocols.dlms.length import encode_length
from meterworks.protocols.errors import EncodeError

__all__ = ["data_from_xml", "data_to_xml"]

XML_SIZE_MAX: Final = 16 << 20
_TAGS: Final = {name: Tag(number) for number, name in TYPE_NAMES.items()}
_ITEMS: Final = frozenset({"array", "structure"})
_NUMBERS: Final = frozenset(
    {
        "double-long", "double-long-unsigned", "bcd", "integer", "long", "unsigned", "long-unsigned", "long64",
        "long64-unsigned", "enum", "delta-integer", "delta-long", "delta-double-long", "delta-unsigned",
        "delta-long-unsigned", "delta-double-long-unsigned",
    }
)  # fmt: skip
_TRUE: Final = frozenset({"true", "1"})
_FALSE: Final = frozenset({"false", "0"})


def data_to_xml(value: DataValue) -> str:
    """Give a value as an XML element. Raises EncodeError where the value does not fit its type."""
    octets = encode(value)
    root = Node("octets", octets=octets)
    pull_value(Walk(octets, root))
    return render_xml(root)


def data_from_xml(text: str) -> DataValue:
    """Give the value of an element. Raises EncodeError for XML that is no data."""
    if len(text) > XML_SIZE_MAX:
        raise EncodeError(f"more than {XML_SIZE_MAX} characters of XML")
    try:
        element = fromstring(text)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise EncodeError(f"not XML: {error}") from error
    return data_from_json(_told(element, 0))


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _told(element: Element, depth: int) -> dict[str, Any]:
    """Give an element as the JSON form has it."""
    name = _name(element)
    if name in _ITEMS:
        if depth >= DEPTH_MAX:
            raise EncodeError(f"nested deeper than {DEPTH_MAX}")
        return {name: [_told(child, depth + 1) for child in element]}
    if name == "compact-array":
        return {name: _compact(element)}
    text = element.text or ""
    try:
        return {name: _READERS[name](text) if name in _READERS else text.strip()}
    except (ValueError, struct.error) as error:
        raise EncodeError(f"{text[:80]!r} is no {name}: {error}") from error


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise EncodeError(f"{text[:80]!r} is neither true nor false")
    return word in _TRUE


def _float_of(code: str) -> Callable[[str], float]:
    return lambda text: float(struct.unpack(code, bytes.fromhex(text.strip()))[0])


def _as_is(text: str) -> str:
    return text


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    **dict.fromkeys(_NUMBERS, int),
    "boolean": _boolean,
    "float32": _float_of(">f"),
    "float64": _float_of(">d"),
    "visible-string": _as_is,
    "utf8-string": _as_is,
}


def _compact(element: Element) -> dict[str, str]:
    parts = {_name(child): child for child in element}
    description, contents = parts.get("contents-description"), parts.get("array-contents")
    if description is None or contents is None or len(description) != 1:
        raise EncodeError("a compact array has a contents-description with one type, and array-contents")
    return {
        "contents-description": _description(description[0], 0).hex(),
        "array-contents": "".join((contents.text or "").split()),
    }


def _description(element: Element, depth: int) -> bytes:
    name = _name(element)
    tag = _TAGS.get(name)
    if tag is None or depth > DEPTH_MAX:
        raise EncodeError(f"{name!r} is no type of a compact array, or too deep")
    if tag is Tag.STRUCTURE:
        return bytes((tag,)) + encode_length(len(element)) + b"".join(_description(part, depth + 1) for part in element)
    if tag is not Tag.ARRAY:
        return bytes((tag,))
    parts = {_name(child): child for child in element}
    count, inner = parts.get("number-of-elements"), parts.get("type-description")
    if count is None or inner is None or len(inner) != 1:
        raise EncodeError("an array in a description has number-of-elements and a type-description with one type")
    try:
        number = int(count.text or "").to_bytes(2, "big")
    except (ValueError, OverflowError) as error:
        raise EncodeError(f"{count.text!r} is no number of elements") from error
    return bytes((tag,)) + number + _description(inner[0], depth + 1)
