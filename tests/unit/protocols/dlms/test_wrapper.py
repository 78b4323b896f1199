"""The wrapper's frames from a byte stream."""

import pytest

from meterworks.protocols.dlms import WrapperReader, encode_wrapper
from meterworks.protocols.errors import UnlawfulMessage

FRAMES = [(1, 16, b"\xc4\x01\xc1\x00\x00"), (1, 16, bytes(300)), (1, 2, b"\x63")]
STREAM = b"".join(encode_wrapper(*frame) for frame in FRAMES)


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 100, 10_000])
def test_any_fragmentation_gives_the_same_frames(size: int) -> None:
    reader = WrapperReader()
    found = []
    for start in range(0, len(STREAM), size):
        reader.feed(STREAM[start : start + size])
        while (frame := reader.next_frame()) is not None:
            found.append(frame)
    assert found == FRAMES
    assert reader.size == 0


@pytest.mark.parametrize("header", ["0002000100010005", "0001000100010000", "00010001000103e9", "474554202f204854"])
def test_unlawful_headers_are_refused_before_their_content(header: str) -> None:
    reader = WrapperReader(apdu_size_max=1000)
    reader.feed(bytes.fromhex(header))
    for _ in range(2):  # and it stays refused
        with pytest.raises(UnlawfulMessage):
            reader.next_frame()
