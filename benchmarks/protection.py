"""Protection of 1 KiB under general-glo, and association handshakes of suites 0, 1 and 2, without a socket.

The limit of protection is a kept AESGCM object of `cryptography` alone; the peers are dlms-cosem's and gurux-dlms's
functions for the same message. A handshake is AARQ, AARE, proof and proof between our client and our server, both
counted; the peer's is between its client and our server. Mechanism 5 in suite 0, mechanism 7 (ECDSA) in suites 1 and 2,
whose limit is two signatures and two verifications of `cryptography` alone. Memory is that of an idle association with
its connection, on the server. Prints one JSON line.

    python -m benchmarks.protection
"""

import contextlib
import gc
import json
import os
import tracemalloc
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from dlms_cosem import security as cosem_security
from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.AesGcmParameter import AesGcmParameter
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.GXCiphering import GXCiphering
from gurux_dlms.secure import GXDLMSSecureClient

from benchmarks.apdu import microseconds
from benchmarks.decode import seconds_per_call
from benchmarks.sessions import BenchMeter
from meterworks.protocols.dlms import (
    Associate,
    AssociationSettings,
    CipherForm,
    ClientConnection,
    ClientSettings,
    CountUp,
    Mechanism,
    Protection,
    SecurityContext,
    SecuritySuite,
    ServerConnection,
)
from meterworks.protocols.dlms.security import ApduCipher, SoftwareSigner

GUEK: Final = bytes(range(16))
GAK: Final = bytes(range(0xD0, 0xE0))
OWN_TITLE: Final = b"MWKbench"
PEER_TITLE: Final = b"MWEmeter"
BOTH: Final = 0x30
KIB: Final = bytes(range(256)) * 4
IDLE_ASSOCIATIONS: Final = 2000
CURVES: Final = {SecuritySuite.SUITE_1: (ec.SECP256R1(), hashes.SHA256()),
                 SecuritySuite.SUITE_2: (ec.SECP384R1(), hashes.SHA384())}  # fmt: skip


class EveryCounter:
    """Takes every counter, so that one message can be opened many times."""

    def lowest(self) -> int:
        return 0

    def accept(self, counter: int) -> bool:
        return True


def context(own: bytes, peer: bytes) -> SecurityContext:
    """One end of an association in suite 0."""
    return SecurityContext(
        own_title=own, peer_title=peer, cipher=ApduCipher(GUEK, GAK), next_counter=CountUp(1).next,
        peer_counter=EveryCounter(),
    )  # fmt: skip


def one_kib() -> dict[str, float]:
    """Protect and unprotect, beside the limit and the peers."""
    sender, receiver = context(OWN_TITLE, PEER_TITLE), context(PEER_TITLE, OWN_TITLE)
    apdu = sender.protect(KIB, CipherForm.GENERAL_GLO, BOTH)
    assert receiver.unprotect(apdu, BOTH).apdu == KIB
    kept, nonce, aad = AESGCM(GUEK), OWN_TITLE + bytes(4), b"\x30" + GAK
    sealed = kept.encrypt(nonce, KIB, aad)
    control = cosem_security.SecurityControlField(security_suite=0, authenticated=True, encrypted=True)
    body, counter = apdu[-len(KIB) - 12 :], int.from_bytes(apdu[-len(KIB) - 16 : -len(KIB) - 12], "big")

    def gurux() -> object:
        message = AesGcmParameter(0xDB, bytearray(OWN_TITLE), bytearray(GUEK), bytearray(GAK))
        message.security, message.invocationCounter = Security.AUTHENTICATION_ENCRYPTION, counter
        return GXCiphering.encrypt(message, KIB)

    def cosem_unprotect() -> bytes:
        return bytes(cosem_security.decrypt(control, OWN_TITLE, counter, GUEK, body, GAK))

    with contextlib.redirect_stdout(None):  # dlms-cosem prints while it ciphers
        assert cosem_unprotect() == KIB
        assert bytes(gurux())[-len(KIB) - 12 :] == body  # type: ignore[call-overload]  # gurux-dlms has no types
        figures = {
            "protect_us": microseconds(lambda: sender.protect(KIB, CipherForm.GENERAL_GLO, BOTH)),
            "unprotect_us": microseconds(lambda: receiver.unprotect(apdu, BOTH)),
            "limit_protect_us": microseconds(lambda: kept.encrypt(nonce, KIB, aad)),
            "limit_unprotect_us": microseconds(lambda: kept.decrypt(nonce, sealed, aad)),
            "dlms_cosem_protect_us": microseconds(
                lambda: cosem_security.encrypt(control, OWN_TITLE, counter, GUEK, KIB, GAK)
            ),
            "dlms_cosem_unprotect_us": microseconds(cosem_unprotect),
            "gurux_protect_us": seconds_per_call(gurux) * 1e6,
        }
    return {name: round(value, 2) for name, value in figures.items()}


