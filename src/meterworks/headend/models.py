"""Tables of the head-end. Times in hot tables are epoch seconds, in logs that people read aware UTC."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Float, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from meterworks.runtime import Base, UtcDateTime

__all__ = [
    "DeviceRow",
    "EventRow",
    "ExpectationRecord",
    "IncidentRow",
    "ModelRow",
    "PositionRow",
    "RunRow",
    "SessionRow",
]


class ExpectationRecord(Base):
    """One range of one device and profile: expected, missing, absent, or sent within a set."""

    __tablename__ = "headend_expectation"

    device_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    profile: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[str] = mapped_column(String(10), primary_key=True)
    start_epoch_s: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    set_id: Mapped[str] = mapped_column(String(40), primary_key=True, default="")
    end_epoch_s: Mapped[int] = mapped_column(BigInteger)
    sent_at_epoch_s: Mapped[float | None] = mapped_column(Float)
    sequence: Mapped[int] = mapped_column(BigInteger, default=0)


class DeviceRow(Base):
    """What the head-end remembers of a device between sessions."""

    __tablename__ = "headend_device"

    device_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    refusals: Mapped[int] = mapped_column(Integer, default=0)
    quarantined: Mapped[bool] = mapped_column(Boolean, default=False)
    next_try_epoch_s: Mapped[float] = mapped_column(Float, default=0.0)
    last_try_epoch_s: Mapped[float | None] = mapped_column(Float)
    last_contact_epoch_s: Mapped[float | None] = mapped_column(Float)
    last_good_clock_epoch_s: Mapped[float | None] = mapped_column(Float)
    last_drift_s: Mapped[float | None] = mapped_column(Float)
    suspect_from_epoch_s: Mapped[float | None] = mapped_column(Float)
    suspect_until_epoch_s: Mapped[float | None] = mapped_column(Float)
    last_error: Mapped[str | None] = mapped_column(String(60))
    counter_reserved: Mapped[int] = mapped_column(BigInteger, default=0)
    push_counter: Mapped[int] = mapped_column(BigInteger, default=-1)


class SessionRow(Base):
    """One session with a device, or one push from it."""

    __tablename__ = "headend_session"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    device_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(12))
    started: Mapped[datetime] = mapped_column(UtcDateTime)
    ended: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[str] = mapped_column(String(12))
    error_code: Mapped[str | None] = mapped_column(String(60))
    bytes_in: Mapped[int] = mapped_column(BigInteger, default=0)
    bytes_out: Mapped[int] = mapped_column(BigInteger, default=0)
    rows: Mapped[int] = mapped_column(BigInteger, default=0)
    clock_drift_s: Mapped[float | None] = mapped_column(Float)

    __table_args__ = (
        Index("ix_headend_session_device_id_started", "device_id", "started"),
        Index("ix_headend_session_started", "started"),
    )


class EventRow(Base):
    """One entry of a device's event log."""

    __tablename__ = "headend_event"

    device_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    log: Mapped[str] = mapped_column(String(20), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    code: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_headend_event_at", "at"),)


class IncidentRow(Base):
    """Something an operator should know: refused keys, a replay, an unknown sender, a clock that had to be set."""

    __tablename__ = "headend_incident"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    kind: Mapped[str] = mapped_column(String(40))
    device_id: Mapped[int | None] = mapped_column(BigInteger)
    peer: Mapped[str | None] = mapped_column(String(80))
    detail: Mapped[str] = mapped_column(Text, default="")


class RunRow(Base):
    """One collection run: the first fill, or one cycle of visits."""

    __tablename__ = "headend_run"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    started: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    ended: Mapped[datetime | None] = mapped_column(UtcDateTime)
    planned: Mapped[int] = mapped_column(Integer, default=0)
    done: Mapped[int] = mapped_column(Integer, default=0)
    failed: Mapped[int] = mapped_column(Integer, default=0)


class ModelRow(Base):
    """What one profile of one device model and firmware captures, as the first device of it said."""

    __tablename__ = "headend_model"

    model: Mapped[str] = mapped_column(String(80), primary_key=True)
    firmware: Mapped[str] = mapped_column(String(80), primary_key=True)
    profile: Mapped[str] = mapped_column(String(40), primary_key=True)
    capture_objects: Mapped[bytes] = mapped_column(LargeBinary)
    capture_period_s: Mapped[int] = mapped_column(Integer)
    entries_max: Mapped[int] = mapped_column(Integer)
    scalers: Mapped[str] = mapped_column(Text, default="")
    checked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PositionRow(Base):
    """How far a stream was read."""

    __tablename__ = "headend_position"

    stream: Mapped[str] = mapped_column(String(40), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
