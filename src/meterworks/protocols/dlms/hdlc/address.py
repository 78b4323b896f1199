"""Addresses of the data link: a client has one octet, a server one, two or four.  Source: IEC 62056-46, 6.4.2."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from meterworks.protocols.errors import DecodeError, EncodeError

__all__ = ["NO_STATION", "HdlcAddress"]

SIZES: Final = (1, 2, 4)
HALF_MAX: Final = {1: 0x7F, 2: 0x7F, 4: 0x3FFF}
NO_STATION: Final = 0
CACHED_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class HdlcAddress:
    """An address of 1, 2 or 4 octets.

    upper: the client, or the logical device of a server; 0 is no station, all ones are all stations. lower: the
    physical device, which an address of one octet does not have. Each 0 to 127, or to 16383 in four octets.
    """

    upper: int
    lower: int | None = None
    size: int = 1

    def __post_init__(self) -> None:
        """Refuse what has no octets."""
        if self.size not in SIZES or (self.lower is None) != (self.size == 1):
            raise EncodeError(f"an address of {self.size} octets with physical device {self.lower}; 1, 2 and 4 are")
        if not (0 <= self.upper <= HALF_MAX[self.size] and 0 <= (self.lower or 0) <= HALF_MAX[self.size]):
            raise EncodeError(f"address {self.upper}, {self.lower} does not fit into {self.size} octets")

    @classmethod
    def of_server(cls, logical: int, physical: int | None = None, size: int | None = None) -> "HdlcAddress":
        """Give the address of a server in `size` octets, or in as few as it takes. Raises EncodeError."""
        if size is None:
            size = 1 if physical is None else 2 if max(logical, physical) <= HALF_MAX[2] else 4
        if size == 1:
            return cls(logical)
        return cls(logical, NO_STATION if physical is None else physical, size)

    @classmethod
    def from_bytes(cls, octets: bytes) -> "HdlcAddress":
        """Read an address. Raises DecodeError where it has another size, or does not end where the octets do."""
        return _decoded(octets)

    def to_bytes(self) -> bytes:
        """Give the octets: seven bits each, the lowest bit marks the last."""
        if self.lower is None:
            return bytes((self.upper << 1 | 1,))
        if self.size == 2:
            return bytes((self.upper << 1, self.lower << 1 | 1))
        halves = (self.upper >> 7, self.upper & 0x7F, self.lower >> 7, self.lower & 0x7F)
        return bytes((halves[0] << 1, halves[1] << 1, halves[2] << 1, halves[3] << 1 | 1))

    @property
    def is_broadcast(self) -> bool:
        """Whether all stations are meant: nobody answers."""
        return HALF_MAX[self.size] in (self.upper, self.lower)

    def names(self, logical: int, physical: int | None) -> bool:
        """Whether a server is meant by this address; a physical device of None stands for any."""
        highest = HALF_MAX[self.size]
        if self.upper not in (logical, highest):
            return False
        return self.lower is None or physical is None or self.lower in (physical, highest)


@lru_cache(maxsize=CACHED_MAX)
def _decoded(octets: bytes) -> HdlcAddress:
    size = len(octets)
    if size not in SIZES or not octets[-1] & 1 or any(octet & 1 for octet in octets[:-1]):
        raise DecodeError(f"{octets.hex()} is no address of 1, 2 or 4 octets", expected="low bit in the last octet")
    if size == 1:
        return HdlcAddress(octets[0] >> 1)
    if size == 2:
        return HdlcAddress(octets[0] >> 1, octets[1] >> 1, 2)
    return HdlcAddress(octets[0] << 6 | octets[1] >> 1, octets[2] << 6 | octets[3] >> 1, 4)
