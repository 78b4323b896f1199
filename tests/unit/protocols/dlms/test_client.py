"""The client against servers that break the rules, and against its own caller."""

import pytest
from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import ECHO, ENERGY, METER_TITLE, NOTE, ExampleDevice

from meterworks.protocols.dlms import (
    Action,
    Associate,
    AssociationResponse,
    ClientConnection,
    ClientSettings,
    ClientState,
    Conformance,
    CountUp,
    ExceptionReceived,
    Get,
    GetList,
    Mechanism,
    NotificationReceived,
    Release,
    ServerConnection,
    Set,
    ValueReceived,
    encode_wrapper,
)
from meterworks.protocols.errors import (
    DecodeError,
    ProtectionError,
    StateError,
    TagError,
    UnlawfulMessage,
    WeakProtection,
)

SERVER_CHALLENGE = b"S" * 16
ENERGY_ANSWER = bytes.fromhex("c401c1000600000005")


def make(settings: ClientSettings) -> ClientConnection:
    return ClientConnection(settings, CountUp(10), lambda size: b"C" * size)


def opened(client_sap: int, **changes: object) -> tuple[ClientConnection, ServerConnection]:
    """Give a client in an open association, and its server."""
    client = make(settings_for(client_sap, **changes))
    server = ServerConnection(ExampleDevice(), lambda size: b"S" * size)
    waiting = client.send(Associate())
    while waiting:
        client.receive(server.receive(waiting))
        waiting = client.data_to_send()
    assert client.state is ClientState.READY
    return client, server


def answer(client: ClientConnection, apdu: bytes) -> list[object]:
    """Let an APDU arrive as if from the server."""
    settings = client.association.settings
    return list(client.receive(encode_wrapper(settings.server_sap, settings.client_sap, apdu)))


def response_to(client: ClientConnection, **changes: object) -> bytes:
    """Give the genuine AARE of the example meter, changed."""
    server = ServerConnection(ExampleDevice(), lambda size: SERVER_CHALLENGE[:size])
    genuine = AssociationResponse.from_bytes(server.receive(client.send(Associate()))[8:])
    facts = {name: getattr(genuine, name) for name in genuine.__slots__} | changes
    return AssociationResponse(**facts).to_bytes()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"authentication": b"C" * 16}, TagError),
        ({"authentication": b"short"}, UnlawfulMessage),
        ({"authentication": None}, UnlawfulMessage),
        ({"mechanism": 1}, WeakProtection),
        ({"mechanism": None}, WeakProtection),
        ({"diagnostic": 0}, WeakProtection),
        ({"context": 1}, WeakProtection),
        ({"responding_title": None}, ProtectionError),
        ({"responding_title": b"MWKheade"}, ProtectionError),
        ({"responding_title": b"MWKother"}, TagError),
        ({"user_information": bytes.fromhex("0800065f1f0400001e1d04c80007")}, WeakProtection),
        ({"user_information": None}, WeakProtection),
    ],
)
def test_answers_that_weaken_or_reflect_break_the_connection(
    changes: dict[str, object], error: type[Exception]
) -> None:
    client = make(settings_for(1))
    with pytest.raises(error):
        answer(client, response_to(client, **changes))
    assert client.state is ClientState.BROKEN
    assert client.data_to_send() == b""
    with pytest.raises(StateError):
        client.send(Get(ENERGY))
    with pytest.raises(error):
        client.receive(b"")


def test_another_meter_than_the_one_meant_is_refused() -> None:
    client = make(settings_for(1, server_title=b"MWKwants"))
    with pytest.raises(ProtectionError, match=METER_TITLE.hex()):
        answer(client, response_to(client))


def test_replayed_opening_of_the_server_is_refused() -> None:
    client = make(settings_for(1, server_counter_lowest=5_000))
    with pytest.raises(ProtectionError, match="used already"):
        answer(client, response_to(client))


def test_false_proof_of_the_server_is_refused() -> None:
    client = make(settings_for(4))
    answer(client, response_to(client))
    client.data_to_send()
    with pytest.raises(TagError):
        answer(client, bytes.fromhex("c701c1000100091110000003ea") + bytes(12))


def test_refused_proof_means_rejected() -> None:
    client = make(settings_for(4))
    answer(client, response_to(client))
    events = answer(client, b"\xc7\x01\xc1\x03\x00")
    assert type(events[0]).__name__ == "AssociationRejected"
    assert client.state is ClientState.IDLE


