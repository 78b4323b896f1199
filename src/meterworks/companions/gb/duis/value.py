"""Texts of leaves and attributes: which are lawful, and the same as JSON.

A value type is a kind (number, date-time, hexadecimal octets, ...) with bounds. Its `fault` says in words what is wrong
with a text; `to_json` and `from_json` turn lawful texts into numbers, truths and strings and back.
Source: XML Schema 1.0 part 2 (lexical forms); bounds from the DUIS schema.
"""

import base64
import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Final

__all__ = ["KINDS", "UNWRITABLE", "JsonValue", "ValueType", "collapse"]

JsonValue = str | int | float | bool | list["JsonValue"] | dict[str, "JsonValue"] | None

_EUI: Final = "[A-Fa-f0-9]{2}(?:-[A-Fa-f0-9]{2}){7}"
_CLOCK: Final = r"(?:(?P<hour>[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?|(?P<midnight>24:00:00(?:\.0+)?))"
_ZONE: Final = r"(?:Z|[+-](?:0\d|1[0-3]):[0-5]\d|[+-]14:00)?"
_DATE: Final = r"-?(?P<year>[1-9]\d{3,8}|0\d{3})-(?P<month>\d\d)-(?P<day>\d\d)"  # years of five digits are wildcards
_DAY: Final = re.compile(_DATE, re.ASCII)
_LEAP_CYCLE_Y: Final = 400
_COUNTER_MAX: Final = 2**64 - 1
_DIGITS_MAX: Final = 40  # of a number in a text: more never stand in a lawful one
_NUMBER_END: Final = 10**_DIGITS_MAX
_FLOAT_DIGITS: Final = 15  # decimal digits that a binary float gives back unchanged
UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # characters that XML has not
_SHOWN_MAX: Final = 60

_FORMS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "boolean": re.compile("true|false|0|1"),
        "integer": re.compile(rf"[+-]?\d{{1,{_DIGITS_MAX}}}", re.ASCII),
        "decimal": re.compile(
            rf"[+-]?(?:\d{{1,{_DIGITS_MAX}}}(?:\.\d{{0,{_DIGITS_MAX}}})?|\.\d{{1,{_DIGITS_MAX}}})", re.ASCII
        ),
        "date": re.compile(_DATE + _ZONE, re.ASCII),
        "time": re.compile(_CLOCK + _ZONE, re.ASCII),
        "date-time": re.compile(f"{_DATE}T{_CLOCK}{_ZONE}", re.ASCII),
        "hex": re.compile("(?:[0-9A-Fa-f]{2})*"),
        "eui": re.compile(_EUI),
        "eui-list": re.compile(f"{_EUI}(?:,{_EUI})*"),
        "request-id": re.compile(rf"{_EUI}:{_EUI}:(0|[1-9]\d{{0,19}})", re.ASCII),
    }
)
_WORDS: Final = MappingProxyType(
    {
        "boolean": "true or false",
        "integer": "a whole number",
        "decimal": "a decimal number",
        "date": "a date (2030-01-31)",
        "time": "a time of day (23:59:00Z)",
        "date-time": "a date and time (2030-01-31T23:59:00Z)",
        "hex": "octets in hexadecimal",
        "base64": "octets in base64",
        "eui": "an EUI-64 (eight pairs of hexadecimal digits joined by -)",
        "eui-list": "EUI-64s joined by commas",
        "request-id": "originator:target:counter with two EUI-64s and a number below 2**64",
    }
)
KINDS: Final = (*_WORDS, "text", "token")  # in the table; what XML Schema builds in, and identities


