"""What others may ask of the head-end's tables, without the head-end's process: sessions, events, runs, gaps, rates.

Every list is bounded; a cursor gives the next page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from meterworks.catalogue import PROFILES
from meterworks.errors import UsageError
from meterworks.headend.models import DeviceRow, EventRow, ExpectationRecord, IncidentRow, RunRow, SessionRow
from meterworks.headend.read_rate import DAY_HOURS, HOUR_S, SILENT_S, HourRate, hour_rates, late_before
from meterworks.headend.schedule import REGISTER_ASK_S
from meterworks.headend.store import DeviceMemory, Event, Incident, Run, SessionRecord
from meterworks.runtime import Database

__all__ = [
    "LIMIT_MAX",
    "EventPage",
    "FillProgress",
    "HeadendQueries",
    "RangeRow",
    "SeenEvent",
    "SessionLine",
]

LIMIT_MAX = 1000
IN_MAX = 5000
OPEN_STATES = ("missing", "sent", "absent")


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session and its number, which is the cursor of the log."""

    id: int
    session: SessionRecord


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """An event and when it was read."""

    event: Event
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events, newest first, and the cursor of the next page (None at the end)."""

    events: list[SeenEvent]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeRow:
    """A range of a device's profile that is `missing`, `sent` (on its way) or `absent` (a gap of the device)."""

    device_id: int
    profile: str
    state: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FillProgress:
    """Seconds of one profile over all devices, by state."""

    profile: str
    expected_s: int
    missing_s: int
    sent_s: int
    absent_s: int

    @property
    def committed_s(self) -> int:
        """What the warehouse holds."""
        return self.expected_s - self.missing_s - self.sent_s - self.absent_s

    @property
    def settled_share(self) -> float:
        """Share that is in the warehouse or known to be a gap; 1 where nothing is expected."""
        return (self.committed_s + self.absent_s) / self.expected_s if self.expected_s else 1.0


