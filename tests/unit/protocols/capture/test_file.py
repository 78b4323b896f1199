"""Capture files of every form: magic numbers, orders of octets, resolutions; files that are cut off or broken."""

import struct

import pytest

from meterworks.protocols.capture import is_capture, read_capture
from meterworks.protocols.capture.file import INTERFACES_MAX, PACKET_SIZE_MAX
from meterworks.protocols.errors import DecodeError

TIME_NS = 1_700_000_000_123_456_000


def pcap(*packets: bytes, order: str = "<", nanoseconds: bool = False, link: int = 1) -> bytes:
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    file = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    units = 1 if nanoseconds else 1000
    seconds, fraction = divmod(TIME_NS, 1_000_000_000)
    for packet in packets:
        file += struct.pack(f"{order}IIII", seconds, fraction // units, len(packet), len(packet)) + packet
    return file


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    size = len(body) + 12
    return struct.pack(f"{order}II", kind, size) + body + struct.pack(f"{order}I", size)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order: str = "<", link: int = 1, options: bytes = b"", size_max: int = 0) -> bytes:
    return block(1, struct.pack(f"{order}HHI", link, 0, size_max) + options, order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def enhanced(octets: bytes, stamp: int, order: str = "<", number: int = 0) -> bytes:
    head = struct.pack(f"{order}IIIII", number, stamp >> 32, stamp & 0xFFFFFFFF, len(octets), len(octets))
    return block(6, head + octets, order)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap_in_its_four_forms(order: str, nanoseconds: bool) -> None:
    capture = read_capture(pcap(b"one", b"second", order=order, nanoseconds=nanoseconds, link=101))
    assert [packet.octets for packet in capture.packets] == [b"one", b"second"]
    assert [packet.time_ns for packet in capture.packets] == [TIME_NS, TIME_NS]
    assert {packet.link_type for packet in capture.packets} == {101}
    assert capture.fault == ""


def test_flags_above_the_link_type_are_left_out() -> None:
    assert read_capture(pcap(b"x", link=0xF0000001)).packets[0].link_type == 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_with_both_orders_of_octets(order: str) -> None:
    file = section(order) + interface(order) + enhanced(b"abcde", TIME_NS // 1000, order)
    capture = read_capture(file)
    assert [(packet.octets, packet.time_ns) for packet in capture.packets] == [(b"abcde", TIME_NS)]


def test_each_section_brings_its_own_order_and_interfaces() -> None:
    file = section("<") + interface("<", 1) + enhanced(b"a", 0, "<")
    file += section(">") + interface(">", 101) + enhanced(b"b", 0, ">")
    assert [(packet.octets, packet.link_type) for packet in read_capture(file).packets] == [(b"a", 1), (b"b", 101)]


@pytest.mark.parametrize(
    ("options", "stamp", "time_ns"),
    [
        (option(9, b"\x09"), TIME_NS, TIME_NS),
        (option(9, b"\x03"), 5, 5_000_000),
        (option(9, b"\x8a"), 1024, 1_000_000_000),
        (option(14, struct.pack("<q", 100)), 7, 100_000_007_000),
        (option(2, b"eth0") + option(0, b"") + option(9, b"\x00"), 7, 7000),
    ],
    ids=["nanoseconds", "milliseconds", "powers of two", "offset", "end of options"],
)
def test_resolutions_of_interfaces(options: bytes, stamp: int, time_ns: int) -> None:
    file = section() + interface(options=options) + enhanced(b"x", stamp)
    assert read_capture(file).packets[0].time_ns == time_ns


def test_packets_without_a_time_take_that_of_the_one_before() -> None:
    simple = block(3, struct.pack("<I", 100) + b"abcdef")
    file = section() + interface(size_max=6) + enhanced(b"x", TIME_NS // 1000) + simple
    assert [(packet.time_ns, packet.octets) for packet in read_capture(file).packets][1] == (TIME_NS, b"abcdef")


def test_packet_blocks_of_old_files_are_read() -> None:
    old = block(2, struct.pack("<HHIIII", 0, 0, 0, 5, 3, 3) + b"abc")
    assert read_capture(section() + interface() + old).packets[0].octets == b"abc"


def test_blocks_of_other_types_are_passed_over() -> None:
    file = section() + block(4, b"names") + interface() + block(0xBAD, b"") + enhanced(b"x", 0) + block(5, b"statistic")
    assert len(read_capture(file).packets) == 1


@pytest.mark.parametrize("octets", [b"", b"\x00" * 40, b"hello", b"\x0a\x0d\x0d\x0a" + b"\x00" * 20, b"\xd4\xc3\xb2"])
def test_octets_that_are_no_capture_are_refused(octets: bytes) -> None:
    assert not is_capture(octets)
    with pytest.raises(DecodeError, match="no capture file"):
        read_capture(octets)


WHOLE = [pcap(b"first", b"second packet"), section() + interface() + enhanced(b"first", 1) + enhanced(b"second", 2)]


@pytest.mark.parametrize("file", WHOLE, ids=["pcap", "pcapng"])
def test_a_file_cut_off_anywhere_gives_what_is_whole_and_says_so(file: bytes) -> None:
    for size in range(12, len(file)):
        capture = read_capture(file[:size])
        assert len(capture.packets) < 2
        assert capture.fault or size in (24, 24 + 16 + 5, 28, 28 + 20, 28 + 20 + 40)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (pcap(b"x")[:24] + struct.pack("<IIII", 0, 0, PACKET_SIZE_MAX + 1, 0), "packet of 1048577 octets"),
        (section() + enhanced(b"x", 0), "a packet names interface 0, 0 are described"),
        (section() + interface(options=option(9, b"\x7f")), "powers of a second"),
        (section() + block(1, b"\x00"), "too short"),
        (section() + interface() + block(6, struct.pack("<IIIII", 0, 0, 0, 99, 99)), "packet of 99 octets in a block"),
        (section() + struct.pack("<II", 6, 7) + b"\x00" * 8, "block of 7 octets"),
        (section() + struct.pack("<II", 6, 1 << 30) + b"\x00" * 8, "block of 1073741824 octets"),
        (section() + interface() * (INTERFACES_MAX + 1), "interfaces"),
        (section() + b"\x0a\x0d\x0d\x0a" + b"\x00" * 12, "no known order"),
    ],
)
def test_faults_are_told(file: bytes, told: str) -> None:
    assert told in read_capture(file).fault
