"""Capture files as packets: pcap in its four forms, pcapng with several interfaces.

Source: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng (both public). A file that ends in the midst of a packet
gives the packets before it and says so: captures are often cut off.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from meterworks.protocols.errors import DecodeError

__all__ = ["Capture", "Packet", "is_capture", "read_capture"]

PACKET_SIZE_MAX: Final = 1 << 20
INTERFACES_MAX: Final = 1024
NANOSECONDS: Final = 1_000_000_000

_PCAP: Final = {  # magic: order of octets, units in a second
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", NANOSECONDS),
    b"\xa1\xb2\x3c\x4d": (">", NANOSECONDS),
}
_PCAP_HEADER_SIZE: Final = 24
_RECORD_HEADER_SIZE: Final = 16
_LINK_TYPE_MASK: Final = 0x0FFF_FFFF  # above it are flags about check sums of frames

_ORDER_MAGIC: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_INTERFACE: Final = 1
_OLD_PACKET: Final = 2
_SIMPLE_PACKET: Final = 3
_PACKET: Final = 6
_BLOCK_SIZE_MIN: Final = 12
_BLOCK_SIZE_MAX: Final = 16 << 20
_OPTION_RESOLUTION: Final = 9
_OPTION_OFFSET: Final = 14
_POWER_OF_TWO: Final = 0x80
_POWER_MAX: Final = 63


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet as captured. time_ns: since 1970, UTC. link_type: number of the registry of link types."""

    time_ns: int
    link_type: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Capture:
    """The packets of a file in its order. fault: why the rest of the file was not read; empty where all was."""

    packets: tuple[Packet, ...]
    fault: str = ""


def is_capture(octets: bytes) -> bool:
    """Whether octets begin as a capture file does."""
    return octets[:4] in _PCAP or (octets[:4] == b"\x0a\x0d\x0d\x0a" and octets[8:12] in _ORDER_MAGIC)


def read_capture(octets: bytes) -> Capture:
    """Read a capture file. Raises DecodeError for octets that are none."""
    if not is_capture(octets):
        raise DecodeError(f"no capture file begins with {octets[:4].hex()}", offset=0, expected="pcap or pcapng")
    packets: list[Packet] = []
    found = _pcap(octets) if octets[:4] in _PCAP else _Sections(octets).packets()
    try:
        for packet in found:
            packets.append(packet)  # noqa: PERF402 -- what came before an error is kept
    except DecodeError as error:
        return Capture(tuple(packets), str(error))
    return Capture(tuple(packets))


