"""Retention: what is past the limit of its class goes, from every store, and a record of the deletion stays.

It runs in the writer's process: the warehouse has one committer, and a second one would be refused every other time.
A run takes readings out of warehouse, snapshots and recent days, takes records out of the database, and forgets old log
files. It also takes away again what was erased and came back (a meter remembers 13 months and may be read anew).
Holds spare what they name; while everything is held, nothing goes.

Limits are of the system's clock; the wait before old files are deleted is the machine's.
Source: requirement base SEC-140; GDPR article 5 (1) e.
"""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.catalogue import CHANNELS, DATA_CLASSES, READING_CLASSES, Detail, data_class_of, detail_of
from meterworks.market.consumer_retention import departed_consumers, forget_consumers
from meterworks.market.hold import Holds
from meterworks.market.privacy_model import DeletionRow, ErasedRangeRow
from meterworks.readings import ReadingStore, RecentDay, rebuild_recent_days
from meterworks.runtime import Clock, Database, RemovalRule, get_logger, insert_many, metadata
from meterworks.trust.audit import AuditEvent, AuditSink

if TYPE_CHECKING:
    from meterworks.runtime.warehouse import Warehouse  # whoever gives one has loaded it

__all__ = ["FINE_CHANNELS", "Deletion", "Retention", "RetentionSettings", "deletion_history"]

log = get_logger("market.retention")

DAY_S = 86_400
DAYS_PER_MONTH = 30  # the shortest count: nothing of a record's class is ever older than its limit
CHANNELS_BY_CLASS = {
    name: frozenset(channel.id for channel in CHANNELS.values() if data_class_of(channel).name == name)
    for name in READING_CLASSES
}
FINE_CHANNELS = frozenset(channel.id for channel in CHANNELS.values() if detail_of(channel) > Detail.MONTH)
"""Channels that tell more of a home than a month's sum."""

