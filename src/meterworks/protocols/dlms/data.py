"""A-XDR data: the values of COSEM attributes as bytes, as plain Python values and as typed values.

Three views of the same octets:

- `end_of(data, offset)` only finds where a value ends; it makes nothing.
- `decode(data, offset)` gives plain Python: int, float, bool, None, bytes (octet-string), str (visible and UTF-8
  string), list (array and compact-array), tuple (structure), BitString, CosemDateTime, CosemDate, CosemTime, Delta.
- `decode_typed(data, offset)` gives a `DataValue`, which remembers the tag of each part, so that `encode()` gives the
  octets back.

Every length and count is compared with the octets that are left before anything is made; nesting and the number of
values are limited.  Source: IEC 62056-6-2, 4.1.5; fact sheet section 1.
"""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, Final, Self, TypeAlias

from meterworks.protocols.dlms.datetime import CosemDate, CosemDateTime, CosemTime
from meterworks.protocols.dlms.length import decode_length, encode_length, take
from meterworks.protocols.errors import DecodeError, EncodeError

__all__ = [
    "DEPTH_MAX",
    "DONT_CARE",
    "VALUES_PER_OCTET_MAX",
    "BitString",
    "CompactArray",
    "DataValue",
    "Delta",
    "DontCare",
    "PlainValue",
    "Tag",
    "decode",
    "decode_all",
    "decode_typed",
    "encode",
    "encode_array",
    "encode_bit_string",
    "encode_boolean",
    "encode_date_time",
    "encode_double_long",
    "encode_double_long_unsigned",
    "encode_enum",
    "encode_integer",
    "encode_long",
    "encode_long64",
    "encode_long64_unsigned",
    "encode_long_unsigned",
    "encode_null",
    "encode_octet_string",
    "encode_structure",
    "encode_unsigned",
    "encode_utf8_string",
    "encode_visible_string",
    "end_of",
]

DEPTH_MAX: Final = 16
VALUES_PER_OCTET_MAX: Final = 8


class Tag(IntEnum):
    """Tags of the A-XDR data types."""

    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    COMPACT_ARRAY = 19
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DELTA_INTEGER = 28
    DELTA_LONG = 29
    DELTA_DOUBLE_LONG = 30
    DELTA_UNSIGNED = 31
    DELTA_LONG_UNSIGNED = 32
    DELTA_DOUBLE_LONG_UNSIGNED = 33
    DONT_CARE = 255


class DontCare(Enum):
    """The value of tag 255, lawful in selective access only."""

    DONT_CARE = 255


DONT_CARE: Final = DontCare.DONT_CARE


