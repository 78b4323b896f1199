"""High-level security: each side proves that it holds a secret or a key, by what it makes of the other's challenge.

Four passes: the client's challenge goes out in the AARQ, the server's comes in the AARE; the client sends its proof
with the method reply_to_HLS of the current association, and the server returns its own.
"Own" is the side that makes the proof.

| mechanism | proof of the challenge received |
|---|---|
| 2 | the manufacturer's, made by a function in the settings |
| 3 / 4 | MD5 / SHA-1 over challenge, secret |
| 5 | SC, IC, GMAC over SC, GAK, challenge |
| 6 | SHA-256 over secret, own title, peer's title, challenge received, challenge sent |
| 7 | ECDSA over own title, peer's title, challenge received, challenge sent |

Source: IEC 62056-5-3, 5.3.2; fact sheet section 6.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import ECB

from meterworks.protocols.dlms.descriptor import MethodAddress
from meterworks.protocols.dlms.obis import ObisCode
from meterworks.protocols.dlms.security import TAG_SIZE, ApduCipher, verify_signature
from meterworks.protocols.dlms.settings import AssociationSettings, ClientSettings, Mechanism
from meterworks.protocols.errors import DecodeError, StateError, TagError

__all__ = [
    "CHALLENGE_SIZE",
    "CHALLENGE_SIZE_ECDSA",
    "CHALLENGE_SIZE_MAX",
    "CHALLENGE_SIZE_MIN",
    "REPLY_TO_HLS",
    "REPLY_TO_HLS_NAME",
    "Handshake",
    "aes_ecb_proof",
    "make_proof",
    "open_proof",
]

CHALLENGE_SIZE: Final = 16  # of those that we make
CHALLENGE_SIZE_ECDSA: Final = 32  # the least that mechanism 7 takes
CHALLENGE_SIZE_MIN: Final = 8
CHALLENGE_SIZE_MAX: Final = 64
PROOF_SIZE: Final = 5 + TAG_SIZE
REPLY_TO_HLS: Final = MethodAddress(15, ObisCode("0.0.40.0.0.255"), 1)
REPLY_TO_HLS_NAME: Final = 0xFA00 + 0x58  # the same method of the association's short-name object, its eighth
_AUTHENTICATED: Final = 0x10
_AES_KEY_SIZE: Final = 16


def make_proof(cipher: ApduCipher, title: bytes, counter: int, challenge: bytes) -> bytes:
    """Give the proof of mechanism 5 that `title` sends for the peer's challenge."""
    control = bytes((_AUTHENTICATED | cipher.suite,))
    return control + counter.to_bytes(4, "big") + cipher.gmac(title, counter, challenge)


def open_proof(cipher: ApduCipher, title: bytes, proof: bytes, challenge: bytes) -> int:
    """Verify the proof of mechanism 5 that `title` sent for our challenge; give its counter. TagError if false.

    Its security control octet names the suite, or (stacks differ) suite 0 in every suite; the tag covers it.
    """
    if len(proof) != PROOF_SIZE or proof[0] not in (_AUTHENTICATED | cipher.suite, _AUTHENTICATED):
        raise DecodeError(f"proof of {len(proof)} octets; {PROOF_SIZE} with security control 10 expected", offset=0)
    counter = int.from_bytes(proof[1:5], "big")
    if not hmac.compare_digest(cipher.gmac(title, counter, challenge, control=proof[0]), proof[5:]):
        raise TagError("proof for our challenge is false: the peer does not hold the keys")
    return counter


def aes_ecb_proof(secret: bytes, challenge: bytes) -> bytes:
    """Give what many use as mechanism 2: the challenge under AES-128 in ECB mode, the secret filled up with zeros."""
    if len(secret) > _AES_KEY_SIZE:
        raise StateError(f"a secret of {len(secret)} octets is longer than a key of AES-128")
    encryptor = Cipher(AES128(secret.ljust(_AES_KEY_SIZE, b"\x00")), ECB()).encryptor()  # noqa: S305 -- not our choice
    filled = challenge.ljust(-(-len(challenge) // _AES_KEY_SIZE) * _AES_KEY_SIZE, b"\x00")
    return encryptor.update(filled)


class Handshake:
    """One side's part in high-level security, while it lasts.

    sent: our challenge. received: the peer's. peer_key: the peer's public signing key, for mechanism 7.
    """

    __slots__ = ("_cipher", "_settings", "own_title", "peer_key", "peer_title", "received", "sent")

    def __init__(
        self,
        settings: AssociationSettings | ClientSettings,
        cipher: ApduCipher | None,
        own_title: bytes,
        sent: bytes,
    ) -> None:
        self._settings = settings
        self._cipher = cipher
        self.own_title = own_title
        self.sent = sent
        self.peer_title = b""
        self.received = b""
        self.peer_key = settings.peer_signing_key

    def prove(self, next_counter: Callable[[], int]) -> bytes:
        """Give our proof. next_counter: gives our counter under the global key, for mechanism 5."""
        if self._settings.mechanism == Mechanism.GMAC:
            return make_proof(self._needed_cipher(), self.own_title, next_counter(), self.received)
        if self._settings.mechanism == Mechanism.ECDSA:
            signer = self._settings.signer
            if signer is None:
                raise StateError("mechanism 7 without a signing key")
            return signer.sign(self.own_title + self.peer_title + self.received + self.sent)
        return self._digest(self.own_title, self.peer_title, self.received, self.sent)

    def verify(self, proof: bytes) -> int | None:
        """Verify the peer's proof; give its counter with mechanism 5. TagError or SignatureError where it is false."""
        if self._settings.mechanism == Mechanism.GMAC:
            return open_proof(self._needed_cipher(), self.peer_title, proof, self.sent)
        if self._settings.mechanism == Mechanism.ECDSA:
            if self.peer_key is None:
                raise TagError("mechanism 7, and the signing key of the peer is not known")
            message = self.peer_title + self.own_title + self.sent + self.received
            verify_signature(self._settings.suite, self.peer_key, message, proof)
            return None
        expected = self._digest(self.peer_title, self.own_title, self.sent, self.received)
        if not hmac.compare_digest(expected, proof):
            raise TagError("proof for our challenge is false: the peer does not know the secret")
        return None

    def _needed_cipher(self) -> ApduCipher:
        if self._cipher is None:
            raise StateError("mechanism 5 without keys")
        return self._cipher

    def _digest(self, maker: bytes, other: bytes, received: bytes, sent: bytes) -> bytes:
        """Give the proof that `maker` makes with a secret that both sides know."""
        settings = self._settings
        secret = settings.secret or b""
        if settings.mechanism == Mechanism.MD5:
            return hashlib.md5(received + secret, usedforsecurity=False).digest()
        if settings.mechanism == Mechanism.SHA1:
            return hashlib.sha1(received + secret, usedforsecurity=False).digest()
        if settings.mechanism == Mechanism.SHA256:
            return hashlib.sha256(secret + maker + other + received + sent).digest()
        if settings.manufacturer_proof is None:
            raise StateError(f"mechanism {int(settings.mechanism)} makes no proof")
        return settings.manufacturer_proof(secret, received)
