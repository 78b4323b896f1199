"""A session as a capture file: what two ends sent, in Ethernet, IP and TCP or UDP headers that any analyser opens.

The frames are made up (addresses of hardware, sequence numbers from 1), the ends, times and octets are those of the
session. TCP opens with its three steps and closes with its three, each part is acknowledged, check sums are right.
Source: RFC 791, 768, 8200, 9293; draft-ietf-opsawg-pcap.
"""

import ipaddress
import struct
from typing import Final

from meterworks.protocols.capture.file import NANOSECONDS
from meterworks.protocols.capture.packet import Endpoint, Transport
from meterworks.protocols.errors import EncodeError

__all__ = ["CaptureWriter"]

SEGMENT_SIZE_MAX: Final = 1400  # octets of one TCP segment, so that a packet stays below 1,500
DATAGRAM_SIZE_MAX: Final = 65_507
_MAGIC_NANOSECONDS: Final = 0xA1B23C4D
_SNAP_LENGTH: Final = 262_144
_LINK_ETHERNET: Final = 1
_SYN: Final = 0x02
_ACK: Final = 0x10
_PUSH: Final = 0x08
_FIN: Final = 0x01
_WINDOW: Final = 0xFFFF
_MODULUS: Final = 1 << 32
_HARDWARE: Final = (b"\x02\x00\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00\x02")  # locally administered: made up
_HOP_LIMIT: Final = 64

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class CaptureWriter:
    """Turns what one connection sends into packets of a pcap file.

    client, server: the ends; their addresses are of one family, names are not resolved here. Each call gives octets to
    append to the file, in order; `header` begins the file. Times are nanoseconds since 1970, UTC.
    """

    def __init__(self, client: Endpoint, server: Endpoint, transport: Transport = Transport.TCP) -> None:
        self._ends = (client, server)
        self._addresses = (_address(client), _address(server))
        if self._addresses[0].version != self._addresses[1].version:
            raise EncodeError(f"{client} and {server} are not of one family")
        self._transport = transport
        self._sequences = [1, 1]
        self._is_open = False
        self._identification = 0

    @staticmethod
    def header() -> bytes:
        """Give the head of the file: nanoseconds, Ethernet."""
        return struct.pack("<IHHiIII", _MAGIC_NANOSECONDS, 2, 4, 0, 0, _SNAP_LENGTH, _LINK_ETHERNET)

    def open(self, time_ns: int) -> bytes:
        """Give the packets that open the connection; nothing over UDP, and nothing when it is open."""
        if self._is_open or self._transport is Transport.UDP:
            return b""
        self._is_open = True
        packets = [
            self._segment(time_ns, 0, _SYN, b"", consumed=1),
            self._segment(time_ns, 1, _SYN | _ACK, b"", consumed=1),
            self._segment(time_ns, 0, _ACK, b""),
        ]
        return b"".join(packets)

    def write(self, time_ns: int, *, from_client: bool, octets: bytes) -> bytes:
        """Give the packets of octets that one end sent; opens the connection where it is not."""
        sender = 0 if from_client else 1
        if self._transport is Transport.UDP:
            return self._datagram(time_ns, sender, octets)
        packets = [self.open(time_ns)]
        for start in range(0, len(octets), SEGMENT_SIZE_MAX):
            part = octets[start : start + SEGMENT_SIZE_MAX]
            packets.append(self._segment(time_ns, sender, _PUSH | _ACK, part, consumed=len(part)))
        if octets:
            packets.append(self._segment(time_ns, 1 - sender, _ACK, b""))
        return b"".join(packets)

    def close(self, time_ns: int, *, from_client: bool = True) -> bytes:
        """Give the packets that close the connection; nothing when it is not open."""
        if not self._is_open:
            return b""
        self._is_open = False
        sender = 0 if from_client else 1
        packets = [
            self._segment(time_ns, sender, _FIN | _ACK, b"", consumed=1),
            self._segment(time_ns, 1 - sender, _FIN | _ACK, b"", consumed=1),
            self._segment(time_ns, sender, _ACK, b""),
        ]
        return b"".join(packets)

    # --- packets ---

    def _segment(self, time_ns: int, sender: int, flags: int, payload: bytes, *, consumed: int = 0) -> bytes:
        acknowledged = self._sequences[1 - sender] if flags & _ACK else 0
        head = struct.pack(
            ">HHIIBBHHH", self._ends[sender].port, self._ends[1 - sender].port, self._sequences[sender],
            acknowledged, 5 << 4, flags, _WINDOW, 0, 0,
        )  # fmt: skip
        self._sequences[sender] = (self._sequences[sender] + consumed) % _MODULUS
        return self._packet(time_ns, sender, head, payload, checksum_at=16)

    def _datagram(self, time_ns: int, sender: int, octets: bytes) -> bytes:
        if len(octets) > DATAGRAM_SIZE_MAX:
            raise EncodeError(f"{len(octets)} octets do not fit into a datagram")
        ports = (self._ends[sender].port, self._ends[1 - sender].port)
        head = struct.pack(">HHHH", *ports, 8 + len(octets), 0)
        return self._packet(time_ns, sender, head, octets, checksum_at=6)

    def _packet(self, time_ns: int, sender: int, head: bytes, payload: bytes, *, checksum_at: int) -> bytes:
        source, destination = self._addresses[sender], self._addresses[1 - sender]
        body = head + payload
        pseudo = source.packed + destination.packed + struct.pack(">II", len(body), self._transport)
        check = checksum(pseudo + body)
        if not check and self._transport is Transport.UDP:
            check = 0xFFFF  # a check sum of 0 would say that there is none
        body = body[:checksum_at] + check.to_bytes(2, "big") + body[checksum_at + 2 :]
        network, kind = self._network(source, destination, len(body))
        frame = b"".join((_HARDWARE[1 - sender], _HARDWARE[sender], kind, network, body))
        seconds, nanoseconds = divmod(time_ns, NANOSECONDS)
        return struct.pack("<IIII", seconds, nanoseconds, len(frame), len(frame)) + frame

    def _network(self, source: _Address, destination: _Address, size: int) -> tuple[bytes, bytes]:
        """Give the IP header and the type of the Ethernet frame."""
        if source.version == 6:
            head = struct.pack(">IHBB", 6 << 28, size, self._transport, _HOP_LIMIT)
            return head + source.packed + destination.packed, b"\x86\xdd"
        self._identification = (self._identification + 1) & 0xFFFF
        head = struct.pack(
            ">BBHHHBBH", 0x45, 0, 20 + size, self._identification, 0x4000, _HOP_LIMIT, self._transport, 0
        )
        head += source.packed + destination.packed
        return head[:10] + checksum(head).to_bytes(2, "big") + head[12:], b"\x08\x00"


def checksum(octets: bytes) -> int:
    """Give the Internet check sum: the complement of the sum of 16-bit words with end-around carry (RFC 1071)."""
    if len(octets) % 2:
        octets += b"\x00"
    total: int = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _address(end: Endpoint) -> _Address:
    try:
        return ipaddress.ip_address(end.address)
    except ValueError as error:
        raise EncodeError(f"{end.address!r} is no address of IPv4 or IPv6: names are not resolved here") from error
