"""Values as COSEM data of the type that an item's row names: ranges and lengths are those of the type.

Source: IEC 62056-6-2, 4.1.5 (data types); GBCS 7.3 (dates and times in UTC, without deviation).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Final

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb import UseCaseItem
from meterworks.companions.errors import TransformError
from meterworks.companions.gb.element import Element
from meterworks.companions.gb.transform.value import number, one_of, refusal, utc
from meterworks.protocols.dlms import (
    BitString,
    encode_bit_string,
    encode_double_long,
    encode_double_long_unsigned,
    encode_enum,
    encode_integer,
    encode_long,
    encode_long_unsigned,
    encode_null,
    encode_octet_string,
    encode_unsigned,
    encode_visible_string,
)

__all__ = [
    *(
        "MOMENT_NEVER",
        "MOMENT_NOW",
        "Value",
        "Wire",
        "calendar_date",
        "date_of",
        "midnight",
        "moment",
        "seconds",
        "time_of",
    ),
]

Value = int | bool | bytes | str | BitString
_NUMBERS: Final[Mapping[str, tuple[int, int, Callable[[int], bytes]]]] = MappingProxyType(
    {
        "integer": (-0x80, 0x7F, encode_integer),
        "unsigned": (0, 0xFF, encode_unsigned),
        "enum": (0, 0xFF, encode_enum),
        "long": (-0x8000, 0x7FFF, encode_long),
        "long-unsigned": (0, 0xFFFF, encode_long_unsigned),
        "double-long": (-0x8000_0000, 0x7FFF_FFFF, encode_double_long),
        "double-long-unsigned": (0, 0xFFFF_FFFF, encode_double_long_unsigned),
    }
)
_TRUE, _FALSE = b"\x03\xff", b"\x03\x00"  # any octet but zero is true; GB messages have this one
_STRINGS: Final = ("octet-string", "visible-string", "bit-string")

_NO_ZONE: Final = b"\x80\x00\xff"  # no deviation, no clock status
MOMENT_NOW: Final = bytes(9) + _NO_ZONE
MOMENT_NEVER: Final = b"\xff" * 9 + _NO_ZONE
ANY: Final = 0xFF
ANY_YEAR: Final = 0xFFFF
EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,6}))?Z?")
_DATE: Final = re.compile(r"(\d{4,5})-(\d\d)-(\d\d)Z?")


@dataclass(frozen=True, slots=True)
class Wire:
    """The type of a value. size_max: octets, characters or bits of a string, None where the type has no length."""

    type: str
    size_max: int | None

    @classmethod
    def of(cls, item: UseCaseItem) -> "Wire":
        """The type of an item's row. Raises CatalogueError for one no command can carry."""
        if item.type not in _NUMBERS and item.type not in (*_STRINGS, "boolean", "null", "exceptional"):
            raise CatalogueError(f"{item.use_case}, {item.item}: a command carries no {item.type or 'value'}")
        return cls(item.type, item.size_max)

    @property
    def range(self) -> tuple[int, int]:
        """The least and the greatest number it holds."""
        return _NUMBERS[self.type][:2]

    def read_number(self, element: Element) -> int:
        """A whole number of a leaf that fits the type."""
        low, high = self.range
        return number(element, low, high)

    def encode(self, value: Value, path: str) -> bytes:
        """Encode a value. path: of its element, for the error. Raises TransformError where it does not fit the type."""
        if self.type in _NUMBERS and isinstance(value, int):
            low, high, pack = _NUMBERS[self.type]
            if not low <= value <= high:
                raise refusal(path, str(value), f"{self.type} of {low}..{high}")
            return pack(value)
        if self.type == "boolean" and isinstance(value, bool):
            return _TRUE if value else _FALSE
        size = value.size_bits if isinstance(value, BitString) else len(value) if isinstance(value, bytes | str) else 0
        if self.size_max is not None and size > self.size_max:
            raise refusal(path, str(value), f"{self.type} of at most {self.size_max}")
        match self.type, value:
            case "octet-string", bytes():
                return encode_octet_string(value)
            case "visible-string", str():
                return encode_visible_string(_ascii(value, path).decode())
            case "octet-string", str():
                return encode_octet_string(_ascii(value, path))
            case "bit-string", BitString():
                return encode_bit_string(value)
            case "null", _:
                return encode_null()
        raise CatalogueError(f"{path}: a {type(value).__name__} is no {self.type}")

    def constant(self, text: str) -> bytes:
        """Encode a constant of a row: a number, 0x octets, 0b bits, true or false. Raises CatalogueError."""
        try:
            return self.encode(_constant(text), f"constant {text}")
        except (ValueError, TransformError) as error:
            raise CatalogueError(f"{text!r} is no constant of type {self.type}: {error}") from error


