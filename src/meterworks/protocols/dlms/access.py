"""The ACCESS service: several reads, writes and methods in one request.

A request is a list of specifications and a list of data of the same length: what is read has null-data there. The
response has the same shape; a writer that asks for it (self-descriptive) gets the specifications back in front.
Source: IEC 62056-5-3, 7.3.7; fact sheet section 4.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from meterworks.protocols.dlms.block import check_end, decode_count, decode_values, encode_values
from meterworks.protocols.dlms.descriptor import DESCRIPTOR_SIZE, AttributeAddress, MethodAddress, selection_end
from meterworks.protocols.dlms.length import encode_length, take, unsigned_at
from meterworks.protocols.dlms.result import DataAccessResult
from meterworks.protocols.errors import DecodeError, EncodeError

__all__ = ["AccessKind", "AccessRequest", "AccessResponse", "AccessSpecification", "LongInvoke"]


class AccessKind:
    """Choices of an access specification; a response knows the first three only."""

    GET: Final = 1
    SET: Final = 2
    ACTION: Final = 3
    GET_WITH_SELECTION: Final = 4
    SET_WITH_SELECTION: Final = 5


class LongInvoke:
    """Bits of a long-invoke-id-and-priority, four octets: 24 bits of id, the rest flags."""

    ID_MASK: Final = 0x00FF_FFFF
    SELF_DESCRIPTIVE: Final = 1 << 28
    BREAK_ON_ERROR: Final = 1 << 29
    CONFIRMED: Final = 1 << 30
    HIGH_PRIORITY: Final = 1 << 31


DATE_TIME_SIZES: Final = (0, 12)
_SELECTIVE: Final = (AccessKind.GET_WITH_SELECTION, AccessKind.SET_WITH_SELECTION)


@dataclass(frozen=True, slots=True)
class AccessSpecification:
    """What one entry asks for. kind: of `AccessKind`. selection: selector and parameters, for kinds 4 and 5."""

    kind: int
    address: AttributeAddress | MethodAddress
    selection: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse with EncodeError a selection where the kind has none, and the other way round."""
        if (self.selection is not None) != (self.kind in _SELECTIVE):
            raise EncodeError(f"a specification of kind {self.kind} goes {self.selection=!r}")

    def to_bytes(self) -> bytes:
        """Encode kind, descriptor and selection."""
        return bytes((self.kind,)) + self.address.to_bytes() + (self.selection or b"")

    @classmethod
    def from_bytes(cls, apdu: bytes, offset: int) -> tuple[Self, int]:
        """Give the specification and the offset after it."""
        kind = unsigned_at(apdu, offset, 1)
        if not AccessKind.GET <= kind <= AccessKind.SET_WITH_SELECTION:
            raise DecodeError(f"access specification of kind {kind} at octet {offset}", offset=offset)
        address_type = MethodAddress if kind == AccessKind.ACTION else AttributeAddress
        address = address_type.from_bytes(apdu, offset + 1)
        offset += 1 + DESCRIPTOR_SIZE
        if kind not in _SELECTIVE:
            return cls(kind, address), offset
        end = selection_end(apdu, offset)
        return cls(kind, address, apdu[offset:end]), end


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """Asks for several things at once. date_time: octets as sent, 12 or none. values: encoded, one each."""

    long_invoke: int
    specifications: tuple[AccessSpecification, ...]
    values: tuple[bytes, ...]
    date_time: bytes = b""

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return b"".join(
            (
                encode_head(0xD9, self.long_invoke, self.date_time),
                _encode_specifications(self.specifications),
                encode_values(self.values),
            )
        )

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU; both lists must be of one length."""
        long_invoke, date_time, offset = decode_head(apdu, 0xD9)
        specifications, offset = _decode_specifications(apdu, offset)
        values, end = decode_values(apdu, offset)
        check_end(apdu, end)
        if len(values) != len(specifications):
            raise DecodeError(f"{len(values)} data for {len(specifications)} specifications", offset=offset)
        return cls(long_invoke=long_invoke, specifications=specifications, values=values, date_time=date_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessResponse:
    """Answers an access request. results: kind (1 to 3) and result per entry. values: encoded, null-data for none.

    specifications: those of the request, where it asked for a self-descriptive answer.
    """

    long_invoke: int
    values: tuple[bytes, ...]
    results: tuple[tuple[int, DataAccessResult], ...]
    specifications: tuple[AccessSpecification, ...] | None = None
    date_time: bytes = b""

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        echo = b"\x00" if self.specifications is None else b"\x01" + _encode_specifications(self.specifications)
        return b"".join(
            (
                encode_head(0xDA, self.long_invoke, self.date_time),
                echo,
                encode_values(self.values),
                encode_length(len(self.results)),
                bytes([octet for result in self.results for octet in result]),
            )
        )

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU; both lists must be of one length."""
        long_invoke, date_time, offset = decode_head(apdu, 0xDA)
        flag = unsigned_at(apdu, offset, 1)
        if flag > 1:
            raise DecodeError(f"presence of specifications is {flag:#04x} at octet {offset}", offset=offset)
        specifications = None
        offset += 1
        if flag:
            specifications, offset = _decode_specifications(apdu, offset)
        values, offset = decode_values(apdu, offset)
        results, end = _decode_results(apdu, offset)
        check_end(apdu, end)
        if len(values) != len(results):
            raise DecodeError(f"{len(values)} data for {len(results)} results", offset=offset)
        return cls(
            long_invoke=long_invoke,
            values=values,
            results=results,
            specifications=specifications,
            date_time=date_time,
        )


