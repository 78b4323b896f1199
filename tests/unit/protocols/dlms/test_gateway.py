"""Meters behind a gateway: the prefix, and who answers for whom."""

import pytest
from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import ENERGY, LONG_VALUE, ExampleDevice

from meterworks.protocols.dlms import (
    WRAPPER,
    Associate,
    AssociationOpened,
    ClientConnection,
    ClientFraming,
    Command,
    CountUp,
    ExceptionReceived,
    Get,
    LogicalDevice,
    NotificationReceived,
    ServerConnection,
    ServerFraming,
    ValueReceived,
    encode_wrapper,
)
from meterworks.protocols.dlms.gateway import GatewayFraming, GatewayPrefix
from meterworks.protocols.dlms.hdlc import HDLC
from meterworks.protocols.errors import DecodeError, EncodeError, UnlawfulMessage

PREFIX = GatewayPrefix(3, b"MWK12345")


def test_prefix_has_its_octets() -> None:
    octets = PREFIX.to_bytes(0xE6) + b"\xc0\x01"
    assert octets.hex() == "e60308" + b"MWK12345".hex() + "c001"
    assert GatewayPrefix.split(octets) == (PREFIX, b"\xc0\x01")
    assert GatewayPrefix.split(b"\xc0\x01") == (None, b"\xc0\x01")
    assert GatewayPrefix.split(b"\xe7\x00\x00\xc4") == (GatewayPrefix(0, b""), b"\xc4")


@pytest.mark.parametrize("octets", ["e6", "e603", "e60308", "e603024d", "e603024d57", "e603ff" + 256 * "00"])
def test_prefix_cut_short_is_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        GatewayPrefix.split(bytes.fromhex(octets))


@pytest.mark.parametrize(("network", "address"), [(256, b""), (-1, b""), (0, bytes(65))])
def test_prefix_that_has_no_octets_is_refused(network: int, address: bytes) -> None:
    with pytest.raises(EncodeError):
        GatewayPrefix(network, address)


class Behind:
    """A gateway with two meters, and a client of one of them."""

    def __init__(self, inner: ClientFraming, outer: ServerFraming, meter: bytes = b"one", client_sap: int = 2) -> None:
        self.meters: dict[tuple[int, bytes], LogicalDevice] = {
            (3, b"one"): ExampleDevice(),
            (3, b"two"): ExampleDevice(),
        }
        self.client = ClientConnection(
            settings_for(client_sap), CountUp(10), lambda size: b"C" * size, framing=GatewayFraming(inner, 3, meter)
        )
        self.server = ServerConnection(
            ExampleDevice(),
            lambda size: b"S" * size,
            framing=outer,
            behind=lambda network, address: self.meters.get((network, address)),
        )

    def execute(self, command: Command) -> list[object]:
        events: list[object] = []
        output = self.client.send(command) + self.client.data_to_send()
        while output:
            events += self.client.receive(self.server.receive(output))
            output = self.client.data_to_send()
        return events


@pytest.mark.parametrize(("inner", "outer"), [(WRAPPER, WRAPPER), (HDLC, HDLC)])
def test_meter_behind_a_gateway_is_read(inner: ClientFraming, outer: ServerFraming) -> None:
    pair = Behind(inner, outer)
    assert isinstance(pair.execute(Associate())[-1], AssociationOpened)
    assert pair.server.is_proved
    (value,) = pair.execute(Get(ENERGY))
    assert isinstance(value, ValueReceived)


def test_meter_that_is_not_there_does_not_answer() -> None:
    assert Behind(WRAPPER, WRAPPER, meter=b"ten").execute(Associate()) == []


def test_meters_behind_one_gateway_have_associations_of_their_own() -> None:
    pair = Behind(WRAPPER, WRAPPER)
    pair.execute(Associate())
    other = GatewayPrefix(3, b"two").to_bytes(0xE6) + b"\xc0\x01\xc1" + ENERGY.to_bytes() + b"\x00"
    answer = pair.server.receive(encode_wrapper(2, 1, other))
    assert answer[8:].startswith(GatewayPrefix(3, b"two").to_bytes(0xE7) + b"\xd8")  # it has none
    assert isinstance(pair.execute(Get(ENERGY))[0], ValueReceived)


def test_link_that_ends_takes_all_associations_behind_it() -> None:
    pair = Behind(HDLC, HDLC)
    pair.execute(Associate())
    pair.server.receive(pair.client.close())
    assert not pair.server.is_proved


def test_answer_that_leaves_no_room_for_the_prefix_is_refused() -> None:
    pair = Behind(WRAPPER, WRAPPER, client_sap=16)
    pair.execute(Associate())
    (refusal,) = pair.execute(Get(LONG_VALUE))
    assert isinstance(refusal, ExceptionReceived)
    assert refusal.service == 4  # PDU too long


def test_requests_cut_short_are_passed_over() -> None:
    pair = Behind(WRAPPER, WRAPPER)
    assert pair.server.receive(encode_wrapper(2, 1, b"\xe6\x03\x08")) == b""
    assert not pair.server.closed


def received(apdu: bytes) -> list[object]:
    """Give what comes of an APDU where an answer is due."""
    pair = Behind(WRAPPER, WRAPPER, client_sap=16)
    pair.execute(Associate())
    pair.client.send(Get(ENERGY))
    return list(pair.client.receive(encode_wrapper(1, 16, apdu)))


def test_pushes_of_the_meter_are_heard_and_those_of_others_are_not() -> None:
    push = bytes.fromhex("0f000000010011ff")
    assert isinstance(received(GatewayPrefix(3, b"one").to_bytes(0xE6) + push)[0], NotificationReceived)
    assert received(GatewayPrefix(3, b"two").to_bytes(0xE6) + push) == []


def test_gateway_may_refuse_and_not_answer_for_a_meter() -> None:
    assert isinstance(received(b"\xd8\x01\x02")[0], ExceptionReceived)
    with pytest.raises(UnlawfulMessage, match="of the gateway"):
        received(b"\xc4\x01\xc1\x00\x11\x05")
