"""The DLMS messages in a packet capture, found by port or by content, each as an annotated tree.

Each connection has a dissector of its own, which learns titles and keys from one message for the next. A stream is cut
into frames (wrapper, HDLC, M-Bus) as they become whole; other octets are taken as they were sent.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from meterworks.protocols.capture import Chunk, Endpoint, Packet, Transport, read_chunks
from meterworks.protocols.dlms.dissect.dissector import Dissector
from meterworks.protocols.dlms.dissect.key_ring import KeyRing
from meterworks.protocols.dlms.dissect.layer import is_hdlc, is_mbus, is_wrapper
from meterworks.protocols.dlms.dissect.name import APDU_NAMES
from meterworks.protocols.dlms.dissect.node import Node
from meterworks.protocols.dlms.hdlc.checksum import is_intact

__all__ = ["DLMS_PORT", "TracedMessage", "trace_capture"]

DLMS_PORT: Final = 4059
CONNECTIONS_MAX: Final = 4096
UNDECIDED_SIZE_MAX: Final = 4096  # octets of a stream by which it must have shown that it is DLMS
_WRAPPER_HEADER: Final = 8
_FRAME_SIZE_MASK: Final = 0x07FF
_HDLC_HEADERS: Final = (7, 8, 9, 11, 12, 14)  # octets up to and with the sum over the header, by sizes of addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedMessage:
    """One frame, or what was sent at once where there are no frames. lost: octets the capture misses before it."""

    time_ns: int
    source: Endpoint
    destination: Endpoint
    octets: bytes
    node: Node
    lost: int = 0


class _Direction:
    """What one end of a connection sent and no frame was made of yet. is_dlms: None until it is decided."""

    __slots__ = ("buffer", "is_dlms", "lost")

    def __init__(self) -> None:
        self.buffer = b""
        self.is_dlms: bool | None = None
        self.lost = 0


def trace_capture(packets: Iterable[Packet], keys: KeyRing | None = None) -> Iterator[TracedMessage]:
    """Give the messages of all connections that speak DLMS, in the order in which they were whole."""
    ring = keys or KeyRing()
    dissectors: dict[frozenset[Endpoint], Dissector] = {}
    directions: dict[tuple[Endpoint, Endpoint], _Direction] = {}
    last: dict[tuple[Endpoint, Endpoint], Chunk] = {}
    for chunk in read_chunks(packets):
        ends = (chunk.source, chunk.destination)
        connection = frozenset(ends)
        if connection not in dissectors and len(dissectors) >= CONNECTIONS_MAX:
            dissectors.pop(next(iter(dissectors)))
        dissector = dissectors.setdefault(connection, Dissector(ring))
        direction = directions.setdefault(ends, _Direction())
        last[ends] = chunk
        yield from _messages(chunk, direction, dissector)
    for ends, direction in directions.items():
        if direction.is_dlms and direction.buffer:
            yield _traced(last[ends], direction, direction.buffer, dissectors.get(frozenset(ends)) or Dissector(ring))


def _messages(chunk: Chunk, direction: _Direction, dissector: Dissector) -> Iterator[TracedMessage]:
    is_datagram = chunk.transport is Transport.UDP
    if chunk.lost or is_datagram:
        direction.lost += chunk.lost + (0 if is_datagram else len(direction.buffer))
        direction.buffer = b""
    direction.buffer += chunk.octets
    if direction.is_dlms is None or is_datagram:
        direction.is_dlms = _is_dlms(chunk, direction.buffer)
    if direction.is_dlms is False or (direction.is_dlms is None and len(direction.buffer) > UNDECIDED_SIZE_MAX):
        direction.is_dlms, direction.buffer = False, b""
        return
    if not direction.is_dlms:
        return
    if is_datagram:
        yield _traced(chunk, direction, direction.buffer, dissector)
        direction.buffer = b""
        return
    while (size := _frame_size(direction.buffer)) and size <= len(direction.buffer):
        frame, direction.buffer = direction.buffer[:size], direction.buffer[size:]
        yield _traced(chunk, direction, frame, dissector)


def _traced(chunk: Chunk, direction: _Direction, octets: bytes, dissector: Dissector) -> TracedMessage:
    lost, direction.lost = direction.lost, 0
    name = f"{chunk.source}>{chunk.destination}"
    return TracedMessage(
        time_ns=chunk.time_ns,
        source=chunk.source,
        destination=chunk.destination,
        octets=octets,
        node=dissector.dissect(octets, direction=name),
        lost=lost,
    )


def _is_dlms(chunk: Chunk, octets: bytes) -> bool | None:
    """Whether octets are of DLMS; None while there are too few to tell."""
    if DLMS_PORT in (chunk.source.port, chunk.destination.port):
        return True
    if chunk.transport is Transport.TCP and len(octets) <= _WRAPPER_HEADER:
        return None
    if is_hdlc(octets):
        return any(is_intact(octets[1:size]) for size in _HDLC_HEADERS) or is_intact(octets[1 : _hdlc_size(octets) + 1])
    if octets[:2] == b"\x00\x01":
        return octets[_WRAPPER_HEADER] in APDU_NAMES and (is_wrapper(octets) or chunk.transport is Transport.TCP)
    return is_mbus(octets) and octets[6] & 0xE0 == 0


def _hdlc_size(octets: bytes) -> int:
    return int.from_bytes(octets[1:3], "big") & _FRAME_SIZE_MASK


def _frame_size(octets: bytes) -> int:
    """Give the octets of the frame that comes first, as announced; 0 while its header is not there."""
    if octets[:1] == b"\x7e":
        return _hdlc_frame_size(octets)
    if octets[:2] == b"\x00\x01":
        return 8 + int.from_bytes(octets[6:8], "big") if len(octets) >= _WRAPPER_HEADER else 0
    if octets[:1] == b"\x68":
        return octets[1] + 6 if len(octets) > 1 else 0
    return len(octets)


def _hdlc_frame_size(octets: bytes) -> int:
    """Give the frame with its flags; a flag that opens the next frame as well stays with that one."""
    if len(octets) < 3:
        return 0
    if octets[1] >> 4 != 0xA:
        return 1
    size = _hdlc_size(octets) + 2
    if size <= len(octets) and octets[size - 1] == 0x7E and octets[size : size + 1].hex()[:1] == "a":
        return size - 1
    return size
