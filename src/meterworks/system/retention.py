"""Retention and erasure put together on the stores of a system: in the writer's process, and for the command line."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from meterworks.errors import MeterworksError
from meterworks.market import Deletion, ErasureReport, Erasures, Holds, Retention, deletion_history
from meterworks.readings import OriginBook
from meterworks.registry import Registry
from meterworks.runtime import Clock, Database, SystemClock, get_logger, load_clock
from meterworks.runtime.warehouse import Warehouse
from meterworks.system.configuration import Layout
from meterworks.system.origin import forget_gone
from meterworks.system.trail import started_database, tell
from meterworks.trust import KeyStore
from meterworks.trust.audit import AuditEvent, AuditSink

__all__ = ["Keeper", "keep_limits", "keyless_registry", "open_keeper"]

log = get_logger("system.retention")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Retention, erasures and holds of one system."""

    database: Database
    registry: Registry
    clock: Clock
    holds: Holds
    retention: Retention
    erasures: Erasures

    async def run(self) -> tuple[Sequence[ErasureReport], Sequence[Deletion]]:
        """Carry out what was approved, then take away what is past its limit."""
        return await self.erasures.carry_out_approved(), await self.retention.run()

    async def gone(self) -> tuple[object, ...]:
        """What differs when data have gone since, whoever took them away: this process or a command."""
        newest = await deletion_history(self.database, 1)
        done = [wish.done_at for wish in await self.erasures.wishes.of() if wish.done_at is not None]
        return (*newest, len(done), max(done, default=None))


class _Ground(Protocol):
    """What a keeper stands on."""

    @property
    def layout(self) -> Layout: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...
    @property
    def audit(self) -> AuditSink: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _CommandGround:
    layout: Layout
    clock: Clock
    database: Database
    audit: AuditSink


def keyless_registry(database: Database, clock: Clock) -> Registry:
    """A registry that can open no device's key: its master key was never used before and is forgotten after."""
    return Registry(database, KeyStore(secrets.token_bytes(32)), clock=clock)


def _keeper(ground: _Ground, warehouse: Warehouse) -> Keeper:
    database, clock, audit = ground.database, ground.clock, ground.audit
    registry = keyless_registry(database, clock)
    holds = Holds(database, registry, clock)
    retention = Retention(
        database=database,
        warehouse=warehouse,
        clock=clock,
        holds=holds,
        audit=audit,
        settings=ground.layout.configuration.retention,
        logs=ground.layout.logs,
    )
    erasures = Erasures(
        database=database, registry=registry, warehouse=warehouse, clock=clock, retention=retention, audit=audit
    )
    return Keeper(
        database=database, registry=registry, clock=clock, holds=holds, retention=retention, erasures=erasures
    )


async def keep_limits(ground: _Ground, warehouse: Warehouse, origins: OriginBook | None = None) -> None:
    """Run once a period until cancelled; what fails is tried again at the next.

    origins: where it is kept whence readings came; what it says of readings that are gone goes with them.
    """
    settings = ground.layout.configuration.retention
    if not settings.enabled:
        log.warning("retention is off: nothing past its limit goes by itself")
        return
    keeper = _keeper(ground, warehouse)
    await ground.clock.sleep(settings.first_s)
    tidied: object = None
    while True:
        try:
            await keeper.run()
            gone = await keeper.gone()
            if origins is not None and gone != tidied:
                await asyncio.to_thread(forget_gone, origins, warehouse)
                tidied = gone
        except MeterworksError as error:
            log.warning("retention put off until the next run", reason=str(error))
        await asyncio.sleep(1.0)  # however fast the system's clock runs, the machine gets its breath
        await ground.clock.sleep(settings.period_s)


class _CommandActs:
    """Acts of the person at this machine."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._told: set[asyncio.Task[None]] = set()

    async def append(self, event: AuditEvent) -> None:
        """Record the act before it is done."""
        await tell(self._layout, event.act, facts=event.facts, cause=event.cause, about=event.object)

    def post(self, event: AuditEvent) -> None:
        """Record it soon."""
        task = asyncio.ensure_future(self.append(event))
        self._told.add(task)
        task.add_done_callback(self._told.discard)

    async def settle(self) -> None:
        """Wait until all is recorded."""
        await asyncio.gather(*self._told)


@contextlib.asynccontextmanager
async def open_keeper(layout: Layout) -> AsyncIterator[Keeper]:
    """Open the stores for a command. Raises ConfigurationError where no system was started on the data folder yet.

    A running writer and this may commit to the warehouse at once: whoever comes second is refused and tries again.
    """
    database, acts = started_database(layout), _CommandActs(layout)
    warehouse = await asyncio.to_thread(Warehouse, layout.warehouse)
    clock = SystemClock(load_clock(layout.clock))
    ground = _CommandGround(layout=layout, clock=clock, database=database, audit=acts)
    try:
        yield _keeper(ground, warehouse)
    finally:
        await acts.settle()
        warehouse.close()
        await database.close()
