"""Initiate request and response, which ride in AARQ and AARE.  Source: IEC 62056-5-3, 7.3.1; fact sheet section 3."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Self

from meterworks.protocols.dlms.conformance import Conformance
from meterworks.protocols.dlms.length import decode_length, encode_length, take, unsigned_at
from meterworks.protocols.errors import DecodeError

__all__ = ["DLMS_VERSION", "VAA_LOGICAL_NAME", "VAA_SHORT_NAME", "InitiateRequest", "InitiateResponse"]

DLMS_VERSION: Final = 6
VAA_LOGICAL_NAME: Final = 0x0007
VAA_SHORT_NAME: Final = 0xFA00  # the base name of the association object
CACHE_SIZE: Final = 64  # different APDUs kept decoded or encoded; those of one make of meter are alike
_CONFORMANCE_HEADER: Final = b"\x5f\x1f\x04\x00"
_CONFORMANCE_HEADER_OLD: Final = b"\x5f\x04\x00"  # written by some old meters


@dataclass(frozen=True, slots=True, kw_only=True)
class InitiateRequest:
    """What the client proposes. max_pdu: largest APDU it takes, 0 for no limit."""

    conformance: Conformance
    max_pdu: int
    dedicated_key: bytes | None = field(default=None, repr=False)
    response_allowed: bool = True
    quality_of_service: int | None = None
    version: int = DLMS_VERSION

    def to_bytes(self) -> bytes:
        """Encode the plain APDU."""
        if self.dedicated_key is None and self.response_allowed and self.quality_of_service is None:
            return _plain_request(self.version, self.conformance, self.max_pdu)
        key = b"\x00" if self.dedicated_key is None else b"\x01" + _counted(self.dedicated_key)
        response = b"\x00" if self.response_allowed else b"\x01\x00"
        return b"".join(
            (b"\x01", key, response, _optional(self.quality_of_service), bytes((self.version,)))
        ) + _negotiable(self.conformance, self.max_pdu)

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the plain APDU."""
        return cls._without_key(apdu) if apdu[1:2] == b"\x00" else cls._from_bytes(apdu)

    @classmethod
    @lru_cache(maxsize=CACHE_SIZE)
    def _without_key(cls, apdu: bytes) -> Self:
        return cls._from_bytes(apdu)  # only what holds no key may stay in a cache

    @classmethod
    def _from_bytes(cls, apdu: bytes) -> Self:
        if take(apdu, 0, 1) != b"\x01":
            raise DecodeError(f"initiate request expected, got {apdu[:1].hex()}", offset=0)
        key: bytes | None = None
        offset = 2
        if _is_present(apdu, 1):
            length, offset = decode_length(apdu, offset)
            key = take(apdu, offset, length)
            offset += length
        response_allowed = True
        if _is_present(apdu, offset):
            offset += 1
            response_allowed = take(apdu, offset, 1) != b"\x00"
        quality, offset = _decode_optional(apdu, offset + 1)
        version = unsigned_at(apdu, offset, 1)
        conformance, max_pdu, end = _decode_negotiable(apdu, offset + 1)
        _check_end(apdu, end)
        return cls(
            conformance=conformance,
            max_pdu=max_pdu,
            dedicated_key=key,
            response_allowed=response_allowed,
            quality_of_service=quality,
            version=version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InitiateResponse:
    """What the server answers. max_pdu: largest APDU it takes. vaa: 0007 for logical-name referencing."""

    conformance: Conformance
    max_pdu: int
    quality_of_service: int | None = None
    version: int = DLMS_VERSION
    vaa: int = VAA_LOGICAL_NAME

    def to_bytes(self) -> bytes:
        """Encode the plain APDU."""
        return _encode_response(self.quality_of_service, self.version, self.conformance, self.max_pdu, self.vaa)

    @classmethod
    @lru_cache(maxsize=CACHE_SIZE)
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the plain APDU."""
        if take(apdu, 0, 1) != b"\x08":
            raise DecodeError(f"initiate response expected, got {apdu[:1].hex()}", offset=0)
        quality, offset = _decode_optional(apdu, 1)
        version = unsigned_at(apdu, offset, 1)
        conformance, max_pdu, offset = _decode_negotiable(apdu, offset + 1)
        vaa = unsigned_at(apdu, offset, 2)
        _check_end(apdu, offset + 2)
        return cls(conformance=conformance, max_pdu=max_pdu, quality_of_service=quality, version=version, vaa=vaa)


@lru_cache(maxsize=CACHE_SIZE)
def _plain_request(version: int, conformance: int, max_pdu: int) -> bytes:
    """Encode a request that proposes no key and no quality of service: a client's are all alike."""
    return bytes((1, 0, 0, 0, version)) + _negotiable(conformance, max_pdu)


@lru_cache(maxsize=CACHE_SIZE)
def _encode_response(quality: int | None, version: int, conformance: int, max_pdu: int, vaa: int) -> bytes:
    head = b"\x08" + _optional(quality) + bytes((version,))
    return head + _negotiable(conformance, max_pdu) + vaa.to_bytes(2, "big")


def _counted(octets: bytes) -> bytes:
    return encode_length(len(octets)) + octets


def _optional(value: int | None) -> bytes:
    return b"\x00" if value is None else bytes((1, value))


def _is_present(apdu: bytes, offset: int) -> bool:
    flag = unsigned_at(apdu, offset, 1)
    if flag > 1:
        raise DecodeError(f"presence flag {flag:#04x} at octet {offset}", offset=offset)
    return flag == 1


def _decode_optional(apdu: bytes, offset: int) -> tuple[int | None, int]:
    if not _is_present(apdu, offset):
        return None, offset + 1
    return unsigned_at(apdu, offset + 1, 1), offset + 2


def _negotiable(conformance: int, max_pdu: int) -> bytes:
    return _CONFORMANCE_HEADER + conformance.to_bytes(3, "big") + max_pdu.to_bytes(2, "big")


def _decode_negotiable(apdu: bytes, offset: int) -> tuple[Conformance, int, int]:
    """Give conformance, max PDU size and the offset after them."""
    for header in (_CONFORMANCE_HEADER, _CONFORMANCE_HEADER_OLD):
        if apdu.startswith(header, offset):
            offset += len(header)
            return Conformance(unsigned_at(apdu, offset, 3)), unsigned_at(apdu, offset + 3, 2), offset + 5
    raise DecodeError(f"conformance block expected at octet {offset}", offset=offset)


def _check_end(apdu: bytes, end: int) -> None:
    if end != len(apdu):
        raise DecodeError(f"{len(apdu) - end} octets follow the APDU", offset=end)
