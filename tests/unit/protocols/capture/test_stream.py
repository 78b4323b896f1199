"""TCP joined: order, repetitions, gaps, numbers that wrap, connections that begin anew."""

import itertools
import random

import pytest

from meterworks.protocols.capture import Chunk, Endpoint, Packet, Segment, StreamJoiner, Transport, read_chunks
from meterworks.protocols.capture.file import read_capture
from meterworks.protocols.capture.stream import HELD_SIZE_MAX
from meterworks.protocols.capture.writer import CaptureWriter

A, B = Endpoint("10.0.0.1", 5), Endpoint("10.0.0.2", 6)
SYN, FIN, ACK = 0x02, 0x01, 0x10


def part(sequence: int, octets: bytes = b"", flags: int = ACK) -> Segment:
    return Segment(
        time_ns=sequence, transport=Transport.TCP, source=A, destination=B, payload=octets,
        sequence=sequence % (1 << 32), flags=flags,
    )  # fmt: skip


def joined(*segments: Segment) -> list[Chunk]:
    joiner = StreamJoiner()
    chunks = [chunk for segment in segments for chunk in joiner.take(segment)]
    return chunks + list(joiner.finish())


def octets(chunks: list[Chunk]) -> bytes:
    return b"".join(chunk.octets for chunk in chunks)


MESSAGE = bytes(range(100))
PARTS = [part(1000, flags=SYN), *(part(1001 + start, MESSAGE[start : start + 10]) for start in range(0, 100, 10))]


def test_segments_in_order_are_given_at_once() -> None:
    joiner = StreamJoiner()
    assert [len(list(joiner.take(segment))) for segment in PARTS] == [0] + [1] * 10


@pytest.mark.parametrize("seed", range(8))
def test_segments_in_any_order_give_the_same_stream(seed: int) -> None:
    shuffled = PARTS[1:] * 2
    random.Random(seed).shuffle(shuffled)
    chunks = joined(PARTS[0], *shuffled)
    assert octets(chunks) == MESSAGE
    assert [chunk.lost for chunk in chunks if chunk.lost] == []


def test_overlapping_segments_count_once() -> None:
    chunks = joined(PARTS[0], part(1001, MESSAGE[:20]), part(1011, MESSAGE[10:40]), part(1001, MESSAGE[:60]))
    assert octets(chunks) == MESSAGE[:60]


def test_a_longer_segment_takes_the_place_of_a_shorter_one_that_waits() -> None:
    chunks = joined(PARTS[0], part(1011, MESSAGE[10:20]), part(1011, MESSAGE[10:30]), part(1001, MESSAGE[:10]))
    assert octets(chunks) == MESSAGE[:30]


def test_numbers_wrap_around() -> None:
    first = (1 << 32) - 5
    chunks = joined(part(first, MESSAGE[:10]), part(first + 10, MESSAGE[10:20]))
    assert octets(chunks) == MESSAGE[:20]


def test_a_capture_that_begins_in_the_midst_is_joined_from_there() -> None:
    assert octets(joined(part(777, b"abc"), part(780, b"def"))) == b"abcdef"


def test_a_gap_is_told_when_the_capture_ends() -> None:
    chunks = joined(PARTS[0], part(1001, b"abc"), part(1010, b"xyz"))
    assert [(chunk.octets, chunk.lost) for chunk in chunks] == [(b"abc", 0), (b"xyz", 6)]


def test_a_gap_is_given_up_when_too_much_waits() -> None:
    size = 65_536
    waiting = [part(2000 + number * size, bytes(size)) for number in range(HELD_SIZE_MAX // size + 1)]
    joiner = StreamJoiner()
    chunks = [chunk for segment in (PARTS[0], *waiting) for chunk in joiner.take(segment)]
    assert chunks[0].lost == 999
    assert len(octets(chunks)) == HELD_SIZE_MAX + size


def test_many_small_segments_behind_a_gap_are_bounded() -> None:
    joiner = StreamJoiner()
    list(joiner.take(PARTS[0]))
    given = sum(len(list(joiner.take(part(5000 + 2 * number, b"x")))) for number in range(4100))
    assert given > 0


def test_a_payload_with_the_opening_is_left_out() -> None:
    assert joined(part(1, b"early", SYN)) == []


# --- connections ----------------------------------------------------------------------------------------------------


def capture(writer: CaptureWriter, *octets: bytes) -> list[Packet]:
    file = writer.header() + b"".join(octets)
    return list(read_capture(file).packets)


def test_both_directions_are_joined_in_the_order_of_time() -> None:
    writer = CaptureWriter(A, B)
    packets = capture(
        writer,
        writer.write(1, from_client=True, octets=b"ask"),
        writer.write(2, from_client=False, octets=b"answer"),
        writer.close(3),
    )
    assert [(chunk.octets, chunk.source) for chunk in read_chunks(packets)] == [(b"ask", A), (b"answer", B)]


def test_packets_in_any_order_give_both_streams_whole() -> None:
    writer = CaptureWriter(A, B)
    big = bytes(itertools.islice(itertools.cycle(range(251)), 5000))
    packets = capture(writer, writer.write(1, from_client=True, octets=big))
    opening, data = packets[:3], packets[3:]
    random.Random(1).shuffle(data)
    assert b"".join(chunk.octets for chunk in read_chunks(opening + data)) == big


def test_a_connection_of_the_same_ends_begins_anew() -> None:
    packets = []
    for text in (b"first", b"second"):
        writer = CaptureWriter(A, B)
        packets += capture(writer, writer.write(1, from_client=True, octets=text), writer.close(2))
    assert [chunk.octets for chunk in read_chunks(packets)] == [b"first", b"second"]


def test_what_waits_of_an_ended_connection_is_given_before_a_new_one() -> None:
    writer = CaptureWriter(A, B)
    first = capture(writer, writer.write(1, from_client=True, octets=bytes(3000)), writer.close(2))
    del first[3]  # the first of three parts was not captured
    writer = CaptureWriter(A, B)
    second = capture(writer, writer.write(3, from_client=True, octets=b"new"))
    chunks = list(read_chunks(first + second))
    assert chunks[0].lost == 1400
    assert chunks[-1].octets == b"new"


def test_datagrams_are_given_one_by_one() -> None:
    writer = CaptureWriter(A, B, Transport.UDP)
    packets = capture(
        writer, writer.write(1, from_client=True, octets=b"one"), writer.write(2, from_client=True, octets=b"")
    )
    assert [(chunk.octets, chunk.transport) for chunk in read_chunks(packets)] == [(b"one", Transport.UDP)]


def test_packets_of_other_protocols_are_passed_over() -> None:
    assert list(read_chunks([Packet(0, 1, bytes(60)), Packet(0, 999, b"x")])) == []
