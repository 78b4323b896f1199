"""The audit trail: records appended per second, durable and sealed; proofs made and checked; the whole trail verified.

    python -m benchmarks.audit [--records 4000] [--senders 64] [--folder DIR]

The peer, in the same run and on the same disk: SQLite alone, which stores the same octets with their SHA-256 in
transactions of the same size, durable as ours. Prints JSON.
"""

import argparse
import asyncio
import hashlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from meterworks.runtime import Database, SystemClock
from meterworks.trust.audit import (
    AuditEvent,
    AuditSettings,
    AuditTrail,
    HeadBook,
    TrailReader,
    prove_record,
    read_heads,
    verify_stored,
)

PROOFS = 200


class _Signer:
    """A key as a vault of files gives it."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._key.public_key()

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)


def _event(number: int) -> AuditEvent:
    return AuditEvent(
        act="reading.accessed",
        actor=f"account:user-{number % 50}",
        object=f"usage-point:UP-{number % 1000:06}",
        cause=f"request-{number}",
        facts={"role": "supplier", "purpose": "billing", "channels": "electricity.import.active.30min"},
    )


async def _append(trail: AuditTrail, records: int, senders: int) -> float:
    """Seconds until that many senders, each waiting for its own answer, have appended the records."""

    async def send(first: int) -> None:
        for number in range(first, records, senders):
            await trail.append([_event(number)])

    started = time.perf_counter()
    await asyncio.gather(*(send(first) for first in range(senders)))
    return time.perf_counter() - started


def _sqlite_alone(path: Path, bodies: Sequence[bytes], batch: int) -> float:
    """Seconds for SQLite to store the octets and their hashes, a durable transaction for each batch."""
    with sqlite3.connect(path, isolation_level=None) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE record (sequence INTEGER PRIMARY KEY, body BLOB, hash BLOB)")
        started = time.perf_counter()
        for first in range(0, len(bodies), batch):
            database.execute("BEGIN IMMEDIATE")
            rows = [
                (first + place, body, hashlib.sha256(body).digest())
                for place, body in enumerate(bodies[first : first + batch])
            ]
            database.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)
            database.execute("COMMIT")
        duration = time.perf_counter() - started
    database.close()
    return duration


async def _measure(folder: Path, records: int, senders: int) -> dict[str, Any]:
    database = Database(f"sqlite:///{folder / 'trail.sqlite3'}")
    await database.create_tables()
    book, signer = HeadBook([folder / "heads"]), _Signer()
    async with AuditTrail(
        database, book, signer, clock=SystemClock(), settings=AuditSettings(head_interval_s=1.0)
    ).appending() as trail:
        append_s = await _append(trail, records, senders)
        await trail.seal()
    heads, reader = read_heads(book.path), TrailReader(database)
    places = [1 + number * records // PROOFS for number in range(PROOFS)]
    started = time.perf_counter()
    proofs = [await prove_record(reader, place, heads) for place in places]
    prove_s = time.perf_counter() - started
    started = time.perf_counter()
    for proof in proofs:
        proof.check([signer.public_key])
    check_s = time.perf_counter() - started
    started = time.perf_counter()
    verdict = await verify_stored(database, heads, [signer.public_key])
    verify_s = time.perf_counter() - started
    bodies = [row.body async for row in reader.rows(1)]
    await database.close()
    bare_s = await asyncio.to_thread(_sqlite_alone, folder / "bare.sqlite3", bodies, senders)
    return {
        "records": records,
        "senders": senders,
        "sound": verdict.sound,
        "heads": len(heads),
        "appended_per_s": round(records / append_s),
        "sqlite_alone_per_s": round(records / bare_s),
        "append_ratio": round(bare_s / append_s, 3),
        "proofs_made_per_s": round(PROOFS / prove_s),
        "proofs_checked_per_s": round(PROOFS / check_s),
        "verified_per_s": round(verdict.records / verify_s),
        "octets_per_record": round(sum(map(len, bodies)) / len(bodies)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=4_000)
    parser.add_argument("--senders", type=int, default=64)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        print(json.dumps(asyncio.run(_measure(Path(folder), arguments.records, arguments.senders)), indent=2))


if __name__ == "__main__":
    main()
