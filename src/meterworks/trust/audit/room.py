"""Room in the trail's database: which records may go, and taking them out. Their hashes stay in the tiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select

from meterworks.runtime import Database
from meterworks.trust.audit.act import ACTS
from meterworks.trust.audit.event import Fact
from meterworks.trust.audit.model import AuditRecordRow
from meterworks.trust.audit.tile import TILE_HASHES

__all__ = ["Loss", "delete_records", "oldest_place", "oldest_that_may_go"]

LOSSES_MAX = 4  # tiles that are cleared at a time
_MAY_GO = tuple(name for name, row in ACTS.items() if not row.keeps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Records of one tile that go. first: the tile's first place."""

    first: int
    places: Sequence[int]

    def facts(self) -> Mapping[str, Fact]:
        """As the record of the loss tells it: a bit for each place of the tile, the first one lowest."""
        bits = sum(1 << (place - self.first) for place in self.places)
        return {"first": self.first, "count": len(self.places), "dropped": f"{bits:x}"}


async def oldest_place(database: Database) -> int:
    """The first record that is there."""
    async with database.read() as connection:
        return await connection.scalar(select(func.min(AuditRecordRow.sequence))) or 0


async def oldest_that_may_go(database: Database, end: int) -> list[Loss]:
    """The oldest records before a place whose acts do not keep, by tile, of a few tiles."""
    row = AuditRecordRow
    statement = select(row.sequence).where(row.act.in_(_MAY_GO), row.sequence < end).order_by(row.sequence)
    async with database.read() as connection:
        places = (await connection.execute(statement.limit(LOSSES_MAX * TILE_HASHES))).scalars().all()
    tiles: dict[int, list[int]] = {}
    for place in places:
        tiles.setdefault(place // TILE_HASHES * TILE_HASHES, []).append(place)
    return [Loss(first=first, places=tiles[first]) for first in list(tiles)[:LOSSES_MAX]]


async def delete_records(database: Database, first: int, end: int, places: Sequence[int] | None = None) -> int:
    """Take records from `first` up to `end` out, or those of the places named; gives how many went."""
    row = AuditRecordRow
    statement = delete(row).where(row.sequence >= first, row.sequence < end)
    if places is not None:
        statement = statement.where(row.sequence.in_(places))
    async with database.transaction() as connection:
        return (await connection.execute(statement)).rowcount