@pytest.mark.parametrize(
    ("apdu", "error"),
    [
        (b"\xc5\x01\xc1\x00", UnlawfulMessage),
        (b"\xc4\x01\xc2\x00\x11\x05", UnlawfulMessage),
        (b"\xc4\x01\xc1", DecodeError),
        (b"\xc4\x09\xc1\x00\x00", DecodeError),
        (b"\xc4\x03\xc1\x01\x00\x00", UnlawfulMessage),
        (bytes.fromhex("c402c1000000000200020900"), UnlawfulMessage),
        (bytes.fromhex("c402c1000000000100 84ffffffff"), DecodeError),
        (b"\x61\x00", UnlawfulMessage),
    ],
)
def test_unlawful_answers_break_the_connection(apdu: bytes, error: type[Exception]) -> None:
    client, _ = opened(16)
    client.send(Get(ENERGY))
    with pytest.raises(error):
        answer(client, apdu)
    assert client.state is ClientState.BROKEN


def test_plain_answer_on_a_ciphered_association_breaks_it() -> None:
    client, _ = opened(1)
    client.send(Get(ENERGY))
    with pytest.raises(WeakProtection):
        answer(client, ENERGY_ANSWER)


def test_answer_that_no_one_asked_for_breaks_the_connection() -> None:
    client, _ = opened(16)
    with pytest.raises(UnlawfulMessage, match="unasked"):
        answer(client, ENERGY_ANSWER)


def test_answer_before_the_break_is_given_first() -> None:
    client, _ = opened(16)
    client.send(Get(ENERGY))
    events = client.receive(encode_wrapper(1, 16, ENERGY_ANSWER) + b"GET / HTTP/1.1\r\n\r\n")
    assert events == [ValueReceived(bytes.fromhex("0600000005"))]
    assert client.state is ClientState.BROKEN
    with pytest.raises(UnlawfulMessage):
        client.receive(b"")


def test_exception_refuses_a_request_and_the_association_goes_on() -> None:
    client, server = opened(1)
    client.send(Get(ENERGY))
    assert answer(client, b"\xd8\x01\x02") == [ExceptionReceived(1, 2, None)]
    assert client.state is ClientState.READY
    waiting = client.send(Get(ENERGY))
    assert isinstance(client.receive(server.receive(waiting))[0], ValueReceived)


def test_push_in_between_is_told_and_disturbs_nothing() -> None:
    client, server = opened(2)
    waiting = client.send(Get(ENERGY))
    push = bytes.fromhex("0f000000010011ff")
    events = client.receive(encode_wrapper(1, 103, push) + server.receive(waiting))
    assert isinstance(events[0], NotificationReceived)
    assert not events[0].protected
    assert isinstance(events[1], ValueReceived)


def test_whatever_answers_a_release_means_released() -> None:
    for octets in ("6311800100be0f040e0800065f1f0400401e5d012c0007", "63", "d80101", "ffffff"):
        client, _ = opened(1)
        client.send(Release())
        events = answer(client, bytes.fromhex(octets))
        assert getattr(events[0], "clean", None) is False
        assert client.state is ClientState.IDLE


def test_commands_out_of_turn_are_refused_and_change_nothing() -> None:
    client = make(settings_for(16))
    for command in (Get(ENERGY), Release()):
        with pytest.raises(StateError):
            client.send(command)
    client, server = opened(16)
    with pytest.raises(StateError):
        client.send(Associate())
    waiting = client.send(Get(ENERGY))
    with pytest.raises(StateError):
        client.send(Get(ENERGY))
    assert isinstance(client.receive(server.receive(waiting))[0], ValueReceived)


def test_services_that_were_not_agreed_are_not_asked() -> None:
    client, _ = opened(16, conformance=Conformance.GET)
    for command in (GetList(((ENERGY, None),)), Set(NOTE, b"\x00"), Action(ECHO)):
        with pytest.raises(StateError, match="did not agree"):
            client.send(command)
    assert client.state is ClientState.READY


@pytest.mark.parametrize(
    "facts",
    [
        {"mechanism": Mechanism.GMAC},
        {"mechanism": Mechanism.GMAC, "guek": bytes(16), "gak": bytes(16)},
        {"mechanism": Mechanism.LOW},
        {"mechanism": Mechanism.MD5},
        {"guek": bytes(16), "gak": bytes(8), "system_title": bytes(8)},
        {"dedicated_key": bytes(16)},
        {"client_sap": 0},
        {"max_pdu": 70_000},
    ],
)
def test_settings_that_cannot_work_are_refused(facts: dict[str, object]) -> None:
    with pytest.raises(StateError):
        ClientSettings(**facts)  # type: ignore[arg-type]


def test_settings_do_not_show_their_keys() -> None:
    shown = repr(settings_for(1, dedicated_key=b"\x11" * 16, password=b"geheim"))
    assert "geheim" not in shown
    assert "\\x11" not in shown
    assert "guek" not in shown
