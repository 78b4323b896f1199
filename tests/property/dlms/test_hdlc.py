"""HDLC under any fragmentation, noise, loss and garbage: data intact, or an error of ours, in bounded memory."""

import contextlib
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import NOTE, ExampleDevice
from tests.unit.protocols.dlms.hdlc.line import Fault, Line

from meterworks.errors import MeterworksError
from meterworks.protocols.dlms import Associate, ClientConnection, CountUp, Get, ServerConnection, Set, ValueReceived
from meterworks.protocols.dlms.hdlc import (
    HdlcAddress,
    HdlcFrame,
    HdlcFraming,
    HdlcPushReader,
    HdlcReader,
    HdlcSettings,
    LinkParameters,
    encode_push,
    read_parameters,
)

MODEST = settings(max_examples=60, deadline=None)
FEW = settings(max_examples=25, deadline=None)

addresses = st.one_of(
    st.builds(HdlcAddress, st.integers(0, 127)),
    st.builds(HdlcAddress, st.integers(0, 127), st.integers(0, 127), st.just(2)),
    st.builds(HdlcAddress, st.integers(0, 16383), st.integers(0, 16383), st.just(4)),
)
frames = st.builds(
    HdlcFrame, addresses, addresses, st.integers(0, 255), st.binary(max_size=300), segmented=st.booleans()
)
sizes = st.integers(32, 400)
windows = st.integers(1, 7)
parameters = st.builds(
    LinkParameters,
    information_transmit_max=sizes,
    information_receive_max=sizes,
    window_transmit=windows,
    window_receive=windows,
)


def pieces(octets: bytes, seed: int) -> list[bytes]:
    """Cut octets anywhere."""
    chance = random.Random(seed)
    cuts = sorted(chance.randrange(len(octets) + 1) for _ in range(chance.randrange(8)))
    return [octets[start:end] for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True)]


@MODEST
@given(frames)
def test_frames_go_round(frame: HdlcFrame) -> None:
    assert HdlcFrame.from_bytes(frame.to_bytes()) == frame


@MODEST
@given(parameters)
def test_parameters_go_round(given_parameters: LinkParameters) -> None:
    assert read_parameters(given_parameters.to_bytes()) == given_parameters


@MODEST
@given(st.binary(max_size=200))
def test_parameters_of_any_octets_are_lawful(octets: bytes) -> None:
    agreed = LinkParameters().agreed_with(read_parameters(b"\x81\x80" + octets))
    assert read_parameters(agreed.to_bytes()) == agreed


@MODEST
@given(st.lists(frames, max_size=6), st.integers())
def test_frames_come_out_of_any_fragments(given_frames: list[HdlcFrame], seed: int) -> None:
    reader = HdlcReader()
    found = []
    for piece in pieces(b"".join(frame.to_bytes() for frame in given_frames), seed):
        reader.feed(piece)
        while (frame := reader.next_frame()) is not None:
            found.append(frame)
    assert found == given_frames


@MODEST
@given(st.lists(st.one_of(st.binary(max_size=40), frames), max_size=8), st.integers())
def test_noise_makes_no_frames_and_fills_no_memory(talk: list[bytes | HdlcFrame], seed: int) -> None:
    octets = b"".join(each if isinstance(each, bytes) else each.to_bytes() for each in talk)
    said = [each for each in talk if isinstance(each, HdlcFrame)]
    reader = HdlcReader()
    for piece in pieces(octets, seed):
        reader.feed(piece)
        while (frame := reader.next_frame()) is not None:
            assert frame in said
        assert reader.size <= 2049


@MODEST
@given(st.binary(min_size=1, max_size=2000), addresses, addresses, st.integers(40, 900), st.integers())
def test_pushes_come_out_of_any_fragments(
    apdu: bytes, source: HdlcAddress, destination: HdlcAddress, size: int, seed: int
) -> None:
    reader = HdlcPushReader()
    found = []
    for piece in pieces(encode_push(apdu, source, destination, information_max=size), seed):
        reader.feed(piece)
        while (push := reader.next_push()) is not None:
            found.append(push.apdu)
    assert found == [apdu]


def faulty(chance: random.Random, rate: float) -> Fault:
    """Lose, repeat, cut or alter some frames, and put noise between them."""

    def fault(frame: bytes) -> list[bytes]:
        if chance.random() > rate:
            return [frame]
        spoiled = bytearray(frame)
        spoiled[chance.randrange(len(frame))] ^= 1 << chance.randrange(8)
        noise = chance.randbytes(chance.randrange(20))
        return chance.choice([[], [frame, frame], [frame[: len(frame) // 2]], [bytes(spoiled)], [noise, frame, noise]])

    return fault


@FEW
@given(parameters, parameters, st.integers(0, 2**32), st.sampled_from([0.02, 0.1, 0.25]))
def test_bad_lines_cost_time_and_never_data(
    ours: LinkParameters, theirs: LinkParameters, seed: int, rate: float
) -> None:
    chance = random.Random(seed)
    line = Line(
        HdlcSettings(physical=17, parameters=ours, retries_max=8),
        server_settings=HdlcSettings(physical=17, parameters=theirs),
        client_sap=3,
    )
    line.to_server, line.to_client = faulty(chance, rate), faulty(chance, rate)
    note = b"\x09\x82\x07\xd0" + chance.randbytes(2000)
    try:
        line.execute(Associate())
        line.execute(Set(NOTE, note))
        events = line.execute(Get(NOTE))
    except MeterworksError:
        return  # given up, which is said
    value = events[-1]
    assert isinstance(value, ValueReceived)
    assert value.result == note


@MODEST
@given(st.lists(st.one_of(st.binary(max_size=60), frames), max_size=10), st.integers())
def test_links_meet_any_talk_with_nothing_but_our_errors(talk: list[bytes | HdlcFrame], seed: int) -> None:
    framing = HdlcFraming(HdlcSettings(physical=17))
    server = ServerConnection(ExampleDevice(), lambda size: b"S" * size, framing=framing)
    client = ClientConnection(settings_for(16), CountUp(1), lambda size: b"C" * size, framing=framing)
    server.receive(HdlcFrame(HdlcAddress(1, 17, 2), HdlcAddress(16), 0x93).to_bytes())
    client.send(Associate())
    now = 0.0
    for each in talk:
        now += 0.5
        octets = each if isinstance(each, bytes) else addressed(each, seed).to_bytes()
        server.receive(octets, now)
        with contextlib.suppress(MeterworksError):
            client.receive(octets, now)
            client.data_to_send(now)
            client.advance(now)
        server.advance(now)
    assert server.receive(HdlcFrame(HdlcAddress(1, 17, 2), HdlcAddress(99), 0x53).to_bytes(), now)


def addressed(frame: HdlcFrame, seed: int) -> HdlcFrame:
    """Give a frame the addresses of the two ends, in one of both orders."""
    client, server = HdlcAddress(16), HdlcAddress(1, 17, 2)
    source, destination = (client, server) if (seed ^ frame.control) & 4 else (server, client)
    return HdlcFrame(destination, source, frame.control, frame.information, frame.segmented)
