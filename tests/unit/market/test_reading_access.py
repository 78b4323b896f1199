"""Whatever the registry's dated facts are, a principal gets exactly the readings of the time they may see.

The oracle looks at each reading by itself; the code under test works on columns, ranges and pages.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.catalogue import CHANNELS, Medium, Role
from meterworks.market.audit import AccessEntry
from meterworks.market.errors import NotFound, RangeTooLarge, RequestMalformed
from meterworks.market.principal import Principal
from meterworks.market.question import Cursor, SeriesQuestion
from meterworks.market.reading_access import ReadingAccess
from meterworks.market.scope import Scope
from meterworks.market.series import Columns, Period, SeriesResult, TimeRange
from meterworks.readings import READING_RESULT
from meterworks.registry import (
    DeviceChannel,
    DeviceId,
    Installation,
    Span,
    UnknownRecordError,
    UsagePoint,
    UsagePointId,
)
from meterworks.runtime import ManualClock

START = datetime(2026, 3, 28, tzinfo=UTC)  # the night before clocks change
HALF_HOURS = 200
POINT = UsagePointId("MP1")


def _at(half_hour: int) -> datetime:
    return START + timedelta(minutes=30 * half_hour)


def _value(channel: int, half_hour: int) -> int:
    return channel * 1000 + half_hour


class Registry:
    """A registry of one usage point and one device, and spans as told."""

    def __init__(self, spans: Sequence[tuple[int, int | None]]) -> None:
        self.spans = spans

    def _visible(self, from_: datetime, to: datetime) -> tuple[Span, ...]:
        window = Span(starts_at=from_, ends_at=to)
        found = (
            Span(starts_at=_at(start), ends_at=None if end is None else _at(end)).clipped(window)
            for start, end in self.spans
        )
        return tuple(span for span in found if span is not None)

    async def visible_spans(self, _viewer: object, points: Any, from_: datetime, to: datetime) -> Any:
        spans = self._visible(from_, to)
        return {POINT: spans} if spans and POINT in points else {}

    async def visible_device_spans(self, _viewer: object, device_id: int, from_: datetime, to: datetime) -> Any:
        return self._visible(from_, to) if device_id == 1 else ()

    async def usage_points_by_id(self, points: Any) -> Any:
        known = UsagePoint(id=POINT, medium=Medium.ELECTRICITY, time_zone="Europe/London")
        return {POINT: known} if POINT in points else {}

    async def installations(self, *, from_: datetime, to: datetime, **_: object) -> tuple[Installation, ...]:
        return (Installation(device_id=DeviceId(1), usage_point_id=POINT, starts_at=START),)

    async def device(self, device_id: int) -> object:
        raise UnknownRecordError("only installed devices are known here")

    async def channels(self, _device_id: int) -> tuple[DeviceChannel, ...]:
        numbers = ((12, "load_import"), (22, "load_export"), (14, "daily"))
        return tuple(DeviceChannel(channel_id=number, profile=name, depth_days=1) for number, name in numbers)


class Store:
    """All half-hours of two channels; only the range asked for, as the real one gives it."""

    async def _table(self, channels: Sequence[int], from_: datetime, to: datetime) -> pa.Table:
        rows = [
            (channel, half_hour)
            for channel in sorted(channels)
            for half_hour in range(HALF_HOURS)
            if channel in (12, 22) and from_ <= _at(half_hour) < to
        ]
        count = len(rows)
        ts = [int(_at(half_hour).timestamp()) * 1_000_000 for _, half_hour in rows]
        return pa.table(
            [
                pa.array([channel for channel, _ in rows], pa.int32()),
                pa.array(ts, pa.int64()).view(pa.timestamp("us")),
                pa.array([_value(*row) for row in rows], pa.int64()),
                pa.array([0] * count, pa.int16()),
                pa.array([0] * count, pa.int32()),
                pa.array([1] * count, pa.int32()),
            ],
            schema=READING_RESULT,
        )

    async def by_usage_point(
        self, _installations: object, channels: Any, from_: datetime, to: datetime, **_: object
    ) -> pa.Table:
        return await self._table(channels, from_, to)

    async def by_device(self, _device: int, channels: Any, from_: datetime, to: datetime, **_: object) -> pa.Table:
        return await self._table(channels, from_, to)


class Log:
    """Keeps what is recorded."""

    def __init__(self) -> None:
        self.entries: list[AccessEntry] = []

    async def record(self, entries: Sequence[AccessEntry]) -> None:
        self.entries += entries


PRINCIPAL = Principal(
    user_id=1, name="sam", role=Role.SUPPLIER, organisation_id=7, consumer_id=None, token_hash="", expires_at=START
)


def _access(spans: Sequence[tuple[int, int | None]], rows_max: int = 10_000) -> tuple[ReadingAccess, Log]:
    registry, log = Registry(spans), Log()
    services: Any = SimpleNamespace(registry=registry, readings=Store(), clock=ManualClock(_at(HALF_HOURS)))
    scope: Any = Scope(registry, None)  # type: ignore[arg-type]  # stand-ins: no purpose here asks for consents
    return ReadingAccess(services, scope, log, rows_max=rows_max), log  # type: ignore[arg-type]  # stands in for the log


def _question(
    from_: int, to: int, *, channels: Sequence[int] = (12, 22), resolution: Any = "interval", **changes: Any
) -> SeriesQuestion:
    values: dict[str, Any] = {
        "channels": [CHANNELS[number] for number in channels],
        "asked": TimeRange(_at(from_), _at(to)),
        "as_of": None,
        "resolution": resolution,
        "zone_name": None,
        "row_limit": None,
        "cursor": None,
        "purpose": "",
        "request_id": "r",
    }
    return SeriesQuestion(**{**values, **changes})


def _rows(result: SeriesResult) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for series in result.series:
        assert isinstance(series.rows, Columns)
        starts = (series.rows.start_epoch_s - int(START.timestamp())) // 1800
        assert series.rows.value.tolist() == [_value(series.channel.id, half_hour) for half_hour in starts.tolist()]
        found += [(series.channel.id, half_hour) for half_hour in starts.tolist()]
    return found


spans_of = st.lists(
    st.tuples(st.integers(0, HALF_HOURS), st.integers(1, 60)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=4
)
ranges_of = st.tuples(st.integers(0, HALF_HOURS - 1), st.integers(1, HALF_HOURS)).map(
    lambda pair: (pair[0], pair[0] + pair[1])
)


def _oracle(spans: Sequence[tuple[int, int]], asked: tuple[int, int]) -> list[tuple[int, int]]:
    return [
        (channel, half_hour)
        for channel in (12, 22)
        for half_hour in range(HALF_HOURS)
        if asked[0] <= half_hour < asked[1] and any(start <= half_hour < end for start, end in spans)
    ]


@settings(deadline=None, max_examples=80)
@given(spans=spans_of, asked=ranges_of, by_device=st.booleans())
def test_exactly_the_visible_readings_are_given(
    spans: list[tuple[int, int]], asked: tuple[int, int], by_device: bool
) -> None:
    access, log = _access(spans)
    visible = any(start < asked[1] and end > asked[0] for start, end in spans)

    async def ask() -> SeriesResult:
        question = _question(*asked)
        if by_device:
            return await access.of_device(PRINCIPAL, 1, question)
        return await access.of_usage_point(PRINCIPAL, POINT, question)

    if not visible:
        with pytest.raises(NotFound):
            asyncio.run(ask())
        assert log.entries == []
        return
    assert _rows(asyncio.run(ask())) == _oracle(spans, asked)
    for half_hour in {row for _, row in _oracle(spans, asked)}:
        assert any(entry.range_start <= _at(half_hour) < entry.range_end for entry in log.entries), "unlogged"


@settings(deadline=None, max_examples=60)
@given(spans=spans_of.filter(bool), asked=ranges_of, limit=st.integers(1, 40))
def test_pages_join_to_the_visible_whole(spans: list[tuple[int, int]], asked: tuple[int, int], limit: int) -> None:
    access, _ = _access(spans)
    if not any(start < asked[1] and end > asked[0] for start, end in spans):
        return
    found: list[tuple[int, int]] = []
    cursor: Cursor | None = None
    for _page in range(2 * HALF_HOURS + 1):
        result = asyncio.run(access.of_usage_point(PRINCIPAL, POINT, _question(*asked, row_limit=limit, cursor=cursor)))
        page = _rows(result)
        assert len(page) <= limit
        found += page
        if result.next_cursor is None:
            break
        assert len(page) == limit
        cursor = Cursor.decode(result.next_cursor)
    assert found == _oracle(spans, asked)


@settings(deadline=None, max_examples=60)
@given(spans=spans_of.filter(bool), asked=ranges_of, zone=st.sampled_from(["UTC", "Europe/London", "Asia/Kathmandu"]))
def test_local_days_sum_to_the_visible_intervals(
    spans: list[tuple[int, int]], asked: tuple[int, int], zone: str
) -> None:
    access, _ = _access(spans)
    if not any(start < asked[1] and end > asked[0] for start, end in spans):
        return
    result = asyncio.run(access.of_usage_point(PRINCIPAL, POINT, _question(*asked, resolution="day", zone_name=zone)))
    visible = _oracle(spans, asked)
    for series in result.series:
        assert isinstance(series.rows, Period)
        own = [_value(channel, half_hour) for channel, half_hour in visible if channel == series.channel.id]
        assert int(series.rows.value.sum()) == sum(own)
        assert int(series.rows.count.sum()) == len(own)
        assert (series.rows.count <= series.rows.expected).all()


# --- single behaviours --------------------------------------------------------------------------------------------

WHOLE = [(0, None)]


async def test_without_channels_the_interval_channels_of_the_devices_are_meant() -> None:
    access, _ = _access(WHOLE)
    result = await access.of_usage_point(PRINCIPAL, POINT, _question(0, 10, channels=()))
    assert [series.channel.id for series in result.series] == [12, 22]


async def test_bases_narrow_what_is_meant() -> None:
    access, _ = _access(WHOLE)
    result = await access.of_device(PRINCIPAL, 1, _question(0, 10, channels=(), bases=(2,)))
    assert [series.channel.id for series in result.series] == [22]


async def test_local_days_go_by_the_usage_points_zone_unless_another_is_named() -> None:
    access, _ = _access(WHOLE)
    own = await access.of_usage_point(PRINCIPAL, POINT, _question(0, 10, resolution="day"))
    named = await access.of_usage_point(PRINCIPAL, POINT, _question(0, 10, resolution="day", zone_name="UTC"))
    device = await access.of_device(PRINCIPAL, 1, _question(0, 10, resolution="month"))
    assert (own.zone_name, named.zone_name, device.zone_name) == ("Europe/London", "UTC", "Europe/London")


async def test_the_log_says_who_what_when_and_why() -> None:
    access, log = _access([(0, 50)])
    await access.of_usage_point(PRINCIPAL, POINT, _question(10, 100, purpose="complaint"))
    (entry,) = log.entries
    assert (entry.user_name, entry.role, entry.organisation_id) == ("sam", "supplier", 7)
    assert (entry.usage_point_id, entry.device_id) == (POINT, None)
    assert (entry.range_start, entry.range_end) == (_at(10), _at(50))
    assert entry.channels == "electricity.import.active.30min,electricity.export.active.30min"
    assert (entry.purpose, entry.request_id, entry.at) == ("complaint", "r", _at(HALF_HOURS))


async def test_a_devices_log_names_the_usage_point_it_hung_at() -> None:
    access, log = _access(WHOLE)
    await access.of_device(PRINCIPAL, 1, _question(0, 10))
    assert [(entry.usage_point_id, entry.device_id) for entry in log.entries] == [(POINT, 1)]


async def test_a_refused_question_is_neither_answered_nor_logged() -> None:
    access, log = _access(WHOLE, rows_max=100)
    with pytest.raises(RangeTooLarge):
        await access.of_usage_point(PRINCIPAL, POINT, _question(0, 60))
    with pytest.raises(RequestMalformed):
        await access.of_usage_point(PRINCIPAL, POINT, _question(0, 10, resolution="day", channels=(14,)))
    with pytest.raises(RequestMalformed):
        await access.of_usage_point(PRINCIPAL, POINT, _question(0, 10, resolution="day", zone_name="Mars/Olympus"))
    assert log.entries == []
