"""Facts that exclude one another at a usage point: one supplier, one network operator, one consumer at any instant."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from meterworks.registry.dated import DatedFact, Span
from meterworks.registry.errors import OverlapError, UnknownRecordError
from meterworks.registry.part import chunks
from meterworks.registry.tables import OccupancyRow, RegistrationRow
from meterworks.registry.value import UsagePointId, checked_time, storable

__all__ = ["at_point", "end_open", "make_room"]

_DatedTable = type[RegistrationRow] | type[OccupancyRow]
_Subject = tuple[str, ...]


def at_point(
    column: InstrumentedAttribute[str], usage_point_id: UsagePointId | None
) -> Iterator[sa.ColumnElement[bool]]:
    """Condition on the usage point, when one is named."""
    if usage_point_id is not None:
        yield column.in_(storable([usage_point_id]))


async def make_room(
    connection: AsyncConnection,
    table: _DatedTable,
    subject_columns: Sequence[InstrumentedAttribute[str]],
    facts: Sequence[tuple[_Subject, DatedFact]],
    *,
    replacing: bool,
) -> None:
    """Refuse facts that overlap what holds, or end what holds where they start."""
    held: dict[_Subject, list[tuple[int | None, Span]]] = {}
    for chunk in chunks({subject[0] for subject, _ in facts}):
        statement = sa.select(*subject_columns, table.id, table.starts_at, table.ends_at)
        for row in await connection.execute(statement.where(table.usage_point_id.in_(chunk))):
            *held_subject, number, starts_at, ends_at = row
            span = Span(starts_at=starts_at, ends_at=ends_at)
            held.setdefault(tuple(held_subject), []).append((number, span))
    for subject, fact in facts:
        entries = held.setdefault(subject, [])
        for position, (number, span) in enumerate(entries):
            if not span.overlaps(fact.span):
                continue
            if not (replacing and number is not None and span.ends_at is None and span.starts_at < fact.starts_at):
                raise OverlapError(f"{' '.join(subject)} is taken from {span}: nothing was changed", subject=subject)
            await connection.execute(sa.update(table).where(table.id == number).values(ends_at=fact.starts_at))
            entries[position] = (number, Span(starts_at=span.starts_at, ends_at=fact.starts_at))
        entries.append((None, fact.span))


async def end_open(
    connection: AsyncConnection, table: _DatedTable, condition: sa.ColumnElement[bool], at: datetime, what: str
) -> None:
    """End the fact that goes on until further notice. Raises UnknownRecordError when none does."""
    ends_at = checked_time("the end", at)
    open_since = sa.and_(condition, table.ends_at.is_(None), table.starts_at < ends_at)
    if (await connection.execute(sa.update(table).where(open_since).values(ends_at=ends_at))).rowcount == 0:
        raise UnknownRecordError(
            f"there is no {what} that goes on at {ends_at.isoformat()}", kind="dated fact", id=what
        )
