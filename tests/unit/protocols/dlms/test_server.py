"""The server: who is answered what, and what is recorded about whom."""

from collections.abc import Callable

import pytest
from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import CLIENT_TITLE, ENERGY, LONG_VALUE, METER_TITLE, NOTE, ExampleDevice

from meterworks.protocols.dlms import (
    Associate,
    AssociationRequest,
    AssociationResponse,
    AssociationSettings,
    ClientConnection,
    ClientSettings,
    CountUp,
    DataAccessResult,
    Get,
    Mechanism,
    Protection,
    Release,
    ServerConnection,
    ValueReceived,
    WrapperReader,
    encode_wrapper,
)
from meterworks.protocols.dlms.fault import ExceptionResponse
from meterworks.protocols.dlms.server import ASSOCIATIONS_MAX
from meterworks.protocols.dlms.server_association import FAILURES_MAX

GET_ENERGY = bytes.fromhex("c001c1000301000108 00ff0200")
NOT_ALLOWED = b"\xd8\x01\x01"


def challenges() -> Callable[[int], bytes]:
    """Give a source of octets that never repeats."""
    count = CountUp(1)
    return lambda size: count.next().to_bytes(size, "big")


class Pair:
    """A client and a server back to back."""

    def __init__(self, device: ExampleDevice, settings: ClientSettings, counter: CountUp | None = None) -> None:
        self.device = device
        self.settings = settings
        fresh = challenges()
        self.client = ClientConnection(settings, counter or CountUp(100), lambda size: b"C" + fresh(size - 1))
        self.server = ServerConnection(device, fresh)

    def run(self, command: Associate | Get | Release) -> list[object]:
        events: list[object] = []
        waiting = self.client.send(command)
        while waiting:
            events += self.client.receive(self.server.receive(waiting))
            waiting = self.client.data_to_send()
        return events

    def raw(self, apdu: bytes) -> bytes:
        """Send an APDU past the client; give the server's answer without its header."""
        return self.server.receive(encode_wrapper(self.settings.client_sap, 1, apdu))[8:]


@pytest.fixture
def device() -> ExampleDevice:
    return ExampleDevice()


def test_nothing_is_answered_without_an_association(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(16))
    assert pair.raw(GET_ENERGY) == NOT_ALLOWED
    assert device.events == [("unauthenticated-request", 16)]


@pytest.mark.parametrize("client_sap", [1, 4])
def test_nothing_is_answered_before_the_proof(device: ExampleDevice, client_sap: int) -> None:
    pair = Pair(device, settings_for(client_sap))
    answer = pair.server.receive(pair.client.send(Associate()))
    assert AssociationResponse.from_bytes(answer[8:]).diagnostic == 14
    if client_sap == 1:
        assert pair.raw(GET_ENERGY) == NOT_ALLOWED
        assert device.events == [("unprotected-request", 1)]
    else:
        assert pair.raw(GET_ENERGY) == NOT_ALLOWED
        assert device.events == [("unauthenticated-request", 4)]


def test_protected_request_before_the_proof_is_refused_too(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(1))
    pair.server.receive(pair.client.send(Associate()))
    cipher = pair.client.association._cipher
    assert cipher is not None
    protected = cipher.protect(0x30, CLIENT_TITLE, 500, GET_ENERGY)
    assert pair.raw(b"\xc8" + bytes((len(protected),)) + protected) == NOT_ALLOWED
    assert device.events == [("unauthenticated-request", 1)]


def test_false_proof_ends_the_association(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(4))
    pair.server.receive(pair.client.send(Associate()))
    false_proof = bytes.fromhex("c301c1000f0000280000ff0101091110000001f5") + bytes(12)
    assert pair.raw(false_proof) == b"\xc7\x01\xc1\x03\x00"
    assert pair.raw(GET_ENERGY) == NOT_ALLOWED
    assert device.events[0] == ("authentication-failed", 4)


