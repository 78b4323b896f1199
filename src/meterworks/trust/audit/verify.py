"""The verifier: reads records, heads and public keys, and names the first record that is not what it was.

It stands apart from the appender on purpose: it shares no code with it but the shape of a signed head, takes nothing on
trust that lies in the database, and believes a head only with a signature of a key it was given. Feed it the rows in
the order of their places and ask for the verdict at the end.

What shows what: an altered record fails its mark in the next signed head, or the root; a deleted, inserted or moved one
too, at the first place that holds another record than was sealed; a cut tail or an older copy ends before a head's
size; a trail that went on from an older copy differs at the first record of the new branch; a forged head fails its
signature. Behind the last head only the chain holds, which whoever may write the database can make anew.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric import ec

from meterworks.trust.audit.head import SignedHead, key_id

__all__ = ["Finding", "StoredRecord", "TrailVerifier", "Verdict"]

_NAMES = frozenset(
    "act actor at cause event facts machine_at object outcome previous recorded_at sequence source version".split()
)
_MARK_SIZE = 4
_PRUNED, _DROPPED = "audit.pruned", "audit.dropped"
APPENDER = "process:audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """A row as it is stored. columns: the ones for finding, by the record's own names; empty where there are none."""

    sequence: int
    body: bytes
    leaf_hash: bytes | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong. record: the first place that is not what it was; head: the number of a bad head, from 1."""

    record: int
    kind: str
    sentence: str
    head: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """records: looked at; sealed: how many of the trail's records a good head covers; heads: good ones."""

    records: int
    absent: int
    sealed: int
    heads: int
    finding: Finding | None

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.finding is None