def collapse(text: str) -> str:
    """A text without blanks at its ends, and with one where there were several (XML Schema: whiteSpace collapse)."""
    return " ".join(text.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueType:
    """What a text may be. kind: one of KINDS. low, high: bounds of a number, both lawful.

    digits, fraction: at most so many digits of a number in all, and behind its point. shortest, longest: octets of hex
    and base64, characters of others. choices: empty where all texts of the kind are lawful.
    """

    name: str
    kind: str
    low: Decimal | None = None
    high: Decimal | None = None
    digits: int | None = None
    fraction: int | None = None
    shortest: int = 0
    longest: int | None = None
    pattern: re.Pattern[str] | None = None
    choices: tuple[str, ...] = ()
    _check: Callable[[str], str | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Choose the check of the kind."""
        checks: dict[str, Callable[[str], str | None]] = {
            "integer": self._number_fault,
            "decimal": self._number_fault,
            "date": self._date_fault,
            "date-time": self._date_fault,
            "base64": self._base64_fault,
            "hex": self._hex_fault,
            "text": self._text_fault,
            "token": self._text_fault,
            "request-id": self._request_id_fault,
        }
        object.__setattr__(self, "_check", checks.get(self.kind, self._text_fault))

    def fault(self, text: str) -> str | None:
        """What is wrong with a text, None where it is lawful."""
        normal = text if self.kind == "text" else collapse(text)
        form = _FORMS.get(self.kind)
        if form is not None and form.fullmatch(normal) is None:
            return f"{_shown(text)} is not {_WORDS[self.kind]}"
        return self._check(normal)

    def to_json(self, text: str) -> JsonValue:
        """The JSON form of a lawful text: numbers as numbers, truths as truths, the rest as a string."""
        if self.kind == "integer":
            return int(text)
        if self.kind == "boolean":
            return collapse(text) in ("true", "1")
        if self.kind == "decimal":
            number = Decimal(collapse(text))
            return float(number) if len(number.as_tuple().digits) <= _FLOAT_DIGITS else f"{number:f}"
        if self.kind == "base64":
            return "".join(text.split())
        return text if self.kind == "text" else collapse(text)

    @property
    def json_words(self) -> str:
        """What JSON holds such a value, in words."""
        return {"boolean": "true or false", "integer": "a whole number", "decimal": "a number"}.get(
            self.kind, "a string"
        )

    def from_json(self, value: JsonValue) -> str | None:
        """The text of a JSON value, None where it is of another JSON type."""
        if self.kind == "boolean":
            return ("true" if value else "false") if isinstance(value, bool) else None
        if isinstance(value, bool):
            return None
        if self.kind == "integer":
            return str(value) if isinstance(value, int) and abs(value) < _NUMBER_END else None
        if self.kind == "decimal":
            return _decimal_text(value)
        return value if isinstance(value, str) else None

    def _number_fault(self, text: str) -> str | None:
        number = Decimal(text)
        if (self.low is not None and number < self.low) or (self.high is not None and number > self.high):
            low = "" if self.low is None else f" from {self.low}"
            high = "" if self.high is None else f" to {self.high}"
            return f"{text} is not a number{low}{high}"
        if self.choices and number not in map(Decimal, self.choices):
            return f"{text} is none of {', '.join(self.choices)}"
        return self._digits_fault(number) if self.digits is not None or self.fraction is not None else None

    def _digits_fault(self, number: Decimal) -> str | None:
        _, digits, exponent = (number.normalize() if number else Decimal(0)).as_tuple()
        behind = max(0, -int(exponent))
        if self.fraction is not None and behind > self.fraction:
            return f"{number} has more than {self.fraction} digits behind its point"
        if self.digits is not None and max(len(digits) + max(0, int(exponent)), behind) > self.digits:
            return f"{number} has more than {self.digits} digits"
        return None

    def _date_fault(self, text: str) -> str | None:
        found = _DAY.match(text)
        year, month, day = map(int, found.groups()) if found is not None else (0, 0, 0)
        if (
            not year
            or not 1 <= month <= 12
            or not 1 <= day <= monthrange(_LEAP_CYCLE_Y + year % _LEAP_CYCLE_Y, month)[1]
        ):
            return f"{text} is no day of the calendar"
        return None

    def _base64_fault(self, text: str) -> str | None:
        packed = text.replace(" ", "")
        try:
            octets = base64.b64decode(packed, validate=True)
        except ValueError:  # binascii.Error, or a character that is not ASCII
            octets, packed = b"", "-"
        if base64.b64encode(octets).decode() != packed:  # padding and spare bits have one form only
            return f"{_shown(text)} is not {_WORDS['base64']}"
        return self._length_fault(len(octets), "octets")

    def _hex_fault(self, text: str) -> str | None:
        if self.choices and text.upper() not in self.choices:
            return f"{_shown(text)} is none of {', '.join(self.choices)}"
        return self._length_fault(len(text) // 2, "octets")

    def _text_fault(self, text: str) -> str | None:
        if UNWRITABLE.search(text) is not None:
            return f"{_shown(text)} has a character that XML has not"
        if self.choices and text not in self.choices:
            return f"{_shown(text)} is none of {self._shown_choices()}"
        if self.pattern is not None and self.pattern.fullmatch(text) is None:
            return f"{_shown(text)} is not of the form {self.pattern.pattern}"
        return self._length_fault(len(text), "characters")

    def _request_id_fault(self, text: str) -> str | None:
        if int(text.rpartition(":")[2]) > _COUNTER_MAX:
            return f"{_shown(text)} is not {_WORDS['request-id']}"
        return None

    def _length_fault(self, length: int, unit: str) -> str | None:
        if length < self.shortest or (self.longest is not None and length > self.longest):
            high = "" if self.longest is None else f" to {self.longest}"
            return f"{length} {unit}, where {self.shortest}{high} may stand"
        return None

    def _shown_choices(self) -> str:
        shown = ", ".join(self.choices[:12])
        return shown if len(self.choices) <= 12 else f"{shown} and {len(self.choices) - 12} more"


def _decimal_text(value: JsonValue) -> str | None:
    """Text of a decimal number; repr of a float gives the digits that were read."""
    if isinstance(value, float):
        number = Decimal(repr(value))
        return f"{number:f}" if number.is_finite() else None
    if isinstance(value, int):
        return str(value) if abs(value) < _NUMBER_END else None
    return value if isinstance(value, str) else None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}...")
