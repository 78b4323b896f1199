"""The archive of evidence: original octets, with all that verifies them when keys and authorities are long gone.

What is kept of one message: the octets that were signed, exactly as they came; the signature; the chain of certificates
up to the anchor; the revocation lists of that hour; who sent it, what it belongs to, when it came. Its digest
stands in a record of the trail, so the time of the trail is the evidence's time: no party that acts can set it back.
`EvidenceFile` is what a stranger gets: the document, the record, its path and a signed head.

An evidence's name is made of what was signed and by whom, never of the signature: who sends the same order again with
(r, n-s) for (r, s) gets the name of the first one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from meterworks.runtime import Clock, Database, upsert
from meterworks.trust.audit.canonical import canonical, from_canonical, from_instant, instant
from meterworks.trust.audit.errors import AuditFormatError, AuditUsageError
from meterworks.trust.audit.event import AuditEvent, Outcome
from meterworks.trust.audit.head import SignedHead
from meterworks.trust.audit.model import AuditEvidenceRow
from meterworks.trust.audit.proof import RecordProof, decoded, encoded, prove_record
from meterworks.trust.audit.reader import TrailReader
from meterworks.trust.audit.record import AuditRecord
from meterworks.trust.audit.signed import check_chain, check_signature
from meterworks.trust.audit.sink import AuditSink

__all__ = ["Evidence", "EvidenceFile", "EvidenceItem", "Kept"]

FORMAT = "meterworks-evidence-1"
FILE_FORMAT = "meterworks-evidence-file-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceItem:
    """One message to be kept.

    kind: `request`, `pre-command`, `command`, `response`, `alert`, `readings`, ... subject: what it belongs to, as
    `request:<id>`. sender: who, as an actor of the trail. content: the octets that were signed, as they came.
    signature: as it came; `signature_form`: `raw` (r||s), `der`, or empty where another means proved the sender (a MAC,
    a mutual TLS session, a token), which `proved_by` then names. certificates: DER, the signer's own first, the anchor
    last. revocation: DER lists of the chain's issuers at that time. about: further facts, flat.
    """

    kind: str
    subject: str
    sender: str
    content: bytes
    signature: bytes = b""
    signature_form: str = ""
    proved_by: str = ""
    certificates: Sequence[bytes] = ()
    revocation: Sequence[bytes] = ()
    about: Mapping[str, str | int | bool | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.signature_form not in ("", "raw", "der") or bool(self.signature) != bool(self.signature_form):
            raise AuditUsageError("a signature is kept as `raw` or `der`, and no form goes without a signature")
        if self.signature and not self.certificates:
            raise AuditUsageError("a signature without the signer's certificate proves nothing later: give the chain")
        if not self.signature and not self.proved_by:
            raise AuditUsageError("evidence tells what proved its sender: a signature, or `proved_by`")

    @property
    def evidence_id(self) -> str:
        """The name: of kind, subject, sender and what was signed."""
        digest = hashlib.sha256()
        for part in (self.kind.encode(), self.subject.encode(), self.sender.encode(), self.content):
            digest.update(len(part).to_bytes(8) + part)
        return digest.hexdigest()

    def fields(self, received_at: datetime) -> dict[str, Any]:
        """As it is kept."""
        return {
            "about": dict(self.about),
            "certificates": [encoded(entry) for entry in self.certificates],
            "content": encoded(self.content),
            "format": FORMAT,
            "kind": self.kind,
            "proved_by": self.proved_by,
            "received_at": instant(received_at),
            "revocation": [encoded(entry) for entry in self.revocation],
            "sender": self.sender,
            "signature": encoded(self.signature),
            "signature_form": self.signature_form,
            "subject": self.subject,
        }

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> "EvidenceItem":
        """Read it. Raises AuditFormatError."""
        try:
            if fields["format"] != FORMAT:
                raise AuditFormatError(f"evidence of the format {fields['format']!r} is unknown here")
            return cls(
                kind=fields["kind"],
                subject=fields["subject"],
                sender=fields["sender"],
                content=decoded(fields["content"]),
                signature=decoded(fields["signature"]),
                signature_form=fields["signature_form"],
                proved_by=fields["proved_by"],
                certificates=[decoded(entry) for entry in fields["certificates"]],
                revocation=[decoded(entry) for entry in fields["revocation"]],
                about=fields["about"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise AuditFormatError(f"not evidence: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The answer to `keep`. duplicate: the same signed content was kept before, and that one stands."""

    evidence_id: str
    duplicate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFile:
    """Evidence with its proof: verifiable with the trail's public key alone."""

    document: bytes
    proof: RecordProof

    @property
    def item(self) -> EvidenceItem:
        """What was kept."""
        return EvidenceItem.from_fields(from_canonical(self.document))

    @property
    def received_at(self) -> datetime:
        """When it came, by the clock of whoever kept it."""
        return from_instant(from_canonical(self.document).get("received_at"))

    @property
    def recorded_at(self) -> datetime:
        """When the trail took it, by the appender's machine clock: the trusted time."""
        return self.proof.record.recorded_at

    def encode(self) -> bytes:
        """As a file."""
        return canonical({"document": self.document.decode(), "format": FILE_FORMAT, "proof": self.proof.fields()})

    @classmethod
    def decode(cls, data: bytes) -> "EvidenceFile":
        """Read a file. Raises AuditFormatError."""
        fields = from_canonical(data)
        try:
            if fields["format"] != FILE_FORMAT:
                raise AuditFormatError(f"a file of the format {fields['format']!r} is unknown here")
            return cls(document=fields["document"].encode(), proof=RecordProof.from_fields(fields["proof"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise AuditFormatError(f"not an evidence file: {error}") from error

    def check(self, keys: Sequence[ec.EllipticCurvePublicKey]) -> EvidenceItem:
        """Give the item if all holds: the trail's head, the record, the document, signature and chain of that time.

        Certificates are judged at the time the trail recorded, by the lists kept with them, however long ago that was.
        Raises AuditFormatError saying what fails.
        """
        record = self.proof.check(keys)
        if not self._is_told_by(record):
            raise AuditFormatError("the record that is proved tells of another document")
        item = self.item
        if item.signature:
            check_signature(item.certificates[0], item.content, item.signature, form=item.signature_form)
            check_chain(item.certificates, item.revocation, at=record.recorded_at)
        return item

    def _is_told_by(self, record: AuditRecord) -> bool:
        digest = hashlib.sha256(self.document).hexdigest()
        return record.event.act == "evidence.kept" and record.event.facts.get("sha256") == digest


class Evidence:
    """The archive: `keep` a message, `show` it with its proof."""

    def __init__(self, database: Database, sink: AuditSink, *, clock: Clock) -> None:
        self._database = database
        self._sink = sink
        self._clock = clock

    async def keep(self, item: EvidenceItem) -> Kept:
        """Keep a message: when this returns, both it and the record of it are durable.

        The same content of the same sender and subject is kept once, whatever signature came with it the second time.
        Raises UnreachableError when database or trail is away: then do not acknowledge the message.
        """
        document = canonical(item.fields(self._clock.now()))
        evidence_id = item.evidence_id
        stored = await self._stored(evidence_id)
        if stored is None:
            row = {
                "evidence_id": evidence_id,
                "kind": item.kind,
                "subject": item.subject,
                "kept_at": self._clock.now(),
                "event_id": f"evidence-{evidence_id[:40]}",
                "body": document,
            }
            async with self._database.transaction() as connection:
                await upsert(connection, AuditEvidenceRow, [row], keys=("evidence_id",), update=[])
        first = await self._stored(evidence_id)
        assert first is not None
        await self._sink.append(_kept_event(item, evidence_id, first))
        return Kept(evidence_id=evidence_id, duplicate=stored is not None)

    async def show(self, evidence_id: str, heads: Sequence[SignedHead]) -> EvidenceFile:
        """The evidence with its proof. Raises AuditUsageError where there is none, or it is not sealed yet."""
        document = await self._stored(evidence_id)
        if document is None:
            raise AuditUsageError(f"there is no evidence {evidence_id}")
        reader = TrailReader(self._database)
        sequence = await reader.place_of(f"evidence-{evidence_id[:40]}")
        if sequence is None:
            raise AuditUsageError(f"the evidence {evidence_id} is not in the trail yet: try again in a few seconds")
        return EvidenceFile(document=document, proof=await prove_record(reader, sequence, heads))

    async def of_subject(self, subject: str) -> list[str]:
        """The evidence that belongs together, oldest first."""
        row = AuditEvidenceRow
        async with self._database.read() as connection:
            statement = select(row.evidence_id).where(row.subject == subject).order_by(row.kept_at, row.evidence_id)
            return list((await connection.execute(statement)).scalars())

    async def _stored(self, evidence_id: str) -> bytes | None:
        row = AuditEvidenceRow
        async with self._database.read() as connection:
            return await connection.scalar(select(row.body).where(row.evidence_id == evidence_id))


def _kept_event(item: EvidenceItem, evidence_id: str, document: bytes) -> AuditEvent:
    return AuditEvent(
        act="evidence.kept",
        actor=item.sender,
        object=item.subject,
        outcome=Outcome.SUCCESS,
        cause=item.kind,
        facts={"evidence": evidence_id, "sha256": hashlib.sha256(document).hexdigest()},
        event_id=f"evidence-{evidence_id[:40]}",
    )
