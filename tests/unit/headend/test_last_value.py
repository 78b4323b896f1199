"""Last values: newest wins, in the bucket too, and nothing grows without bound."""

import asyncio
import json

import pytest
from tests.integration.headend.field import until

from meterworks.errors import UnreachableError
from meterworks.headend import last_value
from meterworks.headend.last_value import LAST_BUCKET, LastValueWriter
from meterworks.runtime import MemoryBus


@pytest.fixture
async def bus():
    made = MemoryBus()
    yield made
    await made.close()


async def stored(bus, device_id):
    return json.loads(await bus.get(LAST_BUCKET, str(device_id)) or b"null")


async def test_values_of_several_reads_come_together(bus):
    writer = LastValueWriter(bus)
    writer.add(1, {16: (10.0, 5)})
    writer.add(1, {26: (11.0, 6)})
    await writer.flush()
    assert await stored(bus, 1) == {"16": [10.0, 5], "26": [11.0, 6]}


async def test_an_older_value_never_replaces_a_newer_one(bus):
    writer = LastValueWriter(bus)
    writer.add(1, {16: (10.0, 5)})
    writer.add(1, {16: (9.0, 4)})
    await writer.flush()
    writer.add(1, {16: (8.0, 3), 26: (8.0, 1)})
    await writer.flush()
    assert await stored(bus, 1) == {"16": [10.0, 5], "26": [8.0, 1]}
    await bus.put(LAST_BUCKET, "2", b"rubbish")
    writer.add(2, {16: (1.0, 1)})
    await writer.flush()
    assert await stored(bus, 2) == {"16": [1.0, 1]}


async def test_many_devices_are_written_in_batches(bus, monkeypatch):
    batches, put_many = [], bus.put_many

    async def counting(bucket, values):
        batches.append(len(values))
        await put_many(bucket, values)

    monkeypatch.setattr(bus, "put_many", counting)
    writer = LastValueWriter(bus)
    for device_id in range(2500):
        writer.add(device_id, {16: (1.0, device_id)})
    await writer.flush()
    assert batches == [1000, 1000, 500]
    assert await stored(bus, 2499) == {"16": [1.0, 2499]}


async def test_a_bus_that_is_away_keeps_values_waiting(bus, monkeypatch):
    put_many, fails = bus.put_many, []

    async def fails_once(bucket, values):
        if not fails:
            fails.append(1)
            raise UnreachableError("away")
        await put_many(bucket, values)

    monkeypatch.setattr(bus, "put_many", fails_once)
    monkeypatch.setattr(last_value, "PAUSE_S", 0.01)
    writer = LastValueWriter(bus)
    task = asyncio.create_task(writer.run())
    writer.add(1, {16: (1.0, 1)})
    await until(lambda: fails, what="the failure")
    writer.add(2, {16: (2.0, 2)})
    await until(lambda: not writer._waiting, what="both values to be written")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await stored(bus, 2) == {"16": [2.0, 2]}


async def test_no_more_devices_wait_than_may(bus, monkeypatch):
    monkeypatch.setattr(last_value, "DEVICES_WAITING_MAX", 3)
    writer = LastValueWriter(bus)
    for device_id in range(5):
        writer.add(device_id, {16: (1.0, 1)})
    await writer.flush()
    assert [await stored(bus, device_id) is not None for device_id in range(5)] == [False, False, True, True, True]
