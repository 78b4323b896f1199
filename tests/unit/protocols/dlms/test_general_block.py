"""General block transfer: blocks on the wire, windows, lost blocks, streams, and what is refused."""

import pytest

from meterworks.protocols.dlms.general_block import (
    BLOCK_ROOM,
    BlockReceiver,
    BlockTransfer,
    GeneralBlock,
    cut_stream,
)
from meterworks.protocols.errors import DecodeError, EncodeError, StateError, UnlawfulMessage

SIZE = BLOCK_ROOM + 10
APDU = bytes(range(95))

WIRE = {
    "e0c1000100000203ab": GeneralBlock(True, True, 1, 1, 0, bytes.fromhex("03ab")),
    "e0830002000300": GeneralBlock(True, False, 3, 2, 3, b""),
    "e07fffff00010101": GeneralBlock(False, True, 63, 65535, 1, b"\x01"),
    "e00000010000820100" + "05" * 256: GeneralBlock(False, False, 0, 1, 0, b"\x05" * 256),
}


@pytest.mark.parametrize(("wire", "block"), WIRE.items(), ids=lambda value: str(value)[:24])
def test_block_is_read_and_written_back(wire: str, block: GeneralBlock) -> None:
    assert GeneralBlock.from_bytes(bytes.fromhex(wire)) == block
    assert block.to_bytes().hex() == wire


@pytest.mark.parametrize("wire", ["", "e0", "e081", "e0810001", "e08100010000", "e081000100000503ab", "c0810001000000"])
def test_malformed_block_is_refused(wire: str) -> None:
    with pytest.raises(DecodeError):
        GeneralBlock.from_bytes(bytes.fromhex(wire))


def test_numbers_that_do_not_fit_are_not_written() -> None:
    with pytest.raises(EncodeError):
        GeneralBlock(False, False, 64, 1, 0, b"").to_bytes()
    with pytest.raises(EncodeError):
        GeneralBlock(False, False, 1, 65536, 0, b"").to_bytes()


def blocks(apdus: list[bytes]) -> list[GeneralBlock]:
    return [GeneralBlock.from_bytes(apdu) for apdu in apdus]


def shape(apdus: list[bytes]) -> list[tuple[int, bool, bool, int]]:
    return [(block.number, block.streaming, block.last, block.acknowledged) for block in blocks(apdus)]


def test_first_window_waits_until_the_other_end_has_said_what_it_takes() -> None:
    client, server = BlockTransfer(SIZE, window=5), BlockTransfer(SIZE, window=3)
    first = client.send(APDU)
    assert shape(first) == [(1, False, False, 0)]
    whole, acknowledged = server.receive(first[0])
    assert whole is None
    assert shape(acknowledged) == [(1, False, True, 1)]
    _, second = client.receive(acknowledged[0])
    assert shape(second) == [(2, True, False, 1), (3, True, False, 1), (4, False, False, 1)]


def run(client: BlockTransfer, server: BlockTransfer, first: list[bytes], answer: bytes) -> tuple[bytes, bytes]:
    """Carry a request and its answer without losses; give what each end joined."""
    to_server, asked, answered = list(first), b"", b""
    to_client: list[bytes] = []
    while to_server or to_client:
        for apdu in to_server:
            whole, output = server.receive(apdu)
            if whole is not None:
                asked = whole
                output = server.send(answer)
            to_client += output
        to_server = []
        for apdu in to_client:
            whole, output = client.receive(apdu)
            answered = whole or answered
            to_server += output
        to_client = []
    return asked, answered


@pytest.mark.parametrize("window", [1, 2, 7, 63])
def test_request_and_answer_arrive_whole(window: int) -> None:
    client, server = BlockTransfer(SIZE, window=window), BlockTransfer(SIZE, window=window)
    for request, answer in ((APDU, APDU[::-1] * 4), (b"\x01", b"\x02" * 30), (APDU * 3, b"\x03")):
        client.begin()
        assert run(client, server, client.send(request), answer) == (request, answer)


def test_lost_block_is_sent_again_from_the_one_behind_the_last_received() -> None:
    client, server = BlockTransfer(SIZE, window=4), BlockTransfer(SIZE, peer_window=4)
    window = server.send(APDU)
    assert [number for number, *_ in shape(window)] == [1, 2, 3, 4]
    client.receive(window[0])
    assert client.receive(window[2]) == (None, [])
    _, acknowledgement = client.receive(window[3])
    assert shape(acknowledgement) == [(1, False, True, 1)]
    _, again = server.receive(acknowledgement[0])
    assert shape(again) == [(2, True, False, 1), (3, True, False, 1), (4, True, False, 1), (5, False, False, 1)]


