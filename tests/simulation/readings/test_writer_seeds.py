"""One seed is one life of the writer: sets, repeats, corrections, deaths after any step, merges, a lost bus.

Everything but the processes is real: warehouse, database and writer; the bus is the one in memory. A checker that
stands apart applies the three rules of trimming to the sets in order of first arrival, one by one, and must find the
same rows. FRESH_SEEDS (numbers) are run beside the fixed ones; a failure names its seed.
"""

import json
import os
import random
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from meterworks.readings import (
    ReadingsProgress,
    ReadingStore,
    RecentDay,
    RejectedSet,
    Writer,
    WriterSettings,
    compare_recent_days,
    ensure_reading_streams,
)
from meterworks.readings import writer as writer_module
from meterworks.runtime import Database, ManualClock, MemoryBus, WarehouseSettings
from meterworks.runtime.warehouse import Warehouse

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MIDNIGHT = int(NOW.timestamp()) - 12 * 3600
RECENT_FROM = MIDNIGHT // 86_400 - 100
FIXED_SEEDS = (11, 12, 13, 14, 15, 16)
FRESH_SEEDS = tuple(int(seed) for seed in os.environ.get("FRESH_SEEDS", "").split())
STEPS_OF_A_LIFE = 25
INTERVALS, REGISTERS = (12, 22), (14, 16)
MERGED, OCTET = 1024, 0xFF


class Dead(BaseException):
    """Stands for a killed process."""


class Checker:
    """The rules, slowly: versions of each reading as the sets arrive."""

    def __init__(self):
        self.versions = {}

    def arrive(self, device, rows):
        merged = {}
        for channel, ts, value, flags in rows:
            key = (device, channel, ts)
            if key in merged:
                old_value, old_flags = merged[key]
                value = old_value + value if channel in INTERVALS else value
                flags |= old_flags | MERGED
            merged[key] = (value, flags)
        for key, (value, flags) in merged.items():
            known = self.versions.setdefault(key, [])
            same = [seen for told, seen in known if told == value and seen & OCTET == flags & OCTET]
            if not any(flags & ~OCTET & ~seen == 0 for seen in same):
                for seen in same:
                    flags |= seen & ~OCTET
                known.append((value, flags))

    def rows(self):
        return Counter(
            (*key, value, flags, number)
            for key, versions in self.versions.items()
            for number, (value, flags) in enumerate(versions, start=1)
        )

    def latest(self, device, channel):
        return [
            (ts, versions[-1][0])
            for (of, on, ts), versions in sorted(self.versions.items())
            if (of, on) == (device, channel)
        ]


