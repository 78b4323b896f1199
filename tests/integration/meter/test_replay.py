"""`meterworks meter replay`: recorded sessions against our meter, and recorded meters against our client."""

import socket
import threading

import pytest
from tests.integration.meter.conftest import command

from meterworks.errors import UnreachableError
from meterworks.links import MeterTarget, OctetListener
from meterworks.protocols.dlms import encode_wrapper
from meterworks.system.meter.recording import Message, Recording
from meterworks.system.meter.replay import Verdict, play_client, play_server

AARQ = encode_wrapper(16, 1, bytes.fromhex("601da109060760857405080101be10040e01000000065f1f0400401e5dffff"))
NAME = encode_wrapper(16, 1, bytes.fromhex("c001c1000100002a0000ff0200"))
NAMED = encode_wrapper(1, 16, bytes.fromhex("c401c10009104d575230303030303030303030303037"))
OTHER_NAME = encode_wrapper(1, 16, bytes.fromhex("c401c10009104d575230303030303030303030303939"))
RELEASE = encode_wrapper(16, 1, bytes.fromhex("6203800100"))
RELEASED = encode_wrapper(1, 16, bytes.fromhex("6303800100"))


def text_of(*messages):
    return "\n".join(("> " if ours else "< ") + octets.hex() for ours, octets in messages)


@pytest.fixture
def recorded(tmp_path):
    def write(*messages):
        path = tmp_path / "session.txt"
        path.write_text(text_of(*messages))
        return path

    return write


def test_a_session_played_against_the_meter_that_it_fits(served, recorded):
    aare = bytes.fromhex("6129")  # recorded of another meter: alike, not the same
    path = recorded((True, AARQ), (False, encode_wrapper(1, 16, aare)), (True, NAME), (False, NAMED), (True, RELEASE),
                    (False, RELEASED))  # fmt: skip
    told = command("meter", "replay", path, f"127.0.0.1:{served.port}", "--timeout-s", 5, "--json")
    assert told.exit_code == 0
    assert (told.json["frames"], told.json["same"], told.json["alike"], told.json["failed"]) == (6, 2, 1, 0)
    (difference,) = told.json["differences"]
    assert (difference["frame"], difference["from"], difference["received_kind"]) == (2, "server", "AARE")


def test_another_value_is_alike_and_another_kind_of_answer_a_failure(served, recorded):
    path = recorded((True, AARQ), (False, RELEASED), (True, NAME), (False, OTHER_NAME))
    told = command("meter", "replay", path, f"127.0.0.1:{served.port}", "--timeout-s", 5)
    assert told.exit_code == 1
    assert [line.split(",")[2] for line in told.lines[1:]] == ["sent", "other", "sent", "alike"]
    assert "2 frames compared: 0 the same, 1 alike, 1 not" in told.errors


def test_a_meter_that_falls_silent_is_told(recorded):
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True)
    thread.start()
    path = recorded((True, AARQ), (False, NAMED), (True, NAME), (False, NAMED))
    told = command("meter", "replay", path, f"127.0.0.1:{listener.getsockname()[1]}", "--timeout-s", 1, "--json")
    thread.join()
    listener.close()
    assert told.exit_code == 1
    assert told.json["differences"][0]["verdict"] == "missing"


def test_the_servers_side_is_played_to_a_client():
    recording = Recording(messages=(Message(True, AARQ), Message(False, NAMED), Message(True, NAME)))
    with OctetListener("127.0.0.1", 0, timeout_s=2) as listener:
        played = []
        thread = threading.Thread(target=lambda: played.extend(play_server(listener, recording, timeout_s=2)))
        thread.start()
        with socket.create_connection(("127.0.0.1", listener.port)) as client:
            client.sendall(AARQ)
            assert client.recv(1000) == NAMED
            client.sendall(RELEASE)
        thread.join()
    assert [row.verdict for row in played] == [Verdict.SAME, Verdict.SENT, Verdict.OTHER]


def test_frames_too_many_are_told(recorded):
    recording = Recording(messages=(Message(True, AARQ), Message(False, NAMED)))
    with OctetListener("127.0.0.1", 0, timeout_s=2) as listener:

        def serve():
            with listener.accept(wait_s=5) as link:
                link.receive()
                link.send(NAMED + NAMED)

        thread = threading.Thread(target=serve)
        thread.start()
        played = play_client(MeterTarget(host="127.0.0.1", port=listener.port), recording, timeout_s=2)
        thread.join()
    assert [row.verdict for row in played] == [Verdict.SENT, Verdict.SAME, Verdict.EXTRA]


def test_nobody_who_connects_is_told(recorded):
    told = command("meter", "replay", recorded((True, AARQ)), "--listen", "127.0.0.1:0", "--wait-s", 0.05)
    assert isinstance(told.error, UnreachableError)


@pytest.mark.parametrize("words", [[], ["127.0.0.1", "--listen", "127.0.0.1:0"]])
def test_one_side_is_to_be_chosen(recorded, words):
    told = command("meter", "replay", recorded((True, AARQ)), *words)
    assert told.exit_code == 2
    assert "one of the two" in told.errors


def test_a_file_that_is_no_recording_is_misuse(tmp_path):
    path = tmp_path / "nothing.txt"
    path.write_text("hello")
    assert command("meter", "replay", path, "127.0.0.1").exit_code == 2
