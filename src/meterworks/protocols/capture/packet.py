"""Packets as TCP and UDP segments: the headers of link and network taken off.

Ethernet (with VLAN tags), raw IP, loopback and the two forms of Linux "cooked" captures; IPv4 and IPv6. What carries
no TCP or UDP, and fragments of IP, give nothing.
"""

import ipaddress
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from meterworks.protocols.capture.file import Packet

__all__ = ["Endpoint", "Segment", "Transport", "read_segment"]

LINK_NULL: Final = 0
LINK_ETHERNET: Final = 1
LINK_RAW: Final = frozenset({12, 14, 101, 228, 229})
LINK_LOOP: Final = 108
LINK_COOKED: Final = 113
LINK_COOKED_2: Final = 276

_IPV4: Final = 0x0800
_IPV6: Final = 0x86DD
_VLAN: Final = frozenset({0x8100, 0x88A8, 0x9100})
_ETHERNET_SIZE: Final = 14
_COOKED_SIZE: Final = 16
_COOKED_2_SIZE: Final = 20
_LOOPBACK_SIZE: Final = 4
_IPV4_SIZE: Final = 20
_IPV6_SIZE: Final = 40
_UDP_SIZE: Final = 8
_TCP_SIZE: Final = 20
_FRAGMENT_MASK: Final = 0x3FFF  # more fragments, and the offset
_EXTENSIONS: Final = frozenset({0, 43, 60, 135})  # hop-by-hop, routing, destination options, mobility
_EXTENSIONS_MAX: Final = 8


class Transport(IntEnum):
    """Protocol above IP."""

    TCP = 6
    UDP = 17


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """An address and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        """Give `address:port`, an IPv6 address in brackets."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What one packet carries. sequence and flags: of TCP, else 0."""

    time_ns: int
    transport: Transport
    source: Endpoint
    destination: Endpoint
    payload: bytes
    sequence: int = 0
    flags: int = 0


def read_segment(packet: Packet) -> Segment | None:
    """Give the TCP or UDP segment in a packet; None where there is none, or where the packet is cut off before it."""
    network = _network(packet)
    if network is None or not network:
        return None
    version = network[0] >> 4
    if version == 4:
        return _ipv4(packet.time_ns, network)
    return _ipv6(packet.time_ns, network) if version == 6 else None


def _network(packet: Packet) -> bytes | None:
    """Take the header of the link off."""
    octets = packet.octets
    if packet.link_type == LINK_ETHERNET:
        return _ethernet(octets)
    if packet.link_type in LINK_RAW:
        return octets
    if packet.link_type in (LINK_NULL, LINK_LOOP):
        return octets[_LOOPBACK_SIZE:]
    if packet.link_type == LINK_COOKED:
        return octets[_COOKED_SIZE:] if octets[14:16] in (b"\x08\x00", b"\x86\xdd") else None
    if packet.link_type == LINK_COOKED_2:
        return octets[_COOKED_2_SIZE:] if octets[:2] in (b"\x08\x00", b"\x86\xdd") else None
    return None


def _ethernet(octets: bytes) -> bytes | None:
    offset = _ETHERNET_SIZE - 2
    kind = int.from_bytes(octets[offset : offset + 2], "big")
    while kind in _VLAN:  # bounded: each tag moves on by four octets
        offset += 4
        kind = int.from_bytes(octets[offset : offset + 2], "big")
    return octets[offset + 2 :] if kind in (_IPV4, _IPV6) else None


def _ipv4(time_ns: int, octets: bytes) -> Segment | None:
    size = (octets[0] & 0x0F) * 4
    if len(octets) < _IPV4_SIZE or not _IPV4_SIZE <= size <= len(octets):
        return None
    total, fragment = struct.unpack_from(">H", octets, 2)[0], struct.unpack_from(">H", octets, 6)[0]
    if fragment & _FRAGMENT_MASK:
        return None
    # A card that cuts packets itself shows a total of 0; an Ethernet frame may be padded behind the total.
    end = total if size <= total <= len(octets) else len(octets)
    addresses = (str(ipaddress.IPv4Address(octets[12:16])), str(ipaddress.IPv4Address(octets[16:20])))
    return _transport(time_ns, octets[9], addresses, octets[size:end])


def _ipv6(time_ns: int, octets: bytes) -> Segment | None:
    if len(octets) < _IPV6_SIZE:
        return None
    length, following = struct.unpack_from(">HB", octets, 4)
    end = _IPV6_SIZE + length if length and _IPV6_SIZE + length <= len(octets) else len(octets)
    offset = _IPV6_SIZE
    for _ in range(_EXTENSIONS_MAX):
        if following not in _EXTENSIONS or offset + 2 > end:
            break
        following, offset = octets[offset], offset + 8 * (octets[offset + 1] + 1)
    addresses = (str(ipaddress.IPv6Address(octets[8:24])), str(ipaddress.IPv6Address(octets[24:40])))
    return _transport(time_ns, following, addresses, octets[offset:end])


def _transport(time_ns: int, protocol: int, addresses: tuple[str, str], octets: bytes) -> Segment | None:
    if protocol not in (Transport.TCP, Transport.UDP) or len(octets) < _UDP_SIZE:
        return None
    source_port, destination_port = struct.unpack_from(">HH", octets)
    source, destination = Endpoint(addresses[0], source_port), Endpoint(addresses[1], destination_port)
    if protocol == Transport.UDP:
        length = struct.unpack_from(">H", octets, 4)[0]
        payload = octets[_UDP_SIZE : length if _UDP_SIZE <= length <= len(octets) else len(octets)]
        return Segment(
            time_ns=time_ns, transport=Transport.UDP, source=source, destination=destination, payload=payload
        )
    if len(octets) < _TCP_SIZE:
        return None
    header = (octets[12] >> 4) * 4
    if not _TCP_SIZE <= header <= len(octets):
        return None
    return Segment(
        time_ns=time_ns,
        transport=Transport.TCP,
        source=source,
        destination=destination,
        payload=octets[header:],
        sequence=struct.unpack_from(">I", octets, 4)[0],
        flags=octets[13],
    )
