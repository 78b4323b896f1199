"""Dates and times with wildcards against the calendar, checked by looking at the calendar."""

from datetime import UTC, date, datetime

import pytest

from meterworks.devices.wall_clock import (
    date_matches,
    local_date,
    next_instant,
    pattern_date,
    pattern_date_time,
    pattern_time,
    times_of_day,
)
from meterworks.devices.zone import zone_table
from meterworks.protocols.dlms import ANY, ANY_YEAR, CosemDate, CosemDateTime, CosemTime

DECEMBER = CosemDate(ANY_YEAR, 12, 1)
LONDON = zone_table("Europe/London")


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("pattern", "day", "matches"),
    [
        (CosemDate(), "2026-11-21", True),
        (CosemDate(2026, 11, 21), "2026-11-21", True),
        (CosemDate(2025, 11, 21), "2026-11-21", False),
        (CosemDate(ANY_YEAR, 12, ANY), "2026-11-21", False),
        (CosemDate(ANY_YEAR, ANY, ANY, 6), "2026-11-21", True),
        (CosemDate(ANY_YEAR, ANY, ANY, 7), "2026-11-21", False),
        (CosemDate(ANY_YEAR, ANY, 0xFE), "2026-02-28", True),
        (CosemDate(ANY_YEAR, ANY, 0xFE), "2028-02-28", False),
        (CosemDate(ANY_YEAR, ANY, 0xFD), "2028-02-28", True),
        (CosemDate(ANY_YEAR, 3, 0xFE, 7), "2026-03-29", True),
        (CosemDate(ANY_YEAR, 3, 0xFE, 7), "2026-03-22", False),
        (CosemDate(ANY_YEAR, 3, 0xFD, 7), "2026-03-22", True),
        (CosemDate(ANY_YEAR, 11, 8, 5), "2026-11-13", True),
        (CosemDate(ANY_YEAR, 11, 8, 5), "2026-11-06", False),
        (CosemDate(ANY_YEAR, 11, 8, 7), "2026-11-08", True),
        (CosemDate(ANY_YEAR, 11, 8, 7), "2026-11-15", False),
        (CosemDate(ANY_YEAR, 0xFE, 1), "2026-03-01", False),
    ],
)
def test_a_pattern_means_its_days(pattern, day, matches):
    assert date_matches(pattern, date.fromisoformat(day)) is matches


def test_times_of_day_are_spread_where_they_are_left_open():
    assert list(times_of_day(CosemTime(6, 30, 5, 0))) == [23405]
    assert list(times_of_day(CosemTime(ANY, 15, ANY, ANY)))[:2] == [900, 4500]
    assert len(list(times_of_day(CosemTime()))) == 1440


@pytest.mark.parametrize(
    ("day", "time", "after", "until", "expected"),
    [
        (CosemDate(), CosemTime(0, 0, 0), "2026-11-21T10:00", "2026-11-22T10:00", "2026-11-22T00:00"),
        (CosemDate(), CosemTime(0, 0, 0), "2026-07-01T10:00", "2026-07-02T10:00", "2026-07-01T23:00"),
        (CosemDate(), CosemTime(10, 0, 0), "2026-11-21T10:00", "2026-11-21T12:00", None),
        (CosemDate(), CosemTime(10, 0, 0), "2026-11-21T09:59:59", "2026-11-21T12:00", "2026-11-21T10:00"),
        (DECEMBER, CosemTime(6, 0, 0), "2026-11-21T10:00", "2027-01-01T00:00", "2026-12-01T06:00"),
        (DECEMBER, CosemTime(6, 0, 0), "2026-11-21T10:00", "2026-11-30T00:00", None),
        (CosemDate(2026, 3, 29), CosemTime(1, 30, 0), "2026-03-28T00:00", "2026-03-30T00:00", "2026-03-29T01:30:00"),
        (CosemDate(2026, 10, 25), CosemTime(1, 30, 0), "2026-10-24T00:00", "2026-10-26T00:00", "2026-10-25T00:30:00"),
    ],
)  # fmt: skip
def test_the_next_instant_of_a_pattern_follows_local_time(day, time, after, until, expected):
    found = next_instant(LONDON, day, time, at(after), at(until))
    assert found == (None if expected is None else at(expected))


def test_octets_and_values_are_taken_and_nothing_else():
    assert pattern_date(CosemDate().to_bytes()) == CosemDate() == pattern_date(CosemDate())
    assert pattern_time(CosemTime().to_bytes()) == CosemTime() == pattern_time(CosemTime())
    assert pattern_date_time(CosemDateTime().to_bytes()) == CosemDateTime() == pattern_date_time(CosemDateTime())
    for read in (pattern_date, pattern_time, pattern_date_time):
        assert read(b"short") is None
        assert read(7) is None
    assert local_date(LONDON, at("2026-07-01T23:30:00")) == date(2026, 7, 2)
