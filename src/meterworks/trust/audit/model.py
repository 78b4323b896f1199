"""Tables of the trail. What proves is the body; the columns beside it are for finding: the verifier compares them."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from meterworks.runtime import Base, UtcDateTime

__all__ = ["AuditEvidenceRow", "AuditRecordRow", "AuditTileRow"]


class AuditRecordRow(Base):
    """One record. `leaf_hash` is SHA-256(0x00 || body)."""

    __tablename__ = "audit_record"
    __table_args__ = (
        Index("ix_audit_record_at", "at"),
        Index("ix_audit_record_actor", "actor"),
        Index("ix_audit_record_object", "object"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[str] = mapped_column(String(64), unique=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    act: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(200))
    object: Mapped[str] = mapped_column(String(200))
    outcome: Mapped[str] = mapped_column(String(10))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    leaf_hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class AuditTileRow(Base):
    """256 neighbouring hashes of one level of the tree (level 0: leaves; level 1: roots of 256 leaves; and so on).

    Derived from the records, so that a proof reads a few rows; they stay when records are pruned.
    """

    __tablename__ = "audit_tile"

    level: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)


class AuditEvidenceRow(Base):
    """Original octets with what verifies them. `evidence_id` is made of what was signed, never of a signature."""

    __tablename__ = "audit_evidence"
    __table_args__ = (Index("ix_audit_evidence_subject", "subject"),)

    evidence_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(200))
    kept_at: Mapped[datetime] = mapped_column(UtcDateTime)
    event_id: Mapped[str] = mapped_column(String(64))
    body: Mapped[bytes] = mapped_column(LargeBinary)
