"""The ledger of a PKI: every serial number, key, revocation, list, token and device, in one file beside its keys.

It is a file of its own and not a table of the database of record, so that an authority can stand on a machine apart
and outlives that database. What is signed is recorded first: a serial number is durable before its certificate is
made, and a certificate is durable before anybody is given it, so a process killed at any moment can neither use a
number twice nor have handed out a certificate that nobody can revoke.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from meterworks.trust.pki.errors import EnrolmentRefused, PkiUsageError
from meterworks.trust.pki.profile import KeyPurpose

__all__ = ["AuthorityRow", "CertificateRow", "Ledger", "Reservation", "Revocation", "revoke_within"]

BUSY_S_MAX: Final = 30.0  # how long a writer waits for another process's turn
RESERVATION_S_MAX: Final = 3600.0  # after which a number without certificate is taken for a signing that was killed
_FILE_MODE: Final = 0o600
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS authority (
    name TEXT NOT NULL, generation INTEGER NOT NULL, label TEXT NOT NULL, der BLOB NOT NULL, trusted INTEGER NOT NULL,
    crl_number INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (name, generation)
);
CREATE TABLE IF NOT EXISTS link (
    name TEXT NOT NULL, generation INTEGER NOT NULL, issuer TEXT NOT NULL, issuer_generation INTEGER NOT NULL,
    der BLOB NOT NULL, PRIMARY KEY (name, generation, issuer, issuer_generation)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS certificate (
    authority TEXT NOT NULL, serial BLOB NOT NULL, profile TEXT NOT NULL, identity TEXT NOT NULL, role TEXT NOT NULL,
    key_digest BLOB NOT NULL, reserved_at REAL NOT NULL, ends_at REAL, der BLOB, revoked_at REAL, reason TEXT,
    PRIMARY KEY (authority, serial)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS certificate_identity ON certificate (identity);
CREATE INDEX IF NOT EXISTS certificate_revoked ON certificate (authority, revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS certificate_unfinished ON certificate (authority, reserved_at) WHERE der IS NULL;
CREATE TABLE IF NOT EXISTS key (
    digest BLOB NOT NULL PRIMARY KEY, identity TEXT NOT NULL, purpose TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS crl (
    authority TEXT NOT NULL, generation INTEGER NOT NULL, number INTEGER NOT NULL, next_update REAL NOT NULL,
    der BLOB NOT NULL, PRIMARY KEY (authority, generation)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS token (
    digest BLOB NOT NULL PRIMARY KEY, identity TEXT NOT NULL, key_digest BLOB, ends_at REAL NOT NULL, used_at REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS device (
    identity TEXT NOT NULL PRIMARY KEY, serial TEXT NOT NULL, owner TEXT NOT NULL, maker TEXT NOT NULL,
    firmware TEXT NOT NULL, model TEXT NOT NULL, keys TEXT NOT NULL, seal BLOB NOT NULL, state TEXT NOT NULL,
    changed_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seal (digest BLOB NOT NULL PRIMARY KEY, octets BLOB NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A serial number taken for a certificate that is about to be signed. key_digest: SHA-256 of the public key."""

    serial_number: int
    profile: str
    purpose: KeyPurpose
    identity: str
    role: str
    key_digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """An entry of a revocation list; reason as in RFC 5280, 5.3.1, None where it is unspecified."""

    serial_number: int
    revoked_at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityRow:
    """One generation of an authority. label: of its key in the vault. trusted: whether relying parties anchor in it."""

    name: str
    generation: int
    label: str
    der: bytes
    trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRow:
    """A certificate that was made. revoked_at: None while it is not revoked."""

    authority: str
    profile: str
    identity: str
    role: str
    der: bytes
    revoked_at: datetime | None


