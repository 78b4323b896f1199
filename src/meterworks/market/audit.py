"""Who read whose data: written before the data is given out, and shown to the consumer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select

from meterworks.market.errors import AccessNotRecorded
from meterworks.market.model import AccessLogRow
from meterworks.market.series import TimeRange
from meterworks.market.timestamp import format_utc
from meterworks.runtime import Database
from meterworks.trust.audit import AuditEvent, AuditSink, Fact

__all__ = ["AccessEntry", "AccessLog"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEntry:
    """One access to the readings of one usage point. `purpose`: a name of the catalogue's table."""

    at: datetime
    usage_point_id: str
    device_id: int | None
    user_name: str
    role: str
    organisation_id: int | None
    range_start: datetime
    range_end: datetime
    channels: str
    purpose: str
    request_id: str
    consent_reference: str | None = None  # of the consent the access rests on


class _Batch:
    """Entries that share a transaction."""

    def __init__(self) -> None:
        self.entries: list[AccessEntry] = []
        self.tried = False
        self.written = False


class AccessLog:
    """The log of reading accesses. Accesses at the same moment share one transaction (group commit).

    audit: where each access goes as an act as well; nobody waits for that, the log is durable without it.
    """

    def __init__(self, database: Database, audit: AuditSink | None = None) -> None:
        self._database = database
        self._audit = audit
        self._batch = _Batch()
        self._writing = asyncio.Lock()

    async def record(self, entries: Sequence[AccessEntry]) -> None:
        """Write the entries; when this returns they outlive every process, and half a second later a cut of the power.

        Raises UnreachableError if the database is.
        """
        if not entries:
            return
        batch = self._batch
        batch.entries.extend(entries)
        async with self._writing:
            if not batch.tried:  # else whoever held the lock before us tried to write our entries too
                batch.tried = True
                self._batch = _Batch()
                rows = [{name: getattr(entry, name) for name in AccessEntry.__slots__} for entry in batch.entries]
                await self._database.insert(AccessLogRow, rows, settled=False)
                batch.written = True
                self._tell(batch.entries)
        if not batch.written:
            raise AccessNotRecorded("the access could not be recorded, so nothing was given out; try again")

    def _tell(self, entries: Sequence[AccessEntry]) -> None:
        if self._audit is not None:
            for entry in entries:
                self._audit.post(_act_of(entry))

    async def of_usage_point(
        self,
        usage_point_id: str,
        ranges: Sequence[TimeRange],
        *,
        before_id: int | None = None,
        limit: int = 50,
        but_user: str | None = None,
    ) -> list[tuple[int, AccessEntry]]:
        """The latest accesses to readings in the ranges, with their numbers, newest first."""
        row = AccessLogRow
        touching = or_(*(and_(row.range_start < part.to, row.range_end > part.from_) for part in ranges))
        statement = (
            select(row.id, *(getattr(row, name) for name in AccessEntry.__slots__))
            .where(row.usage_point_id == usage_point_id, touching)
            .order_by(row.id.desc())
            .limit(limit)
        )
        if before_id is not None:
            statement = statement.where(row.id < before_id)
        if but_user is not None:
            statement = statement.where(row.user_name != but_user)
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
        names = AccessEntry.__slots__
        return [(found[0], AccessEntry(**dict(zip(names, found[1:], strict=True)))) for found in rows]


def _act_of(entry: AccessEntry) -> AuditEvent:
    """An access as the audit trail tells it."""
    facts: dict[str, Fact] = {
        "role": entry.role,
        "from": format_utc(entry.range_start),
        "to": format_utc(entry.range_end),
        "channels": entry.channels[:500],
        "purpose": entry.purpose,
    }
    if entry.organisation_id is not None:
        facts["organisation"] = entry.organisation_id
    if entry.consent_reference is not None:
        facts["consent"] = entry.consent_reference
    return AuditEvent(
        act="reading.accessed",
        actor=f"account:{entry.user_name}",
        object=f"usage-point:{entry.usage_point_id}",
        cause=entry.request_id,
        facts=facts,
        at=entry.at,
    )
