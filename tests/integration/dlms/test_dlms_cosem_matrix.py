"""dlms-cosem 25.1 as client of our server: every mechanism, suite, data link and service that it has.

Measured, and where it is wrong worked around here, never in our server:
- Of the mechanisms it has 0, 1, 2 (AES in ECB mode) and 5. Its challenge in mechanism 2 is the secret itself.
- It always writes general-glo, and makes its proof with the very counter of the APDU around it.
- It cannot write in blocks, has no general block transfer, and its selective access by entry raises
  its error of a missing feature when it is encoded.
- Its HDLC proposes no parameters, so that 128 octets and a window of 1 hold. It ends a frame at the next 7E wherever
  that stands: a frame of ours whose check sequence ends in 7E (`..59 7e`, then the flag) is one that it waits on for
  ever. The values and sizes of the test make no such frame.
"""

import socket
from datetime import timedelta
from typing import Any

import pytest
from dlms_cosem import cosem, enumerations
from dlms_cosem.client import DlmsClient
from dlms_cosem.exceptions import DlmsClientException
from dlms_cosem.io import HdlcTransport, TcpTransport
from dlms_cosem.protocol import xdlms
from dlms_cosem.security import (
    HighLevelSecurityCommonAuthentication,
    HighLevelSecurityGmacAuthentication,
    LowLevelSecurityAuthentication,
    NoSecurityAuthentication,
)
from tests.integration.dlms.example_device import (
    CLIENT_TITLE,
    CLOCK,
    ECHO,
    ENERGY,
    FIRST_ROW,
    LONG_VALUE,
    NAME,
    NOTE,
    PASSWORD,
    PROFILE,
)
from tests.integration.dlms.matrix import KEYS, SECRET, SINK, MatrixDevice, client_sap, served
from tests.integration.dlms.peers import cosem_attribute, range_of

from meterworks.protocols.dlms import (
    WRAPPER,
    MethodAddress,
    decode_all,
    encode_long_unsigned,
    encode_octet_string,
    encode_visible_string,
)
from meterworks.protocols.dlms.hdlc import HDLC

AUTHENTICATIONS = {
    0: lambda: NoSecurityAuthentication(),
    1: lambda: LowLevelSecurityAuthentication(secret=PASSWORD),
    2: lambda: HighLevelSecurityCommonAuthentication(secret=SECRET),
    5: lambda: HighLevelSecurityGmacAuthentication(challenge_length=32),
}
CELLS = [
    pytest.param(mechanism, suite, hdlc, id=f"mechanism-{mechanism}-{'plain' if suite is None else suite}-{link}")
    for mechanism in AUTHENTICATIONS
    for suite in (None, 0)
    for hdlc, link in ((False, "wrapper"), (True, "hdlc"))
    if mechanism != 5 or suite is not None  # with keys it ciphers
]
LINKS = [pytest.param(False, id="wrapper"), pytest.param(True, id="hdlc")]


