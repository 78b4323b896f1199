"""Stitching: one series of a usage point from several devices."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pyarrow as pa
import pytest

from meterworks.catalogue import channel_by_id
from meterworks.readings import READING_RESULT, InstalledDevice, ReadingsUsageError
from meterworks.readings.installation import device_range, share_by_time, stitch

MIDNIGHT = datetime(2026, 3, 10, tzinfo=UTC)
HALF_HOURLY, DAILY = channel_by_id(12), channel_by_id(14)
OLD, NEW = 1, 2


def at(minutes):
    return MIDNIGHT + timedelta(minutes=minutes)


def epoch(minutes):
    return int(at(minutes).timestamp())


def readings(channel, *rows):
    """Rows (minutes, value) or (minutes, value, flags, version)."""
    full = [(*row, 0, 1)[:4] if len(row) == 2 else row for row in rows]
    return pa.table(
        [
            pa.array([channel.id] * len(full), pa.int32()),
            pa.array([epoch(row[0]) * 1_000_000 for row in full]).view(pa.timestamp("us")),
            pa.array([row[1] for row in full], pa.int64()),
            pa.array([0] * len(full), pa.int16()),
            pa.array([row[2] for row in full], pa.int32()),
            pa.array([row[3] for row in full], pa.int32()),
        ],
        schema=READING_RESULT,
    )


def rows_of(table):
    return [
        (int((ts.replace(tzinfo=UTC) - MIDNIGHT).total_seconds() // 60), value, quality)
        for ts, value, quality in zip(*(table[name].to_pylist() for name in ("ts", "value", "quality")), strict=True)
    ]


@pytest.mark.parametrize(
    ("channel", "start", "end", "expected"),
    [
        pytest.param(HALF_HOURLY, 0, None, (0, 1440), id="installed at the start"),
        pytest.param(HALF_HOURLY, -600, None, (0, 1440), id="installed before"),
        pytest.param(HALF_HOURLY, 610, None, (580.0 + 1 / 60, 1440), id="from the interval it came in"),
        pytest.param(HALF_HOURLY, -600, 610, (0, 610), id="to the interval it left in"),
        pytest.param(HALF_HOURLY, 1500, None, None, id="installed after"),
        pytest.param(HALF_HOURLY, -600, 0, None, id="removed before"),
        pytest.param(DAILY, 610, 1000, (610, 1000), id="registers within the dates only"),
    ],
)
def test_which_readings_of_a_device_count(channel, start, end, expected):
    installed = InstalledDevice(OLD, at(start), None if end is None else at(end))
    got = device_range(installed, channel, epoch(0), epoch(1440))
    assert got == (
        expected if expected is None else (round(MIDNIGHT.timestamp() + 60 * expected[0]), epoch(expected[1]))
    )


def test_an_exchange_in_mid_interval_gives_one_series_with_the_split_interval_derived():
    old, new = InstalledDevice(OLD, at(-9999), at(610)), InstalledDevice(NEW, at(610))
    got = stitch(
        [
            (old, HALF_HOURLY, readings(HALF_HOURLY, (570, 10), (600, 3))),
            (new, HALF_HOURLY, readings(HALF_HOURLY, (600, 5), (630, 9))),
        ],
        [old, new],
        READING_RESULT,
    )
    assert rows_of(got) == [(570, 10, 0), (600, 8, 8), (630, 9, 0)]


def test_an_exchange_on_the_boundary_derives_nothing():
    old, new = InstalledDevice(OLD, at(-9999), at(600)), InstalledDevice(NEW, at(600))
    got = stitch(
        [
            (old, HALF_HOURLY, readings(HALF_HOURLY, (570, 10))),
            (new, HALF_HOURLY, readings(HALF_HOURLY, (600, 5))),
        ],
        [old, new],
        READING_RESULT,
    )
    assert rows_of(got) == [(570, 10, 0), (600, 5, 0)]


def test_a_split_interval_of_which_only_one_part_is_known_is_derived_too():
    old, new = InstalledDevice(OLD, at(-9999), at(610)), InstalledDevice(NEW, at(1000))
    got = stitch([(old, HALF_HOURLY, readings(HALF_HOURLY, (600, 3)))], [old, new], READING_RESULT)
    assert rows_of(got) == [(600, 3, 8)]


def test_flags_join_and_the_highest_version_stands():
    old, new = InstalledDevice(OLD, at(-9999), at(610)), InstalledDevice(NEW, at(610))
    got = stitch(
        [
            (old, HALF_HOURLY, readings(HALF_HOURLY, (600, 3, 128, 2))),
            (new, HALF_HOURLY, readings(HALF_HOURLY, (600, 5, 512, 1))),
        ],
        [old, new],
        READING_RESULT,
    )
    assert got["flags"].to_pylist() == [128 | 512]
    assert got["version"].to_pylist() == [2]


def test_values_count_times_the_multiplier_rounded_half_up():
    installed = InstalledDevice(OLD, at(-9999), None, Fraction(3, 2))
    got = stitch([(installed, HALF_HOURLY, readings(HALF_HOURLY, (0, 3), (30, 4)))], [installed], READING_RESULT)
    assert got["value"].to_pylist() == [5, 6]


def test_no_readings_give_an_empty_table():
    assert stitch([], [], READING_RESULT).num_rows == 0


def test_dates_without_zone_and_wrong_multipliers_are_refused():
    with pytest.raises(ReadingsUsageError, match="zone"):
        InstalledDevice(OLD, datetime(2026, 1, 1))  # noqa: DTZ001  # that is the point
    with pytest.raises(ReadingsUsageError, match="multiplier"):
        InstalledDevice(OLD, at(0), None, Fraction(0))


def test_an_interval_spent_at_several_places_is_shared_by_time_and_adds_up():
    first, second = InstalledDevice(OLD, at(-9999), at(10)), InstalledDevice(OLD, at(10), at(25))
    third = InstalledDevice(OLD, at(28))
    stays = [third, first, second]
    rows = readings(HALF_HOURLY, (-30, 50), (0, 100), (30, 70))
    shares = [share_by_time(rows, each, HALF_HOURLY, stays)["value"].to_pylist() for each in (first, second, third)]
    assert [values[1] for values in shares] == [37, 55, 8]  # of 10, 15 and 2 minutes, rounded to give 100
    assert [(values[0], values[2]) for values in shares] == [(50, 70)] * 3


def test_a_device_that_stood_at_one_place_shares_nothing():
    installed = InstalledDevice(OLD, at(-9999), at(10))
    rows = readings(HALF_HOURLY, (0, 100))
    assert share_by_time(rows, installed, HALF_HOURLY, [installed]) is rows
    registers = readings(DAILY, (0, 100))
    assert share_by_time(registers, installed, DAILY, [installed, InstalledDevice(OLD, at(10))]) is registers
