"""TCP streams joined from their segments: in order, each octet once, gaps told.

Sequence numbers count modulo 2^32. What comes too early waits; what was there already (a retransmission) is cut off.
Where too much waits behind a gap, the missing octets were lost to the capture: the stream goes on behind them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from meterworks.protocols.capture.file import Packet
from meterworks.protocols.capture.packet import Endpoint, Segment, Transport, read_segment

__all__ = ["Chunk", "StreamJoiner", "read_chunks"]

HELD_SIZE_MAX: Final = 1 << 20  # octets that wait behind a gap of one stream
HELD_COUNT_MAX: Final = 4096
STREAMS_MAX: Final = 65_536
_MODULUS: Final = 1 << 32
_HALF: Final = 1 << 31
_FIN: Final = 0x01
_SYN: Final = 0x02
_RST: Final = 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Octets that one end sent. lost: octets missing before them, of a TCP stream."""

    time_ns: int
    transport: Transport
    source: Endpoint
    destination: Endpoint
    octets: bytes
    lost: int = 0


class StreamJoiner:
    """One direction of a TCP connection."""

    __slots__ = ("_held", "_held_size", "_next", "is_ended")

    def __init__(self) -> None:
        self._next: int | None = None
        self._held: dict[int, Segment] = {}
        self._held_size = 0
        self.is_ended = False

    def take(self, segment: Segment) -> Iterator[Chunk]:
        """Take a segment; give what is in order now."""
        is_begin = bool(segment.flags & _SYN)
        if is_begin:
            self._next = (segment.sequence + 1) % _MODULUS
            self._held.clear()
            self._held_size = 0
        if self._next is None:
            self._next = segment.sequence  # the capture began in the midst of the connection
        if segment.flags & (_FIN | _RST):
            self.is_ended = True
        if segment.payload and not is_begin and self._hold(segment):
            yield from self._ready(lost=0)
        while self._held_size > HELD_SIZE_MAX or len(self._held) > HELD_COUNT_MAX:
            yield from self._skip_gap()

    def finish(self) -> Iterator[Chunk]:
        """Give what still waits, with its gaps."""
        while self._held:
            yield from self._skip_gap()

    def _distance(self, sequence: int) -> int:
        """Give how far a number lies ahead of the next one; negative behind it."""
        distance = (sequence - (self._next or 0)) % _MODULUS
        return distance - _MODULUS if distance >= _HALF else distance

    def _hold(self, segment: Segment) -> bool:
        """Keep a segment; whether the stream can go on. Without a gap before it, that is so."""
        other = self._held.get(segment.sequence)
        if other is None or len(other.payload) < len(segment.payload):
            self._held_size += len(segment.payload) - (0 if other is None else len(other.payload))
            self._held[segment.sequence] = segment
        return self._distance(segment.sequence) <= 0

    def _ready(self, *, lost: int) -> Iterator[Chunk]:
        """Give what joins the stream without a gap, in order."""
        while (segment := self._following()) is not None:
            distance = self._distance(segment.sequence)
            fresh = segment.payload[-distance:] if distance else segment.payload
            if fresh:
                self._next = ((self._next or 0) + len(fresh)) % _MODULUS
                yield Chunk(
                    time_ns=segment.time_ns, transport=Transport.TCP, source=segment.source,
                    destination=segment.destination, octets=fresh, lost=lost,
                )  # fmt: skip
                lost = 0

    def _following(self) -> Segment | None:
        """Take out what waits for its turn and has it: the next octets, or some that were there already."""
        segment = self._held.pop(self._next or 0, None)
        if segment is None and self._held:
            sequence = min(self._held, key=self._distance)
            segment = self._held.pop(sequence) if self._distance(sequence) <= 0 else None
        if segment is not None:
            self._held_size -= len(segment.payload)
        return segment

    def _skip_gap(self) -> Iterator[Chunk]:
        sequence = min(self._held, key=self._distance)
        lost = max(self._distance(sequence), 0)
        self._next = ((self._next or 0) + lost) % _MODULUS
        yield from self._ready(lost=lost)


def read_chunks(packets: Iterable[Packet]) -> Iterator[Chunk]:
    """Give what the ends of all connections sent, joined, in the order in which it was complete."""
    streams: dict[tuple[Endpoint, Endpoint], StreamJoiner] = {}
    for packet in packets:
        segment = read_segment(packet)
        if segment is None:
            continue
        if segment.transport is Transport.UDP:
            if segment.payload:
                yield Chunk(
                    time_ns=segment.time_ns, transport=Transport.UDP, source=segment.source,
                    destination=segment.destination, octets=segment.payload,
                )  # fmt: skip
            continue
        yield from _joined(streams, segment)
    for stream in streams.values():
        yield from stream.finish()


def _joined(streams: dict[tuple[Endpoint, Endpoint], StreamJoiner], segment: Segment) -> Iterator[Chunk]:
    key = (segment.source, segment.destination)
    stream = streams.get(key)
    if stream is None or (segment.flags & _SYN and stream.is_ended):
        if stream is None and len(streams) >= STREAMS_MAX:
            yield from streams.pop(next(iter(streams))).finish()
        elif stream is not None:
            yield from stream.finish()
        stream = streams[key] = StreamJoiner()
    yield from stream.take(segment)
