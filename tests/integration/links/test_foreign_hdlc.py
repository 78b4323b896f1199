"""Other people's clients over HDLC on TCP against our server: frame sizes, and all sizes of address.

What gurux-dlms 1.0.203 does itself, as measured: it puts a wrong length into frames above 255 octets that it writes in
segments, and of three frames in one window it misses the second. So it writes in small frames, with a window of 1.
"""

import asyncio
import socket
from typing import Any

import pytest
from dlms_cosem import cosem, enumerations
from dlms_cosem.client import DlmsClient as CosemClient
from dlms_cosem.io import BlockingTcpIO, HdlcTransport
from dlms_cosem.security import LowLevelSecurityAuthentication
from gurux_dlms import GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType
from gurux_dlms.objects import GXDLMSData, GXDLMSRegister
from tests.integration.dlms.example_device import ENERGY, LONG_VALUE, PASSWORD, ExampleDevice
from tests.integration.dlms.peers import GuruxPeer

from meterworks.links import start_meter_server
from meterworks.protocols.dlms import decode_all, encode_octet_string
from meterworks.protocols.dlms.hdlc import HdlcFraming, HdlcSettings, LinkParameters


class HdlcPeer(GuruxPeer):
    """A gurux-dlms client with a password, over HDLC on TCP."""

    def __init__(self, port: int, server_address: int, information: int) -> None:
        self.client = GXDLMSClient(True, 3, server_address, Authentication.LOW, PASSWORD.decode(), InterfaceType.HDLC)
        self.client.serverAddressSize = 4 if server_address > 0x7F7F else 0
        limits = self.client.hdlcSettings
        limits.maxInfoTX = limits.maxInfoRX = information
        self.link = socket.create_connection(("127.0.0.1", port), 5.0)

    def exchange(self, frames: Any, reply: GXReplyData) -> None:
        for frame in frames if isinstance(frames, list) else [frames]:
            reply.clear()
            super().exchange(frame, reply)

    def __enter__(self) -> "HdlcPeer":
        reply = GXReplyData()
        self.exchange(self.client.snrmRequest(), reply)
        self.client.parseUAResponse(reply.data)
        self._associate()
        return self

    def read_data(self, item: Any) -> Any:
        reply = GXReplyData()
        self.exchange(self.client.read(item, 2), reply)
        return self.client.updateValue(item, 2, reply.value)

    def write_data(self, item: Any) -> None:
        self.exchange(self.client.write(item, 2), GXReplyData())


def hdlc_session(port: int, server_address: int, information: int, note_size: int) -> tuple[Any, Any, Any]:
    with HdlcPeer(port, server_address, information) as peer:
        energy = peer.read_data(GXDLMSRegister(str(ENERGY.obis_code)))
        long_value = peer.read_data(GXDLMSData(str(LONG_VALUE.obis_code)))
        note = GXDLMSData("0.0.96.13.0.255")
        note.value = "n" * note_size
        peer.write_data(note)
        return energy, bytes(long_value), peer.read_data(note)


@pytest.mark.parametrize(("information", "note_size"), [(128, 1500), (200, 1500), (2030, 150)])
@pytest.mark.parametrize("address", [1, (1 << 7) + 17, (1 << 14) + 17])
async def test_gurux_reads_and_writes_in_segments(information: int, note_size: int, address: int) -> None:
    device = ExampleDevice(pdu_size=4000)
    device.values[LONG_VALUE] = encode_octet_string(bytes(range(256)) * 100)  # gurux knows no length of three octets
    wide = LinkParameters(
        information_transmit_max=2030, information_receive_max=2030, window_transmit=7, window_receive=7
    )
    framing = HdlcFraming(HdlcSettings(physical=17, parameters=wide))
    server = await start_meter_server(lambda _host, _port: device, "127.0.0.1", 0, device_only=None, framing=framing)
    try:
        energy, long_value, note = await asyncio.to_thread(hdlc_session, server.port, address, information, note_size)
    finally:
        await server.close()
    assert energy == 1_234_567
    assert long_value == bytes(range(256)) * 100
    assert note == "n" * note_size
    assert device.events == []


async def test_dlms_cosem_reads_over_hdlc() -> None:
    def session(port: int) -> bytes:
        client = CosemClient(
            transport=HdlcTransport(
                client_logical_address=3,
                server_logical_address=1,
                server_physical_address=17,
                io=BlockingTcpIO("127.0.0.1", port),
            ),
            authentication=LowLevelSecurityAuthentication(secret=PASSWORD),
        )
        with client.session():
            attribute = cosem.CosemAttribute(
                interface=enumerations.CosemInterface(ENERGY.class_id),
                instance=cosem.Obis.from_bytes(bytes(ENERGY.obis_code)),
                attribute=ENERGY.attribute,
            )
            return bytes(client.get(attribute))

    device = ExampleDevice()
    server = await start_meter_server(lambda _host, _port: device, "127.0.0.1", 0, device_only=None, framing="hdlc")
    try:
        assert decode_all(await asyncio.to_thread(session, server.port)) == 1_234_567
    finally:
        await server.close()
    assert device.events == []
