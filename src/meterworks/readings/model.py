"""Tables of the readings folder in the database of record."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from meterworks.runtime import Base, UtcDateTime

__all__ = ["ReadingsProgress", "RecentDay", "RejectedSet"]


class RecentDay(Base):
    """The readings of one device and channel in one UTC day, latest versions only; rebuildable from the warehouse."""

    __tablename__ = "readings_recent_day"
    __table_args__ = (Index("ix_readings_recent_day_day", "day"), {"sqlite_with_rowid": False})

    device: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    channel: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)  # days since 1970-01-01 UTC
    readings: Mapped[bytes] = mapped_column(LargeBinary)  # see day_blob.py


class ReadingsProgress(Base):
    """How far the writer got after its commits: recent days filled and sets confirmed up to this position."""

    __tablename__ = "readings_progress"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    epoch: Mapped[str] = mapped_column(String(80))
    sequence: Mapped[int] = mapped_column(BigInteger)
    recent_from_day: Mapped[int] = mapped_column(Integer)  # recent days are complete from this UTC day on


class RejectedSet(Base):
    """A message of the readings stream that could not be taken, set aside for a person to look at."""

    __tablename__ = "readings_rejected"

    epoch: Mapped[str] = mapped_column(String(80), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    subject: Mapped[str] = mapped_column(Text)
    set_id: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    headers: Mapped[str] = mapped_column(Text)  # JSON
    size_bytes: Mapped[int] = mapped_column(Integer)
    data: Mapped[bytes] = mapped_column(LargeBinary)  # the beginning of it
    rejected_at: Mapped[datetime] = mapped_column(UtcDateTime)
