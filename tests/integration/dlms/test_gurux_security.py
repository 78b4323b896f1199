"""gurux-dlms as client of our server: all mechanisms from 1 to 7, in suites 0, 1 and 2, plain and ciphered.

Measured peculiarities of gurux-dlms 1.0 that the server meets, or that the test works round:
- with mechanism 2 it enciphers the challenge under the password filled up with zeros (AES-128, ECB);
- it takes an invocation counter for the proof of every mechanism, not of mechanism 5 alone;
- with mechanism 7 its challenge has 16 octets (the standard asks for 32); the key pair it is given must hold its own
  private key beside the server's public one;
- it signs rightly on P-256, but refuses its own signatures (and everyone's) when it verifies them, and cannot sign on
  P-384 at all (it compares with P-256 twice): so a library verifies the server's proof for it, and suite 2 is left out;
- it writes private keys to standard output when it signs.
"""

import asyncio
from typing import Any

import pytest
from gurux_dlms.ecdsa import GXPrivateKey, GXPublicKey
from gurux_dlms.ecdsa.GXEcdsa import GXEcdsa
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects.enums import SecuritySuite as GuruxSuite
from gurux_dlms.secure import GXDLMSSecureClient
from tests.integration.dlms.example_device import CLIENT_TITLE, CLOCK, ENERGY, NOW, ExampleDevice
from tests.integration.dlms.peers import GuruxPeer
from tests.unit.protocols.dlms.security.bench import common, key_of, key_pairs, scalar_of

from meterworks.links import MeterServer
from meterworks.protocols.dlms import AssociationSettings, Mechanism, Protection, SecuritySuite
from meterworks.protocols.dlms.security import verify_signature

CLIENT_SAP = 9
SECRET = "Gurux678"
MECHANISMS = {
    Mechanism.LOW: Authentication.LOW,
    Mechanism.MANUFACTURER: Authentication.HIGH,
    Mechanism.MD5: Authentication.HIGH_MD5,
    Mechanism.SHA1: Authentication.HIGH_SHA1,
    Mechanism.GMAC: Authentication.HIGH_GMAC,
    Mechanism.SHA256: Authentication.HIGH_SHA256,
    Mechanism.ECDSA: Authentication.HIGH_ECDSA,
}


class SecuredPeer(GuruxPeer):
    """A gurux-dlms client of a suite and mechanism."""

    def __init__(self, port: int, suite: SecuritySuite, mechanism: Mechanism, protection: Protection) -> None:
        super().__init__(port, CLIENT_SAP, first_counter=100)
        password = None if mechanism in (Mechanism.GMAC, Mechanism.ECDSA) else SECRET
        self.client = GXDLMSSecureClient(True, CLIENT_SAP, 1, MECHANISMS[mechanism], password, InterfaceType.WRAPPER)
        cipher = self.client.ciphering
        cipher.systemTitle = CLIENT_TITLE
        cipher.securitySuite = GuruxSuite(int(suite))
        cipher.blockCipherKey = bytearray(key_of(suite, 0x10))
        cipher.authenticationKey = bytearray(key_of(suite, 0xD0))
        cipher.invocationCounter = 100
        cipher.security = Security(int(protection))
        if mechanism is Mechanism.ECDSA:
            theirs = key_pairs(suite, client=True)["peer_signing_key"]
            cipher.signingKeyPair = (
                GXPublicKey.fromRawBytes(theirs),
                GXPrivateKey.fromRawBytes(scalar_of(suite, 1)),
            )


def settings_of(suite: SecuritySuite, mechanism: Mechanism, protection: Protection) -> AssociationSettings:
    facts = common(suite, mechanism, protection) | key_pairs(suite, client=False)
    if "secret" in facts:
        facts["secret"] = SECRET.encode()
    if "password" in facts:
        facts["password"] = SECRET.encode()
    return AssociationSettings(**facts, required_protection=protection)


def cases() -> list[Any]:
    return [
        pytest.param(suite, mechanism, protection, id=f"{suite.name}-{mechanism.name}-{int(protection):02x}")
        for suite in SecuritySuite
        for mechanism in MECHANISMS
        for protection in (Protection.NONE, Protection.BOTH)
        if not (mechanism is Mechanism.ECDSA and suite is not SecuritySuite.SUITE_1)
        if suite is SecuritySuite.SUITE_0 or protection or mechanism is Mechanism.ECDSA
    ]


@pytest.mark.parametrize(("suite", "mechanism", "protection"), cases())
async def test_gurux_associates_and_reads(
    server: MeterServer,
    device: ExampleDevice,
    suite: SecuritySuite,
    mechanism: Mechanism,
    protection: Protection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verified: list[bytes] = []

    def verify(_self: GXEcdsa, signature: bytes, message: bytes) -> bool:
        verify_signature(suite, key_pairs(suite, client=True)["peer_signing_key"], bytes(message), bytes(signature))
        verified.append(signature)
        return True

    monkeypatch.setattr(GXEcdsa, "verify", verify)
    device.associations[CLIENT_SAP] = settings_of(suite, mechanism, protection)

    def session() -> list[Any]:
        with SecuredPeer(server.port, suite, mechanism, protection) as peer:
            return [peer.read(CLOCK), peer.read(ENERGY)]

    clock, energy = await asyncio.to_thread(session)
    assert clock.value.timestamp() == NOW.timestamp()
    assert energy == 1_234_567
    assert device.events == []
    assert len(verified) == (1 if mechanism is Mechanism.ECDSA else 0)
