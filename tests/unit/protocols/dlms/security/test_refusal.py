"""Attacks by name, one each, on either side: what is answered, what is recorded, what stays untouched."""

from dataclasses import replace

import pytest
from tests.integration.dlms.example_device import CLIENT_TITLE, ENERGY, METER_TITLE
from tests.unit.protocols.dlms.security.bench import CLIENT_SAP, Bench, key_of, make_bench

from meterworks.protocols.dlms import (
    ApduCipher,
    Associate,
    AssociationRejected,
    AssociationRequest,
    AssociationResponse,
    ClientState,
    Get,
    KeyChoice,
    Mechanism,
    Protection,
    SecuritySuite,
    ServerState,
    ValueReceived,
    encode_visible_string,
)
from meterworks.protocols.dlms.acse import request_fields
from meterworks.protocols.dlms.security import GeneralLayer
from meterworks.protocols.errors import DecodeError, ProtectionError, TagError, UnlawfulMessage, WeakProtection

SUITE_0, SUITE_1, SUITE_2 = SecuritySuite
HIGH = [mechanism for mechanism in Mechanism if mechanism > Mechanism.LOW]


@pytest.mark.parametrize("asked", [Mechanism.NONE, Mechanism.LOW, Mechanism.MD5, Mechanism.SHA256, Mechanism.ECDSA])
def test_a_weaker_mechanism_is_refused(asked: Mechanism) -> None:
    """Not weaker ones alone: any but the one of the settings."""
    server = make_bench(SUITE_1, Mechanism.GMAC).device
    bench = make_bench(SUITE_1, asked, device=server)
    (event,) = bench.run(Associate())
    assert isinstance(event, AssociationRejected)
    assert event.diagnostic == (12 if asked is Mechanism.NONE else 11)
    assert server.events == [("weaker-mechanism", CLIENT_SAP)]


@pytest.mark.parametrize(("ours", "theirs"), [(SUITE_1, SUITE_0), (SUITE_0, SUITE_1)])
def test_a_weaker_suite_is_refused_and_recorded(ours: SecuritySuite, theirs: SecuritySuite) -> None:
    server = make_bench(ours).device
    bench = make_bench(theirs, device=server)
    (event,) = bench.run(Associate())
    assert isinstance(event, AssociationRejected)
    assert event.diagnostic == 13
    assert server.events == [("wrong-suite", CLIENT_SAP)]
    assert bench.server.state is ServerState.IDLE


def test_a_weaker_suite_is_refused_on_an_open_association() -> None:
    bench = make_bench(SUITE_1)
    bench.run(Associate())
    request = bytearray(bench.client.send(Get(ENERGY)))
    request[2] &= 0xF0
    assert bench.raw(bytes(request)) == b"\xd8\x01\x01"
    assert bench.device.events == [("wrong-suite", CLIENT_SAP)]


@pytest.mark.parametrize("short_names", [False, True])
def test_a_plain_context_is_refused_where_a_ciphered_one_is_due(short_names: bool) -> None:
    names = {"short_names": short_names}
    server = make_bench(server=names).device
    bench = make_bench(protection=Protection.NONE, client=names, device=server)
    (event,) = bench.run(Associate())
    assert isinstance(event, AssociationRejected)
    assert event.diagnostic == 2
    assert server.events == [("wrong-context", CLIENT_SAP)]


@pytest.mark.parametrize("mechanism", HIGH)
def test_a_service_before_the_proof_is_refused(mechanism: Mechanism) -> None:
    bench = make_bench(SUITE_1, mechanism, Protection.NONE)
    bench.client.receive(bench.raw(bench.client.send(Associate())) or b"")
    assert bench.raw(bytes.fromhex("c001c100030100010800ff0200")) == b"\xd8\x01\x01"
    assert bench.device.events == [("unauthenticated-request", CLIENT_SAP)]
    (event,) = bench.client.receive(bench.raw(bench.client.take_output()[0]) or b"")  # the proof is still taken
    assert type(event).__name__ == "AssociationOpened"
    assert isinstance(bench.run(Get(ENERGY))[0], ValueReceived)


