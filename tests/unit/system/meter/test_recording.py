"""Recordings out of captures, conversations and text, whole or broken."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.protocols import DecodeError
from meterworks.protocols.capture import CaptureWriter, Endpoint
from meterworks.protocols.dlms import encode_wrapper
from meterworks.system import ConfigurationError
from meterworks.system.meter.recording import Frames, Message, load_recording
from meterworks.system.meter.replay import frame_kind

ASK = encode_wrapper(16, 1, bytes.fromhex("c001c100080000010000ff0200"))
ANSWER = encode_wrapper(1, 16, bytes.fromhex("c401c100090c07ea0b1405170a1e27000000"))
SNRM = bytes.fromhex("7ea0070303938c117e")
UA = bytes.fromhex("7ea01e03037340cc818012050180060180070400000001080400000001533b7e")
CLIENT, SERVER = Endpoint("127.0.0.1", 40_000), Endpoint("127.0.0.1", 4059)


def kinds(recording):
    return [(message.from_client, frame_kind(message.octets)) for message in recording.messages]


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_a_stream_is_cut_into_frames_at_any_fragmentation(step):
    stream = ASK + ANSWER + ASK
    cutter, frames = Frames(), []
    for start in range(0, len(stream), step):
        frames += cutter.feed(stream[start : start + step])
    assert frames == [ASK, ANSWER, ASK]
    assert cutter.rest == b""


@pytest.mark.parametrize("stream", [SNRM + UA, SNRM[:-1] + UA, b"\x7e\x7e" + SNRM + b"\x7e" + UA])
def test_hdlc_frames_may_share_flags_and_have_more(stream):
    assert Frames().feed(stream) == [SNRM, UA]


@pytest.mark.parametrize("octets", ["474554", "7e1234", "7ea003ff", "000200"])
def test_what_is_no_frame_is_refused(octets):
    with pytest.raises(DecodeError):
        Frames().feed(bytes.fromhex(octets))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_octets_give_frames_or_a_decode_error(pieces):
    cutter = Frames()
    try:
        frames = [frame for piece in pieces for frame in cutter.feed(piece)]
    except DecodeError:
        return
    assert sum(map(len, frames)) <= sum(map(len, pieces)) + len(frames)
    assert all(frame_kind(frame) for frame in frames)


def test_a_capture_gives_the_frames_of_its_largest_connection(tmp_path):
    path = tmp_path / "session.pcap"
    small, large = CaptureWriter(CLIENT, SERVER), CaptureWriter(Endpoint("127.0.0.1", 40_001), SERVER)
    path.write_bytes(
        CaptureWriter.header()
        + small.write(1, from_client=True, octets=ASK)
        + large.write(2, from_client=True, octets=ASK[:5])
        + large.write(3, from_client=True, octets=ASK[5:])
        + large.write(4, from_client=False, octets=ANSWER)
    )
    recording = load_recording(path)
    assert recording.messages == (Message(True, ASK), Message(False, ANSWER))
    assert "2 connections" in recording.note
    chosen = load_recording(path, stream="127.0.0.1:40000")
    assert chosen.messages == (Message(True, ASK),)
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:4059"):
        load_recording(path, stream="10.0.0.1:1")


def test_text_says_who_sends_what(tmp_path):
    path = tmp_path / "session.txt"
    path.write_text(f"# a clock\n> {ASK.hex(' ')}\n\n<{ANSWER.hex()}\n")
    assert kinds(load_recording(path)) == [(True, "GET request 1"), (False, "GET response 1")]


def test_a_conversation_of_hdlc_frames_tells_sides_by_the_frames_themselves(tmp_path):
    path = tmp_path / "session.json"
    path.write_text(json.dumps({"messages": [{"bytes": SNRM.hex()}, {"bytes": UA.hex()}, {"note": "nothing"}]}))
    assert kinds(load_recording(path)) == [(True, "SNRM"), (False, "UA")]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# nothing\n",
        b"< " + ANSWER.hex().encode(),
        b"what is this",
        b"> zz",
        b"> 0001",
        b"{",
        b"[" * 100_000,
        b'{"messages": 5}',
        b'{"messages": [{"bytes": "zz"}]}',
        b"\xd4\xc3\xb2\xa1",
        b"\xff\xfe",
    ],
)
def test_what_is_no_recording_is_told(tmp_path, content):
    path = tmp_path / "session"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"session|line 1|messages"):
        load_recording(path)
    with pytest.raises(ConfigurationError):
        load_recording(tmp_path / "absent")


def test_every_recorded_conversation_is_read(shared_folder):
    for path in sorted((shared_folder / "vectors" / "dlms" / "conversations").glob("*.json")):
        if "messages" not in json.loads(path.read_text()):
            continue  # blocks of one answer only
        recording = load_recording(path)
        assert len(recording.messages) >= 2, path.name
        assert recording.messages[0].from_client, path.name
        sides = {message.from_client for message in recording.messages}
        assert sides == {True, False}, path.name


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (encode_wrapper(1, 16, b"\xe0\x80"), "general block transfer"),
        (encode_wrapper(1, 16, b"\x99"), "APDU 99"),
        (bytes(8), "nothing"),
        (bytes.fromhex("7ea00703035356397e"), "DISC"),
        (bytes.fromhex("7ea0070303116d7c7e"), "RR"),
        (bytes.fromhex("7ea0440303106594e6e6006036a1090607608574050801018a0207807e"), "I AARQ"),
        (b"\x7e", "I segment"),
    ],
)
def test_a_frame_is_named_by_what_it_carries(frame, kind):
    assert frame_kind(frame) == kind
