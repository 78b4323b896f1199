"""A process of a system: it opens what it stands on, says that it is ready, and ends on SIGTERM.

A process says that it is ready by answering on `process.<name>`: whoever waits for it asks there.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import uvloop

from meterworks.errors import UnreachableError
from meterworks.registry import Registry
from meterworks.runtime import Bus, Clock, Database, SystemClock, configure_logging, connect_bus, get_logger, load_clock
from meterworks.system.configuration import Layout
from meterworks.system.errors import PrivilegeError
from meterworks.system.privilege import PRIVILEGES, Store
from meterworks.system.seal import seal_rule
from meterworks.system.serving.renewal import renewing
from meterworks.system.stop import stop_requested
from meterworks.system.vault import Secrets, open_keystore, open_vault
from meterworks.trust import KeyStore, KeyVault, harden_process
from meterworks.trust.audit import AuditEvent, AuditSink, BusAuditSink, Outcome
from meterworks.trust.tls import TlsFiles

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


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a process of a system stands on. What its row of the table gives it no right to, it does not get.

    name: the process, and its identity. secrets: what the supervisor handed it; None where a person started it.
    """

    name: str
    layout: Layout
    clock: Clock
    bus: Bus
    audit: AuditSink
    secrets: Secrets | None = None
    opened: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack, repr=False)

    @property
    def tls(self) -> TlsFiles:
        """The process's own certificate and key, and whom it trusts. The files are replaced before they expire."""
        return self.layout.tls(self.name)

    @cached_property
    def database(self) -> Database:
        """The database of record. Raises PrivilegeError."""
        self._require(Store.DATABASE)
        database = Database(self.layout.database(self.name))
        self.opened.push_async_callback(database.close)
        return database

    @cached_property
    def keystore(self) -> KeyStore:
        """What opens the keys of devices. Raises PrivilegeError."""
        self._require(Store.DEVICE_KEYS)
        return open_keystore(self.layout)

    @cached_property
    def vault(self) -> KeyVault:
        """The process's own vault of private keys; opening a vault of files takes a tenth of a second.

        Raises PrivilegeError where it has none.
        """
        vault = PRIVILEGES[self.name].vault
        if vault is None:
            raise PrivilegeError(f"the process {self.name} has no vault: see meterworks.system.privilege")
        return open_vault(self.layout, vault, self.secrets)

    @property
    def registry(self) -> Registry:
        """The registry on this ground's database."""
        return Registry(self.database, self.keystore, clock=self.clock, seals=lambda: seal_rule(self.layout))

    def _require(self, store: Store) -> None:
        if not PRIVILEGES[self.name].may_open(store):
            raise PrivilegeError(
                f"the process {self.name} may not open the {store.value}: see meterworks.system.privilege",
                store=store.value,
            )


@contextlib.asynccontextmanager
async def open_ground(
    name: str, layout: Layout, *, behind: Collection[str] = (), secrets: Secrets | None = None
) -> AsyncIterator[Ground]:
    """Connect to the bus and wait for those that are to be ready first; all that was opened is closed at the end."""
    async with contextlib.AsyncExitStack() as stack:
        bus = await connect_bus(layout.bus(name))
        stack.push_async_callback(bus.close)
        await _wait_behind(bus, behind)
        clock = SystemClock(load_clock(layout.clock))
        settings = layout.configuration.audit
        sink = BusAuditSink(bus, source=name, clock=clock, spool=layout.spool(name), settings=settings)
        sink.start()
        stack.push_async_callback(sink.close)
        yield Ground(name=name, layout=layout, clock=clock, bus=bus, audit=sink, secrets=secrets, opened=stack)


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
    secrets: Secrets | None = None,
) -> None:
    """Run one process: `serve` gets the ground and the event that asks it to end. `behind`: who must be ready first.

    secrets: what the supervisor handed over, see `Ground`.
    """
    harden_process()
    configure_logging(name, layout.logs, layout.configuration.system.log_level)

    async def whole() -> None:
        async with open_ground(name, layout, behind=behind, secrets=secrets) as ground:
            stopping = stop_requested()  # until here there is nothing to clean up: a signal just ends the process
            log.info("process started", process=name)
            with _told(ground):
                async with renewing(layout, name, ground.audit):
                    await serve(ground, stopping)
            log.info("process stopped", process=name)

    uvloop.run(whole())


@contextlib.contextmanager
def _told(ground: Ground) -> Iterator[None]:
    """Tell the trail that the process begins, and how it ends."""
    name = f"process:{ground.name}"
    ground.audit.post(AuditEvent(act="process.started", actor=name, object=name))
    try:
        yield
    except Exception as error:
        cause = type(error).__name__  # its text may hold what no record should
        ground.audit.post(
            AuditEvent(act="process.failed", actor=name, object=name, outcome=Outcome.FAILURE, cause=cause)
        )
        raise
    ground.audit.post(AuditEvent(act="process.stopped", actor=name, object=name))


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
