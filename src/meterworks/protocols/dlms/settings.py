"""What client and server agree on beforehand: mechanism, keys, protection, sizes.

Client logical addresses by convention: 16 public, 1 management, 2 reader, 3 installer. Server 1 is the management
device.
"""

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Final

from meterworks.protocols.dlms.conformance import CLIENT_CONFORMANCE, METER_CONFORMANCE, Conformance
from meterworks.protocols.errors import StateError

__all__ = [
    "MANAGEMENT_CLIENT",
    "MANAGEMENT_DEVICE",
    "PDU_SIZE_MAX",
    "PUBLIC_CLIENT",
    "READER_CLIENT",
    "AssociationSettings",
    "Ciphering",
    "ClientSettings",
    "Mechanism",
    "Protection",
]

PUBLIC_CLIENT: Final = 16
READER_CLIENT: Final = 2
MANAGEMENT_CLIENT: Final = 1
MANAGEMENT_DEVICE: Final = 1

PDU_SIZE_MAX: Final = 0xFFFF
KEY_SIZE: Final = 16
TITLE_SIZE: Final = 8
PASSWORD_SIZE_MAX: Final = 64


class Mechanism(IntEnum):
    """Authentication mechanisms; those we speak are NONE, LOW and GMAC."""

    NONE = 0
    LOW = 1
    MANUFACTURER = 2
    MD5 = 3
    SHA1 = 4
    GMAC = 5
    SHA256 = 6
    ECDSA = 7


class Protection(IntFlag):
    """Protection of an APDU, as bits of the security control octet."""

    NONE = 0x00
    AUTHENTICATED = 0x10
    ENCRYPTED = 0x20
    BOTH = 0x30


class Ciphering(IntEnum):
    """Which form of ciphered APDU a client writes: per service (glo, ded) or general (general-glo, general-ded)."""

    SERVICE = 0
    GENERAL = 1


_SUPPORTED = frozenset({Mechanism.NONE, Mechanism.LOW, Mechanism.GMAC})


def _check_keys(
    mechanism: Mechanism, *, protected: bool, guek: bytes | None, gak: bytes | None, password: bytes | None
) -> None:
    """Refuse with StateError settings with which no association can be."""
    if mechanism not in _SUPPORTED:
        raise StateError(f"mechanism {mechanism} is not one of 0, 1 and 5")
    for name, key in (("guek", guek), ("gak", gak)):
        if key is not None and len(key) != KEY_SIZE:
            raise StateError(f"{name} has {len(key)} octets; suite 0 takes {KEY_SIZE}")
    if (protected or mechanism == Mechanism.GMAC) and (guek is None or gak is None):
        raise StateError("protection and mechanism 5 need both keys, guek and gak")
    if mechanism == Mechanism.LOW and not 0 < len(password or b"") <= PASSWORD_SIZE_MAX:
        raise StateError(f"mechanism 1 needs a password of 1 to {PASSWORD_SIZE_MAX} octets")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationSettings:
    """What a server asks of one client (one client SAP).

    mechanism: the only one accepted. guek, gak: needed for mechanism 5 and for protection. password: for mechanism 1.
    required_protection: the least that requests must have and that responses get. client_title: if given, no other is
    accepted. max_pdu: largest APDU that the server takes, 64 to 65535 octets.
    """

    mechanism: Mechanism = Mechanism.NONE
    guek: bytes | None = field(default=None, repr=False)
    gak: bytes | None = field(default=None, repr=False)
    password: bytes | None = field(default=None, repr=False)
    required_protection: Protection = Protection.NONE
    conformance: Conformance = METER_CONFORMANCE
    max_pdu: int = PDU_SIZE_MAX
    client_title: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        _check_keys(
            self.mechanism,
            protected=bool(self.required_protection),
            guek=self.guek,
            gak=self.gak,
            password=self.password,
        )

    @property
    def is_ciphered(self) -> bool:
        """Whether the application context is the ciphered one."""
        return bool(self.required_protection)

    @property
    def keys(self) -> tuple[bytes, bytes]:
        """The encryption and the authentication key; StateError where these settings have none."""
        if self.guek is None or self.gak is None:
            raise StateError("these settings have no keys")
        return self.guek, self.gak


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How a client opens an association.

    protection: given to every APDU; with none the application context is the plain one. dedicated_key: 16 fresh octets,
    None to cipher with the global key. max_pdu: largest APDU taken, 0 for no limit. server_title: if given, no other is
    accepted. server_counter_lowest: a smaller counter of the server under the global key is a replay.
    release_ciphered: whether the release request carries a protected initiate request.
    """

    client_sap: int = PUBLIC_CLIENT
    server_sap: int = MANAGEMENT_DEVICE
    mechanism: Mechanism = Mechanism.NONE
    system_title: bytes | None = None
    guek: bytes | None = field(default=None, repr=False)
    gak: bytes | None = field(default=None, repr=False)
    password: bytes | None = field(default=None, repr=False)
    dedicated_key: bytes | None = field(default=None, repr=False)
    protection: Protection | None = None
    ciphering: Ciphering = Ciphering.SERVICE
    conformance: Conformance = CLIENT_CONFORMANCE
    max_pdu: int = PDU_SIZE_MAX
    server_title: bytes | None = None
    server_counter_lowest: int = 0
    release_ciphered: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot work; without a stated protection, keys mean both authentication and encryption."""
        if self.protection is None:
            chosen = Protection.NONE if self.guek is None or self.gak is None else Protection.BOTH
            object.__setattr__(self, "protection", chosen)
        _check_keys(
            self.mechanism, protected=bool(self.protection), guek=self.guek, gak=self.gak, password=self.password
        )
        if (self.protection or self.mechanism == Mechanism.GMAC) and len(self.system_title or b"") != TITLE_SIZE:
            raise StateError(f"protection and mechanism 5 need the client's system title of {TITLE_SIZE} octets")
        if self.dedicated_key is not None and (not self.protection or len(self.dedicated_key) != KEY_SIZE):
            raise StateError(f"a dedicated key has {KEY_SIZE} octets and needs a ciphered association")
        if not (0 < self.client_sap <= 0xFFFF and 0 <= self.server_sap <= 0xFFFF and 0 <= self.max_pdu <= PDU_SIZE_MAX):
            raise StateError("addresses and max_pdu are 16 bit numbers, and the client is not 0")

    @property
    def is_ciphered(self) -> bool:
        """Whether the application context is the ciphered one."""
        return bool(self.protection)

    @property
    def keys(self) -> tuple[bytes, bytes]:
        """The encryption and the authentication key; StateError where these settings have none."""
        if self.guek is None or self.gak is None:
            raise StateError("these settings have no keys")
        return self.guek, self.gak
