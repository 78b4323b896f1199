"""Blocks of a long transfer, and the small fields that all services share.  Source: IEC 62056-5-3; fact sheet 4."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from meterworks.protocols.dlms.data import end_of
from meterworks.protocols.dlms.descriptor import DESCRIPTOR_SIZE, AttributeAddress, selection_end
from meterworks.protocols.dlms.length import decode_length, encode_length, take, unsigned_at
from meterworks.protocols.dlms.result import DataAccessResult
from meterworks.protocols.errors import DecodeError

__all__ = [
    "BLOCK_OVERHEAD",
    "LIST_SIZE_MAX",
    "DataBlock",
    "GetItem",
    "GetResult",
    "decode_get_items",
    "decode_get_results",
    "decode_values",
    "encode_get_items",
    "encode_get_result",
    "encode_get_results",
    "encode_values",
]

LIST_SIZE_MAX: Final = 256
BLOCK_OVERHEAD: Final = (
    3 + 1 + 4 + 1 + 5
)  # service octets, last, number, choice, length: most that stands before a block

GetItem = tuple[AttributeAddress, bytes | None]
GetResult = bytes | DataAccessResult


@dataclass(frozen=True, slots=True)
class DataBlock:
    """A part of a long value. number: from 1."""

    last: bool
    number: int
    octets: bytes

    def to_bytes(self) -> bytes:
        """Encode last, number, length and octets."""
        return b"".join(
            (
                b"\x01" if self.last else b"\x00",
                self.number.to_bytes(4, "big"),
                encode_length(len(self.octets)),
                self.octets,
            )
        )

    @classmethod
    def from_bytes(cls, apdu: bytes, offset: int) -> Self:
        """Decode the block that ends the APDU."""
        last = unsigned_at(apdu, offset, 1) != 0
        number = unsigned_at(apdu, offset + 1, 4)
        return cls(last, number, counted_rest(apdu, offset + 5))


def counted_rest(apdu: bytes, offset: int) -> bytes:
    """Give the octets after a length that must cover the rest of the APDU."""
    length, offset = decode_length(apdu, offset)
    if length != len(apdu) - offset:
        raise DecodeError(f"{length} octets announced at octet {offset}, {len(apdu) - offset} are there", offset=offset)
    return apdu[offset:]


def check_end(apdu: bytes, end: int) -> None:
    """Refuse octets behind the last field."""
    if end != len(apdu):
        raise DecodeError(f"{len(apdu) - end} octets follow the APDU", offset=end)


def decode_count(apdu: bytes, offset: int) -> tuple[int, int]:
    """Give the number of entries of a list and the offset after it."""
    count, offset = decode_length(apdu, offset)
    if count > LIST_SIZE_MAX or count > len(apdu) - offset:
        raise DecodeError(f"list of {count} entries; at most {LIST_SIZE_MAX} are taken", offset=offset)
    return count, offset


def encode_get_item(address: AttributeAddress, selection: bytes | None) -> bytes:
    """Encode an attribute descriptor with its optional selection."""
    return address.item if selection is None else b"".join((address.to_bytes(), b"\x01", selection))


def decode_get_item(apdu: bytes, offset: int) -> tuple[AttributeAddress, bytes | None, int]:
    """Give descriptor, selection (selector and parameters, or None) and the offset after them."""
    address = AttributeAddress.from_bytes(apdu, offset)
    offset += DESCRIPTOR_SIZE + 1
    flag = unsigned_at(apdu, offset - 1, 1)
    if flag == 0:
        return address, None, offset
    if flag != 1:
        raise DecodeError(f"presence of a selection is {flag:#04x} at octet {offset - 1}", offset=offset - 1)
    end = selection_end(apdu, offset)
    return address, apdu[offset:end], end


def encode_get_items(items: Iterable[GetItem]) -> bytes:
    """Encode a list of attribute descriptors with selections."""
    encoded = [encode_get_item(address, selection) for address, selection in items]
    return encode_length(len(encoded)) + b"".join(encoded)


def decode_get_items(apdu: bytes, offset: int) -> tuple[tuple[GetItem, ...], int]:
    """Give the descriptors of a list and the offset after them."""
    count, offset = decode_count(apdu, offset)
    items = []
    for _ in range(count):
        address, selection, offset = decode_get_item(apdu, offset)
        items.append((address, selection))
    return tuple(items), offset


def encode_values(values: Iterable[bytes]) -> bytes:
    """Encode a list of values that are encoded already."""
    encoded = list(values)
    return encode_length(len(encoded)) + b"".join(encoded)


def decode_values(apdu: bytes, offset: int) -> tuple[tuple[bytes, ...], int]:
    """Give the values of a list, still encoded, and the offset after them."""
    count, offset = decode_count(apdu, offset)
    values = []
    for _ in range(count):
        end = end_of(apdu, offset)
        values.append(apdu[offset:end])
        offset = end
    return tuple(values), offset


def encode_get_result(result: GetResult) -> bytes:
    """Encode data or an access result, with the choice before it."""
    return bytes((1, result)) if isinstance(result, DataAccessResult) else b"\x00" + result


def decode_get_result(apdu: bytes, offset: int) -> tuple[GetResult, int]:
    """Give data (still encoded) or an access result, and the offset after it."""
    choice = unsigned_at(apdu, offset, 1)
    if choice == 0:
        end = end_of(apdu, offset + 1)
        return apdu[offset + 1 : end], end
    if choice == 1:
        return DataAccessResult(unsigned_at(apdu, offset + 1, 1)), offset + 2
    raise DecodeError(f"choice {choice:#04x} is neither data nor a result at octet {offset}", offset=offset)


def encode_get_results(results: Iterable[GetResult]) -> bytes:
    """Encode a list of results."""
    encoded = [encode_get_result(result) for result in results]
    return encode_length(len(encoded)) + b"".join(encoded)


def decode_get_results(apdu: bytes, offset: int = 0) -> tuple[tuple[GetResult, ...], int]:
    """Give the results of a list and the offset after them."""
    count, offset = decode_count(apdu, offset)
    results = []
    for _ in range(count):
        result, offset = decode_get_result(apdu, offset)
        results.append(result)
    return tuple(results), offset


def decode_results(apdu: bytes, offset: int) -> tuple[tuple[DataAccessResult, ...], int]:
    """Give a list of access results and the offset after it."""
    count, offset = decode_count(apdu, offset)
    return tuple(map(DataAccessResult, take(apdu, offset, count))), offset + count