@pytest.mark.parametrize("mechanism", HIGH)
def test_a_proof_is_taken_once(mechanism: Mechanism) -> None:
    bench = make_bench(SUITE_1, mechanism, Protection.NONE)
    bench.run(Associate())
    proof = bench.sent[1]
    again = make_bench(SUITE_1, mechanism, Protection.NONE, device=bench.device)
    again.server._random_bytes = lambda size: b"\x77" * size  # another challenge than in the first session
    again.raw(again.client.send(Associate()))
    answer = again.raw(proof) or b""
    assert answer[:5].hex() in ("c701c103", "c701c10300")
    assert again.server.state is ServerState.IDLE
    assert ("authentication-failed", CLIENT_SAP) in bench.device.events


def test_a_client_in_the_name_of_the_server_is_refused() -> None:
    bench = make_bench(client={"system_title": METER_TITLE, "server_title": None})
    (event,) = bench.run(Associate())
    assert isinstance(event, AssociationRejected)
    assert event.diagnostic == 3
    assert bench.device.events == [("wrong-title", CLIENT_SAP)]


@pytest.mark.parametrize("mechanism", [Mechanism.SHA256, Mechanism.ECDSA])
def test_a_mechanism_that_names_titles_needs_one(mechanism: Mechanism) -> None:
    bench = make_bench(SUITE_1, mechanism, Protection.NONE)
    request = AssociationRequest.from_bytes(bench.client.send(Associate()))
    untitled = AssociationRequest(
        context=request.context, user_information=request.user_information, mechanism=request.mechanism,
        authentication=request.authentication,
    )  # fmt: skip
    response = AssociationResponse.from_bytes(bench.raw(untitled.to_bytes()) or b"")
    assert (response.result, response.diagnostic) == (1, 3)


@pytest.mark.parametrize(("called", "taken"), [(METER_TITLE, True), (b"MWKother", False), (b"", True)])
def test_a_request_to_another_server_is_refused(called: bytes, taken: bool) -> None:
    bench = make_bench(mechanism=Mechanism.LOW, protection=Protection.NONE)
    request = AssociationRequest.from_bytes(bench.client.send(Associate()))
    addressed = AssociationRequest(
        context=request.context, user_information=request.user_information, mechanism=request.mechanism,
        authentication=request.authentication, others=request_fields(called_title=called),
    )  # fmt: skip
    response = AssociationResponse.from_bytes(bench.raw(addressed.to_bytes()) or b"")
    assert (response.result, response.diagnostic) == ((0, 0) if taken else (1, 7))


@pytest.mark.parametrize("size", [0, 7, 65, 200])
@pytest.mark.parametrize("mechanism", HIGH)
def test_challenges_of_unlawful_size_are_refused(mechanism: Mechanism, size: int) -> None:
    bench = make_bench(SUITE_1, mechanism)
    bench.client._random_bytes = lambda _size: b"c" * size
    (event,) = bench.run(Associate())
    assert isinstance(event, AssociationRejected)
    assert event.diagnostic == 13
    assert bench.device.events == [("authentication-failed", CLIENT_SAP)]