class Ends:
    """The settings of both ends of an association."""

    def __init__(self, suite: SecuritySuite) -> None:
        size = 32 if suite is SecuritySuite.SUITE_2 else 16
        keys: dict[str, Any] = {"guek": bytes(range(size)), "gak": bytes(range(0x40, 0x40 + size)), "suite": suite}
        mechanism, ours, theirs = Mechanism.GMAC, keys, keys
        if suite is not SecuritySuite.SUITE_0:
            mechanism = Mechanism.ECDSA
            mine, other = SoftwareSigner.draw(suite, os.urandom), SoftwareSigner.draw(suite, os.urandom)
            ours = {**keys, "signer": mine, "peer_signing_key": other.public_key}
            theirs = {**keys, "signer": other, "peer_signing_key": mine.public_key}
        self.client = ClientSettings(mechanism=mechanism, system_title=OWN_TITLE, client_sap=2, **ours)
        self.meter = BenchMeter(PEER_TITLE)
        self.meter._settings = AssociationSettings(mechanism=mechanism, required_protection=Protection.BOTH, **theirs)
        self.counter = CountUp(1)

    def handshake(self) -> ServerConnection:
        """Associate on a fresh connection."""
        client = ClientConnection(self.client, self.counter, os.urandom)
        server = ServerConnection(self.meter, os.urandom)
        client.receive(server.receive(client.send(Associate())))
        opened = client.receive(server.receive(client.data_to_send()))
        assert opened
        assert server.is_proved
        return server


def signing_limit(suite: SecuritySuite) -> float:
    """Two signatures and two verifications, microseconds."""
    curve, digest = CURVES[suite]
    key = ec.generate_private_key(curve)
    public, algorithm, message = key.public_key(), ec.ECDSA(digest), bytes(48)
    signature = key.sign(message, algorithm)

    def both() -> None:
        for _ in range(2):
            key.sign(message, algorithm)
            public.verify(signature, message, algorithm)

    return seconds_per_call(both) * 1e6


def gurux_handshake(ends: Ends) -> None:
    """gurux-dlms's client associates with our server."""
    client = GXDLMSSecureClient(True, 2, 1, Authentication.HIGH_GMAC, "12345678", InterfaceType.WRAPPER)
    cipher = client.ciphering
    cipher.systemTitle, cipher.security = OWN_TITLE, Security.AUTHENTICATION_ENCRYPTION
    encryption_key, authentication_key = ends.client.keys
    cipher.blockCipherKey, cipher.authenticationKey = bytearray(encryption_key), bytearray(authentication_key)
    cipher.invocationCounter = ends.counter.next()
    server = ServerConnection(ends.meter, os.urandom)

    def exchange(frames: Any) -> GXReplyData:
        reply = GXReplyData()
        for frame in frames if isinstance(frames, list) else [frames]:
            client.getData(GXByteBuffer(server.receive(bytes(frame))), reply, GXReplyData())
        return reply

    client.parseAareResponse(exchange(client.aarqRequest()).data)
    client.parseApplicationAssociationResponse(exchange(client.getApplicationAssociationRequest()).data)
    assert server.is_proved
    for _ in range(4):
        ends.counter.next()


def handshakes() -> dict[str, dict[str, float]]:
    """Microseconds of a whole handshake, and what it is compared with."""
    found: dict[str, dict[str, float]] = {}
    for suite in SecuritySuite:
        ends = Ends(suite)
        took = {"us": seconds_per_call(ends.handshake) * 1e6}
        if suite is SecuritySuite.SUITE_0:
            took["gurux_us"] = seconds_per_call(lambda ends=ends: gurux_handshake(ends)) * 1e6  # type: ignore[misc]
            took["times_best_peer"] = took["gurux_us"] / took["us"]
        else:
            took["limit_us"] = signing_limit(suite)
            took["times_limit"] = took["us"] / took["limit_us"]
        found[f"suite_{int(suite)}"] = {name: round(value, 2) for name, value in took.items()}
    return found


def memory_per_association() -> dict[str, float]:
    """Octets of Python memory that an idle association and its connection hold on the server."""
    found: dict[str, float] = {}
    for suite in SecuritySuite:
        ends = Ends(suite)
        ends.handshake()
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        kept = [ends.handshake() for _ in range(IDLE_ASSOCIATIONS // (1 if suite is SecuritySuite.SUITE_0 else 10))]
        gc.collect()
        found[f"suite_{int(suite)}_bytes"] = round((tracemalloc.get_traced_memory()[0] - before) / len(kept))
        tracemalloc.stop()
    return found


def measure() -> dict[str, Any]:
    """Measure everything."""
    return {"kib": one_kib(), "handshake": handshakes(), "idle_association": memory_per_association()}


if __name__ == "__main__":
    print(json.dumps(measure()))