# Records by their own time: class, table, column of the time, column of the metering point that a hold may name.
_RECORDS: tuple[tuple[str, str, str, str | None], ...] = (
    ("access-log", "market_access_log", "at", "usage_point_id"),
    ("consent", "market_consent", "ends_at", "usage_point_id"),
    ("deletion-record", "market_deletion", "at", None),
    ("hold", "market_hold", "released_at", None),
    ("token", "market_token", "expires_at", None),
    ("session-log", "headend_session", "started", None),
    ("session-log", "headend_run", "started", None),
    ("device-event", "headend_event", "at", None),
    ("device-event", "headend_incident", "at", None),
    ("rejected-set", "readings_rejected", "rejected_at", None),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """When data that is past its limit goes."""

    enabled: bool = True
    """Whether the writer's process takes it away by itself; `meterworks privacy retention run` does at any time."""
    period_s: float = 86_400.0
    """System seconds between two runs."""
    first_s: float = 3_600.0
    """System seconds until the first run after a start."""
    grace_s: float = 60.0
    """Real seconds that readers have to finish with files that go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """One class of data in one store: what went, or in a trial what would."""

    run: str
    at: datetime
    cause: str
    data_class: str
    store: str
    before: datetime | None
    rows: int
    files: int = 0


async def deletion_history(database: Database, limit: int = 100) -> Sequence[Deletion]:
    """Records of deletions, newest first."""
    names = tuple(Deletion.__dataclass_fields__)
    statement = sa.select(*(getattr(DeletionRow, name) for name in names)).order_by(DeletionRow.id.desc())
    async with database.read() as connection:
        rows = await connection.execute(statement.limit(limit))
        return [Deletion(**dict(zip(names, row, strict=True))) for row in rows]


class Retention:
    """Takes away what is past its limit."""

    def __init__(
        self,
        *,
        database: Database,
        warehouse: "Warehouse",
        clock: Clock,
        holds: Holds,
        audit: AuditSink,
        settings: RetentionSettings | None = None,
        logs: Path | None = None,
    ) -> None:
        self._database = database
        self._warehouse = warehouse
        self._clock = clock
        self._holds = holds
        self._audit = audit
        self._settings = settings or RetentionSettings()
        self._logs = logs

    async def due(self) -> Sequence[Deletion]:
        """What a run would take away now."""
        return await self._work(really=False)

    async def run(self) -> Sequence[Deletion]:
        """Take it away, and record what went."""
        done = await self._work(really=True)
        if done:
            async with self._database.transaction() as connection:
                await insert_many(connection, DeletionRow, [asdict(entry) for entry in done])
            rows = sum(entry.rows for entry in done)
            event = AuditEvent(act="data.retired", actor="process:writer", object="system", facts={"rows": rows})
            self._audit.post(event)
            log.info("data past its limit deleted", rows=rows, classes=len(done))
        return done

    async def _work(self, *, really: bool) -> list[Deletion]:
        points = await self._holds.held_points()
        if points is None:
            return []
        run = _Run(str(uuid.uuid4()), self._clock.now(), really)
        spared = await self._holds.held_devices(points)
        found = await self._readings(run, spared)
        found += await self._erased_again(run, spared)
        found += await self._records(run, points)
        found += await self._consumers(run, points)
        found += await asyncio.to_thread(self._log_files, run)
        return [entry for entry in found if entry.rows or entry.files]

    # --- readings -------------------------------------------------------------------------------------------------

    async def _readings(self, run: "_Run", spared: frozenset[int]) -> list[Deletion]:
        cutoffs = {name: kind.cutoff(run.at) for name, kind in READING_CLASSES.items()}
        limits = {name: at for name, at in cutoffs.items() if at is not None}
        rules = [
            RemovalRule(channels=CHANNELS_BY_CLASS[name], to_epoch_s=int(at.timestamp())) for name, at in limits.items()
        ]
        counts = await asyncio.to_thread(self._warehouse.count_doomed, rules, spared=spared)
        files = await self._remove(run, rules, spared) if counts else 0
        by_class: Counter[str] = Counter()
        for channel, count in counts.items():
            by_class[data_class_of(CHANNELS[channel]).name] += count
        found = []
        for name, at in limits.items():
            found.append(run.entry(name, "warehouse", at, by_class[name], files if by_class[name] else 0))
            found.append(run.entry(name, "recent days", at, await self._recent_days(run, name, at, spared)))
        return found

    async def _remove(self, run: "_Run", rules: Sequence[RemovalRule], spared: frozenset[int]) -> int:
        """Take rows out of the warehouse; gives how many files went. Waits for readers that planned before."""
        if not run.really:
            return 0
        report = await asyncio.to_thread(self._warehouse.remove, rules, spared=spared)
        if report.refused:
            log.warning("another commit came first; the rest goes at the next run")
        await asyncio.sleep(self._settings.grace_s if report.paths else 0)
        await asyncio.to_thread(self._warehouse.discard, report.paths)
        return len(report.paths)

    async def _recent_days(self, run: "_Run", name: str, before: datetime, spared: frozenset[int]) -> int:
        row = RecentDay
        condition = sa.and_(
            row.channel.in_(CHANNELS_BY_CLASS[name]),
            row.day < int(before.timestamp()) // DAY_S,
            row.device.not_in(spared),
        )
        return await self._delete(
            run, sa.select(sa.func.count()).select_from(row).where(condition), sa.delete(row).where(condition)
        )

    async def _erased_again(self, run: "_Run", spared: frozenset[int]) -> list[Deletion]:
        """What was erased and has been read again."""
        row = ErasedRangeRow
        async with self._database.read() as connection:
            found = (await connection.execute(sa.select(row.device_id, row.starts_at, row.ends_at))).all()
        ranges = [(device, starts_at, ends_at) for device, starts_at, ends_at in found]
        rows, files = await self.erase_ranges(ranges, spared=spared, really=run.really)
        return [run.entry("erasure", "warehouse", None, rows, files)]

    async def erase_ranges(
        self,
        ranges: Sequence[tuple[int, datetime, datetime]],
        *,
        spared: frozenset[int] = frozenset(),
        really: bool = True,
    ) -> tuple[int, int]:
        """Take all readings finer than a month out of spans of devices; gives how many rows and files went."""
        rules = [
            RemovalRule(
                channels=FINE_CHANNELS,
                device=device,
                from_epoch_s=int(starts_at.timestamp()),
                to_epoch_s=int(ends_at.timestamp()),
            )
            for device, starts_at, ends_at in ranges
        ]
        if not rules:
            return 0, 0
        counts = await asyncio.to_thread(self._warehouse.count_doomed, rules, spared=spared)
        if not counts:
            return 0, 0
        files = await self._remove(_Run("", self._clock.now(), really), rules, spared)
        if really:  # a day at the edge of a span is somebody else's, too: recent days are made anew
            from_day = await ReadingStore(warehouse=self._warehouse, database=self._database).recent_from()
            devices = {device for device, _, _ in ranges} - spared
            await rebuild_recent_days(self._warehouse, self._database, from_day=from_day, devices=devices)
        return sum(counts.values()), files

    # --- records --------------------------------------------------------------------------------------------------

    async def _records(self, run: "_Run", points: frozenset[str]) -> list[Deletion]:
        found = []
        for name, table_name, time_column, point_column in _RECORDS:
            months = DATA_CLASSES[name].store_months
            table = metadata.tables.get(table_name)
            assert months is not None
            if table is None:  # of a folder this process has no part in
                continue
            before = run.at - timedelta(days=DAYS_PER_MONTH * months)
            condition = table.c[time_column] < before
            if point_column is not None and points:
                condition = sa.and_(condition, table.c[point_column].not_in(points))
            count = sa.select(sa.func.count()).select_from(table).where(condition)
            rows = await self._delete(run, count, sa.delete(table).where(condition))
            found.append(run.entry(name, table_name, before, rows))
        return found

    async def _consumers(self, run: "_Run", points: frozenset[str]) -> list[Deletion]:
        """Who moved out of their last home so long ago that no books need to know them."""
        months = DATA_CLASSES["consumer"].store_months
        assert months is not None
        before = run.at - timedelta(days=DAYS_PER_MONTH * months)
        gone = await departed_consumers(self._database, before, points)
        if gone and run.really:
            async with self._database.transaction() as connection:
                await _overwrite_deleted(connection)
                await forget_consumers(connection, gone)
        return [run.entry("consumer", "registry_consumer, registry_occupancy", before, len(gone))]

    async def _delete(self, run: "_Run", count: sa.Select[int], delete: sa.Delete) -> int:
        async with self._database.read() as connection:
            rows = int(await connection.scalar(count) or 0)
        if rows and run.really:
            async with self._database.transaction() as connection:
                await _overwrite_deleted(connection)
                await connection.execute(delete)
        return rows

    def _log_files(self, run: "_Run") -> list[Deletion]:
        """Log files nobody has written to within the limit. Ages of files are the machine's time."""
        months = DATA_CLASSES["process-log"].store_months
        if self._logs is None or not self._logs.is_dir() or months is None:
            return []
        oldest_s = time.time() - DAYS_PER_MONTH * months * DAY_S
        old = [path for path in self._logs.iterdir() if path.is_file() and path.stat().st_mtime < oldest_s]
        if run.really:
            for path in old:
                path.unlink(missing_ok=True)
        return [run.entry("process-log", "log files", datetime.fromtimestamp(oldest_s, UTC), 0, len(old))]


@dataclass(frozen=True, slots=True)
class _Run:
    """One run: its number, its instant, and whether it deletes or only counts."""

    number: str
    at: datetime
    really: bool

    def entry(self, data_class: str, store: str, before: datetime | None, rows: int, files: int = 0) -> Deletion:
        return Deletion(
            run=self.number,
            at=self.at,
            cause="erasure" if data_class == "erasure" else "retention",
            data_class=data_class,
            store=store,
            before=before,
            rows=rows,
            files=files,
        )


async def _overwrite_deleted(connection: AsyncConnection) -> None:
    """Have SQLite write zeros over what it deletes: else the octets stay in the file until the page is used again."""
    if connection.dialect.name == "sqlite":
        await connection.execute(sa.text("PRAGMA secure_delete = ON"))
