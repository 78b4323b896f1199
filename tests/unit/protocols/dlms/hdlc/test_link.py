"""Links: opening, windows, segments, repetition, refusal, silence, and several clients on one line."""

from collections.abc import Callable

import pytest
from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import ENERGY, LONG_VALUE, NAME, NOTE
from tests.unit.protocols.dlms.hdlc.line import Fault, Line, frames_of

from meterworks.protocols.dlms import (
    Associate,
    AssociationOpened,
    ClientConnection,
    ClientEvent,
    CountUp,
    Get,
    NotificationReceived,
    Release,
    Set,
    ValueReceived,
)
from meterworks.protocols.dlms.hdlc import (
    HdlcAddress,
    HdlcFrame,
    HdlcFraming,
    HdlcSettings,
    LinkParameters,
    encode_push,
)
from meterworks.protocols.errors import EncodeError, LinkLost, StateError, UnlawfulMessage

WIDE = LinkParameters(information_transmit_max=512, information_receive_max=512, window_transmit=7, window_receive=7)
PHYSICAL = HdlcSettings(physical=17)
CLIENT, WRITER, SERVER = HdlcAddress(16), HdlcAddress(3), HdlcAddress(1, 17, 2)
GET_ENERGY = bytes.fromhex("e6e600") + b"\xc0\x01\xc1" + ENERGY.to_bytes() + b"\x00"


def opened(line: Line) -> Line:
    assert isinstance(line.execute(Associate())[-1], AssociationOpened)
    return line


def value_in(events: list[ClientEvent]) -> bytes:
    assert isinstance(events[-1], ValueReceived)
    assert isinstance(events[-1].result, bytes)
    return events[-1].result


def dropping(*numbers: int) -> Fault:
    """Lose frames by their number, from 0."""
    count = -1

    def fault(frame: bytes) -> list[bytes]:
        nonlocal count
        count += 1
        return [] if count in numbers else [frame]

    return fault


def every(period: int, fault: Callable[[bytes], list[bytes]]) -> Fault:
    count = 0

    def maybe(frame: bytes) -> list[bytes]:
        nonlocal count
        count += 1
        return [frame] if count % period else fault(frame)

    return maybe


def spoiled(frame: bytes) -> list[bytes]:
    return [frame[:-3] + bytes((frame[-3] ^ 0xFF,)) + frame[-2:]]


# --- opening --------------------------------------------------------------------------------------------------------


def test_link_opens_before_the_first_apdu() -> None:
    line = opened(Line(PHYSICAL))
    assert [frame.control for frame in line.passed] == [0x93, 0x73, 0x10, 0x30]
    assert line.passed[0] == HdlcFrame(SERVER, CLIENT, 0x93)


@pytest.mark.parametrize(
    ("settings", "server"),
    [
        (HdlcSettings(), HdlcAddress(1)),
        (HdlcSettings(physical=17), HdlcAddress(1, 17, 2)),
        (HdlcSettings(physical=17, address_size=4), HdlcAddress(1, 17, 4)),
        (HdlcSettings(physical=1700), HdlcAddress(1, 1700, 4)),
    ],
)
def test_answer_has_the_address_that_the_request_had(settings: HdlcSettings, server: HdlcAddress) -> None:
    line = opened(Line(settings))
    assert {frame.source for frame in line.passed} == {CLIENT, server}
    assert line.passed[1].source == server


def test_both_ends_keep_to_the_smaller_sizes() -> None:
    small = LinkParameters(information_transmit_max=64, information_receive_max=48, window_transmit=2)
    settings = HdlcSettings(parameters=WIDE)
    line = opened(Line(settings, server_settings=HdlcSettings(parameters=small), client_sap=WRITER.upper))
    line.execute(Set(NOTE, b"\x09\x82\x01\x00" + bytes(256)))
    numbered = [frame for frame in line.passed if not frame.control & 1]
    assert max(len(frame.information) for frame in numbered if frame.source == WRITER) == 48
    assert max(len(frame.information) for frame in numbered if frame.source != WRITER) <= 64


def test_server_without_parameters_gets_the_default_ones() -> None:
    client = ClientConnection(
        settings_for(16), CountUp(1), bytes, framing=HdlcFraming(HdlcSettings(physical=17, parameters=WIDE))
    )
    client.send(Associate())
    client.data_to_send()
    client.receive(HdlcFrame(CLIENT, SERVER, 0x73).to_bytes())
    (request,) = frames_of(client.data_to_send())
    assert len(request.information) <= 128


