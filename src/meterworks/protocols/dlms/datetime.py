"""Date, time and date-time of COSEM, with their wildcards.  Source: IEC 62056-6-2, 4.1.6; fact sheet section 1.

The deviation is in minutes and counts from local time to UTC: UTC = local + deviation, so central European winter time
has -60.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import IntFlag
from typing import Self, TypeVar

from meterworks.protocols.errors import DecodeError, EncodeError

__all__ = ["ANY", "ANY_YEAR", "NO_DEVIATION", "ClockStatus", "CosemDate", "CosemDateTime", "CosemTime"]

ANY = 0xFF
ANY_YEAR = 0xFFFF
NO_DEVIATION = -0x8000

_DATE_TIME = struct.Struct(">HBBBBBBBhB")
_DATE = struct.Struct(">HBBB")
_TIME = struct.Struct(">BBBB")
_MONTHS_SPECIAL = frozenset({0xFD, 0xFE, ANY})  # end of daylight saving, its begin, any
_DAYS_SPECIAL = frozenset({0xFD, 0xFE, ANY})  # second last, last, any
_DEVIATION_MAX_MIN = 24 * 60 - 1

_Value = TypeVar("_Value", bound="CosemDate | CosemTime | CosemDateTime")


class ClockStatus(IntFlag):
    """Status octet of a clock reading; 0xFF means that none is given."""

    INVALID = 0x01
    DOUBTFUL = 0x02
    OTHER_BASE = 0x04
    INVALID_STATUS = 0x08
    DAYLIGHT_SAVING = 0x80


def _check_date(year: int, month: int, day: int, weekday: int) -> None:
    if not 0 <= year <= ANY_YEAR:
        raise EncodeError(f"year {year} does not fit into two octets")
    if not (1 <= month <= 12 or month in _MONTHS_SPECIAL):
        raise EncodeError(f"month {month} is neither 1 to 12 nor a wildcard")
    if not (1 <= day <= 31 or day in _DAYS_SPECIAL):
        raise EncodeError(f"day of month {day} is neither 1 to 31 nor a wildcard")
    if not (1 <= weekday <= 7 or weekday == ANY):
        raise EncodeError(f"day of week {weekday} is neither 1 to 7 nor a wildcard")


def _check_time(hour: int, minute: int, second: int, hundredths: int) -> None:
    for name, value, value_max in (
        ("hour", hour, 23), ("minute", minute, 59), ("second", second, 59), ("hundredths", hundredths, 99)
    ):  # fmt: skip
        if not (0 <= value <= value_max or value == ANY):
            raise EncodeError(f"{name} {value} is neither 0 to {value_max} nor a wildcard")


@dataclass(frozen=True, slots=True)
class CosemDate:
    """A date of five octets; each part may be a wildcard."""

    year: int = ANY_YEAR
    month: int = ANY
    day: int = ANY
    weekday: int = ANY

    def __post_init__(self) -> None:
        """Refuse with EncodeError what the standard has no meaning for."""
        _check_date(self.year, self.month, self.day, self.weekday)

    def to_bytes(self) -> bytes:
        """Give the five octets."""
        return _DATE.pack(self.year, self.month, self.day, self.weekday)

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """Read five octets."""
        return _read(cls, _DATE, octets)


@dataclass(frozen=True, slots=True)
class CosemTime:
    """A time of day of four octets; each part may be a wildcard."""

    hour: int = ANY
    minute: int = ANY
    second: int = ANY
    hundredths: int = ANY

    def __post_init__(self) -> None:
        """Refuse with EncodeError what the standard has no meaning for."""
        _check_time(self.hour, self.minute, self.second, self.hundredths)

    def to_bytes(self) -> bytes:
        """Give the four octets."""
        return _TIME.pack(self.hour, self.minute, self.second, self.hundredths)

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """Read four octets."""
        return _read(cls, _TIME, octets)


@dataclass(frozen=True, slots=True)
class CosemDateTime:
    """A date-time of twelve octets; each part may be a wildcard.

    deviation_min: minutes from local time to UTC, or NO_DEVIATION. status: bits of `ClockStatus`, or 0xFF for none.
    """

    year: int = ANY_YEAR
    month: int = ANY
    day: int = ANY
    weekday: int = ANY
    hour: int = ANY
    minute: int = ANY
    second: int = ANY
    hundredths: int = ANY
    deviation_min: int = NO_DEVIATION
    status: int = ANY

    def __post_init__(self) -> None:
        """Refuse with EncodeError what the standard has no meaning for."""
        _check_date(self.year, self.month, self.day, self.weekday)
        _check_time(self.hour, self.minute, self.second, self.hundredths)
        if abs(self.deviation_min) > _DEVIATION_MAX_MIN and self.deviation_min != NO_DEVIATION:
            raise EncodeError(f"deviation of {self.deviation_min} minutes is a day or more")
        if not 0 <= self.status <= 0xFF:
            raise EncodeError(f"clock status {self.status} does not fit into one octet")

    def to_bytes(self) -> bytes:
        """Give the twelve octets."""
        return _DATE_TIME.pack(
            self.year, self.month, self.day, self.weekday, self.hour, self.minute, self.second, self.hundredths,
            self.deviation_min, self.status,
        )  # fmt: skip

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """Read twelve octets."""
        return _read(cls, _DATE_TIME, octets)

    @classmethod
    def from_datetime(cls, moment: datetime, *, status: int = 0) -> Self:
        """Give the local time of an aware datetime with its deviation; a naive one is refused."""
        offset = moment.utcoffset()
        if offset is None:
            raise EncodeError(f"{moment.isoformat()} has no zone; give an aware datetime")
        return cls(
            moment.year, moment.month, moment.day, moment.isoweekday(),
            moment.hour, moment.minute, moment.second, moment.microsecond // 10_000,
            -int(offset.total_seconds()) // 60, status,
        )  # fmt: skip

    @property
    def is_exact(self) -> bool:
        """Whether year, month, day, hour and minute are all given, so that the value is one moment."""
        return self.year != ANY_YEAR and max(self.month, self.day, self.hour, self.minute) <= 59

    def to_datetime(self, *, deviation_min: int = 0) -> datetime:
        """Give the moment as an aware datetime in UTC; seconds and hundredths not given count as zero.

        deviation_min: taken where the value has none. Raises DecodeError for wildcards and impossible dates.
        """
        if not self.is_exact:
            raise DecodeError(f"date-time {self.to_bytes().hex()} has wildcards: it is not one moment")
        deviation = deviation_min if self.deviation_min == NO_DEVIATION else self.deviation_min
        try:
            local = datetime(
                self.year, self.month, self.day, self.hour, self.minute,
                0 if self.second == ANY else self.second, 0 if self.hundredths == ANY else self.hundredths * 10_000,
                timezone(timedelta(minutes=-deviation)),
            )  # fmt: skip
            return local.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise DecodeError(f"date-time {self.to_bytes().hex()} is no moment: {error}") from error


def _read(cls: type[_Value], layout: struct.Struct, octets: bytes) -> _Value:
    if len(octets) != layout.size:
        raise DecodeError(f"{cls.__name__} has {layout.size} octets, not {len(octets)}")
    try:
        return cls(*layout.unpack(octets))
    except EncodeError as error:
        raise DecodeError(f"{cls.__name__} {octets.hex()}: {error}") from error
