"""Serial lines: a meter and its clients on two pseudo terminals, with the sign-on of an optical port and without."""

import asyncio
import os
import pty
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.integration.dlms.example_device import ENERGY, LONG_VALUE, ExampleDevice

from meterworks.links import (
    BadTarget,
    BlockingDlmsClient,
    ConnectFailed,
    ConnectionLost,
    DlmsClient,
    MeterTarget,
    NoAnswer,
    Tapped,
    serve_serial,
)
from meterworks.links.serial_port import SerialPort
from meterworks.protocols.dlms import ClientSettings, CountUp, LineFormat, ServerFraming, decode_all
from meterworks.protocols.dlms.hdlc import HDLC
from meterworks.protocols.dlms.mode_e import SIGN_ON_LINE, Identification, ModeEServerFraming

OPTICAL = ModeEServerFraming(identification=Identification("MWK", "5", "EXAMPLE", has_mode_e=True), address="7")


class Bench:
    """Two ends of a line. connected: whether what is written at one end arrives at the other."""

    def __init__(self) -> None:
        pairs = [pty.openpty() for _ in range(2)]
        for master, slave in pairs:
            tty.setraw(master)
            tty.setraw(slave)
            os.set_blocking(master, False)
        self.masters = [master for master, _ in pairs]
        self.slaves = [slave for _, slave in pairs]
        self.client, self.meter = (os.ttyname(slave) for slave in self.slaves)
        self.connected = True
        self._loop = asyncio.get_running_loop()
        for here, there in (self.masters, self.masters[::-1]):
            self._loop.add_reader(here, self._pass_on, here, there)

    def _pass_on(self, here: int, there: int) -> None:
        data = os.read(here, 4096)
        if self.connected:
            os.write(there, data)

    def close(self) -> None:
        for master in self.masters:
            self._loop.remove_reader(master)
        for descriptor in (*self.masters, *self.slaves):
            os.close(descriptor)


@asynccontextmanager
async def bench(framing: ServerFraming = HDLC) -> AsyncIterator[Bench]:
    line = Bench()
    first = SIGN_ON_LINE if framing is OPTICAL else LineFormat(9600)
    meter = serve_serial(ExampleDevice(), line.meter, line=first, framing=framing)
    try:
        yield line
    finally:
        open_before = meter.is_open
        meter.close()
        assert (open_before, meter.is_open) == (True, False)
        line.close()


def target_of(line: Bench, query: str = "") -> MeterTarget:
    return MeterTarget.from_text(f"serial://{line.client}{query}")


def speed_of(descriptor: int) -> int:
    """Give the speed that the terminal has; a pseudo terminal knows no other format than eight bits."""
    speed: int = termios.tcgetattr(descriptor)[5]
    return speed


async def test_meter_on_a_serial_line_is_read_by_both_clients() -> None:
    def session(target: MeterTarget) -> object:
        with BlockingDlmsClient.open(target, ClientSettings(), counter=CountUp()) as client:
            client.associate()
            return decode_all(client.get(ENERGY))

    heard: list[Tapped] = []
    async with bench() as line:
        target = target_of(line, "?information=1024&window=3")
        async with await DlmsClient.open(target, ClientSettings(), counter=CountUp(), tap=heard.append) as client:
            await client.associate()
            assert decode_all(await client.get(ENERGY)) == 1_234_567
            assert len(await client.get(LONG_VALUE)) > 262_144
            assert await client.release()
        assert heard[0].local == (line.client, 0)
        assert await asyncio.to_thread(session, target_of(line)) == 1_234_567


async def test_optical_port_is_opened_and_its_line_changed() -> None:
    async with bench(OPTICAL) as line:
        target = target_of(line, "?mode_e=1")
        async with await DlmsClient.open(target, ClientSettings(), counter=CountUp()) as client:
            assert speed_of(line.slaves[0]) == speed_of(line.slaves[1]) == termios.B300
            await client.associate()
            assert speed_of(line.slaves[0]) == speed_of(line.slaves[1]) == termios.B9600
            assert decode_all(await client.get(ENERGY)) == 1_234_567


