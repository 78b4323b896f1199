"""Playing one side of a recording against a peer made of a list."""

import pytest

from meterworks.links import ConnectionLost, NoAnswer
from meterworks.protocols.dlms import encode_wrapper
from meterworks.system.meter.recording import Message, Recording
from meterworks.system.meter.replay import Verdict, play, replay_document

ASK = encode_wrapper(16, 1, bytes.fromhex("c001c100080000010000ff0200"))
ANSWER = encode_wrapper(1, 16, bytes.fromhex("c401c1001105"))
OTHER_VALUE = encode_wrapper(1, 16, bytes.fromhex("c401c1001106"))
REFUSAL = encode_wrapper(1, 16, bytes.fromhex("d80102"))
SESSION = Recording(messages=(Message(True, ASK), Message(False, ANSWER), Message(True, ASK), Message(False, ANSWER)))


class PeerOfList:
    """A link whose peer says these octets in turn; an error is raised, silence is NoAnswer."""

    def __init__(self, *said, broken_after=None):
        self.said = list(said)
        self.sent = []
        self.broken_after = broken_after

    def send(self, octets):
        if self.broken_after is not None and len(self.sent) >= self.broken_after:
            raise ConnectionLost("broken")
        self.sent.append(octets)

    def receive(self, until_s=None):
        if not self.said:
            raise NoAnswer("silent")
        said = self.said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said


def verdicts(peer, recording=SESSION, *, as_client=True):
    told = []
    played = play(peer, recording, as_client=as_client, timeout_s=1, tell=told.append)
    assert told == played
    return [row.verdict.value for row in played]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([ANSWER, ANSWER], ["sent", "same", "sent", "same"]),
        ([ANSWER[:5], ANSWER[5:], ANSWER], ["sent", "same", "sent", "same"]),
        ([ANSWER + ANSWER], ["sent", "same", "sent", "same"]),
        ([OTHER_VALUE, ANSWER], ["sent", "alike", "sent", "same"]),
        ([REFUSAL, ANSWER], ["sent", "other", "sent", "same"]),
        ([ANSWER], ["sent", "same", "sent", "missing"]),
        ([ANSWER, b""], ["sent", "same", "sent", "missing"]),
        ([ANSWER, b"HTTP"], ["sent", "same", "sent", "missing"]),
        ([ConnectionLost("gone")], ["sent", "missing"]),
        ([ANSWER, ANSWER, REFUSAL], ["sent", "same", "sent", "same", "extra"]),
        ([REFUSAL, ANSWER, REFUSAL], ["sent", "other", "sent", "same"]),
    ],
)
def test_the_clients_side_is_played_and_compared(said, expected):
    assert verdicts(PeerOfList(*said)) == expected


def test_the_servers_side_is_played_and_compared():
    peer = PeerOfList(ASK, ASK)
    assert verdicts(peer, as_client=False) == ["same", "sent", "same", "sent"]
    assert peer.sent == [ANSWER, ANSWER]


def test_a_peer_that_leaves_while_we_speak_is_told():
    assert verdicts(PeerOfList(ANSWER, broken_after=1)) == ["sent", "same", "missing"]


def test_an_empty_recording_is_played_at_once():
    assert verdicts(PeerOfList(), Recording(messages=())) == []


def test_the_document_counts_and_shows_differences():
    played = play(PeerOfList(OTHER_VALUE, REFUSAL), SESSION, as_client=True, timeout_s=1)
    document = replay_document(played)
    assert (document["frames"], document["same"], document["alike"], document["failed"]) == (4, 0, 1, 1)
    alike, other = document["differences"]
    assert (alike["recorded_kind"], alike["received"]) == ("GET response 1", OTHER_VALUE.hex())
    assert (other["verdict"], other["received_kind"]) == (Verdict.OTHER.value, "exception response")
