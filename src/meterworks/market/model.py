"""Tables of the market folder: users, factors, tokens, admission of organisations, and who read whose data."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from meterworks.runtime import Base, UtcDateTime

__all__ = [
    "AccessLogRow",
    "AdmissionRow",
    "ApprovalRow",
    "ExternalIdentityRow",
    "FactorRow",
    "TokenRow",
    "UserRow",
]

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
    name: Mapped[str] = mapped_column(String(64), server_default="")  # of an API token, by its owner
    scopes: Mapped[str | None] = mapped_column(Text)  # actions, parted by spaces; none: all of the role's
    factors: Mapped[str] = mapped_column(String(64), server_default="password")  # what was proven, parted by spaces
    proven_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the last proof by the person
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # to the minute
    idle_s: Mapped[int | None] = mapped_column(Integer)  # ends when not used for so long
    thumbprint: Mapped[str | None] = mapped_column(String(64))  # of the certificate it is bound to
    origin: Mapped[str] = mapped_column(String(64), server_default="")  # where it was given out to


class FactorRow(Base):
    """A second factor of a user: a TOTP secret (wrapped), a passkey (its public key) or a recovery code (its hash)."""

    __tablename__ = "market_factor"
    __table_args__ = (UniqueConstraint("kind", "reference"),)

    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("market_user.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(16))  # totp | passkey | recovery
    name: Mapped[str] = mapped_column(String(64))
    reference: Mapped[str] = mapped_column(String(2048))  # credential id or code hash, in hexadecimal
    material: Mapped[bytes] = mapped_column(LargeBinary)  # wrapped secret or public key
    counter: Mapped[int] = mapped_column(BigInteger)  # last time step or signature counter taken
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # none: offered, not yet proven once
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ExternalIdentityRow(Base):
    """An account that logs in at an identity provider."""

    __tablename__ = "market_external_identity"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("market_user.id", ondelete="CASCADE"), unique=True)


class AdmissionRow(Base):
    """The assessment of an organisation, or its suspension. The latest row of an organisation counts."""

    __tablename__ = "market_admission"

    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=True)
    organisation_id: Mapped[int] = mapped_column(BigInteger, index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    assessor: Mapped[str] = mapped_column(String(128))
    document_digest: Mapped[str] = mapped_column(String(64))  # SHA-256 of the report, in hexadecimal
    valid_until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # none: suspended
    reason: Mapped[str] = mapped_column(String(500))


class ApprovalRow(Base):
    """What one person asked for and another has to approve."""

    __tablename__ = "market_approval"

    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(32))
    content: Mapped[str] = mapped_column(Text)  # JSON: what is asked for
    reason: Mapped[str] = mapped_column(String(500))
    asked_by: Mapped[int] = mapped_column(ForeignKey("market_user.id"))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("market_user.id"))
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(16), index=True)  # asked | approved | refused | ended


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
    consent_reference: Mapped[str | None] = mapped_column(String(36))
    request_id: Mapped[str] = mapped_column(String(64))