async def test_optical_port_is_opened_by_the_blocking_client() -> None:
    def session(target: MeterTarget) -> object:
        with BlockingDlmsClient.open(target, ClientSettings(), counter=CountUp()) as client:
            client.associate()
            return decode_all(client.get(ENERGY))

    async with bench(OPTICAL) as line:
        assert await asyncio.to_thread(session, target_of(line, "?mode_e=1&address=7")) == 1_234_567
        assert speed_of(line.slaves[0]) == termios.B9600


async def test_speed_that_the_port_cannot_do_ends_client_and_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = SerialPort.set_line

    def only_slow(port: SerialPort, line: LineFormat) -> None:
        if line.baud > 300:
            raise ConnectFailed("this port stays at 300 baud")
        plain(port, line)

    line = Bench()
    meter = serve_serial(ExampleDevice(), line.meter, line=SIGN_ON_LINE, framing=OPTICAL)
    client = await DlmsClient.open(target_of(line, "?mode_e=1"), ClientSettings(), counter=CountUp())
    monkeypatch.setattr(SerialPort, "set_line", only_slow)
    with pytest.raises(NoAnswer, match="300 baud"):
        await client.associate()
    async with asyncio.timeout(5):
        while meter.is_open:  # noqa: ASYNC110 - what is watched has no event of its own
            await asyncio.sleep(0.01)
    await client.close()
    line.close()


async def test_line_that_is_cut_is_no_answer() -> None:
    def session(target: MeterTarget) -> None:
        with BlockingDlmsClient.open(target, ClientSettings(), counter=CountUp(), timeout_s=0.1) as client:
            with pytest.raises(NoAnswer):
                client.associate()

    async with bench() as line:
        line.connected = False
        async with await DlmsClient.open(target_of(line), ClientSettings(), counter=CountUp(), timeout_s=0.1) as client:
            with pytest.raises(NoAnswer):
                await client.associate()
        await asyncio.to_thread(session, target_of(line))


async def test_port_that_goes_away_ends_the_client() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    target = MeterTarget.from_text(f"serial://{os.ttyname(slave)}")
    client = await DlmsClient.open(target, ClientSettings(), counter=CountUp(), timeout_s=2.0)
    os.close(slave)
    request = asyncio.create_task(client.associate())
    await asyncio.sleep(0)
    os.close(master)
    with pytest.raises(ConnectionLost):
        await request
    await client.close()


def test_lines_that_cannot_be_are_refused() -> None:
    master, slave = pty.openpty()
    try:
        with pytest.raises(BadTarget, match="12345 is no speed"):
            SerialPort(os.ttyname(slave), LineFormat(12345))
        with pytest.raises(ConnectFailed, match="cannot set"):
            SerialPort(os.devnull, LineFormat(9600))
    finally:
        os.close(master)
        os.close(slave)


def test_parity_is_made_where_the_port_cannot() -> None:
    master, slave = pty.openpty()
    port = SerialPort(os.ttyname(slave), SIGN_ON_LINE)
    try:
        assert port.makes_parity
        port.write(b"/?!\r\n")
        assert os.read(master, 10).hex() == "af3f218d0a"
        os.write(master, bytes.fromhex("af4d8d0a"))
        assert port.wait_readable(1.0)
        assert port.read() == b"/M\r\n"
        port.set_line(LineFormat(9600))
        assert not port.makes_parity
    finally:
        port.close()
        os.close(master)
        os.close(slave)


def test_port_takes_what_it_can_in_its_time() -> None:
    master, slave = pty.openpty()
    port = SerialPort(os.ttyname(slave), LineFormat(9600))
    try:
        port.write_all(b"hello", 1.0)
        assert os.read(master, 10) == b"hello"
        assert not port.wait_readable(0.0)
        with pytest.raises(BlockingIOError):
            port.read()
        with pytest.raises(TimeoutError):
            port.write_all(bytes(1024 * 1024), 0.05)
    finally:
        port.close()
        port.close()
        os.close(master)
        os.close(slave)
