"""A secured client and server back to back, with keys of every suite (test only)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.integration.dlms.example_device import CLIENT_TITLE, METER_TITLE, ExampleDevice

from meterworks.protocols.dlms import (
    AssociationSettings,
    AttributeAddress,
    BaseLogicalDevice,
    ClientAssociation,
    ClientEvent,
    ClientSettings,
    Command,
    CountUp,
    Mechanism,
    MethodAddress,
    Protection,
    SecuritySuite,
    ServerAssociation,
    SoftwareKeyAgreement,
    SoftwareSigner,
)
from meterworks.protocols.dlms.challenge import aes_ecb_proof
from meterworks.protocols.dlms.cosem import AccessRights

SECRET = b"a shared secret"
CLIENT_SAP = 7
SUITES_WITH_CURVES = (SecuritySuite.SUITE_1, SecuritySuite.SUITE_2)
FIRST_COUNTER = 100


def key_of(suite: SecuritySuite, first: int) -> bytes:
    """Give octets of a symmetric key."""
    return bytes((first + index) & 0xFF for index in range(32 if suite is SecuritySuite.SUITE_2 else 16))


def scalar_of(suite: SecuritySuite, first: int) -> bytes:
    """Give octets of a private key."""
    return bytes(first + index for index in range(48 if suite is SecuritySuite.SUITE_2 else 32))


def fresh(prefix: bytes) -> Callable[[int], bytes]:
    """Give a source of octets that never repeats."""
    count = CountUp(1)
    return lambda size: (prefix + count.next().to_bytes(8, "big") * 8)[:size]


def common(suite: SecuritySuite, mechanism: Mechanism, protection: Protection) -> dict[str, Any]:
    """Give what both sides' settings say alike."""
    facts: dict[str, Any] = {
        "suite": suite,
        "mechanism": mechanism,
        "guek": key_of(suite, 0x10),
        "gak": key_of(suite, 0xD0),
        "gbek": key_of(suite, 0x30),
        "kek": key_of(suite, 0x50),
    }
    if mechanism is Mechanism.LOW:
        facts["password"] = b"12345678"
    if mechanism in (Mechanism.MANUFACTURER, Mechanism.MD5, Mechanism.SHA1, Mechanism.SHA256):
        facts["secret"] = SECRET
    if mechanism is Mechanism.MANUFACTURER:
        facts["manufacturer_proof"] = aes_ecb_proof
    if protection is Protection.NONE and mechanism is not Mechanism.GMAC:
        for name in ("guek", "gak", "gbek", "kek"):
            del facts[name]
    return facts


def key_pairs(suite: SecuritySuite, *, client: bool) -> dict[str, Any]:
    """Give one side's own key pairs and the other's public keys."""
    if suite is SecuritySuite.SUITE_0:
        return {}
    first, second = (1, 101) if client else (101, 1)
    return {
        "signer": SoftwareSigner(suite, scalar_of(suite, first)),
        "peer_signing_key": SoftwareSigner(suite, scalar_of(suite, second)).public_key,
        "key_agreement": SoftwareKeyAgreement(suite, scalar_of(suite, first + 50)),
        "peer_agreement_key": SoftwareKeyAgreement(suite, scalar_of(suite, second + 50)).public_key,
    }


class SecuredDevice(ExampleDevice, BaseLogicalDevice):
    """The example device, with access rights (by attribute or method) and a record of who was associated."""

    def __init__(self, settings: AssociationSettings) -> None:
        super().__init__()
        self.associations[CLIENT_SAP] = settings
        self.rights: dict[AttributeAddress | MethodAddress, AccessRights] = {}
        self.opened: list[tuple[int, int | None]] = []
        self.trusted: dict[bytes, bytes] = {}  # certificate: public key

    def access_rights(self, client_sap: int, address: AttributeAddress | MethodAddress) -> AccessRights | None:
        return self.rights.get(address)

    def association_opened(self, client_sap: int, user_id: int | None) -> None:
        self.opened.append((client_sap, user_id))

    def signing_key_of(self, client_sap: int, client_title: bytes, certificate: bytes) -> bytes | None:
        return self.trusted.get(certificate)


@dataclass
class Bench:
    """Both ends. sent, answered: the APDUs that went each way."""

    client: ClientAssociation
    server: ServerAssociation
    device: SecuredDevice
    counter: CountUp
    sent: list[bytes] = field(default_factory=list)
    answered: list[bytes] = field(default_factory=list)

    def run(self, command: Command) -> list[ClientEvent]:
        """Carry out a command; give its events."""
        events: list[ClientEvent] = []
        waiting = [self.client.send(command)]
        while waiting:
            for apdu in waiting:
                answer = self.raw(apdu)
                if answer is not None:
                    events += self.client.receive(answer)
            waiting = self.client.take_output()
        return events

    def raw(self, apdu: bytes) -> bytes | None:
        """Give the server an APDU."""
        self.sent.append(apdu)
        answer = self.server.receive(apdu)
        if answer is not None:
            self.answered.append(answer)
        return answer


def make_bench(
    suite: SecuritySuite = SecuritySuite.SUITE_0,
    mechanism: Mechanism = Mechanism.GMAC,
    protection: Protection = Protection.BOTH,
    *,
    client: dict[str, Any] | None = None,
    server: dict[str, Any] | None = None,
    device: SecuredDevice | None = None,
    first_counter: int = FIRST_COUNTER,
) -> Bench:
    """Give both ends of an association, not yet open. client, server: what their settings say beyond the common."""
    facts = common(suite, mechanism, protection)
    server_facts = facts | key_pairs(suite, client=False) | {"required_protection": protection} | (server or {})
    client_facts = facts | key_pairs(suite, client=True) | {
        "client_sap": CLIENT_SAP, "protection": protection, "system_title": CLIENT_TITLE, "server_title": METER_TITLE,
    } | (client or {})  # fmt: skip
    if device is None:
        device = SecuredDevice(AssociationSettings(**server_facts))
    counter = CountUp(first_counter)
    return Bench(
        ClientAssociation(ClientSettings(**client_facts), counter, fresh(b"C")),
        ServerAssociation(device, CLIENT_SAP, fresh(b"S")),
        device,
        counter,
    )
