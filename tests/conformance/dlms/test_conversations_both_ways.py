"""Recorded conversations replayed from both sides, at the level of APDUs, whatever link carried them.

Our client meets the recorded server: each of its requests must be the recorded one, octet for octet. Our server plays
for the recorded client: challenges and counters are those of the recording, and what it answers must mean the same.
Handshakes of the mechanisms 1 to 6 are recomputed by both sides on the way.

Measured of the recording peers:
- The client (gurux-dlms) takes an invocation counter for its proof in every HLS mechanism, and uses it in 5 only: in a
  ciphered context one counter stays unused before the proof of 2, 3, 4 and 6.
- The server (gurux.dlms.java) cuts values into blocks by its own PDU size, not by the client's: ours gives them whole.
- It leaves out the octet that says whether return parameters follow when an ACTION is refused: an OPTIONAL member has
  that octet always, and ours writes it.
- Its RLRE is malformed (fact sheet, section 3), and tolerated.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.dlms.recorded import (
    CLIENT_SAP,
    Exchange,
    Group,
    RecordedDevice,
    client_settings,
    conversation_names,
    groups_of,
    is_ciphered,
    load,
)

from meterworks.assess.conformance.protection import open_body, split_ciphered
from meterworks.protocols.dlms import (
    Action,
    Associate,
    AssociationOpened,
    AssociationReleased,
    AssociationResponse,
    BlockTransferred,
    ClientAssociation,
    ClientEvent,
    Get,
    Mechanism,
    Release,
    ServerAssociation,
    ServerState,
    Set,
    ValueReceived,
    decode_apdu,
)

NAMES = (
    "gx-hdlc-hls2-plain", "gx-hdlc-hls3-md5-ciphered", "gx-hdlc-hls4-sha1-plain", "gx-hdlc-hls5-gmac-ciphered",
    "gx-hdlc-hls6-sha256-ciphered", "gx-hdlc-lls-ciphered", "gx-hdlc-none-plain", "gx-wrapper-hls2-ciphered",
    "gx-wrapper-hls3-md5-plain", "gx-wrapper-hls4-sha1-ciphered", "gx-wrapper-hls5-gmac-ciphered",
    "gx-wrapper-hls5-gmac-plain", "gx-wrapper-hls6-sha256-plain", "gx-wrapper-lls-ciphered", "gx-wrapper-none-plain",
)  # fmt: skip
CLIENT_COUNTER = 500  # the first of the recording client
SERVER_COUNTER = 1000  # the first of the recording server
UNUSED_COUNTER = frozenset({Mechanism.MANUFACTURER, Mechanism.MD5, Mechanism.SHA1, Mechanism.SHA256})


class RecordedCounter:
    """The recording client's counter: in a ciphered context, the one taken for a proof stays unused."""

    def __init__(self, conversation: dict[str, Any]) -> None:
        self.value = CLIENT_COUNTER - 1
        mechanism = Mechanism(conversation["authentication_mechanism"])
        self.unused = CLIENT_COUNTER + 1 if mechanism in UNUSED_COUNTER and is_ciphered(conversation) else None

    def next(self) -> int:
        self.value += 1
        if self.value == self.unused:
            self.value += 1
        return self.value


@pytest.fixture(params=NAMES)
def conversation(request: pytest.FixtureRequest, dlms_vectors: Path) -> dict[str, Any]:
    return load(dlms_vectors, request.param)


