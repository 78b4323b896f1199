"""Readers of the fields of ZigBee frames: little-endian numbers, times, dates, strings.

A reader's `wire` is the size of its field in octets; a string has its own length in front.
Source: ZigBee smart energy profile 1.4; fact sheet gb/GBCS.md section 8.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from meterworks.companions.gb.correlate import term
from meterworks.companions.gb.correlate.fact import Term
from meterworks.companions.gb.correlate.reader import Reader
from meterworks.companions.gb.correlate.term import EPOCH, NEVER, NOW
from meterworks.protocols import DecodeError

__all__ = ["PERIODS", "REST", "STRING", "ZCL_READERS", "FieldCursor"]

STRING: Final = -1  # a field with its own length in one octet in front
REST: Final = -2  # all that is left
_SECOND_BITS: Final = 0xFFFF_FFFF


class FieldCursor:
    """The payload of a frame, field after field."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._offset = 0

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is left."""
        return self._offset == len(self._octets)

    def take(self, size: int) -> bytes:
        """The next field. Raises DecodeError where the frame ends before it does."""
        if size == STRING:
            size = self.take(1)[0]
        if size == REST:
            size = len(self._octets) - self._offset
        end = self._offset + size
        if end > len(self._octets):
            raise DecodeError(f"a field of {size} octets is cut off at octet {self._offset}", offset=self._offset)
        field, self._offset = self._octets[self._offset : end], end
        return field


def _unsigned(octets: bytes) -> int:
    return int.from_bytes(octets, "little")


def _signed(octets: bytes) -> int:
    return int.from_bytes(octets, "little", signed=True)


def _instant(number: int) -> Term:
    return EPOCH + timedelta(seconds=number)


def _update(never: int) -> Callable[[bytes], Term]:
    """When an update takes effect: 0 is now, and one number (which one, the command says) is never."""

    def of_wire(octets: bytes) -> Term:
        number = _unsigned(octets)
        if number in (never, 0):
            return NOW if not number else NEVER
        if number >= _SECOND_BITS - 1:
            raise DecodeError(f"{number:#x} is no time here")
        return _instant(number)

    return of_wire


def _log_time(octets: bytes) -> Term:
    """An end of a log's window; one that never comes is FFFFFFFE."""
    number = _unsigned(octets)
    if number == _SECOND_BITS:
        raise DecodeError("a window has no end at FFFFFFFF")
    return NEVER if number == _SECOND_BITS - 1 else _instant(number)


def _date(octets: bytes) -> Term:
    """Year from 1900, month, day, day of the week; 255 leaves a part open."""
    year, *rest = (None if octet == 0xFF else octet for octet in octets)
    month, day, weekday = rest
    if (month or 1) > 12 or (day or 1) > 31 or (weekday or 1) > 7 or 0 in rest:
        raise DecodeError(f"{octets.hex()} is no date")
    return None if year is None else 1900 + year, month, day, weekday


def _ascii(octets: bytes) -> Term:
    return octets.decode("ascii")


# Payment control of the prepayment cluster (ZigBee smart energy 1.4, PaymentControlConfiguration). The two bits of
# debts have contrary senses: collection is halted when credit is exhausted, and debt is collected in emergency credit.
_CREDIT_MODE: Final = 0x0C94
_PREPAYMENT_MODE: Final = 0x0097
_HALTED_WHEN_EXHAUSTED: Final = 1 << 10
_COLLECTED_IN_EMERGENCY: Final = 1 << 11


def _payment(octets: bytes) -> Term:
    """Credit mode, or prepayment mode and whether time-based debts rest: while disabled, and in emergency credit."""
    number = _unsigned(octets)
    if number == _CREDIT_MODE:
        return "Credit"
    if number & ~(_HALTED_WHEN_EXHAUSTED | _COLLECTED_IN_EMERGENCY) != _PREPAYMENT_MODE:
        raise DecodeError(f"payment control {number:#06x} is neither credit mode nor prepayment mode")
    return bool(number & _HALTED_WHEN_EXHAUSTED), not number & _COLLECTED_IN_EMERGENCY


def _one_of(names: Mapping[int, Term]) -> Callable[[bytes], Term]:
    """A number that says which element of the request it comes from; the element itself is empty."""

    def of_wire(octets: bytes) -> Term:
        number = _unsigned(octets)
        if number not in names:
            raise DecodeError(f"{number:#x} stands for nothing here")
        return names[number]

    return of_wire


def _whole_or_empty(text: str) -> Term:
    return int(text) if text else ""


_BLOCKS: Final = ("BlockTariff", "")
_TIMES: Final = ("TOUTariff", "")
_DAY_ACTIONS: Final = MappingProxyType({0: _BLOCKS, **{number: ("TOUTariffAction", number) for number in range(1, 5)}})

# How long billing periods are: a count, and what is counted (1 days, 2 weeks, 3 months; 2 in front: from any moment).
PERIODS: Final = MappingProxyType(
    {
        "Daily": (1, 0x21), "Weekly": (1, 0x22), "Monthly": (1, 0x23),
        "Quarterly": (3, 0x23), "SixMonthly": (6, 0x23), "Yearly": (12, 0x23),
    }
)  # fmt: skip


def _period(octets: bytes) -> Term:
    found = _unsigned(octets[:3]), octets[3]
    for name, period in PERIODS.items():
        if period == found:
            return name
    raise DecodeError(f"{found} is no length of a billing period")


ZCL_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        **{f"z{size}": Reader(size, _unsigned, term.whole_of) for size in (1, 2, 3, 4, 6)},
        "y4": Reader(4, _signed, term.whole_of),
        "zt": Reader(4, _update(0xFFFF_FFFF), term.instant_of),
        "ze": Reader(4, _update(0xFFFF_FFFE), term.instant_of),
        "zl": Reader(4, _log_time, term.instant_of),
        "zi": Reader(4, lambda octets: _instant(_unsigned(octets)), term.instant_of),
        "zd": Reader(4, _date, str, term.date_of),
        "zm": Reader(2, _unsigned, term.minutes_of),
        "zs": Reader(STRING, _ascii, str, is_shown=True),
        "zp": Reader(2, _payment, str),
        "zx": Reader(REST, bytes, term.octets_of),
        "charging": Reader(1, _one_of({0x10: _BLOCKS, 0x00: _TIMES}), str),
        "gas_tariff": Reader(1, _one_of(_DAY_ACTIONS), _whole_or_empty),
        "block": Reader(1, lambda octets: _unsigned(octets) + 1, term.whole_of),  # blocks count from 0 in a frame
        "period": Reader(4, _period, str),
    }
)