def test_proof_for_another_challenge_is_false(device: ExampleDevice) -> None:
    first = Pair(device, settings_for(4))
    first.run(Associate())
    recorded = Pair(device, settings_for(4), CountUp(200))
    recorded.client.receive(recorded.server.receive(recorded.client.send(Associate())))
    old_proof = recorded.client.data_to_send()
    again = Pair(device, settings_for(4), CountUp(300))
    again.server = ServerConnection(device, lambda size: b"S" * size)
    again.server.receive(again.client.send(Associate()))
    assert again.server.receive(old_proof)[8:] == b"\xc7\x01\xc1\x03\x00"
    assert device.events == [("authentication-failed", 4)]


def test_proof_with_a_used_counter_is_false(device: ExampleDevice) -> None:
    Pair(device, settings_for(4), CountUp(50)).run(Associate())
    events = Pair(device, settings_for(4), CountUp(50)).run(Associate())
    assert type(events[0]).__name__ == "AssociationRejected"
    assert device.events == [("authentication-failed", 4)]


def test_plain_request_on_a_ciphered_association_is_refused_and_does_not_end_it(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(1))
    pair.run(Associate())
    assert pair.raw(GET_ENERGY) == NOT_ALLOWED
    assert device.events == [("unprotected-request", 1)]
    assert isinstance(pair.run(Get(ENERGY))[0], ValueReceived)


def test_ciphered_request_on_a_plain_association_is_refused(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(16))
    pair.run(Associate())
    assert pair.raw(b"\xc8\x16\x30" + bytes(21)) == NOT_ALLOWED


def test_replayed_request_names_the_counter_to_use_and_acts_not(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(1), CountUp(100))
    pair.run(Associate())
    frame = pair.client.send(Get(ENERGY))
    pair.client.receive(pair.server.receive(frame))
    used = device.accepted[CLIENT_TITLE]
    assert ExceptionResponse.from_bytes(pair.server.receive(frame)[8:]) == ExceptionResponse(1, 6, used + 1)
    assert device.events == [("replayed-counter", 1)]


def test_altered_request_is_refused(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(1))
    pair.run(Associate())
    frame = bytearray(pair.client.send(Get(ENERGY)))
    frame[-1] ^= 1
    assert pair.server.receive(bytes(frame))[8:] == b"\xd8\x01\x05"
    assert device.events == [("bad-tag", 1)]


def test_recorded_session_cannot_be_played_again(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(1))
    frames = []
    waiting = pair.client.send(Associate())
    while waiting:
        frames.append(waiting)
        pair.client.receive(pair.server.receive(waiting))
        waiting = pair.client.data_to_send()
    frames.append(pair.client.send(Get(ENERGY)))
    attacker = ServerConnection(device, challenges())
    answers = [attacker.receive(frame)[8:] for frame in frames]
    assert [answer[:3] for answer in answers] == [b"\xd8\x01\x06", NOT_ALLOWED, NOT_ALLOWED]


@pytest.mark.parametrize(
    ("changes", "diagnostic", "event"),
    [
        ({"context": 1}, 2, "wrong-context"),
        ({"context": 2}, 2, "wrong-context"),
        ({"context": 4}, 2, "wrong-context"),
        ({"mechanism": None, "authentication": None}, 12, "weaker-mechanism"),
        ({"mechanism": 1, "authentication": b"12345678"}, 11, "weaker-mechanism"),
        ({"mechanism": 3}, 11, "weaker-mechanism"),
        ({"calling_title": None}, 3, "wrong-title"),
        ({"calling_title": b"short"}, 3, "wrong-title"),
        ({"calling_title": METER_TITLE}, 3, "wrong-title"),
        ({"calling_title": b"MWKother"}, 13, "bad-tag"),
        ({"authentication": b"short"}, 13, "authentication-failed"),
        ({"authentication": bytes(65)}, 13, "authentication-failed"),
        ({"user_information": bytes.fromhex("01000000065f1f0400007e1f04b0")}, 1, "unprotected-request"),
        ({"user_information": None}, 1, "unprotected-request"),
    ],
)
def test_weaker_association_requests_are_refused(
    device: ExampleDevice, changes: dict[str, object], diagnostic: int, event: str
) -> None:
    pair = Pair(device, settings_for(1))
    request = AssociationRequest.from_bytes(pair.client.send(Associate())[8:])
    facts = {name: getattr(request, name) for name in request.__slots__} | changes
    answer = AssociationResponse.from_bytes(pair.raw(AssociationRequest(**facts).to_bytes()))
    assert (answer.result, answer.diagnostic) == (1, diagnostic)
    assert answer.authentication is None
    assert device.events == [(event, 1)]
    assert pair.raw(GET_ENERGY) == NOT_ALLOWED


