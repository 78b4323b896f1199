"""NatsBus when its server is killed, stopped, wiped or frozen: nothing acknowledged is lost, nothing is kept twice."""

import asyncio
import os
import random
import shutil
import signal

import pytest

from meterworks.errors import UnreachableError
from meterworks.runtime import BusSettings, NatsServer, NatsServerSettings, connect_bus


@pytest.fixture
async def bus(nats_server):
    """A patient bus with the stream `LOG`."""
    bus = await connect_bus(BusSettings(url=nats_server.url, patience_s=30.0))
    await bus.ensure_stream("LOG", ["log.>"])
    yield bus
    await bus.close()


async def ended(process_id: int) -> None:
    """Wait until the supervisor has noticed the death."""
    while os.path.exists(f"/proc/{process_id}"):  # noqa: ASYNC110, ASYNC240, PTH110  # the event is in another process
        await asyncio.sleep(0.005)


async def kill(server: NatsServer) -> None:
    process_id = server.process_id
    if process_id is not None:
        os.kill(process_id, signal.SIGKILL)
        await ended(process_id)


async def read_all(bus) -> list:
    messages, position = [], 0
    while batch := await bus.fetch("LOG", after_sequence=position, timeout_s=0):
        messages += batch
        position = batch[-1].sequence
    return messages


async def test_publishing_goes_on_over_kills_and_each_message_is_kept_once(nats_server, bus):
    async def publish(number: int) -> int:
        return await bus.publish("log.a", b"%d" % number, message_id=f"m{number}")

    async def publish_all() -> list[int]:
        sequences = []
        for start in range(0, 2_000, 100):
            sequences += await asyncio.gather(*(publish(number) for number in range(start, start + 100)))
        return sequences

    chance = random.Random(2)
    publisher = asyncio.create_task(publish_all())
    for _ in range(3):
        await asyncio.sleep(chance.uniform(0.02, 0.2))
        await kill(nats_server)
    sequences = await publisher
    messages = await read_all(bus)
    assert sorted(sequences) == list(range(1, 2_001))
    assert sorted(int(message.data) for message in messages) == list(range(2_000))
    assert [message.sequence for message in messages] == list(range(1, 2_001))


async def test_a_reader_goes_on_over_kills_in_order_and_without_gaps(nats_server, bus):
    await asyncio.gather(*(bus.publish("log.a", bytes(20_000)) for _ in range(1_000)))
    sequences: list[int] = []

    async def read() -> None:
        while len(sequences) < 1_000:
            position = sequences[-1] if sequences else 0
            batch = await bus.fetch("LOG", after_sequence=position, batch_max=40, timeout_s=5)
            sequences.extend(message.sequence for message in batch)

    reader = asyncio.create_task(read())
    for _ in range(3):
        await asyncio.sleep(0.05)
        await kill(nats_server)
    await reader
    assert sequences == list(range(1, 1_001))


async def test_a_reader_that_waits_is_woken_by_a_message_after_the_kill(nats_server, bus):
    await bus.publish("log.a", b"first")
    reader = asyncio.create_task(bus.fetch("LOG", after_sequence=1, timeout_s=30))
    await asyncio.sleep(0.05)
    await kill(nats_server)
    await bus.publish("log.a", b"second")
    assert [message.data for message in await reader] == [b"second"]


async def test_subscribers_and_responders_come_back(nats_server, bus):
    got: asyncio.Queue = asyncio.Queue()
    await bus.subscribe("news", got.put)

    async def echo(data: bytes) -> bytes:
        return data

    await bus.respond("echo", echo)
    await kill(nats_server)
    await bus.publish("log.a", b"waits until the server is back")
    await bus.send("news", b"again")
    assert (await asyncio.wait_for(got.get(), 5)).data == b"again"
    assert await bus.request("echo", b"x", timeout_s=5) == b"x"


async def test_values_are_there_after_a_kill(nats_server, bus):
    await bus.put_many("last", {str(number): b"%d" % number for number in range(100)})
    await kill(nats_server)
    assert await bus.get_many("last", ["7", "99"]) == {"7": b"7", "99": b"99"}


async def test_a_request_under_way_is_told_at_once_that_the_link_broke(nats_server, bus):
    asked = asyncio.Event()

    async def never(_data: bytes) -> bytes:
        asked.set()
        await asyncio.Event().wait()
        return b""

    await bus.respond("never", never)
    request = asyncio.create_task(bus.request("never", b"x", timeout_s=60))
    await asked.wait()
    await kill(nats_server)
    async with asyncio.timeout(5):
        with pytest.raises(UnreachableError, match="never"):
            await request


async def test_a_server_that_lost_its_store_gets_its_streams_again_and_readers_start_over(tmp_path):
    settings = NatsServerSettings(folder=tmp_path / "nats", port=0)
    server = NatsServer(settings)
    await server.start()
    bus = await connect_bus(server.url)
    await bus.ensure_stream("LOG", ["log.>"])
    await bus.put("last", "17", b"old")
    for _ in range(5):
        await bus.publish("log.a", b"old")
    assert len(await bus.fetch("LOG", timeout_s=0)) == 5
    await server.stop()
    shutil.rmtree(tmp_path / "nats" / "jetstream")
    await server.start()
    assert await bus.publish("log.a", b"new") == 1
    (message,) = await bus.fetch("LOG", after_sequence=5)
    assert (message.sequence, message.data) == (1, b"new")
    assert await bus.get("last", "17") is None
    await bus.close()
    await server.stop()


async def test_a_bus_away_for_longer_than_its_patience_is_unreachable_and_works_when_it_is_back(tmp_path):
    server = NatsServer(NatsServerSettings(folder=tmp_path / "nats", port=0))
    await server.start()
    bus = await connect_bus(BusSettings(url=server.url, patience_s=0.5))
    await bus.ensure_stream("LOG", ["log.>"])
    await server.stop()
    for call in (bus.publish("log.a", b"x"), bus.fetch("LOG"), bus.put("last", "1", b"x"), bus.trim("LOG", 5)):
        with pytest.raises(UnreachableError):
            await call
    with pytest.raises(UnreachableError):
        await bus.request("x", b"x", timeout_s=0.2)
    await server.start()
    async with asyncio.timeout(20):
        while True:
            try:
                await bus.publish("log.a", b"back", message_id="1")
                break
            except UnreachableError:
                continue
    assert [message.data for message in await bus.fetch("LOG")] == [b"back"]
    await bus.close()
    await server.stop()


async def test_closing_while_calls_wait_ends_them(nats_server, bus):
    reader = asyncio.create_task(bus.fetch("LOG", timeout_s=60))
    await asyncio.sleep(0.02)
    await bus.close()
    async with asyncio.timeout(5):
        with pytest.raises(UnreachableError):
            await reader
