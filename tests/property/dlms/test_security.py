"""Properties of security: nothing tampered is accepted or acted on, garbage gives our own errors, replays nothing."""

from functools import lru_cache
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.integration.dlms.example_device import ECHO, ENERGY, NOTE
from tests.unit.protocols.dlms.security.bench import Bench, make_bench

from meterworks.errors import PeerError, SecurityError
from meterworks.protocols.dlms import (
    Action,
    ApduCipher,
    Associate,
    AssociationOpened,
    Ciphering,
    ClientState,
    Get,
    KeyChoice,
    Mechanism,
    Protection,
    SecuritySuite,
    ServerState,
    Set,
    encode_visible_string,
)
from meterworks.protocols.dlms.acse import AssociationRequest, AssociationResponse, request_fields
from meterworks.protocols.dlms.security import (
    AgreedKey,
    GeneralCiphering,
    GeneralHeader,
    GeneralSigning,
    IdentifiedKey,
    WrappedKey,
    is_weaker_policy,
    policy_of_protection,
    protection_of_policy,
    split_ciphered,
)
from meterworks.protocols.errors import StateError

SUITE_0, SUITE_1, SUITE_2 = SecuritySuite
FORMS = (
    (SUITE_0, Ciphering.SERVICE, None),
    (SUITE_0, Ciphering.GENERAL, None),
    (SUITE_2, Ciphering.SERVICE, None),
    (SUITE_1, Ciphering.GENERAL_CIPHERING, KeyChoice.IDENTIFIED),
    (SUITE_1, Ciphering.GENERAL_CIPHERING, KeyChoice.WRAPPED),
    (SUITE_1, Ciphering.GENERAL_CIPHERING, KeyChoice.ONE_PASS),
    (SUITE_1, Ciphering.GENERAL_CIPHERING, KeyChoice.STATIC),
    (SUITE_1, Ciphering.SIGNED, None),
)
BOUNDED = settings(max_examples=60, deadline=None)  # several signatures each
MUTATION = st.tuples(st.integers(0, 4000), st.integers(1, 255))
WRITE = Set(NOTE, encode_visible_string("acted on"))


def bench_of(form: tuple[Any, ...]) -> Bench:
    suite, ciphering, choice = form
    signs = Protection.SIGNED if ciphering is Ciphering.SIGNED else Protection.NONE
    protection = Protection.BOTH | signs
    bench = make_bench(suite, protection=protection, client={"ciphering": ciphering, "key_choice": choice})
    assert isinstance(bench.run(Associate())[-1], AssociationOpened)
    return bench


@lru_cache
def write_request(form: tuple[Any, ...]) -> bytes:
    """Give the protected request that writes (the benches are alike each time they are made)."""
    return bench_of(form).client.send(WRITE)


def mutate(octets: bytes, mutations: list[tuple[int, int]]) -> bytes:
    changed = bytearray(octets)
    for position, mask in mutations:
        changed[position % len(changed)] ^= mask
    return bytes(changed)


@BOUNDED
@given(st.sampled_from(FORMS), st.lists(MUTATION, min_size=1, max_size=4))
def test_no_tampered_request_is_acted_on(form: tuple[Any, ...], mutations: list[tuple[int, int]]) -> None:
    request = write_request(form)
    tampered = mutate(request, mutations)
    assume(tampered != request)
    bench = bench_of(form)
    answer = bench.raw(tampered)
    assert bench.device.written == {}
    assert answer is None or answer[0] in (0xD8, 0x61, 0x63)  # refused, or by chance an association or a release
    assert bench.device.events or bench.server.state is not ServerState.ASSOCIATED


@BOUNDED
@given(st.sampled_from(FORMS), st.integers(1, 60))
def test_no_truncated_request_is_acted_on(form: tuple[Any, ...], cut: int) -> None:
    request = write_request(form)
    bench = bench_of(form)
    bench.raw(request[: max(1, len(request) - cut)])
    assert bench.device.written == {}


