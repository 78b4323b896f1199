"""A head-end among fake meters on real sockets, on an in-process bus, with a writer that confirms."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from tests.integration.headend.field import DAY, Directory, FakeMeter, FakeWriter, device_record

from meterworks.headend import HeadEnd, HeadendSettings
from meterworks.headend.slots import Lane
from meterworks.links import start_meter_server
from meterworks.readings import ensure_reading_streams
from meterworks.runtime import Database, ManualClock, MemoryBus, SystemClock

SETTINGS = {
    "push_port": 0,
    "flush_s": 0.05,
    "connect_timeout_s": 3.0,
    "answer_timeout_s": 3.0,
    "clock_guard_s": 0.0,
    "counter_block": 64,
}


@dataclass
class Field:
    """Meters, bus, writer, database, and head-ends started and stopped on them."""

    database: Database
    bus: MemoryBus
    writer: FakeWriter
    clock: object
    server: object = None
    meters: dict = field(default_factory=dict)
    directory: Directory = field(default_factory=Directory)
    tasks: list = field(default_factory=list)
    head_end: HeadEnd | None = None
    _running: asyncio.Task | None = None

    def add_meter(self, device_id, *, days=3, record=None, **changes):
        """A meter installed some days ago, answering on its own loopback address."""
        starts = int(self.clock.epoch_s()) // DAY * DAY - days * DAY
        self.meters[device_id] = FakeMeter(device_id, self.clock, starts, **changes)
        host = f"127.16.{device_id // 250}.{device_id % 250 + 1}"
        self.directory.records[device_id] = device_record(
            device_id, host, self.server.port, starts=starts, **(record or {})
        )
        return self.meters[device_id]

    def resolve(self, host, port):
        _, _, high, low = host.split(".")
        return self.meters.get(int(high) * 250 + int(low) - 1)

    async def start(self, **changes):
        """Start a head-end and wait until it collects."""
        settings = HeadendSettings(**{**SETTINGS, **changes})
        self.head_end = HeadEnd(
            bus=self.bus, database=self.database, directory=self.directory, clock=self.clock, settings=settings
        )
        self._running = asyncio.create_task(self.head_end.run())
        ready = asyncio.create_task(self.head_end.ready.wait())
        await asyncio.wait((self._running, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._running.done():
            self._running.result()
        return self.head_end

    async def stop(self):
        """Stop it cleanly."""
        self.head_end.stop()
        await self._running

    async def kill(self):
        """End it at once, as a crash would: nothing is written down any more."""

        async def nothing(**_):
            return False

        self.head_end.book.flush = nothing
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running

    async def pass_time(self, seconds, *, step_s=30.0):
        """Move a manual clock on in steps, giving sockets real time in between."""
        while seconds > 0:
            self.clock.advance(min(step_s, seconds))
            seconds -= step_s
            await self.settle()

    async def settle(self):
        """Until no session is open and none can start."""
        for _ in range(400):
            await asyncio.sleep(0.005)
            slots = self.head_end.slots
            if not slots.open_sessions and not slots.waiting(Lane.SCHEDULED) and not slots.waiting(Lane.ON_DEMAND):
                return

    async def flushed(self):
        """Write the book down now, as the next flush would."""
        await self.head_end._flush()

    def memory(self, device_id):
        return self.head_end.book.memory(device_id)

    def missing(self, *profiles):
        table = self.head_end.table
        return sum(table.totals(profile).missing_s + table.totals(profile).sent_s for profile in profiles)

    async def close(self):
        if self._running is not None and not self._running.done():
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.server.close()
        await self.bus.close()
        await self.database.close()


async def make_field(folder, clock):
    database = Database(f"sqlite+aiosqlite:///{folder}/db.sqlite3")
    await database.create_tables()
    bus = MemoryBus()
    writer = FakeWriter(bus)
    made = Field(database=database, bus=bus, writer=writer, clock=clock)
    made.server = await start_meter_server(made.resolve, port=0)
    await ensure_reading_streams(bus)
    made.tasks.append(asyncio.create_task(writer.run()))
    return made


@pytest.fixture
async def meters_field(tmp_path):
    """On the machine's clock."""
    made = await make_field(tmp_path, SystemClock())
    yield made
    await made.close()


@pytest.fixture
async def still_field(tmp_path):
    """On a clock that only the test moves, standing ten minutes into a half-hour."""
    made = await make_field(tmp_path, ManualClock(datetime(2026, 3, 10, 9, 10, tzinfo=UTC)))
    yield made
    await made.close()