class Ledger:
    """Opens or makes the ledger of a PKI. Safe to use from several threads and processes; `close()` when done."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=_FILE_MODE)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            path, timeout=BUSY_S_MAX, isolation_level=None, check_same_thread=False, cached_statements=32
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        with self.transaction() as connection:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction, durable when the block ends; rolled back when it raises. One at a time, never nested."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Every row of a question."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def save_authority(self, row: AuthorityRow) -> None:
        """Record a generation of an authority, or its newer certificate."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO authority (name, generation, label, der, trusted) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (name, generation) DO UPDATE SET der = excluded.der, trusted = excluded.trusted",
                (row.name, row.generation, row.label, row.der, row.trusted),
            )

    def authorities(self) -> list[AuthorityRow]:
        """All generations of all authorities, in the order they were made."""
        found = self.rows("SELECT name, generation, label, der, trusted FROM authority ORDER BY rowid")
        return [
            AuthorityRow(
                name=str(name), generation=_int(generation), label=str(label), der=_bytes(der), trusted=bool(trusted)
            )
            for name, generation, label, der, trusted in found
        ]

    def save_link(self, subject: tuple[str, int], issuer: tuple[str, int], der: bytes) -> None:
        """Keep a link certificate: the key of one authority's generation, certified by another's."""
        with self.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO link VALUES (?, ?, ?, ?, ?)", (*subject, *issuer, der))

    def links(self, name: str, generation: int) -> list[bytes]:
        """The link certificates of an authority's generation, DER."""
        found = self.rows("SELECT der FROM link WHERE name = ? AND generation = ?", name, generation)
        return [_bytes(row[0]) for row in found]

    def reserve(self, authority: str, reservations: Sequence[Reservation], now: datetime) -> None:
        """Make serial numbers and the keys' bindings durable, before anything is signed: all of them or none.

        Raises EnrolmentRefused where a public key is bound to another identity or purpose already (SEC-018).
        """
        at = now.timestamp()
        bindings = [(entry.key_digest, entry.identity, entry.purpose.value) for entry in reservations]
        with self.transaction() as connection:
            try:
                connection.executemany("INSERT INTO key (digest, identity, purpose) VALUES (?, ?, ?)", bindings)
            except sqlite3.IntegrityError:
                _bind_one_by_one(connection, bindings)
            connection.executemany(
                "INSERT INTO certificate (authority, serial, profile, identity, role, key_digest, reserved_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        authority,
                        _serial(entry.serial_number),
                        entry.profile,
                        entry.identity,
                        entry.role,
                        entry.key_digest,
                        at,
                    )
                    for entry in reservations
                ),
            )

    def record(self, authority: str, certificates: Iterable[tuple[int, bytes, datetime]]) -> None:
        """Make signed certificates durable, before they are handed out: serial number, DER and end of each."""
        with self.transaction() as connection:
            connection.executemany(
                "UPDATE certificate SET der = ?, ends_at = ? WHERE authority = ? AND serial = ?",
                ((der, ends_at.timestamp(), authority, _serial(serial)) for serial, der, ends_at in certificates),
            )

    def revoke(self, authority: str, serial_number: int, reason: str | None, at: datetime) -> None:
        """Record a revocation; a revoked certificate keeps its first time and reason.

        Raises PkiUsageError for a number this authority never took.
        """
        with self.transaction() as connection:
            revoke_within(connection, authority, serial_number, reason, at)

    def revocations(self, authority: str, now: datetime) -> list[Revocation]:
        """What the authority's next list holds: the revoked, and numbers whose signing was killed over an hour ago."""
        given_up = now.timestamp() - RESERVATION_S_MAX
        found = self.rows(
            "SELECT serial, revoked_at, reason FROM certificate WHERE authority = ? AND revoked_at IS NOT NULL"
            " UNION ALL SELECT serial, reserved_at, NULL FROM certificate"
            " WHERE authority = ? AND der IS NULL AND revoked_at IS NULL AND reserved_at < ? ORDER BY 1",
            authority,
            authority,
            given_up,
        )
        return [
            Revocation(
                serial_number=int.from_bytes(_bytes(serial)),
                revoked_at=_time(at),
                reason=None if reason is None else str(reason),
            )
            for serial, at, reason in found
        ]

    def next_crl_number(self, authority: str) -> int:
        """Take the next number for a list of this authority; numbers never fall or repeat, whichever key signs."""
        with self.transaction() as connection:
            found = connection.execute(
                "UPDATE authority SET crl_number = (SELECT max(crl_number) FROM authority WHERE name = ?1) + 1"
                " WHERE name = ?1 RETURNING crl_number",
                (authority,),
            ).fetchall()
        if not found:
            raise PkiUsageError(f"there is no authority {authority} in this ledger", authority=authority)
        return _int(found[0][0])

    def save_crl(self, authority: str, generation: int, number: int, next_update: datetime, der: bytes) -> None:
        """Keep the newest list of a generation; an older number never replaces a newer one."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO crl (authority, generation, number, next_update, der) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (authority, generation) DO UPDATE SET number = excluded.number,"
                " next_update = excluded.next_update, der = excluded.der WHERE excluded.number > crl.number",
                (authority, generation, number, next_update.timestamp(), der),
            )

    def crl(self, authority: str, generation: int) -> bytes | None:
        """The newest list of a generation, DER; None before the first."""
        found = self.rows("SELECT der FROM crl WHERE authority = ? AND generation = ?", authority, generation)
        return _bytes(found[0][0]) if found else None

    def certificates(self, *, authority: str | None = None, identity: str | None = None) -> list[CertificateRow]:
        """Certificates that were made, of one authority or identity or all, oldest first."""
        found = self.rows(
            "SELECT authority, profile, identity, role, der, revoked_at FROM certificate WHERE der IS NOT NULL"
            " AND (?1 IS NULL OR authority = ?1) AND (?2 IS NULL OR identity = ?2) ORDER BY reserved_at",
            authority,
            identity,
        )
        return [
            CertificateRow(
                authority=str(name),
                profile=str(profile),
                identity=str(who),
                role=str(role),
                der=_bytes(der),
                revoked_at=None if revoked_at is None else _time(revoked_at),
            )
            for name, profile, who, role, der, revoked_at in found
        ]


def revoke_within(
    connection: sqlite3.Connection, authority: str, serial_number: int, reason: str | None, at: datetime
) -> None:
    """As `Ledger.revoke`, in a transaction that the caller has begun."""
    found = connection.execute(
        "UPDATE certificate SET revoked_at = coalesce(revoked_at, ?),"
        " reason = CASE WHEN revoked_at IS NULL THEN ? ELSE reason END"
        " WHERE authority = ? AND serial = ?",
        (at.timestamp(), reason, authority, _serial(serial_number)),
    )
    if found.rowcount == 0:
        raise PkiUsageError(
            f"{authority} has issued no certificate {serial_number:x}: look it up with `meterworks pki show`",
            serial_number=f"{serial_number:x}",
        )


def _bind_one_by_one(connection: sqlite3.Connection, bindings: Sequence[tuple[bytes, str, str]]) -> None:
    for digest, identity, purpose in bindings:
        connection.execute(
            "INSERT INTO key (digest, identity, purpose) VALUES (?, ?, ?) ON CONFLICT (digest) DO NOTHING",
            (digest, identity, purpose),
        )
        bound = connection.execute("SELECT identity, purpose FROM key WHERE digest = ?", (digest,)).fetchone()
        if bound != (identity, purpose):
            raise EnrolmentRefused(
                f"the public key offered for {identity} ({purpose}) is in use by {bound[0]} ({bound[1]}) already: "
                "every device and purpose has a key of its own, make a new one",
                identity=identity,
                holder=bound[0],
            )


def _serial(number: int) -> bytes:
    return number.to_bytes(20)


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value


def _time(value: object) -> datetime:
    assert isinstance(value, float)
    return datetime.fromtimestamp(value, UTC)
