"""The stores of a system, opened from its data folder without its processes: for commands that only look things up."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from meterworks.readings import InstalledDevice, ReadingStore
from meterworks.registry import Registry, UsagePointId
from meterworks.runtime import Clock, Database, SystemClock, load_clock
from meterworks.runtime.warehouse import Warehouse
from meterworks.system.configuration import Layout
from meterworks.system.errors import ConfigurationError
from meterworks.system.seal import seal_rule
from meterworks.trust import KeyStore

__all__ = ["Records", "open_records"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Registry and readings of one system."""

    clock: Clock
    registry: Registry
    readings: ReadingStore

    async def installed_at(self, point: UsagePointId, from_: datetime, to: datetime) -> Sequence[InstalledDevice]:
        """The devices that stood at a usage point in [from_, to), as the readings' stitching wants them."""
        rows = await self.registry.installations(usage_point_id=point, from_=from_, to=to)
        return [
            InstalledDevice(
                device_id=row.device_id,
                from_=row.starts_at,
                to=row.ends_at,
                multiplier=Fraction(row.multiplier_numerator, row.multiplier_denominator),
            )
            for row in rows
        ]


@contextlib.asynccontextmanager
async def open_records(layout: Layout) -> AsyncIterator[Records]:
    """Open the stores. Raises ConfigurationError where no system has been started on the data folder yet."""
    if not layout.configuration.database.url and not layout.data.joinpath("db").exists():
        raise ConfigurationError(
            f"there is no system in {layout.data} yet: start one with `meterworks up`, or name --data"
        )
    database = Database(layout.database("command"))
    clock = SystemClock(load_clock(layout.clock))
    try:
        yield Records(
            clock=clock,
            registry=Registry(
                database,
                KeyStore.open(layout.master_key, may_create=False),
                clock=clock,
                seals=lambda: seal_rule(layout),
            ),
            readings=ReadingStore(warehouse=Warehouse(layout.warehouse), database=database),
        )
    finally:
        await database.close()
