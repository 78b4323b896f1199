"""Protection and proofs as the tester makes and checks them, each part of it open to being made wrong on purpose.

Written apart from the protocol core, over the same primitives: what the suite accepts is then what the standard says
and not what our own stack says. Source: IEC 62056-5-3, 5.3.7 and 5.7; fact sheet section 6.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meterworks.assess.conformance.credential import Credential
from meterworks.assess.conformance.row import CheckFailed, fail
from meterworks.errors import UsageError

__all__ = ["Header", "ciphered_tag", "is_proof", "make_proof", "open_body", "protect_body", "split_ciphered"]

AUTHENTICATED: Final = 0x10
ENCRYPTED: Final = 0x20
BOTH: Final = 0x30
TAG_SIZE: Final = 12
GENERAL_GLO: Final = 0xDB
GENERAL_DED: Final = 0xDC
_CURVES: Final = {1: ec.SECP256R1(), 2: ec.SECP384R1()}
_HASHES: Final = {1: hashes.SHA256(), 2: hashes.SHA384()}
_COORDINATE_SIZE: Final = {1: 32, 2: 48}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Security header of a ciphered APDU. title: empty in the service-specific forms."""

    tag: int
    title: bytes
    control: int
    counter: int
    body: bytes


def ciphered_tag(plain_tag: int, *, dedicated: bool = False) -> int:
    """Give the service-specific ciphered tag: two fixed distances, for services below and above 80."""
    if plain_tag >= 0x80:
        return plain_tag + (0x10 if dedicated else 0x08)
    return plain_tag + (0x40 if dedicated else 0x20)


def protect_body(
    keys: tuple[bytes, bytes], title: bytes, counter: int, control: int, apdu: bytes, *, fields: bytes = b""
) -> bytes:
    """Give what follows the security header. fields: those of general-ciphering, which are authenticated as well."""
    key, authentication_key = keys[0], keys[1] + fields
    nonce = title + counter.to_bytes(4, "big")
    protection = control & BOTH
    if protection == BOTH:
        sealed = AESGCM(key).encrypt(nonce, apdu, bytes((control,)) + authentication_key)
        return sealed[: len(apdu) + TAG_SIZE]
    if protection == AUTHENTICATED:
        return apdu + AESGCM(key).encrypt(nonce, b"", bytes((control,)) + authentication_key + apdu)[:TAG_SIZE]
    if protection == ENCRYPTED:
        return AESGCM(key).encrypt(nonce, apdu, b"")[: len(apdu)]
    return apdu


def open_body(keys: tuple[bytes, bytes], title: bytes, header: Header, *, fields: bytes = b"") -> bytes:
    """Check and decipher what a server sent. Raises CheckFailed where its tag is false."""
    key, authentication_key = keys[0], keys[1] + fields
    nonce = title + header.counter.to_bytes(4, "big")
    protection = header.control & BOTH
    if protection == 0:
        fail(f"security control {header.control:#04x} of an answer protects nothing")
    if protection == ENCRYPTED:
        decryptor = Cipher(algorithms.AES(key), modes.GCM(nonce)).decryptor()
        return decryptor.update(header.body)
    if len(header.body) < TAG_SIZE:
        fail(f"the answer has {len(header.body)} octets behind its security header, and a tag alone has {TAG_SIZE}")
    content, tag = header.body[:-TAG_SIZE], header.body[-TAG_SIZE:]
    decryptor = Cipher(algorithms.AES(key), modes.GCM(nonce, tag, min_tag_length=TAG_SIZE)).decryptor()
    encrypted = bool(protection & ENCRYPTED)
    decryptor.authenticate_additional_data(
        bytes((header.control,)) + authentication_key + (b"" if encrypted else content)
    )
    plain = decryptor.update(content) if encrypted else content
    try:
        decryptor.finalize()
    except InvalidTag as error:
        raise CheckFailed(f"the tag of the answer (counter {header.counter}) does not verify") from error
    return plain


