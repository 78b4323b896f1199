"""The stores of a system, opened from its data folder without its processes: for commands that only look things up."""

import asyncio
import contextlib
import getpass
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from meterworks.errors import MeterworksError
from meterworks.readings import InstalledDevice, ReadingStore
from meterworks.registry import (
    Registry,
    ShipmentFormat,
    ShipmentNotice,
    ShipmentResult,
    UsagePointId,
    shipment_accepted,
    shipment_refused,
)
from meterworks.runtime import Clock, Database, SystemClock, load_clock
from meterworks.runtime.warehouse import Warehouse
from meterworks.system.configuration import Layout
from meterworks.system.errors import ConfigurationError
from meterworks.system.seal import admit_sealed, seal_rule
from meterworks.system.trail import tell_event
from meterworks.trust import KeyStore
from meterworks.trust.pki import LEDGER_FILE, Ledger, Provisioning

__all__ = ["Records", "import_shipment", "open_records"]


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


async def import_shipment(
    layout: Layout, data: bytes, format_: ShipmentFormat, *, transport_key: bytes
) -> ShipmentResult:
    """Import a shipment as a person at this machine, whether the system runs or not.

    It is recorded, and a sealed one's devices may enrol from then on. Raises as `Registry.import_shipment`;
    EnrolmentRefused where a device of it is known with other keys, or a key is another device's: nothing was imported.
    """
    actor = f"person:{getpass.getuser()}"

    async def before(notice: ShipmentNotice) -> None:
        await tell_event(layout, shipment_accepted(notice, actor=actor))
        if notice.seal:
            await asyncio.to_thread(_admit, layout, notice.seal)

    async with open_records(layout) as records:
        try:
            return await records.registry.import_shipment(data, format_, transport_key=transport_key, before=before)
        except MeterworksError as error:
            await tell_event(layout, shipment_refused(data, error, actor=actor))
            raise


def _admit(layout: Layout, seal: bytes) -> None:
    with contextlib.closing(Ledger(layout.pki / LEDGER_FILE)) as ledger:
        admit_sealed(seal, seal_rule(layout), Provisioning(ledger))