@BOUNDED
@given(st.sampled_from(FORMS), st.lists(st.integers(0, 3), max_size=6))
def test_replays_are_acted_on_once(form: tuple[Any, ...], order: list[int]) -> None:
    bench = bench_of(form)
    requests: list[bytes] = []
    for _ in range(4):
        requests.append(bench.client.send(Action(ECHO, encode_visible_string("x"))))
        bench.client.receive(bench.raw(requests[-1]) or b"")
    for number in order:
        bench.raw(requests[number])
    assert len(bench.device.invoked) == 4
    assert len(bench.device.events) == len(order)


@BOUNDED
@given(st.sampled_from(FORMS), st.lists(MUTATION, min_size=1, max_size=4))
def test_no_tampered_answer_is_believed(form: tuple[Any, ...], mutations: list[tuple[int, int]]) -> None:
    bench = bench_of(form)
    answer = bench.raw(bench.client.send(Get(ENERGY))) or b""
    tampered = mutate(answer, mutations)
    assume(tampered != answer and tampered[0] not in (0x0F, 0xC2, 0xD8))  # these may come unprotected, and say so
    try:
        events = bench.client.receive(tampered)
    except (PeerError, SecurityError):
        assert bench.client.state is ClientState.BROKEN
    else:
        assert events == []


@BOUNDED
@given(st.sampled_from(FORMS), st.binary(max_size=300))
def test_garbage_changes_nothing_but_the_record(form: tuple[Any, ...], garbage: bytes) -> None:
    assume(garbage)
    bench = bench_of(form)
    bench.raw(bytes((0xDD, 0xDF, 0xDB, 0xC8, 0xD0)[len(garbage) % 5 : len(garbage) % 5 + 1]) + garbage)
    bench.raw(garbage)
    assert bench.device.written == {}
    assert bench.device.invoked == []


@BOUNDED
@given(st.sampled_from(tuple(Mechanism)[2:]), st.binary(min_size=1, max_size=120), st.booleans())
def test_garbage_in_place_of_a_proof_proves_nothing(mechanism: Mechanism, garbage: bytes, as_action: bool) -> None:
    bench = make_bench(SUITE_1, mechanism, Protection.NONE)
    bench.client.receive(bench.raw(bench.client.send(Associate())) or b"")
    head = bytes.fromhex("c301c1000f0000280000ff0101") + b"\x09" + bytes((len(garbage),)) if as_action else b""
    bench.raw(head + garbage)
    assert bench.server.state is not ServerState.ASSOCIATED
    assert not bench.server.is_proved
    assert bench.device.opened == []


@BOUNDED
@given(st.sampled_from(tuple(Mechanism)[2:]), st.lists(MUTATION, min_size=1, max_size=3))
def test_a_tampered_proof_proves_nothing(mechanism: Mechanism, mutations: list[tuple[int, int]]) -> None:
    bench = make_bench(SUITE_1, mechanism)
    bench.client.receive(bench.raw(bench.client.send(Associate())) or b"")
    (proof,) = bench.client.take_output()
    tampered = mutate(proof, mutations)
    assume(tampered != proof)
    bench.raw(tampered)
    assert bench.device.opened == []


@given(st.binary(max_size=400))
def test_general_apdus_read_garbage_with_our_errors_alone(garbage: bytes) -> None:
    for reader, tag in ((GeneralCiphering.from_bytes, b"\xdd"), (GeneralSigning.from_bytes, b"\xdf")):
        for octets in (garbage, tag + garbage):
            try:
                message = reader(octets)
            except PeerError:
                continue
            assert reader(message.to_bytes()) == message


HEADERS = st.builds(
    GeneralHeader,
    transaction_id=st.binary(max_size=255),
    originator=st.sampled_from([b"", b"MWK00001"]),
    recipient=st.sampled_from([b"", b"MWK00002"]),
    date_time=st.sampled_from([b"", bytes(12)]),
    other_information=st.binary(max_size=255),
)
KEY_INFOS = st.one_of(
    st.none(),
    st.builds(IdentifiedKey, st.integers(0, 255)),
    st.builds(WrappedKey, st.binary(max_size=300), st.integers(0, 255)),
    st.builds(AgreedKey, st.integers(0, 255), st.binary(max_size=300)),
)