class Delta(int):
    """The difference from the value of the same column one row before (delta types)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class BitString:
    """Bits in the order sent: `octets` holds them from the top bit, the rest of the last octet is padding."""

    size_bits: int
    octets: bytes

    def __post_init__(self) -> None:
        """Refuse with EncodeError a number of octets that does not fit the number of bits."""
        if len(self.octets) != (self.size_bits + 7) >> 3:
            raise EncodeError(f"{self.size_bits} bits do not fill {len(self.octets)} octets")

    @classmethod
    def from_text(cls, bits: str) -> Self:
        """Make from a text of zeros and ones."""
        padded = bits + "0" * (-len(bits) % 8)
        return cls(len(bits), int(padded or "0", 2).to_bytes(len(padded) // 8, "big"))

    def __str__(self) -> str:
        """Give the bits as zeros and ones."""
        return "".join(f"{octet:08b}" for octet in self.octets)[: self.size_bits]


PlainValue: TypeAlias = Any  # the closed set listed in the module's docstring; recursive, so Any at this parse edge


@dataclass(frozen=True, slots=True)
class CompactArray:
    """A compact array as sent: the octets of its type description and of its contents."""

    description: bytes
    contents: bytes


@dataclass(frozen=True, slots=True)
class DataValue:
    """A value with its tag. Array and structure hold a tuple of DataValue, a compact array a `CompactArray`."""

    tag: Tag
    value: Any = None


_FIXED: dict[int, struct.Struct] = {
    tag: struct.Struct(">" + code)
    for tag, code in {
        Tag.DOUBLE_LONG: "i", Tag.DOUBLE_LONG_UNSIGNED: "I", Tag.BCD: "b", Tag.INTEGER: "b", Tag.LONG: "h",
        Tag.UNSIGNED: "B", Tag.LONG_UNSIGNED: "H", Tag.LONG64: "q", Tag.LONG64_UNSIGNED: "Q", Tag.ENUM: "B",
        Tag.FLOAT32: "f", Tag.FLOAT64: "d", Tag.DELTA_INTEGER: "b", Tag.DELTA_LONG: "h", Tag.DELTA_DOUBLE_LONG: "i",
        Tag.DELTA_UNSIGNED: "B", Tag.DELTA_LONG_UNSIGNED: "H", Tag.DELTA_DOUBLE_LONG_UNSIGNED: "I",
    }.items()
}  # fmt: skip
_DELTAS = frozenset(range(Tag.DELTA_INTEGER, Tag.DELTA_DOUBLE_LONG_UNSIGNED + 1))
_DATES: dict[int, tuple[int, type[CosemDateTime] | type[CosemDate] | type[CosemTime]]] = {
    Tag.DATE_TIME: (12, CosemDateTime),
    Tag.DATE: (5, CosemDate),
    Tag.TIME: (4, CosemTime),
}
_STRINGS = frozenset({Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING})
_TEXT_CODEC: dict[int, tuple[str, str]] = {
    Tag.VISIBLE_STRING: ("latin-1", "strict"),  # ASCII by the standard; latin-1 keeps whatever octet a meter sends
    Tag.UTF8_STRING: ("utf-8", "surrogateescape"),
}
_SIZES: tuple[int, ...] = tuple(
    {Tag.NULL: 0, Tag.BOOLEAN: 1, Tag.DONT_CARE: 0, **{tag: row[0] for tag, row in _DATES.items()}}.get(
        tag, _FIXED[tag].size if tag in _FIXED else -1
    )
    for tag in range(256)
)  # octets of content per tag, -1 where it has a length of its own or the tag is not assigned


# Plain numbers for what is looked at in each value: a member of an enumeration costs a look-up.
_NULL, _ARRAY, _STRUCTURE, _BOOLEAN = int(Tag.NULL), int(Tag.ARRAY), int(Tag.STRUCTURE), int(Tag.BOOLEAN)
_BIT_STRING, _OCTET_STRING, _COMPACT_ARRAY = int(Tag.BIT_STRING), int(Tag.OCTET_STRING), int(Tag.COMPACT_ARRAY)
_DONT_CARE = int(Tag.DONT_CARE)
# By tag: octets of content and what unpacks them, for numbers that stand for themselves; None for all else.
_NUMBERS: tuple[tuple[int, Callable[..., tuple[Any, ...]]] | None, ...] = tuple(
    None if tag not in _FIXED or tag in _DELTAS else (_FIXED[tag].size, _FIXED[tag].unpack_from) for tag in range(256)
)


# --- finding the end ------------------------------------------------------------------------------------------------


def end_of(data: bytes, offset: int = 0) -> int:
    """Give the offset after the value that starts at `offset`, checking all of its lengths, making nothing."""
    if offset < len(data) and (fixed := _SIZES[data[offset]]) >= 0 and offset + fixed < len(data):
        return offset + 1 + fixed
    return _end_of_any(data, offset)


def _end_of_any(data: bytes, offset: int) -> int:
    pending = [1]  # values still to come on each open level
    size = len(data)
    while pending:
        if not pending[-1]:
            pending.pop()
            continue
        pending[-1] -= 1
        if offset >= size:
            raise DecodeError(f"value missing at octet {offset}", offset=offset)
        tag = data[offset]
        fixed = _SIZES[tag]
        if fixed >= 0:
            offset += 1 + fixed
        elif tag == _ARRAY or tag == _STRUCTURE:
            count, offset = _count(data, offset + 1)
            if len(pending) > DEPTH_MAX:
                raise DecodeError(f"nested deeper than {DEPTH_MAX} at octet {offset}", offset=offset)
            while count and offset < size and (fixed := _SIZES[data[offset]]) >= 0:
                offset += 1 + fixed
                count -= 1
            pending.append(count)
        else:
            offset = _end_of_string(data, offset)
    if offset > size:
        raise DecodeError(f"value cut off: {offset - size} octets missing", offset=size)
    return offset


def _count(data: bytes, offset: int) -> tuple[int, int]:
    """Give (count, offset after it); an element takes an octet at least, so a count beyond the rest is refused."""
    if offset < len(data) and data[offset] < 0x80:
        count, offset = data[offset], offset + 1
    else:
        count, offset = decode_length(data, offset)
    if count > len(data) - offset:
        raise DecodeError(f"{count} elements at octet {offset} cannot be in {len(data) - offset} octets", offset=offset)
    return count, offset


def _end_of_string(data: bytes, offset: int) -> int:
    """Give the offset after a string or compact array; may lie beyond the data, which the caller checks."""
    tag = data[offset]
    if tag in _STRINGS:
        length, offset = decode_length(data, offset + 1)
        return offset + length
    if tag == _BIT_STRING:
        length, offset = decode_length(data, offset + 1)
        return offset + ((length + 7) >> 3)
    if tag == _COMPACT_ARRAY:
        _, offset = _decode_description(data, offset + 1, 0)
        length, offset = decode_length(data, offset)
        return offset + length
    raise DecodeError(f"tag {tag} at octet {offset} is no data type", offset=offset)


# --- plain values ---------------------------------------------------------------------------------------------------


def decode(data: bytes, offset: int = 0) -> tuple[PlainValue, int]:
    """Decode one value to plain Python; give it and the offset after it."""
    return _decode_plain(data, offset, 0)


def decode_all(data: bytes) -> PlainValue:
    """Decode octets that hold exactly one value; more octets behind it are refused."""
    if data:
        number = _NUMBERS[data[0]]
        if number is not None and len(data) == 1 + number[0]:
            return number[1](data, 1)[0]
    value, end = _decode_plain(data, 0, 0)
    if end != len(data):
        raise DecodeError(f"{len(data) - end} octets follow the value that ends at octet {end}", offset=end)
    return value


def _decode_plain(data: bytes, offset: int, depth: int) -> tuple[PlainValue, int]:
    if offset >= len(data):
        raise DecodeError(f"value missing at octet {offset}", offset=offset)
    tag = data[offset]
    if tag == _ARRAY or tag == _STRUCTURE:
        if depth >= DEPTH_MAX:
            raise DecodeError(f"nested deeper than {DEPTH_MAX} at octet {offset}", offset=offset)
        count, offset = _count(data, offset + 1)
        items, offset = _decode_items(data, offset, count, depth + 1)
        return (items if tag == _ARRAY else tuple(items)), offset
    if tag == _COMPACT_ARRAY:
        description, offset = _decode_description(data, offset + 1, 0)
        length, offset = decode_length(data, offset)
        return _decode_contents(take(data, offset, length), description), offset + length
    return _decode_leaf(data, offset + 1, tag)


def _decode_items(data: bytes, offset: int, count: int, depth: int) -> tuple[list[PlainValue], int]:
    """Decode the elements of an array or structure; numbers, the most frequent, in place."""
    items: list[PlainValue] = []
    size = len(data)
    for _ in range(count):
        number = _NUMBERS[data[offset]] if offset < size else None
        if number is not None and offset + number[0] < size:
            items.append(number[1](data, offset + 1)[0])
            offset += 1 + number[0]
            continue
        item, offset = _decode_plain(data, offset, depth)
        items.append(item)
    return items, offset


def _decode_leaf(data: bytes, offset: int, tag: int) -> tuple[PlainValue, int]:
    """Decode the content of a simple type that starts at `offset`."""
    layout = _FIXED.get(tag)
    if layout is not None:
        if offset + layout.size > len(data):
            raise DecodeError(f"value cut off at octet {offset}", offset=offset)
        value = layout.unpack_from(data, offset)[0]
        return (Delta(value) if tag in _DELTAS else value), offset + layout.size
    if tag in _STRINGS:
        length, offset = decode_length(data, offset)
        octets = take(data, offset, length)
        return (octets if tag == _OCTET_STRING else octets.decode(*_TEXT_CODEC[tag])), offset + length
    if tag in _DATES:
        return _decode_date(data, offset, tag)
    if tag == _BOOLEAN:
        return take(data, offset, 1) != b"\0", offset + 1
    if tag == _BIT_STRING:
        size_bits, offset = decode_length(data, offset)
        octets = take(data, offset, (size_bits + 7) >> 3)
        return BitString(size_bits, octets), offset + len(octets)
    if tag == _NULL:
        return None, offset
    if tag == _DONT_CARE:
        return DONT_CARE, offset
    raise DecodeError(f"tag {tag} at octet {offset - 1} is no data type", offset=offset - 1)


def _decode_date(data: bytes, offset: int, tag: int) -> tuple[PlainValue, int]:
    """Decode tags 25 to 27; octets that are no date (meters send such) are kept as bytes."""
    size, kind = _DATES[tag]
    octets = take(data, offset, size)
    try:
        return kind.from_bytes(octets), offset + size
    except DecodeError:
        return octets, offset + size


# --- compact arrays -------------------------------------------------------------------------------------------------

_Description: TypeAlias = tuple[
    int, tuple[Any, ...]
]  # (tag, descriptions of the parts); array: (tag, (count, description))


def _decode_description(data: bytes, offset: int, depth: int) -> tuple[_Description, int]:
    """Decode a TypeDescription; give it and the offset after it."""
    if depth > DEPTH_MAX:
        raise DecodeError(f"type description nested deeper than {DEPTH_MAX} at octet {offset}", offset=offset)
    tag = take(data, offset, 1)[0]
    offset += 1
    if tag == Tag.ARRAY:
        count = int.from_bytes(take(data, offset, 2), "big")
        part, offset = _decode_description(data, offset + 2, depth + 1)
        return (tag, (count, part)), offset
    if tag == Tag.STRUCTURE:
        count, offset = _count(data, offset)
        parts = []
        for _ in range(count):
            part, offset = _decode_description(data, offset, depth + 1)
            parts.append(part)
        return (tag, tuple(parts)), offset
    if _SIZES[tag] < 0 and tag not in _STRINGS and tag != Tag.BIT_STRING:
        raise DecodeError(f"tag {tag} at octet {offset - 1} cannot stand in a type description", offset=offset - 1)
    return (tag, ()), offset


class _Budget:
    """Counts the values that a compact array may still make, by the octets of its contents.

    Parts without content (null-data) cost no octets: few octets could make millions of values, and an array of compact
    arrays any number.
    """

    __slots__ = ("left",)

    def __init__(self, size: int) -> None:
        self.left = VALUES_PER_OCTET_MAX * (size + 1)

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise DecodeError(f"a compact array of more than {VALUES_PER_OCTET_MAX} values for each octet")


def _decode_contents(contents: bytes, description: _Description) -> list[PlainValue]:
    """Decode the elements of a compact array until its contents end."""
    items: list[PlainValue] = []
    offset = 0
    budget = _Budget(len(contents))
    while offset < len(contents):
        item, end = _decode_element(contents, offset, description, budget)
        if end == offset:
            raise DecodeError("elements of a compact array without content", offset=offset)
        items.append(item)
        offset = end
    return items


def _decode_element(data: bytes, offset: int, description: _Description, budget: _Budget) -> tuple[PlainValue, int]:
    tag, parts = description
    if tag == Tag.ARRAY:
        count, part = parts
        budget.spend(count)
        parts = (part,) * count
    elif tag == Tag.STRUCTURE:
        budget.spend(len(parts))
    else:
        return _decode_leaf(data, offset, tag)
    items = []
    for part in parts:
        item, offset = _decode_element(data, offset, part, budget)
        items.append(item)
    return (items if tag == Tag.ARRAY else tuple(items)), offset


# --- typed values ---------------------------------------------------------------------------------------------------


def decode_typed(data: bytes, offset: int = 0) -> tuple[DataValue, int]:
    """Decode one value with its tags; give it and the offset after it. `encode` gives the octets back."""
    return _decode_typed(data, offset, 0)


def _decode_typed(data: bytes, offset: int, depth: int) -> tuple[DataValue, int]:
    number = take(data, offset, 1)[0]
    if number == Tag.ARRAY or number == Tag.STRUCTURE:
        if depth >= DEPTH_MAX:
            raise DecodeError(f"nested deeper than {DEPTH_MAX} at octet {offset}", offset=offset)
        count, offset = _count(data, offset + 1)
        items = []
        for _ in range(count):
            item, offset = _decode_typed(data, offset, depth + 1)
            items.append(item)
        return DataValue(Tag(number), tuple(items)), offset
    if number == Tag.COMPACT_ARRAY:
        start = offset + 1
        _, offset = _decode_description(data, start, 0)
        description = data[start:offset]
        length, offset = decode_length(data, offset)
        return DataValue(Tag.COMPACT_ARRAY, CompactArray(description, take(data, offset, length))), offset + length
    value, offset = _decode_leaf(data, offset + 1, number)
    return DataValue(Tag(number), value), offset


def encode(value: DataValue) -> bytes:
    """Encode a typed value; EncodeError where the value does not fit its tag."""
    try:
        return _ENCODERS[value.tag](value)
    except (struct.error, TypeError, AttributeError, UnicodeError, OverflowError) as error:
        raise EncodeError(f"{value.value!r} is no value of type {value.tag.name.lower()}: {error}") from error


def _encode_items(value: DataValue) -> bytes:
    return bytes((value.tag,)) + encode_length(len(value.value)) + b"".join(map(encode, value.value))


def _encode_fixed(value: DataValue) -> bytes:
    return bytes((value.tag,)) + _FIXED[value.tag].pack(value.value)


def _encode_octets(value: DataValue) -> bytes:
    octets: bytes = value.value if value.tag == Tag.OCTET_STRING else value.value.encode(*_TEXT_CODEC[value.tag])
    return bytes((value.tag,)) + encode_length(len(octets)) + octets


def _encode_date(value: DataValue) -> bytes:
    size = _DATES[value.tag][0]
    octets: bytes = value.value if isinstance(value.value, bytes) else value.value.to_bytes()
    if len(octets) != size:
        raise EncodeError(f"{value.tag.name.lower()} has {size} octets, not {len(octets)}")
    return bytes((value.tag,)) + octets


def _encode_compact_array(value: DataValue) -> bytes:
    compact: CompactArray = value.value
    return b"\x13" + compact.description + encode_length(len(compact.contents)) + compact.contents


_ENCODERS: dict[Tag, Callable[[DataValue], bytes]] = {
    **dict.fromkeys(map(Tag, _FIXED), _encode_fixed),
    **dict.fromkeys(map(Tag, _STRINGS), _encode_octets),
    **dict.fromkeys(map(Tag, _DATES), _encode_date),
    Tag.NULL: lambda _: b"\x00",
    Tag.DONT_CARE: lambda _: b"\xff",
    Tag.ARRAY: _encode_items,
    Tag.STRUCTURE: _encode_items,
    Tag.BOOLEAN: lambda value: encode_boolean(value.value),
    Tag.BIT_STRING: lambda value: encode_bit_string(value.value),
    Tag.COMPACT_ARRAY: _encode_compact_array,
}


# --- encoders for values whose type the caller knows ----------------------------------------------------------------


def _packer(tag: Tag) -> Callable[[int], bytes]:
    pack = struct.Struct(">B" + _FIXED[tag].format[1:]).pack
    number = int(tag)

    def pack_value(value: int) -> bytes:
        """Encode an integer with its tag; EncodeError where it does not fit."""
        try:
            return pack(number, value)
        except struct.error as error:
            raise EncodeError(f"{value!r} is no value of type {tag.name.lower()}") from error

    return pack_value


encode_integer = _packer(Tag.INTEGER)
encode_unsigned = _packer(Tag.UNSIGNED)
encode_long = _packer(Tag.LONG)
encode_long_unsigned = _packer(Tag.LONG_UNSIGNED)
encode_double_long = _packer(Tag.DOUBLE_LONG)
encode_double_long_unsigned = _packer(Tag.DOUBLE_LONG_UNSIGNED)
encode_long64 = _packer(Tag.LONG64)
encode_long64_unsigned = _packer(Tag.LONG64_UNSIGNED)
encode_enum = _packer(Tag.ENUM)


def encode_null() -> bytes:
    """Encode null-data."""
    return b"\x00"


def encode_boolean(value: bool) -> bytes:
    """Encode a boolean; true is 01."""
    return b"\x03\x01" if value else b"\x03\x00"


def encode_octet_string(octets: bytes) -> bytes:
    """Encode an octet-string."""
    return b"\x09" + encode_length(len(octets)) + octets


def encode_visible_string(text: str) -> bytes:
    """Encode a visible-string; EncodeError where a character is not ASCII."""
    try:
        octets = text.encode("ascii")
    except UnicodeError as error:
        raise EncodeError(f"a visible-string holds ASCII only: {text!r}") from error
    return b"\x0a" + encode_length(len(octets)) + octets


def encode_utf8_string(text: str) -> bytes:
    """Encode a UTF-8 string."""
    octets = text.encode()
    return b"\x0c" + encode_length(len(octets)) + octets


def encode_bit_string(bits: BitString) -> bytes:
    """Encode a bit-string."""
    return b"\x04" + encode_length(bits.size_bits) + bits.octets


def encode_date_time(moment: CosemDateTime) -> bytes:
    """Encode a date-time as an octet-string of 12, the form that meters use for it."""
    return b"\x09\x0c" + moment.to_bytes()


def encode_array(items: Iterable[bytes]) -> bytes:
    """Encode an array of values that are encoded already."""
    encoded = list(items)
    return b"\x01" + encode_length(len(encoded)) + b"".join(encoded)


def encode_structure(*items: bytes) -> bytes:
    """Encode a structure of values that are encoded already."""
    return b"\x02" + encode_length(len(items)) + b"".join(items)
