"""gurux-dlms 1.0.203 as client of our server: every mechanism, suite, data link and service that it has.

Measured, and where it is wrong worked around here, never in our server:
- Its ECDSA signatures on P-256 are genuine (ours verify each of them), its verification is not: it refuses signatures
  of its own ("base is not invertible", or False), because its point arithmetic overwrites its operands. Its P-384 is
  not there at all: the second branch of its hash choice repeats P-256, and a public key of 96 octets loses its last.
  So mechanism 7 runs with its `sign` (suite 2) and `verify` replaced; which octets are signed, and the order of the
  titles in them, remain its own.
- It cannot read an octet-string that spans blocks ("Invalid count"); arrays work.
- Its general block transfer reads an attribute that no code of it makes (`blockNumber`, the number of its own block).
  The test gives it that attribute, and all goes well.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from gurux_dlms.ecdsa.GXEcdsa import GXEcdsa
from gurux_dlms.enums import Conformance as GuruxConformance
from gurux_dlms.enums import DataType
from gurux_dlms.GXDLMSSettings import GXDLMSSettings
from gurux_dlms.GXReplyData import GXReplyData
from gurux_dlms.objects import GXDLMSData, GXDLMSScriptTable
from tests.integration.dlms.example_device import (
    CAPTURE_OBJECTS,
    CLOCK,
    ECHO,
    ENERGY,
    FIRST_ROW,
    NAME,
    NOTE,
    NOW,
    PROFILE,
)
from tests.integration.dlms.matrix import MECHANISMS, SINK, MatrixDevice, MatrixPeer, private_key, served

from meterworks.protocols.dlms import (
    WRAPPER,
    Mechanism,
    SecuritySuite,
    SoftwareSigner,
    decode_all,
    encode_octet_string,
    verify_signature,
)
from meterworks.protocols.dlms.hdlc import HDLC
from meterworks.protocols.errors import SignatureError

CELLS = [
    pytest.param(mechanism, suite, hdlc, id=f"{mechanism.name.lower()}-{'plain' if suite is None else suite}-{link}")
    for mechanism in MECHANISMS
    for suite in (None, 0, 1, 2)
    for hdlc, link in ((False, "wrapper"), (True, "hdlc"))
    if mechanism != Mechanism.ECDSA or suite
]
LINKS = [pytest.param(False, id="wrapper"), pytest.param(True, id="hdlc")]
SUITES = [pytest.param(None, id="plain"), *(pytest.param(number, id=f"suite-{number}") for number in (0, 1, 2))]


@pytest.fixture
def ecdsa(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give gurux a verification that works, and a signature on P-384."""
    genuine_sign = GXEcdsa.sign
    keys: dict[int, Any] = {}

    def remember(self: Any, key: Any) -> None:
        original(self, key)
        keys[id(self)] = key

    def sign(self: Any, message: bytes) -> bytes:
        suite = SecuritySuite.SUITE_1 if len(keys[id(self)].rawValue) == 32 else SecuritySuite.SUITE_2
        if suite == SecuritySuite.SUITE_1:
            signature: bytes = genuine_sign(self, message)
            return signature
        return SoftwareSigner(suite, private_key(2, "client")).sign(bytes(message))

    def verify(self: Any, signature: bytes, message: bytes) -> bool:
        public_key = bytes(keys[id(self)].rawValue)[1:]
        suite = SecuritySuite.SUITE_1 if len(public_key) == 64 else SecuritySuite.SUITE_2
        try:
            verify_signature(suite, public_key, bytes(message), bytes(signature))
        except SignatureError:
            return False
        return True

    original = GXEcdsa.__init__
    monkeypatch.setattr(GXEcdsa, "__init__", remember)
    monkeypatch.setattr(GXEcdsa, "sign", sign)
    monkeypatch.setattr(GXEcdsa, "verify", verify)
    yield


def peer_of(
    device: MatrixDevice, mechanism: int, suite: int | None, *, hdlc: bool = False, **options: Any
) -> MatrixPeer:
    return MatrixPeer(served(device, HDLC if hdlc else WRAPPER), mechanism, suite, hdlc=hdlc, **options)


@pytest.mark.usefixtures("ecdsa")
@pytest.mark.parametrize(("mechanism", "suite", "hdlc"), CELLS)
def test_each_mechanism_and_suite_opens_reads_and_releases(mechanism: Mechanism, suite: int | None, hdlc: bool) -> None:
    device = MatrixDevice()
    with peer_of(device, mechanism, suite, hdlc=hdlc) as peer:
        assert peer.read(ENERGY) == 1_234_567
        assert peer.read(CLOCK).value.timestamp() == NOW.timestamp()
        peer.release()
    assert device.events == []


@pytest.mark.usefixtures("ecdsa")
def test_a_signature_of_another_key_is_refused() -> None:
    device = MatrixDevice()
    peer = peer_of(device, Mechanism.ECDSA, 1)
    _, _, key = peer.client.ciphering.signingKeyPair[0], None, peer.client.ciphering.signingKeyPair[1]
    peer.client.ciphering.signingKeyPair = (
        peer.client.ciphering.signingKeyPair[0],
        type(key).fromRawBytes(private_key(1, "a stranger")),
    )
    with pytest.raises(RuntimeError, match="gurux: error 3"), peer:
        pass
    assert [kind for kind, _ in device.events] == ["authentication-failed"]


