"""The tester's association against servers that answer one thing wrong: each is told for what it is."""

import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.integration.dlms.example_device import CLOCK, ExampleDevice
from tests.unit.assess.conformance.bench import CREDENTIALS, FakeSocket, server_of

from meterworks.assess.conformance.request import get_request, initiate_request
from meterworks.assess.conformance.row import CheckFailed
from meterworks.assess.conformance.session import Counters, Session
from meterworks.assess.conformance.wire import Trace, WrapperWire
from meterworks.protocols.dlms import AssociationResponse, ServerConnection

Change = Callable[[bytes], bytes]


class Changed:
    """A lawful server whose answers are changed."""

    has_more = False

    def __init__(self, inner: ServerConnection, change: Change) -> None:
        self.inner = inner
        self.change = change

    @property
    def closed(self) -> bool:
        return self.inner.closed

    def receive(self, octets: bytes) -> bytes:
        answer = self.inner.receive(octets)
        if not answer:
            return b""
        apdu = self.change(answer[8:])
        return answer[:6] + len(apdu).to_bytes(2, "big") + apdu


def session_with(who: str, change: Change = lambda apdu: apdu, **facts: Any) -> Session:
    credential = replace(CREDENTIALS[who], **facts)
    inner = server_of(ExampleDevice())()
    link = cast(socket.socket, FakeSocket(cast(Any, Changed(inner, change))))
    wire = WrapperWire(link, Trace(), client_sap=credential.client_sap, server_sap=1, timeout_s=1.0)
    return Session(wire, credential, Counters(), timeout_s=1.0)


def on(tag: int, change: Change) -> Change:
    """Change answers of one tag."""
    return lambda apdu: change(apdu) if apdu[0] == tag else apdu


def response_with(**changes: Any) -> Change:
    """Change fields of an association response."""

    def change(apdu: bytes) -> bytes:
        response = AssociationResponse.from_bytes(apdu)
        names = ("context", "result", "diagnostic", "responding_title", "mechanism", "authentication")
        fields: dict[str, Any] = {name: getattr(response, name) for name in (*names, "user_information")}
        return AssociationResponse(**(fields | changes)).to_bytes()

    return on(0x61, change)


@pytest.mark.parametrize(
    ("who", "change", "reason"),
    [
        ("public", response_with(result=1, diagnostic=2), "refused: result 1, diagnostic 2"),
        ("public", response_with(result=2, diagnostic=1), "refused: result 2"),
        ("public", on(0x61, lambda _apdu: b"\xd8\x01\x01"), "an association response was expected"),
        ("public", on(0x61, lambda apdu: apdu[:-1]), "malformed"),
        ("public", response_with(user_information=None), "nothing is there"),
        ("public", response_with(user_information=b"\x0e\x01\x06\x01"), "0e010601 is there"),
        ("public", response_with(user_information=bytes.fromhex("0800065f1f0400001e5dffff000700")), "behind its"),
        ("public", response_with(user_information=bytes.fromhex("080006aaaaaaaa001e5dffff0007")), "no conformance"),
        ("reader", response_with(responding_title=b"short"), "title is 73686f7274"),
        ("reader", response_with(responding_title=None), "title is absent"),
        ("reader", response_with(responding_title=b"XXX12345"), "does not verify"),
        ("reader", response_with(user_information=bytes.fromhex("0800065f1f0400001e5dffff0007")), "begins 08"),
        ("gmac-plain", on(0xC7, lambda apdu: apdu[:3] + b"\x03\x00"), "did not take our proof"),
        ("gmac-plain", on(0xC7, lambda apdu: apdu[:4] + b"\x00"), "gave none of its own"),
        ("gmac-plain", on(0xC7, lambda apdu: apdu[:6] + b"\x11\x05"), "no octet-string"),
        ("gmac-plain", on(0xC7, lambda apdu: apdu[:-1] + bytes((apdu[-1] ^ 1,))), "proof is false"),
        ("gmac-plain", on(0xC7, lambda apdu: apdu[:6] + b"\x09\x02ab"), "proof is false"),
        ("reader", on(0xCF, lambda apdu: apdu[:-1] + bytes((apdu[-1] ^ 1,))), "does not verify"),
        ("reader", on(0xCF, lambda apdu: apdu[:2] + b"\x31" + apdu[3:]), "another suite"),
    ],
)  # fmt: skip
def test_a_server_that_opens_wrongly_is_told_why(who: str, change: Change, reason: str) -> None:
    with pytest.raises(CheckFailed, match=reason):
        session_with(who, change).associate()


@pytest.mark.parametrize("who", ["public", "low", "gmac-plain", "reader"])
def test_a_lawful_server_opens(who: str) -> None:
    session = session_with(who)
    agreed = session.associate()
    assert agreed.version == 6
    assert agreed.vaa == 7
    assert agreed.max_pdu == session.server_max_pdu == 65535
    assert session.request(get_request(CLOCK)).plain[:2] == b"\xc4\x01"


def test_an_old_header_of_the_conformance_block_is_read() -> None:
    """Some meters leave out an octet of the block's tag."""
    session = session_with("public", response_with(user_information=bytes.fromhex("0800065f0400001e5dffff0007")))
    assert session.associate().conformance == 0x001E5D


def test_a_quality_of_service_is_read_where_one_came() -> None:
    body = bytes.fromhex("080102065f1f0400001e5dffff0007")
    agreed = session_with("public", response_with(user_information=body)).associate()
    assert agreed.quality_of_service == 2


@pytest.mark.parametrize("mechanism", [1, 5])
def test_wrong_secrets_do_not_open(mechanism: int) -> None:
    facts: dict[str, Any] = {"password": b"87654321"} if mechanism == 1 else {"guek": bytes(16)}
    who = "low" if mechanism == 1 else "reader"
    with pytest.raises(CheckFailed):
        session_with(who, **facts).associate()


def test_evidence_holds_what_was_inside() -> None:
    session = session_with("reader")
    session.associate()
    session.request(get_request(CLOCK))
    trace = cast(Any, session.wire)._trace
    sent, received = trace.exchanges[-2:]
    assert sent.plain == get_request(CLOCK)
    assert sent.octets[0] == 0xC8
    assert received.plain[:2] == b"\xc4\x01"


def test_a_plain_clients_requests_stay_plain() -> None:
    session = session_with("public")
    assert session.protect(b"\xc0\x01") == b"\xc0\x01"
    assert session.association_octets(initiate=initiate_request())[-14:] == initiate_request()


@pytest.mark.parametrize(("changes", "part"), [({"context": 9}, b"\x05\x08\x01\x09"), ({"title": None}, b"\x8a\x02")])
def test_fields_of_the_request_can_be_changed(changes: dict[str, Any], part: bytes) -> None:
    octets = session_with("reader").association_octets(**changes)
    assert part in octets
    assert octets[0] == 0x60


def test_protection_can_be_made_wrong_in_each_part() -> None:
    session = session_with("reader")
    lawful = session.protect(get_request(CLOCK), counter=5)
    assert session.protect(get_request(CLOCK), counter=5) == lawful
    for changes in (
        {"control": 0x10},
        {"counter": 6},
        {"keys": (bytes(16), bytes(16))},
        {"tag": 0xC9},
        {"title": b"x" * 8},
    ):
        facts: dict[str, Any] = {"counter": 5} | changes
        assert session.protect(get_request(CLOCK), **facts) != lawful
