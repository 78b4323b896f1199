"""Legal holds: data of a metering point, or all data, stays until the hold is released, whatever its limit says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from meterworks.market.errors import NotFound, RequestMalformed
from meterworks.market.privacy_model import HoldRow
from meterworks.registry import Registry, UsagePointId
from meterworks.runtime import Clock, Database

__all__ = ["Hold", "Holds"]

REASON_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """An order to keep. `usage_point_id` None: everything."""

    id: int
    usage_point_id: str | None
    reason: str
    set_by: str
    set_at: datetime
    released_by: str | None
    released_at: datetime | None


_COLUMNS = tuple(getattr(HoldRow, name) for name in Hold.__dataclass_fields__)


class Holds:
    """Sets and releases holds, and says what they keep."""

    def __init__(self, database: Database, registry: Registry, clock: Clock) -> None:
        self._database = database
        self._registry = registry
        self._clock = clock

    async def set(self, usage_point_id: str | None, reason: str, *, by: str) -> None:
        """Keep the data of a metering point (None: all data). Raises RequestMalformed for a reason nobody can read."""
        reason = reason.strip()
        if not 1 <= len(reason) <= REASON_LENGTH_MAX or not reason.isprintable():
            raise RequestMalformed(f"a reason has 1 to {REASON_LENGTH_MAX} printable characters", parameter="reason")
        values = {"usage_point_id": usage_point_id, "reason": reason, "set_by": by, "set_at": self._clock.now()}
        async with self._database.transaction() as connection:
            await connection.execute(sa.insert(HoldRow).values(**values))

    async def release(self, number: int, *, by: str) -> None:
        """End a hold. Raises NotFound when there is none of this number that stands."""
        statement = sa.update(HoldRow).where(HoldRow.id == number, HoldRow.released_at.is_(None))
        async with self._database.transaction() as connection:
            result = await connection.execute(statement.values(released_by=by, released_at=self._clock.now()))
            if result.rowcount == 0:
                raise NotFound(f"there is no hold {number} that stands", id=number)

    async def standing(self) -> Sequence[Hold]:
        """The holds that keep something now."""
        statement = sa.select(*_COLUMNS).where(HoldRow.released_at.is_(None)).order_by(HoldRow.id)
        async with self._database.read() as connection:
            rows = await connection.execute(statement)
            return [Hold(**dict(zip(Hold.__dataclass_fields__, row, strict=True))) for row in rows]

    async def held_points(self) -> frozenset[str] | None:
        """The metering points whose data stays; None: all of them."""
        points = [hold.usage_point_id for hold in await self.standing()]
        return None if None in points else frozenset(point for point in points if point is not None)

    async def held_devices(self, points: frozenset[str]) -> frozenset[int]:
        """All devices that ever stood at the points: their whole history stays."""
        found: set[int] = set()
        for point in points:
            entries = await self._registry.installations(usage_point_id=UsagePointId(point))
            found.update(int(entry.device_id) for entry in entries)
        return frozenset(found)
