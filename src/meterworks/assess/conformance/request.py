"""Requests as octets, each field free to be wrong, and the little that must be read of an answer.

Source: IEC 62056-5-3 (ACSE, xDLMS); fact sheet sections 3 and 4.
"""

import struct
from dataclasses import dataclass
from typing import Final

from meterworks.assess.conformance.row import fail
from meterworks.errors import PeerError
from meterworks.protocols.dlms import (
    AttributeAddress,
    Conformance,
    DataAccessResult,
    MethodAddress,
    ObisCode,
    decode_all,
    end_of,
)

__all__ = [
    "ASSOCIATION_NAME",
    "BASIC_CONFORMANCE",
    "CURRENT_ASSOCIATION",
    "INVOKE",
    "OBJECT_LIST",
    "UNKNOWN_NAME",
    "AssociationFields",
    "action_request",
    "association_request",
    "attribute_octets",
    "counted",
    "data_of",
    "describe_result",
    "get_request",
    "get_with_list",
    "initiate_request",
    "method_octets",
    "octet_string",
    "release_request",
    "result_of",
    "set_request",
    "whole_data",
]

INVOKE: Final = 0xC1  # identifier 1, confirmed, high priority
CURRENT_ASSOCIATION: Final = ObisCode("0.0.40.0.0.255")
ASSOCIATION_NAME: Final = AttributeAddress(15, CURRENT_ASSOCIATION, 1)
OBJECT_LIST: Final = AttributeAddress(15, CURRENT_ASSOCIATION, 2)
UNKNOWN_NAME: Final = ObisCode("0.0.199.198.197.255")  # a name that no list of objects has

BASIC_CONFORMANCE: Final = int(
    Conformance.PRIORITY
    | Conformance.ATTRIBUTE_0_WITH_GET
    | Conformance.BLOCK_TRANSFER_WITH_GET
    | Conformance.BLOCK_TRANSFER_WITH_SET
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.DATA_NOTIFICATION
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
)
DLMS_VERSION: Final = 6
_CONTEXT: Final = bytes.fromhex("0607608574050801")
_MECHANISM: Final = bytes.fromhex("608574050802")


def counted(octets: bytes) -> bytes:
    """Put a length before octets."""
    size = len(octets)
    if size < 0x80:
        return bytes((size,)) + octets
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(length),)) + length + octets


def octet_string(octets: bytes) -> bytes:
    """Give an octet-string as A-XDR data."""
    return b"\x09" + counted(octets)


def initiate_request(
    *,
    conformance: int = BASIC_CONFORMANCE,
    max_pdu: int = 0xFFFF,
    version: int = DLMS_VERSION,
    dedicated_key: bytes | None = None,
    quality_of_service: int | None = None,
) -> bytes:
    """Give an initiate request."""
    key = b"\x00" if dedicated_key is None else b"\x01" + counted(dedicated_key)
    quality = b"\x00" if quality_of_service is None else bytes((1, quality_of_service))
    negotiable = bytes.fromhex("5f1f0400") + conformance.to_bytes(3, "big") + max_pdu.to_bytes(2, "big")
    return b"\x01" + key + b"\x00" + quality + bytes((version,)) + negotiable


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationFields:
    """Fields of an association request; None leaves a field out. before: octets put before all of them."""

    context: int = 1
    mechanism: int | None = None
    authentication: bytes | None = None
    title: bytes | None = None
    user_information: bytes | None = None
    before: bytes = b""
    after_title: bytes = b""


def association_request(fields: AssociationFields) -> bytes:
    """Give an AARQ."""
    content = fields.before + b"\xa1\x09" + _CONTEXT + bytes((fields.context,))
    if fields.title is not None:
        content += b"\xa6" + counted(b"\x04" + counted(fields.title))
    content += fields.after_title
    if fields.mechanism is not None:
        content += b"\x8a\x02\x07\x80\x8b\x07" + _MECHANISM + bytes((fields.mechanism,))
    if fields.authentication is not None:
        content += b"\xac" + counted(b"\x80" + counted(fields.authentication))
    if fields.user_information is not None:
        content += b"\xbe" + counted(b"\x04" + counted(fields.user_information))
    return b"\x60" + counted(content)


