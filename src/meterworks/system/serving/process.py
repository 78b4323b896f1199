"""A process of a system: it opens what it stands on, says that it is ready, and ends on SIGTERM.

A process says that it is ready by answering on `process.<name>`: whoever waits for it asks there.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass

import uvloop

from meterworks.errors import UnreachableError
from meterworks.registry import Registry
from meterworks.runtime import Bus, Clock, Database, SystemClock, configure_logging, connect_bus, get_logger, load_clock
from meterworks.system.configuration import Layout
from meterworks.system.stop import stop_requested
from meterworks.trust import KeyStore, harden_process

__all__ = [
    "STORES",
    "Ground",
    "answering_as_ready",
    "open_ground",
    "ready_subject",
    "run_until_stopped",
    "until_stopped",
    "wait_until_ready",
]

log = get_logger("system.process")
READY_POLL_S = 0.05
BEHIND_S_MAX = 30.0  # how long a process waits for others that are to be ready before it
STORES = "stores"  # answers as ready when database, neighbourhood and keys are there


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What every process of a system stands on."""

    layout: Layout
    clock: Clock
    bus: Bus
    database: Database
    keystore: KeyStore

    @property
    def registry(self) -> Registry:
        """The registry on this ground's database."""
        return Registry(self.database, self.keystore, clock=self.clock)


@contextlib.asynccontextmanager
async def open_ground(layout: Layout, *, behind: Collection[str] = ()) -> AsyncIterator[Ground]:
    """Connect to the bus, wait for those that are to be ready first, open the database; all is closed at the end."""
    async with contextlib.AsyncExitStack() as stack:
        bus = await connect_bus(layout.bus)
        stack.push_async_callback(bus.close)
        await _wait_behind(bus, behind)
        database = Database(layout.database)
        stack.push_async_callback(database.close)
        yield Ground(
            layout=layout,
            clock=SystemClock(load_clock(layout.clock)),
            bus=bus,
            database=database,
            keystore=KeyStore.open(layout.master_key, may_create=False),
        )


async def _wait_behind(bus: Bus, names: Collection[str]) -> None:
    """Wait for the stores as long as it takes, for other processes a while: each must be able to come back alone."""
    if STORES in names:
        await wait_until_ready(bus, STORES)
    try:
        async with asyncio.timeout(BEHIND_S_MAX):
            await asyncio.gather(*(wait_until_ready(bus, name) for name in names))
    except TimeoutError:
        log.warning("starting before others are ready", waited_s=BEHIND_S_MAX, others=sorted(names))


def ready_subject(name: str) -> str:
    """Where a process of this name answers once it serves."""
    return f"process.{name}"


async def wait_until_ready(bus: Bus, name: str) -> None:
    """Return when the process serves; the caller sets the limit."""
    while True:
        try:
            await bus.request(ready_subject(name), b"", timeout_s=1.0)
        except UnreachableError:
            await asyncio.sleep(READY_POLL_S)
        else:
            return


@contextlib.asynccontextmanager
async def answering_as_ready(bus: Bus, name: str) -> AsyncIterator[None]:
    """Answer on the process's ready subject while inside."""

    async def answer(_question: bytes) -> bytes:
        return b"ready"

    subscription = await bus.respond(ready_subject(name), answer)
    try:
        yield
    finally:
        await subscription.unsubscribe()


def run_until_stopped(
    name: str,
    layout: Layout,
    serve: Callable[[Ground, asyncio.Event], Awaitable[None]],
    *,
    behind: Collection[str] = (),
) -> None:
    """Run one process: `serve` gets the ground and the event that asks it to end. `behind`: who must be ready first."""
    harden_process()
    configure_logging(name, layout.logs, layout.configuration.system.log_level)

    async def whole() -> None:
        async with open_ground(layout, behind=behind) as ground:
            stopping = stop_requested()  # until here there is nothing to clean up: a signal just ends the process
            log.info("process started", process=name)
            await serve(ground, stopping)
            log.info("process stopped", process=name)

    uvloop.run(whole())


async def until_stopped(stopping: asyncio.Event, work: Awaitable[None], stop: Callable[[], None]) -> None:
    """Run the work until it ends by itself or is asked to."""
    running = asyncio.ensure_future(work)
    asked = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
        stop()
        await running
    finally:
        asked.cancel()
        running.cancel()
        await asyncio.gather(asked, running, return_exceptions=True)
