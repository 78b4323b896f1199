"""Selective access to the buffer of a profile, by range of any column and by entries.

The range names a column and two values, both ends included: moments of the clock, or numbers of a register; the column
may stand anywhere in the profile. A date-time without deviation is the meter's local time, one without a year has no
bound. Source: COSEM interface classes, Profile generic (class 7), selective access to attribute 2.
"""

from dataclasses import dataclass
from typing import Final

from meterworks.devices.errors import MalformedValue
from meterworks.devices.wall_clock import pattern_date_time
from meterworks.devices.zone import ZoneTable
from meterworks.protocols.dlms import ANY_YEAR, NO_DEVIATION, CaptureObject, CosemDateTime, PlainValue, decode

__all__ = ["Entries", "Range", "moment_s", "parse_selection", "span_of"]

BY_RANGE: Final = 1
BY_ENTRY: Final = 2
TIME_MIN: Final = -(2**62)
TIME_MAX: Final = 2**62


@dataclass(frozen=True, slots=True)
class Range:
    """Rows whose value in a column lies between two, both included; of the columns listed, none for all."""

    column: CaptureObject
    from_: PlainValue
    to: PlainValue
    columns: tuple[CaptureObject, ...]


@dataclass(frozen=True, slots=True)
class Entries:
    """Rows and columns by number, from 1; a `to` of 0 is the last."""

    from_entry: int
    to_entry: int
    from_column: int
    to_column: int

    def rows(self, count: int) -> slice:
        """Give which of `count` rows are meant; MalformedValue for numbers below 1."""
        if self.from_entry < 1:
            raise MalformedValue("entries of a profile count from 1")
        return slice(self.from_entry - 1, min(self.to_entry or count, count))

    def columns(self, count: int) -> slice:
        """Give which of `count` columns are meant; MalformedValue for what is not there."""
        last = self.to_column or count
        if not 1 <= self.from_column <= last <= count:
            raise MalformedValue(f"columns {self.from_column} to {last} of a profile of {count}")
        return slice(self.from_column - 1, last)


def parse_selection(selection: bytes) -> Range | Entries:
    """Read selector and parameters; PeerError for what a profile does not have."""
    parameters, end = decode(selection, 1) if selection else (None, 0)
    if not selection or end != len(selection):
        raise MalformedValue("selective access is a selector and one value")
    match selection[0], parameters:
        case 1, (column, from_, to, list(columns)):
            chosen = tuple(map(CaptureObject.from_plain, columns))
            return Range(CaptureObject.from_plain(column), from_, to, chosen)
        case 2, (int(from_entry), int(to_entry), int(from_column), int(to_column)):
            return Entries(from_entry, to_entry, from_column, to_column)
        case selector, _:
            raise MalformedValue(f"selector {selector} or its parameters are not those of a profile")


def moment_s(zone: ZoneTable, moment: CosemDateTime, unbounded: int) -> int:
    """Give the instant of a bound; a year left open has none, a deviation left open is the meter's."""
    if moment.year == ANY_YEAR:
        return unbounded
    if moment.deviation_min == NO_DEVIATION:
        return zone.to_utc(int(moment.to_datetime(deviation_min=0).timestamp()))
    return int(moment.to_datetime().timestamp())


def span_of(zone: ZoneTable, wanted: Range, *, is_time: bool) -> tuple[float, float]:
    """Give the lowest and highest value of a range: instants of a column of time, numbers of any other.

    Raises PeerError for bounds of another kind.
    """
    if is_time:
        from_, to = pattern_date_time(wanted.from_), pattern_date_time(wanted.to)
        if from_ is None or to is None:
            raise MalformedValue("a range of a clock is between two moments")
        return moment_s(zone, from_, TIME_MIN), moment_s(zone, to, TIME_MAX)
    match wanted.from_, wanted.to:
        case int() | float() as low, int() | float() as high:
            return low, high
        case _:
            raise MalformedValue("a range of a register is between two numbers")
