"""The cells of a profile row: how large a value of each A-XDR type is, and its plain Python form.

Only what columns need: fixed-size scalars as numpy and struct know them, extents of strings and nested values.
Source: A-XDR data types, fact sheet section 1.
"""

import struct
from typing import Any, Final, NamedTuple

import numpy as np

from meterworks.protocols.dlms.length import decode_length
from meterworks.protocols.errors import DecodeError

NESTING_MAX: Final = 16

NULL: Final = 0
ARRAY: Final = 1
STRUCTURE: Final = 2
BIT_STRING: Final = 4
DOUBLE_LONG_UNSIGNED: Final = 6
OCTET_STRING: Final = 9
VISIBLE_STRING: Final = 10
UTF8_STRING: Final = 12
COMPACT_ARRAY: Final = 19
DATE_TIME: Final = 25
STAMP_SIZE: Final = 12


def malformed(what: str, *, offset: int) -> DecodeError:
    """Say what is wrong with a profile's octets, and at which of them."""
    return DecodeError(f"profile buffer, octet {offset}: {what}", offset=offset)


class Scalar(NamedTuple):
    """A fixed-size A-XDR type: content size, struct code, numpy type, and whether it adds to the row before."""

    size: int
    code: str
    dtype: str
    delta: bool = False


SCALARS: Final[dict[int, Scalar]] = {
    3: Scalar(1, "B", "u1"),
    5: Scalar(4, "i", ">i4"),
    6: Scalar(4, "I", ">u4"),
    13: Scalar(1, "b", "i1"),
    15: Scalar(1, "b", "i1"),
    16: Scalar(2, "h", ">i2"),
    17: Scalar(1, "B", "u1"),
    18: Scalar(2, "H", ">u2"),
    20: Scalar(8, "q", ">i8"),
    21: Scalar(8, "Q", ">u8"),
    22: Scalar(1, "B", "u1"),
    23: Scalar(4, "f", ">f4"),
    24: Scalar(8, "d", ">f8"),
    28: Scalar(1, "b", "i1", delta=True),
    29: Scalar(2, "h", ">i2", delta=True),
    30: Scalar(4, "i", ">i4", delta=True),
    31: Scalar(1, "B", "u1", delta=True),
    32: Scalar(2, "H", ">u2", delta=True),
    33: Scalar(4, "I", ">u4", delta=True),
}
BOOLEAN: Final = 3
FLOATS: Final = frozenset({23, 24})
LONG64_UNSIGNED: Final = 21
# Types of fixed size that stay bytes in a value column: date-time, date and time.
BYTES_SIZES: Final = {DATE_TIME: STAMP_SIZE, 26: 5, 27: 4}
STRINGS: Final = frozenset({BIT_STRING, OCTET_STRING, VISIBLE_STRING, UTF8_STRING})
NESTED: Final = frozenset({ARRAY, STRUCTURE, COMPACT_ARRAY})

STAMP_STRUCT: Final = struct.Struct(">HBBBBBBBhB")
STAMP_DTYPE: Final = np.dtype(
    [
        ("year", ">u2"),
        ("month", "u1"),
        ("day", "u1"),
        ("weekday", "u1"),
        ("hour", "u1"),
        ("minute", "u1"),
        ("second", "u1"),
        ("hundredths", "u1"),
        ("deviation", ">i2"),
        ("status", "u1"),
    ]
)


class Cell(NamedTuple):
    """Where one value of a row lies: tag, offset of its content in the row, size of the content."""

    tag: int
    offset: int
    size: int


def cell_dtype(cell: Cell) -> object:
    """Give the numpy type of a cell's content: a number, a stamp, or raw octets."""
    scalar = SCALARS.get(cell.tag)
    if scalar is not None:
        return scalar.dtype
    return f"V{cell.size}"


def string_size(tag: int, length: int) -> int:
    """Octets of a string's content: the length of a bit string counts bits."""
    return (length + 7) // 8 if tag == BIT_STRING else length


