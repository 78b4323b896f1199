"""Recorded conversations replayed: our client meets the recorded server and must ask and understand the same.

The recordings were made with one Java server and one Python client. Challenges, counters and titles are fixed to those
of the recording; what is deterministic must then come out byte for byte.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.dlms.recorded import command_of

from meterworks.protocols.dlms import (
    ActionFinished,
    AssociationOpened,
    AssociationReleased,
    BlockTransferred,
    Ciphering,
    ClientConnection,
    ClientEvent,
    ClientSettings,
    Conformance,
    CountUp,
    DataAccessResult,
    Mechanism,
    Protection,
    SetFinished,
    ValueReceived,
    decode_all,
    decode_apdu,
    decode_typed,
    encode,
)

CONVERSATIONS = (
    "gx-wrapper-none-plain",
    "gx-wrapper-lls-ciphered",
    "gx-wrapper-hls5-gmac-plain",
    "gx-wrapper-hls5-gmac-ciphered",
)
FIRST_COUNTER = 500  # of the recording client


def load(folder: Path, name: str) -> dict[str, Any]:
    conversation: dict[str, Any] = json.loads((folder / "conversations" / f"{name}.json").read_text())
    return conversation


def settings_of(conversation: dict[str, Any]) -> ClientSettings:
    mechanism = Mechanism(conversation["authentication_mechanism"])
    first = conversation["messages"][0]
    ciphered = first["decoded"]["application_context_name"].endswith("1.3")
    keyed = ciphered or mechanism == Mechanism.GMAC
    return ClientSettings(
        client_sap=first["wrapper"]["source"],
        server_sap=first["wrapper"]["destination"],
        mechanism=mechanism,
        system_title=bytes.fromhex(conversation["client_system_title"]) if keyed else None,
        guek=bytes.fromhex(conversation["guek"]) if keyed else None,
        gak=bytes.fromhex(conversation["gak"]) if keyed else None,
        password=bytes.fromhex(conversation["secret"]) if mechanism == Mechanism.LOW else None,
        protection=Protection.BOTH if ciphered else Protection.NONE,
        ciphering=Ciphering.GENERAL,
        conformance=Conformance(0x401E5D),
        release_ciphered=False,
    )


def plain_of(message: dict[str, Any]) -> Any:
    """Give the message of a recorded APDU, deciphered where the recording could."""
    octets = message["bytes"][16:]
    if octets[:2] not in ("60", "62") and "plain" in message:
        octets = message["plain"]
    return decode_apdu(bytes.fromhex(octets))


def exchanges(conversation: dict[str, Any]) -> list[list[tuple[dict[str, Any], bytes]]]:
    """Group the messages by command: lists of (client's message, server's answer), one or several per transfer.

    An answer of no octets stands where the recorded server fell silent in the midst of a transfer.
    """
    groups: list[list[tuple[dict[str, Any], bytes]]] = []
    messages = conversation["messages"]
    for message, following in zip(messages, [*messages[1:], {"dir": "client"}], strict=True):
        if message["dir"] == "server":
            continue
        answer = bytes.fromhex(following["bytes"]) if following["dir"] == "server" else b""
        if command_of(plain_of(message)) is not None:
            groups.append([])
        groups[-1].append((message, answer))
    return groups


def challenge_of(conversation: dict[str, Any]) -> bytes:
    return bytes.fromhex(conversation["challenges"].get("ctos", ""))


class Replay:
    """Our client against the recorded server."""

    def __init__(self, conversation: dict[str, Any]) -> None:
        self.groups = exchanges(conversation)
        self.counter = CountUp(FIRST_COUNTER)
        self.client = ClientConnection(
            settings_of(conversation), self.counter, lambda _size: challenge_of(conversation)
        )
        self.asked: list[tuple[str, str]] = []  # (by the recorded client, by ours)
        self.events: list[ClientEvent] = []

    def run(self, *, octet_wise: bool = False) -> None:
        for group in self.groups:
            if not group[-1][1]:
                for _ in group:  # left out on both sides: a client that is not answered gives the connection up
                    self.counter.next()
                continue
            command = command_of(plain_of(group[0][0]))
            assert command is not None
            waiting = self.client.send(command)
            for message, answer in group:
                self.asked.append((message["bytes"], waiting.hex()))
                self.events += self.receive(answer, octet_wise)
                waiting = self.client.data_to_send()
            assert waiting == b""

    def receive(self, answer: bytes, octet_wise: bool) -> list[ClientEvent]:
        if not octet_wise:
            return self.client.receive(answer)
        for octet in answer[:-1]:  # nothing may come of a frame that is not whole
            assert self.client.receive(bytes((octet,))) == []
        return self.client.receive(answer[-1:])


@pytest.fixture(params=CONVERSATIONS)
def replay(request: pytest.FixtureRequest, dlms_vectors: Path) -> Replay:
    return Replay(load(dlms_vectors, request.param))


@pytest.mark.parametrize("octet_wise", [False, True])
def test_client_asks_what_the_recorded_one_asked(replay: Replay, octet_wise: bool) -> None:
    replay.run(octet_wise=octet_wise)
    for recorded, ours in replay.asked:
        assert ours == recorded


def test_client_understands_each_answer(replay: Replay) -> None:
    replay.run()
    kinds = Counter(type(event) for event in replay.events if not isinstance(event, BlockTransferred))
    assert kinds[AssociationOpened] == kinds[SetFinished] == kinds[ActionFinished] == 1
    assert kinds[ValueReceived] >= 5
    assert replay.events[-1] == AssociationReleased(clean=False)  # its release response is malformed, and tolerated


def test_values_encode_back_to_the_recorded_octets(replay: Replay) -> None:
    replay.run()
    values = [e.result for e in replay.events if isinstance(e, ValueReceived) and isinstance(e.result, bytes)]
    for value in values:
        typed, end = decode_typed(value)
        assert end == len(value)
        assert encode(typed) == value


def test_clock_and_write_results_are_those_of_the_recording(replay: Replay) -> None:
    replay.run()
    clock = next(e.result for e in replay.events if isinstance(e, ValueReceived))
    assert isinstance(clock, bytes)
    assert decode_all(clock)[:4].hex() == "07ea0b14"  # 2026-11-20
    assert next(e.result for e in replay.events if isinstance(e, SetFinished)) == DataAccessResult.SUCCESS
    outcome = next(e.outcome for e in replay.events if isinstance(e, ActionFinished))
    assert outcome.result == DataAccessResult.READ_WRITE_DENIED
    undefined = [e.result for e in replay.events if isinstance(e, ValueReceived)][-1]
    assert undefined == DataAccessResult.OBJECT_UNDEFINED
