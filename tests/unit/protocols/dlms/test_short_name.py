"""READ, WRITE, unconfirmed WRITE and information report on the wire, and what is refused."""

from typing import Any

import pytest

from meterworks.protocols.dlms.result import DataAccessResult
from meterworks.protocols.dlms.short_name import (
    BlockAsked,
    BlockTaken,
    InformationReport,
    Parameterised,
    ReadBlock,
    ReadBlockResult,
    ReadRequest,
    ReadResponse,
    UnconfirmedWriteRequest,
    Variable,
    WriteBlock,
    WriteRequest,
    WriteResponse,
)
from meterworks.protocols.errors import DecodeError, EncodeError

NOW = bytes.fromhex("07ea0b15060c000000000000")
DENIED = DataAccessResult.READ_WRITE_DENIED

MESSAGES: dict[str, Any] = {
    "05 01 02fa08": ReadRequest((Variable(0xFA08),)),
    "05 03 020008 04 0120 02 0203 110111021103 05 0007": ReadRequest(
        (Variable(8), Parameterised(0x120, 2, bytes.fromhex("0203110111021103")), BlockAsked(7))
    ),
    "05 01 06 00 0001 03 aabbcc": ReadRequest((ReadBlock(False, 1, b"\xaa\xbb\xcc"),)),
    "0c 03 00 1105 0104 00 0900": ReadResponse((b"\x11\x05", DataAccessResult(4), b"\x09\x00")),
    "0c 01 02 01 0002 02 abcd": ReadResponse((ReadBlockResult(True, 2, b"\xab\xcd"),)),
    "0c 01 03 0005": ReadResponse((BlockTaken(5),)),
    "06 02 020008 020010 02 1101 0900": WriteRequest((Variable(8), Variable(16)), (b"\x11\x01", b"\x09\x00")),
    "06 01 07 01 0003 01 0902abcd": WriteRequest((WriteBlock(True, 3),), (bytes.fromhex("0902abcd"),)),
    "06 01 04 0008 01 1103 01 1101": WriteRequest((Parameterised(8, 1, b"\x11\x03"),), (b"\x11\x01",)),
    "0d 03 00 0103 02 0004": WriteResponse((DataAccessResult.SUCCESS, DENIED, BlockTaken(4))),
    "16 01 020008 01 1101": UnconfirmedWriteRequest((Variable(8),), (b"\x11\x01",)),
    "18 00 01 020008 01 1101": InformationReport(variables=(Variable(8),), values=(b"\x11\x01",)),
    f"18 01 0c {NOW.hex()} 00 00": InformationReport(variables=(), values=(), current_time=NOW),
    f"18 0c {NOW.hex()} 00 00": InformationReport(variables=(), values=(), current_time=NOW, is_flagged=False),
}


@pytest.mark.parametrize(("wire", "message"), MESSAGES.items(), ids=lambda value: str(value)[:24])
def test_message_is_read_and_written_back(wire: str, message: Any) -> None:
    assert message.to_bytes() == bytes.fromhex(wire)
    assert type(message).from_bytes(bytes.fromhex(wire)) == message


MALFORMED: dict[str, tuple[Any, str]] = {
    "another tag": (ReadRequest, "06 01 02fa08"),
    "no access of kind 3": (ReadRequest, "05 01 03fa08"),
    "name cut off": (ReadRequest, "05 01 02fa"),
    "parameters cut off": (ReadRequest, "05 01 04fa08 01 02 02 11"),
    "octets behind": (ReadRequest, "05 01 02fa08 00"),
    "block cut off": (ReadRequest, "05 01 06 00 0001 05 aa"),
    "no result of kind 4": (ReadResponse, "0c 01 04 00"),
    "result cut off": (ReadResponse, "0c 01 00 12 00"),
    "fewer data than variables": (WriteRequest, "06 02 020008 020010 01 1101"),
    "no result of writing of kind 3": (WriteResponse, "0d 01 03 00"),
    "number cut off": (WriteResponse, "0d 01 02 00"),
    "data missing": (UnconfirmedWriteRequest, "16 01 020008"),
    "time cut off": (InformationReport, "18 01 0c 07ea"),
    "nothing": (InformationReport, ""),
}


@pytest.mark.parametrize(("kind", "wire"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_message_is_refused(kind: Any, wire: str) -> None:
    with pytest.raises(DecodeError):
        kind.from_bytes(bytes.fromhex(wire))


@pytest.mark.parametrize("variable", [Variable(-1), Variable(65536), BlockAsked(65536), WriteBlock(True, 65536)])
def test_numbers_that_do_not_fit_are_not_written(variable: Any) -> None:
    with pytest.raises(EncodeError):
        ReadRequest((variable,)).to_bytes()
