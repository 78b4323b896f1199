"""Files sealed to named recipients: backups and escrow packages. Elliptic curves, so `cryptography`'s CMS does not fit.

Layout, format `meterworks-envelope-1`:
- one line of JSON, a line end: format, kind, salt (16 octets), and for each recipient its key's identifier (SHA-256 of
  the SubjectPublicKeyInfo), an ephemeral public key and the content key, wrapped;
- chunks, each of 64 KiB of content but the last, and 16 octets of tag.
The content key is fresh. A recipient's wrapping key is HKDF-SHA256 over ECDH of the ephemeral key and its own, with the
salt, and as information the format, the kind, and both public keys, so it is bound to whom and what it is for; the
content key is wrapped as RFC 3394 says. A chunk is AES-256-GCM under the content key: its nonce is its number in 11
octets and one octet that is 1 for the last chunk, so no chunk can be moved, left out or cut off; the associated data is
the SHA-256 of the first line, so no recipient can be added.
Source: RFC 5869; RFC 3394; the STREAM construction (Hoang et al., 2015); SECURITY fact sheet SEC-039, SEC-042.
"""

import contextlib
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, Final

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from meterworks.trust.entropy import random_bytes
from meterworks.trust.errors import EnvelopeError, KeyMaterialError, KeyUnwrapError
from meterworks.trust.keystore.vault import PrivateKey, curve_name
from meterworks.trust.keywrap import unwrap_key, wrap_key

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["EnvelopeWriter", "open_envelope", "read_recipient", "recipient_id"]

FORMAT: Final = "meterworks-envelope-1"
CHUNK_SIZE: Final = 65_536
RECIPIENTS_MAX: Final = 16
_TAG_SIZE: Final = 16
_KEY_SIZE: Final = 32
_SALT_SIZE: Final = 16
_LINE_SIZE_MAX: Final = 16_384


def recipient_id(public_key: ec.EllipticCurvePublicKey) -> str:
    """How a recipient's key is named in an envelope: SHA-256 of its SubjectPublicKeyInfo, hexadecimal."""
    return hashlib.sha256(_spki(public_key)).hexdigest()


def read_recipient(content: bytes) -> ec.EllipticCurvePublicKey:
    """Read a recipient's public key from PEM: a public key or a certificate. Raises KeyMaterialError."""
    with contextlib.suppress(ValueError):
        if b"BEGIN CERTIFICATE" in content:
            key: object = x509.load_pem_x509_certificate(content).public_key()
        else:
            key = serialization.load_pem_public_key(content)
        if isinstance(key, ec.EllipticCurvePublicKey):
            curve_name(key)
            return key
    raise KeyMaterialError("a recipient is a PEM file with an elliptic-curve public key or a certificate of one")


class EnvelopeWriter:
    """A stream that seals what is written to it. `close` ends the envelope: without it, it does not open."""

    def __init__(self, target: BinaryIO, kind: str, recipients: Sequence[ec.EllipticCurvePublicKey]) -> None:
        """kind: what is in it, which the reader must name. Raises KeyMaterialError without recipients, or too many."""
        if not 1 <= len(recipients) <= RECIPIENTS_MAX:
            raise KeyMaterialError(f"an envelope has 1 to {RECIPIENTS_MAX} recipients, not {len(recipients)}")
        self._target = target
        key, salt = random_bytes(_KEY_SIZE), random_bytes(_SALT_SIZE)
        rows = [_sealed_for(recipient, key, kind, salt) for recipient in recipients]
        line = json.dumps({"format": FORMAT, "kind": kind, "salt": salt.hex(), "recipients": rows}).encode() + b"\n"
        target.write(line)
        self._cipher = _ChunkCipher(key, line)
        self._buffer = bytearray()
        self._closed = False

    def write(self, data: bytes) -> int:
        """Seal octets; gives how many, as streams do."""
        self._buffer += data
        while len(self._buffer) > CHUNK_SIZE:  # the last chunk is known only at the end
            self._target.write(self._cipher.seal(bytes(self._buffer[:CHUNK_SIZE]), last=False))
            del self._buffer[:CHUNK_SIZE]
        return len(data)

    def close(self) -> None:
        """End the envelope. The target stays open."""
        if not self._closed:
            self._closed = True
            self._target.write(self._cipher.seal(bytes(self._buffer), last=True))
            self._buffer.clear()


def open_envelope(source: BinaryIO, kind: str, key: PrivateKey) -> io.BufferedReader:
    """Give the content of an envelope as a stream: nothing of a chunk comes before its tag held.

    key: a recipient's, of usage AGREE. Raises EnvelopeError where it is none, or the envelope is of another kind; and
    so does reading where a chunk was changed, or the envelope ends too early: read to the end before you trust it.
    """
    return io.BufferedReader(_EnvelopeContent(source, kind, key), CHUNK_SIZE)


