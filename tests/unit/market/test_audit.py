"""The access log: durable before anything is given out, and accesses at one moment share a transaction."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meterworks.errors import UnreachableError
from meterworks.market.audit import AccessEntry, AccessLog
from meterworks.market.errors import AccessNotRecorded
from meterworks.market.model import AccessLogRow
from meterworks.market.series import TimeRange
from meterworks.runtime import Database
from meterworks.trust.audit import MemoryAuditSink

START = datetime(2026, 1, 1, tzinfo=UTC)


def _entry(number: int, *, user: str = "sam", point: str = "MP0001", from_: datetime = START) -> AccessEntry:
    return AccessEntry(
        at=START + timedelta(seconds=number),
        usage_point_id=point,
        device_id=None,
        user_name=user,
        role="supplier",
        organisation_id=7,
        range_start=from_,
        range_end=from_ + timedelta(days=1),
        channels="electricity.import.active.30min",
        purpose=f"purpose {number}",
        request_id=f"r{number}",
    )


class SlowDatabase:
    """Counts the insertions; each waits until it is let go, then succeeds or fails."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.started = asyncio.Event()
        self.error: Exception | None = None
        self.written: list[int] = []

    async def insert(self, _table: object, rows: Sequence[object], *, settled: bool) -> None:
        self.started.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error
        self.written.append(len(rows))


@pytest.fixture
def slow() -> SlowDatabase:
    return SlowDatabase()


@pytest.fixture
def log(slow: SlowDatabase) -> AccessLog:
    return AccessLog(slow)  # type: ignore[arg-type]  # stands in for a database


async def test_nothing_to_record_touches_nothing(log: AccessLog, slow: SlowDatabase) -> None:
    await log.record([])
    assert not slow.started.is_set()


async def test_a_record_returns_only_when_it_is_written(log: AccessLog, slow: SlowDatabase) -> None:
    task = asyncio.create_task(log.record([_entry(1)]))
    await slow.started.wait()
    assert not task.done()
    slow.go.set()
    await task
    assert slow.written == [1]


async def test_accesses_that_wait_together_are_written_together(log: AccessLog, slow: SlowDatabase) -> None:
    first = asyncio.create_task(log.record([_entry(1)]))
    await slow.started.wait()
    others = [asyncio.create_task(log.record([_entry(number), _entry(number)])) for number in range(2, 7)]
    await asyncio.sleep(0)
    slow.go.set()
    await asyncio.gather(first, *others)
    assert slow.written == [1, 10]


async def test_a_failure_reaches_everyone_whose_access_was_in_it(log: AccessLog, slow: SlowDatabase) -> None:
    first = asyncio.create_task(log.record([_entry(1)]))
    await slow.started.wait()
    others = [asyncio.create_task(log.record([_entry(number)])) for number in (2, 3)]
    await asyncio.sleep(0)
    slow.error = UnreachableError("the disk is full")
    slow.go.set()
    outcomes = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UnreachableError, UnreachableError, AccessNotRecorded]
    slow.error = None
    await log.record([_entry(4)])
    assert slow.written == [1]


async def test_a_writer_that_is_cancelled_takes_nobody_for_written(log: AccessLog, slow: SlowDatabase) -> None:
    holder = asyncio.create_task(log.record([_entry(1)]))
    await slow.started.wait()
    slow.started.clear()
    second = asyncio.create_task(log.record([_entry(2)]))
    third = asyncio.create_task(log.record([_entry(3)]))
    await asyncio.sleep(0)
    holder.cancel()
    await slow.started.wait()
    second.cancel()
    slow.go.set()
    outcomes = await asyncio.gather(holder, second, third, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert isinstance(outcomes[1], asyncio.CancelledError)
    assert isinstance(outcomes[2], AccessNotRecorded)


async def test_each_access_that_is_written_is_an_act_of_the_trail(slow: SlowDatabase) -> None:
    sink = MemoryAuditSink()
    log = AccessLog(slow, sink)  # type: ignore[arg-type]  # stands in for a database
    slow.go.set()
    await log.record([_entry(1), _entry(2, user="rea")])
    assert sink.acts() == ["reading.accessed", "reading.accessed"]
    told = sink.events[1]
    assert (told.actor, told.object, told.cause) == ("account:rea", "usage-point:MP0001", "r2")
    assert (told.facts["organisation"], told.facts["purpose"]) == (7, "purpose 2")
    slow.error = UnreachableError("away")
    with pytest.raises(UnreachableError):
        await log.record([_entry(3)])
    assert len(sink.events) == 2


# --- reading it ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def stored(tmp_path: Path) -> AsyncIterator[AccessLog]:
    database = Database(f"sqlite:///{tmp_path / 'log.sqlite3'}")
    await database.create_tables(AccessLogRow.__table__)  # type: ignore[arg-type]  # a Table, typed as FromClause
    yield AccessLog(database)
    await database.close()


WHOLE = [TimeRange(START - timedelta(days=400), START + timedelta(days=400))]


async def test_what_was_recorded_comes_back_newest_first(stored: AccessLog) -> None:
    await stored.record([_entry(1), _entry(2)])
    await stored.record([_entry(3)])
    found = await stored.of_usage_point("MP0001", WHOLE)
    assert [entry for _, entry in found] == [_entry(3), _entry(2), _entry(1)]
    assert [number for number, _ in found] == [3, 2, 1]


async def test_pages_and_points_and_users_are_told_apart(stored: AccessLog) -> None:
    await stored.record([_entry(1), _entry(2, user="rea"), _entry(3, point="MP0002"), _entry(4)])
    page = await stored.of_usage_point("MP0001", WHOLE, limit=2)
    assert [entry.request_id for _, entry in page] == ["r4", "r2"]
    rest = await stored.of_usage_point("MP0001", WHOLE, limit=2, before_id=page[-1][0])
    assert [entry.request_id for _, entry in rest] == ["r1"]
    others = await stored.of_usage_point("MP0001", WHOLE, but_user="rea")
    assert [entry.request_id for _, entry in others] == ["r4", "r1"]


@pytest.mark.parametrize(
    ("from_days", "to_days", "seen"),
    [(-1, 0, False), (-1, 0.5, True), (0.5, 0.6, True), (0.5, 9, True), (1, 2, False), (-5, 5, True)],
)
async def test_an_access_is_seen_if_its_range_touches_the_viewers(
    stored: AccessLog, from_days: float, to_days: float, seen: bool
) -> None:
    await stored.record([_entry(1)])
    viewed = TimeRange(START + timedelta(days=from_days), START + timedelta(days=to_days))
    assert bool(await stored.of_usage_point("MP0001", [viewed])) == seen


async def test_any_of_several_ranges_is_enough(stored: AccessLog) -> None:
    await stored.record([_entry(1), _entry(2, from_=START + timedelta(days=100))])
    spans = [
        TimeRange(START - timedelta(days=9), START - timedelta(days=8)),
        TimeRange(START + timedelta(days=100), START + timedelta(days=101)),
    ]
    assert [entry.request_id for _, entry in await stored.of_usage_point("MP0001", spans)] == ["r2"]
