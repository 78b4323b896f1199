"""Series as columns: clipped, split, grouped by local periods."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from meterworks.catalogue import CHANNELS
from meterworks.market.series import (
    ChannelSeries,
    Columns,
    Period,
    TimeRange,
    clip,
    columns_from,
    group,
    split_channels,
)
from meterworks.readings import READING_RESULT

LONDON = ZoneInfo("Europe/London")
DAY_S = 86_400


def _columns(starts: list[int], values: list[int], channels: list[int] | None = None) -> Columns:
    count = len(starts)
    return Columns(
        channel=np.array(channels or [12] * count, np.int32),
        start_epoch_s=np.array(starts, np.int64),
        value=np.array(values, np.int64),
        quality=np.zeros(count, np.int16),
        flags=np.zeros(count, np.int32),
        version=np.ones(count, np.int32),
    )


def _at(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=UTC)  # type: ignore[arg-type,misc]  # year, month, day and on


def test_a_store_table_becomes_columns() -> None:
    starts = [1_735_689_600, 1_767_225_600, 1_767_225_600]
    table = pa.table(
        {
            "channel": pa.array([12, 12, 22], pa.int32()),
            "ts": pa.array([start * 1_000_000 for start in starts], pa.int64()).view(pa.timestamp("us")),
            "value": pa.array([3, 2, 1], pa.int64()),
            "quality": pa.array([8, 1, 0], pa.int16()),
            "flags": pa.array([0, 256, 0], pa.int32()),
            "version": pa.array([2, 1, 1], pa.int32()),
        },
        schema=READING_RESULT,
    )
    columns = columns_from(table)
    assert columns.start_epoch_s.tolist() == starts
    assert columns.value.tolist() == [3, 2, 1]
    assert columns.flags.tolist() == [0, 256, 0]


def test_clip_keeps_only_starts_inside_half_open_ranges() -> None:
    columns = _columns([0, 1800, 3600, 5400], [1, 2, 3, 4])
    first = TimeRange(_at(1970, 1, 1), _at(1970, 1, 1, 0, 30))
    last = TimeRange(_at(1970, 1, 1, 1), _at(1970, 1, 1, 1, 30))
    assert clip(columns, [first, last]).value.tolist() == [1, 3]
    assert clip(columns, []).value.tolist() == []
    assert clip(columns, [TimeRange(_at(1970, 1, 1), _at(1971, 1, 1))]) is columns


def test_channels_are_split_in_order_and_empty_ones_stay() -> None:
    columns = _columns([0, 1800, 0], [1, 2, 3], [12, 12, 32])
    parts = split_channels(columns, [CHANNELS[32], CHANNELS[12], CHANNELS[22]])
    assert [(part.channel.id, part.row_count) for part in parts] == [(12, 2), (22, 0), (32, 1)]


@pytest.mark.parametrize(("day", "intervals"), [((2026, 3, 29), 46), ((2026, 10, 25), 50)])
def test_a_clock_change_day_holds_all_its_half_hours(day: tuple[int, int, int], intervals: int) -> None:
    midnight = datetime(*day, tzinfo=LONDON)
    start = int(midnight.timestamp())
    asked = TimeRange(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(start + intervals * 1800, UTC))
    columns = _columns([start + 1800 * i for i in range(intervals)], [1] * intervals)
    rows = group(ChannelSeries(CHANNELS[12], columns), asked, LONDON, "day").rows
    assert isinstance(rows, Period)
    assert rows.local_date == [date(*day)]
    assert (rows.value.tolist(), rows.count.tolist(), rows.expected.tolist()) == ([intervals], [intervals], [intervals])


def test_days_without_readings_are_left_out_and_incomplete_ones_say_so() -> None:
    first, third = int(_at(2026, 1, 1).timestamp()), int(_at(2026, 1, 3).timestamp())
    columns = _columns([first, first + 1800, third], [5, 6, 7])
    asked = TimeRange(_at(2026, 1, 1), _at(2026, 1, 5))
    rows = group(ChannelSeries(CHANNELS[12], columns), asked, ZoneInfo("UTC"), "day").rows
    assert isinstance(rows, Period)
    assert rows.local_date == [date(2026, 1, 1), date(2026, 1, 3)]
    assert rows.value.tolist() == [11, 7]
    assert rows.count.tolist() == [2, 1]
    assert rows.expected.tolist() == [48, 48]


def test_a_period_is_cut_at_the_asked_range() -> None:
    start = int(_at(2026, 1, 1, 12).timestamp())
    asked = TimeRange(_at(2026, 1, 1, 12), _at(2026, 1, 2))
    rows = group(ChannelSeries(CHANNELS[12], _columns([start], [5])), asked, ZoneInfo("UTC"), "month").rows
    assert isinstance(rows, Period)
    assert rows.start_epoch_s.tolist() == [start]
    assert rows.expected.tolist() == [24]


def test_ranges_overlap_half_open() -> None:
    asked = TimeRange(_at(2026, 1, 1), _at(2026, 2, 1))
    assert asked.overlap(_at(2025, 1, 1), None) == asked
    assert asked.overlap(_at(2026, 1, 10), _at(2027, 1, 1)) == TimeRange(_at(2026, 1, 10), _at(2026, 2, 1))
    assert asked.overlap(_at(2026, 2, 1), None) is None