def test_repeated_block_does_not_count_twice() -> None:
    client, server = BlockTransfer(SIZE, window=4), BlockTransfer(SIZE, peer_window=4)
    window = server.send(APDU)
    for apdu in (window[0], window[0], window[1], window[0], window[1], window[2]):
        assert client.receive(apdu) == (None, [])
    _, acknowledgement = client.receive(window[3])
    assert blocks(acknowledgement)[0].acknowledged == 4


def test_time_out_repeats_what_was_sent_last_and_then_gives_up() -> None:
    client = BlockTransfer(SIZE)
    first = client.send(APDU)
    assert [client.timed_out() for _ in range(4)] == [first] * 4
    with pytest.raises(UnlawfulMessage):
        client.timed_out()
    with pytest.raises(StateError):
        client.timed_out()


def test_time_out_of_a_receiver_repeats_its_acknowledgement() -> None:
    client, server = BlockTransfer(SIZE, window=4), BlockTransfer(SIZE, peer_window=4)
    client.receive(server.send(APDU)[0])
    assert client.is_receiving
    repeated = client.timed_out() + client.timed_out()
    assert shape(repeated) == [(1, False, True, 1), (2, False, True, 1)]
    assert server.receive(repeated[0])[1]
    assert server.receive(repeated[1])[1]


def test_acknowledgement_repeated_by_the_line_is_acted_on_once() -> None:
    client, server = BlockTransfer(SIZE, window=2), BlockTransfer(SIZE, peer_window=2)
    window = server.send(APDU)
    client.receive(window[0])
    _, acknowledgement = client.receive(window[1])
    assert client.receive(window[1])[1] == acknowledgement
    assert server.receive(acknowledgement[0])[1]
    assert server.receive(acknowledgement[0])[1] == []


def test_answer_nobody_gives_is_made_up_for_by_an_empty_block() -> None:
    client, server = BlockTransfer(SIZE), BlockTransfer(SIZE)
    whole, output = server.receive(client.send(b"\xc1")[0])
    assert (whole, output) == (b"\xc1", [])
    assert client.is_sending
    assert client.receive(server.acknowledge()) == (None, [])
    assert not client.is_sending


def test_abort_ends_the_transfer_at_both_ends() -> None:
    client, server = BlockTransfer(SIZE, window=4), BlockTransfer(SIZE)
    server.receive(client.send(APDU)[0])
    with pytest.raises(UnlawfulMessage):
        server.receive(client.abort())
    assert not server.is_receiving
    assert not client.is_sending


def test_acknowledgement_of_what_was_never_sent_is_unlawful() -> None:
    client = BlockTransfer(SIZE)
    client.send(APDU)
    with pytest.raises(UnlawfulMessage):
        client.receive(GeneralBlock(True, False, 1, 1, 9, b"").to_bytes())


def test_joined_apdu_is_bounded() -> None:
    receiver = BlockReceiver(size_max=15)
    receiver.receive(GeneralBlock(False, True, 1, 1, 0, bytes(10)))
    with pytest.raises(UnlawfulMessage):
        receiver.receive(GeneralBlock(False, True, 1, 2, 0, bytes(10)))
    assert not receiver.is_pending


@pytest.mark.parametrize(("size", "window"), [(BLOCK_ROOM, 1), (SIZE, 0), (SIZE, 64)])
def test_transfer_that_cannot_work_is_not_made(size: int, window: int) -> None:
    with pytest.raises(StateError):
        BlockTransfer(size, window=window)


def test_more_blocks_than_there_are_numbers_are_not_sent() -> None:
    with pytest.raises(StateError):
        BlockTransfer(BLOCK_ROOM + 1).send(bytes(70_000))
    with pytest.raises(StateError):
        cut_stream(bytes(70_000), BLOCK_ROOM + 1)
    with pytest.raises(StateError):
        cut_stream(b"\x0f", BLOCK_ROOM)


def test_stream_needs_no_answer() -> None:
    receiver = BlockTransfer(SIZE)
    stream = cut_stream(APDU, SIZE)
    assert {(block.streaming, block.window, block.acknowledged) for block in blocks(stream)} == {(True, 0, 0)}
    results = [receiver.receive(apdu) for apdu in stream]
    assert [whole for whole, _ in results] == [None] * 9 + [APDU]
    assert not any(output for _, output in results)


def test_fresh_first_block_of_a_stream_displaces_what_was_pending() -> None:
    receiver = BlockReceiver()
    stream = blocks(cut_stream(APDU, SIZE))
    for block in stream[:4]:
        assert receiver.receive(block) is None
    assert [receiver.receive(block) for block in stream][-1] == APDU
    assert receiver.dropped == 40


def test_gap_in_a_stream_loses_that_apdu_only() -> None:
    receiver = BlockReceiver()
    stream = blocks(cut_stream(APDU, SIZE))
    assert [receiver.receive(block) for block in stream if block.number != 3] == [None] * 9
    assert not receiver.is_pending
    assert receiver.dropped == len(APDU) - 10
    assert [receiver.receive(block) for block in stream][-1] == APDU
