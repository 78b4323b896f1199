"""General block transfer of GB messages: blocks join to the message, and nothing else does."""

import pytest

from meterworks.protocols import DecodeError, EncodeError
from meterworks.protocols.dlms import GeneralBlock
from meterworks.protocols.gbcs import in_blocks, joined_message

MESSAGE = bytes.fromhex("df09") + bytes(range(200))


@pytest.mark.parametrize("size", [1, 7, 100, 202, 1000])
def test_a_message_in_blocks_of_any_size_comes_back(size):
    assert joined_message(in_blocks(MESSAGE, block_size=size)) == MESSAGE


def test_octets_that_are_no_blocks_are_a_message_already():
    assert joined_message(MESSAGE) is MESSAGE
    assert joined_message(b"") == b""


def block(number, octets=b"abc", *, last=False):
    return GeneralBlock(last, False, 1, number, 0, octets).to_bytes()


@pytest.mark.parametrize(
    ("blocks", "why"),
    [
        (block(1) + block(3, last=True), "block 3 where block 2 is expected"),
        (block(2, last=True), "block 2 where block 1 is expected"),
        (block(1), "the last block is missing behind block 1"),
        (block(1, last=True) + b"\x00", "1 octets behind the last block"),
        (block(1, last=True)[:-1], "2 are there"),
        (block(1) + b"\x00" * 9, "general block expected"),
        (b"\xe0", "length missing"),
    ],
)
def test_blocks_that_make_no_message_are_refused(blocks, why):
    with pytest.raises(DecodeError, match=why):
        joined_message(blocks)


def test_blocks_of_more_than_the_largest_message_are_refused():
    with pytest.raises(DecodeError, match="more than 65535 octets"):
        joined_message(block(1, bytes(60_000)) + block(2, bytes(6_000), last=True))


@pytest.mark.parametrize(("message", "size"), [(b"", 10), (MESSAGE, 0), (bytes(70_000), 1)])
def test_what_does_not_go_into_blocks_is_refused(message, size):
    with pytest.raises(EncodeError):
        in_blocks(message, block_size=size)
