"""The carriers by themselves: datagrams, serial ports that are slow or gone, and servers over HDLC as time goes by."""

import asyncio
import os
import pty
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.integration.dlms.example_device import ENERGY, ExampleDevice
from tests.unit.links.peer import end, handling

from meterworks.errors import UnreachableError
from meterworks.links import BlockingDlmsClient, DlmsClient, MeterServer, MeterTarget, start_meter_server
from meterworks.links.carrier import BUFFER_SIZE_MAX, SerialCarrier, datagram_frames
from meterworks.links.serial_port import SerialPort
from meterworks.protocols.dlms import (
    ClientSettings,
    CountUp,
    LineFormat,
    NotificationReceived,
    ServerConnection,
    encode_wrapper,
)
from meterworks.protocols.dlms.hdlc import HdlcAddress, HdlcFrame, HdlcFraming, HdlcReader, HdlcSettings, encode_push

FRAME = encode_wrapper(16, 1, b"\xc0\x01")
CLIENT, SERVER = HdlcAddress(16), HdlcAddress(1)
GET_ENERGY = bytes.fromhex("e6e600") + b"\xc0\x01\xc1" + ENERGY.to_bytes() + b"\x00"
PUSH = bytes.fromhex("0f000000010011ff")


@pytest.mark.parametrize(
    ("datagram", "frames"),
    [
        (b"", []),
        (FRAME, [FRAME]),
        (FRAME + FRAME, [FRAME, FRAME]),
        (FRAME[:-1], None),
        (FRAME[:7], None),
        (FRAME + b"\x00", None),
        (b"\x00\x02" + FRAME[2:], None),
        (FRAME[:6] + b"\x00\x00", None),
    ],
)
def test_datagram_is_whole_frames_or_none(datagram: bytes, frames: list[bytes] | None) -> None:
    assert datagram_frames(datagram) == frames


# --- serial ports ---------------------------------------------------------------------------------------------------


class Listener(asyncio.Protocol):
    def __init__(self) -> None:
        self.heard = b""
        self.something = asyncio.Event()
        self.lost = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.something.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


@asynccontextmanager
async def terminal() -> AsyncIterator[tuple[int, Listener, SerialCarrier]]:
    """Give the far end of a pseudo terminal, and a carrier on its near end."""
    master, slave = pty.openpty()
    tty.setraw(master)
    listener = Listener()
    port = SerialPort(os.ttyname(slave), LineFormat(9600))
    carrier = SerialCarrier(asyncio.get_running_loop(), port, listener)
    os.close(slave)
    try:
        yield master, listener, carrier
    finally:
        carrier.close()
        carrier.close()
        os.close(master)


async def test_octets_pass_both_ways() -> None:
    async with terminal() as (master, listener, carrier):
        carrier.write(b"hello")
        assert os.read(master, 100) == b"hello"
        os.write(master, b"there")
        async with asyncio.timeout(5):
            await listener.something.wait()
        assert listener.heard == b"there"
        assert str(carrier.get_extra_info("sockname")).startswith("/dev/")
        assert carrier.get_extra_info("peername") is None


async def test_slow_line_takes_its_time_and_loses_nothing() -> None:
    octets = bytes(range(256)) * 200
    async with terminal() as (master, _, carrier):
        carrier.write(octets[:40_000])
        carrier.write(octets[40_000:])
        assert carrier.get_write_buffer_size() > 0
        os.set_blocking(master, False)
        heard = b""
        async with asyncio.timeout(5):
            while len(heard) < len(octets):
                try:
                    heard += os.read(master, 65_536)
                except BlockingIOError:
                    await asyncio.sleep(0)
        assert heard == octets
        assert carrier.get_write_buffer_size() == 0


async def test_line_that_takes_nothing_is_given_up() -> None:
    async with terminal() as (_, listener, carrier):
        carrier.write(bytes(BUFFER_SIZE_MAX + 100_000))
        assert carrier.is_closing()
        async with asyncio.timeout(5):
            await listener.lost.wait()
        carrier.write(b"too late")
        assert carrier.get_write_buffer_size() == 0


