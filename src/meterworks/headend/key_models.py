"""Tables of key campaigns and their jobs."""

from datetime import datetime

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, SmallInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from meterworks.runtime import Base, UtcDateTime

__all__ = ["REASON_LENGTH_MAX", "KeyCampaignRow", "KeyJobRow"]

REASON_LENGTH_MAX = 300


class KeyCampaignRow(Base):
    """A rotation of keys over devices: what, why, who, how fast."""

    __tablename__ = "headend_key_campaign"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(12))
    state: Mapped[str] = mapped_column(String(10))
    kinds: Mapped[str] = mapped_column(String(80))
    selection: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(String(REASON_LENGTH_MAX))
    started_by: Mapped[str] = mapped_column(String(80))
    pace_per_minute: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    task: Mapped[str] = mapped_column(String(12), server_default="keys")
    suite: Mapped[int | None] = mapped_column(SmallInteger)
    policy: Mapped[int | None] = mapped_column(SmallInteger)


class KeyJobRow(Base):
    """The change of one device's keys within a campaign."""

    __tablename__ = "headend_key_job"

    campaign_id: Mapped[str] = mapped_column(ForeignKey("headend_key_campaign.id"), primary_key=True)
    device_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int] = mapped_column(Integer)
    next_try_epoch_s: Mapped[float] = mapped_column(Float)
    reason: Mapped[str] = mapped_column(String(REASON_LENGTH_MAX))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime())
    step: Mapped[str] = mapped_column(String(20), server_default="")

    __table_args__ = (Index("ix_headend_key_job_state", "state"),)
