"""Fields of ZigBee payloads as plain values, by layouts that are rows of a table.

A layout is a line of `name:type`. Types: u8 … u64 and i8 … i64 (little-endian), utc (seconds since 2000), date (four
octets), text (one octet of length before it; what is not printable is 0x and hex) and hex (all that is left). `type*`
repeats to the end of the payload, `type#` as often as an octet before it says; `(name:type,name:type)` is a record.
Numbers are numbers, times ISO UTC; the two times with a meaning of their own are `now` (0) and `never`.
Source: ZigBee cluster library 2.6.2 (data types); fact sheet gb/GBCS.md section 8.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from meterworks.companions.gb.result.moment import seconds_of, seconds_text
from meterworks.protocols import DecodeError, EncodeError

__all__ = ["Layout", "Reader", "layout_of", "read_leaf", "write_leaf"]

NEVER: Final = 0xFFFF_FFFF
_FIELD: Final = re.compile(r"(\w+):(\([^()]*\)|\w+)([*#]?)")
_INTEGER: Final = re.compile(r"([ui])(8|16|24|32|40|48|56|64)")
_LEAVES: Final = ("utc", "date", "text", "hex")
_HEX_MARK: Final = "0x"
_YEAR: Final = 1900
_WEEKDAY_OPEN: Final = 0xFF


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    kind: "str | Layout"
    repeated: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of a payload or a record, in their order."""

    fields: tuple[_Field, ...]

    @property
    def names(self) -> set[str]:
        """The names of the fields."""
        return {field.name for field in self.fields}

    def read(self, reader: "Reader") -> dict[str, Any]:
        """Take the fields. Raises DecodeError."""
        return {field.name: _read_field(field, reader) for field in self.fields}

    def write(self, value: Mapping[str, Any]) -> bytes:
        """Encode the fields. Raises EncodeError where one is missing, too much or unfit."""
        names = [field.name for field in self.fields]
        if not isinstance(value, Mapping) or set(value) != set(names):
            raise EncodeError(f"the fields {', '.join(names)} are expected")
        return b"".join(_write_field(field, value[field.name]) for field in self.fields)


class Reader:
    """A cursor over a ZigBee payload."""

    __slots__ = ("octets", "offset")

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.offset = 0

    @property
    def left(self) -> int:
        """Octets that are still there."""
        return len(self.octets) - self.offset

    def take(self, size: int) -> bytes:
        """Take octets. Raises DecodeError."""
        if size > self.left:
            raise DecodeError(
                f"{size} octets expected at octet {self.offset}, {self.left} are there", offset=self.offset
            )
        start = self.offset
        self.offset += size
        return self.octets[start : self.offset]


@cache
def layout_of(text: str) -> Layout:
    """The layout that a line of a table says. Raises EncodeError where the line is none."""
    fields = []
    for part in text.split():
        match = _FIELD.fullmatch(part)
        if match is None:
            raise EncodeError(f"{part!r} is no field of a layout")
        name, kind, repeated = match.groups()
        is_record = kind.startswith("(")
        if not is_record and kind not in _LEAVES and not _INTEGER.fullmatch(kind):
            raise EncodeError(f"{kind!r} is no type of a field")
        fields.append(_Field(name, layout_of(kind[1:-1].replace(",", " ")) if is_record else kind, repeated))
    return Layout(tuple(fields))


def _read_field(field: _Field, reader: Reader) -> Any:
    if not field.repeated:
        return _read_one(field.kind, reader)
    if field.repeated == "#":
        return [_read_one(field.kind, reader) for _ in range(reader.take(1)[0])]
    items = []
    while reader.left:  # each takes an octet at least
        items.append(_read_one(field.kind, reader))
    return items


def _read_one(kind: "str | Layout", reader: Reader) -> Any:
    return read_leaf(kind, reader) if isinstance(kind, str) else kind.read(reader)


def _write_field(field: _Field, value: Any) -> bytes:
    if not field.repeated:
        return _write_one(field.kind, value)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise EncodeError(f"{field.name}: a list expected, not {value!r:.80}")
    items = b"".join(_write_one(field.kind, item) for item in value)
    return write_leaf("u8", len(value)) + items if field.repeated == "#" else items


def _write_one(kind: "str | Layout", value: Any) -> bytes:
    return write_leaf(kind, value) if isinstance(kind, str) else kind.write(value)


def read_leaf(kind: str, reader: Reader) -> Any:
    """Take one value of a type. Raises DecodeError."""
    if kind == "utc":
        seconds = int.from_bytes(reader.take(4), "little")
        return {0: "now", NEVER: "never"}.get(seconds) or seconds_text(seconds)
    if kind == "date":
        return _date_text(reader.take(4))
    if kind == "text":
        return _text(reader.take(reader.take(1)[0]))
    if kind == "hex":
        return reader.take(reader.left).hex()
    signed, size_bits = kind[0] == "i", int(kind[1:])
    return int.from_bytes(reader.take(size_bits // 8), "little", signed=signed)


def write_leaf(kind: str, value: Any) -> bytes:
    """Encode one value of a type. Raises EncodeError."""
    try:
        if kind == "utc":
            seconds = {"now": 0, "never": NEVER}.get(value)
            return (seconds_of(value) if seconds is None else seconds).to_bytes(4, "little")
        if kind == "date":
            return _date_octets(value)
        if kind == "text":
            octets = bytes.fromhex(value[2:]) if value.startswith(_HEX_MARK) else value.encode("ascii")
            return bytes((len(octets),)) + octets
        if kind == "hex":
            return bytes.fromhex(value)
        return int(value).to_bytes(int(kind[1:]) // 8, "little", signed=kind[0] == "i")
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise EncodeError(f"{value!r:.80} is no value of type {kind}: {error}") from error


def _text(octets: bytes) -> str:
    """Printable ASCII as it is; other octets as hex with a mark."""
    text = octets.decode("latin-1")
    is_plain = text.isascii() and text.isprintable() and not text.startswith(_HEX_MARK)
    return text if is_plain else _HEX_MARK + octets.hex()


def _date_text(octets: bytes) -> str:
    """Year, month and day, `*` where left open; behind a slash the weekday, where it is told."""
    year = "*" if octets[0] == 0xFF else str(_YEAR + octets[0])
    text = "-".join((year, *("*" if part == 0xFF else f"{part:02}" for part in octets[1:3])))
    return text if octets[3] == _WEEKDAY_OPEN else f"{text}/{octets[3]}"


def _date_octets(text: str) -> bytes:
    date, _, weekday = text.partition("/")
    year, month, day = date.split("-")
    parts = [0xFF if part == "*" else int(part) for part in (month, day)]
    return bytes((0xFF if year == "*" else int(year) - _YEAR, *parts, int(weekday) if weekday else _WEEKDAY_OPEN))