def test_a_server_whose_chance_repeats_the_challenge_refuses() -> None:
    bench = make_bench(mechanism=Mechanism.MD5, protection=Protection.NONE)
    bench.server._random_bytes = bench.client._random_bytes = lambda size: b"same" * (size // 4)
    assert isinstance(bench.run(Associate())[0], AssociationRejected)


SET_NOTE = "c101{invoke}00010000600d00ff0200" + encode_visible_string("x").hex()
INVOKE_ECHO = "c301{invoke}000900000a0001ff0101" + encode_visible_string("x").hex()


def broadcast(bench: Bench, request: str, *, general: bool) -> bytes:
    """Give a request under the broadcast key, as any holder of that key could make it."""
    layers = bench.client._layers_of()
    apdu = bytes.fromhex(request)
    if general:
        return layers.apply(apdu, (GeneralLayer(KeyChoice.IDENTIFIED_BROADCAST, 0x31, b"1"),))
    cipher = ApduCipher(key_of(SUITE_1, 0x10), key_of(SUITE_1, 0xD0), SUITE_1, broadcast_key=key_of(SUITE_1, 0x30))
    protected = cipher.protect_broadcast(0x30, CLIENT_TITLE, bench.counter.next(), apdu)
    return b"\xdb\x08" + CLIENT_TITLE + bytes((len(protected),)) + protected


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("request_hex", [SET_NOTE, INVOKE_ECHO])
def test_the_broadcast_key_carries_what_nobody_answers(request_hex: str, general: bool) -> None:
    bench = make_bench(SUITE_1)
    bench.run(Associate())
    assert bench.raw(broadcast(bench, request_hex.format(invoke="01"), general=general)) is None
    assert bool(bench.device.written) is not bool(bench.device.invoked)  # the one or the other was done
    assert bench.device.events == []


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize(
    "request_hex",
    [
        SET_NOTE.format(invoke="41"),
        INVOKE_ECHO.format(invoke="c1"),
        "c00101000301000108 00ff0200",
        "c001",
        "0f00000000",
    ],
)
def test_the_broadcast_key_which_all_meters_hold_asks_for_nothing(request_hex: str, general: bool) -> None:
    bench = make_bench(SUITE_1)
    bench.run(Associate())
    assert bench.raw(broadcast(bench, request_hex, general=general)) == b"\xd8\x01\x01"
    assert (bench.device.written, bench.device.invoked) == ({}, [])
    assert bench.device.events == [("unprotected-request", CLIENT_SAP)]


def test_nobody_proves_himself_with_the_broadcast_key() -> None:
    bench = make_bench(SUITE_1)
    bench.client.receive(bench.raw(bench.client.send(Associate())) or b"")
    proof = "c30101000f0000280000ff0101" + "0911" + "10" * 17
    assert bench.server.state is ServerState.CHALLENGED
    bench.raw(broadcast(bench, proof, general=False))
    assert bench.device.opened == []


@pytest.mark.parametrize("mechanism", [Mechanism.NONE, Mechanism.LOW, Mechanism.GMAC])
def test_nobody_associates_with_the_broadcast_key(mechanism: Mechanism) -> None:
    bench = make_bench(SUITE_1, mechanism, client={"guek": key_of(SUITE_1, 0x30)})  # of the broadcast key
    request = AssociationRequest.from_bytes(bench.client.send(Associate()))
    inner = request.user_information or b""
    cipher = ApduCipher(key_of(SUITE_1, 0x10), key_of(SUITE_1, 0xD0), SUITE_1, broadcast_key=key_of(SUITE_1, 0x30))
    plain = ApduCipher(key_of(SUITE_1, 0x30), key_of(SUITE_1, 0xD0), SUITE_1).unprotect(
        inner[2], CLIENT_TITLE, int.from_bytes(inner[3:7], "big"), inner[7:]
    )
    protected = cipher.protect_broadcast(0x30, CLIENT_TITLE, 500, plain)
    forged = replace(request, user_information=b"\x21" + bytes((len(protected),)) + protected)
    response = AssociationResponse.from_bytes(bench.raw(forged.to_bytes()) or b"")
    assert (response.result, response.diagnostic) == (1, 13)
    assert bench.device.events == [("unprotected-request", CLIENT_SAP)]


# --- the client's side -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", HIGH)
def test_a_reflected_challenge_gets_no_proof(mechanism: Mechanism) -> None:
    bench = make_bench(SUITE_1, mechanism, Protection.NONE)
    request = AssociationRequest.from_bytes(bench.client.send(Associate()))
    genuine = AssociationResponse.from_bytes(bench.raw(request.to_bytes()) or b"")
    reflected = AssociationResponse(
        context=1, result=0, diagnostic=14, mechanism=int(mechanism), authentication=request.authentication,
        responding_title=METER_TITLE, user_information=genuine.user_information,
    )  # fmt: skip
    with pytest.raises(TagError, match="our own challenge"):
        bench.client.receive(reflected.to_bytes())
    assert bench.client.take_output() == []
    assert bench.client.state is ClientState.BROKEN


@pytest.mark.parametrize(
    "weaker",
    [
        {"mechanism": int(Mechanism.MD5)}, {"mechanism": None}, {"diagnostic": 0, "mechanism": None},
        {"context": 3}, {"context": 2},
    ],
)  # fmt: skip
def test_a_weaker_answer_is_refused_by_the_client(weaker: dict[str, int | None]) -> None:
    bench = make_bench(SUITE_1, Mechanism.GMAC, Protection.NONE)
    genuine = AssociationResponse.from_bytes(bench.raw(bench.client.send(Associate())) or b"")
    facts = {
        "context": genuine.context, "result": 0, "diagnostic": 14, "mechanism": genuine.mechanism,
        "authentication": genuine.authentication, "responding_title": genuine.responding_title,
        "user_information": genuine.user_information,
    }  # fmt: skip
    with pytest.raises(WeakProtection):
        bench.client.receive(AssociationResponse(**(facts | weaker)).to_bytes())  # type: ignore[arg-type]
    assert bench.client.take_output() == []


@pytest.mark.parametrize("title", [b"MWKother", b"", CLIENT_TITLE])
@pytest.mark.parametrize("mechanism", [Mechanism.GMAC, Mechanism.SHA256, Mechanism.ECDSA])
def test_another_server_is_refused_by_the_client(mechanism: Mechanism, title: bytes) -> None:
    bench = make_bench(SUITE_1, mechanism, Protection.NONE)
    genuine = AssociationResponse.from_bytes(bench.raw(bench.client.send(Associate())) or b"")
    other = AssociationResponse(
        context=genuine.context, result=0, diagnostic=14, mechanism=genuine.mechanism,
        authentication=genuine.authentication, responding_title=title or None,
        user_information=genuine.user_information,
    )  # fmt: skip
    with pytest.raises(ProtectionError):
        bench.client.receive(other.to_bytes())


@pytest.mark.parametrize("mechanism", HIGH)
def test_a_false_proof_of_the_server_breaks_the_client(mechanism: Mechanism) -> None:
    bench = make_bench(SUITE_1, mechanism, Protection.NONE)
    bench.client.receive(bench.raw(bench.client.send(Associate())) or b"")
    answer = bytearray(bench.raw(bench.client.take_output()[0]) or b"")
    answer[-1] ^= 1
    with pytest.raises(ProtectionError):
        bench.client.receive(bytes(answer))
    assert bench.client.state is ClientState.BROKEN


@pytest.mark.parametrize("answer", ["c701c1000100060000000a", "c702c100", "c701c100010006"])
def test_an_answer_that_is_no_proof_breaks_the_client(answer: str) -> None:
    bench = make_bench(SUITE_1, Mechanism.SHA256, Protection.NONE)
    bench.client.receive(bench.raw(bench.client.send(Associate())) or b"")
    with pytest.raises((UnlawfulMessage, DecodeError)):
        bench.client.receive(bytes.fromhex(answer))
    assert bench.client.state is ClientState.BROKEN


@pytest.mark.parametrize("general", [False, True])
def test_an_answer_under_the_broadcast_key_is_not_believed(general: bool) -> None:
    bench = make_bench(SUITE_1)
    bench.run(Associate())
    bench.client.send(Get(ENERGY))
    answer = bytes.fromhex("c401c1000600000005")
    cipher = ApduCipher(key_of(SUITE_1, 0x10), key_of(SUITE_1, 0xD0), SUITE_1, broadcast_key=key_of(SUITE_1, 0x30))
    protected = cipher.protect_broadcast(0x30, METER_TITLE, 90_000, answer)
    forged = (b"\xdb\x08" + METER_TITLE if general else b"\xcc") + bytes((len(protected),)) + protected
    with pytest.raises(WeakProtection, match="broadcast"):
        bench.client.receive(forged)
