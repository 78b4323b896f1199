"""Verifying what lies in a database: feeds the verifier with rows, and with the leaf hashes of places without one."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from meterworks.runtime import Database
from meterworks.trust.audit.errors import AuditStoreError
from meterworks.trust.audit.head import HEADS_FILE, SignedHead, read_heads
from meterworks.trust.audit.reader import TrailReader
from meterworks.trust.audit.verify import TrailVerifier, Verdict

__all__ = ["load_public_keys", "longest_heads", "verify_stored"]

PROGRESS_RECORDS = 5_000


def load_public_keys(paths: Sequence[Path]) -> list[ec.EllipticCurvePublicKey]:
    """Public keys of PEM files. Raises AuditStoreError for what is no P-256 public key."""
    keys = []
    for path in paths:
        try:
            key = serialization.load_pem_public_key(path.read_bytes())
        except (OSError, ValueError) as error:
            raise AuditStoreError(f"{path} holds no public key: {error}", path=str(path)) from error
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise AuditStoreError(f"{path} holds no key of an elliptic curve", path=str(path))
        keys.append(key)
    return keys


def longest_heads(folders: Sequence[Path]) -> list[SignedHead]:
    """The heads of the folder that has most: a copy cut short at one place does not hide them.

    Raises AuditStoreError when two folders tell of different heads at the same place.
    """
    lists = [read_heads(folder / HEADS_FILE) for folder in folders]
    longest = max(lists, key=len, default=[])
    for folder, heads in zip(folders, lists, strict=True):
        for number, (one, other) in enumerate(zip(longest, heads, strict=False), 1):
            if one.head != other.head:
                raise AuditStoreError(
                    f"head {number} in {folder} is not the one that other folders have: one of them was rewritten",
                    path=str(folder),
                    head=number,
                )
    return longest


async def verify_stored(
    database: Database,
    heads: Sequence[SignedHead],
    keys: Sequence[ec.EllipticCurvePublicKey],
    *,
    since: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Verdict:
    """Check the trail of a database against signed heads.

    since: begin behind the last head at or before this place; what lies before is covered by that head's root alone.
    progress: told the place about every 5,000 records.
    """
    reader, verifier = TrailReader(database), TrailVerifier(heads, keys)
    start = max((signed.head.size for signed in heads if signed.head.size <= since), default=0)
    if start and not verifier.start(start, await reader.edge(start), await reader.previous(start)):
        start = 0
    async for row in reader.rows(start):
        while verifier.size < row.sequence:
            leaf = await reader.leaf(verifier.size)
            if leaf is None:
                break
            verifier.take_absent(leaf)
        verifier.take(row)
        if progress is not None and verifier.size % PROGRESS_RECORDS == 0:
            progress(verifier.size)
    return verifier.finish()
