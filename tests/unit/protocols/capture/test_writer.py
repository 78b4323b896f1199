"""What we write is a capture that others read: headers, check sums and numbers, recomputed here by hand."""

import ipaddress
import struct
import subprocess
from pathlib import Path
from shutil import which

import pytest

from meterworks.protocols.capture import CaptureWriter, Endpoint, Packet, Transport, read_capture, read_segment
from meterworks.protocols.errors import EncodeError

CLIENT, SERVER = Endpoint("10.0.0.1", 50000), Endpoint("10.0.0.2", 4059)
CLIENT_6, SERVER_6 = Endpoint("2001:db8::1", 50000), Endpoint("2001:db8::2", 4059)
TIME_NS = 1_700_000_000_123_456_789


def ones_sum(octets: bytes) -> int:
    """The sum of 16-bit words with the carry added, one word after the other (RFC 1071)."""
    total = 0
    for index in range(0, len(octets) - 1, 2):
        total += octets[index] << 8 | octets[index + 1]
        total = (total & 0xFFFF) + (total >> 16)
    if len(octets) % 2:
        total += octets[-1] << 8
    return (total & 0xFFFF) + (total >> 16)


def packets(*octets: bytes) -> tuple[Packet, ...]:
    capture = read_capture(CaptureWriter.header() + b"".join(octets))
    assert capture.fault == ""
    return capture.packets


def session(client: Endpoint = CLIENT, server: Endpoint = SERVER) -> tuple[Packet, ...]:
    writer = CaptureWriter(client, server)
    return packets(
        writer.write(TIME_NS, from_client=True, octets=b"ask"),
        writer.write(TIME_NS + 1, from_client=False, octets=b"x" * 3001),
        writer.close(TIME_NS + 2),
    )


