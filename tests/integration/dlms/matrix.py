"""The matrix of other people's clients and our server: a device with an association for each mechanism and suite.

The peers' own code runs unchanged; what they send goes to our server's core and back without a socket, so that the
whole matrix takes seconds. The same over real sockets, for some of it, is in `test_foreign_clients`.
"""

import random
import socket
from typing import Any, cast

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from gurux_dlms.ecdsa.GXPrivateKey import GXPrivateKey
from gurux_dlms.ecdsa.GXPublicKey import GXPublicKey
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.GXReplyData import GXReplyData
from gurux_dlms.secure import GXDLMSSecureClient
from tests.integration.dlms.example_device import CLIENT_TITLE, ECHO, PASSWORD, ExampleDevice
from tests.integration.dlms.peers import GuruxPeer
from tests.unit.assess.conformance.bench import FakeSocket

from meterworks.protocols.dlms import (
    METER_CONFORMANCE,
    WRAPPER,
    ActionResult,
    AssociationSettings,
    Conformance,
    Mechanism,
    MethodAddress,
    Protection,
    SecuritySuite,
    ServerConnection,
    ServerFraming,
    SoftwareSigner,
)

__all__ = [
    "KEYS",
    "MECHANISMS",
    "SECRET",
    "SINK",
    "MatrixDevice",
    "MatrixPeer",
    "client_sap",
    "manufacturer_proof",
    "private_key",
    "served",
]

SECRET = b"a secret of HLS."
MECHANISMS = tuple(Mechanism)
KEYS = {suite: (bytes(range(size)), bytes(range(0xD0, 0xD0 + size))) for suite, size in ((0, 16), (1, 16), (2, 32))}
SCALAR_SIZES = {1: 32, 2: 48}
SINK = MethodAddress(9, ECHO.obis_code, 2)
_AUTHENTICATIONS = {
    0: Authentication.NONE, 1: Authentication.LOW, 2: Authentication.HIGH, 3: Authentication.HIGH_MD5,
    4: Authentication.HIGH_SHA1, 5: Authentication.HIGH_GMAC, 6: Authentication.HIGH_SHA256,
    7: Authentication.HIGH_ECDSA,
}  # fmt: skip


def manufacturer_proof(secret: bytes, challenge: bytes) -> bytes:
    """Mechanism 2 as most who have it do it: AES in ECB mode over the challenge."""
    encryptor = Cipher(algorithms.AES(secret), modes.ECB()).encryptor()
    return encryptor.update(challenge)


def client_sap(mechanism: int, suite: int | None) -> int:
    """Give the client address with this mechanism; suite None is the plain context."""
    return 20 + mechanism if suite is None else 30 + 10 * suite + mechanism


def private_key(suite: int, who: str) -> bytes:
    """Give the private number of the client or of the server."""
    return random.Random(f"{who}{suite}").randbytes(SCALAR_SIZES[suite])


def signer_of(suite: int, who: str) -> SoftwareSigner:
    return SoftwareSigner(SecuritySuite(suite), private_key(suite, who))


class MatrixDevice(ExampleDevice):
    """An example meter that every mechanism and suite can speak to, each under a client address of its own."""

    def __init__(self, *, pdu_size: int = 0xFFFF, general_blocks: bool = False) -> None:
        super().__init__(pdu_size=pdu_size)
        conformance = METER_CONFORMANCE
        if general_blocks:
            conformance |= Conformance.GENERAL_BLOCK_TRANSFER
        else:
            conformance &= ~Conformance.GENERAL_BLOCK_TRANSFER
        for mechanism in MECHANISMS:
            for suite in (None, 0, 1, 2):
                if mechanism == Mechanism.ECDSA and not suite:
                    continue
                self.associations[client_sap(mechanism, suite)] = self._settings(
                    mechanism, suite, pdu_size, conformance
                )

    def action(
        self, client_sap: int, address: MethodAddress, parameter: bytes | None
    ) -> tuple[ActionResult, bytes | None]:
        """Take a parameter and give nothing back, beside what the example device does."""
        if address == SINK:
            self.invoked.append((address, parameter))
            return ActionResult.SUCCESS, None
        return super().action(client_sap, address, parameter)

    def _settings(
        self, mechanism: Mechanism, suite: int | None, pdu_size: int, conformance: Conformance
    ) -> AssociationSettings:
        guek, gak = KEYS[suite or 0]
        signed = mechanism == Mechanism.ECDSA and suite is not None
        return AssociationSettings(
            mechanism=mechanism,
            suite=SecuritySuite(suite or 0),
            guek=guek,
            gak=gak,
            password=PASSWORD,
            secret=SECRET,
            manufacturer_proof=manufacturer_proof,
            required_protection=Protection.NONE if suite is None else Protection.BOTH,
            signer=signer_of(suite, "server") if signed and suite else None,
            peer_signing_key=signer_of(suite, "client").public_key if signed and suite else None,
            max_pdu=pdu_size,
            conformance=conformance,
        )


def served(device: ExampleDevice, framing: ServerFraming = WRAPPER) -> socket.socket:
    """Give a connection to the device, as a socket that needs no waiting."""
    source = random.Random(11)
    return cast(socket.socket, FakeSocket(ServerConnection(device, source.randbytes, framing=framing)))


class MatrixPeer(GuruxPeer):
    """A gurux-dlms client of any mechanism and suite, over the wrapper or HDLC."""

    def __init__(
        self,
        link: socket.socket,
        mechanism: int,
        suite: int | None,
        *,
        hdlc: bool = False,
        sap: int | None = None,
        **options: Any,
    ) -> None:
        """Take a connection. sap: client address, that of the matrix if absent; options: attributes of the client."""
        secret = {0: None, 1: PASSWORD.decode(), 5: PASSWORD.decode()}.get(mechanism, SECRET.decode())
        self.client = GXDLMSSecureClient(
            True, sap or client_sap(mechanism, suite), 1, _AUTHENTICATIONS[mechanism], secret,
            InterfaceType.HDLC if hdlc else InterfaceType.WRAPPER,
        )  # fmt: skip
        cipher = self.client.ciphering
        guek, gak = KEYS[suite or 0]
        cipher.systemTitle = CLIENT_TITLE
        cipher.blockCipherKey, cipher.authenticationKey = bytearray(guek), bytearray(gak)
        cipher.invocationCounter = 100
        if suite is not None:
            cipher.security = Security.AUTHENTICATION_ENCRYPTION
            cipher.securitySuite = suite
        if mechanism == Mechanism.ECDSA and suite:
            cipher.signingKeyPair = (
                GXPublicKey.fromRawBytes(b"\x04" + signer_of(suite, "server").public_key),
                GXPrivateKey.fromRawBytes(private_key(suite, "client")),
            )
        for name, value in options.items():
            setattr(self.client, name, value)
        self.hdlc = hdlc
        self.link = link

    def exchange(self, frames: Any, reply: GXReplyData) -> None:
        """Send frames one after the other; what was read of one answer must not be left for the next."""
        for frame in frames if isinstance(frames, list) else [frames]:
            reply.clear()
            super().exchange(frame, reply)

    def __enter__(self) -> "MatrixPeer":
        if self.hdlc:
            reply = GXReplyData()
            self.exchange(self.client.snrmRequest(), reply)
            self.client.parseUAResponse(reply.data)
        self._associate()
        return self
