"""Tables of consents, holds, deletions and erasures. A row changes once or twice in its life and is never lost."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from meterworks.runtime import Base, UtcDateTime

__all__ = ["ConsentRow", "DeletionRow", "ErasedRangeRow", "ErasedTotalRow", "ErasureRow", "HoldRow"]

# SQLite numbers rows by itself only in a column of type INTEGER.
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")


class ConsentRow(Base):
    """One consent from its proposal to its end. What it allows never changes: other terms are another consent."""

    __tablename__ = "market_consent"
    __table_args__ = (
        Index("ix_market_consent_use", "organisation_id", "usage_point_id", "purpose"),
        Index("ix_market_consent_consumer_id", "consumer_id"),
    )

    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=True)
    reference: Mapped[str] = mapped_column(String(36), unique=True)
    consumer_id: Mapped[int | None] = mapped_column(BigInteger)  # None: proposed where nobody lives that we know of
    organisation_id: Mapped[int] = mapped_column(BigInteger)
    usage_point_id: Mapped[str] = mapped_column(String(128))
    purpose: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str] = mapped_column(String(16))
    data_from: Mapped[datetime] = mapped_column(UtcDateTime)  # readings from here on
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)  # may be used from here on
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)  # and not from here on
    via: Mapped[str] = mapped_column(String(16))  # portal | api | organisation
    evidence_reference: Mapped[str] = mapped_column(String(200))
    evidence_digest: Mapped[str] = mapped_column(String(64))  # SHA-256 of the evidence the organisation keeps
    proposed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_by: Mapped[str | None] = mapped_column(String(16))  # consumer | organisation | operator | erasure


class HoldRow(Base):
    """An order to keep the data of a metering point (None: of all) until it is released."""

    __tablename__ = "market_hold"

    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=True)
    usage_point_id: Mapped[str | None] = mapped_column(String(128))
    reason: Mapped[str] = mapped_column(String(200))
    set_by: Mapped[str] = mapped_column(String(128))
    set_at: Mapped[datetime] = mapped_column(UtcDateTime)
    released_by: Mapped[str | None] = mapped_column(String(128))
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DeletionRow(Base):
    """What went: one class of data in one store, in one run."""

    __tablename__ = "market_deletion"

    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=True)
    run: Mapped[str] = mapped_column(String(36), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    cause: Mapped[str] = mapped_column(String(16))  # retention | erasure
    data_class: Mapped[str] = mapped_column(String(32))
    store: Mapped[str] = mapped_column(String(32))
    before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    rows: Mapped[int] = mapped_column(BigInteger)
    files: Mapped[int] = mapped_column(Integer)


class ErasureRow(Base):
    """A consumer's wish to be forgotten, and the tombstone that stays when it is done."""

    __tablename__ = "market_erasure"

    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=True)
    consumer_id: Mapped[int] = mapped_column(BigInteger, index=True)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    asked_by: Mapped[str] = mapped_column(String(16))  # consumer | operator
    approved_by: Mapped[str | None] = mapped_column(String(128))
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    pseudonym: Mapped[str] = mapped_column(String(64))


class ErasedTotalRow(Base):
    """The sum of a month's intervals that were erased: what the books need of them."""

    __tablename__ = "market_erased_total"

    erasure_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    device_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    channel_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    month: Mapped[str] = mapped_column(String(7), primary_key=True)  # 2026-03, UTC
    usage_point_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)
    count: Mapped[int] = mapped_column(Integer)


class ErasedRangeRow(Base):
    """A span of a device whose fine readings were erased; each run of retention erases what came back."""

    __tablename__ = "market_erased_range"

    erasure_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    device_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
