"""Days of a small fleet under seeded trouble, in seconds: production code, with clock, network and writer replaced.

Every twenty minutes chance may take a meter off the air, move its clock, kill the head-end, stop the writer, or lose a
set on its way. When the trouble is over everything must heal. The checkers know nothing of the inside: they look
at what the writer was given, and at the counters the meters saw.
"""

import asyncio
import random
from dataclasses import dataclass

import pytest
from tests.integration.headend.field import (
    DAY,
    STEP,
    Directory,
    FakeMeter,
    FakeWriter,
    device_record,
    expected_intervals,
)

from meterworks.headend import HeadEnd, HeadendSettings
from meterworks.headend.slots import Lane
from meterworks.links import ConnectFailed, ConnectionLost, Traffic
from meterworks.protocols.dlms import DataAccessResult
from meterworks.protocols.errors import ServiceRefused
from meterworks.readings import ensure_reading_streams
from meterworks.runtime import Database, ManualClock, MemoryBus

START = 1_772_323_200 + 600.0  # 1 March 2026, ten minutes past midnight
DEVICES = (1, 2, 3, 4)
PROFILES = ("load_import", "load_export")
DAYS = 1
TICK_S = 1200.0
STRIDE_S = 120.0
SETTINGS = {
    "push_port": 0,
    "flush_s": 20.0,
    "unconfirmed_s_max": 600.0,
    "unconfirmed_stale_s_max": 3600.0,
    "set_rows_max": 500,
    "directory_refresh_s": 0.2,
    "counter_block": 32,
}


class ShortLink:
    """A client that calls the meter's functions directly: no socket, no cipher, but counters are spent."""

    def __init__(self, world, meter, client_sap, counter):
        self.world, self.meter, self.sap, self.counter = world, meter, client_sap, counter
        self.traffic = Traffic()
        self.timeout_s = 1.0

    async def _exchange(self):
        await asyncio.sleep(0)
        if self.meter.device_id in self.world.silent or self.world.chance.random() < self.world.loss:
            raise ConnectionLost("the line went dead")
        if self.sap != 16:
            spent = self.counter.next()
            assert self.meter.accept_invocation_counter(b"", spent), "an invocation counter was used twice"

    async def associate(self):
        await self._exchange()

    async def release(self):
        await self._exchange()

    async def close(self):
        await asyncio.sleep(0)

    async def get(self, address, selection=None):
        await self._exchange()
        answer = self.meter.get(self.sap, address, None if selection is None else selection.to_bytes())
        if isinstance(answer, DataAccessResult):
            raise ServiceRefused("refused", result=int(answer))
        return answer

    message_digest = "5f" * 32

    async def get_list(self, items):
        await self._exchange()
        return [self.meter.get(self.sap, address, None) for address in items]

    async def set(self, address, value):
        await self._exchange()
        self.meter.set(self.sap, address, value)

    async def action(self, address, parameter=None):
        await self._exchange()
        return self.meter.action(self.sap, address, parameter)[1]


@dataclass
class World:
    """Everything a seed decides about."""

    chance: random.Random
    clock: ManualClock
    database: Database
    bus: MemoryBus
    writer: FakeWriter
    meters: dict
    directory: Directory
    loss: float = 0.02
    silent: set = None
    head_end: HeadEnd = None
    running: asyncio.Task = None
    kills: int = 0

    async def dial(self, device, client_sap, counter):
        if device.device_id in self.silent:
            raise ConnectFailed("nobody answers")
        return ShortLink(self, self.meters[device.device_id], client_sap, counter)

    async def start(self):
        self.head_end = HeadEnd(
            bus=self.bus,
            database=self.database,
            directory=self.directory,
            clock=self.clock,
            settings=HeadendSettings(**SETTINGS),
            dialer=self,
        )
        self.running = asyncio.create_task(self.head_end.run())
        await self.head_end.ready.wait()

    async def kill(self):
        """As kill -9: what was not yet written is gone."""

        async def nothing(**_):
            return False

        self.head_end.book.flush = nothing
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        self.kills += 1

    async def pass_tick(self):
        for _ in range(int(TICK_S // STRIDE_S)):
            self.clock.advance(STRIDE_S)
            await self.settle()

    async def settle(self):
        """Until nothing happens any more without more time."""
        idle = 0
        while idle < 3:
            await asyncio.sleep(0.003)
            slots = self.head_end.slots
            busy = slots.open_sessions or slots.waiting(Lane.SCHEDULED) or self.head_end.outbox.bytes_waiting
            idle = 0 if busy else idle + 1

    async def trouble(self):
        """What happens in the next twenty minutes."""
        chance = self.chance
        for device_id in DEVICES:
            if chance.random() < 0.1:
                self.silent.symmetric_difference_update({device_id})
            if chance.random() < 0.02:
                self.meters[device_id].offset_s += chance.choice((-95.0, -20.0, 30.0, 95.0))
        if chance.random() < 0.1:
            self.writer.paused = not self.writer.paused
        if chance.random() < 0.06:
            await self.kill()
            await self.start()


async def make_world(folder, seed):
    database = Database(f"sqlite+aiosqlite:///{folder}/simulation.sqlite3")
    await database.create_tables()
    bus, clock = MemoryBus(), ManualClock(START)
    await ensure_reading_streams(bus)
    starts = int(START) // DAY * DAY - 3 * DAY
    chance = random.Random(seed)
    writer = FakeWriter(bus)
    writer.loses = lambda _: chance.random() < 0.03
    return World(
        chance=chance,
        clock=clock,
        database=database,
        bus=bus,
        writer=writer,
        meters={device_id: FakeMeter(device_id, clock, starts) for device_id in DEVICES},
        directory=Directory([device_record(each, "h", 1, starts=starts, profiles=PROFILES) for each in DEVICES]),
        silent=set(),
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11])
async def test_all_heals_when_the_trouble_is_over(tmp_path, seed):
    world = await make_world(tmp_path, seed)
    writing = asyncio.create_task(world.writer.run())
    try:
        await world.start()
        for _ in range(int(DAYS * DAY / TICK_S)):
            await world.trouble()
            await world.pass_tick()
        world.silent.clear()
        world.loss, world.writer.paused, world.writer.loses = 0.0, False, lambda _: False
        for _ in range(20):
            await world.pass_tick()
        check_readings(world, seed)
        check_counters(world, seed)
    finally:
        writing.cancel()
        world.running.cancel()
        await asyncio.gather(writing, world.running, return_exceptions=True)
        await world.bus.close()
        await world.database.close()


def check_readings(world, seed):
    """Every interval of every meter is there, with the value the meter measured, and none twice with another."""
    until = world.clock.epoch_s() - 60 - STEP
    for device_id, meter in world.meters.items():
        for channel in (12, 22, 32, 42):
            found = world.writer.channel(device_id, channel)
            expected = expected_intervals(device_id, channel, meter.starts, until)
            lacking = sorted(set(expected) - set(found))
            assert not lacking, f"seed {seed}: device {device_id} channel {channel} lacks {lacking[:5]}"
            wrong = {at: value for at, value in expected.items() if found[at] != value}
            assert not wrong, f"seed {seed}: device {device_id} channel {channel} has other values: {wrong}"
    assert world.writer.conflicts == 0, f"seed {seed}"
    assert world.kills > 0, f"seed {seed} killed nothing: choose another"


def check_counters(world, seed):
    """No invocation counter was used twice, over all lives of the head-end."""
    for meter in world.meters.values():
        assert meter.counters == sorted(set(meter.counters)), f"seed {seed}"
