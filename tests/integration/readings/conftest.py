"""A warehouse, a database and an in-process bus for the readings tests, and a maker of messages."""

import asyncio
import json
import uuid
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from meterworks.readings import (
    ReadingsProgress,
    ReadingStore,
    RecentDay,
    RejectedSet,
    Writer,
    WriterSettings,
    ensure_reading_streams,
)
from meterworks.runtime import Database, ManualClock, MemoryBus, WarehouseSettings
from meterworks.runtime.warehouse import Warehouse

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
_SCHEMA = pa.schema([("channel", pa.int32()), ("ts", pa.timestamp("s")), ("value", pa.int64()), ("flags", pa.int32())])


class System:
    """What a writer stands on, and the sender's side of it."""

    def __init__(self, folder):
        self.folder = folder
        self.warehouse = self.open_warehouse()
        self.database = Database(f"sqlite:///{folder}/db.sqlite3")
        self.clock = ManualClock(NOW)
        self.bus = MemoryBus(self.clock)
        self.store = ReadingStore(warehouse=self.warehouse, database=self.database)

    def open_warehouse(self):
        """The same warehouse as another process sees it."""
        return Warehouse(
            WarehouseSettings(
                location=str(self.folder / "files"), catalog_url=f"sqlite:///{self.folder}/catalog.sqlite3", shards=2
            )
        )

    def writer(self, **changes):
        """A fresh writer, as after a restart."""
        settings = WriterSettings(**{"quiet_s": 0.02, "retry_min_s": 0.01, **changes})
        return Writer(
            bus=self.bus, warehouse=self.warehouse, database=self.database, clock=self.clock, settings=settings
        )

    async def drain(self, writer=None, **changes):
        """Recover and commit all that waits; gives the writer."""
        writer = writer or self.writer(**changes)
        await writer.recover()
        while await writer.step():
            pass
        return writer

    async def send(self, device, rows, *, received=NOW, source="pull", set_id=None, about=None):
        """Publish a set of rows (channel, ts epoch s, value, flags); gives its id."""
        await ensure_reading_streams(self.bus)
        set_id = set_id or uuid.uuid4().hex
        columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
        batch = pa.record_batch(
            [
                pa.array(columns[0].astype(np.int32)),
                pa.array(columns[1]).view(pa.timestamp("s")),
                pa.array(columns[2]),
                pa.array(columns[3].astype(np.int32)),
            ],
            schema=_SCHEMA,
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, _SCHEMA) as stream:
            stream.write_batch(batch)
        headers = {
            "schema": "reading-set",
            "version": "1",
            "device": str(device),
            "profile": "load_import",
            "set_id": set_id,
            "range_start": str(min((row[1] for row in rows), default=0)),
            "range_end": str(max((row[1] for row in rows), default=0) + 1800),
            "received_at": str(received.timestamp()),
            "source": source,
        }
        await self.bus.publish(
            f"readings.set.{device % 2}",
            sink.getvalue().to_pybytes(),
            headers={**headers, **(about or {})},
            message_id=set_id,
        )
        return set_id

    def rows(self):
        """All rows of the warehouse: device, channel, ts epoch s, value, quality, flags, version."""
        found = self.warehouse.query(
            "SELECT device, channel, epoch(ts)::BIGINT AS ts, value, quality, flags, version FROM readings ORDER BY ALL"
        )
        return [tuple(row.values()) for row in found.to_pylist()]

    async def notices(self):
        """All notices to senders so far."""
        messages = await self.bus.fetch("COMMITTED", after_sequence=0, batch_max=1000, timeout_s=0.01)
        return [json.loads(message.data) for message in messages]

    async def confirmed(self):
        """Ids of the sets whose senders were told, as often as they were."""
        return [one["set_id"] for notice in await self.notices() for one in notice["sets"]]

    async def until(self, holds):
        """Wait until an asynchronous condition holds; the test's timeout bounds it."""
        async with asyncio.timeout(60):
            while not await holds():  # noqa: ASYNC110  # what is waited for lies in files and in another task
                await asyncio.sleep(0.02)

    async def close(self):
        """Close what holds files."""
        await self.bus.close()
        await self.database.close()
        self.warehouse.close()


@pytest.fixture
async def system(tmp_path):
    """An empty system at noon of 10 March 2026."""
    made = System(tmp_path)
    await made.database.create_tables(*(model.__table__ for model in (ReadingsProgress, RecentDay, RejectedSet)))
    yield made
    await made.close()