class _EnvelopeContent(io.RawIOBase):
    """The chunks of an envelope, opened one by one."""

    def __init__(self, source: BinaryIO, kind: str, key: PrivateKey) -> None:
        line = source.readline(_LINE_SIZE_MAX)
        salt, rows = _facts(line, kind)
        row = rows.get(recipient_id(key.public_key))
        if row is None:
            raise EnvelopeError("this envelope is sealed to others: bring the key of one of its recipients")
        self._source = source
        self._cipher = _ChunkCipher(_opened_by(key, row, kind, salt), line)
        self._ahead = source.read(CHUNK_SIZE + _TAG_SIZE)
        self._content = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        while not self._content and not self._ended:
            self._content = self._next()
        view = memoryview(buffer)
        given = self._content[: len(view)]
        view[: len(given)] = given
        self._content = self._content[len(given) :]
        return len(given)

    def _next(self) -> bytes:
        chunk, self._ahead = self._ahead, self._source.read(CHUNK_SIZE + _TAG_SIZE)
        self._ended = not self._ahead
        return self._cipher.open(chunk, last=self._ended)


class _ChunkCipher:
    """Seals or opens chunks in their order."""

    def __init__(self, key: bytes, line: bytes) -> None:
        self._aead = AESGCM(key)
        self._line_digest = hashlib.sha256(line).digest()
        self._numbers: Iterator[int] = iter(range(1 << 48))

    def _nonce(self, *, last: bool) -> bytes:
        return next(self._numbers).to_bytes(11, "big") + bytes([last])

    def seal(self, content: bytes, *, last: bool) -> bytes:
        return self._aead.encrypt(self._nonce(last=last), content, self._line_digest)

    def open(self, chunk: bytes, *, last: bool) -> bytes:
        try:
            return self._aead.decrypt(self._nonce(last=last), chunk, self._line_digest)
        except (InvalidTag, ValueError) as error:
            raise EnvelopeError("the envelope was changed or ends too early: take another copy of it") from error


def _spki(public_key: ec.EllipticCurvePublicKey) -> bytes:
    return public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _wrapping_key(secret: bytes, kind: str, salt: bytes, ephemeral: bytes, recipient: bytes) -> bytes:
    """The key that wraps the content key, bound to the kind and to both public keys."""
    info = b"\0".join((FORMAT.encode(), kind.encode(), ephemeral, recipient))
    return HKDF(SHA256(), _KEY_SIZE, salt, info).derive(secret)


def _sealed_for(recipient: ec.EllipticCurvePublicKey, key: bytes, kind: str, salt: bytes) -> Mapping[str, str]:
    curve_name(recipient)
    private = ec.generate_private_key(recipient.curve)  # for this message only: it ends with this function
    ephemeral = _spki(private.public_key())
    wrapping = _wrapping_key(private.exchange(ec.ECDH(), recipient), kind, salt, ephemeral, _spki(recipient))
    return {"key": recipient_id(recipient), "ephemeral": ephemeral.hex(), "wrapped": wrap_key(wrapping, key).hex()}


def _opened_by(key: PrivateKey, row: Mapping[str, str], kind: str, salt: bytes) -> bytes:
    try:
        ephemeral = bytes.fromhex(row["ephemeral"])
        public = serialization.load_der_public_key(ephemeral)
        assert isinstance(public, ec.EllipticCurvePublicKey)  # `agree` refuses another curve
        wrapping = _wrapping_key(key.agree(public), kind, salt, ephemeral, _spki(key.public_key))
        return unwrap_key(wrapping, bytes.fromhex(row["wrapped"]))
    except (ValueError, KeyError, AssertionError, KeyUnwrapError, KeyMaterialError) as error:
        raise EnvelopeError("the envelope's first line was changed: take another copy of it") from error


def _facts(line: bytes, kind: str) -> tuple[bytes, Mapping[str, Mapping[str, str]]]:
    """Salt and recipients of a first line."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        facts = json.loads(line)
        rows = {row["key"]: row for row in facts["recipients"][:RECIPIENTS_MAX]}
        if facts["format"] == FORMAT and line.endswith(b"\n"):
            if facts["kind"] != kind:
                raise EnvelopeError(f"this envelope holds no {kind}")
            return bytes.fromhex(facts["salt"]), rows
    raise EnvelopeError("this is no sealed file of this system: its first line cannot be read")
