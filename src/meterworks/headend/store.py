"""What the head-end keeps in the database of record: set-based, a few statements per flush for any size of fleet."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.headend.capture import ModelCheck
from meterworks.headend.expectation import ExpectationRow, Pair
from meterworks.headend.models import (
    DeviceRow,
    EventRow,
    ExpectationRecord,
    IncidentRow,
    ModelRow,
    PositionRow,
    RunRow,
    SessionRow,
)
from meterworks.runtime import Database, insert_many, upsert

__all__ = ["DeviceMemory", "Event", "HeadendStore", "Incident", "ModelKey", "Run", "SessionRecord"]

ModelKey = tuple[str, str, str]
"""Model, firmware, profile."""
LOAD_ROWS = 50_000


@dataclass(slots=True, kw_only=True)
class DeviceMemory:
    """What is remembered of a device between sessions."""

    device_id: int
    failures: int = 0
    """Failures in a row of any kind."""
    refusals: int = 0
    """Failed authentications in a row."""
    quarantined: bool = False
    next_try_epoch_s: float = 0.0
    last_try_epoch_s: float | None = None
    last_contact_epoch_s: float | None = None
    last_good_clock_epoch_s: float | None = None
    last_drift_s: float | None = None
    suspect_from_epoch_s: float | None = None
    suspect_until_epoch_s: float | None = None
    """The time in which the clock was last known to be wrong."""
    last_error: str | None = None
    counter_reserved: int = 0
    """Invocation counters below this may have been used."""
    push_counter: int = -1
    """Highest invocation counter accepted in a notification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """One line of the session log."""

    device_id: int
    kind: str
    started: datetime
    ended: datetime
    outcome: str
    error_code: str | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    rows: int = 0
    clock_drift_s: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a device's event log."""

    device_id: int
    log: str
    at: datetime
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something an operator should know."""

    at: datetime
    kind: str
    device_id: int | None = None
    peer: str | None = None
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class Run:
    """One collection run."""

    id: str
    kind: str
    started: datetime
    ended: datetime | None = None
    planned: int = 0
    done: int = 0
    failed: int = 0


@dataclass(slots=True)
class Batch:
    """Everything one flush writes, in one transaction."""

    expectation: dict[Pair, list[ExpectationRow]] = field(default_factory=dict)
    devices: list[DeviceMemory] = field(default_factory=list)
    sessions: list[SessionRecord] = field(default_factory=list)
    events: list[tuple[Event, datetime]] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(
            (self.expectation, self.devices, self.sessions, self.events, self.incidents, self.runs, self.positions)
        )


# What a flush may overwrite of a device: not the counters, which are written ahead on their own.
_DEVICE_COLUMNS = tuple(
    name for name in DeviceMemory.__slots__ if name not in ("device_id", "counter_reserved", "push_counter")
)


class HeadendStore:
    """The head-end's tables."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def load_expectation(self) -> AsyncIterator[list[ExpectationRow]]:
        """All stored ranges, in batches."""
        table = ExpectationRecord.__table__
        statement = sa.select(
            table.c.device_id,
            table.c.profile,
            table.c.state,
            table.c.start_epoch_s,
            table.c.end_epoch_s,
            table.c.set_id,
            table.c.sent_at_epoch_s,
            table.c.sequence,
        )
        async with self.database.read() as connection:
            found = (await connection.execute(statement)).all()
        for start in range(0, len(found), LOAD_ROWS):
            yield [
                ExpectationRow(r[0], r[1], r[2], r[3], r[4], r[5] or None, r[6], r[7])
                for r in found[start : start + LOAD_ROWS]
            ]

    async def load_devices(self) -> dict[int, DeviceMemory]:
        """What is remembered of each device."""
        columns = [DeviceRow.__table__.c[name] for name in DeviceMemory.__slots__]
        async with self.database.read() as connection:
            found = (await connection.execute(sa.select(*columns))).mappings().all()
        return {row["device_id"]: DeviceMemory(**row) for row in found}

    async def load_models(self) -> dict[ModelKey, ModelCheck]:
        """The checks of device models made so far."""
        async with self.database.read() as connection:
            found = (await connection.execute(sa.select(ModelRow.__table__))).mappings().all()
        return {
            (row["model"], row["firmware"], row["profile"]): ModelCheck(
                capture_objects=row["capture_objects"],
                capture_period_s=row["capture_period_s"],
                entries_max=row["entries_max"],
                scalers={name: (pair[0], pair[1]) for name, pair in json.loads(row["scalers"] or "{}").items()},
            )
            for row in found
        }

    async def load_event_times(self) -> dict[tuple[int, str], datetime]:
        """The newest known event of each device and log."""
        table = EventRow.__table__
        statement = sa.select(table.c.device_id, table.c.log, sa.func.max(table.c.at, type_=table.c.at.type))
        async with self.database.read() as connection:
            found = (await connection.execute(statement.group_by(table.c.device_id, table.c.log))).all()
        return {(row[0], row[1]): row[2] for row in found}

    async def position(self, stream: str) -> int:
        """How far a stream was read; 0 before the first time."""
        table = PositionRow.__table__
        async with self.database.read() as connection:
            found = await connection.scalar(sa.select(table.c.position).where(table.c.stream == stream))
        return int(found or 0)

    async def save_model(self, key: ModelKey, check: ModelCheck, at: datetime) -> None:
        """Keep what a device model captures."""
        row = {
            "model": key[0],
            "firmware": key[1],
            "profile": key[2],
            "capture_objects": check.capture_objects,
            "capture_period_s": check.capture_period_s,
            "entries_max": check.entries_max,
            "scalers": json.dumps({name: list(pair) for name, pair in check.scalers.items()}),
            "checked_at": at,
        }
        async with self.database.transaction() as connection:
            await upsert(connection, ModelRow, [row], keys=("model", "firmware", "profile"))

    async def reserve_counters(self, reserved: Mapping[int, int]) -> None:
        """Record that counters below these may be used. Returns when it is durable."""
        await self._write_ahead("counter_reserved", reserved)

    async def jump_counters(self, by: int) -> int:
        """Move the bound of every counter forward, after an older database was put back. Gives how many."""
        statement = sa.update(DeviceRow).where(DeviceRow.counter_reserved > 0)
        async with self.database.transaction() as connection:
            moved = await connection.execute(statement.values(counter_reserved=DeviceRow.counter_reserved + by))
        return int(moved.rowcount)

    async def save_position(self, stream: str, position: int) -> None:
        """Record how far a stream was read, or what else only grows. Returns when it is durable."""
        async with self.database.transaction() as connection:
            row = {"stream": stream, "position": position}
            await upsert(connection, PositionRow, [row], keys=("stream",))

    async def accept_push_counters(self, accepted: Mapping[int, int]) -> None:
        """Record the highest counters accepted in notifications. Returns when it is durable."""
        await self._write_ahead("push_counter", accepted)

    async def _write_ahead(self, column: str, values: Mapping[int, int]) -> None:
        rows = []
        for device_id, value in values.items():
            blank = asdict(DeviceMemory(device_id=device_id))
            rows.append({**blank, column: value})
        if rows:
            async with self.database.transaction() as connection:
                await upsert(connection, DeviceRow, rows, keys=("device_id",), update=(column,))

    async def flush(self, batch: Batch) -> None:
        """Write a batch in one transaction, so that positions never run ahead of what was crossed off."""
        async with self.database.transaction() as connection:
            await _write_expectation(connection, batch.expectation)
            await _write_devices(connection, batch.devices)
            await _write_logs(connection, batch)
            if batch.positions:
                rows = [{"stream": stream, "position": at} for stream, at in batch.positions.items()]
                await upsert(connection, PositionRow, rows, keys=("stream",))

    async def trim_sessions(self, before: datetime) -> int:
        """Drop session lines older than this. Gives how many."""
        async with self.database.transaction() as connection:
            gone = await connection.execute(sa.delete(SessionRow).where(SessionRow.started < before))
        return int(gone.rowcount)


