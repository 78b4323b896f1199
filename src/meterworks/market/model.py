"""Tables of the market folder: users, their tokens, and who read whose data."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from meterworks.runtime import Base, UtcDateTime

__all__ = ["AccessLogRow", "TokenRow", "UserRow"]

# SQLite numbers rows by itself only in a column of type INTEGER.
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")


class UserRow(Base):
    """A person or program that may log in, with one role."""

    __tablename__ = "market_user"

    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    password_hash: Mapped[str] = mapped_column(String(256))
    role: Mapped[str] = mapped_column(String(32))
    organisation_id: Mapped[int | None] = mapped_column(BigInteger)
    consumer_id: Mapped[int | None] = mapped_column(BigInteger)
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TokenRow(Base):
    """A bearer token or browser session. Only the hash of the token is kept."""

    __tablename__ = "market_token"

    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("market_user.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(16))  # bearer | session
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AccessLogRow(Base):
    """One reading access to one usage point; the consumer living there can see it."""

    __tablename__ = "market_access_log"
    __table_args__ = (Index("ix_market_access_log_usage_point_id_at", "usage_point_id", "at"),)

    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    usage_point_id: Mapped[str] = mapped_column(String(128))
    device_id: Mapped[int | None] = mapped_column(BigInteger)
    user_name: Mapped[str] = mapped_column(String(128))
    role: Mapped[str] = mapped_column(String(32))
    organisation_id: Mapped[int | None] = mapped_column(BigInteger)
    range_start: Mapped[datetime] = mapped_column(UtcDateTime)
    range_end: Mapped[datetime] = mapped_column(UtcDateTime)
    channels: Mapped[str] = mapped_column(String(512))
    purpose: Mapped[str] = mapped_column(String(64))
    request_id: Mapped[str] = mapped_column(String(64))