class Simulation:
    """A writer that dies and is started again, and a sender that repeats itself."""

    def __init__(self, seed, folder):
        self.chance = random.Random(seed)
        self.checker = Checker()
        self.sent = {}
        self.clock = ManualClock(NOW)
        self.bus = MemoryBus(self.clock)
        self.warehouse = Warehouse(
            WarehouseSettings(
                location=str(folder / "files"),
                catalog_url=f"sqlite:///{folder}/catalog.sqlite3",
                shards=2,
                snapshots_keep=3,
                orphan_keep_s=0.0,
            )
        )
        self.database = Database(f"sqlite:///{folder}/db.sqlite3")
        self.writer = None

    async def start(self):
        await self.database.create_tables(*(model.__table__ for model in (ReadingsProgress, RecentDay, RejectedSet)))
        await ensure_reading_streams(self.bus)

    async def publish(self, set_id):
        device, rows = self.sent[set_id]
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
            "schema": "reading-set", "version": "1", "device": str(device), "profile": "p", "set_id": set_id,
            "range_start": "0", "range_end": "0", "received_at": str(NOW.timestamp()), "source": "pull",
        }  # fmt: skip
        await self.bus.publish("readings.set.1", sink.getvalue().to_pybytes(), headers=headers)

    async def send_new(self):
        set_id, device = uuid.UUID(int=self.chance.getrandbits(128)).hex, self.chance.randint(1, 3)
        start = MIDNIGHT - 86_400 * self.chance.choice((0, 1, 60, 120)) + 1800 * self.chance.randint(0, 20)
        rows = [
            (channel, start + 1800 * slot, self.chance.randint(0, 1), self.chance.choice((0, 0, 0, 128, 256)))
            for channel in self.chance.sample((*INTERVALS, *REGISTERS), 2)
            for slot in range(self.chance.randint(1, 12))
        ]
        if self.chance.random() < 0.3:
            rows.insert(self.chance.randint(0, len(rows)), self.chance.choice(rows))
        self.sent[set_id] = (device, rows)
        self.checker.arrive(device, rows)
        await self.publish(set_id)

    async def repeat(self):
        if self.sent:
            await self.publish(self.chance.choice(list(self.sent)))

    async def send_rubbish(self):
        await self.bus.publish("readings.set.0", self.chance.randbytes(20), headers={"set_id": "rubbish"})

    async def work(self):
        if self.writer is None:
            self.writer = Writer(
                bus=self.bus,
                warehouse=self.warehouse,
                database=self.database,
                clock=self.clock,
                settings=WriterSettings(
                    quiet_s=0.005,
                    batch_rows_max=self.chance.choice((5, 50, 5000)),
                    fetch_messages_max=self.chance.choice((1, 3, 100)),
                    upkeep_idle_s=self.chance.choice((0.0, 60.0)),
                ),
            )
            await self.writer.recover()
        await self.writer.step()

    async def die(self):
        """Work, but be killed before or after one of the steps that change something."""
        name = self.chance.choice(("append", "store_rows", "save_progress", "_confirm", "trim", "compact"))
        after = self.chance.random() < 0.5
        await self.work()
        await self.send_new()
        writer = self.writer
        owner = {
            "append": self.warehouse, "compact": self.warehouse, "trim": self.bus, "_confirm": writer,
        }.get(name, writer_module)  # fmt: skip
        real = getattr(owner, name)

        async def deadly(*arguments, **keywords):
            if after:
                await real(*arguments, **keywords)
            raise Dead

        def deadly_at_once(*arguments, **keywords):
            if after:
                real(*arguments, **keywords)
            raise Dead

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(owner, name, deadly_at_once if owner is self.warehouse else deadly)
            try:
                await writer.step()
            except Dead:
                pass
        self.writer = None

    async def lose_bus(self):
        """The bus's store is gone; the sender sends again what nobody confirmed."""
        told = await self.confirmed()
        await self.bus.close()
        self.bus = MemoryBus(self.clock)
        self.writer = None
        await ensure_reading_streams(self.bus)
        for set_id in self.sent:
            if set_id not in told:
                await self.publish(set_id)

    async def confirmed(self):
        messages = await self.bus.fetch("COMMITTED", after_sequence=0, batch_max=10_000, timeout_s=0.005)
        return {one["set_id"] for message in messages for one in json.loads(message.data)["sets"]}

    async def finish(self):
        for _ in range(200):
            await self.work()
            if not await self.bus.fetch("READINGS", after_sequence=0, timeout_s=0.005):
                return
        pytest.fail("the stream never ran dry")

    def rows(self):
        found = self.warehouse.query(
            "SELECT device, channel, epoch(ts)::BIGINT AS ts, value, flags, version FROM readings"
        )
        return Counter(tuple(row.values()) for row in found.to_pylist())

    async def close(self):
        await self.bus.close()
        await self.database.close()
        self.warehouse.close()


@pytest.fixture
async def simulation(tmp_path, seed):
    """A system of the seed, empty."""
    made = Simulation(seed, tmp_path)
    await made.start()
    yield made
    await made.close()


@pytest.mark.parametrize("seed", [*FIXED_SEEDS, *FRESH_SEEDS])
async def test_rows_are_those_of_the_rules_whatever_dies(simulation, seed):
    deeds = {
        simulation.send_new: 10,
        simulation.repeat: 4,
        simulation.work: 6,
        simulation.die: 5,
        simulation.send_rubbish: 1,
        simulation.lose_bus: 1,
    }
    for _ in range(STEPS_OF_A_LIFE):
        (deed,) = simulation.chance.choices(list(deeds), weights=list(deeds.values()))
        await deed()
    await simulation.finish()
    assert simulation.rows() == simulation.checker.rows(), f"seed {seed}"
    assert await compare_recent_days(simulation.warehouse, simulation.database, from_day=RECENT_FROM) == []
    store = ReadingStore(warehouse=simulation.warehouse, database=simulation.database)
    for device in (1, 2, 3):
        for channel in (*INTERVALS, *REGISTERS):
            got = await store.by_device(device, [channel], NOW - timedelta(days=300), NOW + timedelta(days=3))
            stamps = [int(ts.replace(tzinfo=UTC).timestamp()) for ts in got["ts"].to_pylist()]
            told = list(zip(stamps, got["value"].to_pylist(), strict=True))
            assert told == simulation.checker.latest(device, channel), f"seed {seed}"
