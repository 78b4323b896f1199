"""Fuzz targets for GB messages: frames, blocks, gas and ASN.1 payloads, tokens, results and their JSON.

A target takes any octets and raises only where we are wrong; it tells whether they were taken or refused. What is taken
comes out again as it came in.
"""

import json
from collections.abc import Callable
from functools import cache

from tests.unit.companions.gb.result.messages import EXPORT, READ_EXPORT, message, outcome
from tests.unit.companions.gb.result.test_message import sealed_response, shared

from meterworks.companions.gb.result import (
    annotate,
    is_gb_message,
    read_result,
    result_from_json,
    result_to_json,
    write_result,
)
from meterworks.companions.gb.result.form import read_value, write_value
from meterworks.errors import PeerError, SecurityError, UsageError
from meterworks.protocols import DecodeError, EncodeError
from meterworks.protocols.gbcs import (
    PAYLOADS,
    Asn1Payload,
    FirmwareFile,
    GbzAlert,
    GbzMessage,
    Message,
    MessageKind,
    Token,
    decode_payload,
    in_blocks,
    joined_message,
)

__all__ = ["GB_TARGETS", "example_of"]

CODES = tuple(PAYLOADS)
GAS = bytes.fromhex("010902000705000508000b0200010705000508010b028b")
GAS_ALERT = bytes.fromhex("0109018f663880fa000e006d00000000000003ed07050106")


def _fuzz_frame(octets: bytes) -> str:
    try:
        found = Message.from_bytes(octets)
    except DecodeError:
        return "refused"
    assert found.to_bytes() == octets
    return "taken"


def _fuzz_blocks(octets: bytes) -> str:
    try:
        joined = joined_message(octets)
    except DecodeError:
        return "refused"
    if joined:
        assert joined_message(in_blocks(joined, block_size=100)) == joined
    return "taken"


def _fuzz_gas(octets: bytes) -> str:
    outcome = "refused"
    for form in (GbzMessage, GbzAlert):
        try:
            found = form.from_bytes(octets)
        except DecodeError:
            continue
        assert form.from_bytes(found.to_bytes()) == found
        outcome = "taken"
    return outcome


def _fuzz_asn1(octets: bytes) -> str:
    code = CODES[octets[0] % len(CODES)] if octets else 0x9999
    outcome = "refused"
    for kind in MessageKind:
        try:
            found = Asn1Payload.from_bytes(code, kind, octets[1:])
        except DecodeError:
            continue
        assert found.to_bytes() == octets[1:]
        outcome = "taken"
    return outcome


def _fuzz_token(octets: bytes) -> str:
    digits = octets.decode("latin-1")
    try:
        token = Token.from_digits(digits)
    except DecodeError:
        return "refused"
    assert token.digits == digits
    return "taken"


def _fuzz_value(octets: bytes) -> str:
    try:
        told = read_value(octets)
    except DecodeError:
        return "refused"
    assert write_value(*json.loads(json.dumps(told))) == octets
    return "taken"


def _fuzz_result(octets: bytes) -> str:
    """Any message: as a result, as JSON and back."""
    try:
        result = read_result(octets, secret=shared)
    except (DecodeError, SecurityError):
        return "refused"
    whole = joined_message(octets)
    assert write_result(result) == whole
    again = result_from_json(json.loads(json.dumps(result_to_json(result))))
    assert write_result(again) == whole
    return "taken"


def _fuzz_payload(octets: bytes) -> str:
    """Any payload under any message code, in a frame that is right."""
    if len(octets) < 3:
        return "refused"
    kind = MessageKind(1 + octets[0] % 3)
    made = message(CODES[octets[1] % len(CODES)] if octets[2] & 1 else octets[1], octets[3:], kind)
    try:
        decode_payload(made)
    except DecodeError:
        pass
    if kind is MessageKind.COMMAND:
        return "taken" if not annotate(made.to_bytes()).errors else "refused"
    return _fuzz_result(made.to_bytes())


def _fuzz_annotation(octets: bytes) -> str:
    is_gb_message(octets)
    tree = annotate(octets)
    assert len(tree.errors) <= 1
    return "refused" if tree.errors else "taken"


def _fuzz_json(octets: bytes) -> str:
    try:
        told = json.loads(octets)
    except (ValueError, RecursionError):
        return "refused"
    if not isinstance(told, dict):
        return "refused"
    try:
        write_result(result_from_json(told))
    except (EncodeError, UsageError, PeerError):
        return "refused"
    return "taken"


def _fuzz_firmware(octets: bytes) -> str:
    try:
        file = FirmwareFile.from_bytes(octets)
    except DecodeError:
        return "refused"
    assert FirmwareFile.from_bytes(file.to_bytes()) == file
    return "taken"


GB_TARGETS = (
    _fuzz_frame, _fuzz_blocks, _fuzz_gas, _fuzz_asn1, _fuzz_token, _fuzz_value, _fuzz_result, _fuzz_payload,
    _fuzz_annotation, _fuzz_json, _fuzz_firmware,
)  # fmt: skip


@cache
def _examples() -> dict[str, tuple[bytes, ...]]:
    answer = message(READ_EXPORT, EXPORT)
    answers = (answer.to_bytes(), outcome("8f66", "232800005e2c020006").to_bytes(), sealed_response().to_bytes(),
               message(0x006E, GAS).to_bytes(), message(0x00CD, GAS_ALERT, MessageKind.ALERT).to_bytes(),
               message(0x0013, "3014020100300f300d040800db1234567890a1020100").to_bytes())  # fmt: skip
    told = json.dumps(result_to_json(read_result(answers[0]))).encode()
    firmware = FirmwareFile(manufacturer=1, image_type=2, file_version=3, image=b"image", signature=bytes(64))
    return {
        "_fuzz_frame": answers,
        "_fuzz_blocks": tuple(in_blocks(each, block_size=30) for each in answers),
        "_fuzz_gas": (GAS, GAS_ALERT),
        "_fuzz_asn1": (bytes((CODES.index(0x0013),)) + bytes.fromhex("3014020100300f300d040800db1234567890a1020100"),),
        "_fuzz_token": (b"73950067887105178605",),
        "_fuzz_value": (bytes.fromhex("1302020606101c35f900000000011c36000800000002"), bytes.fromhex("02020f00161e")),
        "_fuzz_result": answers,
        "_fuzz_payload": (b"\x01\x26\x00" + answer.payload, b"\x02\x00\x00" + GAS_ALERT),
        "_fuzz_annotation": answers,
        "_fuzz_json": (told,),
        "_fuzz_firmware": (firmware.to_bytes(),),
    }


def example_of(target: Callable[[bytes], str]) -> tuple[bytes, ...]:
    """Octets that a target takes as they are."""
    return _examples()[target.__name__]
