"""Frames, and their way out of noise."""

import pytest

from meterworks.protocols.dlms.hdlc import INFORMATION_SIZE_MAX, HdlcAddress, HdlcFrame, HdlcReader
from meterworks.protocols.dlms.hdlc.checksum import check_octets, is_intact
from meterworks.protocols.errors import DecodeError, EncodeError

CLIENT, SERVER = HdlcAddress(16), HdlcAddress(1, 17, 2)
READY = HdlcFrame(CLIENT, SERVER, 0x31)
SPEECH = HdlcFrame(CLIENT, SERVER, 0x30, b"\x7e\x7e\xa0\x07" * 30, segmented=True)


def read(octets: bytes, *, check_sum: bool = True) -> tuple[list[HdlcFrame], HdlcReader]:
    reader = HdlcReader(check_sum=check_sum)
    reader.feed(octets)
    frames = []
    while (frame := reader.next_frame()) is not None:
        frames.append(frame)
    return frames, reader


def test_sum_has_its_check_value() -> None:
    assert check_octets(b"123456789") == bytes.fromhex("6e90")  # 906E, low octet first
    assert is_intact(b"123456789\x6e\x90")
    assert not is_intact(b"123456789\x90\x6e")


def test_neighbours_share_a_flag() -> None:
    octets = READY.to_bytes() + SPEECH.to_bytes()[1:] + READY.to_bytes()[1:]
    assert read(octets)[0] == [READY, SPEECH, READY]


@pytest.mark.parametrize("noise", ["7e7e7e", "00ff", "7ea0", "7ea8817e", "7ea01e21", "a07e7e7ea00721"])
def test_frames_are_found_behind_noise(noise: str) -> None:
    octets = bytes.fromhex(noise) + SPEECH.to_bytes() + bytes.fromhex(noise) + READY.to_bytes() + SPEECH.to_bytes()
    assert read(octets)[0] == [SPEECH, READY, SPEECH]


def test_false_header_holds_a_frame_up_for_a_dozen_octets() -> None:
    # A flag and a format field announcing 2,047 octets: the header's sum tells that they will not come.
    frames, reader = read(bytes.fromhex("7ea7ff") + SPEECH.to_bytes())
    assert frames == [SPEECH]
    assert reader.dropped == 2


def test_torn_frame_is_given_up_when_the_line_falls_silent() -> None:
    torn = SPEECH.to_bytes()[:60]
    frames, reader = read(torn + READY.to_bytes())
    assert frames == []  # it may still be information of the first
    reader.give_up()
    assert reader.next_frame() == READY


@pytest.mark.parametrize("index", range(1, len(SPEECH.to_bytes()) - 1))
def test_altered_frame_is_none(index: int) -> None:
    octets = bytearray(SPEECH.to_bytes())
    octets[index] ^= 0x10
    frames, reader = read(bytes(octets) + bytes(2048) + b"\x7e")
    assert SPEECH not in frames
    assert reader.dropped


def test_frame_that_no_flag_ends_is_none() -> None:
    octets = SPEECH.to_bytes()[:-1]
    frames, reader = read(octets + b"\x00" + READY.to_bytes())
    assert frames == [READY]
    assert reader.dropped > 60  # flags apart


def test_wrong_sum_is_read_only_when_told_to() -> None:
    octets = bytearray(SPEECH.to_bytes())
    octets[-2] ^= 1
    assert read(bytes(octets))[0] == []
    frames, reader = read(bytes(octets), check_sum=False)
    assert frames == [HdlcFrame(CLIENT, SERVER, 0x30, SPEECH.information, segmented=True, intact=False)]
    assert reader.damaged == 1


def test_what_is_kept_has_a_bound() -> None:
    reader = HdlcReader()
    for _ in range(200):
        reader.feed(bytes.fromhex("7ea7ff") * 300)
        assert reader.next_frame() is None
    assert reader.size <= 2049


def test_largest_information_fits_and_no_more() -> None:
    long_address = HdlcAddress(16383, 16383, 4)
    largest = HdlcFrame(long_address, long_address, 0x30, bytes(INFORMATION_SIZE_MAX))
    assert HdlcFrame.from_bytes(largest.to_bytes()) == largest
    with pytest.raises(EncodeError):
        HdlcFrame(long_address, long_address, 0x30, bytes(INFORMATION_SIZE_MAX + 1)).to_bytes()


@pytest.mark.parametrize("octets", [b"", READY.to_bytes()[:-1], READY.to_bytes() * 2, b"\x00" + READY.to_bytes()])
def test_one_frame_is_one_frame(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        HdlcFrame.from_bytes(octets)
