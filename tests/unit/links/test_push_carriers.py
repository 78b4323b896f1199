"""Pushes over HDLC and through gateways: what real meters sent, and sessions on the connections that they opened."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.integration.dlms.example_device import ENERGY, ExampleDevice
from tests.unit.links.peer import end

from meterworks.links import DlmsClient, ListenerLimits, NotificationListener, PushReceived
from meterworks.protocols.dlms import (
    ClientSettings,
    CountUp,
    DataNotification,
    GatewayPrefix,
    ServerConnection,
    cut_stream,
    decode_all,
    encode_wrapper,
)
from meterworks.protocols.dlms.hdlc import HDLC, HdlcAddress, HdlcFrame, encode_push

METER, PORT = HdlcAddress(1, 17, 2), HdlcAddress(103)
PUSH = DataNotification(long_invoke=1, date_time=b"", body=b"\x11\x07").to_bytes()
LONG_PUSH = DataNotification(long_invoke=2, date_time=b"", body=b"\x09\x82\x03\xe8" + bytes(1000)).to_bytes()
BEHIND = [GatewayPrefix(1, b"one"), GatewayPrefix(1, b"two")]


class Ear:
    """A listener, and what it heard."""

    def __init__(self, **limits: int) -> None:
        self.heard: asyncio.Queue[PushReceived] = asyncio.Queue()
        self.listener = NotificationListener(self.hear, ListenerLimits(**limits))

    async def hear(self, push: PushReceived) -> None:
        self.heard.put_nowait(push)

    async def next(self) -> PushReceived:
        async with asyncio.timeout(5):
            return await self.heard.get()

    async def call(self, *octets: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port)
        for each in octets:
            writer.write(each)
            await writer.drain()
        return reader, writer


@asynccontextmanager
async def listening(**limits: int) -> AsyncIterator[Ear]:
    ear = Ear(**limits)
    await ear.listener.start("127.0.0.1", 0)
    try:
        yield ear
    finally:
        await ear.listener.close()


async def test_push_in_unnumbered_frames_is_heard_with_its_addresses() -> None:
    async with listening() as ear:
        _, writer = await ear.call(encode_push(LONG_PUSH, METER, PORT), b"noise", encode_push(PUSH, METER, PORT))
        pushes = [await ear.next(), await ear.next()]
        assert [push.apdu for push in pushes] == [LONG_PUSH, PUSH]
        assert (pushes[0].source, pushes[0].destination, pushes[0].gateway) == (1, 103, None)
        await end(writer)


async def test_pushes_of_real_meters_are_heard(shared_folder: Path) -> None:
    rows = [
        json.loads(path.read_text()) for path in sorted((shared_folder / "vectors" / "dlms" / "push").glob("*.json"))
    ]
    regular = [row for row in rows if row["transport"] == "hdlc" and "expect" not in row]
    assert len(regular) == 10
    async with listening() as ear:
        for row in regular:
            _, writer = await ear.call(bytes.fromhex(row["bytes"]))
            assert [message["apdu"] for message in row["messages"]] == [(await ear.next()).apdu.hex()]
            await end(writer)
        assert ear.listener.malformed == ear.listener.failed == 0


@pytest.mark.parametrize("is_hdlc", [False, True])
async def test_meters_behind_a_gateway_are_told_apart(is_hdlc: bool) -> None:
    def framed(octets: bytes) -> bytes:
        return encode_push(octets, METER, PORT) if is_hdlc else encode_wrapper(1, 103, octets)

    async with listening() as ear:
        _, writer = await ear.call(*[framed(prefix.to_bytes(0xE6) + PUSH) for prefix in BEHIND])
        for prefix in BEHIND:
            push = await ear.next()
            assert (push.gateway, push.apdu) == (prefix, PUSH)
        await end(writer)


async def test_blocks_of_two_meters_are_never_joined() -> None:
    blocks = cut_stream(LONG_PUSH, 600)
    assert len(blocks) == 2
    first, second = (prefix.to_bytes(0xE6) for prefix in BEHIND)
    async with listening() as ear:
        _, writer = await ear.call(
            encode_wrapper(1, 103, first + blocks[0]),
            encode_wrapper(1, 103, second + blocks[1]),  # the end of another one's
            encode_wrapper(1, 103, second + blocks[0]),
            encode_wrapper(1, 103, second + blocks[1]),
        )
        push = await ear.next()
        assert (push.gateway, push.apdu) == (BEHIND[1], LONG_PUSH)
        assert ear.heard.empty()
        await end(writer)


async def test_prefix_cut_short_ends_the_connection() -> None:
    async with listening() as ear:
        reader, writer = await ear.call(encode_wrapper(1, 103, b"\xe6\x01\x40"))
        async with asyncio.timeout(5):
            with pytest.raises(ConnectionError):
                await reader.read()
                raise ConnectionResetError  # ended in good order, which will do as well
        assert ear.listener.failed == 1
        await end(writer)


async def test_noise_after_a_flag_is_kept_in_bounds() -> None:
    async with listening(unfinished_size_max=3000) as ear:
        part = HdlcFrame(PORT, METER, 0x03, bytes(1000), segmented=True).to_bytes()
        reader, writer = await ear.call(part, part, part, part)
        async with asyncio.timeout(5):
            with pytest.raises(ConnectionError):
                await reader.read()
                raise ConnectionResetError
        assert ear.listener.dropped == 1
        await end(writer)


async def test_session_runs_on_the_connection_that_the_meter_opened() -> None:
    async with listening() as ear:
        reader, writer = await ear.call(encode_push(PUSH, HdlcAddress(1), PORT))
        meter = ServerConnection(ExampleDevice(), bytes, framing=HDLC)

        async def answer() -> None:
            while data := await reader.read(65_536):
                writer.write(meter.receive(data))

        answering = asyncio.create_task(answer())
        client = (await ear.next()).take_over(ClientSettings(), counter=CountUp())
        assert isinstance(client, DlmsClient)
        async with client:
            await client.associate()
            assert decode_all(await client.get(ENERGY)) == 1_234_567
        await answering
        await end(writer)
