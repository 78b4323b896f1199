"""What client and server agree on beforehand: mechanism, keys, protection, sizes.

Client logical addresses by convention: 16 public, 1 management, 2 reader, 3 installer. Server 1 is the management
device.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Final

from meterworks.protocols.dlms.conformance import (
    CLIENT_CONFORMANCE,
    METER_CONFORMANCE,
    SHORT_NAME_CONFORMANCE,
    Conformance,
)
from meterworks.protocols.dlms.security import (
    SUITES,
    TITLE_SIZE,
    AlgorithmArc,
    KeyAgreement,
    KeyChoice,
    SecuritySuite,
    Signer,
)
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
    "KeyChoice",
    "KeyOfCertificate",
    "ManufacturerProof",
    "Mechanism",
    "Protection",
    "Tolerance",
]

PUBLIC_CLIENT: Final = 16
READER_CLIENT: Final = 2
MANAGEMENT_CLIENT: Final = 1
MANAGEMENT_DEVICE: Final = 1

PDU_SIZE_MAX: Final = 0xFFFF
BLOCK_WINDOW: Final = 16  # general blocks
KEY_SIZE: Final = 16
PASSWORD_SIZE_MAX: Final = 64
COUNTER_LEAP_MAX: Final = 1_000_000  # how far ahead an unauthenticated word of the server may move our counter

KeyOfCertificate = Callable[[bytes, bytes], bytes | None]  # (title, certificate) -> public signing key, if trusted
ManufacturerProof = Callable[[bytes, bytes], bytes]  # (secret, challenge received) -> proof


class Mechanism(IntEnum):
    """Authentication mechanisms."""

    NONE = 0
    LOW = 1
    MANUFACTURER = 2
    MD5 = 3
    SHA1 = 4
    GMAC = 5
    SHA256 = 6
    ECDSA = 7


class Protection(IntFlag):
    """Protection of an APDU: bits of the security control octet, and SIGNED (not in that octet): general-signing.

    A signature goes with authentication or encryption, never alone.
    """

    NONE = 0x00
    AUTHENTICATED = 0x10
    ENCRYPTED = 0x20
    BOTH = 0x30
    SIGNED = 0x100


class Ciphering(IntEnum):
    """Which form of protected APDU a client writes.

    SERVICE: glo or ded per service. GENERAL: general-glo or general-ded. GENERAL_CIPHERING: with titles, transaction id
    and the key of `KeyChoice`. SIGNED: general-signing around general-glo or general-ded, or around the plain APDU
    where there is no other protection. SIGNED_GENERAL_CIPHERING: general-signing around general-ciphering.
    """

    SERVICE = 0
    GENERAL = 1
    GENERAL_CIPHERING = 2
    SIGNED = 3
    SIGNED_GENERAL_CIPHERING = 4


class Tolerance(IntFlag):
    """What a reader takes though it is not as the standard says. What is not listed in a setting is refused.

    RELEASE: whatever answers a release request means released. TAGGED_DATE_TIME: a notification whose date-time carries
    the tag of an octet-string. UNVERIFIED: no authentication key is known, tags are not checked, and all that comes
    of it is marked. OLD_ALGORITHM_ID: keys agreed with the AlgorithmID of older editions are tried as well.
    FRESH_KEY_COUNTER: an invocation counter may begin anew under a wrapped or agreed key. SIGNED_LENGTH: a signature
    that covers the length octets of the content as well. BARE_HEADER: general-ciphering whose tag leaves titles and
    transaction id out, or whose ephemeral key was signed with its number before it.
    """

    NONE = 0
    RELEASE = 1
    TAGGED_DATE_TIME = 2
    UNVERIFIED = 4
    OLD_ALGORITHM_ID = 8
    FRESH_KEY_COUNTER = 16
    SIGNED_LENGTH = 32
    BARE_HEADER = 64


_SHORT_NAME_SERVICES: Final = int(Conformance.READ | Conformance.WRITE | Conformance.UNCONFIRMED_WRITE)
_NEEDS_SECRET: Final = frozenset({Mechanism.MANUFACTURER, Mechanism.MD5, Mechanism.SHA1, Mechanism.SHA256})
TITLED_MECHANISMS: Final = frozenset({Mechanism.GMAC, Mechanism.SHA256, Mechanism.ECDSA})  # proofs name the titles


def _check_sizes(settings: "AssociationSettings | ClientSettings") -> None:
    """Refuse keys of the wrong size for the suite."""
    suite = settings.suite
    size, public_size = SUITES[suite].key_size, SUITES[suite].public_key_size
    for name, expected in (
        ("guek", size), ("gak", size), ("gbek", size), ("kek", size),
        ("peer_signing_key", public_size), ("peer_agreement_key", public_size),
    ):  # fmt: skip
        key = getattr(settings, name)
        if key is not None and len(key) != expected:
            raise StateError(f"{name} has {len(key)} octets; suite {int(suite)} takes {expected}")


def _check_keys(settings: "AssociationSettings | ClientSettings", *, protection: Protection, unverified: bool) -> None:
    """Refuse with StateError settings with which no association can be."""
    _check_sizes(settings)
    mechanism = settings.mechanism
    if protection == Protection.SIGNED:
        raise StateError("a signature goes with authentication or encryption")
    has_keys = settings.guek is not None and (settings.gak is not None or (unverified and mechanism != Mechanism.GMAC))
    if (protection or mechanism == Mechanism.GMAC) and not has_keys:
        raise StateError("protection and mechanism 5 need both keys, guek and gak")
    if mechanism == Mechanism.LOW and not 0 < len(settings.password or b"") <= PASSWORD_SIZE_MAX:
        raise StateError(f"mechanism 1 needs a password of 1 to {PASSWORD_SIZE_MAX} octets")
    if mechanism in _NEEDS_SECRET and not settings.secret:
        raise StateError(f"mechanism {int(mechanism)} needs a secret")
    if mechanism == Mechanism.MANUFACTURER and settings.manufacturer_proof is None:
        raise StateError("mechanism 2 needs the manufacturer's proof")
    if mechanism == Mechanism.ECDSA and (settings.suite == SecuritySuite.SUITE_0 or settings.signer is None):
        raise StateError("mechanism 7 needs a signing key, and suite 1 or 2")


def _choose_services(settings: "AssociationSettings | ClientSettings") -> None:
    """Take the services of short names where short names are wanted and no service of theirs was named."""
    if settings.short_names and not int(settings.conformance) & _SHORT_NAME_SERVICES:
        object.__setattr__(settings, "conformance", SHORT_NAME_CONFORMANCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationSettings:
    """What a server asks of one client (one client SAP).

    mechanism: the only one accepted. guek, gak: needed for mechanism 5 and for protection. password: for mechanism 1;
    secret: for mechanisms 2, 3, 4 and 6. required_protection: the least that requests must have and that responses get;
    response_protection: what responses get beyond that. client_title: if given, no other is accepted. max_pdu: largest
    APDU that the server takes, 64 to 65535 octets. suite: the only one accepted. signer: ours, for mechanism 7 and
    signed responses; peer_signing_key: the client's. key_agreement: our static pair, peer_agreement_key the client's,
    for agreed keys of general-ciphering. gbek: the broadcast key. kek: what wrapped keys are under.
    manufacturer_proof: for mechanism 2. short_names: SN referencing; a conformance
    without any of its services means `SHORT_NAME_CONFORMANCE` then. users: client user ids that are accepted, all
    where empty. pre_established: open from the start, without AARQ. tolerance: what is taken though irregular.
    certificate: ours (DER), sent in the responding-AE-qualifier.
    block_window: general blocks taken without an acknowledgement, 1 to 63, where the conformance has them.
    """

    mechanism: Mechanism = Mechanism.NONE
    guek: bytes | None = field(default=None, repr=False)
    gak: bytes | None = field(default=None, repr=False)
    password: bytes | None = field(default=None, repr=False)
    required_protection: Protection = Protection.NONE
    conformance: Conformance = METER_CONFORMANCE
    max_pdu: int = PDU_SIZE_MAX
    client_title: bytes | None = None
    suite: SecuritySuite = SecuritySuite.SUITE_0
    secret: bytes | None = field(default=None, repr=False)
    signer: Signer | None = field(default=None, repr=False)
    peer_signing_key: bytes | None = None
    key_agreement: KeyAgreement | None = field(default=None, repr=False)
    peer_agreement_key: bytes | None = None
    gbek: bytes | None = field(default=None, repr=False)
    kek: bytes | None = field(default=None, repr=False)
    manufacturer_proof: ManufacturerProof | None = field(default=None, repr=False)
    short_names: bool = False
    users: frozenset[int] = frozenset()
    pre_established: bool = False
    tolerance: Tolerance = Tolerance.NONE
    response_protection: Protection = Protection.NONE
    certificate: bytes | None = field(default=None, repr=False)
    block_window: int = BLOCK_WINDOW

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        _choose_services(self)
        _check_keys(self, protection=self.required_protection, unverified=False)
        if self.pre_established and (self.mechanism != Mechanism.NONE or (self.is_ciphered and not self.client_title)):
            raise StateError("a pre-established association has no mechanism, and ciphered it needs the client's title")

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

    protection: given to every APDU and asked of answers; with none the application context is the plain one. SIGNED in
    it asks for signed answers. dedicated_key: fresh octets,
    None to cipher with the global key. max_pdu: largest APDU taken, 0 for no limit. server_title: if given, no other is
    accepted. server_counter_lowest: a smaller counter of the server under the global key is a replay.
    release_ciphered: whether the release request carries a protected initiate request.
    suite, secret, signer, peer_signing_key, key_agreement, peer_agreement_key, gbek, kek, manufacturer_proof and
    short_names as in `AssociationSettings`, seen from the client. key_choice: the key of general-ciphering; None takes
    ONE_PASS where there is an agreement key of the server, else IDENTIFIED. algorithm_arc: of the AlgorithmID that our
    agreed keys are derived with. bare_header: whether the tags of our general-ciphering leave titles and transaction id
    out, as some servers want them. certificate: ours, sent in the calling-AE-qualifier;
    key_of_certificate: gives the signing key of the server's, after checking it. user_id: who of the client's
    users asks, 0 to 255. pre_established: send no AARQ.
    tolerance: what is taken though it is irregular. counter_leap_max: how far an unauthenticated exception response may
    move our counter ahead when `ClientAssociation.adopt_counter` is called. block_window: as in `AssociationSettings`.
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
    suite: SecuritySuite = SecuritySuite.SUITE_0
    secret: bytes | None = field(default=None, repr=False)
    signer: Signer | None = field(default=None, repr=False)
    peer_signing_key: bytes | None = None
    key_agreement: KeyAgreement | None = field(default=None, repr=False)
    peer_agreement_key: bytes | None = None
    gbek: bytes | None = field(default=None, repr=False)
    kek: bytes | None = field(default=None, repr=False)
    manufacturer_proof: ManufacturerProof | None = field(default=None, repr=False)
    short_names: bool = False
    key_choice: KeyChoice | None = None
    algorithm_arc: AlgorithmArc = AlgorithmArc.CURRENT
    bare_header: bool = False
    certificate: bytes | None = field(default=None, repr=False)
    key_of_certificate: KeyOfCertificate | None = field(default=None, repr=False)
    user_id: int | None = None
    pre_established: bool = False
    tolerance: Tolerance = Tolerance.RELEASE | Tolerance.TAGGED_DATE_TIME
    counter_leap_max: int = COUNTER_LEAP_MAX
    block_window: int = BLOCK_WINDOW

    def __post_init__(self) -> None:
        """Refuse what cannot work; without a stated protection, keys mean both authentication and encryption."""
        if self.protection is None:
            chosen = Protection.NONE if self.guek is None or self.gak is None else Protection.BOTH
            object.__setattr__(self, "protection", chosen)
        _choose_services(self)
        unverified = bool(self.tolerance & Tolerance.UNVERIFIED) and self.protection == Protection.ENCRYPTED
        _check_keys(self, protection=self.protection or Protection.NONE, unverified=unverified)
        if (self.protection or self.mechanism in TITLED_MECHANISMS) and len(self.system_title or b"") != TITLE_SIZE:
            raise StateError(f"protection and mechanisms 5 to 7 need the client's system title of {TITLE_SIZE} octets")
        size = SUITES[self.suite].key_size
        if self.dedicated_key is not None and (not self.protection or len(self.dedicated_key) != size):
            raise StateError(f"a dedicated key has {size} octets and needs a ciphered association")
        self._check_forms()
        if not (0 < self.client_sap <= 0xFFFF and 0 <= self.server_sap <= 0xFFFF and 0 <= self.max_pdu <= PDU_SIZE_MAX):
            raise StateError("addresses and max_pdu are 16 bit numbers, and the client is not 0")

    def _check_forms(self) -> None:
        """Refuse forms of protection for which a key is missing."""
        if self.ciphering >= Ciphering.SIGNED and (self.signer is None or self.suite == SecuritySuite.SUITE_0):
            raise StateError("signed APDUs need a signing key, and suite 1 or 2")
        if self.user_id is not None and not 0 <= self.user_id <= 0xFF:
            raise StateError("a user id is one octet")
        if self.pre_established and (self.mechanism != Mechanism.NONE or (self.protection and not self.server_title)):
            raise StateError("a pre-established association has no mechanism, and ciphered it needs the server's title")

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
