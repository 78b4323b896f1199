"""Consumers whose last occupancy ended longer ago than their class is kept: who they were goes.

Their occupancies are deleted. A consumer's own row goes as well, unless something still refers to its number (an
account, a consent, an erasure): then it stays without name and address.
"""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.runtime import Database, metadata

__all__ = ["departed_consumers", "forget_consumers"]

CONSUMERS = "registry_consumer"
OCCUPANCIES = "registry_occupancy"
CHUNK = 500


async def departed_consumers(database: Database, before: datetime, spared_points: Collection[str]) -> list[int]:
    """Consumers all of whose occupancies ended before an instant, none of them at a usage point that is spared."""
    row = metadata.tables[OCCUPANCIES].c
    spared = sa.func.sum(sa.case((row.usage_point_id.in_(spared_points), 1), else_=0))
    statement = (
        sa.select(row.consumer_id)
        .group_by(row.consumer_id)
        .having(sa.func.count() == sa.func.count(row.ends_at), sa.func.max(row.ends_at) < before, spared == 0)
        .order_by(row.consumer_id)
    )
    async with database.read() as connection:
        return list((await connection.scalars(statement)).all())


async def forget_consumers(connection: AsyncConnection, consumers: Collection[int]) -> int:
    """Forget them, in a transaction; gives how many rows of occupancies and consumers went or were emptied."""
    numbers = sorted(consumers)
    gone = 0
    for start in range(0, len(numbers), CHUNK):
        gone += await _forget(connection, numbers[start : start + CHUNK])
    return gone


async def _forget(connection: AsyncConnection, numbers: list[int]) -> int:
    occupancies, people = metadata.tables[OCCUPANCIES], metadata.tables[CONSUMERS]
    gone = (await connection.execute(sa.delete(occupancies).where(occupancies.c.consumer_id.in_(numbers)))).rowcount
    named = await _named_elsewhere(connection, numbers)
    empty = sa.update(people).where(people.c.id.in_(named)).values(name="", email="")
    gone += (await connection.execute(empty)).rowcount
    gone += (await connection.execute(sa.delete(people).where(people.c.id.in_(set(numbers) - named)))).rowcount
    return gone


async def _named_elsewhere(connection: AsyncConnection, numbers: list[int]) -> set[int]:
    """Those of the consumers that another table tells of."""
    found: set[int] = set()
    for name, table in metadata.tables.items():
        if name != OCCUPANCIES and "consumer_id" in table.c:
            column = table.c.consumer_id
            found.update((await connection.scalars(sa.select(column).where(column.in_(numbers)).distinct())).all())
    return found
