"""Where meters call in: pushes, sessions over the meter's own connection, and limits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import ENERGY, LONG_VALUE, ExampleDevice

from meterworks.errors import PeerError
from meterworks.links import ConnectionLost, ListenerLimits, NotificationListener, PushReceived, call_head_end
from meterworks.protocols.dlms import CountUp, DataNotification, cut_stream, decode_all, encode_wrapper

PUSH = DataNotification(long_invoke=1, date_time=b"", body=b"\x11\x07").to_bytes()
FRAME = encode_wrapper(1, 103, PUSH)


@asynccontextmanager
async def listening(
    handler: Callable[[PushReceived], Awaitable[None]], **limits: float
) -> AsyncIterator[NotificationListener]:
    listener = NotificationListener(handler, ListenerLimits(**limits))  # type: ignore[arg-type]
    await listener.start("127.0.0.1", 0)
    try:
        yield listener
    finally:
        await listener.close()


async def nobody(push: PushReceived) -> None:
    """Take a push and do nothing."""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is watched has no event of its own
            await asyncio.sleep(0.005)


async def call(listener: NotificationListener) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", listener.port)


async def test_pushes_arrive_whole_in_order_and_with_their_sender() -> None:
    heard: list[PushReceived] = []

    async def hear(push: PushReceived) -> None:
        heard.append(push)

    async with listening(hear) as listener:
        _, writer = await call(listener)
        octets = b"".join(encode_wrapper(1, 103, PUSH[:-1] + bytes((number,))) for number in range(100))
        for start in range(0, len(octets), 37):
            writer.write(octets[start : start + 37])
        await until(lambda: len(heard) == 100)
        assert [push.apdu[-1] for push in heard] == list(range(100))
        assert heard[0].peer_host == "127.0.0.1"
        assert heard[0].peer_port == writer.get_extra_info("sockname")[1]
        assert (heard[0].source, heard[0].destination) == (1, 103)
        writer.close()
        await until(lambda: listener.connections == 0)


async def test_session_over_the_connection_that_the_meter_opened() -> None:
    device = ExampleDevice()
    read: list[object] = []

    async def session(push: PushReceived) -> None:
        assert DataNotification.from_bytes(push.apdu).body == b"\x11\x07"
        async with push.take_over(settings_for(2), counter=CountUp(5), timeout_s=5.0) as client:
            await client.associate()
            read.append(decode_all(await client.get(ENERGY)))
            read.append(len(await client.get(LONG_VALUE)))
            await client.release()

    async with listening(session) as listener:
        meter = await call_head_end(device, "127.0.0.1", listener.port, opening=FRAME)
        await until(lambda: len(read) == 2)
        await until(lambda: listener.connections == 0 and not meter.is_open)
        meter.close()
    assert read == [1_234_567, 262_149]
    assert device.events == []


async def test_connection_that_is_gone_cannot_be_taken_over() -> None:
    refused: list[Exception] = []
    gone = asyncio.Event()

    async def late(push: PushReceived) -> None:
        await gone.wait()
        try:
            push.take_over(settings_for(2), counter=CountUp())
        except ConnectionLost as error:
            refused.append(error)

    async with listening(late) as listener:
        _, writer = await call(listener)
        writer.write(FRAME)
        writer.close()
        await until(lambda: listener.connections == 0)
        gone.set()
        await until(lambda: bool(refused))
        assert listener.failed == 0


async def test_slow_handler_pauses_reading_and_loses_nothing() -> None:
    heard = 0
    go_on = asyncio.Event()

    async def slow(_push: PushReceived) -> None:
        nonlocal heard
        await go_on.wait()
        heard += 1

    async with listening(slow) as listener:
        _, writer = await call(listener)
        writer.write(FRAME * 500)
        await writer.drain()
        await asyncio.sleep(0)
        assert heard == 0
        go_on.set()
        await until(lambda: heard == 500)
        assert listener.connections == 1
        writer.close()


@pytest.mark.parametrize("octets", [b"GET / HTTP/1.1\r\n\r\n", bytes.fromhex("000100010001ffff"), b"\x00" * 8])
async def test_garbage_and_oversize_lengths_cut_the_connection(octets: bytes) -> None:
    async def hear(_push: PushReceived) -> None:
        raise AssertionError("nothing to hear")

    async with listening(hear, apdu_size_max=2_000) as listener:
        reader, writer = await call(listener)
        writer.write(octets)
        with pytest.raises((ConnectionError, EOFError)):
            await reader.readexactly(1)
        assert listener.malformed == 1
        writer.close()


async def test_handler_that_refuses_a_message_ends_its_connection_only() -> None:
    async def refuse(_push: PushReceived) -> None:
        raise PeerError("not a meter of ours")

    async with listening(refuse) as listener:
        _, first = await call(listener)
        _, second = await call(listener)
        first.write(FRAME)
        await until(lambda: listener.failed == 1)
        await until(lambda: listener.connections == 1)
        assert listener.malformed == 0
        first.close()
        second.close()


async def test_idle_and_too_many_callers_are_cut() -> None:
    async def hear(_push: PushReceived) -> None:
        return

    async with listening(hear, connections_per_peer_max=2, idle_s_max=0.2) as listener:
        callers = [await call(listener) for _ in range(3)]
        await until(lambda: listener.dropped == 2 and listener.connections == 0)
        assert listener.refused == 1
        for _, writer in callers:
            writer.close()


async def test_handler_that_hangs_is_ended() -> None:
    async def hang(_push: PushReceived) -> None:
        await asyncio.Event().wait()

    async with listening(hang, handler_s_max=0.1) as listener:
        _, writer = await call(listener)
        writer.write(FRAME)
        await until(lambda: listener.failed == 1)
        await until(lambda: listener.connections == 0)
        assert listener.malformed == 0
        writer.close()


async def test_octets_that_make_no_frame_do_not_keep_a_connection() -> None:
    async with listening(nobody, idle_s_max=0.2) as listener:
        reader, writer = await call(listener)
        writer.write(encode_wrapper(1, 103, bytes(5000))[:8])
        ended = asyncio.ensure_future(reader.read())
        while not ended.done():
            writer.write(b"\0")
            await asyncio.wait([ended], timeout=0.02)
        assert listener.dropped == 1
        writer.close()


async def test_unfinished_frames_of_all_together_are_bounded() -> None:
    async with listening(nobody, unfinished_size_max=1000) as listener:
        calls = [await call(listener) for _ in range(5)]
        for _, writer in calls:
            writer.write(encode_wrapper(1, 103, bytes(5000))[:400])
        await until(lambda: listener.dropped == 3)
        await until(lambda: listener.connections == 2)
        for _, writer in calls:
            writer.close()
        await until(lambda: listener.connections == 0)
        again = await call(listener)
        again[1].write(encode_wrapper(1, 103, bytes(5000))[:900])
        await until(lambda: listener.connections == 1)
        assert listener.dropped == 3
        again[1].close()


async def test_a_notification_in_general_blocks_arrives_as_one() -> None:
    heard: list[bytes] = []

    async def hear(push: PushReceived) -> None:
        heard.append(push.apdu)

    body = b"\x09\x82\x03\xe8" + bytes(range(250)) * 4
    long_push = DataNotification(long_invoke=2, date_time=b"", body=body).to_bytes()
    async with listening(hear) as listener:
        _, writer = await call(listener)
        blocks = [encode_wrapper(1, 103, block) for block in cut_stream(long_push, 200)]
        writer.write(blocks[0] + blocks[1])  # a push that is never finished
        writer.write(b"".join(blocks) + FRAME)
        await until(lambda: len(heard) == 2)
        assert heard == [long_push, PUSH]
        writer.close()


async def test_unfinished_blocks_are_bounded_over_all_connections() -> None:
    async with listening(nobody, unfinished_size_max=1000) as listener:
        _, first = await call(listener)
        _, second = await call(listener)
        block = encode_wrapper(1, 103, cut_stream(bytes(2000), 700)[0])
        first.write(block)
        await until(lambda: listener.connections == 2)
        second.write(block)
        await until(lambda: listener.connections == 1)
        assert listener.dropped == 1
        first.close()
        second.close()
        await until(lambda: listener.connections == 0)
        assert listener.keep(1000)