async def _write_expectation(connection: AsyncConnection, pairs: Mapping[Pair, Sequence[ExpectationRow]]) -> None:
    if not pairs:
        return
    statement = sa.delete(ExpectationRecord).where(
        ExpectationRecord.device_id == sa.bindparam("key_device"),
        ExpectationRecord.profile == sa.bindparam("key_profile"),
    )
    await connection.execute(statement, [{"key_device": pair[0], "key_profile": pair[1]} for pair in pairs])
    rows: list[dict[str, Any]] = [
        {
            "device_id": row.device_id,
            "profile": row.profile,
            "state": row.state,
            "start_epoch_s": row.start_epoch_s,
            "set_id": row.set_id or "",
            "end_epoch_s": row.end_epoch_s,
            "sent_at_epoch_s": row.sent_at_epoch_s,
            "sequence": row.sequence,
        }
        for each in pairs.values()
        for row in each
    ]
    if rows:
        await insert_many(connection, ExpectationRecord, rows)


async def _write_devices(connection: AsyncConnection, devices: Sequence[DeviceMemory]) -> None:
    if devices:
        await upsert(
            connection, DeviceRow, [asdict(each) for each in devices], keys=("device_id",), update=_DEVICE_COLUMNS
        )


async def _write_logs(connection: AsyncConnection, batch: Batch) -> None:
    if batch.sessions:
        await insert_many(connection, SessionRow, [asdict(each) for each in batch.sessions])
    if batch.events:
        rows = [{**asdict(event), "seen_at": seen_at} for event, seen_at in _once(batch.events)]
        await upsert(connection, EventRow, rows, keys=("device_id", "log", "at", "code"), update=())
    if batch.incidents:
        await insert_many(connection, IncidentRow, [asdict(each) for each in batch.incidents])
    if batch.runs:
        await upsert(connection, RunRow, [asdict(each) for each in batch.runs], keys=("id",))


def _once(events: Iterable[tuple[Event, datetime]]) -> list[tuple[Event, datetime]]:
    return list({event: (event, seen_at) for event, seen_at in events}.values())
