"""The headers of link and network taken off: each kind of link, both versions of IP, and what carries nothing."""

import struct

import pytest

from meterworks.protocols.capture import Endpoint, Packet, Segment, Transport, read_segment

TCP = struct.pack(">HHIIBBHHH", 50000, 4059, 7, 9, 5 << 4, 0x18, 100, 0, 0) + b"data"
UDP = struct.pack(">HHHH", 50000, 4059, 12, 0) + b"data"
SOURCE, DESTINATION = Endpoint("10.0.0.1", 50000), Endpoint("10.0.0.2", 4059)


def ipv4(payload: bytes = TCP, protocol: int = 6, *, fragment: int = 0, options: bytes = b"", total: int = -1) -> bytes:
    size = 20 + len(options)
    length = size + len(payload) if total < 0 else total
    head = struct.pack(">BBHHHBBH", 0x40 | size // 4, 0, length, 1, fragment, 64, protocol, 0)
    return head + bytes((10, 0, 0, 1, 10, 0, 0, 2)) + options + payload


def ipv6(payload: bytes = TCP, following: int = 6) -> bytes:
    addresses = bytes(15) + b"\x01" + bytes(15) + b"\x02"
    return struct.pack(">IHBB", 6 << 28, len(payload), following, 64) + addresses + payload


def segment(octets: bytes, link: int = 101) -> Segment | None:
    return read_segment(Packet(5, link, octets))


@pytest.mark.parametrize(
    ("link", "head"),
    [
        (1, bytes(12) + b"\x08\x00"),
        (1, bytes(12) + b"\x81\x00\x00\x05\x08\x00"),
        (1, bytes(12) + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00"),
        (0, b"\x02\x00\x00\x00"),
        (108, b"\x00\x00\x00\x02"),
        (101, b""),
        (12, b""),
        (228, b""),
        (113, bytes(14) + b"\x08\x00"),
        (276, b"\x08\x00" + bytes(18)),
    ],
    ids=["ethernet", "vlan", "two vlans", "null", "loop", "raw", "raw bsd", "ipv4", "cooked", "cooked 2"],
)
def test_every_kind_of_link(link: int, head: bytes) -> None:
    found = segment(head + ipv4(), link)
    assert found is not None
    assert (found.source, found.destination, found.payload) == (SOURCE, DESTINATION, b"data")
    assert (found.sequence, found.flags, found.time_ns, found.transport) == (7, 0x18, 5, Transport.TCP)


def test_ipv6_with_and_without_extensions() -> None:
    for octets in (
        ipv6(),
        ipv6(b"\x06\x00" + bytes(6) + TCP, 0),
        ipv6(b"\x3c\x00" + bytes(6) + b"\x06\x00" + bytes(6) + TCP, 43),
    ):
        found = segment(octets)
        assert found is not None
        assert (str(found.source), found.payload) == ("[::1]:50000", b"data")


def test_udp() -> None:
    found = segment(ipv4(UDP, 17))
    assert found is not None
    assert (found.transport, found.payload, found.sequence) == (Transport.UDP, b"data", 0)


def test_options_and_padding_are_left_out() -> None:
    tcp = struct.pack(">HHIIBBHHH", 50000, 4059, 7, 9, 6 << 4, 0x18, 100, 0, 0) + bytes(4) + b"data"
    found = segment(ipv4(tcp, options=bytes(4)) + bytes(6))
    assert found is not None
    assert found.payload == b"data"


def test_a_total_of_zero_means_all_that_is_there() -> None:
    found = segment(ipv4(total=0))
    assert found is not None
    assert found.payload == b"data"


@pytest.mark.parametrize(
    ("octets", "link"),
    [
        (b"", 101),
        (ipv4()[:10], 101),
        (b"\x50" + ipv4()[1:], 101),
        (b"\x44" + ipv4()[1:], 101),
        (b"\x4f" + ipv4()[1:30], 101),
        (ipv4(fragment=0x2000), 101),
        (ipv4(fragment=5), 101),
        (ipv4(protocol=1), 101),
        (ipv4(b"1234"), 101),
        (ipv4(TCP[:12]), 101),
        (ipv4(TCP[:12] + b"\xf0" + TCP[13:]), 101),
        (ipv4(TCP[:12] + b"\x10" + TCP[13:]), 101),
        (ipv6()[:30], 101),
        (ipv6(b"", 59), 101),
        (bytes(12) + b"\x08\x06" + bytes(28), 1),
        (bytes(10), 1),
        (bytes(14) + b"\x08\x06", 113),
        (b"\x08\x06" + bytes(18), 276),
        (ipv4(), 147),
    ],
    ids=[
        "nothing", "cut off", "version", "short header", "long header", "first fragment", "later fragment", "icmp",
        "too short", "tcp cut off", "tcp header too long", "tcp header too short", "ipv6 cut off", "no next header",
        "arp", "ethernet cut off", "cooked arp", "cooked 2 arp", "unknown link",
    ],
)  # fmt: skip
def test_what_carries_no_segment_gives_none(octets: bytes, link: int) -> None:
    assert segment(octets, link) is None


def test_a_header_that_lies_about_udp_length_is_tolerated() -> None:
    found = segment(ipv4(struct.pack(">HHHH", 1, 2, 9999, 0) + b"data", 17))
    assert found is not None
    assert found.payload == b"data"
