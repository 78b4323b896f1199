"""Local time by zone: both daylight saving days, midnights and months, and the rules a clock object shows."""

from datetime import UTC, datetime

import numpy as np
import pytest

from meterworks.devices.zone import zone_table
from meterworks.errors import UsageError
from meterworks.protocols.dlms import CosemDateTime


def utc(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("zone", "moment", "written"),
    [
        ("Europe/London", utc(2026, 1, 15, 12), "07EA010F040C0000000000 00"),
        ("Europe/London", utc(2026, 7, 15, 12), "07EA070F030D000000FFC4 80"),
        ("Europe/London", utc(2026, 3, 29, 0, 59, 59), "07EA031D07003B3B000000 00"),
        ("Europe/London", utc(2026, 3, 29, 1), "07EA031D0702000000FFC4 80"),
        ("Europe/London", utc(2026, 10, 25, 0, 59, 59), "07EA0A1907013B3B00FFC4 80"),
        ("Europe/London", utc(2026, 10, 25, 1), "07EA0A19070100000000 00 00"),
        ("Europe/Berlin", utc(2026, 1, 15, 12), "07EA010F040D000000FFC4 00"),
        ("Europe/Berlin", utc(2026, 7, 15, 12), "07EA070F030E000000FF88 80"),
        ("Europe/Dublin", utc(2026, 7, 15, 12), "07EA070F030D000000FFC4 80"),
        ("Europe/Dublin", utc(2026, 1, 15, 12), "07EA010F040C000000 0000 00"),
        ("Asia/Kolkata", utc(2026, 7, 15, 12), "07EA070F03111E0000FEB6 00"),
        ("Australia/Sydney", utc(2026, 1, 15, 12), "07EA010F0417000000FD6C 80"),
    ],
)
def test_a_moment_is_written_with_its_deviation_and_daylight_saving(zone, moment, written):
    assert zone_table(zone).local_time(moment).to_bytes() == bytes.fromhex(written)


@pytest.mark.parametrize("zone", ["Europe/London", "America/New_York", "Australia/Sydney", "Europe/Dublin"])
def test_a_column_of_moments_agrees_with_the_zone_database(zone):
    table = zone_table(zone)
    epochs = np.arange(utc(2020, 1, 1), utc(2031, 1, 1), 7 * 3600 + 11, dtype=np.int64)
    offsets, _ = table.offsets(epochs)
    expected = [datetime.fromtimestamp(epoch, table.zone).utcoffset().total_seconds() for epoch in epochs.tolist()]
    assert offsets.tolist() == expected


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/London", (2026, 3, 29), 23),
        ("Europe/London", (2026, 10, 25), 25),
        ("Europe/London", (2026, 6, 1), 24),
        ("America/New_York", (2026, 3, 8), 23),
    ],
)
def test_local_midnights_are_as_far_apart_as_the_day_is_long(zone, day, hours):
    table = zone_table(zone)
    noon = int(datetime(*day, 12, tzinfo=table.zone).timestamp())
    midnights = table.local_midnights(noon - 86_400, noon + 86_400)
    assert [datetime.fromtimestamp(int(at), table.zone).hour for at in midnights] == [0, 0]
    assert int(midnights[1] - midnights[0]) == hours * 3600


def test_a_year_has_as_many_midnights_as_days_and_twelve_month_starts():
    table = zone_table("Europe/London")
    start, end = utc(2026, 1, 1), utc(2027, 1, 1)
    assert len(table.local_midnights(start, end)) == 365
    months = [datetime.fromtimestamp(int(at), table.zone) for at in table.month_starts(start, end)]
    assert [(month.month, month.day, month.hour) for month in months] == [(number, 1, 0) for number in range(1, 13)]


def test_ends_of_a_range_of_midnights_are_included_and_excluded():
    table = zone_table("Europe/London")
    midnight = utc(2026, 1, 15)
    assert table.local_midnights(midnight, midnight + 86_400).tolist() == [midnight]


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ((2026, 10, 25, 1, 30), utc(2026, 10, 25, 0, 30)),  # twice there: the first
        ((2026, 3, 29, 1, 30), utc(2026, 3, 29, 1, 30)),  # never there: as if the clock had not been changed yet
        ((2026, 7, 1, 12), utc(2026, 7, 1, 11)),
    ],
)
def test_wall_times_become_instants(local, instant):
    assert zone_table("Europe/London").to_utc(utc(*local)) == instant


@pytest.mark.parametrize(
    ("zone", "begins", "rule"),
    [
        ("Europe/London", True, CosemDateTime(0xFFFF, 3, 0xFE, 7, 1, 0, 0, 0)),
        ("Europe/London", False, CosemDateTime(0xFFFF, 10, 0xFE, 7, 2, 0, 0, 0)),
        ("Europe/Berlin", True, CosemDateTime(0xFFFF, 3, 0xFE, 7, 2, 0, 0, 0)),
        ("America/New_York", True, CosemDateTime(2027, 3, 14, 7, 2, 0, 0, 0)),
        ("Asia/Kolkata", True, CosemDateTime()),
    ],
)
def test_the_change_of_time_is_shown_as_a_rule(zone, begins, rule):
    assert zone_table(zone).change_rule(utc(2026, 11, 21), begins=begins) == rule


@pytest.mark.parametrize(
    ("zone", "moment", "offset_s"),
    [
        ("Europe/London", utc(2026, 7, 1), 0),
        ("Europe/Berlin", utc(2026, 7, 1), 3600),
        ("Europe/Berlin", utc(2026, 1, 1), 3600),
        ("Asia/Kolkata", utc(2026, 1, 1), 19_800),
    ],
)
def test_normal_time_is_known_in_summer_too(zone, moment, offset_s):
    assert zone_table(zone).standard_offset_s(moment) == offset_s


def test_an_unknown_zone_is_refused_with_advice():
    with pytest.raises(UsageError, match="Europe/London"):
        zone_table("Europe/Atlantis")