class MemoryIO:
    """The peer's way to octets, straight to our server's core."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link

    def connect(self) -> None:
        pass

    def disconnect(self) -> None:
        self.link.close()

    def send(self, data: bytes) -> None:
        self.link.sendall(data)

    def recv(self, amount: int = 1) -> bytes:
        data = b""
        while len(data) < amount:
            data += self.link.recv(amount - len(data))
        return data

    def recv_until(self, end: bytes) -> bytes:
        data = b""
        while not data.endswith(end):
            data += self.recv()
        return data


def peer_of(device: MatrixDevice, mechanism: int, suite: int | None, *, hdlc: bool = False, **options: Any) -> Any:
    transport = HdlcTransport if hdlc else TcpTransport
    io = MemoryIO(served(device, HDLC if hdlc else WRAPPER))
    places: dict[str, Any] = {"client_logical_address": client_sap(mechanism, suite), "server_logical_address": 1}
    keys: dict[str, Any] = {}
    if suite is not None:
        guek, gak = KEYS[suite]
        keys = {
            "encryption_key": guek, "authentication_key": gak, "client_system_title": CLIENT_TITLE,
            "client_initial_invocation_counter": 100,
        }  # fmt: skip
        keys["security_suite"] = suite
    return DlmsClient(
        transport=transport(io=io, **places), authentication=AUTHENTICATIONS[mechanism](), **keys, **options
    )


def method_of(address: MethodAddress) -> Any:
    return cosem.CosemMethod(
        enumerations.CosemInterface(address.class_id), cosem.Obis.from_bytes(bytes(address.obis_code)), address.method
    )


@pytest.mark.parametrize(("mechanism", "suite", "hdlc"), CELLS)
def test_each_mechanism_opens_reads_and_releases(mechanism: int, suite: int | None, hdlc: bool) -> None:
    device = MatrixDevice()
    with peer_of(device, mechanism, suite, hdlc=hdlc).session() as client:
        assert decode_all(client.get(cosem_attribute(ENERGY))) == 1_234_567
        assert decode_all(client.get(cosem_attribute(CLOCK)))[:4].hex() == "07ea0b15"
    assert device.events == []


@pytest.mark.parametrize("suite", [1, 2])
def test_the_other_suites_open_with_their_keys(suite: int) -> None:
    device = MatrixDevice()
    with peer_of(device, 5, suite).session() as client:
        assert decode_all(client.get(cosem_attribute(ENERGY))) == 1_234_567
    assert device.events == []


@pytest.mark.parametrize("hdlc", LINKS)
@pytest.mark.parametrize("suite", [None, 0])
def test_services(suite: int | None, hdlc: bool) -> None:
    device = MatrixDevice()
    mechanism = 0 if suite is None else 5
    with peer_of(device, mechanism, suite, hdlc=hdlc).session() as client:
        first, last = FIRST_ROW + timedelta(hours=2), FIRST_ROW + timedelta(hours=6)
        rows = decode_all(bytes(client.get(cosem_attribute(PROFILE), range_of(CLOCK, first, last))))
        assert [row[2] for row in rows] == [104 + index for index in range(9)]
        written = client.set(cosem_attribute(NOTE), encode_visible_string("seen"))
        assert isinstance(written, xdlms.SetResponseNormal)
        assert written.result == enumerations.DataAccessResult.SUCCESS
        assert client.action(method_of(SINK), encode_long_unsigned(7)) is None
        assert client.action(method_of(ECHO), encode_long_unsigned(8)) == encode_long_unsigned(8)
    assert decode_all(device.written[NOTE]) == "seen"
    assert device.invoked == [(SINK, b"\x12\x00\x07"), (ECHO, b"\x12\x00\x08")]
    assert device.events == []


@pytest.mark.parametrize("suite", [None, 0])
def test_a_list_of_attributes(suite: int | None) -> None:
    device = MatrixDevice()
    with peer_of(device, 0 if suite is None else 5, suite).session() as client:
        wanted = [cosem.CosemAttributeWithSelection(cosem_attribute(address), None) for address in (NAME, ENERGY)]
        response = client.get_many(wanted)
        assert isinstance(response, xdlms.GetResponseWithList)
        assert [item.value for item in response.response_data] == [bytearray(b"MWKexample"), 1_234_567]
    assert device.events == []


@pytest.mark.parametrize("hdlc", LINKS)
@pytest.mark.parametrize("suite", [None, 0])
@pytest.mark.parametrize("max_pdu", [65535, 320])
def test_a_long_value(max_pdu: int, suite: int | None, hdlc: bool) -> None:
    device = MatrixDevice()
    device.values[LONG_VALUE] = encode_octet_string(bytes(range(0x60)) * 40)
    with peer_of(device, 0 if suite is None else 5, suite, hdlc=hdlc, max_pdu_size=max_pdu).session() as client:
        assert client.get(cosem_attribute(LONG_VALUE)) == device.values[LONG_VALUE]
    assert device.events == []


def test_a_wrong_password_is_refused() -> None:
    device = MatrixDevice()
    client = peer_of(device, 1, None)
    client.dlms_connection.authentication.secret = b"87654321"
    client.connect()
    with pytest.raises(DlmsClientException, match="AUTHENTICATION_FAILED"):
        client.associate()
    assert [kind for kind, _ in device.events] == ["authentication-failed"]


def test_a_wrong_key_is_refused() -> None:
    device = MatrixDevice()
    client = peer_of(device, 5, 0)
    client.dlms_connection.global_encryption_key = bytes(16)
    client.connect()
    with pytest.raises(DlmsClientException):
        client.associate()
    assert [kind for kind, _ in device.events] == ["bad-tag"]