def _pcap(octets: bytes) -> Iterator[Packet]:
    order, units = _PCAP[octets[:4]]
    if len(octets) < _PCAP_HEADER_SIZE:
        raise DecodeError("the file ends within its header", offset=len(octets))
    link_type = struct.unpack_from(f"{order}I", octets, 20)[0] & _LINK_TYPE_MASK
    record = struct.Struct(f"{order}IIII")
    offset = _PCAP_HEADER_SIZE
    while offset < len(octets):
        if offset + _RECORD_HEADER_SIZE > len(octets):
            raise DecodeError(f"the file ends within the header of a packet at octet {offset}", offset=offset)
        seconds, fraction, size, _ = record.unpack_from(octets, offset)
        offset += _RECORD_HEADER_SIZE
        _check_size(octets, offset, size)
        time_ns = seconds * NANOSECONDS + fraction * (NANOSECONDS // units)
        yield Packet(time_ns, link_type, octets[offset : offset + size])
        offset += size


def _check_size(octets: bytes, offset: int, size: int) -> None:
    if size > PACKET_SIZE_MAX or offset + size > len(octets):
        raise DecodeError(f"packet of {size} octets at octet {offset}, {len(octets) - offset} are there", offset=offset)


@dataclass(frozen=True, slots=True)
class _Interface:
    """link_type; size_max: octets kept of a packet, 0 for all; units: of a second; offset_s: added to each time."""

    link_type: int
    size_max: int
    units: int = 1_000_000
    offset_s: int = 0

    def time_ns(self, stamp: int) -> int:
        """Give the time of a stamp."""
        return self.offset_s * NANOSECONDS + stamp * NANOSECONDS // self.units


class _Sections:
    """The blocks of a pcapng file; each section brings its own order of octets and interfaces."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._order = "<"
        self._interfaces: list[_Interface] = []
        self._last_ns = 0
        self._readers: dict[int, Callable[[bytes], Packet | None]] = {
            _INTERFACE: self._read_interface,
            _PACKET: self._read_packet,
            _SIMPLE_PACKET: self._read_simple,
            _OLD_PACKET: self._read_old,
        }

    def packets(self) -> Iterator[Packet]:
        """Give the packets of all sections."""
        offset = 0
        while offset < len(self._octets):
            kind, body, offset = self._block(offset)
            reader = self._readers.get(kind)
            try:
                packet = reader(body) if reader is not None else None
            except struct.error as error:
                raise DecodeError(f"block of type {kind} before octet {offset} is too short", offset=offset) from error
            if packet is not None:
                yield packet

    def _block(self, offset: int) -> tuple[int, bytes, int]:
        """Give type and body of a block, and the offset after it."""
        octets = self._octets
        if offset + _BLOCK_SIZE_MIN > len(octets):
            raise DecodeError(f"the file ends within a block at octet {offset}", offset=offset)
        if octets[offset : offset + 4] == b"\x0a\x0d\x0d\x0a":
            order = _ORDER_MAGIC.get(octets[offset + 8 : offset + 12])
            if order is None:
                raise DecodeError(f"section of no known order of octets at octet {offset}", offset=offset)
            self._order, self._interfaces = order, []
        kind, size = struct.unpack_from(f"{self._order}II", octets, offset)
        if size < _BLOCK_SIZE_MIN or size % 4 or size > _BLOCK_SIZE_MAX or offset + size > len(octets):
            raise DecodeError(f"block of {size} octets at octet {offset}", offset=offset)
        return kind, octets[offset + 8 : offset + size - 4], offset + size

    def _read_interface(self, body: bytes) -> None:
        if len(self._interfaces) >= INTERFACES_MAX:
            raise DecodeError(f"more than {INTERFACES_MAX} interfaces")
        link_type, _, size_max = struct.unpack_from(f"{self._order}HHI", body)
        units, offset_s = 1_000_000, 0
        for code, value in self._options(body[8:]):
            if code == _OPTION_RESOLUTION and value:
                power = value[0] & ~_POWER_OF_TWO
                if power > _POWER_MAX:
                    raise DecodeError(f"times in units of {power} powers of a second")
                units = int((2 if value[0] & _POWER_OF_TWO else 10) ** power)
            elif code == _OPTION_OFFSET and len(value) == 8:
                offset_s = struct.unpack(f"{self._order}q", value)[0]
        self._interfaces.append(_Interface(link_type, size_max, units, offset_s))

    def _options(self, octets: bytes) -> Iterator[tuple[int, bytes]]:
        offset = 0
        while offset + 4 <= len(octets):
            code, size = struct.unpack_from(f"{self._order}HH", octets, offset)
            if code == 0:
                return
            yield code, octets[offset + 4 : offset + 4 + size]
            offset += 4 + (size + 3 & ~3)

    def _read_packet(self, body: bytes) -> Packet:
        number, high, low, size, _ = struct.unpack_from(f"{self._order}IIIII", body)
        return self._packet(number, high << 32 | low, body, 20, size)

    def _read_old(self, body: bytes) -> Packet:
        number, _, high, low, size, _ = struct.unpack_from(f"{self._order}HHIIII", body)
        return self._packet(number, high << 32 | low, body, 20, size)

    def _read_simple(self, body: bytes) -> Packet:
        """Take a packet without a time: it gets that of the packet before it."""
        size = struct.unpack_from(f"{self._order}I", body)[0]
        interface = self._interface(0)
        size = min(size, interface.size_max or size, len(body) - 4)
        return Packet(self._last_ns, interface.link_type, body[4 : 4 + size])

    def _interface(self, number: int) -> _Interface:
        if number >= len(self._interfaces):
            raise DecodeError(f"a packet names interface {number}, {len(self._interfaces)} are described")
        return self._interfaces[number]

    def _packet(self, number: int, stamp: int, body: bytes, start: int, size: int) -> Packet:
        interface = self._interface(number)
        if size > PACKET_SIZE_MAX or start + size > len(body):
            raise DecodeError(f"packet of {size} octets in a block of {len(body)}")
        self._last_ns = interface.time_ns(stamp)
        return Packet(self._last_ns, interface.link_type, body[start : start + size])
