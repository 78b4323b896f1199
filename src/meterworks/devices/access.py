"""Who may do what with a meter's objects: clients, audiences and rights, as one table. Deny by default.

A client is known by its logical address (SAP). An object of a device model is meant for an audience; the table says
what each client may do with objects of each audience. Reading is per object, writing only for attributes the model
declares as settings, executing only for methods it binds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, Flag, IntEnum
from types import MappingProxyType
from typing import Final

from meterworks.protocols.dlms import MANAGEMENT_CLIENT, PUBLIC_CLIENT, READER_CLIENT, Mechanism

__all__ = ["CLIENTS", "Audience", "Client", "ClientProfile", "Rights", "rights_of"]


class Client(IntEnum):
    """Logical addresses (SAPs) of the clients a meter knows."""

    MANAGEMENT = MANAGEMENT_CLIENT
    READER = READER_CLIENT
    PUBLIC = PUBLIC_CLIENT


class Audience(Enum):
    """For whom an object of a model is meant."""

    EVERYONE = "everyone"  # identity, clock, what a client needs before it can associate
    READERS = "readers"  # energy, power quality, history, events
    MANAGERS = "managers"  # switches, limits, keys, push


class Rights(Flag):
    """What a client may do."""

    NONE = 0
    READ = 1
    WRITE = 2
    EXECUTE = 4


ALL: Final = Rights.READ | Rights.WRITE | Rights.EXECUTE

#                     everyone, readers,     managers
_RIGHTS: Final = {
    Client.PUBLIC:     (Rights.READ, Rights.NONE, Rights.NONE),
    Client.READER:     (Rights.READ, Rights.READ, Rights.NONE),
    Client.MANAGEMENT: (ALL,         ALL,         ALL),
}  # fmt: skip

_TABLE: Final[Mapping[tuple[int, Audience], Rights]] = {
    (client, audience): rights
    for client, row in _RIGHTS.items()
    for audience, rights in zip(Audience, row, strict=True)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientProfile:
    """How a client associates: with no proof at all, or with HLS by GMAC and every APDU protected."""

    client: Client
    name: str
    mechanism: Mechanism
    ciphered: bool  # every APDU must be authenticated and encrypted
    association_index: int  # E of its association object 0-0:40.0.E


CLIENTS: Final[Mapping[int, ClientProfile]] = MappingProxyType(
    {
        Client.PUBLIC: ClientProfile(
            client=Client.PUBLIC, name="public", mechanism=Mechanism.NONE, ciphered=False, association_index=1
        ),
        Client.READER: ClientProfile(
            client=Client.READER, name="reader", mechanism=Mechanism.GMAC, ciphered=True, association_index=2
        ),
        Client.MANAGEMENT: ClientProfile(
            client=Client.MANAGEMENT, name="management", mechanism=Mechanism.GMAC, ciphered=True, association_index=3
        ),
    }
)


def rights_of(client_sap: int, audience: Audience) -> Rights:
    """Give what a client may do with objects of an audience; nothing for a client nobody knows."""
    return _TABLE.get((client_sap, audience), Rights.NONE)