@pytest.mark.parametrize(("control", "reason"), [(0x1F, "refused"), (0x97, "refused")])
def test_server_that_refuses_a_link_is_named(control: int, reason: str) -> None:
    client = ClientConnection(settings_for(16), CountUp(1), bytes, framing=HdlcFraming(PHYSICAL))
    client.send(Associate())
    with pytest.raises(LinkLost, match=reason):
        client.receive(HdlcFrame(CLIENT, SERVER, control).to_bytes())
    with pytest.raises(StateError):
        client.send(Associate())
    assert client.close() == b""


def test_address_that_does_not_fit_is_refused_at_once() -> None:
    with pytest.raises(EncodeError):
        ClientConnection(settings_for(16, server_sap=300), CountUp(1), bytes, framing=HdlcFraming(HdlcSettings()))


# --- transfer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [128, 1000])
def test_long_values_pass_both_ways(window: int, size: int) -> None:
    parameters = LinkParameters(
        information_transmit_max=size, information_receive_max=size, window_transmit=window, window_receive=window
    )
    line = opened(Line(HdlcSettings(physical=17, parameters=parameters), client_sap=WRITER.upper))
    note = b"\x09\x82\x0f\xa0" + bytes(range(250)) * 16
    line.execute(Set(NOTE, note))
    assert value_in(line.execute(Get(NOTE))) == note
    polls = [frame for frame in line.passed if frame.source == WRITER and frame.control & 0x10]
    assert len(polls) < 14 + 2 * 4000 / (size * window)


def test_transfer_goes_on_where_frames_were_lost() -> None:
    line = opened(Line(HdlcSettings(parameters=WIDE)))
    line.to_client = dropping(1, 3, 8, 9, 20, 21, 22)
    line.to_server = dropping(2, 5, 6)
    assert len(value_in(line.execute(Get(LONG_VALUE)))) > 262_144


@pytest.mark.parametrize("window", [1, 3, 7])
@pytest.mark.parametrize("fault", [lambda _frame: [], lambda frame: [frame, frame], spoiled])
def test_lost_repeated_and_altered_frames_cost_only_time(window: int, fault: Fault) -> None:
    parameters = LinkParameters(window_transmit=window, window_receive=window)
    line = opened(Line(HdlcSettings(physical=17, parameters=parameters), client_sap=WRITER.upper))
    line.to_server, line.to_client = every(5, fault), every(7, fault)
    note = b"\x09\x82\x04\x00" + bytes(range(256)) * 4
    line.execute(Set(NOTE, note))
    assert value_in(line.execute(Get(NOTE))) == note


def test_answer_that_comes_twice_does_not_double_what_follows() -> None:
    line = opened(Line(PHYSICAL))
    line.to_client = lambda frame: [frame, frame]
    before = len(line.passed)
    for _ in range(5):
        value_in(line.execute(Get(ENERGY)))
    assert len(line.passed) - before == 10


def test_server_that_never_answers_is_given_up() -> None:
    line = Line(HdlcSettings(physical=17, response_timeout_s=2.0, retries_max=3))
    line.to_server = lambda _frame: []
    with pytest.raises(LinkLost, match="4 times within 2 s"):
        line.execute(Associate())
    assert line.now == 8.0
    assert len(line.passed) == 4
    with pytest.raises(LinkLost):
        line.client.advance(line.now)


def test_server_that_takes_nothing_is_given_up() -> None:
    line = opened(Line(HdlcSettings(physical=17, parameters=LinkParameters(window_transmit=2, window_receive=2))))
    deaf = HdlcFrame(CLIENT, SERVER, 0x31).to_bytes()  # it acknowledges what came before, and nothing after
    line.to_server = lambda _frame: []
    line.to_client = lambda _frame: []
    line.client.send(Set(NOTE, bytes.fromhex("0981c8") + bytes(200)))
    with pytest.raises(LinkLost, match="takes none"):
        for _ in range(10):
            line.client.data_to_send()
            line.client.receive(deaf)


def test_false_acknowledgement_breaks_the_link() -> None:
    line = opened(Line(PHYSICAL))
    line.client.send(Get(ENERGY))
    with pytest.raises(UnlawfulMessage, match="not sent"):
        line.client.receive(HdlcFrame(CLIENT, SERVER, 0xD1).to_bytes())


def test_server_without_room_is_asked_again_later() -> None:
    line = opened(Line(PHYSICAL))
    line.client.send(Get(ENERGY), 10.0)
    line.client.data_to_send()
    line.client.receive(HdlcFrame(CLIENT, SERVER, 0x35).to_bytes(), 10.0)  # RNR: the request itself was not taken
    assert line.client.data_to_send() == b""
    deadline = line.client.next_deadline()
    assert deadline is not None
    assert 10.0 < deadline < 11.0
    line.client.advance(deadline)
    (poll,) = frames_of(line.client.data_to_send())
    assert poll == HdlcFrame(SERVER, CLIENT, 0x31)
    line.client.receive(HdlcFrame(CLIENT, SERVER, 0x31).to_bytes(), deadline)
    (request,) = frames_of(line.client.data_to_send())
    assert request.information == GET_ENERGY


