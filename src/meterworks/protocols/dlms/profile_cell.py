"""The cells of a profile row: how large a value of each A-XDR type is, and what it becomes in a column.

Source: A-XDR data types, fact sheet section 1.
"""

import struct
from typing import Any, Final, NamedTuple

import numpy as np

from meterworks.protocols.dlms.data import Tag, decode, end_of
from meterworks.protocols.dlms.length import decode_length, encode_length
from meterworks.protocols.errors import DecodeError

STAMP_SIZE: Final = 12
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


class Scalar(NamedTuple):
    """A number of fixed size: octets, struct code, numpy type, and whether it adds to the row before."""

    size: int
    code: str
    dtype: str
    delta: bool = False


SCALARS: Final[dict[int, Scalar]] = {
    Tag.BOOLEAN: Scalar(1, "B", "u1"),
    Tag.DOUBLE_LONG: Scalar(4, "i", ">i4"),
    Tag.DOUBLE_LONG_UNSIGNED: Scalar(4, "I", ">u4"),
    Tag.BCD: Scalar(1, "b", "i1"),
    Tag.INTEGER: Scalar(1, "b", "i1"),
    Tag.LONG: Scalar(2, "h", ">i2"),
    Tag.UNSIGNED: Scalar(1, "B", "u1"),
    Tag.LONG_UNSIGNED: Scalar(2, "H", ">u2"),
    Tag.LONG64: Scalar(8, "q", ">i8"),
    Tag.LONG64_UNSIGNED: Scalar(8, "Q", ">u8"),
    Tag.ENUM: Scalar(1, "B", "u1"),
    Tag.FLOAT32: Scalar(4, "f", ">f4"),
    Tag.FLOAT64: Scalar(8, "d", ">f8"),
    Tag.DELTA_INTEGER: Scalar(1, "b", "i1", delta=True),
    Tag.DELTA_LONG: Scalar(2, "h", ">i2", delta=True),
    Tag.DELTA_DOUBLE_LONG: Scalar(4, "i", ">i4", delta=True),
    Tag.DELTA_UNSIGNED: Scalar(1, "B", "u1", delta=True),
    Tag.DELTA_LONG_UNSIGNED: Scalar(2, "H", ">u2", delta=True),
    Tag.DELTA_DOUBLE_LONG_UNSIGNED: Scalar(4, "I", ">u4", delta=True),
}
FLOATS: Final[frozenset[int]] = frozenset({Tag.FLOAT32, Tag.FLOAT64})
DELTAS: Final[frozenset[int]] = frozenset(tag for tag, scalar in SCALARS.items() if scalar.delta)
# Fixed sizes of what is no number.
SIZES: Final[dict[int, int]] = {Tag.NULL: 0, Tag.DATE_TIME: STAMP_SIZE, Tag.DATE: 5, Tag.TIME: 4}
# The content of these stands behind length octets, which belong to the row's frame...
STRINGS: Final[frozenset[int]] = frozenset({Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING})
# ...and the content of these, taken whole, has lengths or tags of its own inside.
SELF_FRAMED: Final[frozenset[int]] = frozenset({Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY, Tag.BIT_STRING})


class Cell(NamedTuple):
    """Where one value of a row lies: tag, offset of its content in the row, size of the content."""

    tag: int
    offset: int
    size: int


def malformed(what: str, *, offset: int) -> DecodeError:
    """Say what is wrong with a profile's octets, and at which of them."""
    return DecodeError(f"profile buffer, octet {offset}: {what}", offset=offset)


def content_at(buffer: bytes, at: int) -> tuple[int, int]:
    """Give (offset of the content, its size) of the value whose tag stands at `at`; it may reach beyond the buffer."""
    tag = buffer[at]
    if tag in SELF_FRAMED:
        return at + 1, end_of(buffer, at) - at - 1
    return untagged_content_at(buffer, at + 1, tag)


def untagged_content_at(buffer: bytes, at: int, tag: int) -> tuple[int, int]:
    """Give (offset of the content, its size) of a value of known type, which begins at `at` without a tag."""
    scalar = SCALARS.get(tag)
    if scalar is not None:
        return at, scalar.size
    if tag in STRINGS:
        size, start = decode_length(buffer, at)
        return start, size
    if tag in SIZES:
        return at, SIZES[tag]
    raise malformed(f"tag {tag} is no data type of a profile row", offset=max(at - 1, 0))


def plain(tag: int, content: Any) -> Any:
    """Turn a cell's content, as unpacked, into the plain Python value that `decode` gives for it."""
    if tag == Tag.BOOLEAN:
        return content != 0
    if tag in SCALARS or tag == Tag.OCTET_STRING:
        return content
    length = encode_length(len(content)) if tag in STRINGS else b""
    return decode(bytes((tag,)) + length + content)[0]
