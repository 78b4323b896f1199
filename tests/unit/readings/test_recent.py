"""Splitting rows into days and merging days."""

import numpy as np
import pyarrow as pa

from meterworks.readings import DayReadings, decode_day
from meterworks.readings.recent import merge_rows, split_days

DAY = 20_000
MIDNIGHT = DAY * 86_400


def table(*rows):
    """Rows (device, channel, seconds from midnight, value, version)."""
    return pa.table(
        {
            "device": pa.array([row[0] for row in rows], pa.int64()),
            "channel": pa.array([row[1] for row in rows], pa.int32()),
            "ts": pa.array([(MIDNIGHT + row[2]) * 1_000_000 for row in rows], pa.int64()).view(pa.timestamp("us")),
            "value": pa.array([row[3] for row in rows], pa.int64()),
            "quality": pa.array([0] * len(rows), pa.int32()),
            "flags": pa.array([0] * len(rows), pa.int32()),
            "version": pa.array([row[4] for row in rows], pa.int32()),
        }
    )


def day(*rows):
    """Rows (seconds from midnight, value, version)."""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    zeros = np.zeros(len(rows), dtype=np.int64)
    return DayReadings(columns[0] + MIDNIGHT, columns[1], zeros, zeros, columns[2])


def told(readings):
    return list(
        zip((readings.ts_s - MIDNIGHT).tolist(), readings.value.tolist(), readings.version.tolist(), strict=True)
    )


def test_rows_fall_into_the_days_of_their_series():
    days = split_days(
        table((1, 12, 0, 5, 1), (1, 12, 86_399, 6, 1), (1, 12, 86_400, 7, 1), (1, 22, 0, 8, 1), (2, 12, 0, 9, 1)),
        from_day=DAY,
    )
    assert {key: told(readings) for key, readings in days.items()} == {
        (1, 12, DAY): [(0, 5, 1), (86_399, 6, 1)],
        (1, 12, DAY + 1): [(86_400, 7, 1)],
        (1, 22, DAY): [(0, 8, 1)],
        (2, 12, DAY): [(0, 9, 1)],
    }


def test_only_the_latest_version_of_a_reading_is_kept():
    days = split_days(table((1, 12, 0, 5, 1), (1, 12, 0, 6, 2), (1, 12, 1800, 7, 1)), from_day=DAY)
    assert told(days[1, 12, DAY]) == [(0, 6, 2), (1800, 7, 1)]


def test_days_before_the_first_recent_one_are_left_out():
    assert list(split_days(table((1, 12, -1, 5, 1), (1, 12, 0, 6, 1)), from_day=DAY)) == [(1, 12, DAY)]
    assert split_days(table((1, 12, -1, 5, 1)), from_day=DAY) == {}
    assert split_days(table(), from_day=DAY) == {}


def test_split_days_are_stored_as_they_are_told():
    days = split_days(
        table((1, 12, 0, 5, 1), (1, 12, 1800, 6, 1), (1, 12, 86_400, 700, 1), (1, 22, 0, 8, 2)), from_day=DAY
    )
    assert {key: told(decode_day(key[2], blob)) for key, blob in days.blobs().items()} == {
        key: told(readings) for key, readings in days.items()
    }
    assert len(days) == len(days.blobs()) == 3
    assert split_days(table(), from_day=DAY).blobs() == {}


def test_merging_keeps_both_and_of_one_instant_the_higher_version():
    stored = day((0, 5, 1), (1800, 6, 2), (3600, 7, 1))
    added = day((1800, 60, 1), (3600, 70, 2), (5400, 80, 1))
    expected = [(0, 5, 1), (1800, 6, 2), (3600, 70, 2), (5400, 80, 1)]
    assert told(merge_rows(stored, added)) == expected
    assert told(merge_rows(added, stored)) == expected


def test_merging_the_same_again_changes_nothing():
    stored = day((0, 5, 1), (1800, 6, 2))
    assert told(merge_rows(stored, stored)) == told(stored)
