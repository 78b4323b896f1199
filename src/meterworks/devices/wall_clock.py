"""Dates and times with wildcards against the calendar: does a day match, and when does a pattern come next.

All instants are whole seconds of the meter's clock (UTC); patterns are local time. A day of the month together with a
day of the week means the first such weekday on or after that day; days may count from the end of the month. Where the
clock goes forward, what falls into the gap happens after it; where it goes back, the first of the two counts.
Source: COSEM interface classes, date and time notation (IEC 62056-6-2, 4.1.6.1).
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from meterworks.devices.zone import ZoneTable
from meterworks.errors import PeerError
from meterworks.protocols.dlms import ANY, ANY_YEAR, CosemDate, CosemDateTime, CosemTime

__all__ = ["date_matches", "earliest_wall_s", "local_date", "next_instant", "pattern_date", "pattern_date_time", "pattern_time", "times_of_day"]  # fmt: skip # noqa: E501

SECOND_LAST: Final = 0xFD
LAST: Final = 0xFE
SAVING_BEGINS: Final = 0xFE  # of a month
SAVING_ENDS: Final = 0xFD
DAY_S: Final = 86_400
EPOCH: Final = date(1970, 1, 1)
ANY_DATE: Final = CosemDate()
CHANGE_MAX_S: Final = 3 * 3600  # more than a clock goes back or forward at once
DAYS_MAX: Final = 800  # looked through for the next match


def pattern_date(value: object) -> CosemDate | None:
    """Take a date as octets or as its own type; None for what is none."""
    try:
        return (
            CosemDate.from_bytes(value) if isinstance(value, bytes) else value if isinstance(value, CosemDate) else None
        )
    except PeerError:
        return None


def pattern_time(value: object) -> CosemTime | None:
    """Take a time as octets or as its own type; None for what is none."""
    try:
        return (
            CosemTime.from_bytes(value) if isinstance(value, bytes) else value if isinstance(value, CosemTime) else None
        )
    except PeerError:
        return None


def pattern_date_time(value: object) -> CosemDateTime | None:
    """Take a date-time as octets or as its own type; None for what is none."""
    try:
        if isinstance(value, bytes):
            return CosemDateTime.from_bytes(value)
    except PeerError:
        return None
    return value if isinstance(value, CosemDateTime) else None


def date_matches(pattern: CosemDate | CosemDateTime, day: date) -> bool:
    """Tell whether a day is one that the pattern means."""
    if pattern.year not in (ANY_YEAR, day.year) or pattern.month not in (ANY, day.month):
        return False  # begin and end of daylight saving as a month are rules of the clock, not days
    if pattern.day == ANY:
        return pattern.weekday in (ANY, day.isoweekday())
    last = monthrange(day.year, day.month)[1]
    wanted = last if pattern.day == LAST else last - 1 if pattern.day == SECOND_LAST else pattern.day
    if pattern.weekday == ANY:
        return day.day == wanted
    if pattern.weekday != day.isoweekday():
        return False
    if pattern.day == LAST:
        return day.day + 7 > last
    if pattern.day == SECOND_LAST:
        return day.day + 7 <= last < day.day + 14
    return wanted <= day.day < wanted + 7


def times_of_day(pattern: CosemTime | CosemDateTime) -> Iterator[int]:
    """Give the seconds of the day at which a time pattern falls, rising; without a second it is the full minute."""
    second = 0 if pattern.second == ANY else pattern.second
    for hour in range(24) if pattern.hour == ANY else (pattern.hour,):
        for minute in range(60) if pattern.minute == ANY else (pattern.minute,):
            yield hour * 3600 + minute * 60 + second


def local_date(zone: ZoneTable, epoch_s: float) -> date:
    """Give the local date of an instant."""
    return EPOCH + timedelta(days=(int(epoch_s) + zone.offset_at(epoch_s)) // DAY_S)


def earliest_wall_s(zone: ZoneTable, after_s: int) -> int:
    """Give a wall time (seconds since 1970 local) before which nothing can happen after an instant."""
    changing = zone.changes_between(after_s - DAY_S, after_s + DAY_S)
    return after_s + zone.offset_at(after_s) - (CHANGE_MAX_S if changing else 0)


def next_instant(
    zone: ZoneTable, day_pattern: CosemDate | CosemDateTime, time_pattern: CosemTime | CosemDateTime, after_s: int,
    until_s: int,
) -> int | None:  # fmt: skip
    """Give the first instant in (after, until] that both patterns mean; None where there is none."""
    day = local_date(zone, after_s) - timedelta(days=1)
    from_s = earliest_wall_s(zone, after_s)
    for _ in range(DAYS_MAX):
        midnight_s = (day - EPOCH).days * DAY_S
        if zone.to_utc(midnight_s) > until_s:
            return None
        if date_matches(day_pattern, day):
            for second in times_of_day(time_pattern):
                if midnight_s + second < from_s:
                    continue
                at_s = zone.to_utc(midnight_s + second)
                if at_s > until_s:
                    break
                if at_s > after_s:
                    return at_s
        day += timedelta(days=1)
    return None
