"""A sealed trail in memory, and evidence in it: nothing here touches a disk, so a check takes a few milliseconds."""

from datetime import timedelta

from tests.audited import SIGNER, START, event

from meterworks.trust.audit import AuditEvent, EvidenceFile, RecordProof, StoredRecord, TrailVerifier, TreeHead, key_id
from meterworks.trust.audit.canonical import canonical
from meterworks.trust.audit.evidence import _kept_event
from meterworks.trust.audit.head import MARK_SIZE, sign_head
from meterworks.trust.audit.merkle import Frontier, leaf_hash
from meterworks.trust.audit.record import GENESIS, AuditRecord, encode_record

KEYS = [SIGNER.public_key]


def sealed(events, *, every=10):
    """The bodies of records of these events, and heads over each so many of them."""
    bodies, heads, marks = [], [], b""
    previous, frontier = GENESIS, Frontier()
    for place, told in enumerate(events):
        body = encode_record(
            AuditRecord(
                sequence=place,
                event=told,
                recorded_at=START + timedelta(seconds=place),
                source="process:web",
                previous=previous,
            )
        )
        previous = leaf_hash(body)
        frontier.append(previous)
        bodies.append(body)
        marks += previous[:MARK_SIZE]
        if frontier.size % every == 0 or frontier.size == len(events):
            head = TreeHead(
                log="log-0001",
                size=frontier.size,
                root=frontier.root(),
                signed_at=START,
                previous=heads[-1].head.digest if heads else "",
                key=key_id(SIGNER.public_key),
                marks=marks.hex(),
            )
            heads.append(sign_head(head, SIGNER))
            marks = b""
    return bodies, heads


def trail(count=40):
    """A trail of events that tell their number."""
    return sealed([event(number) for number in range(count)])


def verdict(bodies, heads, *, places=None):
    """What the verifier says of rows as somebody with all rights leaves them."""
    verifier = TrailVerifier(heads, KEYS)
    for place, body in zip(places or range(len(bodies)), bodies, strict=True):
        verifier.take(StoredRecord(sequence=place, body=body, leaf_hash=leaf_hash(body)))
    return verifier.finish()


def sealed_evidence(item):
    """The file of one item, as a stranger gets it."""
    document = canonical(item.fields(START))
    told = _kept_event(item, item.evidence_id, document)
    timed = AuditEvent(
        act=told.act,
        actor=told.actor,
        object=told.object,
        facts=told.facts,
        event_id=told.event_id,
        at=START,
        machine_at=START,
    )
    bodies, heads = sealed([timed])
    return EvidenceFile(document=document, proof=RecordProof(body=bodies[0], path=(), head=heads[0]))