@pytest.mark.parametrize(("client", "server"), [(CLIENT, SERVER), (CLIENT_6, SERVER_6)], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("transport", [Transport.TCP, Transport.UDP])
def test_check_sums_are_right(client: Endpoint, server: Endpoint, transport: Transport) -> None:
    writer = CaptureWriter(client, server, transport)
    parts = [writer.write(TIME_NS, from_client=True, octets=bytes(range(size))) for size in (1, 2, 7, 100)]
    for packet in packets(*parts, writer.close(TIME_NS)):
        network = packet.octets[14:]
        is_ipv4 = network[0] >> 4 == 4
        addresses = network[12:20] if is_ipv4 else network[8:40]
        body = network[20:] if is_ipv4 else network[40:]
        if is_ipv4:
            assert ones_sum(network[:20]) == 0xFFFF
        pseudo = addresses + struct.pack(">II", len(body), transport)
        assert ones_sum(pseudo + body) == 0xFFFF


def test_a_check_sum_of_zero_over_udp_is_written_as_all_ones() -> None:
    writer = CaptureWriter(CLIENT, SERVER, Transport.UDP)
    plain = packets(writer.write(0, from_client=True, octets=b"\x00\x00"))[0].octets
    found = int.from_bytes(plain[40:42], "big")
    zeroing = found.to_bytes(2, "big")
    assert packets(writer.write(0, from_client=True, octets=zeroing))[0].octets[40:42] == b"\xff\xff"


def test_a_connection_opens_with_three_packets_and_closes_with_three() -> None:
    flags = [segment.flags for packet in session() if (segment := read_segment(packet)) is not None]
    assert flags[:3] == [0x02, 0x12, 0x10]
    assert flags[-3:] == [0x11, 0x11, 0x10]


def test_sequence_numbers_count_octets_and_are_acknowledged() -> None:
    expected = {CLIENT: 1, SERVER: 1}
    for packet in session():
        segment = read_segment(packet)
        assert segment is not None
        assert segment.sequence == expected[segment.source]
        acknowledged = struct.unpack_from(">I", packet.octets, 14 + 20 + 8)[0]
        assert acknowledged == (expected[segment.destination] if segment.flags & 0x10 else 0)
        expected[segment.source] += len(segment.payload) + bool(segment.flags & 0x03)


def test_long_octets_are_cut_to_what_a_packet_holds() -> None:
    sizes = [len(packet.octets) for packet in session()]
    assert max(sizes) == 14 + 20 + 20 + 1400
    assert sum(size - 54 for size in sizes) == 3 + 3001


def test_times_and_ends_are_those_of_the_session() -> None:
    found = session()
    assert {packet.time_ns for packet in found} == {TIME_NS, TIME_NS + 1, TIME_NS + 2}
    assert {segment.source for packet in found if (segment := read_segment(packet))} == {CLIENT, SERVER}


def test_closing_or_opening_twice_writes_nothing_more() -> None:
    writer = CaptureWriter(CLIENT, SERVER)
    assert writer.close(0) == b""
    assert len(packets(writer.open(0))) == 3
    assert writer.open(0) == b""
    assert len(packets(writer.close(0, from_client=False))) == 3
    assert writer.close(0) == b""


def test_datagrams_have_no_opening() -> None:
    writer = CaptureWriter(CLIENT, SERVER, Transport.UDP)
    assert writer.open(0) == b""
    assert len(packets(writer.write(0, from_client=False, octets=b"x"))) == 1


@pytest.mark.parametrize(
    ("client", "server"),
    [(Endpoint("meter.local", 1), SERVER), (CLIENT, SERVER_6)],
    ids=["name", "two families"],
)
def test_ends_that_no_packet_can_have_are_refused(client: Endpoint, server: Endpoint) -> None:
    with pytest.raises(EncodeError):
        CaptureWriter(client, server)


def test_a_datagram_has_a_bound() -> None:
    with pytest.raises(EncodeError, match="do not fit"):
        CaptureWriter(CLIENT, SERVER, Transport.UDP).write(0, from_client=True, octets=bytes(70_000))


def test_header_fields_are_those_of_the_standards() -> None:
    network = session()[0].octets[14:]
    version, _, total, _, fragment, limit, protocol = struct.unpack_from(">BBHHHBB", network)
    assert (version, total, fragment, limit, protocol) == (0x45, 40, 0x4000, 64, 6)
    assert str(ipaddress.IPv4Address(network[12:16])) == CLIENT.address


@pytest.mark.skipif(which("tshark") is None, reason="tshark is not installed on this machine")
@pytest.mark.parametrize(
    ("client", "server", "transport"),
    [(CLIENT, SERVER, Transport.TCP), (CLIENT_6, SERVER_6, Transport.UDP)],
    ids=["tcp over ipv4", "udp over ipv6"],
)
def test_tshark_finds_every_sum_right_and_writes_what_we_read(
    client: Endpoint, server: Endpoint, transport: Transport, tmp_path: Path
) -> None:
    writer = CaptureWriter(client, server, transport)
    octets = writer.header()
    for number in range(5):
        octets += writer.write(TIME_NS + number, from_client=number % 2 == 0, octets=bytes((number,)) * 6)
    octets += writer.close(TIME_NS + 9)
    path, again = tmp_path / "a.pcap", tmp_path / "b.pcapng"
    path.write_bytes(octets)
    checks = [word for kind in ("tcp", "udp", "ip") for word in ("-o", f"{kind}.check_checksum:TRUE")]
    wrong = "tcp.checksum.status == 0 || udp.checksum.status == 0 || ip.checksum.status == 0 || tcp.analysis.flags"
    told = subprocess.run(["tshark", "-r", path, *checks, "-Y", wrong], capture_output=True, text=True, check=True)
    assert told.stdout == ""
    subprocess.run(["tshark", "-r", path, "-w", again, "-F", "pcapng"], capture_output=True, check=True)
    ours, theirs = read_capture(octets), read_capture(again.read_bytes())
    assert theirs.fault == ""
    assert [packet.octets for packet in theirs.packets] == [packet.octets for packet in ours.packets]
    assert [packet.time_ns for packet in theirs.packets] == [packet.time_ns for packet in ours.packets]
