"""Reading the trail: lists for people, rows for the verifier, proofs. Works beside the appender and without it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.engine import Row

from meterworks.runtime import Database
from meterworks.trust.audit.canonical import instant
from meterworks.trust.audit.errors import AuditUsageError
from meterworks.trust.audit.merkle import (
    Subtree,
    complete_subtrees,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    proof,
)
from meterworks.trust.audit.model import AuditRecordRow
from meterworks.trust.audit.record import AuditRecord, decode_record
from meterworks.trust.audit.tile import TILE_HASHES, TileReader, Tiles
from meterworks.trust.audit.verify import StoredRecord

__all__ = ["AuditQuestion", "TrailReader"]

PAGE_ROWS = 5_000
_Selection = TypeVar("_Selection", bound=Select[Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuestion:
    """Which records a person wants to see. Text filters match whole; a last `*` matches any rest."""

    act: str | None = None
    actor: str | None = None
    object: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    """Only records before this place: for the next page, newest first."""
    limit: int = 100


class TrailReader:
    """Reads what the appender has written."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._leaves_from, self._leaves = -1, list[bytes]()
        self._tiles: Tiles = {}

    async def size(self) -> int:
        """Records in the trail, those too that were dropped or pruned."""
        async with self._database.read() as connection:
            last = await connection.scalar(select(func.max(AuditRecordRow.sequence)))
        return 0 if last is None else int(last) + 1

    async def records(self, question: AuditQuestion) -> list[AuditRecord]:
        """The records that fit, newest first."""
        statement = _filtered(select(AuditRecordRow.body), question)
        statement = statement.order_by(AuditRecordRow.sequence.desc()).limit(question.limit)
        async with self._database.read() as connection:
            return [decode_record(body) for body in (await connection.execute(statement)).scalars()]

    async def body(self, sequence: int) -> bytes:
        """The octets of a record. Raises AuditUsageError when it is not there."""
        row = AuditRecordRow
        async with self._database.read() as connection:
            body = await connection.scalar(select(row.body).where(row.sequence == sequence))
        if body is None:
            raise AuditUsageError(f"there is no record {sequence}: it is not written yet, or was pruned")
        return bytes(body)

    async def place_of(self, event_id: str) -> int | None:
        """The place of an event."""
        row = AuditRecordRow
        async with self._database.read() as connection:
            return await connection.scalar(select(row.sequence).where(row.event_id == event_id))

    async def per_hour(self, question: AuditQuestion) -> dict[str, int]:
        """How many records that fit fall into each hour that has any; hours as `2026-11-21T16`, oldest first."""
        counts: dict[str, int] = {}
        statement = _filtered(select(AuditRecordRow.at), question).order_by(AuditRecordRow.at)
        async with self._database.read() as connection:
            for at in (await connection.execute(statement)).scalars():
                hour = at.strftime("%Y-%m-%dT%H")
                counts[hour] = counts.get(hour, 0) + 1
        return counts

    async def rows(self, start: int = 0) -> AsyncIterator[StoredRecord]:
        """All rows from a place on, in order."""
        table = AuditRecordRow
        after = start - 1
        while True:
            statement = select(table).where(table.sequence > after).order_by(table.sequence).limit(PAGE_ROWS)
            async with self._database.read() as connection:
                page = (await connection.execute(statement)).all()
            for row in page:
                yield _stored(row)
            if len(page) < PAGE_ROWS:
                return
            after = page[-1].sequence

    async def leaf(self, sequence: int) -> bytes | None:
        """The leaf hash of a place whose record may be gone; None where no tile has it."""
        first = sequence // TILE_HASHES * TILE_HASHES
        if self._leaves_from != first:
            self._leaves_from, self._leaves = first, await TileReader(self._database).leaves(first)
        return self._leaves[sequence - first] if sequence - first < len(self._leaves) else None

    async def previous(self, size: int) -> bytes:
        """The leaf hash of the last of the first `size` records. Raises AuditUsageError when it is nowhere."""
        leaf = await self.leaf(size - 1)
        return leaf_hash(await self.body(size - 1)) if leaf is None else leaf

    async def edge(self, size: int) -> list[tuple[int, bytes]]:
        """The complete subtrees of the first `size` records: leaves and root of each."""
        parts = list(complete_subtrees(0, size))
        found = await TileReader(self._database, self._tiles).hashes(parts)
        return [(1 << part.level, found[part]) for part in parts]

    async def root(self, size: int) -> bytes:
        """The tree's hash over the first `size` records."""
        return (await TileReader(self._database).frontier(size)).root()

    async def inclusion(self, sequence: int, size: int) -> list[bytes]:
        """The path from a record to the head of `size` records (RFC 6962, 2.1.1)."""
        if not 0 <= sequence < size:
            raise AuditUsageError(f"record {sequence} is not in a tree of {size} records")
        return await self._proof(inclusion_ranges(sequence, size))

    async def consistency(self, old_size: int, size: int) -> list[bytes]:
        """What shows that the smaller tree is the start of the larger one (RFC 6962, 2.1.2)."""
        return await self._proof(consistency_ranges(old_size, size))

    async def _proof(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        parts: list[Subtree] = [part for start, end in ranges for part in complete_subtrees(start, end)]
        found = await TileReader(self._database, self._tiles).hashes(parts)
        return proof(ranges, found.__getitem__)


def _filtered(statement: _Selection, question: AuditQuestion) -> _Selection:
    row = AuditRecordRow
    for column, wanted in (
        (row.act, question.act),
        (row.actor, question.actor),
        (row.object, question.object),
        (row.outcome, question.outcome),
    ):
        if wanted is not None and wanted.endswith("*"):
            statement = statement.where(column.startswith(wanted[:-1], autoescape=True))
        elif wanted is not None:
            statement = statement.where(column == wanted)
    if question.since is not None:
        statement = statement.where(row.at >= question.since)
    if question.until is not None:
        statement = statement.where(row.at < question.until)
    if question.before is not None:
        statement = statement.where(row.sequence < question.before)
    return statement


def _stored(row: Row[Any]) -> StoredRecord:
    columns = {"event": row.event_id, "act": row.act, "actor": row.actor, "object": row.object, "outcome": row.outcome}
    return StoredRecord(
        sequence=row.sequence,
        body=bytes(row.body),
        leaf_hash=bytes(row.leaf_hash),
        columns=columns | {"at": instant(row.at)},
    )
