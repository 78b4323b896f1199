"""The tester's own wires and readers: frames, addresses, pieces, limits, and what it does with a peer's nonsense."""

import json
import socket
from pathlib import Path
from typing import cast

import pytest
from tests.unit.assess.conformance.bench import FakeSocket

from meterworks.assess.conformance import Exchanged, read_keys_file
from meterworks.assess.conformance.hdlc_wire import (
    CONTROL_SNRM,
    HdlcWire,
    LinkAddress,
    frame_check,
    read_parameters,
    read_sizes,
)
from meterworks.assess.conformance.protection import Header, ciphered_tag, open_body, protect_body, split_ciphered
from meterworks.assess.conformance.row import CheckFailed, masked
from meterworks.assess.conformance.session import Counters, is_dedicated
from meterworks.assess.conformance.tester import read_block, read_object_list
from meterworks.assess.conformance.wire import Octets, Trace, WrapperWire, wrapped
from meterworks.errors import UsageError

KEYS = (bytes(range(16)), bytes(range(0xD0, 0xE0)))
TITLE = b"MWT\x00\x00\x00\x00\x01"


class Scripted:
    """A socket that gives what it is told, in the pieces it is told."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.sent = b""

    def settimeout(self, timeout_s: float) -> None:
        assert timeout_s > 0

    def sendall(self, octets: bytes) -> None:
        self.sent += octets

    def recv(self, _size: int) -> bytes:
        if not self.pieces:
            raise TimeoutError
        return self.pieces.pop(0)

    def close(self) -> None:
        self.pieces = []


def wire_of(*pieces: bytes) -> tuple[WrapperWire, Scripted, Trace]:
    link, trace = Scripted(*pieces), Trace()
    return WrapperWire(cast(socket.socket, link), trace, client_sap=16, server_sap=1, timeout_s=1), link, trace


def test_a_frame_arrives_whole_however_it_was_cut() -> None:
    frame = wrapped(1, 16, b"\xc4\x01\xc1\x00\x00")
    for cut in range(1, len(frame)):
        wire, _, trace = wire_of(frame[:cut], frame[cut:])
        assert wire.receive(1.0) == b"\xc4\x01\xc1\x00\x00"
        assert (wire.source, wire.destination) == (1, 16)
        assert trace.exchanges[-1].octets == b"\xc4\x01\xc1\x00\x00"


def test_silence_and_the_end_of_a_connection_are_told_apart() -> None:
    wire, _, trace = wire_of()
    assert wire.receive(0.01) is None
    assert not wire.closed
    assert trace.exchanges[-1].note == "no answer"
    wire, _, trace = wire_of(b"")
    assert wire.receive(1.0) is None
    assert wire.closed
    assert trace.exchanges[-1].note == "connection closed"


def test_what_is_sent_is_kept_as_evidence() -> None:
    wire, link, trace = wire_of()
    wire.send(b"\xc8\x00", plain=b"\xc0\x01")
    assert link.sent == bytes.fromhex("0001001000010002c800")
    assert trace.exchanges == [Exchanged(True, b"\xc8\x00", b"\xc0\x01", "")]


def test_a_trace_has_a_limit_and_counts_what_is_beyond() -> None:
    trace = Trace()
    for number in range(500):
        trace.add(sent=True, octets=bytes((number & 0xFF,)))
    assert len(trace.exchanges) == 400
    assert trace.dropped == 100


def test_octets_are_not_waited_for_beyond_the_deadline() -> None:
    octets = Octets(cast(socket.socket, Scripted(b"late")))
    assert not octets.more(0.0)
    assert octets.buffer == b""


def test_the_check_sequence_is_that_of_the_standard() -> None:
    assert frame_check(b"123456789") == bytes.fromhex("6e90")  # 906E, low octet first


@pytest.mark.parametrize(
    ("address", "octets"),
    [
        (LinkAddress(logical=16), "21"),
        (LinkAddress(logical=1), "03"),
        (LinkAddress(logical=1, physical=17), "0223"),
        (LinkAddress(logical=1, physical=17, size=4), "00020023"),
        (LinkAddress(logical=1, physical=300), "0002" + "0459"),
        (LinkAddress(logical=1, size=2), "0003"),
    ],
)
def test_addresses_are_written_as_the_standard_has_them(address: LinkAddress, octets: str) -> None:
    assert address.to_bytes().hex() == octets


def test_snrm_is_that_of_the_recordings() -> None:
    """The first frame of every recording over HDLC, octet for octet."""
    wire = HdlcWire(
        cast(socket.socket, Scripted()), Trace(), client_sap=16, server=LinkAddress(logical=1), timeout_s=1.0
    )
    assert wire.frame(CONTROL_SNRM).hex() == "7ea0070321930f017e"


def test_parameters_of_the_recorded_ua_are_read() -> None:
    information = bytes.fromhex("818012050180060180070400000001080400000001")
    assert read_parameters(information) == {5: 128, 6: 128, 7: 1, 8: 1}
    assert read_sizes(b"") == (128, 128)


@pytest.mark.parametrize("text", ["8180", "828003050180", "818005050180", "81800205"])
def test_malformed_parameters_fail_the_server(text: str) -> None:
    with pytest.raises((CheckFailed, IndexError)):
        read_parameters(bytes.fromhex(text))


@pytest.mark.parametrize("control", [0x10, 0x20, 0x30, 0x31, 0x70])
def test_what_is_protected_opens_again(control: int) -> None:
    apdu = bytes.fromhex("c001c100080000010000ff0200")
    body = protect_body(KEYS, TITLE, 7, control, apdu)
    header = Header(tag=0xC8, title=b"", control=control, counter=7, body=body)
    assert open_body(KEYS, TITLE, header) == apdu


def test_the_published_example_is_reproduced() -> None:
    """Green Book, GET request under suite 0, authenticated and encrypted."""
    keys = (bytes.fromhex("000102030405060708090a0b0c0d0e0f"), bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"))
    apdu = bytes.fromhex("c0010000080000010000ff0200")
    sealed = protect_body(keys, bytes.fromhex("4d4d4d0000bc614e"), 0x01234567, 0x30, apdu)
    assert sealed.hex() == "411312ff935a47566827c467bc" + "7d825c3be4a77c3fcc056b6b"


def test_a_changed_tag_or_a_short_one_fails_the_server() -> None:
    body = protect_body(KEYS, TITLE, 7, 0x30, b"\xc4\x01\xc1\x00\x00")
    for false in (body[:-1] + bytes((body[-1] ^ 1,)), body[:8], b""):
        with pytest.raises(CheckFailed):
            open_body(KEYS, TITLE, Header(tag=0xCC, title=b"", control=0x30, counter=7, body=false))
    with pytest.raises(CheckFailed, match="protects nothing"):
        open_body(KEYS, TITLE, Header(tag=0xCC, title=b"", control=0x00, counter=7, body=body))


@pytest.mark.parametrize("text", ["cc", "cc0500", "cc06300000000", "db08", "cc8430"])
def test_a_ciphered_apdu_whose_lengths_lie_fails_the_server(text: str) -> None:
    with pytest.raises((CheckFailed, IndexError)):
        split_ciphered(bytes.fromhex(text if len(text) % 2 == 0 else text + "0"))


@pytest.mark.parametrize(("plain", "glo", "ded"), [(0xC0, 0xC8, 0xD0), (0xC7, 0xCF, 0xD7), (0x01, 0x21, 0x41)])
def test_ciphered_tags_stand_at_fixed_distances(plain: int, glo: int, ded: int) -> None:
    assert (ciphered_tag(plain), ciphered_tag(plain, dedicated=True)) == (glo, ded)
    assert [is_dedicated(tag) for tag in (glo, ded)] == [False, True]


def test_counters_are_never_given_twice() -> None:
    counters = Counters(10)
    assert [counters.next(TITLE) for _ in range(3)] == [10, 11, 12]
    counters.raise_to(TITLE, 5)
    assert counters.next(TITLE) == 13
    counters.raise_to(TITLE, 100)
    counters.skip(TITLE, 5)
    assert counters.next(TITLE) == 105
    assert counters.next(b"another!") == 10


@pytest.mark.parametrize(
    "text", ["c402c1000000000100", "c402c100000000010005aabb", "c401c10000", "c402c1010000000101 13".replace(" ", "")]
)
def test_a_block_that_is_none_fails_the_server(text: str) -> None:
    with pytest.raises(CheckFailed):
        read_block(bytes.fromhex(text))


@pytest.mark.parametrize(
    "text", ["0900", "01010f01", "010102020f010f01", "0105", "010102041200011100090100020201000100"]
)
def test_an_object_list_that_is_none_fails_the_server(text: str) -> None:
    with pytest.raises(CheckFailed):
        read_object_list(bytes.fromhex(text))


def test_a_password_is_masked_wherever_it_stands_and_a_letter_is_not() -> None:
    evidence = [Exchanged(True, b"..12345678..", b"12345678"), Exchanged(False, b"other", None, "note")]
    first, second = masked(evidence, b"12345678")
    assert (first.octets, first.plain) == (b"..********..", b"********")
    assert second == evidence[1]
    assert masked(evidence, b"o") == tuple(evidence)


def test_a_keys_file_gives_octets(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"guek": "00" * 16, "password": "3132", "comment": "anything"}))
    assert read_keys_file(path) == {"guek": bytes(16), "password": b"12"}


@pytest.mark.parametrize("text", ["", "[]", '{"guek": "xyz"}', '{"guek": 5}'])
def test_a_keys_file_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="cannot be used"):
        read_keys_file(path)


def test_a_broken_pipe_is_noted_and_not_raised() -> None:
    class Closing:
        closed = True

        def receive(self, _octets: bytes) -> bytes:
            return b""

    link = FakeSocket(cast("object", Closing()))  # type: ignore[arg-type]  # the least that a server must be
    octets = Octets(cast(socket.socket, link))
    octets.send(b"one", 1.0)
    octets.send(b"two", 1.0)
    assert octets.closed