def test_wrong_password_and_unknown_client_are_refused(device: ExampleDevice) -> None:
    events = Pair(device, settings_for(3, password=b"87654321")).run(Associate())
    assert getattr(events[0], "diagnostic", None) == 13
    events = Pair(device, ClientSettings(client_sap=99)).run(Associate())
    assert getattr(events[0], "diagnostic", None) == 1
    assert device.events == [("authentication-failed", 3), ("unknown-client", 99)]


@pytest.mark.parametrize(
    ("initiate", "error"),
    [
        ("01000000055f1f0400007e1f04b0", 1),
        ("01000000065f1f040000000004b0", 2),
        ("01000000065f1f0400007e1f003f", 3),
        ("01011000112233445566778899aabbccddeeff0000065f1f0400007e1f04b0", 4),
    ],
)
def test_initiate_request_is_refused_with_its_reason(device: ExampleDevice, initiate: str, error: int) -> None:
    pair = Pair(device, settings_for(16))
    request = AssociationRequest(context=1, user_information=bytes.fromhex(initiate))
    answer = AssociationResponse.from_bytes(pair.raw(request.to_bytes()))
    assert answer.user_information == bytes((0x0E, 1, 6, error))


def test_new_association_request_releases_the_old_one(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(1))
    pair.run(Associate())
    again = Pair(device, settings_for(1), CountUp(500))
    again.server = pair.server
    again.server.receive(again.client.send(Associate()))
    assert pair.raw(GET_ENERGY) == NOT_ALLOWED


def test_released_association_answers_no_more(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(16))
    pair.run(Associate())
    pair.run(Release())
    assert pair.raw(GET_ENERGY) == NOT_ALLOWED


def test_forged_release_does_not_release(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(1))
    pair.run(Associate())
    forged = bytearray(pair.client.send(Release()))
    forged[-1] ^= 1
    assert pair.server.receive(bytes(forged))[8:] == b"\xd8\x01\x05"
    assert device.events == [("bad-tag", 1)]


def test_connection_is_closed_after_so_many_breaches(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(1))
    for _ in range(FAILURES_MAX):
        assert not pair.server.closed
        pair.raw(GET_ENERGY)
    assert pair.server.closed
    assert pair.raw(GET_ENERGY) == b""


def test_clients_of_one_connection_are_limited(device: ExampleDevice) -> None:
    server = ServerConnection(device, challenges())
    for client_sap in range(ASSOCIATIONS_MAX):
        assert server.receive(encode_wrapper(20 + client_sap, 1, GET_ENERGY))
    assert server.receive(encode_wrapper(99, 1, GET_ENERGY)) == b""
    assert server.closed


def test_frames_for_another_server_are_not_answered(device: ExampleDevice) -> None:
    server = ServerConnection(device, challenges())
    assert server.receive(encode_wrapper(16, 2, GET_ENERGY)) == b""
    assert not server.closed


def test_oversize_frame_is_refused_before_it_is_kept(device: ExampleDevice) -> None:
    server = ServerConnection(device, challenges(), apdu_size_max=1000)
    assert server.receive(bytes.fromhex("00010010000103e9")) == b""
    assert server.closed
    assert device.events == [("malformed-message", 0)]


def test_blocks_asked_for_out_of_order_end_the_transfer(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(16, max_pdu=128))
    pair.run(Associate())
    first = pair.raw(b"\xc0\x01\xc1" + LONG_VALUE.to_bytes() + b"\x00")
    assert first[:8].hex() == "c402c10000000001"
    assert len(first) <= 128
    assert pair.raw(bytes.fromhex("c002c100000001"))[4:8].hex() == "00000002"
    assert pair.raw(bytes.fromhex("c002c100000001")).hex() == "c402c101000000010113"
    assert pair.raw(bytes.fromhex("c002c100000002")).hex() == "c402c101000000020110"