class TrailVerifier:
    """Checks a whole trail, or the part behind a head (`start`)."""

    def __init__(self, heads: Sequence[SignedHead], keys: Sequence[ec.EllipticCurvePublicKey]) -> None:
        self._findings: list[Finding] = []
        self._heads: list[SignedHead] = []
        self._marks = bytearray()
        self._marked_from = 0
        self._check_heads(heads, {key_id(key): key for key in keys})
        self._roots = {signed.head.size: signed.head.root for signed in self._heads}
        self._sizes = sorted(self._roots)
        self._records = 0
        self._size = 0
        self._edge: list[tuple[int, bytes]] = []  # (leaves, root) of the complete subtrees
        self._previous = bytes(32)
        self._recorded_at = ""
        self._absent: list[int] = []
        self._excused: set[int] = set()
        self._pruned: list[tuple[int, int]] = []

    @property
    def size(self) -> int:
        """The place the next row is expected at."""
        return self._size

    def start(self, size: int, roots: Sequence[tuple[int, bytes]], previous: bytes) -> bool:
        """Begin behind a head of this size, given the tree's edge there; False if it is not the head's tree."""
        self._edge = list(roots)
        if self._root() != self._roots.get(size):
            self._edge = []
            return False
        self._size, self._previous = size, previous
        return True

    def take(self, row: StoredRecord) -> None:
        """Check the next row."""
        self._records += 1
        place = self._size
        if row.sequence != place:
            kind = "missing" if row.sequence > place else "out of order"
            self._find(place, kind, f"record {place} is missing: the next one there is {row.sequence}")
            self._size = max(self._size, row.sequence)
            place = self._size
        leaf = hashlib.sha256(b"\x00" + row.body).digest()
        self._check_mark(place, leaf)
        if row.leaf_hash is not None and row.leaf_hash != leaf:
            self._find(place, "edited", f"record {place} is not the one whose hash stands beside it")
        fields = self._parse(place, row.body)
        if fields is not None:
            self._check_fields(place, row, fields)
        self._grow(leaf)

    def take_absent(self, leaf: bytes) -> None:
        """Go past a place whose record is gone but whose leaf hash is there; the trail must tell why it is gone."""
        self._absent.append(self._size)
        self._check_mark(self._size, leaf)
        self._grow(leaf)

    def finish(self) -> Verdict:
        """The verdict on all that was taken."""
        largest = self._sizes[-1] if self._sizes else 0
        if largest > self._size:
            self._find(
                self._size,
                "truncated",
                f"the trail ends before record {self._size}, but a signed head covers {largest} records",
            )
        for place in self._absent:
            if place not in self._excused and not any(first <= place < end for first, end in self._pruned):
                self._find(place, "deleted", f"record {place} is gone, and no record tells that it was to go")
                break
        first = min(self._findings, key=lambda finding: finding.record, default=None)
        return Verdict(
            records=self._records,
            absent=len(self._absent),
            sealed=min(largest, self._size),
            heads=len(self._heads),
            finding=first,
        )

    @property
    def finding(self) -> Finding | None:
        """The first thing found so far."""
        return min(self._findings, key=lambda finding: finding.record, default=None)

    def _find(self, record: int, kind: str, sentence: str, head: int | None = None) -> None:
        self._findings.append(Finding(record=record, kind=kind, sentence=sentence, head=head))

    def _check_heads(self, heads: Sequence[SignedHead], keys: Mapping[str, ec.EllipticCurvePublicKey]) -> None:
        covered, previous = 0, None
        for number, signed in enumerate(heads, 1):
            head = signed.head
            key = keys.get(head.key)
            fault = None
            if key is None or not signed.verified_by(key):
                fault = "is not signed by a key that counts"
            elif previous is not None and (head.previous != previous.digest or head.log != previous.log):
                fault = "does not follow the head before it"
            elif head.size <= covered:
                fault = f"covers {head.size} records after one that covered {covered}"
            elif len(bytes.fromhex(head.marks)) != _MARK_SIZE * (head.size - covered) and (covered or number == 1):
                fault = "has not a mark for each of its records"
            if fault is not None:
                self._find(min(covered, head.size), "head", f"head {number} {fault}", number)
                return
            if previous is None:
                self._marked_from = head.size - len(head.marks) // (2 * _MARK_SIZE)
            self._marks += bytes.fromhex(head.marks)
            self._heads.append(signed)
            covered, previous = head.size, head

    def _check_mark(self, place: int, leaf: bytes) -> None:
        at = (place - self._marked_from) * _MARK_SIZE
        if 0 <= at < len(self._marks) and self._marks[at : at + _MARK_SIZE] != leaf[:_MARK_SIZE]:
            self._find(place, "not sealed", f"record {place} is not the one that a signed head covers")

    def _parse(self, place: int, body: bytes) -> dict[str, Any] | None:
        try:
            fields = orjson.loads(body)
            lawful = isinstance(fields, dict) and fields.keys() == _NAMES
            if lawful and orjson.dumps(fields, option=orjson.OPT_SORT_KEYS) == body:
                return fields if isinstance(fields, dict) else None
        except orjson.JSONDecodeError:
            pass
        self._find(place, "malformed", f"record {place} is not in the one lawful encoding")
        return None

    def _check_fields(self, place: int, row: StoredRecord, fields: dict[str, Any]) -> None:
        if fields["sequence"] != place:
            self._find(place, "moved", f"record {place} says that its place is {fields['sequence']}")
        if fields["previous"] != self._previous.hex():
            self._find(place, "chain", f"record {place} does not follow the record before it")
        if str(fields["recorded_at"]) < self._recorded_at:
            self._find(place, "back-dated", f"record {place} was recorded before the one before it")
        self._recorded_at = str(fields["recorded_at"])
        for name, value in row.columns.items():
            if fields[name] != value:
                self._find(place, "column", f"record {place} is filed under another {name} than it tells")
        if fields["source"] == APPENDER:
            self._excuse(place, fields)

    def _excuse(self, place: int, fields: dict[str, Any]) -> None:
        """What the trail itself tells to be gone."""
        facts = fields["facts"]
        try:
            if fields["act"] == _PRUNED:
                self._pruned.append((facts["first"], min(facts["end"], place)))
            elif fields["act"] == _DROPPED:
                bits = int(facts["dropped"], 16)
                self._excused.update(facts["first"] + bit for bit in range(bits.bit_length()) if bits >> bit & 1)
        except (KeyError, TypeError, ValueError):
            self._find(place, "malformed", f"record {place} does not tell what went")

    def _grow(self, leaf: bytes) -> None:
        """RFC 6962, 2.1: join neighbouring subtrees of one size."""
        self._previous = leaf
        leaves, root = 1, leaf
        while self._edge and self._edge[-1][0] == leaves:
            root = hashlib.sha256(b"\x01" + self._edge.pop()[1] + root).digest()
            leaves *= 2
        self._edge.append((leaves, root))
        self._size += 1
        sealed = self._roots.get(self._size)
        if sealed is not None and sealed != self._root():
            at = self._sizes.index(self._size)
            first = self._sizes[at - 1] if at else 0
            if not any(first <= finding.record < self._size for finding in self._findings):  # else it is named better
                self._find(first, "root", f"the tree of {self._size} records is not the one that was signed")

    def _root(self) -> bytes:
        if not self._edge:
            return hashlib.sha256(b"").digest()
        root = self._edge[-1][1]
        for _leaves, left in reversed(self._edge[:-1]):
            root = hashlib.sha256(b"\x01" + left + root).digest()
        return root
