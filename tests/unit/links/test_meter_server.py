"""Limits of the server of meters: who is refused, and who is dropped."""

import asyncio
import socket
import sys
from collections.abc import Callable

import pytest
from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import CLIENT_TITLE, ENERGY, LONG_VALUE, ExampleDevice
from tests.unit.links.conftest import Served

from meterworks.links import ConnectFailed, DlmsClient, MeterServer, call_head_end, start_meter_server
from meterworks.protocols.dlms import ClientSettings, CountUp, decode_all, encode_wrapper

AARQ = bytes.fromhex("601da109060760857405080101be10040e01000000065f1f040000fc1fffff")
GET_LONG = b"\xc0\x01\xc1" + LONG_VALUE.to_bytes() + b"\x00"


async def poll(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is watched has no event of its own
            await asyncio.sleep(0.005)


async def raw(server: MeterServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.port)


async def is_cut(reader: asyncio.StreamReader) -> bool:
    """Give whether the server ends the connection, reading whatever comes before."""
    try:
        async with asyncio.timeout(5.0):
            while await reader.read(65_536):
                pass
    except ConnectionError:
        return True
    return True


async def proved(server: MeterServer, device: ExampleDevice) -> DlmsClient:
    """A client that opened an association with its key."""
    counter = CountUp(device.lowest_acceptable_counter(CLIENT_TITLE) + 1)
    client = await DlmsClient.connect(server.host, server.port, settings_for(2), counter=counter, timeout_s=5.0)
    await client.associate()
    return client


@pytest.mark.parametrize("limit", ["connections_max", "connections_per_meter_max"])
async def test_strangers_that_take_all_places_do_not_shut_the_head_end_out(
    served: Served, device: ExampleDevice, limit: str
) -> None:
    async with served(**{limit: 2}) as server:
        sitting = [await raw(server) for _ in range(2)]
        await poll(lambda: server.connections == 2)
        async with await proved(server, device) as client:
            assert decode_all(await client.get(ENERGY)) == 1_234_567
            assert await is_cut(sitting[0][0])  # the one that came first
            assert (server.connections, server.dropped, server.refused) == (2, 1, 0)
        for _, writer in sitting:
            writer.close()


@pytest.mark.parametrize("limit", ["connections_max", "connections_per_meter_max"])
async def test_who_has_proved_a_key_gives_way_to_nobody(served: Served, device: ExampleDevice, limit: str) -> None:
    async with served(**{limit: 1}) as server, await proved(server, device) as client:
        reader, writer = await raw(server)
        assert await is_cut(reader)
        assert (server.refused, server.dropped) == (1, 0)
        assert decode_all(await client.get(ENERGY)) == 1_234_567
        writer.close()


async def test_octets_that_make_no_request_do_not_keep_a_connection(served: Served) -> None:
    async with served(idle_s_max=0.2) as server:
        reader, writer = await raw(server)
        writer.write(b"\x00\x01\x00\x02\x00\x01\xff\xff")
        cut = asyncio.ensure_future(is_cut(reader))
        while not cut.done():
            writer.write(b"\x60")
            await asyncio.wait([cut], timeout=0.02)
        assert server.dropped == 1
        writer.close()


async def test_connections_beyond_the_limit_of_a_peer_are_refused(served: Served) -> None:
    async with served(connections_per_peer_max=2) as server:
        kept = [await raw(server) for _ in range(2)]
        await poll(lambda: server.connections == 2)
        reader, writer = await raw(server)
        assert await is_cut(reader)
        assert (server.accepted, server.refused) == (2, 1)
        kept[0][1].close()
        await poll(lambda: server.connections == 1)
        again = await raw(server)
        await poll(lambda: server.connections == 2)
        for stream in (writer, kept[0][1], kept[1][1], again[1]):
            stream.close()


async def test_address_without_a_meter_is_refused() -> None:
    server = await start_meter_server(lambda _host, _port: None, "127.0.0.1", 0, device_only=None)
    reader, writer = await raw(server)
    assert await is_cut(reader)
    assert server.refused == 1
    writer.close()
    await server.close()


async def test_idle_peer_is_dropped(served: Served) -> None:
    async with served(idle_s_max=0.1) as server:
        reader, writer = await raw(server)
        assert await is_cut(reader)
        assert server.dropped == 1
        writer.close()


async def test_peer_that_does_not_read_is_dropped_and_holds_little(served: Served) -> None:
    async with served(unread_s_max=0.3) as server:
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(link, ("127.0.0.1", server.port))
        await poll(lambda: server.connections == 1)
        await loop.sock_sendall(link, encode_wrapper(16, 1, AARQ) + encode_wrapper(16, 1, GET_LONG) * 1000)
        await poll(lambda: server.connections == 0)
        assert server.dropped == 1
        link.close()


async def test_peer_that_reads_slowly_gets_everything(served: Served) -> None:
    async with served() as server:
        reader, writer = await raw(server)
        writer.write(encode_wrapper(16, 1, AARQ) + encode_wrapper(16, 1, GET_LONG) * 40)
        received = 0
        async with asyncio.timeout(10):
            while received < 40 * 65_000:
                received += len(await reader.read(30_000))
        assert server.dropped == 0
        writer.close()


async def test_garbage_closes_the_connection_and_nothing_else(served: Served, device: ExampleDevice) -> None:
    async with served() as server:
        reader, writer = await raw(server)
        writer.write(b"GET / HTTP/1.1\r\nHost: meter\r\n\r\n")
        assert await is_cut(reader)
        assert device.events == [("malformed-message", 0)]
        writer.close()
        client = await DlmsClient.connect("127.0.0.1", server.port, ClientSettings(), counter=CountUp())
        async with client:
            await client.associate()
            assert decode_all(await client.get(ENERGY)) == 1_234_567


async def test_taken_port_is_told(served: Served) -> None:
    async with served() as server:
        with pytest.raises(ConnectFailed, match=str(server.port)):
            await start_meter_server(lambda _host, _port: None, "127.0.0.1", server.port, device_only=None)


@pytest.mark.skipif(sys.platform != "linux", reason="binding to a device is Linux's")
async def test_each_meter_has_its_address_behind_one_socket(device: ExampleDevice) -> None:
    meters = {"127.16.0.1": device, "127.16.0.2": ExampleDevice()}
    server = await start_meter_server(lambda host, _port: meters.get(host), "0.0.0.0", 0)
    meters["127.16.0.2"].values[ENERGY] = b"\x11\x05"
    read = [await read_energy(host, server.port) for host in meters]
    assert read == [1_234_567, 5]
    with pytest.raises(Exception, match="closed"):
        await read_energy("127.16.0.3", server.port)
    await server.close()


async def read_energy(host: str, port: int) -> int:
    async with await DlmsClient.connect(host, port, ClientSettings(), counter=CountUp(), timeout_s=5) as client:
        await client.associate()
        return int(decode_all(await client.get(ENERGY)))


async def test_head_end_that_is_not_there_is_told(device: ExampleDevice) -> None:
    with pytest.raises(ConnectFailed):
        await call_head_end(device, "127.0.0.1", 1, opening=b"", timeout_s=2.0)
