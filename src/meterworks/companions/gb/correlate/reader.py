"""Readers of DLMS values: what octets a device gets, and what they mean in the words of a request.

A reader refuses a value of another type, and one that has no meaning, with DecodeError or ValueError.
Source: COSEM interface classes as GBCS uses them; fact sheet gb/GBCS.md section 7.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from meterworks.companions.gb.correlate import term
from meterworks.companions.gb.correlate.fact import Term
from meterworks.companions.gb.correlate.scope import Scope
from meterworks.companions.gb.correlate.term import DAYS, EPOCH, NEVER, NOW
from meterworks.protocols import DecodeError
from meterworks.protocols.dlms import BitString, Tag

__all__ = ["DLMS_READERS", "Reader", "scaled", "with_words"]


@dataclass(frozen=True, slots=True)
class Reader:
    """How one kind of value is read. wire: its DLMS tag, or its size in a ZigBee frame.

    of_wire: what it means. of_text: what the request's text means; of_element: where the request needs several parts.
    is_shown: a text that people see, in which blanks count.
    """

    wire: int
    of_wire: Callable[[Any], Term]
    of_text: Callable[[str], Term]
    of_element: Callable[[Scope], Term] | None = None
    is_shown: bool = False


def scaled(reader: Reader, divisor: int) -> Reader:
    """A reader of a number that stands multiplied in the message."""
    return replace(reader, of_wire=lambda value: Decimal(reader.of_wire(value)) / divisor, of_text=term.decimal_of)


def with_words(reader: Reader, words: Mapping[str, str]) -> Reader:
    """A reader of a number that stands for a word. words: by number, or by true and false."""
    terms = {reader.of_text(number): word for number, word in words.items()}

    def of_wire(value: Any) -> Term:
        meaning = terms.get(reader.of_wire(value))
        if meaning is None:
            raise DecodeError(f"{value} stands for nothing here")
        return meaning

    return replace(reader, of_wire=of_wire, of_text=str)


def _same(value: Any) -> Term:
    return value


# --- dates and times ------------------------------------------------------------------------------------------------

_UTC_MARK: Final = bytes.fromhex("8000ff")  # deviation not specified, status not specified: GB devices know UTC alone
_NOW: Final = bytes(9)
_NEVER: Final = b"\xff" * 9
_SECONDS_NEVER: Final = (0xFFFF_FFFE, 0xFFFF_FFFF)


def _time(octets: bytes) -> Term:
    if len(octets) != 12 or octets[9:] != _UTC_MARK:
        raise DecodeError("a time has 12 octets and stands in UTC")
    if octets[:9] in (_NOW, _NEVER):
        return NOW if octets[:9] == _NOW else NEVER
    year, month, day = int.from_bytes(octets[:2], "big"), octets[2], octets[3]
    if octets[4] != 0xFF or octets[8]:
        raise DecodeError("a time names no day of the week, and no hundredths")
    hour, minute, second = octets[5:8]
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def _date(octets: bytes) -> Term:
    if len(octets) != 5:
        raise DecodeError("a date has 5 octets")
    year, month, day, weekday = int.from_bytes(octets[:2], "big"), *octets[2:]
    return (
        None if year == 0xFFFF else year,
        _within(month, 12),
        {0xFE: "last", 0xFD: "second last"}.get(day) or _within(day, 31),
        _within(weekday, 7),
    )


def _within(number: int, largest: int) -> int | None:
    if number == 0xFF:
        return None
    if not 1 <= number <= largest:
        raise DecodeError(f"{number} is no part of a date")
    return number


def _season_start(octets: bytes) -> Term:
    if octets[5:] != bytes(4) + _UTC_MARK:
        raise DecodeError("a season begins at midnight UTC")
    return _date(octets[:5])


def _clock(octets: bytes) -> Term:
    if len(octets) != 4 or octets[0] > 23 or octets[1] > 59 or octets[2] > 59 or octets[3] > 99:
        raise DecodeError("a time of day has 4 octets: hours, minutes, seconds, hundredths")
    return tuple(octets)


def seconds(value: int) -> Term:
    """Seconds from 2000-01-01 as an instant; the two largest numbers are never."""
    return NEVER if value in _SECONDS_NEVER else EPOCH + timedelta(seconds=value)


# --- bits -----------------------------------------------------------------------------------------------------------


def _week(bits: BitString) -> Term:
    if bits.size_bits != len(DAYS):
        raise DecodeError("a week has 7 bits")
    return frozenset(day for day, bit in zip(DAYS, _bits(bits), strict=True) if bit == "1")


def _specials(bits: BitString) -> Term:
    text = _bits(bits)
    return len(text), frozenset(place for place, bit in enumerate(text, 1) if bit == "1")


def _bits(bits: BitString) -> str:
    text = str(bits)
    if BitString.from_text(text) != bits:
        raise DecodeError("the padding of a bit-string is not zero")
    return text


ALERTS: Final = 256  # settings of one group: a bit each says which are meant, another whether they are enabled


def _alerts(bits: BitString) -> Term:
    text = _bits(bits)
    if len(text) != 2 * ALERTS:
        raise DecodeError(f"alert settings have {2 * ALERTS} bits")
    meant, enabled = ({ALERTS - 1 - place for place in range(ALERTS) if half[place] == "1"} for half in _halves(text))
    if enabled - meant:
        raise DecodeError("an alert is enabled that is not meant")
    return frozenset((code, code in enabled) for code in meant)


def _halves(text: str) -> tuple[str, str]:
    return text[:ALERTS], text[ALERTS:]


_CHANNEL_BITS: Final = 27
_CHANNEL_PAGES: Final = MappingProxyType({28: (0, 27), 29: (27, 8), 30: (35, 27), 31: (0, 27)})  # first, how many


def _channels(page: int) -> Callable[[BitString], Term]:
    def of_wire(bits: BitString) -> Term:
        text = _bits(bits)
        first, count = _CHANNEL_PAGES[page]
        if len(text) != 32 or int(text[:5], 2) != page or "1" in text[5 : 32 - count]:
            raise DecodeError(f"not the channels of page {page}")
        return frozenset(first + place for place in range(count) if text[31 - place] == "1")

    return of_wire


# --- compound numbers -----------------------------------------------------------------------------------------------

_SECONDARY_TIMES_OF_USE: Final = range(201, 205)
_BLOCK_SCRIPTS: Final = range(101, 109)
_TIMES_OF_USE: Final = range(1, 49)


def _primary_script(number: int) -> Term:
    if number in _TIMES_OF_USE:
        return "TOUTariffAction", number
    if number in _BLOCK_SCRIPTS:
        return "BlockTariffAction", number - 100
    raise DecodeError(f"script {number} is no action of the primary tariff")


def _secondary_script(number: int) -> Term:
    if number not in _SECONDARY_TIMES_OF_USE:
        raise DecodeError(f"script {number} is no action of the secondary tariff")
    return number - 200


def _switch_script(actions: Mapping[int, str]) -> Callable[[int], Term]:
    def of_wire(number: int) -> Term:
        if number & 0xFF not in actions:
            raise DecodeError(f"script {number} is no action of a load switch")
        return actions[number & 0xFF], number >> 8

    return of_wire


def _switch_asked(scope: Scope) -> Term:
    scope.see_all()
    return scope.element.children[0].name, int(scope.element.attributes["index"])


def _switch_command_asked(scope: Scope) -> Term:
    return scope.element.name, int(scope.text("@index") or "")


def _level_script(mark: int) -> Callable[[int], Term]:
    """Levels of auxiliary controllers: direction, controller and level; mark: a bit that schedules set."""

    def of_wire(number: int) -> Term:
        direction, controller, level = number >> 12, number >> 8 & 0x0F, number & 0xFF
        if direction not in (1, 2) or level & 0x80 != mark:
            raise DecodeError(f"script {number} is no level of an auxiliary controller")
        return direction == 2, controller, level & 0x7F

    return of_wire


def _level_asked(scope: Scope) -> Term:
    has_input = scope.find("InputFromControlledLoad") is not None
    return has_input, int(scope.text("@auxiliaryControllerN") or ""), int(scope.text("CommandedStateLevel") or "")


def _ascii(octets: bytes) -> Term:
    return octets.decode("ascii")


def _one(octets: bytes) -> Term:
    if len(octets) != 1:
        raise DecodeError("a name of one octet")
    return octets[0]


def _switch_device(octets: bytes) -> Term:
    if len(octets) != 8:
        raise DecodeError("an EUI-64 has 8 octets")
    return None if octets == bytes(8) else octets


_O: Final = Tag.OCTET_STRING
_NUMBERS: Final = {
    "u1": Tag.UNSIGNED, "u2": Tag.LONG_UNSIGNED, "u4": Tag.DOUBLE_LONG_UNSIGNED,
    "i1": Tag.INTEGER, "i2": Tag.LONG, "i4": Tag.DOUBLE_LONG, "e": Tag.ENUM,
}  # fmt: skip
_U2: Final = Tag.LONG_UNSIGNED

DLMS_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        **{name: Reader(tag, _same, term.whole_of) for name, tag in _NUMBERS.items()},
        "b": Reader(Tag.BOOLEAN, _same, term.truth_of),
        "o": Reader(_O, _same, term.octets_of),
        "o1": Reader(_O, _one, term.whole_of),
        "s": Reader(_O, _ascii, str, is_shown=True),
        "v": Reader(Tag.VISIBLE_STRING, _same, str, is_shown=True),
        "time": Reader(_O, _time, term.instant_of),
        "date": Reader(_O, _date, str, term.date_of),
        "season": Reader(_O, _season_start, str, term.date_of),
        "clock": Reader(_O, _clock, term.clock_of),
        "seconds": Reader(Tag.DOUBLE_LONG_UNSIGNED, seconds, term.instant_of),
        "bits": Reader(Tag.BIT_STRING, _bits, str),
        "week": Reader(Tag.BIT_STRING, _week, str),
        "specials": Reader(Tag.BIT_STRING, _specials, str),
        "alerts": Reader(Tag.BIT_STRING, _alerts, str, term.alert_settings),
        **{f"page{page}": Reader(Tag.BIT_STRING, _channels(page), str, term.channels) for page in _CHANNEL_PAGES},
        "tariff": Reader(_U2, _primary_script, term.whole_of),
        "tariff2": Reader(_U2, _secondary_script, term.whole_of),
        "switch": Reader(_O, _switch_device, str, term.switch_device),
        "schedule": Reader(_U2, _switch_script({1: "ActivateSwitch", 2: "DeactivateSwitch"}), str, _switch_asked),
        "load": Reader(
            _U2,
            _switch_script({0x11: "ActivateALCSHCALCS", 0x12: "DeactivateALCSHCALCS", 0x20: "ResetALCSHCALCS"}),
            str,
            _switch_command_asked,
        ),
        "level": Reader(_U2, _level_script(0), str, _level_asked),
        "scheduled_level": Reader(_U2, _level_script(0x80), str, _level_asked),
    }
)  # fmt: skip
