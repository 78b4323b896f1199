"""What protects GB messages: MACs, signatures and the encryption of sensitive attributes.

Each message has a key of its own, derived from the secret of two static key pairs and from the identities and the
counter in the message's header: whoever computes it takes those of that very message. The shared secret of a pair
costs more than all the rest, so it is agreed once and kept.
Private keys come in as `Signer` and `KeyAgreement`; public keys are x || y of P-256.
Source: GBCS 4.3 (cryptographic protection), NIST SP 800-56A (single-step KDF); fact sheet gb/GBCS.md section 4.
"""

from collections import OrderedDict
from enum import IntEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import GCM
from cryptography.hazmat.primitives.constant_time import bytes_eq

from meterworks.protocols.dlms.length import encode_length
from meterworks.protocols.dlms.security.derivation import AlgorithmArc, algorithm_id, derive_key
from meterworks.protocols.dlms.security.key import KeyAgreement, Signer, verify_signature
from meterworks.protocols.dlms.security.suite import SecuritySuite
from meterworks.protocols.errors import DecodeError, TagError, WeakProtection
from meterworks.protocols.gbcs.message import MAC_SIZE, Message

__all__ = [
    "KeyPurpose",
    "SharedSecrets",
    "check_mac",
    "check_signature",
    "compute_mac",
    "decrypt_attribute",
    "encrypt_attribute",
    "message_key",
    "with_mac",
    "with_signature",
]

SECRETS_MAX: Final = 4_096  # peers whose secrets are kept; the one longest unused goes first
_SUITE: Final = SecuritySuite.SUITE_1
_ALGORITHM: Final = algorithm_id(_SUITE, arc=AlgorithmArc.OLD)  # as printed when GBCS was written
_MAC_HEADER: Final = b"\x11\x00\x00\x00\x00\x00"  # security header and the empty key information
_ENCRYPTED: Final = b"\x31\x00\x00\x00\x00"  # authentication and encryption, suite 1, counter 0


class KeyPurpose(IntEnum):
    """The octet before the counter in a key's derivation: the message's kind for a MAC, 4 for encryption."""

    COMMAND_MAC = 1
    RESPONSE_MAC = 2
    ALERT_MAC = 3
    ENCRYPTION = 4


class SharedSecrets:
    """The secrets that a key pair for key agreement shares with its peers, each agreed once."""

    def __init__(self, own: KeyAgreement, *, secrets_max: int = SECRETS_MAX) -> None:
        self._own = own
        self._secrets_max = secrets_max
        self._secrets: OrderedDict[bytes, bytes] = OrderedDict()

    def __repr__(self) -> str:
        return f"SharedSecrets({len(self._secrets)} peers)"

    @property
    def public_key(self) -> bytes:
        """The own public key, x || y."""
        return self._own.public_key

    def with_peer(self, public_key: bytes) -> bytes:
        """The secret shared with the holder of a public key (x || y). Raises SignatureError for what is no point."""
        secret = self._secrets.get(public_key)
        if secret is None:
            secret = self._secrets[public_key] = self._own.agree(public_key)
            if len(self._secrets) > self._secrets_max:
                self._secrets.popitem(last=False)
        else:
            self._secrets.move_to_end(public_key)
        return secret

    def forget(self, public_key: bytes) -> None:
        """Drop the secret of a peer whose key was replaced."""
        self._secrets.pop(public_key, None)


def message_key(secret: bytes, purpose: KeyPurpose, *, originator: bytes, counter: int, recipient: bytes) -> bytes:
    """The AES-128 key of one message between two parties. secret: of their key agreement; identities of 8 octets."""
    transaction = b"\x09" + bytes((purpose,)) + counter.to_bytes(8, "big")
    return derive_key(_SUITE, secret, _ALGORITHM, originator, transaction + recipient)


def compute_mac(message: Message, secret: bytes) -> bytes:
    """The MAC of a message, 12 octets. secret: shared by the two ends of its MAC (GBCS 4.3.3; fact sheet section 3)."""
    key = message_key(
        secret,
        KeyPurpose(message.kind),
        originator=message.originator,
        counter=message.counter,
        recipient=message.recipient,
    )
    covered = b"".join((_MAC_HEADER, b"\xdf", message.signed_octets, _signature_part(message)))
    return AESGCM(key).encrypt(message.originator + bytes(4), b"", covered)[:MAC_SIZE]


def _signature_part(message: Message) -> bytes:
    return encode_length(len(message.signature)) + message.signature


def with_mac(message: Message, secret: bytes) -> Message:
    """The message with its MAC. A pre-command is completed: it gets the length of the signature it does not have."""
    whole = message.signed(message.signature)
    return whole.protected(compute_mac(whole, secret))


def check_mac(message: Message, secret: bytes) -> None:
    """Raise WeakProtection where the message has no MAC, TagError where it is another's or the message was altered."""
    if message.mac is None:
        raise WeakProtection("the message carries no MAC")
    if not bytes_eq(compute_mac(message, secret), message.mac):
        raise TagError("the MAC does not fit: another key made it, or the message was altered")


def with_signature(message: Message, signer: Signer) -> Message:
    """The message with its originator's signature; any MAC is gone, for it covers the signature."""
    return message.signed(signer.sign(message.signed_octets))


def check_signature(message: Message, public_key: bytes) -> None:
    """Raise WeakProtection where nobody signed, SignatureError where the holder of the public key did not."""
    if not message.signature:
        raise WeakProtection("the message carries no signature")
    verify_signature(_SUITE, public_key, message.signed_octets, message.signature)


def encrypt_attribute(plain: bytes, secret: bytes, *, originator: bytes, counter: int, recipient: bytes) -> bytes:
    """Encrypt a sensitive attribute for its reader. secret: shared by the device and that reader.

    counter, recipient: of the reader. For an unknown remote party these are the supplementary ones of the message.
    """
    key = message_key(secret, KeyPurpose.ENCRYPTION, originator=originator, counter=counter, recipient=recipient)
    sealed = AESGCM(key).encrypt(originator + bytes(4), plain, _ENCRYPTED[:1])
    return _ENCRYPTED + sealed[: len(plain) + MAC_SIZE]


def decrypt_attribute(sealed: bytes, secret: bytes, *, originator: bytes, counter: int, recipient: bytes) -> bytes:
    """The octets of a sensitive attribute. Raises DecodeError for what is no such string, TagError as `check_mac`."""
    start = len(_ENCRYPTED)
    if sealed[:start] != _ENCRYPTED or len(sealed) < start + MAC_SIZE:
        raise DecodeError("an encrypted attribute begins with 31 00000000 and ends with a tag", offset=0)
    key = message_key(secret, KeyPurpose.ENCRYPTION, originator=originator, counter=counter, recipient=recipient)
    mode = GCM(originator + bytes(4), sealed[-MAC_SIZE:], min_tag_length=MAC_SIZE)
    opened = Cipher(AES128(key), mode).decryptor()
    opened.authenticate_additional_data(_ENCRYPTED[:1])
    try:
        return opened.update(sealed[start:-MAC_SIZE]) + opened.finalize()
    except InvalidTag as error:
        raise TagError("the tag of an encrypted attribute does not fit: it is another reader's, or altered") from error
