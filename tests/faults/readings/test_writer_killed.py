"""`kill -9` of the writer and of the bus's server while sets stream in: the table ends as if nothing had happened.

A sender does what a head-end does: it publishes sets, some of them corrections of earlier ones, and sends again what
nobody confirmed. The judge is the same sets taken once, in order, by a writer that is left in peace on a bus in memory.
FRESH_SEEDS (numbers) are run beside the fixed ones; a test's id names its seed.
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from meterworks.readings import (
    ReadingsProgress,
    RecentDay,
    RejectedSet,
    Writer,
    WriterSettings,
    compare_recent_days,
    ensure_reading_streams,
)
from meterworks.runtime import (
    BusSettings,
    Database,
    ManualClock,
    MemoryBus,
    NatsServer,
    NatsServerSettings,
    WarehouseSettings,
    connect_bus,
)
from meterworks.runtime.warehouse import Warehouse

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MIDNIGHT = int(NOW.timestamp()) - 12 * 3600
RECENT_FROM = MIDNIGHT // 86_400 - 100
FRESH_SEEDS = tuple(int(seed) for seed in os.environ.get("FRESH_SEEDS", "").split())
PROCESS = Path(__file__).with_name("writer_process.py")
STEPS = [
    ("append", "before"),
    ("append", "after"),
    ("store_rows", "after"),
    ("_confirm", "before"),
    ("_confirm", "after"),
    ("save_progress", "after"),
    ("trim", "before"),
    ("trim", "after"),
]


def planned_sets(seed, count=60):
    """Sets (id, device, rows): overlapping ranges, corrections, rows of equal time; the same for the same seed."""
    chance = random.Random(seed)
    sets = []
    for number in range(count):
        device = chance.randint(1, 4)
        first = MIDNIGHT - 86_400 * chance.choice((0, 0, 1, 40, 150)) + 1800 * chance.randint(0, 30)
        correction = chance.random() < 0.15
        rows = [
            (12, first + 1800 * slot, 100 * device + slot + (1000 if correction else 0), 256 if correction else 0)
            for slot in range(chance.randint(1, 40))
        ]
        if chance.random() < 0.2:
            rows.append(rows[-1])  # one interval in two parts
        sets.append((f"{seed}-{number}", device, rows))
    return sets


def message_of(set_id, device, rows):
    columns = list(zip(*rows, strict=True))
    table = pa.table(
        {
            "channel": pa.array(columns[0], pa.int32()),
            "ts": pa.array(columns[1], pa.int64()).cast(pa.timestamp("s")),
            "value": pa.array(columns[2], pa.int64()),
            "flags": pa.array(columns[3], pa.int32()),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    headers = {
        "schema": "reading-set", "version": "1", "device": str(device), "profile": "load_import", "set_id": set_id,
        "range_start": str(rows[0][1]), "range_end": str(rows[-1][1] + 1800),
        "received_at": str(NOW.timestamp()), "source": "pull",
    }  # fmt: skip
    return f"readings.set.{device % 2}", sink.getvalue().to_pybytes(), headers


async def publish(bus, one, *, again=""):
    subject, data, headers = message_of(*one)
    await bus.publish(subject, data, headers=headers, message_id=one[0] + again)


async def confirmed(bus):
    found, position = set(), 0
    while messages := await bus.fetch("COMMITTED", after_sequence=position, timeout_s=0.05):
        position = messages[-1].sequence
        found |= {one["set_id"] for message in messages for one in json.loads(message.data)["sets"]}
    return found


class Store:
    """Warehouse and database in a folder."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.warehouse = Warehouse(
            WarehouseSettings(
                location=str(folder / "files"), catalog_url=f"sqlite:///{folder}/catalog.sqlite3", shards=2
            )
        )
        self.database = Database(f"sqlite:///{folder}/db.sqlite3")

    async def create(self):
        await self.database.create_tables(*(model.__table__ for model in (ReadingsProgress, RecentDay, RejectedSet)))
        return self

    def multiset(self):
        found = self.warehouse.query("SELECT device, channel, ts, value, quality, flags, version FROM readings")
        return Counter(tuple(row.values()) for row in found.to_pylist())

    async def differing_days(self):
        return await compare_recent_days(self.warehouse, self.database, from_day=RECENT_FROM)

    async def close(self):
        await self.database.close()
        self.warehouse.close()


