"""Local days, months and years as ranges of UTC, both clock changes included."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from meterworks.readings import ReadingsUsageError, local_bounds
from meterworks.readings.local_period import sum_by_local_period


def epoch(year, month, day, hour=0):
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("zone", "day", "half_hours"),
    [
        ("Europe/London", (2025, 3, 29), 48),
        ("Europe/London", (2025, 3, 30), 46),
        ("Europe/London", (2025, 10, 26), 50),
        ("Australia/Lord_Howe", (2025, 4, 6), 49),
        ("Australia/Lord_Howe", (2025, 10, 5), 47),
        ("UTC", (2025, 3, 30), 48),
    ],
)
def test_half_hours_of_a_local_day(zone, day, half_hours):
    noon = epoch(*day, 1)
    bounds = local_bounds(noon, noon + 1, zone=zone, period="day")
    assert bounds[0][0].timetuple()[:3] == day
    assert (bounds[1][1] - bounds[0][1]) // 1800 == half_hours


def test_months_and_years_that_touch_the_range():
    months = local_bounds(epoch(2024, 12, 15), epoch(2025, 2, 1, 1), zone="Europe/Berlin", period="month")
    assert [day.isoformat() for day, _ in months] == ["2024-12-01", "2025-01-01", "2025-02-01", "2025-03-01"]
    years = local_bounds(epoch(2024, 12, 15), epoch(2025, 1, 1), zone="Europe/Berlin", period="year")
    assert [day.isoformat() for day, _ in years] == ["2024-01-01", "2025-01-01", "2026-01-01"]
    assert years[0][1] == epoch(2023, 12, 31, 23)


def test_a_midnight_that_does_not_exist_still_starts_its_day():
    bounds = local_bounds(epoch(2018, 11, 4, 5), epoch(2018, 11, 4, 6), zone="America/Sao_Paulo", period="day")
    assert bounds[1][1] - bounds[0][1] == 23 * 3600


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd"])
def test_unknown_zones_are_refused(zone):
    with pytest.raises(ReadingsUsageError, match="zone"):
        local_bounds(0, 1, zone=zone, period="day")


def test_unknown_periods_and_endless_ranges_are_refused():
    with pytest.raises(ReadingsUsageError, match="period"):
        local_bounds(0, 1, zone="UTC", period="week")
    with pytest.raises(ReadingsUsageError, match="periods"):
        local_bounds(0, epoch(2090, 1, 1), zone="UTC", period="day")


async def test_sums_fall_into_their_local_day_and_say_what_is_missing():
    start, end = epoch(2025, 10, 25, 12), epoch(2025, 10, 26, 12)
    asked = []

    async def read(from_, to):
        asked.append((from_, to))
        stamps = list(range(int(from_.timestamp()), int(to.timestamp()), 1800))[:-3]
        return pa.table(
            {"ts": pa.array(stamps).cast(pa.timestamp("s")).cast(pa.timestamp("us")), "value": [1] * len(stamps)}
        )

    got = await sum_by_local_period(read, start, end, zone="Europe/London", period="day", interval_s=1800)
    assert asked == [(datetime(2025, 10, 24, 23, tzinfo=UTC), datetime(2025, 10, 27, tzinfo=UTC))]
    assert got["label"].to_pylist() == ["2025-10-25", "2025-10-26"]
    assert got["value_sum"].to_pylist() == [48, 47]
    assert got["count"].to_pylist() == [48, 47]
    assert got["expected"].to_pylist() == [48, 50]