def test_server_without_an_answer_yet_is_asked_again_later() -> None:
    line = opened(Line(PHYSICAL))
    line.client.send(Get(ENERGY), 10.0)
    line.client.data_to_send()
    line.client.receive(HdlcFrame(CLIENT, SERVER, 0x51).to_bytes(), 10.0)
    deadline = line.client.next_deadline()
    assert deadline is not None
    line.client.advance(deadline)
    assert frames_of(line.client.data_to_send()) == [HdlcFrame(SERVER, CLIENT, 0x31)]


def test_frame_reject_and_disconnected_mode_end_the_link() -> None:
    for control in (0x97, 0x1F):
        line = opened(Line(PHYSICAL))
        line.client.send(Get(ENERGY))
        with pytest.raises(LinkLost):
            line.client.receive(HdlcFrame(CLIENT, SERVER, control, b"\x10\x00\x01"[: 3 * (control == 0x97)]).to_bytes())


def test_talk_of_others_and_our_own_echo_are_passed_over() -> None:
    line = opened(Line(PHYSICAL))
    sent = line.client.send(Get(ENERGY))
    others = (
        HdlcFrame(HdlcAddress(32), SERVER, 0x97).to_bytes() + HdlcFrame(CLIENT, HdlcAddress(1, 18, 2), 0x97).to_bytes()
    )
    assert line.client.receive(sent + others) == []
    assert value_in(line.client.receive(line.server.receive(sent)))


def test_push_between_answers_is_heard() -> None:
    line = opened(Line(PHYSICAL))
    push = encode_push(bytes.fromhex("0f000000010011ff"), HdlcAddress(1, 17, 2), HdlcAddress(103))
    (event,) = line.client.receive(push)
    assert isinstance(event, NotificationReceived)


# --- ending ---------------------------------------------------------------------------------------------------------


def test_close_says_so() -> None:
    line = opened(Line(PHYSICAL))
    line.execute(Release())
    (last,) = frames_of(line.client.close())
    assert last == HdlcFrame(SERVER, CLIENT, 0x53)
    assert frames_of(line.server.receive(last.to_bytes())) == [HdlcFrame(CLIENT, SERVER, 0x73)]
    assert frames_of(line.server.receive(last.to_bytes())) == [HdlcFrame(CLIENT, SERVER, 0x1F)]


def test_association_ends_with_its_link() -> None:
    line = opened(Line(PHYSICAL))
    line.server.receive(HdlcFrame(SERVER, CLIENT, 0x93).to_bytes())  # the link is opened anew
    (answer,) = frames_of(line.server.receive(HdlcFrame(SERVER, CLIENT, 0x10, GET_ENERGY).to_bytes()))
    assert answer.information[3:4] == b"\xd8"  # an exception: there is no association any more


def test_silence_ends_a_link() -> None:
    line = opened(Line(HdlcSettings(physical=17, inactivity_s_max=120.0)))
    assert line.server.next_deadline() == 120.0
    assert line.server.advance(119.9) == b""
    line.server.advance(120.0)
    assert line.server.next_deadline() is None
    answer = line.server.receive(HdlcFrame(SERVER, CLIENT, 0x32, GET_ENERGY).to_bytes(), 121.0)
    assert frames_of(answer) == [HdlcFrame(CLIENT, SERVER, 0x1F)]


# --- the server and strange frames ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        (HdlcFrame(SERVER, CLIENT, 0x1E, GET_ENERGY), ""),  # a number that is not the next: ready for that one
        (HdlcFrame(SERVER, CLIENT, 0xF1), "97"),  # acknowledges what was not sent
        (HdlcFrame(SERVER, CLIENT, 0xBF), "97"),  # XID, which COSEM does not use
        (HdlcFrame(SERVER, CLIENT, 0x32, bytes(129)), "97"),  # more information than agreed
        (HdlcFrame(SERVER, CLIENT, 0x02, GET_ENERGY), None),  # it is still the client's turn
        (HdlcFrame(HdlcAddress(1, 18, 2), CLIENT, 0x93), None),
        (HdlcFrame(HdlcAddress(0, 0, 2), CLIENT, 0x93), None),
        (HdlcFrame(HdlcAddress(127, 127, 2), CLIENT, 0x93), None),
        (HdlcFrame(SERVER, CLIENT, 0x1F), None),
        (HdlcFrame(SERVER, HdlcAddress(32), 0x32, GET_ENERGY), "1f"),  # a client without a link
    ],
)
def test_server_answers_strange_frames_as_it_should(frame: HdlcFrame, answer: str | None) -> None:
    line = opened(Line(PHYSICAL))
    answers = [f"{each.control:02x}" for each in frames_of(line.server.receive(frame.to_bytes()))]
    expected = [] if answer is None else [answer or "30"]  # unacknowledged information is sent again
    assert answers == expected