@pytest.fixture
async def in_peace(tmp_path):
    """What the table holds after the sets were taken once, in order, without a death."""

    async def run(sets):
        store = await Store(tmp_path / "peace").create()
        bus = MemoryBus()
        writer = Writer(
            bus=bus,
            warehouse=store.warehouse,
            database=store.database,
            clock=ManualClock(NOW),
            settings=WriterSettings(quiet_s=0.02),
        )
        await writer.recover()
        for one in sets:
            await publish(bus, one)
        while await writer.step():
            pass
        table = store.multiset()
        await bus.close()
        await store.close()
        return table

    return run


@pytest.fixture
async def store(tmp_path):
    made = await Store(tmp_path / "store").create()
    yield made
    await made.close()


class Lives:
    """The writer process, started again whenever it was killed."""

    def __init__(self, folder, url):
        self._arguments = [str(PROCESS), str(folder), url]
        self.process = None

    async def begin(self, *death):
        self.process = await asyncio.create_subprocess_exec(sys.executable, *self._arguments, *death)
        return self.process

    async def kill(self):
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()


async def send_until_confirmed(bus, sets):
    """What a head-end does: send again what nobody confirmed for a while."""
    async with asyncio.timeout(60):
        for attempt in range(100):
            missing = [one for one in sets if one[0] not in await confirmed(bus)]
            if not missing:
                return
            if attempt and attempt % 20 == 0:
                for one in missing:
                    await publish(bus, one, again=f"-{attempt}")
            await asyncio.sleep(0.1)
    pytest.fail("some sets were never confirmed")


async def test_a_death_at_each_step_in_turn_leaves_no_trace(tmp_path, store, in_peace):
    sets = planned_sets(seed=1, count=90)
    expected = await in_peace(sets)
    async with NatsServer(NatsServerSettings(folder=tmp_path / "nats", port=0)) as server:
        bus = await connect_bus(BusSettings(url=server.url))
        await ensure_reading_streams(bus)
        lives = Lives(store.folder, server.url)
        try:
            for place, (step, when) in enumerate(STEPS):
                for one in sets[place * 10 : place * 10 + 10]:
                    await publish(bus, one)
                process = await lives.begin(step, when)
                assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL, (step, when)
            for one in sets[len(STEPS) * 10 :]:
                await publish(bus, one)
            await lives.begin()
            await send_until_confirmed(bus, sets)
        finally:
            await lives.kill()
            await bus.close()
    assert store.multiset() == expected
    assert await store.differing_days() == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, *FRESH_SEEDS])
async def test_deaths_of_writer_and_bus_server_at_random_moments_leave_no_trace(tmp_path, store, in_peace, seed):
    chance = random.Random(seed)
    sets = planned_sets(seed)
    expected = await in_peace(sets)
    server = NatsServer(NatsServerSettings(folder=tmp_path / "nats", port=0))
    await server.start()
    bus = await connect_bus(BusSettings(url=server.url))
    await ensure_reading_streams(bus)
    lives = Lives(store.folder, server.url)

    async def send_all():
        for one in sets:
            await publish(bus, one)
            await asyncio.sleep(chance.uniform(0.0, 0.15))

    sending = asyncio.create_task(send_all())
    try:
        for life in range(5):
            await lives.begin()
            await asyncio.sleep(chance.uniform(0.9, 2.2))
            if life % 2:
                os.kill(server.process_id, signal.SIGKILL)  # its supervisor starts it again
                await asyncio.sleep(chance.uniform(0.1, 1.0))
            await lives.kill()
        await sending
        await lives.begin()
        await send_until_confirmed(bus, sets)
    finally:
        sending.cancel()
        await lives.kill()
        await bus.close()
        await server.stop()
    assert store.multiset() == expected
    assert await store.differing_days() == []


async def test_a_lost_bus_store_costs_nothing_but_reading_again(tmp_path, store, in_peace):
    sets = planned_sets(seed=4, count=40)
    expected = await in_peace(sets)
    for life, (folder, known) in enumerate((("nats", sets[:25]), ("nats-anew", sets))):
        async with NatsServer(NatsServerSettings(folder=tmp_path / folder, port=0)) as server:
            bus = await connect_bus(BusSettings(url=server.url))
            await ensure_reading_streams(bus)
            lives = Lives(store.folder, server.url)
            try:
                for one in known:
                    await publish(bus, one, again=f"-life{life}")
                await lives.begin()
                await send_until_confirmed(bus, known)
            finally:
                await lives.kill()
                await bus.close()
    assert store.multiset() == expected
    assert await store.differing_days() == []
