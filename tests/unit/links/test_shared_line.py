"""Several clients on one line: each hears its own meter, one at a time, and leaves without taking the line along."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import ENERGY, LONG_VALUE, NAME, ExampleDevice
from tests.unit.links.peer import handling

from meterworks.links import BadTarget, ConnectionLost, MeterTarget, NoAnswer, SharedLine, Tapped
from meterworks.protocols.dlms import ClientSettings, CountUp, ServerConnection, decode_all, encode_octet_string
from meterworks.protocols.dlms.hdlc import HdlcFraming, HdlcSettings


class Bus:
    """A serial server with several meters on one line behind it; all hear everything."""

    def __init__(self, physical: tuple[int, ...]) -> None:
        self.meters: list[ServerConnection] = []
        for address in physical:
            device = ExampleDevice()
            device.values[NAME] = encode_octet_string(bytes((address,)))
            framing = HdlcFraming(HdlcSettings(physical=address))
            self.meters.append(ServerConnection(device, lambda size: b"S" * size, framing=framing))
        self.heard: list[bytes] = []
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        while data := await reader.read(65_536):
            self.heard.append(data)
            writer.write(data)  # a line with two wires gives back what was said
            for meter in self.meters:
                writer.write(meter.receive(data))


@asynccontextmanager
async def shared(*physical: int, query: str = "") -> AsyncIterator[tuple[Bus, SharedLine]]:
    bus = Bus(physical)
    async with handling(bus.serve) as port:
        target = MeterTarget.from_text(f"hdlc+tcp://127.0.0.1:{port}{query}")
        async with await SharedLine.open(target) as line:
            yield bus, line


async def test_meters_on_one_line_are_read_at_the_same_time() -> None:
    async def name_of(line: SharedLine, physical: int) -> tuple[object, int]:
        hdlc = HdlcSettings(physical=physical)
        async with line.client(ClientSettings(), counter=CountUp(), hdlc=hdlc) as client:
            await client.associate()
            name = decode_all(await client.get(NAME))
            return name, len(await client.get(LONG_VALUE))

    async with shared(17, 18, 19) as (bus, line):
        rows = await asyncio.gather(*[name_of(line, physical) for physical in (17, 18, 19)])
        assert [name for name, _ in rows] == [b"\x11", b"\x12", b"\x13"]
        assert {size for _, size in rows} == {262_149}
        assert all(octets.count(b"\xe6\xe6\x00") <= 1 for octets in bus.heard)  # never two questions at once


async def test_two_clients_of_one_meter_have_associations_of_their_own() -> None:
    async with shared(17, query="?physical=17") as (_, line):
        public = line.client(ClientSettings(), counter=CountUp())
        manager = line.client(settings_for(2), counter=CountUp(5))
        for client in (public, manager):
            await client.associate()
        assert decode_all(await public.get(ENERGY)) == decode_all(await manager.get(ENERGY)) == 1_234_567
        await public.close()
        assert decode_all(await manager.get(ENERGY)) == 1_234_567  # the line stays
        with pytest.raises(ConnectionLost):
            await public.get(ENERGY)
        assert await manager.release()


async def test_meter_that_is_silent_costs_its_own_client_only() -> None:
    async with shared(17) as (_, line):
        present = line.client(ClientSettings(), counter=CountUp(), hdlc=HdlcSettings(physical=17))
        absent = line.client(ClientSettings(), counter=CountUp(), hdlc=HdlcSettings(physical=99), timeout_s=0.05)
        await present.associate()
        with pytest.raises(NoAnswer):
            await absent.associate()
        assert decode_all(await present.get(ENERGY)) == 1_234_567


async def test_line_that_goes_ends_all_clients() -> None:
    async with shared(17, 18) as (bus, line):
        clients = [
            line.client(ClientSettings(), counter=CountUp(), hdlc=HdlcSettings(physical=each)) for each in (17, 18)
        ]
        for client in clients:
            await client.associate()
        ended = [asyncio.Event() for _ in clients]
        for client, event in zip(clients, ended, strict=True):
            client.when_closed(event.set)
        assert bus.writer is not None
        bus.writer.close()
        async with asyncio.timeout(5):
            for event in ended:
                await event.wait()
        with pytest.raises(ConnectionLost):
            await clients[0].get(ENERGY)
        with pytest.raises(ConnectionLost):
            line.client(ClientSettings(), counter=CountUp())


@pytest.mark.parametrize("text", ["tcp://127.0.0.1:1", "serial:///dev/ttyUSB0?mode_e=1", "hdlc+tcp://m?meter=01"])
async def test_only_a_line_with_hdlc_alone_can_be_shared(text: str) -> None:
    with pytest.raises(BadTarget, match="can be shared"):
        await SharedLine.open(MeterTarget.from_text(text))


def test_tapped_octets_are_a_value() -> None:
    fields = Tapped.__dataclass_fields__
    assert list(fields) == ["direction", "octets", "transport", "local", "remote", "time_s"]