def challenge(conversation: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(conversation["challenges"].get(name, ""))


def test_no_recording_is_left_out(dlms_vectors: Path) -> None:
    assert tuple(conversation_names(dlms_vectors)) == NAMES


def replay(conversation: dict[str, Any]) -> tuple[list[tuple[str, str]], list[ClientEvent]]:
    """Let our client meet the recorded server; give (recorded, ours) of each request, and the events."""
    counter = RecordedCounter(conversation)
    client = ClientAssociation(client_settings(conversation), counter, lambda _size: challenge(conversation, "ctos"))
    asked: list[tuple[str, str]] = []
    events: list[ClientEvent] = []
    for group in groups_of(conversation):
        if not group.answered:  # the recorded server fell silent: a client that is not answered gives up
            for _ in group.exchanges:
                counter.next()
            continue
        output = [client.send(group.command)]
        for exchange in group.exchanges:
            asked.append((exchange.request.hex(), output[0].hex()))
            events += client.receive(exchange.answer)
            output = client.take_output()
    return asked, events


def test_client_asks_what_the_recorded_client_asked(conversation: dict[str, Any]) -> None:
    asked, _ = replay(conversation)
    assert len(asked) >= 18
    assert [ours for _, ours in asked] == [recorded for recorded, _ in asked]


def test_client_understands_what_the_recorded_server_answered(conversation: dict[str, Any]) -> None:
    _, events = replay(conversation)
    kinds = Counter(type(event) for event in events if not isinstance(event, BlockTransferred))
    assert kinds[AssociationOpened] == 1
    values = [event.result for event in events if isinstance(event, ValueReceived)]
    recorded = [g.result for g in groups_of(conversation) if isinstance(g.command, Get) and g.answered]
    assert values == recorded
    assert events[-1] == AssociationReleased(clean=False)


class Play:
    """Our server for the recorded client. answers: (exchange, our answer, opened)."""

    def __init__(self, conversation: dict[str, Any]) -> None:
        self.conversation = conversation
        self.device = RecordedDevice(conversation, SERVER_COUNTER)
        self.server = ServerAssociation(self.device, CLIENT_SAP, lambda _size: challenge(conversation, "stoc"))
        self.answers: list[tuple[Group, Exchange, bytes]] = []

    def run(self) -> "Play":
        for group in groups_of(self.conversation):
            first_only = not isinstance(group.command, Associate)  # ours needs no further blocks
            for exchange in group.exchanges[:1] if first_only else group.exchanges:
                answer = self.server.receive(exchange.request)
                assert answer is not None
                self.answers.append((group, exchange, self.opened(answer)))
        return self

    def opened(self, answer: bytes) -> bytes:
        """Decipher what our server protected, with the judge's own cipher."""
        if not is_ciphered(self.conversation) or answer[0] in (0x61, 0x63, 0xD8):
            return answer
        keys = (bytes.fromhex(self.conversation["guek"]), bytes.fromhex(self.conversation["gak"]))
        return open_body(keys, self.device.system_title, split_ciphered(answer))


def test_server_lets_the_recorded_client_in(conversation: dict[str, Any]) -> None:
    play = Play(conversation).run()
    response = AssociationResponse.from_bytes(play.answers[0][2])
    recorded = AssociationResponse.from_bytes(play.answers[0][1].answer)
    for name in ("context", "result", "diagnostic", "mechanism", "authentication", "responding_title"):
        assert getattr(response, name) == getattr(recorded, name), name
    if is_ciphered(conversation):
        # The same counter, and nothing in it that is not the same: the octets are the same.
        assert response.user_information is not None
        assert recorded.user_information is not None
        assert response.user_information[2:7] == recorded.user_information[2:7]
    assert play.device.events == []


def test_server_proves_itself_as_the_recorded_one(conversation: dict[str, Any]) -> None:
    if conversation["authentication_mechanism"] < 2:
        pytest.skip("no challenge in this conversation")
    play = Play(conversation).run()
    _, exchange, plain = play.answers[1]
    if conversation["authentication_mechanism"] == Mechanism.GMAC:  # a counter of the server is in its proof
        assert plain[:9] == exchange.plain_answer[:9]
        assert len(plain) == len(exchange.plain_answer)
    else:
        assert plain == exchange.plain_answer
    assert play.answers[1][0].command == Associate()


def test_server_answers_what_the_recorded_one_answered(conversation: dict[str, Any]) -> None:
    play = Play(conversation).run()
    compared = 0
    for group, exchange, plain in play.answers:
        if not isinstance(group.command, Get | Set | Action) or not group.answered:
            continue
        compared += 1
        if isinstance(group.command, Get):
            result = decode_apdu(plain).result  # type: ignore[union-attr]  # a response to GET has one
            assert result == group.result
        elif isinstance(group.command, Set):
            assert plain == exchange.plain_answer
        else:
            assert plain == exchange.plain_answer + b"\x00"
    assert compared >= 8
    assert play.device.events == []


def test_server_lets_the_recorded_client_go(conversation: dict[str, Any]) -> None:
    play = Play(conversation).run()
    group, _, answer = play.answers[-1]
    assert group.command == Release()
    assert answer[:1] == b"\x63"
    assert play.server.state is ServerState.IDLE