@given(HEADERS, KEY_INFOS, st.integers(0, 255), st.integers(0, 0xFFFF_FFFF), st.binary(max_size=300))
def test_general_ciphering_round_trips(header: Any, info: Any, control: int, counter: int, body: bytes) -> None:
    message = GeneralCiphering(header=header, key_info=info, control=control, counter=counter, body=body)
    assert GeneralCiphering.from_bytes(message.to_bytes()) == message


@given(HEADERS, st.binary(max_size=300), st.binary(max_size=255))
def test_general_signing_round_trips(header: Any, content: bytes, signature: bytes) -> None:
    message = GeneralSigning(header=header, content=content, signature=signature)
    assert GeneralSigning.from_bytes(message.to_bytes()) == message
    assert message.to_bytes()[1:].startswith(message.signed_with_length)


@given(
    st.sampled_from([0, 1, 2]), st.sampled_from([0x10, 0x20, 0x30]), st.integers(0, 0xFFFF_FFFE),
    st.binary(max_size=600), st.binary(max_size=40),
)  # fmt: skip
def test_every_suite_opens_what_it_protected(suite: int, bits: int, counter: int, apdu: bytes, header: bytes) -> None:
    size = 32 if suite == SUITE_2 else 16
    cipher = ApduCipher(bytes(range(size)), bytes(range(100, 100 + size)), suite)
    protected = cipher.protect(bits, b"MWK00001", counter, apdu, header)
    assert cipher.unprotect(protected[0], b"MWK00001", counter, protected[5:], header) == apdu


@given(st.integers(0, 63), st.integers(0, 63))
def test_policies_are_ordered_by_what_they_ask_for(new: int, old: int) -> None:
    asked = [protection_of_policy(policy << 2, 1) for policy in (new, old)]
    assert policy_of_protection(*asked[0], version=1) == new << 2
    assert is_weaker_policy(new << 2, old << 2, 1) is any(ours & ~theirs for theirs, ours in zip(*asked, strict=True))


NUMBERS = st.one_of(st.none(), st.integers(0, 0xFFFF_FFFF))
OCTETS = st.one_of(st.none(), st.binary(max_size=200))


@given(OCTETS, NUMBERS, OCTETS, NUMBERS, OCTETS)
def test_rare_fields_come_back(title: Any, called: Any, qualifier: Any, user: Any, information: Any) -> None:
    values = {
        "called_title": title, "called_ae_invocation_id": called, "calling_qualifier": qualifier,
        "calling_ae_invocation_id": user, "implementation_information": information,
    }  # fmt: skip
    present = {name: value for name, value in values.items() if value is not None}
    request = AssociationRequest(context=1, user_information=None, others=request_fields(**present))
    again = AssociationRequest.from_bytes(request.to_bytes())
    assert again.to_bytes() == request.to_bytes()
    assert again.user_id == user
    for name, value in present.items():
        octets = again.field(name)
        assert (int.from_bytes(octets or b"", "big") if isinstance(value, int) else octets) == value


@given(st.binary(max_size=120))
def test_association_apdus_and_ciphered_ones_read_garbage_with_our_errors_alone(garbage: bytes) -> None:
    outcomes: list[str] = []
    for tag, reader in (
        (b"\x60", AssociationRequest.from_bytes),
        (b"\x61", AssociationResponse.from_bytes),
        (b"\xc8", split_ciphered),
        (b"\xdb", split_ciphered),
    ):
        try:
            message: Any = reader(tag + bytes((len(garbage),)) + garbage)
            if isinstance(message, AssociationRequest):
                _ = message.user_id, message.field("called_title"), message.field("calling_qualifier")
            outcomes.append("read")
        except (PeerError, StateError):
            outcomes.append("refused")
    assert len(outcomes) == 4
