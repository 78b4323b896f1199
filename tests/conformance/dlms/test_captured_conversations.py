"""Conversations captured elsewhere, between other people's clients and servers, replayed from both sides.

Unlike our own recordings these are what they are: invoke identifiers of other habits, a release response whose length
is wrong. Our client asks the same (its own invoke identifier apart) and understands each answer; our server, made of
what the recorded one answered, means the same.

Measured of the peers: one client protects ACCESS under tag 00, which the standard does not know; ACCESS is left out
here. jDLMS writes its SETs with the bit of an unconfirmed service and its server answers them; ours carries them out
and, as the standard has it, says nothing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.dlms.recorded import Group, RecordedDevice, groups_of, load

from meterworks.assess.conformance.protection import open_body, split_ciphered
from meterworks.protocols.dlms import (
    Associate,
    AssociationOpened,
    AssociationRequest,
    AssociationResponse,
    AssociationSettings,
    ClientAssociation,
    ClientEvent,
    ClientSettings,
    Conformance,
    Get,
    InitiateRequest,
    Mechanism,
    Protection,
    ReleaseRequest,
    ServerAssociation,
    Set,
    ValueReceived,
    decode_apdu,
)

NAMES = (
    "ht-output", "ht-output-epri", "ht-output-ciphered-hls", "bx-hdlc-lls-real-meter-profile",
    "jdlms-hdlc-clock-reading",
)  # fmt: skip
SAP = 16
CONFIRMED = 0x40


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def conversation(name: str, dlms_vectors: Path) -> dict[str, Any]:
    return load(dlms_vectors, name)


def is_finished(group: Group) -> bool:
    """Whether the recorded client took the answer to its end."""
    last = group.exchanges[-1].plain_answer
    return bool(last) and not (last[:2] == b"\xc4\x02" and not last[3])


class Facts:
    """What the two ends had agreed on, as the association request shows."""

    def __init__(self, conversation: dict[str, Any]) -> None:
        self.groups = groups_of(conversation)
        opening = self.groups[0].exchanges[0]
        self.request = AssociationRequest.from_bytes(opening.request)
        self.response = AssociationResponse.from_bytes(opening.answer)
        self.mechanism = Mechanism(self.request.mechanism or 0)
        self.is_ciphered = self.request.context == 3
        self.keys: dict[str, Any] = {"guek": None, "gak": None}
        if self.is_ciphered:
            self.keys = {name: bytes.fromhex(conversation[name]) for name in ("guek", "gak")}
        body = self.request.user_information or b""
        if self.is_ciphered:
            body = open_body(
                (self.keys["guek"], self.keys["gak"]), self.request.calling_title or b"", split_ciphered(body)
            )
        self.initiate = InitiateRequest.from_bytes(body)
        self.protection = Protection.BOTH if self.is_ciphered else Protection.NONE
        last = self.groups[-1].exchanges[0].request
        self.releases_ciphered = last[0] == 0x62 and ReleaseRequest.from_bytes(last).user_information is not None
        self.password = self.request.authentication if self.mechanism == Mechanism.LOW else None

    def client(self, counter: "Follower") -> ClientAssociation:
        settings = ClientSettings(
            client_sap=SAP, mechanism=self.mechanism, system_title=self.request.calling_title,
            password=self.password, protection=self.protection, conformance=self.initiate.conformance,
            max_pdu=self.initiate.max_pdu, release_ciphered=self.releases_ciphered, **self.keys,
        )  # fmt: skip
        return ClientAssociation(settings, counter, lambda _size: self.request.authentication or b"")


class Follower:
    """A counter that takes the value which the recorded client used next."""

    def __init__(self) -> None:
        self.coming: Iterator[int] = iter(())

    def next(self) -> int:
        return next(self.coming)


def counters_of(octets: bytes) -> list[int]:
    """Give the counters a recorded request used: that of a proof inside, then its own."""
    if octets[0] in (0x60, 0x62):
        kind = AssociationRequest if octets[0] == 0x60 else ReleaseRequest
        body = kind.from_bytes(octets).user_information or b""
        return [split_ciphered(body).counter] if body[:1] == b"\x21" else []
    return [split_ciphered(octets).counter] if octets[0] >= 0xC8 and octets[0] != 0xD8 else []


def same_but_invoke(one: bytes, other: bytes) -> bool:
    return one[:2] == other[:2] and one[3:] == other[3:]


def replay(facts: Facts) -> tuple[int, list[ClientEvent], int]:
    """Let our client meet the recorded server; give how much was asked alike, the events, and what was left out."""
    counter = Follower()
    client = facts.client(counter)
    alike, left_out, events = 0, 0, list[ClientEvent]()
    for group in facts.groups:
        if not is_finished(group):
            left_out += 1
            continue
        used = [number for exchange in group.exchanges for number in counters_of(exchange.request)]
        proof = [used[-1] - 1] if isinstance(group.command, Associate) and len(used) > 1 else []
        counter.coming = iter(used[:1] + proof + used[1:])
        output = [client.send(group.command)]
        for exchange in group.exchanges:
            ours = output[0]
            if ours[0] in (0x60, 0x62) or facts.is_ciphered:
                alike += ours == exchange.request
            else:
                alike += same_but_invoke(ours, exchange.request)
            answer = exchange.answer
            if not facts.is_ciphered and answer[0] not in (0x61, 0x63):
                answer = answer[:2] + ours[2:3] + answer[3:]
            events += client.receive(answer)
            output = client.take_output()
    return alike, events, left_out


def test_our_client_asks_and_understands_the_same(name: str, conversation: dict[str, Any]) -> None:
    facts = Facts(conversation)
    alike, events, left_out = replay(facts)
    finished = [group for group in facts.groups if is_finished(group)]
    assert left_out == 0
    assert alike >= sum(len(group.exchanges) for group in finished) - 1  # a release is written in several ways
    assert isinstance(events[0], AssociationOpened)
    values = [event.result for event in events if isinstance(event, ValueReceived)]
    assert values == [group.result for group in finished if isinstance(group.command, Get)]


class CapturedDevice(RecordedDevice):
    """A device that answers what the captured server answered, to the client that was captured."""

    def __init__(self, facts: Facts) -> None:
        self.groups = [group for group in facts.groups if is_finished(group)]
        self.system_title = facts.response.responding_title or bytes(8)
        self.counter = 1
        self.accepted: dict[bytes, int] = {}
        self.events: list[tuple[str, int]] = []
        self.written: list[bytes] = []
        self.settings = AssociationSettings(
            mechanism=facts.mechanism, password=facts.password, required_protection=facts.protection,
            conformance=Conformance(facts.initiate.conformance), **facts.keys,
        )  # fmt: skip

    def set(self, client_sap: int, address: Any, value: bytes) -> Any:
        self.written.append(value)
        found = next(g for g in self.groups if isinstance(g.command, Set) and g.command.value == value)
        return decode_apdu(found.exchanges[-1].plain_answer).result  # type: ignore[union-attr]


def play(facts: Facts) -> tuple[CapturedDevice, list[tuple[Group, bytes]]]:
    """Let our server play for the captured client; give its answers, opened, blocks joined."""
    device = CapturedDevice(facts)
    stoc = facts.response.authentication or b""
    server = ServerAssociation(device, SAP, lambda _size: stoc)
    answers: list[tuple[Group, bytes]] = []

    def opened(answer: bytes | None) -> bytes:
        assert answer is not None
        if facts.is_ciphered and answer[0] >= 0xC8 and answer[0] != 0xD8:
            return open_body((facts.keys["guek"], facts.keys["gak"]), device.system_title, split_ciphered(answer))
        return answer

    for group in device.groups:
        exchanges = group.exchanges if isinstance(group.command, Associate) else group.exchanges[:1]
        for exchange in exchanges:
            answer = server.receive(exchange.request)
            if answer is None and isinstance(group.command, Set) and not exchange.plain[2] & CONFIRMED:
                answers.append((group, b""))
                continue
            answers.append((group, opened(answer)))
        joined, plain, number = b"", answers[-1][1], 0
        while plain[:2] == b"\xc4\x02":  # in blocks, as the client's PDU size asks for
            number += 1
            block = decode_apdu(plain)
            joined += bytes(block.result)  # type: ignore[union-attr,arg-type]
            if block.last:  # type: ignore[union-attr]
                answers[-1] = (group, b"\xc4\x01\xc1\x00" + joined)
                break
            invoke = group.exchanges[0].plain[2]
            plain = opened(server.receive(bytes((0xC0, 2, invoke)) + number.to_bytes(4, "big")))
    return device, answers


def test_our_server_plays_for_the_captured_client(conversation: dict[str, Any]) -> None:
    facts = Facts(conversation)
    device, answers = play(facts)
    response = AssociationResponse.from_bytes(answers[0][1])
    assert (response.result, response.diagnostic) == (facts.response.result, facts.response.diagnostic)
    compared = 0
    for group, plain in answers:
        if isinstance(group.command, Get):
            assert decode_apdu(plain).result == group.result  # type: ignore[union-attr]
            compared += 1
        elif isinstance(group.command, Set):
            assert plain[3:] == (group.exchanges[-1].plain_answer[3:] if plain else b"")
            assert group.command.value in device.written
            compared += 1
    assert compared == sum(isinstance(group.command, Get | Set) for group in device.groups) > 0
    assert device.events == []
