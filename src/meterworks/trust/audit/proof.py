"""Proof files: what a person takes along to show one record, or a stretch of the trail, to somebody without the system.

A proof file holds the record's octets, the path to a signed head and the head; a bundle holds many records and all
heads over them. Both are canonical JSON and are checked with the public key alone.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from meterworks.trust.audit.canonical import canonical, from_canonical
from meterworks.trust.audit.errors import AuditFormatError, AuditUsageError
from meterworks.trust.audit.head import SignedHead
from meterworks.trust.audit.merkle import complete_subtrees, inclusion_holds, leaf_hash
from meterworks.trust.audit.reader import TrailReader
from meterworks.trust.audit.record import AuditRecord, decode_record
from meterworks.trust.audit.verify import StoredRecord, TrailVerifier, Verdict

__all__ = ["RecordProof", "bundle_start", "check_bundle", "decoded", "encoded", "make_bundle", "prove_record"]

PROOF_FORMAT = "meterworks-audit-proof-1"
BUNDLE_FORMAT = "meterworks-audit-bundle-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordProof:
    """One record, its path, and the head the path leads to."""

    body: bytes
    path: tuple[bytes, ...]
    head: SignedHead

    @property
    def record(self) -> AuditRecord:
        """The record shown."""
        return decode_record(self.body)

    def encode(self) -> bytes:
        """The proof as a file."""
        return canonical(self.fields())

    def fields(self) -> dict[str, Any]:
        """As part of a larger document."""
        return {
            "format": PROOF_FORMAT,
            "head": self.head.fields(),
            "path": [hash_.hex() for hash_ in self.path],
            "record": self.body.decode(),
        }

    @classmethod
    def decode(cls, data: bytes) -> "RecordProof":
        """Read a file. Raises AuditFormatError."""
        return cls.from_fields(from_canonical(data))

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> "RecordProof":
        """Read it from a decoded document. Raises AuditFormatError."""
        try:
            if fields["format"] != PROOF_FORMAT:
                raise AuditFormatError(f"a proof of the format {fields['format']!r} is unknown here")
            return cls(
                body=fields["record"].encode(),
                path=tuple(bytes.fromhex(entry) for entry in fields["path"]),
                head=SignedHead.from_fields(fields["head"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise AuditFormatError(f"not a proof: {error}") from error

    def check(self, keys: Sequence[ec.EllipticCurvePublicKey]) -> AuditRecord:
        """Give the record, if a key that counts signed a head over it. Raises AuditFormatError saying what fails."""
        if not any(self.head.verified_by(key) for key in keys):
            raise AuditFormatError("the head is not signed by this key: the proof shows nothing")
        record = self.record
        head = self.head.head
        if not inclusion_holds(record.sequence, head.size, leaf_hash(self.body), self.path, head.root):
            raise AuditFormatError(f"record {record.sequence} is not in the tree that the head signs")
        return record


async def prove_record(reader: TrailReader, sequence: int, heads: Sequence[SignedHead]) -> RecordProof:
    """Make the proof of a record, to the first head that covers it. Raises AuditUsageError where none does yet."""
    head = next((signed for signed in heads if signed.head.size > sequence), None)
    if head is None:
        raise AuditUsageError(f"no signed head covers record {sequence} yet: try again in a few seconds")
    path = await reader.inclusion(sequence, head.head.size)
    return RecordProof(body=await reader.body(sequence), path=tuple(path), head=head)


async def make_bundle(
    reader: TrailReader, heads: Sequence[SignedHead], *, first: int = 0, end: int | None = None
) -> bytes:
    """Records from `first` up to `end` (or the last head), with what verifies them offline.

    The stretch begins at a head: what lies before is there as the edge of the tree that the head signed.
    """
    start = max((signed.head.size for signed in heads if signed.head.size <= first), default=0)
    last = max((signed.head.size for signed in heads if end is None or signed.head.size <= end), default=0)
    if last <= start:
        raise AuditUsageError("no signed head covers these records yet: try again in a few seconds")
    rows: list[dict[str, Any]] = []
    async for row in reader.rows(start):
        if row.sequence >= last:
            break
        while start + len(rows) < row.sequence:
            leaf = await reader.leaf(start + len(rows))
            if leaf is None:
                raise AuditFormatError(f"record {start + len(rows)} is missing: verify the trail")
            rows.append({"leaf": leaf.hex()})
        rows.append({"record": row.body.decode()})
    edge = await reader.edge(start) if start else []
    return canonical(
        {
            "edge": [root.hex() for _leaves, root in edge],
            "format": BUNDLE_FORMAT,
            "heads": [signed.fields() for signed in heads],
            "previous": (await reader.previous(start)).hex() if start else "",
            "records": rows,
            "start": start,
        }
    )


def check_bundle(data: bytes, keys: Sequence[ec.EllipticCurvePublicKey]) -> Verdict:
    """Verify a bundle with nothing but public keys. Raises AuditFormatError for what is no bundle."""
    fields = from_canonical(data)
    try:
        if fields["format"] != BUNDLE_FORMAT:
            raise AuditFormatError(f"a bundle of the format {fields['format']!r} is unknown here")
        heads = [SignedHead.from_fields(entry) for entry in fields["heads"]]
        start = int(fields["start"])
        last = start + len(fields["records"])
        verifier = TrailVerifier([signed for signed in heads if signed.head.size <= last], keys)
        if start:
            roots = [bytes.fromhex(entry) for entry in fields["edge"]]
            sizes = [1 << part.level for part in complete_subtrees(0, start)]
            edge = list(zip(sizes, roots, strict=True))
            if not verifier.start(start, edge, bytes.fromhex(fields["previous"])):
                raise AuditFormatError("the bundle does not begin at a signed head")
        for row in fields["records"]:
            if "leaf" in row:
                verifier.take_absent(bytes.fromhex(row["leaf"]))
            else:
                verifier.take(StoredRecord(sequence=verifier.size, body=row["record"].encode()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AuditFormatError(f"not a bundle: {error}") from error
    return verifier.finish()


def bundle_start(data: bytes) -> int:
    """The first record of a bundle. Raises AuditFormatError."""
    start = from_canonical(data).get("start")
    if not isinstance(start, int):
        raise AuditFormatError("not a bundle: it tells no first record")
    return start


def encoded(octets: bytes | None) -> str | None:
    """Octets in a document: base64, or nothing."""
    return None if octets is None else base64.b64encode(octets).decode()


def decoded(text: object) -> bytes:
    """The octets of a document's text. Raises AuditFormatError."""
    try:
        return base64.b64decode(str(text), validate=True)
    except ValueError as error:
        raise AuditFormatError(f"not base64: {error}") from error
