"""The client shell against servers that are slow, silent, wrong or gone."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from tests.integration.dlms.example_device import ECHO, ENERGY, LONG_VALUE, NOTE, ExampleDevice

from meterworks.errors import OutcomeUnknown, PeerError, UnreachableError
from meterworks.links import BlockingDlmsClient, ConnectFailed, ConnectionLost, DlmsClient, NoAnswer
from meterworks.protocols.dlms import ClientSettings, CountUp, NotificationReceived, ServerConnection, encode_wrapper
from meterworks.protocols.errors import ServiceRefused

Stream = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SHORT_S = 0.2


@asynccontextmanager
async def serving(handle: Stream) -> AsyncIterator[int]:
    """Run a server of the test's own; give its port."""
    handled: list[asyncio.Task[None]] = []

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handled.append(asyncio.create_task(run(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    async with asyncio.timeout(5):
        await asyncio.gather(*handled, return_exceptions=True)


def answering(requests: int, then: Stream) -> Stream:
    """Answer as many requests as the example meter does, then do something else."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        meter = ServerConnection(ExampleDevice(), lambda size: b"S" * size)
        for _ in range(requests):
            writer.write(meter.receive(await reader.read(65_536)))
        await reader.read(65_536)
        await then(reader, writer)

    return handle


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    frame = encode_wrapper(1, 16, bytes.fromhex("c401c10009820400") + bytes(1024))
    for octet in frame:
        if writer.transport.is_closing():
            return
        writer.write(bytes((octet,)))
        await asyncio.sleep(SHORT_S / 20)


@asynccontextmanager
async def associated(port: int) -> AsyncIterator[DlmsClient]:
    client = await DlmsClient.connect("127.0.0.1", port, ClientSettings(), counter=CountUp(), timeout_s=SHORT_S)
    async with client:
        await client.associate()
        yield client


@pytest.mark.parametrize(
    ("then", "error"),
    [(silence, NoAnswer), (hang_up, ConnectionLost), (nonsense, PeerError), (drip, NoAnswer)],
)
async def test_reading_ends_with_the_right_error(then: Stream, error: type[Exception]) -> None:
    async with serving(answering(1, then)) as port, associated(port) as client:
        with pytest.raises(error):
            await client.get(ENERGY)
        with pytest.raises(UnreachableError):  # and the client is of no more use
            await poll_closed(client)
            await client.get(ENERGY)


async def poll_closed(client: DlmsClient) -> None:
    done = asyncio.Event()
    client.when_closed(done.set)
    async with asyncio.timeout(5):
        await done.wait()


@pytest.mark.parametrize("then", [silence, hang_up])
async def test_writing_without_an_answer_is_an_unknown_outcome(then: Stream) -> None:
    async with serving(answering(1, then)) as port, associated(port) as client:
        with pytest.raises(OutcomeUnknown, match="read it back"):
            await client.set(NOTE, b"\x00")
    async with serving(answering(1, then)) as port, associated(port) as client:
        with pytest.raises(OutcomeUnknown):
            await client.action(ECHO)


async def test_cancelled_request_closes_the_connection() -> None:
    async with serving(answering(1, silence)) as port, associated(port) as client:
        client.timeout_s = 5.0
        task = asyncio.create_task(client.get(ENERGY))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await poll_closed(client)


async def test_exception_response_is_a_refusal() -> None:
    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode_wrapper(1, 16, b"\xd8\x01\x02"))
        await writer.drain()

    async with serving(answering(1, refuse)) as port, associated(port) as client:
        with pytest.raises(ServiceRefused, match="service 2"):
            await client.get(ENERGY)


async def test_long_transfer_outlasts_the_time_for_one_answer() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        meter = ServerConnection(ExampleDevice(), lambda size: b"S" * size)
        while octets := await reader.read(65_536):
            answer = meter.receive(octets)
            await asyncio.sleep(SHORT_S / 3)
            writer.write(answer)

    async with serving(slow) as port, associated(port) as client:
        assert len(await client.get(LONG_VALUE)) > 262_144  # five answers, each within its time


async def test_notifications_reach_their_handler() -> None:
    async def push(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode_wrapper(1, 103, bytes.fromhex("0f000000010011ff")))
        writer.write(encode_wrapper(1, 16, bytes.fromhex("c401c1001105")))
        await writer.drain()

    heard: list[NotificationReceived] = []
    async with serving(answering(1, push)) as port, associated(port) as client:
        client.on_notification(heard.append)
        assert await client.get(ENERGY) == b"\x11\x05"
    assert len(heard) == 1


async def test_connecting_has_a_limit_of_time() -> None:
    with pytest.raises(ConnectFailed):
        # The backlog of a socket that never accepts is full after two connections.
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        try:
            for _ in range(4):
                waiting.append(
                    await DlmsClient.connect(
                        "127.0.0.1", listener.getsockname()[1], ClientSettings(), counter=CountUp(), timeout_s=SHORT_S
                    )
                )
        finally:
            for client in waiting:
                await client.close()
            listener.close()


@pytest.mark.parametrize(("then", "error"), [(silence, NoAnswer), (hang_up, ConnectionLost), (nonsense, PeerError)])
async def test_blocking_twin_ends_with_the_same_errors(then: Stream, error: type[Exception]) -> None:
    def session(port: int) -> None:
        settings = ClientSettings()
        with BlockingDlmsClient.connect("127.0.0.1", port, settings, counter=CountUp(), timeout_s=SHORT_S) as client:
            client.associate()
            with pytest.raises(error):
                client.get(ENERGY)
            with pytest.raises(ConnectionLost):
                client.get(ENERGY)

    async with serving(answering(1, then)) as port:
        await asyncio.to_thread(session, port)


async def test_blocking_twin_tells_who_is_not_there() -> None:
    with pytest.raises(ConnectFailed):
        BlockingDlmsClient.connect("127.0.0.1", 1, ClientSettings(), counter=CountUp(), timeout_s=SHORT_S)