def pull_extent(buffer: bytes, at: int, tag: int, depth: int = 0) -> tuple[int, int]:
    """Measure the value of a tag whose content begins at `at`: the offset of its content proper, and its size.

    The length octets of a string are no content; a nested value's content is all behind its tag.
    """
    scalar = SCALARS.get(tag)
    if scalar is not None:
        return at, scalar.size
    if tag in STRINGS:
        length, start = decode_length(buffer, at)
        return start, string_size(tag, length)
    if tag == NULL or tag in BYTES_SIZES:
        return at, BYTES_SIZES.get(tag, 0)
    if tag in NESTED:
        return at, _pull_nested(buffer, at, tag, depth) - at
    raise malformed(f"tag {tag} is no data type of a profile row", offset=max(at - 1, 0))


def _pull_nested(buffer: bytes, at: int, tag: int, depth: int) -> int:
    if depth >= NESTING_MAX:
        raise malformed(f"values nested deeper than {NESTING_MAX}", offset=at)
    if tag == COMPACT_ARRAY:
        _, at = pull_type_description(buffer, at, depth)
        length, start = decode_length(buffer, at)
        return start + length
    count, at = decode_length(buffer, at)
    if count > len(buffer) - at:
        raise malformed(f"{count} elements announced, {len(buffer) - at} octets left", offset=at)
    for _ in range(count):
        start, size = pull_extent(buffer, at + 1, buffer[at], depth + 1)
        at = start + size
    return at


def pull_type_description(buffer: bytes, at: int, depth: int = 0) -> tuple[tuple[int, ...], int]:
    """Read a compact array's type description: the tags of its element (of one structure level), the offset behind."""
    if depth >= NESTING_MAX:
        raise malformed(f"types nested deeper than {NESTING_MAX}", offset=at)
    tag = buffer[at]
    if tag == ARRAY:
        _, end = pull_type_description(buffer, at + 3, depth + 1)
        return (ARRAY,), end
    if tag != STRUCTURE:
        return (tag,), at + 1
    count, at = decode_length(buffer, at + 1)
    if count > len(buffer) - at:
        raise malformed(f"{count} types announced, {len(buffer) - at} octets left", offset=at)
    tags = []
    for _ in range(count):
        tags.append(buffer[at])
        _, at = pull_type_description(buffer, at, depth + 1)
    return tuple(tags), at


def read_value(buffer: bytes, at: int, depth: int = 0) -> tuple[Any, int]:
    """Read one A-XDR value as plain Python: the generic way for what is neither number nor string of a column.

    Arrays become lists, structures tuples, strings of bits, octets and compact arrays bytes. IndexError where it ends.
    """
    tag = buffer[at]
    start, size = pull_extent(buffer, at + 1, tag, depth)
    end = start + size
    if end > len(buffer):
        raise malformed(f"the buffer ends inside a value of tag {tag}", offset=at)
    if tag not in (ARRAY, STRUCTURE):
        scalar = SCALARS.get(tag)
        content = struct.unpack_from(f">{scalar.code}", buffer, start)[0] if scalar else buffer[start:end]
        return plain(tag, content), end
    count, start = decode_length(buffer, start)
    values = []
    for _ in range(count):
        value, start = read_value(buffer, start, depth + 1)
        values.append(value)
    return (values if tag == ARRAY else tuple(values)), end


def plain(tag: int, content: Any) -> Any:
    """Turn a cell's content, as the row's unpacker gives it, into the value of a generic column."""
    if tag == NULL:
        return None
    if tag == BOOLEAN:
        return int(content != 0)
    if tag in (VISIBLE_STRING, UTF8_STRING):
        return bytes(content).decode("utf-8", errors="replace")
    if tag in (ARRAY, STRUCTURE):
        return read_value(bytes([tag]) + content, 0)[0]
    return content
