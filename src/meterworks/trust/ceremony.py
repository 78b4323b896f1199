"""The sealed protocol of key ceremonies: each entry signed, and each holding the digest of the one before.

A file of lines, one JSON object each: `entry` (number, time, act, people, purpose, digest of the line before) and its
signature by the protocol's key, which is none of those under quorum: a refused attempt is entered as well. Times are of
this machine's clock, since a ceremony has no running system beside it. Verification needs the public key only.
Source: SECURITY fact sheet SEC-128.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from meterworks.trust.errors import CeremonyProtocolError, KeyFileError
from meterworks.trust.keystore.key_pair import der_of_signature
from meterworks.trust.keystore.vault import CURVES, PrivateKey, curve_name
from meterworks.trust.secret_file import read_secret_file, write_secret_once

__all__ = ["CeremonyEntry", "CeremonyProtocol", "read_protocol"]

_SIZE_MAX: Final = 16 << 20
_START: Final = "0" * 64
_WHAT: Final = "the ceremony's protocol"


@dataclass(frozen=True, slots=True, kw_only=True)
class CeremonyEntry:
    """One act of a ceremony. people: who took part, by name. facts: further names and values; never a secret."""

    number: int
    at: str
    """RFC 3339, UTC, of this machine's clock."""
    act: str
    people: tuple[str, ...]
    purpose: str
    facts: Mapping[str, str]
    previous: str
    """SHA-256 of the line before, hexadecimal; zeros for the first."""


class CeremonyProtocol:
    """Appends entries. Safe to use from several threads of one process."""

    def __init__(
        self,
        path: Path,
        key: PrivateKey,
        *,
        on_entry: Callable[[CeremonyEntry], None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """key: signs the entries. on_entry: told of each entry once it is durable, for the audit trail."""
        self._path = path
        self._key = key
        self._on_entry = on_entry
        self._now = now
        self._lock = Lock()

    def append(self, act: str, people: Sequence[str], purpose: str, **facts: str) -> CeremonyEntry:
        """Enter an act; durable when this returns. Raises CeremonyProtocolError where the protocol so far is broken."""
        with self._lock:
            write_secret_once(self._path, b"", _WHAT)
            lines = _lines(self._path)
            entries = _verified(self._path, lines, self._key.public_key)
            entry = CeremonyEntry(
                number=len(entries) + 1,
                at=self._now().astimezone(UTC).isoformat(),
                act=act,
                people=tuple(people),
                purpose=purpose,
                facts=facts,
                previous=_digest(lines[-1]) if lines else _START,
            )
            self._write(entry)
        if self._on_entry is not None:
            self._on_entry(entry)
        return entry

    def _write(self, entry: CeremonyEntry) -> None:
        body = json.dumps(asdict(entry), sort_keys=True)
        line = json.dumps({"entry": body, "signature": self._key.sign(body.encode()).hex()}) + "\n"
        try:
            with self._path.open("ab") as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise KeyFileError(f"cannot write {_WHAT} to {self._path}: {error.strerror}") from error


def read_protocol(path: Path, public_key: ec.EllipticCurvePublicKey) -> Sequence[CeremonyEntry]:
    """Give the entries of a protocol. Raises CeremonyProtocolError at the first that is false, missing or moved."""
    return _verified(path, _lines(path), public_key)


def _lines(path: Path) -> Sequence[bytes]:
    return read_secret_file(path, _WHAT, size_max=_SIZE_MAX).splitlines()


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _verified(path: Path, lines: Sequence[bytes], public_key: ec.EllipticCurvePublicKey) -> Sequence[CeremonyEntry]:
    entries: list[CeremonyEntry] = []
    previous = _START
    for number, line in enumerate(lines, 1):
        entry = _entry(line, public_key)
        if entry is None or (entry.number, entry.previous) != (number, previous):
            raise CeremonyProtocolError(
                f"entry {number} of {path} is false, or one before it is missing or was changed: compare with the "
                f"copies that the holders have",
                path=str(path),
                number=number,
            )
        entries.append(entry)
        previous = _digest(line)
    return entries


def _entry(line: bytes, public_key: ec.EllipticCurvePublicKey) -> CeremonyEntry | None:
    """The entry of a line whose signature holds, else None."""
    algorithm = ec.ECDSA(CURVES[curve_name(public_key)].digest)
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, InvalidSignature):
        outer = json.loads(line)
        body = outer["entry"]
        public_key.verify(der_of_signature(bytes.fromhex(outer["signature"])), body.encode(), algorithm)
        facts = json.loads(body)
        return CeremonyEntry(**{**facts, "people": tuple(facts["people"])})
    return None
