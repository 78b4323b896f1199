"""Lengths and counts of A-XDR and BER, and the bounded slice that every decoder here is made of.

Lengths up to 127 stand alone; longer ones are announced by `0x80 | n` and follow in n octets. A length is compared with
what is really there before anything is taken, so a claim of four gigabytes costs nothing.
Source: fact sheet section 1; IEC 61334-6 (A-XDR).
"""

from meterworks.protocols.errors import DecodeError, EncodeError

__all__ = ["decode_length", "encode_length", "take", "unsigned_at"]

_LENGTH_OCTETS_MAX = 4


def encode_length(length: int) -> bytes:
    """Encode a length or count in the shortest form."""
    if 0 <= length < 0x80:
        return _SHORT[length]
    if length < 0:
        raise EncodeError(f"a length cannot be negative: {length}")
    octets = (length.bit_length() + 7) >> 3
    if octets > _LENGTH_OCTETS_MAX:
        raise EncodeError(f"a length of {length} does not fit into {_LENGTH_OCTETS_MAX} octets")
    return bytes((0x80 | octets,)) + length.to_bytes(octets, "big")


_SHORT = tuple(bytes((length,)) for length in range(0x80))


def decode_length(data: bytes, offset: int) -> tuple[int, int]:
    """Give (length, offset after it). The longer forms that a sender need not have used are accepted."""
    try:
        first = data[offset]
    except IndexError as error:
        raise DecodeError(f"length missing at octet {offset}", offset=offset) from error
    if first < 0x80:
        return first, offset + 1
    octets = first & 0x7F
    end = offset + 1 + octets
    if not 1 <= octets <= _LENGTH_OCTETS_MAX or end > len(data):
        raise DecodeError(f"length of {octets} octets at octet {offset} is cut off or not allowed", offset=offset)
    return int.from_bytes(data[offset + 1 : end], "big"), end


def take(data: bytes, offset: int, size: int) -> bytes:
    """Give exactly `size` octets from `offset`, or refuse."""
    end = offset + size
    if end > len(data):
        raise DecodeError(f"{size} octets expected at octet {offset}, {len(data) - offset} are there", offset=offset)
    return data[offset:end]


def unsigned_at(data: bytes, offset: int, size: int) -> int:
    """Give the big-endian unsigned integer of `size` octets at `offset`, or refuse."""
    return int.from_bytes(take(data, offset, size), "big")