@pytest.mark.parametrize("mechanism", [Mechanism.MANUFACTURER, Mechanism.MD5, Mechanism.SHA1, Mechanism.SHA256])
def test_a_wrong_secret_is_refused(mechanism: Mechanism) -> None:
    device = MatrixDevice()
    with pytest.raises(RuntimeError, match="gurux: error"), peer_of(device, mechanism, 0, password=b"another secret.."):
        pass
    assert [kind for kind, _ in device.events] == ["authentication-failed"]


@pytest.mark.parametrize("hdlc", LINKS)
@pytest.mark.parametrize("suite", SUITES)
def test_services_with_lists_and_selections(suite: int | None, hdlc: bool) -> None:
    device = MatrixDevice()
    with peer_of(device, Mechanism.GMAC, suite, hdlc=hdlc) as peer:
        assert peer.read_list([NAME, ENERGY])[1] == 1_234_567
        item = peer.profile(CAPTURE_OBJECTS)
        first, last = FIRST_ROW + timedelta(hours=2), FIRST_ROW + timedelta(hours=6)
        rows = peer.profile_rows(item, peer.client.readRowsByRange(item, first, last))
        assert [row[2] for row in rows] == [104 + index for index in range(9)]
        assert len(peer.profile_rows(item, peer.client.readRowsByEntry(item, 1, 48))) == 48
        peer.write(NOTE, "seen", DataType.STRING)
        assert decode_all(device.written[NOTE]) == "seen"
        script = GXDLMSScriptTable(str(ECHO.obis_code))
        peer.exchange(peer.client.method(script, 1, 7, DataType.UINT16), GXReplyData())
        assert device.invoked == [(ECHO, b"\x12\x00\x07")]
        peer.release()
    assert device.events == []


@pytest.mark.parametrize("hdlc", LINKS)
@pytest.mark.parametrize("suite", SUITES)
def test_blocks_both_ways(suite: int | None, hdlc: bool) -> None:
    device = MatrixDevice(pdu_size=200)
    with peer_of(device, Mechanism.GMAC, suite, hdlc=hdlc, maxReceivePDUSize=200) as peer:
        item = peer.profile(CAPTURE_OBJECTS)
        assert len(peer.profile_rows(item, peer.client.readRowsByEntry(item, 1, 48))) == 48
        peer.write(NOTE, "n" * 700, DataType.STRING)
        assert decode_all(device.written[NOTE]) == "n" * 700
        script = GXDLMSScriptTable(str(SINK.obis_code))
        peer.exchange(peer.client.method(script, SINK.method, bytearray(500), DataType.OCTET_STRING), GXReplyData())
        assert device.invoked == [(SINK, encode_octet_string(bytes(500)))]
        assert len(peer.read_list([NAME, ENERGY])) == 2
    assert device.events == []


@pytest.mark.parametrize("suite", [0, 1, 2])
@pytest.mark.parametrize("general", [False, True], ids=["service", "general"])
def test_dedicated_keys(suite: int, general: bool) -> None:
    device = MatrixDevice()
    peer = peer_of(device, Mechanism.GMAC, suite)
    peer.client.ciphering.dedicatedKey = bytearray(range(0x40, 0x60 if suite == 2 else 0x50))
    if general:
        peer.client.proposedConformance |= GuruxConformance.GENERAL_PROTECTION
    else:
        peer.client.proposedConformance &= ~GuruxConformance.GENERAL_PROTECTION
    with peer:
        assert peer.read(ENERGY) == 1_234_567
        assert peer.read(NAME) is not None
        peer.release()
    assert device.events == []


@pytest.fixture
def numbered_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give gurux the attribute that its general block transfer reads and never makes: the number of its own block."""

    monkeypatch.setattr(GXDLMSSettings, "blockNumber", property(lambda self: self.blockIndex), raising=False)


@pytest.mark.usefixtures("numbered_blocks")
@pytest.mark.parametrize("suite", SUITES)
def test_general_block_transfer(suite: int | None) -> None:
    device = MatrixDevice(pdu_size=200, general_blocks=True)
    peer = peer_of(device, Mechanism.GMAC, suite, maxReceivePDUSize=200)
    peer.client.proposedConformance |= GuruxConformance.GENERAL_BLOCK_TRANSFER
    with peer:
        item = peer.profile(CAPTURE_OBJECTS)
        assert len(peer.profile_rows(item, peer.client.readRowsByEntry(item, 1, 48))) == 48
        assert peer.read(ENERGY) == 1_234_567
    assert device.events == []


def test_an_attribute_that_does_not_exist_is_told_by_its_result() -> None:
    device = MatrixDevice()
    with (
        pytest.raises(RuntimeError, match="gurux: error 4"),
        peer_of(device, Mechanism.NONE, None) as peer,
    ):
        peer.exchange(peer.client.read(GXDLMSData("0.0.199.0.0.255"), 2), GXReplyData())


def test_the_profile_reads_the_same_in_every_suite() -> None:
    seen = []
    for suite in (None, 0, 1, 2):
        with peer_of(MatrixDevice(), Mechanism.GMAC, suite) as peer:
            item = peer.profile(CAPTURE_OBJECTS)
            rows = peer.profile_rows(item, peer.client.read(item, PROFILE.attribute))
            seen.append([row[2] for row in rows])
    assert seen == [[100 + index for index in range(48)]] * 4
