"""The wrapper as a framing: both links by themselves, and which frames from strangers a client listens to."""

import pytest

from meterworks.protocols.dlms import (
    WRAPPER,
    ClientFraming,
    ClientLink,
    LineFormat,
    ServerFraming,
    WrapperFraming,
    encode_wrapper,
)
from meterworks.protocols.dlms.hdlc import HDLC
from meterworks.protocols.dlms.mode_e import SIGN_ON_LINE, Identification, ModeEFraming, ModeEServerFraming
from meterworks.protocols.errors import EncodeError, UnlawfulMessage

OPTICAL = ModeEServerFraming(identification=Identification("MWK", "5", "X", has_mode_e=True))


def link() -> ClientLink:
    return WRAPPER.client_link(16, 1, 1000)


def test_framings_are_values() -> None:
    assert WrapperFraming() == WRAPPER
    assert hash(HDLC) == hash(type(HDLC)())
    assert ModeEFraming() == ModeEFraming(inner=HDLC)


def test_apdus_go_out_and_come_in_at_any_fragmentation() -> None:
    client, server = link(), WRAPPER.server_link(1, 1000)
    frame = client.send(b"\xc0\x01", 0.0)
    assert frame == encode_wrapper(16, 1, b"\xc0\x01")
    for octet in frame:
        assert server.next_frame() is None
        server.receive(bytes((octet,)), 0.0)
    assert server.next_frame() == (16, 1, b"\xc0\x01")
    client.receive(server.send(16, 1, b"\xc4\x01") + b"\x00", 0.0)
    assert client.next_apdu() == b"\xc4\x01"
    assert client.next_apdu() is None


@pytest.mark.parametrize("tag", [0x0F, 0xC2, 0xDB, 0xDD, 0xE0, 0xE6])
def test_what_may_be_a_push_is_heard_from_any_address(tag: int) -> None:
    client = link()
    client.receive(encode_wrapper(1, 103, bytes((tag, 0))), 0.0)
    assert client.next_apdu() == bytes((tag, 0))


@pytest.mark.parametrize("tag", [0x61, 0xC4, 0xC8, 0xD8])
@pytest.mark.parametrize(("source", "destination"), [(2, 16), (1, 17)])
def test_answers_to_others_are_unlawful(tag: int, source: int, destination: int) -> None:
    client = link()
    client.receive(encode_wrapper(source, destination, bytes((tag, 0))), 0.0)
    with pytest.raises(UnlawfulMessage, match=f"from {source} to {destination}"):
        client.next_apdu()


@pytest.mark.parametrize(("source", "destination", "size"), [(1, 1, 65_536), (-1, 1, 1), (1, 65_536, 1)])
def test_what_fits_into_no_frame_is_refused(source: int, destination: int, size: int) -> None:
    with pytest.raises(EncodeError):
        encode_wrapper(source, destination, bytes(size))


def test_wrapper_says_nothing_by_itself_and_waits_for_nothing() -> None:
    client, server = link(), WRAPPER.server_link(1, 1000)
    for each in (client, server):
        each.advance(1000.0)
        assert each.data_to_send() == b""
        assert each.next_deadline() is None
        assert each.line is None
    assert client.progress == 0
    assert client.close(0.0) == b""


@pytest.mark.parametrize(
    ("client", "server", "line"),
    [(WRAPPER, WRAPPER, None), (HDLC, HDLC, None), (ModeEFraming(), OPTICAL, SIGN_ON_LINE)],
)
def test_each_framing_says_what_line_it_begins_with(
    client: ClientFraming, server: ServerFraming, line: LineFormat | None
) -> None:
    assert client.client_link(16, 1, 1000).line == line
    assert server.server_link(1, 1000).line == line
