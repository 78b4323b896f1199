"""Servers and clients with all services on, fed with requests and answers that were bent: only our own errors, no state
confusion, no frame larger than agreed, and nothing done before the proof."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.dlms.example_device import CLOCK, ECHO, ENERGY, NOTE
from tests.unit.protocols.dlms.named_device import (
    CIPHERED,
    ECHO_NAME,
    ENERGY_NAME,
    NOTE_NAME,
    PLAIN,
    Pair,
    pair,
)

from meterworks.errors import MeterworksError
from meterworks.protocols.dlms import (
    FULL_CONFORMANCE,
    SHORT_NAME_CONFORMANCE,
    Access,
    AccessAction,
    AccessGet,
    AccessSet,
    Associate,
    ClientState,
    Command,
    Conformance,
    GeneralBlock,
    Get,
    Parameterised,
    Read,
    Set,
    UnconfirmedWrite,
    Variable,
    Write,
    encode_octet_string,
    encode_wrapper,
)

MAX_PDU = 128
GENERAL = Conformance.GENERAL_BLOCK_TRANSFER
LONG = encode_octet_string(bytes(400))
LOGICAL: tuple[Command, ...] = (
    Get(ENERGY),
    Set(NOTE, LONG),
    Access((AccessGet(CLOCK), AccessSet(NOTE, b"\x0a\x01x"), AccessAction(ECHO, b"\x11\x01"))),
)
BY_NAME: tuple[Command, ...] = (
    Read((Variable(ENERGY_NAME), Parameterised(ECHO_NAME, 0, LONG))),
    Write(((Variable(NOTE_NAME), LONG),)),
    UnconfirmedWrite(((Variable(NOTE_NAME), b"\x0a\x01y"),)),
)
changes = st.lists(
    st.tuples(st.sampled_from(["overwrite", "insert", "cut"]), st.integers(0, 300), st.binary(min_size=1, max_size=4)),
    max_size=3,
)


def bent(octets: bytes, how: list[tuple[str, int, bytes]]) -> bytes:
    """Change an APDU; it keeps at least one octet."""
    for kind, at, new in how:
        at %= max(len(octets), 1)
        if kind == "cut":
            octets = octets[: max(at, 1)]
        else:
            octets = octets[:at] + new + octets[at + (len(new) if kind == "overwrite" else 0) :]
    return octets or b"\x00"


def frames(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = int.from_bytes(data[6:8], "big")
        found.append(data[8 : 8 + size])
        data = data[8 + size :]
    return found


def opened(short_names: bool, general: bool) -> Pair:
    conformance = (SHORT_NAME_CONFORMANCE if short_names else FULL_CONFORMANCE) & ~GENERAL
    ends = pair(PLAIN, conformance | (GENERAL if general else Conformance(0)), short_names=short_names, max_pdu=MAX_PDU)
    ends.do(Associate())
    return ends


@settings(max_examples=120, deadline=None)
@given(
    short_names=st.booleans(),
    general=st.booleans(),
    which=st.integers(0, 2),
    how=st.lists(changes, min_size=1, max_size=4),
)
def test_server_survives_bent_requests(short_names: bool, general: bool, which: int, how: Any) -> None:
    ends = opened(short_names, general)
    command = (BY_NAME if short_names else LOGICAL)[which]
    for request, bend in zip(frames(ends.client.send(command)) * 2, how, strict=False):
        for answer in frames(ends.server.receive(encode_wrapper(PLAIN, 1, bent(request, bend)))):
            assert len(answer) <= MAX_PDU
    assert not ends.server.closed
    fresh = pair(PLAIN, SHORT_NAME_CONFORMANCE if short_names else FULL_CONFORMANCE, short_names=short_names)
    fresh.server = ends.server  # whoever comes next is served as ever
    assert fresh.do(Associate())


@settings(max_examples=120, deadline=None)
@given(short_names=st.booleans(), general=st.booleans(), which=st.integers(0, 2), bend=changes)
def test_client_survives_bent_answers(short_names: bool, general: bool, which: int, bend: Any) -> None:
    ends = opened(short_names, general)
    data = ends.client.send((BY_NAME if short_names else LOGICAL)[which])
    for _ in range(20):
        answers = frames(ends.server.receive(data))
        try:
            for answer in answers:
                ends.client.receive(encode_wrapper(1, PLAIN, bent(answer, bend)))
            data = ends.client.data_to_send()
        except MeterworksError:
            assert ends.client.state is ClientState.BROKEN
            return
        if not data:
            return


@settings(max_examples=60, deadline=None)
@given(apdus=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4), in_block=st.booleans())
def test_nothing_is_done_before_the_proof(apdus: list[bytes], in_block: bool) -> None:
    ends = pair(CIPHERED, FULL_CONFORMANCE, max_pdu=MAX_PDU)
    ends.server.receive(ends.client.send(Associate()))
    before = dict(ends.device.values)
    for apdu in apdus:
        sent = GeneralBlock(True, False, 1, 1, 0, apdu).to_bytes() if in_block else apdu
        ends.server.receive(encode_wrapper(CIPHERED, 1, sent))
    assert not ends.server.is_proved
    assert (ends.device.values, ends.device.invoked) == (before, [])
