"""Figures of the fleet, worked out for everybody who looks at the same moment."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from meterworks.headend import FillProgress, HeadendSettings, HourRate
from meterworks.market.overview import CollectionSummary, Overview
from meterworks.market.series import TimeRange
from meterworks.registry import DeviceCounts
from meterworks.runtime import ManualClock

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
COUNTS = DeviceCounts(total=3, by_state={}, by_model={}, by_medium={}, by_firmware={}, by_feeder={}, by_transformer={})


def _load(starts: list[int], values: list[int], counts: list[int]) -> pa.Table:
    return pa.table(
        {
            "ts": pa.array([start * 1_000_000 for start in starts], pa.int64()).view(pa.timestamp("us")),
            "value_sum": pa.array(values, pa.int64()),
            "count": pa.array(counts, pa.int64()),
        }
    )


class Stores:
    """Registry, head-end's queries and reading store in one, counting how often they are asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.hours: list[HourRate] = []
        self.fill: list[FillProgress] = []
        self.loads: dict[int, pa.Table] = {}
        self.wanted: list[tuple[int, datetime, datetime, Any]] = []

    async def count_devices(self) -> DeviceCounts:
        self.asked += 1
        return COUNTS

    async def hour_rates(self, now: datetime) -> list[HourRate]:
        return self.hours

    async def late_devices(self, now: datetime, *, cycle_s: int, grace_s: int, limit: int) -> list[int]:
        assert (cycle_s, grace_s) == (HeadendSettings().cycle_s, HeadendSettings().grace_s)
        return [2]

    async def silent_devices(self, now: datetime, *, limit: int) -> list[int]:
        return [3]

    async def progress(self) -> list[FillProgress]:
        return self.fill

    async def load(self, channel_id: int, from_: datetime, to: datetime, device_ids: Any = None) -> pa.Table:
        self.asked += 1
        self.wanted.append((channel_id, from_, to, device_ids))
        return self.loads.get(channel_id, _load([], [], []))


@pytest.fixture
def stores() -> Stores:
    return Stores()


@pytest.fixture
def time() -> SimpleNamespace:
    return SimpleNamespace(now=0.0)


@pytest.fixture
def overview(stores: Stores, time: SimpleNamespace) -> Overview:
    services = SimpleNamespace(
        registry=stores,
        collection=stores,
        readings=stores,
        clock=ManualClock(NOW),
        headend_settings=HeadendSettings(),
    )
    return Overview(services, monotonic=lambda: time.now)  # type: ignore[arg-type]  # stands in for the services


async def test_the_summary_is_worked_out_once_for_everybody(
    overview: Overview, stores: Stores, time: SimpleNamespace
) -> None:
    summaries = await asyncio.gather(*(overview.summary() for _ in range(20)))
    assert stores.asked == 1
    assert all(summary is summaries[0] for summary in summaries)
    assert (summaries[0].late, summaries[0].silent) == ([2], [3])
    time.now = 2.1
    assert await overview.summary() is not summaries[0]


def _summary(hours: list[HourRate], fill: list[FillProgress]) -> CollectionSummary:
    return CollectionSummary(devices=COUNTS, hours=hours, late=[], silent=[], progress=fill)


@pytest.mark.parametrize(
    ("hours", "rate"),
    [
        ([], None),
        ([(0, 0)], None),
        ([(3600, 3600), (3600, 0)], 0.5),
        ([(7200, 7200), (3600, 1800), (0, 0)], 9000 / 10_800),
    ],
)
def test_the_day_rate_weighs_hours_by_what_was_expected(hours: list[tuple[int, int]], rate: float | None) -> None:
    rows = [HourRate(start_epoch_s=0, expected_s=expected, committed_s=stored) for expected, stored in hours]
    assert _summary(rows, []).day_rate == rate


def test_the_first_fill_is_that_of_the_import_profile() -> None:
    fill = [
        FillProgress(profile="daily", expected_s=100, missing_s=100, sent_s=0, absent_s=0),
        FillProgress(profile="load_import", expected_s=100, missing_s=20, sent_s=5, absent_s=10),
    ]
    assert _summary([], fill).first_fill_share == 0.75
    assert _summary([], []).first_fill_share == 0.0


async def test_load_is_mean_power_with_export_where_there_is_any(overview: Overview, stores: Stores) -> None:
    stores.loads = {12: _load([0, 1800, 3600], [500, 1000, 1500], [2, 2, 2]), 22: _load([1800], [250], [1])}
    found = await overview.load(TimeRange(NOW - timedelta(days=1), NOW), interval_s=1800)
    assert found.import_w.tolist() == [1000.0, 2000.0, 3000.0]
    assert found.export_w.tolist() == [0.0, 500.0, 0.0]
    assert found.start_epoch_s.tolist() == [0, 1800, 3600]


async def test_load_of_quarter_hourly_meters_asks_for_their_channels(overview: Overview, stores: Stores) -> None:
    stores.loads = {11: _load([0], [500], [1])}
    found = await overview.load(TimeRange(NOW - timedelta(hours=1), NOW), interval_s=900, device_ids=[5])
    assert [(channel, devices) for channel, _, _, devices in stores.wanted] == [(11, [5]), (21, [5])]
    assert found.import_w.tolist() == [2000.0]


async def test_intervals_few_meters_have_been_read_of_are_left_out_at_the_end(
    overview: Overview, stores: Stores
) -> None:
    stores.loads = {12: _load([0, 1800, 3600, 5400], [9, 9, 9, 1], [10, 4, 10, 4])}
    found = await overview.recent_load()
    assert found.start_epoch_s.tolist() == [0, 1800, 3600], "a gap in the middle stays, a slump at the end goes"
    assert len(found.import_w) == len(found.export_w) == len(found.count) == 3


async def test_the_recent_load_is_kept_for_a_moment(overview: Overview, stores: Stores, time: SimpleNamespace) -> None:
    await asyncio.gather(*(overview.recent_load() for _ in range(10)))
    assert stores.asked == 2
    (_, from_, to, _), _ = stores.wanted
    assert (from_, to) == (NOW - timedelta(days=2), NOW)
    time.now = 5.1
    await overview.recent_load()
    assert stores.asked == 4


async def test_no_readings_make_an_empty_load(overview: Overview) -> None:
    found = await overview.recent_load()
    assert len(found.start_epoch_s) == 0
    assert found.count.dtype == np.int64