def test_rejected_frame_leaves_only_opening_anew() -> None:
    line = opened(Line(PHYSICAL))
    line.server.receive(HdlcFrame(SERVER, CLIENT, 0xBF).to_bytes())
    (again,) = frames_of(line.server.receive(HdlcFrame(SERVER, CLIENT, 0x32, GET_ENERGY).to_bytes()))
    assert again.control == 0x97
    (accepted,) = frames_of(line.server.receive(HdlcFrame(SERVER, CLIENT, 0x93).to_bytes()))
    assert accepted.control == 0x73


def test_client_without_room_gets_no_information() -> None:
    line = opened(Line(PHYSICAL))
    assert frames_of(line.server.receive(HdlcFrame(SERVER, CLIENT, 0x35).to_bytes())) == [
        HdlcFrame(CLIENT, SERVER, 0x31)
    ]


def test_unnumbered_information_is_not_answered() -> None:
    line = opened(Line(PHYSICAL))
    get_name = bytes.fromhex("e6e600") + b"\xc0\x01\xc1" + NAME.to_bytes() + b"\x00"
    assert line.server.receive(HdlcFrame(SERVER, CLIENT, 0x03, get_name).to_bytes()) == b""
    broadcast = HdlcFrame(HdlcAddress(127, 127, 2), CLIENT, 0x03, get_name)
    assert line.server.receive(broadcast.to_bytes()) == b""
    # And the numbers go on as before: what is answered next is what was asked next.
    assert value_in(line.execute(Get(ENERGY))) == line.device.values[ENERGY]


def test_more_frames_than_the_window_are_not_taken() -> None:
    line = opened(Line(PHYSICAL))
    segments = [HdlcFrame(SERVER, CLIENT, octet, b"\xe6\xe6\x00", segmented=True) for octet in (0x22, 0x24, 0x36)]
    answer = line.server.receive(b"".join(segment.to_bytes() for segment in segments))
    assert frames_of(answer) == [HdlcFrame(CLIENT, SERVER, 0x55)]  # no room: the first was taken, the others were not


def test_repetitions_are_counted_anew_with_each_frame_that_arrives() -> None:
    line = opened(Line(HdlcSettings(physical=17, retries_max=1)))
    line.to_server = every(4, lambda _frame: [])
    assert len(value_in(line.execute(Get(LONG_VALUE)))) > 262_144


def test_clients_on_one_line_do_not_disturb_one_another() -> None:
    line = opened(Line(PHYSICAL))
    other = ClientConnection(settings_for(2), CountUp(100), lambda size: b"C" * size, framing=HdlcFraming(PHYSICAL))
    output = other.send(Associate())
    while output:
        answer = line.server.receive(output)
        assert line.client.receive(answer) == []  # it hears all of it
        other.receive(answer)
        output = other.data_to_send()
    mine = line.client.send(Get(ENERGY))
    others = other.send(Get(LONG_VALUE))
    answers = line.server.receive(mine + others)
    assert value_in(line.client.receive(answers))
    other.receive(answers)
    assert value_in(line.execute(Get(ENERGY)))


def test_more_clients_than_places_are_refused_until_one_leaves() -> None:
    server = Line(PHYSICAL).server
    controls = []
    for client in range(20, 25):
        (answer,) = frames_of(server.receive(HdlcFrame(SERVER, HdlcAddress(client), 0x93).to_bytes()))
        controls.append(answer.control)
    assert controls == [0x73, 0x73, 0x73, 0x73, 0x1F]
    server.receive(HdlcFrame(SERVER, HdlcAddress(20), 0x53).to_bytes())
    (answer,) = frames_of(server.receive(HdlcFrame(SERVER, HdlcAddress(24), 0x93).to_bytes()))
    assert answer.control == 0x73


def test_requests_without_an_end_do_not_fill_the_memory() -> None:
    line = opened(Line(HdlcSettings(physical=17)))
    get_long = bytes.fromhex("e6e600") + b"\xc0\x01\xc1" + LONG_VALUE.to_bytes() + b"\x00"
    refused = 0
    for number in range(1, 60):  # a client that asks on and never listens
        answer = line.server.receive(HdlcFrame(SERVER, CLIENT, 0x30 | (number % 8) << 1, get_long).to_bytes())
        refused += any(frame.control & 0x0F == 0x05 for frame in frames_of(answer))
    assert refused