def encode_head(tag: int, long_invoke: int, date_time: bytes) -> bytes:
    """Encode tag, long invoke id and date-time; EncodeError for a date-time of another size than 0 and 12."""
    if len(date_time) not in DATE_TIME_SIZES:
        raise EncodeError(f"date-time of {len(date_time)} octets")
    return bytes((tag,)) + long_invoke.to_bytes(4, "big") + bytes((len(date_time),)) + date_time


def decode_head(apdu: bytes, tag: int) -> tuple[int, bytes, int]:
    """Give long invoke id, date-time octets and the offset after them."""
    if take(apdu, 0, 1)[0] != tag:
        raise DecodeError(f"APDU {tag:#04x} expected, got {apdu[0]:#04x}", offset=0)
    long_invoke = unsigned_at(apdu, 1, 4)
    size = unsigned_at(apdu, 5, 1)
    if size not in DATE_TIME_SIZES:
        raise DecodeError(f"date-time of {size} octets at octet 5", offset=5)
    return long_invoke, take(apdu, 6, size), 6 + size


def _encode_specifications(specifications: Iterable[AccessSpecification]) -> bytes:
    encoded = [specification.to_bytes() for specification in specifications]
    return encode_length(len(encoded)) + b"".join(encoded)


def _decode_specifications(apdu: bytes, offset: int) -> tuple[tuple[AccessSpecification, ...], int]:
    count, offset = decode_count(apdu, offset)
    found = []
    for _ in range(count):
        specification, offset = AccessSpecification.from_bytes(apdu, offset)
        found.append(specification)
    return tuple(found), offset


def _decode_results(apdu: bytes, offset: int) -> tuple[tuple[tuple[int, DataAccessResult], ...], int]:
    count, offset = decode_count(apdu, offset)
    octets = take(apdu, offset, 2 * count)
    if any(not AccessKind.GET <= kind <= AccessKind.ACTION for kind in octets[::2]):
        raise DecodeError("a result of a kind that is none of get, set and action", offset=offset)
    pairs = zip(octets[::2], map(DataAccessResult, octets[1::2]), strict=True)
    return tuple(pairs), offset + 2 * count
