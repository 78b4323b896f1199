"""A tree as JSON, and plain A-XDR data as JSON and back."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from meterworks.protocols.dlms.data import DEPTH_MAX, BitString, CompactArray, DataValue, Tag, encode
from meterworks.protocols.dlms.datetime import CosemDate, CosemDateTime, CosemTime
from meterworks.protocols.dlms.dissect.name import TYPE_NAMES
from meterworks.protocols.dlms.dissect.node import Node
from meterworks.protocols.errors import DecodeError, EncodeError

__all__ = ["data_from_json", "data_to_json", "tree_to_json"]

_TAGS: Final = {name: Tag(number) for number, name in TYPE_NAMES.items()}
_ITEMS: Final = (Tag.ARRAY, Tag.STRUCTURE)
_DATES: Final[Mapping[Tag, type[CosemDateTime | CosemDate | CosemTime]]] = {
    Tag.DATE_TIME: CosemDateTime,
    Tag.DATE: CosemDate,
    Tag.TIME: CosemTime,
}


def tree_to_json(node: Node) -> dict[str, Any]:
    """Give the tree as JSON values; `octets` are there where offsets below count from them."""
    told: dict[str, Any] = {"name": node.name, "offset": node.offset, "size": node.size}
    if node.value:
        told["value"] = node.value
    if node.error:
        told["error"] = node.error
    if node.octets:
        told["octets"] = node.octets.hex()
    if node.children:
        told["children"] = [tree_to_json(child) for child in node.children]
    return told


def data_to_json(value: DataValue) -> dict[str, Any]:
    """Give a value as {type: content}: octets as hex, bits as text, dates as the hex of their octets."""
    name = TYPE_NAMES[value.tag]
    content = value.value
    if value.tag in _ITEMS:
        return {name: [data_to_json(item) for item in content]}
    if isinstance(content, CompactArray):
        parts = {"contents-description": content.description.hex(), "array-contents": content.contents.hex()}
        return {name: parts}
    if isinstance(content, CosemDateTime | CosemDate | CosemTime):
        return {name: content.to_bytes().hex()}
    if isinstance(content, BitString):
        return {name: str(content)}
    if isinstance(content, bytes):
        return {name: content.hex()}
    return {name: None if value.tag in (Tag.NULL, Tag.DONT_CARE) else content}


def data_from_json(told: object, depth: int = 0) -> DataValue:
    """Give the value that `data_to_json` told. Raises EncodeError for anything else."""
    if not isinstance(told, Mapping) or len(told) != 1:
        raise EncodeError(f"one type with its content expected, not {told!r:.80}")
    name, content = next(iter(told.items()))
    tag = _TAGS.get(name)
    if tag is None:
        raise EncodeError(f"{name!r} is no type of data")
    if tag in _ITEMS:
        if not isinstance(content, list) or depth >= DEPTH_MAX:
            raise EncodeError(f"{name}: a list expected, nested at most {DEPTH_MAX} deep")
        return DataValue(tag, tuple(data_from_json(item, depth + 1) for item in content))
    value = DataValue(tag, _content(tag, content))
    encode(value)  # refuses what does not fit the type
    return value


def _content(tag: Tag, content: Any) -> Any:
    read = _READERS.get(tag)
    if read is None:
        return content
    try:
        return read(tag, content)
    except (KeyError, TypeError, ValueError, DecodeError) as error:
        raise EncodeError(f"{content!r:.80} is no {TYPE_NAMES[tag]}: {error}") from error


def _read_octets(_tag: Tag, content: Any) -> bytes:
    return bytes.fromhex(content)


def _read_date(tag: Tag, content: Any) -> Any:
    octets = bytes.fromhex(content)
    try:
        return _DATES[tag].from_bytes(octets)
    except DecodeError:
        return octets  # octets that are no date are kept, as the decoder keeps them


def _read_compact(_tag: Tag, content: Any) -> CompactArray:
    return CompactArray(bytes.fromhex(content["contents-description"]), bytes.fromhex(content["array-contents"]))


def _read_bits(_tag: Tag, content: Any) -> BitString:
    if not isinstance(content, str) or set(content) - {"0", "1"}:
        raise EncodeError(f"zeros and ones expected, not {content!r:.80}")
    return BitString.from_text(content)


def _read_nothing(_tag: Tag, _content: Any) -> None:
    return None


_READERS: Final[Mapping[Tag, Callable[[Tag, Any], Any]]] = {
    Tag.OCTET_STRING: _read_octets,
    Tag.BIT_STRING: _read_bits,
    Tag.COMPACT_ARRAY: _read_compact,
    Tag.NULL: _read_nothing,
    Tag.DONT_CARE: _read_nothing,
    **dict.fromkeys(_DATES, _read_date),
}
