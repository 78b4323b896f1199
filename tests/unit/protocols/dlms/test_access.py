"""ACCESS on the wire, and what is refused."""

import pytest

from meterworks.protocols.dlms.access import AccessKind, AccessRequest, AccessResponse, AccessSpecification, LongInvoke
from meterworks.protocols.dlms.descriptor import AttributeAddress, MethodAddress
from meterworks.protocols.dlms.obis import ObisCode
from meterworks.protocols.dlms.result import DataAccessResult
from meterworks.protocols.errors import DecodeError, EncodeError

CLOCK = AttributeAddress(8, ObisCode("0.0.1.0.0.255"), 2)
RESET = MethodAddress(3, ObisCode("1.0.1.8.0.255"), 1)
PROFILE = AttributeAddress(7, ObisCode("1.0.99.1.0.255"), 2)
NOW = bytes.fromhex("07ea0b15060c000000000000")
SELECTION = bytes.fromhex("02020406000000010600000002120001120000")
SPECIFICATIONS = (
    AccessSpecification(AccessKind.GET, CLOCK),
    AccessSpecification(AccessKind.SET, CLOCK),
    AccessSpecification(AccessKind.ACTION, RESET),
    AccessSpecification(AccessKind.GET_WITH_SELECTION, PROFILE, SELECTION),
    AccessSpecification(AccessKind.SET_WITH_SELECTION, PROFILE, SELECTION),
)
WIRE_SPECIFICATIONS = (
    "05"
    "0100080000010000ff02"
    "0200080000010000ff02"
    "0300030100010800ff01"
    f"0400070100630100ff02{SELECTION.hex()}"
    f"0500070100630100ff02{SELECTION.hex()}"
)
VALUES = (b"\x00", b"\x11\x05", b"\x0f\x00", b"\x00", b"\x01\x00")
WIRE_VALUES = "0500110" + "50f00000100"
INVOKE = LongInvoke.CONFIRMED | LongInvoke.SELF_DESCRIPTIVE | 0x123456

MESSAGES = {
    f"d950123456 00{WIRE_SPECIFICATIONS}{WIRE_VALUES}": AccessRequest(
        long_invoke=INVOKE, specifications=SPECIFICATIONS, values=VALUES
    ),
    f"d9000000010c{NOW.hex()}0101 00080000010000ff02 0100": AccessRequest(
        long_invoke=1, specifications=SPECIFICATIONS[:1], values=(b"\x00",), date_time=NOW
    ),
    f"da501234560001{WIRE_SPECIFICATIONS}{WIRE_VALUES} 05 0100 0200 0303 0104 02fa": AccessResponse(
        long_invoke=INVOKE,
        specifications=SPECIFICATIONS,
        values=VALUES,
        results=tuple((kind, DataAccessResult(result)) for kind, result in ((1, 0), (2, 0), (3, 3), (1, 4), (2, 250))),
    ),
    f"da000000020c{NOW.hex()}00 0000": AccessResponse(long_invoke=2, values=(), results=(), date_time=NOW),
}


@pytest.mark.parametrize(("wire", "message"), MESSAGES.items(), ids=lambda value: str(value)[:20])
def test_message_is_read_and_written_back(wire: str, message: AccessRequest | AccessResponse) -> None:
    assert message.to_bytes() == bytes.fromhex(wire)
    assert type(message).from_bytes(bytes.fromhex(wire)) == message


MALFORMED = {
    "another tag": "da00000001000000",
    "date-time of 5 octets": "d900000001050102030405 00 00",
    "kind 6": "d90000000100 01 0600080000010000ff02 0100",
    "kind 0": "d90000000100 01 0000080000010000ff02 0100",
    "data missing": "d90000000100 01 0100080000010000ff02",
    "fewer data than specifications": "d90000000100 01 0100080000010000ff02 00",
    "octets behind": "d90000000100 00 00 00",
    "selection cut off": "d90000000100 01 0400080000010000ff02 02 0204 06",
    "descriptor cut off": "d90000000100 01 01000800000100",
    "more specifications than octets": "d90000000100 7f 0100080000010000ff02 0100",
}


@pytest.mark.parametrize("wire", MALFORMED.values(), ids=MALFORMED)
def test_malformed_request_is_refused(wire: str) -> None:
    with pytest.raises(DecodeError):
        AccessRequest.from_bytes(bytes.fromhex(wire))


@pytest.mark.parametrize(
    "wire",
    ["da00000001000200 00", "da0000000100000100", "da00000001000001000104 00", "da0000000100000000 ff", "da000000"],
)
def test_malformed_response_is_refused(wire: str) -> None:
    with pytest.raises(DecodeError):
        AccessResponse.from_bytes(bytes.fromhex(wire))


def test_specification_with_a_selection_that_its_kind_does_not_have_is_not_made() -> None:
    with pytest.raises(EncodeError):
        AccessSpecification(AccessKind.GET, CLOCK, SELECTION)
    with pytest.raises(EncodeError):
        AccessSpecification(AccessKind.SET_WITH_SELECTION, CLOCK)
    with pytest.raises(EncodeError):
        AccessRequest(long_invoke=1, specifications=(), values=(), date_time=b"\x00").to_bytes()
