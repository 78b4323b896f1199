"""Small APDUs and profile encoding against the Python peers, in one process.

Codec to codec where a peer has one (dlms-cosem's message classes); client to client for gurux-dlms, whose codec is not
reachable without its client: there both sides make or take a whole wrapper frame. Every result is compared before it
is timed. Prints one JSON line.

    python -m benchmarks.apdu
"""

import json
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from dlms_cosem import cosem, enumerations
from dlms_cosem.a_xdr import AXdrDecoder, EncodingConf, Sequence
from dlms_cosem.protocol.acse import ApplicationAssociationRequest
from dlms_cosem.protocol.xdlms import GetRequestNormal, GetResponseNormal
from dlms_cosem.protocol.xdlms.data_notification import DataNotification as CosemNotification
from gurux_dlms import GXArray, GXByteBuffer, GXDLMSClient, GXReplyData, GXStructure, GXUInt8, GXUInt32
from gurux_dlms.enums import Authentication, DataType, InterfaceType
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.objects import GXDLMSRegister

from benchmarks.decode import PERIOD_S, SIZES, START, seconds_per_call
from meterworks.protocols.dlms import (
    Associate,
    AssociationRequest,
    AssociationSettings,
    AttributeAddress,
    ClientConnection,
    ClientSettings,
    CountUp,
    DataNotification,
    Get,
    ObisCode,
    ServerConnection,
    TimeColumn,
    ValueColumn,
    ValueReceived,
    decode_all,
    encode_profile,
)
from meterworks.protocols.dlms.get import GetRequest, GetResponse, decode_get_response

CALLS: Final = 200  # of one timed round: a small APDU is nearer to the clock's grain than to a round
REGISTER: Final = AttributeAddress(3, ObisCode("1.0.1.8.0.255"), 2)
PEER_TITLE: Final = b"MWEmeter"
AARQ: Final = bytes.fromhex(
    "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738be10040e01000000065f1f040000181dffff"
)
NOTIFICATION: Final = bytes.fromhex("0f000000010c07e90b1506000000ff800000020206000186a00600000064")
ANSWER: Final = bytes.fromhex("c401c10006000186a0")


def microseconds(call: Callable[[], object]) -> float:
    """The best time of one call."""

    def round_of_calls() -> None:
        for _ in range(CALLS):
            call()

    return seconds_per_call(round_of_calls) / CALLS * 1e6


def compared(ours: Callable[[], object], theirs: Callable[[], object], *also: Callable[[], object]) -> dict[str, float]:
    """Ours beside the better of the peers."""
    mine, best = microseconds(ours), min(microseconds(each) for each in (theirs, *also))
    return {"ours_us": round(mine, 3), "best_peer_us": round(best, 3), "times_best_peer": round(best / mine, 2)}


def small_codec() -> dict[str, dict[str, float]]:
    """Messages against dlms-cosem's, codec to codec."""
    item = cosem.CosemAttribute(enumerations.CosemInterface.REGISTER, cosem.Obis(1, 0, 1, 8, 0, 255), 2)
    ours, theirs = GetRequest(0xC1, REGISTER), GetRequestNormal(cosem_attribute=item)
    assert ours.to_bytes() == theirs.to_bytes()
    answer = decode_get_response(ANSWER)
    assert isinstance(answer, GetResponse)
    assert GetResponseNormal.from_bytes(ANSWER).data == answer.result
    assert AssociationRequest.from_bytes(AARQ).to_bytes() == AARQ
    return {
        "encode_get_request": compared(
            lambda: GetRequest(0xC1, REGISTER).to_bytes(), lambda: GetRequestNormal(cosem_attribute=item).to_bytes()
        ),
        "decode_get_response": compared(
            lambda: decode_all(decode_get_response(ANSWER).result),  # type: ignore[union-attr,arg-type]  # asserted above
            lambda: _cosem_value(GetResponseNormal.from_bytes(ANSWER).data),
        ),
        "decode_association_request": compared(
            lambda: AssociationRequest.from_bytes(AARQ), lambda: ApplicationAssociationRequest.from_bytes(AARQ)
        ),
        "decode_notification": compared(
            lambda: decode_all(DataNotification.from_bytes(NOTIFICATION).body),
            lambda: _cosem_value(CosemNotification.from_bytes(NOTIFICATION).body),
        ),
    }


def _cosem_value(octets: bytes) -> Any:
    return AXdrDecoder(EncodingConf([Sequence(attribute_name="data")])).decode(bytearray(octets))


class _Answering:
    """A device whose every attribute is the same register value."""

    system_title = PEER_TITLE

    def association(self, client_sap: int) -> Any:
        return AssociationSettings()

    def __getattr__(self, name: str) -> Any:
        return lambda *_: ANSWER[4:]


def small_client() -> dict[str, dict[str, float]]:
    """A request made and its answer taken, whole frames, against gurux-dlms's client."""
    ours = ClientConnection(ClientSettings(), CountUp(), bytes)
    server = ServerConnection(_Answering(), bytes)
    ours.receive(server.receive(ours.send(Associate())))
    theirs = GXDLMSClient(True, 16, 1, Authentication.NONE, None, InterfaceType.WRAPPER)
    register = GXDLMSRegister("1.0.1.8.0.255")
    frame = bytes.fromhex("0001000100100009") + ANSWER

    def ask() -> object:
        ours.send(Get(REGISTER))
        (event,) = ours.receive(frame)
        assert isinstance(event, ValueReceived)
        return decode_all(event.result)  # type: ignore[arg-type]  # the frame holds a value

    def gurux_ask() -> object:
        theirs.read(register, 2)
        reply = GXReplyData()
        theirs.getData(GXByteBuffer(frame), reply, GXReplyData())
        return reply.value

    assert ask() == gurux_ask() == 100_000
    return {"ask_and_take": compared(ask, gurux_ask)}


def encoding() -> dict[str, dict[str, float]]:
    """A profile of time, status and energy from columns to octets, against gurux-dlms from rows to octets."""
    found = {}
    for rows in SIZES:
        times, energy = START + PERIOD_S * np.arange(rows), np.arange(rows) % 4000
        status = np.zeros(rows, np.int64)

        def encode(times: Any = times, status: Any = status, energy: Any = energy) -> bytes:
            columns: list[TimeColumn | ValueColumn] = [
                TimeColumn(epoch_s=times, compress=False), ValueColumn(values=status, tag=17),
                ValueColumn(values=energy, tag=6),
            ]  # fmt: skip
            return encode_profile(columns, capture_period_s=PERIOD_S)

        data = encode()
        table = _rows_for_gurux(data)

        def gurux_encode(table: Any = table) -> bytes:
            buffer = GXByteBuffer()
            _GXCommon.setData(None, buffer, *table)
            return bytes(buffer.array())

        assert gurux_encode() == data
        mine, theirs = seconds_per_call(encode), seconds_per_call(gurux_encode)
        found[f"{rows}_rows"] = {
            "ours_rows_per_s": round(rows / mine), "gurux_rows_per_s": round(rows / theirs),
            "times_best_peer": round(theirs / mine, 1),
        }  # fmt: skip
    return found


def _rows_for_gurux(data: bytes) -> tuple[Any, Any]:
    """The type and the typed rows that gurux-dlms encodes to these octets."""
    table = GXArray()
    for time, status, energy in decode_all(data):
        row = GXStructure()
        row.extend([bytearray(time), GXUInt8(status), GXUInt32(energy)])
        table.append(row)
    return DataType.ARRAY, table


def measure() -> dict[str, Any]:
    """Measure everything."""
    return {
        "small": small_codec() | small_client(),
        "encode": encoding(),
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
