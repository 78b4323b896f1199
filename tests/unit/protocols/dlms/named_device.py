"""A device with short names for tests, and the two ends of an association joined without a wire."""

from collections.abc import Callable
from dataclasses import replace

from tests.integration.dlms.example_device import (
    CLIENT_TITLE,
    CLOCK,
    ECHO,
    ENERGY,
    GAK,
    GUEK,
    LONG_VALUE,
    NOTE,
    PASSWORD,
    PROFILE,
    ExampleDevice,
)

from meterworks.protocols.dlms import (
    ASSOCIATION_BASE_NAME,
    SHORT_NAME_OBJECT_LIST,
    AttributeAddress,
    ClientConnection,
    ClientEvent,
    ClientSettings,
    Command,
    Conformance,
    CountUp,
    MethodAddress,
    NamedObject,
    ServerConnection,
    ShortNameMap,
)
from meterworks.protocols.dlms.device import BaseLogicalDevice
from meterworks.protocols.dlms.settings import Mechanism

NAMES = ShortNameMap(
    [
        NamedObject(ASSOCIATION_BASE_NAME, 12, 4, SHORT_NAME_OBJECT_LIST.obis_code),
        NamedObject(0x0100, 8, 0, CLOCK.obis_code),
        NamedObject(0x0200, 3, 0, ENERGY.obis_code),
        NamedObject(0x0300, 1, 0, NOTE.obis_code),
        NamedObject(0x0400, 9, 0, ECHO.obis_code),
        NamedObject(0x0500, 7, 1, PROFILE.obis_code),
        NamedObject(0x0600, 1, 0, LONG_VALUE.obis_code),
    ]
)
CLOCK_NAME = NAMES.name_of(CLOCK)
ENERGY_NAME = NAMES.name_of(ENERGY)
NOTE_NAME = NAMES.name_of(NOTE)
ECHO_NAME = NAMES.name_of(ECHO)
PROFILE_NAME = NAMES.name_of(PROFILE)
LONG_NAME = NAMES.name_of(LONG_VALUE)
OBJECT_LIST_NAME = NAMES.name_of(SHORT_NAME_OBJECT_LIST)

PLAIN = 3  # client address with a password, in clear
CIPHERED = 1  # client address with mechanism 5 and both protections


class NamedDevice(BaseLogicalDevice, ExampleDevice):
    """The example device, with short names. association: what every client must bring, with some members replaced."""

    def __init__(self, **members: object) -> None:
        ExampleDevice.__init__(self)
        self.associations = {sap: replace(row, **members) for sap, row in self.associations.items()}  # type: ignore[arg-type]  # members by name
        self.values[SHORT_NAME_OBJECT_LIST] = NAMES.to_bytes()

    def attribute_of(self, client_sap: int, base_name: int) -> AttributeAddress | None:
        return NAMES.attribute_of(base_name)

    def method_of(self, client_sap: int, base_name: int) -> MethodAddress | None:
        return NAMES.method_of(base_name)


def random_bytes(seed: int) -> Callable[[int], bytes]:
    return lambda size: bytes((seed + index) & 0xFF for index in range(size))


def settings_of(client_sap: int, **members: object) -> ClientSettings:
    secured = {"mechanism": Mechanism.GMAC, "guek": GUEK, "gak": GAK, "system_title": CLIENT_TITLE}
    known = secured if client_sap == CIPHERED else {"mechanism": Mechanism.LOW, "password": PASSWORD}
    return ClientSettings(client_sap=client_sap, **{**known, **members})  # type: ignore[arg-type]  # members by name


class Pair:
    """A client and a server that hear one another at once. turns: exchanges that the last command took."""

    def __init__(self, device: ExampleDevice, settings: ClientSettings) -> None:
        self.device = device
        self.server = ServerConnection(device, random_bytes(1))
        self.client = ClientConnection(settings, CountUp(), random_bytes(101))
        self.turns = 0

    def do(self, command: Command) -> list[ClientEvent]:
        """Give the events of a command."""
        events: list[ClientEvent] = []
        data = self.client.send(command)
        self.turns = 0
        while data:
            self.turns += 1
            events += self.client.receive(self.server.receive(data))
            data = self.client.data_to_send()
        return events


def pair(client_sap: int, conformance: Conformance, *, short_names: bool = False, **members: object) -> Pair:
    """Give a pair whose ends both offer these services. members: further members of both settings."""
    both = {"conformance": conformance, "short_names": short_names, **members}
    return Pair(NamedDevice(**both), settings_of(client_sap, **both))
