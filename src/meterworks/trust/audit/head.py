"""Signed tree heads, and the files they are kept in, apart from the trail's database.

A head says: at this time the trail had so many records, and this is the root of their tree. Each head also names the
head before it, and carries a mark (the first four octets of the leaf hash) of every record since: so a verifier can
tell which record was touched, even if everything behind it was computed anew. Marks only find the place; what proves is
the root. A head's identity is its content, never its signature: (r, n-s) is as good a signature as (r, s).
"""

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from meterworks.trust.audit.canonical import canonical, from_canonical, from_instant, instant
from meterworks.trust.audit.errors import AuditFormatError, AuditStoreError

__all__ = [
    "HEADS_FILE",
    "MARK_SIZE",
    "HeadBook",
    "HeadSigner",
    "SignedHead",
    "TreeHead",
    "key_id",
    "public_key_pem",
    "read_heads",
    "sign_head",
]

HEADS_FILE = "heads.jsonl"
MARK_SIZE = 4
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # NIST SP 800-186, 3.2.1.3
_SCALAR_SIZE = 32
_FILE_MODE = 0o600


class HeadSigner(Protocol):
    """A P-256 key that signs heads: a `PrivateKey` of a key vault."""

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """What verifies."""
        ...

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256, r||s of 64 octets."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHead:
    """A state of the trail. log: what tells one trail from another. marks: of the records since the head before.

    previous: SHA-256 of the content of the head before, empty for the first. key: SHA-256 of the signer's public key.
    signed_at: the appender's machine clock.
    """

    log: str
    size: int
    root: bytes
    signed_at: datetime
    previous: str
    key: str
    marks: str

    def fields(self) -> dict[str, Any]:
        """As it is encoded."""
        return {
            "key": self.key,
            "log": self.log,
            "marks": self.marks,
            "previous": self.previous,
            "root": self.root.hex(),
            "signed_at": instant(self.signed_at),
            "size": self.size,
        }

    def content(self) -> bytes:
        """The octets that are signed."""
        return canonical(self.fields())

    @property
    def digest(self) -> str:
        """What the next head names."""
        return hashlib.sha256(self.content()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """A head and its signature: ECDSA P-256 with SHA-256, DER with the lower of the two s."""

    head: TreeHead
    signature: bytes

    def line(self) -> bytes:
        """As it stands in a file of heads, without the line's end."""
        return canonical({"head": self.head.fields(), "signature": base64.b64encode(self.signature).decode()})

    @classmethod
    def from_line(cls, line: bytes) -> "SignedHead":
        """Read it. Raises AuditFormatError."""
        return cls.from_fields(from_canonical(line))

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> "SignedHead":
        """Read it from a decoded document. Raises AuditFormatError."""
        try:
            inner = fields["head"]
            head = TreeHead(
                log=inner["log"],
                size=inner["size"],
                root=bytes.fromhex(inner["root"]),
                signed_at=from_instant(inner["signed_at"]),
                previous=inner["previous"],
                key=inner["key"],
                marks=inner["marks"],
            )
            signature = base64.b64decode(fields["signature"], validate=True)
        except (KeyError, TypeError, ValueError) as error:
            raise AuditFormatError(f"not a signed tree head: {error}") from error
        if head.fields() != inner or isinstance(head.size, bool) or not isinstance(head.size, int):
            raise AuditFormatError("not a signed tree head: a field is missing, odd or too much")
        return cls(head=head, signature=signature)

    def fields(self) -> dict[str, Any]:
        """As part of a larger document."""
        return {"head": self.head.fields(), "signature": base64.b64encode(self.signature).decode()}

    def verified_by(self, key: ec.EllipticCurvePublicKey) -> bool:
        """Whether this key signed this head, in the one encoding we write."""
        if self.head.key != key_id(key):
            return False
        try:
            r, s = decode_dss_signature(self.signature)
            if s > P256_ORDER // 2 or encode_dss_signature(r, s) != self.signature:
                return False
            key.verify(self.signature, self.head.content(), ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 of the public key's SubjectPublicKeyInfo, as `openssl pkey -pubin -outform der | sha256sum` prints it."""
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()


def public_key_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    """The public key as text, for whoever verifies."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def sign_head(head: TreeHead, signer: HeadSigner) -> SignedHead:
    """Sign a head; of the two signatures that hold, the one with the lower s."""
    octets = signer.sign(head.content())
    r, s = int.from_bytes(octets[:_SCALAR_SIZE]), int.from_bytes(octets[_SCALAR_SIZE:])
    return SignedHead(head=head, signature=encode_dss_signature(r, min(s, P256_ORDER - s)))


def read_heads(path: Path) -> list[SignedHead]:
    """The heads of a file, in order; a last line without an end was never finished and does not count.

    Raises AuditStoreError when the file cannot be read, AuditFormatError naming the line that is no head.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AuditStoreError(f"cannot read the heads in {path}: {error.strerror}", path=str(path)) from error
    heads = []
    for number, line in enumerate(lines, 1):
        try:
            heads.append(SignedHead.from_line(line))
        except AuditFormatError as error:
            raise AuditFormatError(f"{path}, line {number}: {error}", line=number) from error
    return heads


class HeadBook:
    """Appends heads to files in one or more folders. All of them must take a head before it counts."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._paths = [folder / HEADS_FILE for folder in folders]

    @property
    def path(self) -> Path:
        """The first of the files."""
        return self._paths[0]

    def publish_key(self, key: ec.EllipticCurvePublicKey) -> None:
        """Lay the public key beside the heads, under its own digest, once."""
        for path in self._paths:
            target = path.parent / f"audit-{key_id(key)[:16]}.pem"
            if not target.exists():
                _append(target, public_key_pem(key))

    def mend(self) -> None:
        """Cut off what a crash left of a line; never a whole line."""
        for path in self._paths:
            if path.exists():
                whole = path.read_bytes().rpartition(b"\n")
                size = len(whole[0]) + len(whole[1])
                if size != path.stat().st_size:
                    os.truncate(path, size)

    def append(self, head: SignedHead) -> None:
        """Write the head to each file, durably. Raises AuditStoreError."""
        for path in self._paths:
            _append(path, head.line() + b"\n")


def _append(path: Path, octets: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _FILE_MODE)
        try:
            size = os.fstat(descriptor).st_size
            if os.write(descriptor, octets) != len(octets):
                os.ftruncate(descriptor, size)
                raise AuditStoreError(f"no room to write to {path}: make some", path=str(path))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise AuditStoreError(f"cannot write to {path}: {error.strerror}", path=str(path)) from error