def split_ciphered(apdu: bytes) -> Header:
    """Take a ciphered APDU apart. Raises CheckFailed where its lengths do not fit."""
    tag, offset, title = apdu[0], 1, b""
    if tag in (GENERAL_GLO, GENERAL_DED):
        size = apdu[1] if len(apdu) > 1 else 0
        title, offset = apdu[2 : 2 + size], 2 + size
    length, offset = _length(apdu, offset)
    if length != len(apdu) - offset or length < 5:
        fail(f"the ciphered APDU announces {length} octets and has {len(apdu) - offset}")
    return Header(
        tag=tag,
        title=title,
        control=apdu[offset],
        counter=int.from_bytes(apdu[offset + 1 : offset + 5], "big"),
        body=apdu[offset + 5 :],
    )


def _length(octets: bytes, offset: int) -> tuple[int, int]:
    first = octets[offset] if offset < len(octets) else 0
    if first < 0x80:
        return first, offset + 1
    end = offset + 1 + (first & 0x7F)
    return int.from_bytes(octets[offset + 1 : end], "big"), end


def _gmac(credential: Credential, title: bytes, control: int, counter: int, challenge: bytes) -> bytes:
    key, authentication_key = credential.keys
    data = bytes((control,)) + authentication_key + challenge
    tag = AESGCM(key).encrypt(title + counter.to_bytes(4, "big"), b"", data)[:TAG_SIZE]
    return bytes((control,)) + counter.to_bytes(4, "big") + tag


def _digest(credential: Credential, own: bytes, peer: bytes, received: bytes, sent: bytes) -> bytes:
    """Give the proofs that are a function of the secret alone: both sides can compute either of them."""
    secret = credential.secret or b""
    if credential.mechanism == 2:
        padded = received + bytes(-len(received) % 16)
        # Mode ECB is what fielded meters do in the manufacturer's mechanism: a fact of theirs, not a choice of ours.
        encryptor = Cipher(algorithms.AES(secret.ljust(16, b"\0")[:16]), modes.ECB()).encryptor()  # noqa: S305
        return encryptor.update(padded)
    if credential.mechanism == 3:
        return hashlib.md5(received + secret, usedforsecurity=False).digest()
    if credential.mechanism == 4:
        return hashlib.sha1(received + secret, usedforsecurity=False).digest()
    if credential.mechanism == 6:
        return hashlib.sha256(secret + own + peer + received + sent).digest()
    raise UsageError(f"mechanism {credential.mechanism} has no proof by digest")


def make_proof(credential: Credential, server_title: bytes, counter: int, stoc: bytes, ctos: bytes) -> bytes:
    """Give our answer to the server's challenge."""
    if credential.mechanism == 5:
        return _gmac(credential, credential.title, AUTHENTICATED | credential.suite, counter, stoc)
    if credential.mechanism == 7:
        suite = credential.suite or 1
        key = ec.derive_private_key(int.from_bytes(credential.signing_key or b"", "big"), _CURVES[suite])
        signature = key.sign(credential.title + server_title + stoc + ctos, ec.ECDSA(_HASHES[suite]))
        size = _COORDINATE_SIZE[suite]
        return b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(signature))
    return _digest(credential, credential.title, server_title, stoc, ctos)


def is_proof(credential: Credential, server_title: bytes, proof: bytes, ctos: bytes, stoc: bytes) -> bool:
    """Whether the server's answer to our challenge is genuine."""
    if credential.mechanism == 5:
        if len(proof) != 5 + TAG_SIZE:
            return False
        counter = int.from_bytes(proof[1:5], "big")
        return hmac.compare_digest(proof, _gmac(credential, server_title, proof[0], counter, ctos))
    if credential.mechanism == 7:
        return _is_signature(credential, proof, server_title + credential.title + ctos + stoc)
    return hmac.compare_digest(proof, _digest(credential, server_title, credential.title, ctos, stoc))


def _is_signature(credential: Credential, signature: bytes, message: bytes) -> bool:
    suite = credential.suite or 1
    size = _COORDINATE_SIZE[suite]
    point = b"\x04" + (credential.server_signing_key or b"")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[suite], point)
        encoded = encode_dss_signature(int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))
        key.verify(encoded, message, ec.ECDSA(_HASHES[suite]))
    except (InvalidSignature, ValueError):
        return False
    return len(signature) == 2 * size
