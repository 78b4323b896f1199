"""Pushes: how meters cut them up, and what becomes of lost parts."""

import pytest

from meterworks.protocols.dlms.hdlc import HdlcAddress, HdlcFrame, HdlcPush, HdlcPushReader, encode_push

METER, PORT = HdlcAddress(1, 17, 2), HdlcAddress(103)
LONG = b"\x0f" + bytes(range(256)) * 3
RESPONSE = b"\xe6\xe7\x00"


def pushes_in(octets: bytes, *, apdu_size_max: int = 0xFFFF) -> tuple[list[bytes], HdlcPushReader]:
    reader = HdlcPushReader(apdu_size_max)
    reader.feed(octets)
    apdus = []
    while (push := reader.next_push()) is not None:
        apdus.append(push.apdu)
    return apdus, reader


@pytest.mark.parametrize("information_max", [40, 128, 2000])
@pytest.mark.parametrize("apdu", [LONG, LONG[:37], LONG[:38], b"\x0f"])
def test_push_comes_out_as_it_went_in(apdu: bytes, information_max: int) -> None:
    reader = HdlcPushReader()
    reader.feed(encode_push(apdu, METER, PORT, information_max=information_max))
    assert reader.next_push() == HdlcPush(METER, PORT, apdu)
    assert reader.next_push() is None


def frame(information: bytes, *, control: int = 0x13, segmented: bool = False) -> bytes:
    return HdlcFrame(PORT, METER, control, information, segmented).to_bytes()


def test_blocks_of_one_frame_each_have_the_header_in_the_first_only() -> None:
    octets = frame(RESPONSE + b"\xe0\x40\x00\x01one") + frame(b"\xe0\xc0\x00\x02two")
    assert pushes_in(octets)[0] == [b"\xe0\x40\x00\x01one", b"\xe0\xc0\x00\x02two"]


def test_numbered_frames_carry_pushes_too_and_others_do_not() -> None:
    octets = frame(RESPONSE + LONG[:50], control=0x10) + frame(RESPONSE + LONG, control=0x93) + frame(b"", control=0x03)
    assert pushes_in(octets)[0] == [LONG[:50]]


def test_lost_end_is_counted_and_the_next_push_read() -> None:
    octets = frame(RESPONSE + LONG[:50], segmented=True) + encode_push(LONG, METER, PORT)
    apdus, reader = pushes_in(octets)
    assert apdus == [LONG]
    assert reader.abandoned == 1


def test_senders_do_not_disturb_one_another() -> None:
    other = HdlcFrame(PORT, HdlcAddress(1, 18, 2), 0x03, RESPONSE + LONG[:9], segmented=True).to_bytes()
    octets = frame(RESPONSE + LONG[:50], segmented=True) + other + frame(LONG[50:])
    assert pushes_in(octets)[0] == [LONG]


def test_what_is_kept_has_a_bound() -> None:
    part = frame(bytes(1000), segmented=True)
    _, reader = pushes_in(part * 10, apdu_size_max=2500)
    assert reader.abandoned == 3
    assert reader.size < 2500
    reader = HdlcPushReader()
    for sender in range(100):
        reader.feed(HdlcFrame(PORT, HdlcAddress(sender), 0x03, bytes(50), segmented=True).to_bytes())
        assert reader.next_push() is None
    assert reader.abandoned == 84
    assert reader.size <= 16 * 50 + 1


def test_noise_is_counted() -> None:
    apdus, reader = pushes_in(b"noise" + frame(RESPONSE + LONG))
    assert (apdus, reader.dropped) == ([LONG], 5)