def release_request(*, reason: int | None = 0, user_information: bytes | None = None) -> bytes:
    """Give an RLRQ."""
    content = b"" if reason is None else bytes((0x80, 1, reason))
    if user_information is not None:
        content += b"\xbe" + counted(b"\x04" + counted(user_information))
    return b"\x62" + counted(content)


def attribute_octets(address: AttributeAddress) -> bytes:
    """Give class, name and attribute number."""
    return struct.pack(">H", address.class_id) + bytes(address.obis_code) + bytes((address.attribute & 0xFF,))


def method_octets(address: MethodAddress) -> bytes:
    """Give class, name and method number."""
    return struct.pack(">H", address.class_id) + bytes(address.obis_code) + bytes((address.method & 0xFF,))


def get_request(address: AttributeAddress, selection: bytes | None = None, *, invoke: int = INVOKE) -> bytes:
    """Give a GET of one attribute. selection: selector and parameters."""
    access = b"\x00" if selection is None else b"\x01" + selection
    return bytes((0xC0, 1, invoke)) + attribute_octets(address) + access


def get_with_list(addresses: list[AttributeAddress], *, invoke: int = INVOKE) -> bytes:
    """Give a GET of several attributes."""
    items = b"".join(attribute_octets(address) + b"\x00" for address in addresses)
    return bytes((0xC0, 3, invoke, len(addresses))) + items


def set_request(address: AttributeAddress, value: bytes, *, invoke: int = INVOKE) -> bytes:
    """Give a SET of one attribute."""
    return bytes((0xC1, 1, invoke)) + attribute_octets(address) + b"\x00" + value


def action_request(address: MethodAddress, parameter: bytes | None = None, *, invoke: int = INVOKE) -> bytes:
    """Give an ACTION of one method."""
    data = b"\x00" if parameter is None else b"\x01" + parameter
    return bytes((0xC3, 1, invoke)) + method_octets(address) + data


def whole_data(octets: bytes) -> object:
    """Decode one A-XDR value that fills the octets; the suite's failure where it does not."""
    try:
        return decode_all(octets)
    except PeerError as error:
        fail(f"the value is not well-formed A-XDR: {error}")


def data_of(answer: bytes) -> bytes:
    """Give the data of a GET response of one attribute; the suite's failure where it is anything else."""
    if len(answer) < 5 or answer[:2] != b"\xc4\x01":
        fail(f"a GET response of one attribute was expected, {_name(answer)} came")
    if answer[3] != 0:
        fail(f"the attribute was refused: {describe_result(answer[4])}")
    data = answer[4:]
    try:
        end = end_of(data)
    except PeerError as error:
        fail(f"the data of the GET response are not well-formed: {error}")
    if end != len(data):
        fail(f"{len(data) - end} octets follow the data of the GET response")
    return data


def result_of(answer: bytes) -> int | None:
    """Give the result in a response to GET, SET or ACTION of one item: 0 success; None where it is none of these."""
    match answer[:2]:
        case b"\xc4\x01" if len(answer) >= 5:
            return answer[4] if answer[3] else 0
        case b"\xc4\x02" if len(answer) >= 10 and answer[8]:
            return answer[9]
        case b"\xc5\x01" | b"\xc5\x03" if len(answer) >= 4:
            return answer[3]
        case b"\xc7\x01" if len(answer) >= 4:
            return answer[3]
    return None


def describe_result(result: int | None) -> str:
    """Name a result by its number."""
    if result is None:
        return "no result"
    try:
        return f"{DataAccessResult(result).name.lower().replace('_', '-')} ({result})"
    except ValueError:
        return f"result {result}, which is not defined"


def _name(answer: bytes) -> str:
    return f"APDU {answer[:3].hex()}" if answer else "nothing"
