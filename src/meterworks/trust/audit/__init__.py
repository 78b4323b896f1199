"""The audit trail: acts in a hash chain and a Merkle tree, with signed heads kept elsewhere (RFC 6962 style)."""

from meterworks.trust.audit.act import ACTS, Act, act_of
from meterworks.trust.audit.bus_sink import BusAuditSink
from meterworks.trust.audit.errors import (
    ActNotRecorded,
    AuditFormatError,
    AuditStoreError,
    AuditUsageError,
    TrailBroken,
)
from meterworks.trust.audit.event import NOBODY, AuditEvent, Fact, Outcome, new_event_id
from meterworks.trust.audit.evidence import Evidence, EvidenceFile, EvidenceItem, Kept
from meterworks.trust.audit.head import (
    HEADS_FILE,
    HeadBook,
    HeadSigner,
    SignedHead,
    TreeHead,
    key_id,
    public_key_pem,
    read_heads,
)
from meterworks.trust.audit.proof import RecordProof, check_bundle, make_bundle, prove_record
from meterworks.trust.audit.reader import AuditQuestion, TrailReader
from meterworks.trust.audit.record import AuditRecord, decode_record, encode_record
from meterworks.trust.audit.service import TrailSink, serve_appends
from meterworks.trust.audit.settings import AuditSettings
from meterworks.trust.audit.sink import AuditSink, MemoryAuditSink
from meterworks.trust.audit.spool import Spool
from meterworks.trust.audit.trail import APPENDER, AuditTrail, Receipt
from meterworks.trust.audit.verification import load_public_keys, longest_heads, verify_stored
from meterworks.trust.audit.verify import Finding, StoredRecord, TrailVerifier, Verdict
from meterworks.trust.audit.wire import APPEND_SUBJECT

__all__ = [
    "ACTS",
    "APPENDER",
    "APPEND_SUBJECT",
    "HEADS_FILE",
    "NOBODY",
    "Act",
    "ActNotRecorded",
    "AuditEvent",
    "AuditFormatError",
    "AuditQuestion",
    "AuditRecord",
    "AuditSettings",
    "AuditSink",
    "AuditStoreError",
    "AuditTrail",
    "AuditUsageError",
    "BusAuditSink",
    "Evidence",
    "EvidenceFile",
    "EvidenceItem",
    "Fact",
    "Finding",
    "HeadBook",
    "HeadSigner",
    "Kept",
    "MemoryAuditSink",
    "Outcome",
    "Receipt",
    "RecordProof",
    "SignedHead",
    "Spool",
    "StoredRecord",
    "TrailBroken",
    "TrailReader",
    "TrailSink",
    "TrailVerifier",
    "TreeHead",
    "Verdict",
    "act_of",
    "check_bundle",
    "decode_record",
    "encode_record",
    "key_id",
    "load_public_keys",
    "longest_heads",
    "make_bundle",
    "new_event_id",
    "prove_record",
    "public_key_pem",
    "read_heads",
    "serve_appends",
    "verify_stored",
]
