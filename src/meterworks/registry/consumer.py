"""Consumers, and the usage points they occupy from when until when.

A usage point has one consumer at any instant (a household is one), so a new occupant never sees the time before.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.registry.dated import DatedFact
from meterworks.registry.errors import UnknownRecordError
from meterworks.registry.exclusive import at_point, end_open, make_room
from meterworks.registry.part import RegistryPart, chunks, lock_usage_points
from meterworks.registry.tables import ConsumerRow, OccupancyRow
from meterworks.registry.value import (
    ConsumerId,
    Page,
    UsagePointId,
    checked_limit,
    checked_number,
    checked_text,
    number_cursor,
    page_of,
)
from meterworks.runtime import insert_many

__all__ = ["Consumer", "Consumers", "Occupancy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy(DatedFact):
    """A consumer at a usage point."""

    consumer_id: ConsumerId
    usage_point_id: UsagePointId


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A person or household that uses energy."""

    id: ConsumerId
    name: str
    email: str


class Consumers(RegistryPart):
    """Adding consumers and letting them occupy usage points."""

    async def add_consumer(self, name: str, email: str = "") -> ConsumerId:
        """Add a consumer."""
        values = {"name": checked_text("name", name), "email": checked_text("email", email, empty=True)}
        async with self._database.transaction() as connection:
            statement = sa.insert(ConsumerRow).values(**values).returning(ConsumerRow.id)
            return ConsumerId((await connection.execute(statement)).scalar_one())

    async def change_consumer(
        self, consumer_id: ConsumerId, *, name: str | None = None, email: str | None = None
    ) -> Consumer:
        """Correct a consumer's name or e-mail address; None leaves it. Raises UnknownRecordError."""
        values: dict[str, str] = {}
        if name is not None:
            values["name"] = checked_text("name", name)
        if email is not None:
            values["email"] = checked_text("email", email, empty=True)
        if values:
            statement = sa.update(ConsumerRow).where(ConsumerRow.id == checked_number(consumer_id))
            async with self._database.transaction() as connection:
                await connection.execute(statement.values(**values))
        return await self.consumer(consumer_id)

    async def consumer(self, consumer_id: ConsumerId) -> Consumer:
        """Give a consumer. Raises UnknownRecordError."""
        statement = sa.select(ConsumerRow.id, ConsumerRow.name, ConsumerRow.email)
        async with self._database.read() as connection:
            found = await connection.execute(statement.where(ConsumerRow.id == checked_number(consumer_id)))
            row = found.one_or_none()
        if row is None:
            raise UnknownRecordError(f"there is no consumer {consumer_id}", kind="consumer", id=consumer_id)
        return Consumer(id=ConsumerId(row.id), name=row.name, email=row.email)

    async def consumers(self, *, after: str | None = None, limit: int = 100) -> Page[Consumer]:
        """Give a page of consumers in order of number."""
        row, limit = ConsumerRow, checked_limit(limit)
        statement = sa.select(row.id, row.name, row.email).where(row.id > number_cursor(after)).order_by(row.id)
        async with self._database.read() as connection:
            found = (await connection.execute(statement.limit(limit + 1))).all()
        consumers = [Consumer(id=ConsumerId(number), name=name, email=email) for number, name, email in found]
        return page_of(consumers, limit, (consumer.id for consumer in consumers))

    async def occupy(self, occupancies: Sequence[Occupancy], *, replacing: bool = False) -> None:
        """Let consumers occupy usage points. All or none.

        replacing: an occupancy that would go on is ended where the new one starts (a move). Raises OverlapError,
        UnknownRecordError.
        """
        async with self._database.transaction() as connection:
            await _refuse_unknown_consumers(connection, {entry.consumer_id for entry in occupancies})
            await lock_usage_points(connection, [entry.usage_point_id for entry in occupancies])
            facts = [((entry.usage_point_id,), entry) for entry in occupancies]
            await make_room(connection, OccupancyRow, (OccupancyRow.usage_point_id,), facts, replacing=replacing)
            await insert_many(connection, OccupancyRow, [asdict(entry) for entry in occupancies])

    async def end_occupancy(self, usage_point_id: UsagePointId, at: datetime) -> None:
        """End the occupancy of a usage point that goes on until further notice. Raises UnknownRecordError."""
        condition = OccupancyRow.usage_point_id == usage_point_id
        async with self._database.transaction() as connection:
            await lock_usage_points(connection, [usage_point_id])
            await end_open(connection, OccupancyRow, condition, at, f"consumer at {usage_point_id}")

    async def occupancies(
        self, *, usage_point_id: UsagePointId | None = None, consumer_id: ConsumerId | None = None
    ) -> tuple[Occupancy, ...]:
        """Give the occupancies of a usage point, of a consumer, or of both, by usage point and time."""
        row = OccupancyRow
        conditions = [*at_point(row.usage_point_id, usage_point_id)]
        if consumer_id is not None:
            conditions.append(row.consumer_id == checked_number(consumer_id))
        columns = (row.starts_at, row.ends_at, row.consumer_id, row.usage_point_id)
        statement = sa.select(*columns).where(*conditions).order_by(row.usage_point_id, row.starts_at)
        async with self._database.read() as connection:
            found = (await connection.execute(statement)).all()
        return tuple(
            Occupancy(
                starts_at=starts_at,
                ends_at=ends_at,
                consumer_id=ConsumerId(consumer),
                usage_point_id=UsagePointId(point),
            )
            for starts_at, ends_at, consumer, point in found
        )


async def _refuse_unknown_consumers(connection: AsyncConnection, wanted: set[ConsumerId]) -> None:
    known: set[int] = set()
    for chunk in chunks(number for number in wanted if checked_number(number)):
        known.update(await connection.scalars(sa.select(ConsumerRow.id).where(ConsumerRow.id.in_(chunk))))
    for number in sorted(wanted - known):
        raise UnknownRecordError(f"there is no consumer {number}: add it first", kind="consumer", id=number)
