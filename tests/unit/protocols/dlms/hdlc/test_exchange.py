"""Numbered information: segments, windows, acknowledgement and repetition, without a link around them."""

import pytest
from tests.unit.protocols.dlms.hdlc.line import frames_of

from meterworks.protocols.dlms.hdlc import HdlcAddress, HdlcFrame, LinkParameters
from meterworks.protocols.dlms.hdlc.exchange import WAITING_SEGMENTS_MAX, NumberedExchange
from meterworks.protocols.errors import UnlawfulMessage

OWN, PEER = HdlcAddress(1), HdlcAddress(16)


def make(window: int = 1, size: int = 32, message_size_max: int = 1000) -> NumberedExchange:
    parameters = LinkParameters(
        information_transmit_max=size, information_receive_max=size, window_transmit=window, window_receive=window
    )
    return NumberedExchange(OWN, PEER, parameters, message_size_max)


def controls(octets: bytes) -> list[int]:
    return [frame.control for frame in frames_of(octets)]


@pytest.mark.parametrize(("size", "segments"), [(1, 1), (31, 1), (32, 1), (33, 2), (64, 2), (65, 3), (320, 10)])
def test_message_is_cut_into_segments_of_which_only_the_last_ends_it(size: int, segments: int) -> None:
    exchange = make()
    exchange.enqueue(bytes(size))
    frames: list[HdlcFrame] = []
    for number in range(segments):
        frames += frames_of(exchange.turn())
        assert exchange.acknowledge((number + 1) % 8)
    assert [frame.segmented for frame in frames] == [True] * (segments - 1) + [False]
    assert sum(len(frame.information) for frame in frames) == size
    assert not exchange.has_output


@pytest.mark.parametrize(
    ("window", "expected"),
    [(1, [[0x10], [0x12], [0x14]]), (2, [[0x00, 0x12], [0x14]]), (3, [[0x00, 0x02, 0x14]]), (7, [[0x00, 0x02, 0x14]])],
)
def test_window_ends_with_the_poll_bit(window: int, expected: list[list[int]]) -> None:
    exchange = make(window)
    exchange.enqueue(bytes(96))
    turns = []
    while exchange.has_output:
        turns.append(controls(exchange.turn()))
        exchange.acknowledge(sum(map(len, turns)) % 8)
    assert turns == expected


def test_turn_begins_with_what_was_not_acknowledged() -> None:
    exchange = make(window=3)
    exchange.enqueue(bytes(160))
    assert controls(exchange.turn()) == [0x00, 0x02, 0x14]
    assert exchange.acknowledge(1)
    assert exchange.unacknowledged == 2
    assert controls(exchange.turn()) == [0x02, 0x04, 0x16]  # two again and one new
    assert not exchange.acknowledge(1)
    assert controls(exchange.turn()) == [0x02, 0x04, 0x16]


def test_turn_without_anything_to_say_is_ready() -> None:
    exchange = make()
    assert controls(exchange.turn()) == [0x11]
    exchange.take(0, HdlcFrame(OWN, PEER, 0x10, b"abc"))
    assert controls(exchange.turn()) == [0x31]
    assert controls(exchange.ready(0x05)) == [0x35]


@pytest.mark.parametrize("number", [2, 5, 7])
def test_acknowledgement_of_what_was_not_sent_is_refused(number: int) -> None:
    exchange = make()
    exchange.enqueue(b"abc")
    exchange.turn()
    with pytest.raises(UnlawfulMessage, match=f"frame {number}"):
        exchange.acknowledge(number)


def test_numbers_go_round() -> None:
    exchange = make(window=7)
    for round_number in range(30):
        exchange.enqueue(bytes(32 * 3))
        frames = frames_of(exchange.turn())
        assert [frame.control >> 1 & 7 for frame in frames] == [(3 * round_number + k) % 8 for k in range(3)]
        assert exchange.acknowledge((3 * round_number + 3) % 8)


def test_message_is_put_together_from_frames_in_order() -> None:
    exchange = make(window=3)
    assert exchange.take(0, HdlcFrame(OWN, PEER, 0, b"one ", segmented=True)) is None
    begun = exchange.is_receiving
    assert exchange.take(2, HdlcFrame(OWN, PEER, 4, b"three")) is None  # the second was lost
    assert exchange.take(0, HdlcFrame(OWN, PEER, 0, b"one ", segmented=True)) is None  # this one came before
    assert exchange.take(1, HdlcFrame(OWN, PEER, 2, b"two ", segmented=True)) is None
    assert exchange.take(2, HdlcFrame(OWN, PEER, 4, b"three")) == b"one two three"
    assert (begun, exchange.is_receiving) == (True, False)
    assert exchange.taken == 3


@pytest.mark.parametrize(("window", "number", "repeated"), [(1, 7, True), (1, 0, False), (3, 2, False), (3, 5, True)])
def test_repeated_frame_is_told_from_one_behind_a_lost_one(window: int, number: int, repeated: bool) -> None:
    assert make(window).is_repeated(number) is repeated


def test_message_without_an_end_is_refused() -> None:
    exchange = make(message_size_max=100)
    for number in range(3):
        exchange.take(number, HdlcFrame(OWN, PEER, 0, bytes(32), segmented=True))
    with pytest.raises(UnlawfulMessage, match="more than 100"):
        exchange.take(3, HdlcFrame(OWN, PEER, 0, bytes(32), segmented=True))


def test_room_for_answers_has_an_end() -> None:
    exchange = make()
    exchange.enqueue(bytes(32 * (WAITING_SEGMENTS_MAX - 1)))
    assert exchange.has_room
    exchange.enqueue(b"x")
    assert not exchange.has_room