def test_another_invoke_id_ends_the_transfer(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(16, max_pdu=128))
    pair.run(Associate())
    pair.raw(b"\xc0\x01\xc1" + LONG_VALUE.to_bytes() + b"\x00")
    assert pair.raw(bytes.fromhex("c002c200000001"))[-1] == DataAccessResult.DATA_BLOCK_NUMBER_INVALID


def test_write_blocks_out_of_order_are_refused_and_write_nothing(device: ExampleDevice) -> None:
    device.associations[5] = device.associations[3]
    pair = Pair(device, settings_for(3))
    pair.run(Associate())
    head = b"\xc1\x02\xc1" + NOTE.to_bytes() + b"\x00"
    assert pair.raw(head + bytes.fromhex("0000000001020903")).hex() == "c502c100000001"
    assert pair.raw(bytes.fromhex("c103c1010000000303010203")).hex() == "c503c11300000003"
    assert pair.raw(bytes.fromhex("c103c1010000000203010203")).hex() == "c503c11200000002"
    assert device.written == {}


def test_written_value_must_be_one_whole_value(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(3))
    pair.run(Associate())
    head = b"\xc1\x02\xc1" + NOTE.to_bytes() + b"\x00"
    assert pair.raw(head + bytes.fromhex("0100000001020905")).hex() == "c503c10c00000001"
    assert pair.raw(b"\xc1\x01\xc1" + NOTE.to_bytes() + b"\x00\x11\x01\x02")[:1] == b"\xd8"
    assert device.written == {}


def test_too_long_incoming_transfer_is_refused(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(3))
    pair.run(Associate())
    block = bytes(60_000)
    answer = pair.raw(b"\xc1\x02\xc1" + NOTE.to_bytes() + b"\x00\x00\x00\x00\x00\x01\x82\xea\x60" + block)
    number = 1
    while answer[1] == 2:
        number += 1
        answer = pair.raw(b"\xc1\x03\xc1\x00" + number.to_bytes(4, "big") + b"\x82\xea\x60" + block)
    assert answer[3] == DataAccessResult.LONG_SET_ABORTED
    assert number == 5


def test_unconfirmed_writes_are_done_and_not_answered(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(3))
    pair.run(Associate())
    assert pair.raw(b"\xc1\x01\x81" + NOTE.to_bytes() + b"\x00\x11\x07") == b""
    assert device.written[NOTE] == b"\x11\x07"


@pytest.mark.parametrize("octets", ["05010200", "d9", "e0", "c6", "c00101", "c0"])
def test_unknown_and_malformed_requests_get_an_exception(device: ExampleDevice, octets: str) -> None:
    pair = Pair(device, settings_for(16))
    pair.run(Associate())
    assert pair.raw(bytes.fromhex(octets))[:1] == b"\xd8"
    assert isinstance(pair.run(Get(ENERGY))[0], ValueReceived)


def test_pipelined_requests_do_not_pile_up_answers(device: ExampleDevice) -> None:
    pair = Pair(device, settings_for(16))
    pair.run(Associate())
    request = encode_wrapper(16, 1, b"\xc0\x01\xc1" + LONG_VALUE.to_bytes() + b"\x00")
    first = pair.server.receive(request * 100)
    assert len(first) < 6 * 65_536
    assert pair.server.has_more
    reader = WrapperReader()
    reader.feed(first)
    while pair.server.has_more:
        reader.feed(pair.server.receive(b""))
    answers = list(iter(reader.next_frame, None))
    assert len(answers) == 100


def test_required_protection_of_authentication_alone_is_met(device: ExampleDevice) -> None:
    facts = {"mechanism": Mechanism.GMAC, "guek": bytes(16), "gak": bytes(16)}
    device.associations[2] = AssociationSettings(**facts, required_protection=Protection.AUTHENTICATED)  # type: ignore[arg-type]
    pair = Pair(device, settings_for(2, guek=bytes(16), gak=bytes(16), protection=Protection.AUTHENTICATED))
    pair.run(Associate())
    assert isinstance(pair.run(Get(ENERGY))[0], ValueReceived)