# --- servers over HDLC ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def served(**times: float) -> AsyncIterator[MeterServer]:
    device = ExampleDevice()
    framing = HdlcFraming(HdlcSettings(**times))  # type: ignore[arg-type]
    server = await start_meter_server(lambda _host, _port: device, "127.0.0.1", 0, device_only=None, framing=framing)
    yield server
    await server.close()


class Line:
    """A connection on which frames are said and heard one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._frames = HdlcReader()

    @classmethod
    async def to(cls, server: MeterServer) -> "Line":
        return cls(*await asyncio.open_connection(server.host, server.port))

    async def ask(self, control: int, information: bytes = b"") -> HdlcFrame:
        self.writer.write(HdlcFrame(SERVER, CLIENT, control, information).to_bytes())
        async with asyncio.timeout(5):
            while (frame := self._frames.next_frame()) is None:
                self._frames.feed(await self._reader.read(65_536))
        return frame


async def test_silent_link_is_ended_by_the_server() -> None:
    async with served(inactivity_s_max=0.05) as server:
        line = await Line.to(server)
        assert (await line.ask(0x93)).control == 0x73
        async with asyncio.timeout(5):
            while (answer := await line.ask(0x11)).control != 0x1F:  # noqa: ASYNC110 - silence has no event
                await asyncio.sleep(0.06)
        assert answer.control == 0x1F
        await end(line.writer)


async def test_torn_frame_does_not_keep_the_next_from_being_heard() -> None:
    async with served(inter_octet_s_max=0.02) as server:
        line = await Line.to(server)
        line.writer.write(HdlcFrame(SERVER, CLIENT, 0x93, bytes(60)).to_bytes()[:30])
        await line.writer.drain()
        async with asyncio.timeout(5):
            answer = await line.ask(0x93)
        assert answer.control == 0x73
        await end(line.writer)


async def test_meter_that_cannot_answer_everything_at_once_goes_on() -> None:
    async with served() as server:
        line = await Line.to(server)
        await line.ask(0x93)
        aarq = bytes.fromhex("e6e600601da109060760857405080101be10040e01000000065f1f040000fc1fffff")
        assert (await line.ask(0x10, aarq)).information[3] == 0x61
        assert (await line.ask(0x32, GET_ENERGY)).information[3:5] == b"\xc4\x01"
        await end(line.writer)


async def test_push_during_a_request_reaches_the_handler_of_both_clients() -> None:
    """A meter that says something unasked between the request and its answer."""

    async def meter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        core = ServerConnection(ExampleDevice(), bytes, framing=HdlcFraming())
        while data := await reader.read(65_536):
            writer.write(encode_push(PUSH, SERVER, HdlcAddress(103)) + core.receive(data))

    def session(target: MeterTarget) -> int:
        heard: list[NotificationReceived] = []
        with BlockingDlmsClient.open(target, ClientSettings(), counter=CountUp()) as client:
            client.on_notification(heard.append)
            client.associate()
            client.get(ENERGY)
        return len(heard)

    heard: list[NotificationReceived] = []
    async with handling(meter) as port:
        target = MeterTarget.from_text(f"hdlc+tcp://127.0.0.1:{port}")
        async with await DlmsClient.open(target, ClientSettings(), counter=CountUp()) as client:
            client.on_notification(heard.append)
            await client.associate()
            await client.get(ENERGY)
        assert len(heard) == 3  # with the answers to SNRM, AARQ and GET
        assert await asyncio.to_thread(session, target) == 3


async def test_link_that_the_server_refuses_is_unreachable() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(HdlcFrame(CLIENT, SERVER, 0x1F).to_bytes())
        await reader.read()

    async with handling(refuse) as port:
        target = MeterTarget.from_text(f"hdlc+tcp://127.0.0.1:{port}")
        async with await DlmsClient.open(target, ClientSettings(), counter=CountUp()) as client:
            with pytest.raises(UnreachableError, match="refused to open"):
                await client.associate()
