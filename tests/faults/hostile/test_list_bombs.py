"""Lists that name a long value again and again: what cannot be carried is not computed."""

from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import ENERGY, LONG_VALUE, ExampleDevice

from meterworks.protocols.dlms import (
    Associate,
    AttributeAddress,
    ClientConnection,
    CountUp,
    DataAccessResult,
    GetList,
    ServerConnection,
    ValuesReceived,
)

LIST_SIZE = 256
LONG_VALUES_CARRIED = 4  # of 262,149 octets each: then a mebibyte is full


class CountingDevice(ExampleDevice):
    """Counts how often something is read."""

    reads = 0

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> bytes | DataAccessResult:
        self.reads += 1
        return super().get(client_sap, address, selection)


def converse(client: ClientConnection, server: ServerConnection, command: Associate | GetList) -> list[object]:
    """Exchange bytes until nobody has anything to say."""
    events: list[object] = []
    waiting = client.send(command)
    while waiting:
        events += client.receive(server.receive(waiting))
        waiting = client.data_to_send()
    return events


def test_a_list_bomb_costs_no_more_than_what_an_answer_carries() -> None:
    device = CountingDevice()
    client = ClientConnection(settings_for(2), CountUp(5), lambda size: b"C" * size)
    server = ServerConnection(device, lambda size: b"S" * size)
    converse(client, server, Associate())
    bomb = GetList(((LONG_VALUE, None),) * (LIST_SIZE - 1) + ((ENERGY, None),))
    received = [event for event in converse(client, server, bomb) if isinstance(event, ValuesReceived)]
    assert device.reads == LONG_VALUES_CARRIED
    assert [type(value) for value in received[0].results] == [bytes] * LONG_VALUES_CARRIED + [DataAccessResult] * (
        LIST_SIZE - LONG_VALUES_CARRIED
    )