class HeadendQueries:
    """Reads the head-end's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sessions(
        self, device_id: int | None = None, *, before_id: int | None = None, limit: int = 100
    ) -> list[SessionLine]:
        """The session log, newest first; of one device or of all."""
        table = SessionRow.__table__
        statement = sa.select(table).order_by(table.c.id.desc()).limit(_checked(limit))
        if device_id is not None:
            statement = statement.where(table.c.device_id == device_id)
        if before_id is not None:
            statement = statement.where(table.c.id < before_id)
        rows = await self._rows(statement)
        return [SessionLine(row["id"], SessionRecord(**{k: v for k, v in row.items() if k != "id"})) for row in rows]

    async def events(
        self,
        device_ids: Sequence[int] | None = None,
        *,
        log: str | None = None,
        from_: datetime | None = None,
        to: datetime | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> EventPage:
        """Entries of event logs, newest first. after: the cursor a page gave."""
        table = EventRow.__table__
        conditions: list[sa.ColumnElement[bool]] = []
        if device_ids is not None:
            conditions.append(table.c.device_id.in_(_bounded(device_ids)))
        if log is not None:
            conditions.append(table.c.log == log)
        if from_ is not None:
            conditions.append(table.c.at >= from_)
        if to is not None:
            conditions.append(table.c.at < to)
        keys = (table.c.at, table.c.device_id, table.c.log, table.c.code)
        if after is not None:
            bound = [sa.bindparam(None, value, type_=key.type) for key, value in zip(keys, _cursor(after), strict=True)]
            conditions.append(sa.tuple_(*keys) < sa.tuple_(*bound))
        order = [key.desc() for key in keys]
        rows = await self._rows(sa.select(table).where(*conditions).order_by(*order).limit(_checked(limit) + 1))
        events = [SeenEvent(Event(r["device_id"], r["log"], r["at"], r["code"]), r["seen_at"]) for r in rows[:limit]]
        more = len(rows) > limit
        return EventPage(events, _cursor_of(events[-1].event) if more else None)

    async def runs(self, *, limit: int = 50) -> list[Run]:
        """Collection runs, newest first."""
        table = RunRow.__table__
        return [Run(**row) for row in await self._rows(sa.select(table).order_by(table.c.started.desc()).limit(limit))]

    async def incidents(self, *, limit: int = 100) -> list[Incident]:
        """What an operator should know, newest first."""
        table = IncidentRow.__table__
        statement = sa.select(table).order_by(table.c.id.desc()).limit(_checked(limit))
        return [Incident(**{k: v for k, v in row.items() if k != "id"}) for row in await self._rows(statement)]

    async def open_ranges(
        self,
        device_ids: Sequence[int] | None = None,
        *,
        states: Sequence[str] = ("missing",),
        profile: str | None = None,
        limit: int = 1000,
    ) -> list[RangeRow]:
        """Ranges not in the warehouse, by device and time. states: any of missing, sent, absent."""
        table = ExpectationRecord.__table__
        if not set(states) <= set(OPEN_STATES):
            raise UsageError(f"states are {', '.join(OPEN_STATES)}, not {', '.join(states)}")
        conditions: list[sa.ColumnElement[bool]] = [table.c.state.in_(states), ~_is_not_due(table)]
        if device_ids is not None:
            conditions.append(table.c.device_id.in_(_bounded(device_ids)))
        if profile is not None:
            conditions.append(table.c.profile == profile)
        order = (table.c.device_id, table.c.profile, table.c.start_epoch_s)
        rows = await self._rows(sa.select(table).where(*conditions).order_by(*order).limit(limit))
        return [
            RangeRow(
                device_id=row["device_id"],
                profile=row["profile"],
                state=row["state"],
                start=datetime.fromtimestamp(row["start_epoch_s"], UTC),
                end=datetime.fromtimestamp(row["end_epoch_s"], UTC),
            )
            for row in rows
        ]

    async def progress(self) -> list[FillProgress]:
        """Seconds by profile and state, over all devices."""
        table = ExpectationRecord.__table__
        length = sa.func.sum(table.c.end_epoch_s - table.c.start_epoch_s)
        state = sa.case((_is_not_due(table), sa.literal("not due")), else_=table.c.state)
        statement = sa.select(table.c.profile, state, length).group_by(table.c.profile, state)
        async with self._database.read() as connection:
            found = (await connection.execute(statement)).all()
        by_profile: dict[str, dict[str, int]] = {}
        for profile, state, seconds in found:
            by_profile.setdefault(profile, {})[state] = int(seconds)
        return [
            FillProgress(
                profile=profile,
                expected_s=states.get("expected", 0) - states.get("not due", 0),
                missing_s=states.get("missing", 0),
                sent_s=states.get("sent", 0),
                absent_s=states.get("absent", 0),
            )
            for profile, states in sorted(by_profile.items())
        ]

    async def hour_rates(
        self, now: datetime, *, profile: str = "load_import", hours: int = DAY_HOURS
    ) -> list[HourRate]:
        """Share of the readings of each of the last whole hours that is in the warehouse, oldest first."""
        table = ExpectationRecord.__table__
        since = int(now.timestamp()) - (hours + 1) * HOUR_S
        statement = sa.select(table.c.state, table.c.start_epoch_s, table.c.end_epoch_s).where(
            table.c.profile == profile, table.c.end_epoch_s > since
        )
        async with self._database.read() as connection:
            found = (await connection.execute(statement)).all()
        expected = [(start, end) for state, start, end in found if state == "expected"]
        open_ = [(start, end) for state, start, end in found if state != "expected"]
        return hour_rates(expected, open_, now.timestamp(), hours=hours)

    async def devices(self, device_ids: Sequence[int] | None = None) -> dict[int, DeviceMemory]:
        """State of collection of devices: last contact, failures, quarantine, clock drift."""
        columns = [DeviceRow.__table__.c[name] for name in DeviceMemory.__slots__]
        statement = sa.select(*columns)
        if device_ids is not None:
            statement = statement.where(DeviceRow.device_id.in_(_bounded(device_ids)))
        return {row["device_id"]: DeviceMemory(**row) for row in await self._rows(statement)}

    async def silent_devices(self, now: datetime, *, limit: int = LIMIT_MAX) -> list[int]:
        """Devices that were tried and not heard for a day, longest silent first."""
        table = DeviceRow.__table__
        heard, tried = table.c.last_contact_epoch_s, table.c.last_try_epoch_s
        silent = sa.or_(heard < now.timestamp() - SILENT_S, sa.and_(heard.is_(None), tried.is_not(None)))
        statement = sa.select(table.c.device_id).where(silent).order_by(sa.func.coalesce(heard, 0.0)).limit(limit)
        async with self._database.read() as connection:
            return [int(row[0]) for row in await connection.execute(statement)]

    async def late_devices(
        self, now: datetime, *, cycle_s: int, grace_s: int, profile: str = "load_import", limit: int = LIMIT_MAX
    ) -> list[int]:
        """Devices whose readings are missing since more than a whole cycle, longest missing first."""
        table = ExpectationRecord.__table__
        oldest = sa.func.min(table.c.start_epoch_s)
        statement = (
            sa.select(table.c.device_id)
            .where(table.c.state == "missing", table.c.profile == profile)
            .group_by(table.c.device_id)
            .having(oldest < late_before(now.timestamp(), cycle_s=cycle_s, grace_s=grace_s))
            .order_by(oldest)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [int(row[0]) for row in await connection.execute(statement)]

    async def _rows(self, statement: sa.Select[Any]) -> list[dict[str, Any]]:
        async with self._database.read() as connection:
            return [dict(row) for row in (await connection.execute(statement)).mappings()]


def _is_not_due(table: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether a range is the time since a register's last entry, of which nobody can say yet that an entry is missing.

    Entries of a register are a day or a month apart, so a range in which one is missing is longer than that.
    """
    length_s = table.c.end_epoch_s - table.c.start_epoch_s
    of_registers = (
        sa.and_(table.c.profile == name, length_s < REGISTER_ASK_S[row.kind])
        for name, row in PROFILES.items()
        if row.kind in REGISTER_ASK_S
    )
    return sa.and_(table.c.state == "missing", sa.or_(*of_registers))


def _checked(limit: int) -> int:
    if not 1 <= limit <= LIMIT_MAX:
        raise UsageError(f"limit is {limit}: give 1 to {LIMIT_MAX}", limit=limit)
    return limit


def _bounded(device_ids: Sequence[int]) -> list[int]:
    if len(device_ids) > IN_MAX:
        raise UsageError(f"{len(device_ids)} devices at once: give at most {IN_MAX}", limit=IN_MAX)
    return list(device_ids)


def _cursor_of(event: Event) -> str:
    return f"{event.at.isoformat()}/{event.device_id}/{event.log}/{event.code}"


def _cursor(text: str) -> tuple[datetime, int, str, int]:
    try:
        at, device_id, log, code = text.split("/")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError("no zone")  # noqa: TRY301  # joins the other ways of not being a cursor
        return moment, int(device_id), log, int(code)
    except ValueError as error:
        raise UsageError(f"{text[:60]!r} is no cursor that a page of events gave") from error
