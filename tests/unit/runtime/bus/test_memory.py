"""MemoryBus: what a test's own clock shows of a stream's limits. The common promises are in the integration tests."""

import asyncio

import pytest

from meterworks.errors import UnreachableError
from meterworks.runtime import ManualClock, MemoryBus


@pytest.fixture
async def bus():
    """A bus on a hand-driven clock, with a stream `LOG`."""
    bus = MemoryBus(ManualClock())
    await bus.ensure_stream("LOG", ["log.>"], max_age_s=100, duplicate_window_s=10)
    yield bus
    await bus.close()


async def test_messages_beyond_their_age_are_gone(bus):
    await bus.publish("log.a", b"old")
    bus._clock.advance(60)
    await bus.publish("log.a", b"young")
    bus._clock.advance(60)
    assert [message.data for message in await bus.fetch("LOG", timeout_s=0)] == [b"young"]


async def test_a_message_id_is_forgotten_after_the_window(bus):
    assert await bus.publish("log.a", b"x", message_id="1") == 1
    bus._clock.advance(9)
    assert await bus.publish("log.a", b"x", message_id="1") == 1
    bus._clock.advance(2)
    assert await bus.publish("log.a", b"x", message_id="1") == 2


async def test_a_closed_bus_is_unreachable(bus):
    await bus.close()
    with pytest.raises(UnreachableError):
        await bus.publish("log.a", b"x")
    with pytest.raises(UnreachableError):
        await bus.fetch("LOG")


async def test_a_handler_that_unsubscribes_itself_ends_quietly(bus):
    seen, heard = asyncio.Event(), []

    async def handle(message) -> None:
        heard.append(message.data)
        seen.set()
        await subscription.unsubscribe()

    subscription = await bus.subscribe("x", handle)
    await bus.send("x", b"1")
    await asyncio.wait_for(seen.wait(), 1)
    await bus.send("x", b"2")
    await asyncio.sleep(0)
    assert heard == [b"1"]