def _constant(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("0x"):
        return bytes.fromhex(text[2:])
    if text.startswith("0b"):
        return BitString.from_text(text[2:])
    return int(text)


def _ascii(text: str, path: str) -> bytes:
    if not (text.isascii() and text.isprintable()):
        raise refusal(path, text, "printable ASCII")
    return text.encode()


def moment(at: datetime) -> bytes:
    """A moment as 12 octets, in UTC."""
    return (
        at.year.to_bytes(2, "big")
        + bytes((at.month, at.day, ANY, at.hour, at.minute, at.second, at.microsecond // 10_000))
        + _NO_ZONE
    )


def seconds(element: Element) -> int:
    """A moment of a leaf in seconds since 2000, which is how logs count."""
    count = int((utc(element) - EPOCH).total_seconds())
    if not 0 <= count <= 0xFFFF_FFFF:
        raise refusal(element.name, element.text, "a moment of 2000..2136")
    return count


def time_of(element: Element) -> bytes:
    """A time of day of a leaf as 4 octets."""
    match = _TIME.fullmatch(element.text.strip())
    if match is None:
        raise refusal(element.name, element.text, "a time of day in UTC, 07:30:00.00Z,")
    hour, minute, second, fraction = match.groups()
    return bytes((int(hour), int(minute), int(second), int((fraction or "").ljust(2, "0")[:2])))


def calendar_date(element: Element) -> bytes:
    """A date of a leaf as 5 octets; the year 65535 stands for every year."""
    match = _DATE.fullmatch(element.text.strip())
    year, month, day = map(int, match.groups()) if match else (0, 0, 0)
    try:
        date(2000 if year == ANY_YEAR else year, month, day)
    except ValueError as error:
        raise refusal(element.name, element.text, "a date, 2030-01-15Z,") from error
    return year.to_bytes(2, "big") + bytes((month, day, ANY))


def date_of(element: Element) -> bytes:
    """A date with wildcards, in its four parts, as 5 octets."""
    year = _part(element, "Year", "SpecifiedYear", (0, ANY_YEAR), {"NonSpecifiedYear": ANY_YEAR})
    month = _part(element, "Month", "SpecifiedMonth", (1, 12), {"NonSpecifiedMonth": ANY})
    special = {"LastDayOfMonth": 0xFE, "SecondLastDayOfMonth": 0xFD, "NonSpecifiedDayOfMonth": ANY}
    day = _part(element, "DayOfMonth", "SpecifiedDayOfMonth", (1, 31), special)
    weekday = _part(element, "DayOfWeek", "SpecifiedDayOfWeek", (1, 7), {"NonSpecifiedDayOfWeek": ANY})
    return year.to_bytes(2, "big") + bytes((month, day, weekday))


def midnight(element: Element) -> bytes:
    """The beginning of a date with wildcards, as 12 octets."""
    return date_of(element) + bytes(4) + _NO_ZONE


def _part(element: Element, name: str, specified: str, bounds: tuple[int, int], wildcards: Mapping[str, int]) -> int:
    part = element.find(name)
    choice = part.children[0] if part is not None and len(part.children) == 1 else None
    if choice is None:
        raise refusal(f"{element.name}/{name}", "", f"{specified} or {' or '.join(wildcards)}")
    if choice.name == specified:
        return number(choice, *bounds)
    return one_of(Element(f"{element.name}/{name}", choice.name), wildcards)
