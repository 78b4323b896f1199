"""The audit trail: acts in a hash chain and a Merkle tree, with signed heads kept elsewhere (RFC 6962 style)."""

from meterworks.trust.audit.act import ACTS, Act, act_of
from meterworks.trust.audit.errors import (
    ActNotRecorded,
    AuditFormatError,
    AuditStoreError,
    AuditUsageError,
    TrailBroken,
    TrailFull,
)
from meterworks.trust.audit.event import NOBODY, AuditEvent, Fact, Outcome, new_event_id
from meterworks.trust.audit.sink import AuditSink, MemoryAuditSink

__all__ = [
    "ACTS",
    "NOBODY",
    "Act",
    "ActNotRecorded",
    "AuditEvent",
    "AuditFormatError",
    "AuditSink",
    "AuditStoreError",
    "AuditUsageError",
    "Fact",
    "MemoryAuditSink",
    "Outcome",
    "TrailBroken",
    "TrailFull",
    "act_of",
    "new_event_id",
]
