"""Messages in captures: found by port and by content, cut into frames, joined over packets, gaps told."""

import pytest

from meterworks.protocols.capture import CaptureWriter, Endpoint, Packet, Transport, read_capture
from meterworks.protocols.dlms import encode_wrapper
from meterworks.protocols.dlms.dissect import DLMS_PORT, KeyRing, TracedMessage, messages_of, trace_capture
from meterworks.protocols.dlms.hdlc import HdlcAddress, HdlcFrame

GET = bytes.fromhex("c001c100080000010000ff0200")
ANSWER = bytes.fromhex("c401c1001105")
CLIENT = Endpoint("10.0.0.1", 50000)
FRAME = HdlcFrame(HdlcAddress(1), HdlcAddress(16), 0x10, b"\xe6\xe6\x00" + GET).to_bytes()
AARQ = bytes.fromhex("6035a109060760857405080103a60a04084d4d4d0000bc614ebe1c041a" + "21183000000001" + "00" * 19)


def packets(
    *sent: tuple[bool, bytes], port: int = DLMS_PORT, transport: Transport = Transport.TCP
) -> tuple[Packet, ...]:
    writer = CaptureWriter(CLIENT, Endpoint("10.0.0.2", port), transport)
    file = writer.header()
    for time_ns, (from_client, octets) in enumerate(sent):
        file += writer.write(time_ns, from_client=from_client, octets=octets)
    return read_capture(file).packets


def apdus(messages: list[TracedMessage]) -> list[bytes]:
    return [apdu for message in messages for _, apdu in messages_of(message.node)]


@pytest.mark.parametrize("port", [DLMS_PORT, 12345], ids=["port of DLMS", "any port"])
@pytest.mark.parametrize("framed", [encode_wrapper(16, 1, GET), FRAME], ids=["wrapper", "hdlc"])
def test_a_stream_is_found_by_port_or_by_content(port: int, framed: bytes) -> None:
    messages = list(trace_capture(packets((True, framed), port=port)))
    assert apdus(messages) == [GET]
    assert (messages[0].source, messages[0].octets, messages[0].lost) == (CLIENT, framed, 0)


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"\x00\x01\x00\x10\x00\x01\x00\x02\x99\x99",
        b"\x7e\xa0" * 9,
    ],
    ids=["http", "tls", "unknown tag", "no check sum"],
)
def test_other_protocols_are_left_alone(octets: bytes) -> None:
    assert list(trace_capture(packets((True, octets), (True, octets), port=80))) == []


def test_frames_over_several_packets_are_joined() -> None:
    whole = encode_wrapper(16, 1, GET) * 2
    sent = [(True, whole[start : start + 3]) for start in range(0, len(whole), 3)]
    messages = list(trace_capture(packets(*sent, port=9999)))
    assert apdus(messages) == [GET, GET]


@pytest.mark.parametrize("flag", ["shared", "own"])
def test_hdlc_frames_in_one_packet_are_told_apart(flag: str) -> None:
    two = FRAME[:-1] + FRAME if flag == "shared" else FRAME + FRAME
    messages = list(trace_capture(packets((True, two))))
    assert len(messages) == 2
    assert apdus(messages) == [GET, GET]
    assert [message.node.errors for message in messages] == [[], []]


def test_both_ends_are_heard_in_order() -> None:
    sent = ((True, encode_wrapper(16, 1, GET)), (False, encode_wrapper(1, 16, ANSWER)))
    messages = list(trace_capture(packets(*sent)))
    assert apdus(messages) == [GET, ANSWER]
    assert [message.time_ns for message in messages] == [0, 1]


def test_datagrams_are_messages() -> None:
    sent = ((True, encode_wrapper(16, 1, GET)), (True, FRAME))
    assert apdus(list(trace_capture(packets(*sent, port=7000, transport=Transport.UDP)))) == [GET, GET]


def test_octets_without_frames_are_taken_as_sent_on_the_port_of_dlms() -> None:
    assert apdus(list(trace_capture(packets((True, GET))))) == [GET]


def test_a_gap_is_told_and_the_stream_goes_on() -> None:
    sent = [(True, encode_wrapper(16, 1, GET))] * 3
    captured = [packet for packet in packets(*sent) if b"\xc0\x01" in packet.octets]
    messages = list(trace_capture([captured[0], captured[2]]))
    assert [message.lost for message in messages] == [0, 21]
    assert apdus(messages) == [GET, GET]


def test_what_is_cut_off_at_the_end_is_shown_with_its_error() -> None:
    messages = list(trace_capture(packets((True, encode_wrapper(16, 1, GET)[:-2]))))
    assert len(messages) == 1
    assert messages[0].node.errors


def test_a_stream_that_never_shows_what_it_is_is_given_up() -> None:
    sent = [(True, b"\x00"), (True, b"\x01" + bytes(7)), (True, encode_wrapper(16, 1, GET))]
    assert list(trace_capture(packets(*sent, port=80))) == []


def test_keys_and_titles_serve_one_connection() -> None:
    from meterworks.protocols.dlms.security import ApduCipher

    guek, gak, title = bytes(range(16)), bytes(range(16, 32)), bytes.fromhex("4d4d4d0000bc614e")
    protected = ApduCipher(guek, gak).protect(0x30, title, 2, GET)
    ciphered = bytes((0xC8, len(protected))) + protected
    sent = ((True, encode_wrapper(16, 1, AARQ)), (True, encode_wrapper(16, 1, ciphered)))
    messages = list(trace_capture(packets(*sent), KeyRing.of(guek=guek, gak=gak)))
    opened = messages[1].node.find("deciphered")
    assert opened is not None
    assert opened.octets == GET
