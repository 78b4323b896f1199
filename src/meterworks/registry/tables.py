"""The tables of the registry, all with the prefix `registry_`."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from meterworks.registry.dated import DatedColumns
from meterworks.runtime import Base, UtcDateTime

__all__ = [
    "ChannelRow",
    "ConsumerRow",
    "DeviceChannelRow",
    "DeviceKeyRow",
    "DeviceRow",
    "InstallationRow",
    "OccupancyRow",
    "OrganisationRoleRow",
    "OrganisationRow",
    "RegistrationRow",
    "UsagePointRow",
]

_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers rows by itself only in INTEGER columns
_ENDS_AFTER_START = "ends_at IS NULL OR ends_at > starts_at"


def _reference(column: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"registry_{column}")


class ChannelRow(Base):
    """A channel of the catalogue, so that a query in the database can name it; seeded by the migration."""

    __tablename__ = "registry_channel"

    id: Mapped[int] = mapped_column(sa.Integer(), primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(sa.String(64), unique=True)
    medium: Mapped[str] = mapped_column(sa.String(16))
    quantity: Mapped[str] = mapped_column(sa.String(32))
    direction: Mapped[str] = mapped_column(sa.String(8))
    unit: Mapped[str] = mapped_column(sa.String(8))
    scaler: Mapped[int] = mapped_column(sa.SmallInteger())
    interval_s: Mapped[int | None] = mapped_column(sa.Integer())
    kind: Mapped[str] = mapped_column(sa.String(8))
    obis_code: Mapped[str] = mapped_column(sa.String(24))


class UsagePointRow(Base):
    """A place where energy is delivered and accounted for."""

    __tablename__ = "registry_usage_point"

    id: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    address: Mapped[str] = mapped_column(sa.String(200))
    postcode: Mapped[str] = mapped_column(sa.String(16))
    feeder: Mapped[str] = mapped_column(sa.String(64), index=True)
    transformer: Mapped[str] = mapped_column(sa.String(64), index=True)
    time_zone: Mapped[str] = mapped_column(sa.String(64))
    medium: Mapped[str] = mapped_column(sa.String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class DeviceRow(Base):
    """A meter or other piece of field equipment."""

    __tablename__ = "registry_device"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    scheme: Mapped[str] = mapped_column(sa.String(8))
    identity: Mapped[str] = mapped_column(sa.String(16), unique=True)
    serial: Mapped[str] = mapped_column(sa.String(64), index=True)
    manufacturer: Mapped[str] = mapped_column(sa.String(64))
    model: Mapped[str] = mapped_column(sa.String(64), index=True)
    firmware: Mapped[str] = mapped_column(sa.String(64))
    medium: Mapped[str] = mapped_column(sa.String(16))
    phases: Mapped[int] = mapped_column(sa.SmallInteger())
    address: Mapped[str] = mapped_column(sa.String(255))
    connection: Mapped[str] = mapped_column(sa.String(16))
    interval_s: Mapped[int] = mapped_column(sa.Integer())
    suite: Mapped[int] = mapped_column(sa.SmallInteger())
    sealed_by: Mapped[str] = mapped_column(sa.String(64))
    keys_ref: Mapped[str] = mapped_column(sa.String(64))
    state: Mapped[str] = mapped_column(sa.String(16), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class DeviceKeyRow(Base):
    """A version of a key of a device: wrapped under the master key of the key store, or the certificate of a pair."""

    __tablename__ = "registry_device_key"

    device_id: Mapped[int] = mapped_column(_reference("device.id"), primary_key=True)
    key_id: Mapped[str] = mapped_column(sa.String(8), primary_key=True)
    version: Mapped[int] = mapped_column(sa.Integer(), primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(sa.String(12))
    origin: Mapped[str] = mapped_column(sa.String(12))
    wrap_key: Mapped[str] = mapped_column(sa.String(64))
    wrapped: Mapped[bytes | None] = mapped_column(sa.LargeBinary(), index=True)  # equal keys wrap to equal octets
    certificate: Mapped[bytes | None] = mapped_column(sa.LargeBinary())
    counter: Mapped[int] = mapped_column(sa.BigInteger())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    activated_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class DeviceChannelRow(Base):
    """A channel a device has, where it differs from what its medium and interval say."""

    __tablename__ = "registry_device_channel"

    device_id: Mapped[int] = mapped_column(_reference("device.id"), primary_key=True)
    channel_id: Mapped[int] = mapped_column(_reference("channel.id"), primary_key=True)
    profile: Mapped[str] = mapped_column(sa.String(32))
    depth_days: Mapped[int] = mapped_column(sa.Integer())


class InstallationRow(DatedColumns, Base):
    """A device at a usage point, from until."""

    __tablename__ = "registry_installation"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    device_id: Mapped[int] = mapped_column(_reference("device.id"))
    usage_point_id: Mapped[str] = mapped_column(_reference("usage_point.id"))
    multiplier_numerator: Mapped[int] = mapped_column(sa.Integer())
    multiplier_denominator: Mapped[int] = mapped_column(sa.Integer())

    __table_args__ = (
        sa.CheckConstraint(_ENDS_AFTER_START, name="ends_after_start"),
        sa.CheckConstraint("multiplier_numerator > 0 AND multiplier_denominator > 0", name="multiplier_positive"),
        sa.UniqueConstraint("device_id", "starts_at"),
        sa.Index(None, "usage_point_id", "starts_at"),
    )


class OrganisationRow(Base):
    """A market party, or the carrier itself."""

    __tablename__ = "registry_organisation"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200), unique=True)
    eui64: Mapped[str] = mapped_column(sa.String(16), unique=True)
    kind: Mapped[str] = mapped_column(sa.String(16))


class OrganisationRoleRow(DatedColumns, Base):
    """A role an organisation holds, from until."""

    __tablename__ = "registry_organisation_role"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(_reference("organisation.id"))
    role: Mapped[str] = mapped_column(sa.String(24))

    __table_args__ = (
        sa.CheckConstraint(_ENDS_AFTER_START, name="ends_after_start"),
        sa.UniqueConstraint("organisation_id", "role", "starts_at"),
    )


class RegistrationRow(DatedColumns, Base):
    """An organisation's claim to a usage point in a role, from until."""

    __tablename__ = "registry_registration"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    organisation_id: Mapped[int] = mapped_column(_reference("organisation.id"))
    usage_point_id: Mapped[str] = mapped_column(_reference("usage_point.id"))
    role: Mapped[str] = mapped_column(sa.String(24))

    __table_args__ = (
        sa.CheckConstraint(_ENDS_AFTER_START, name="ends_after_start"),
        sa.UniqueConstraint("usage_point_id", "role", "starts_at"),
        sa.Index(None, "organisation_id", "role", "usage_point_id"),
    )


class ConsumerRow(Base):
    """A person or household that uses energy."""

    __tablename__ = "registry_consumer"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    email: Mapped[str] = mapped_column(sa.String(200))


class OccupancyRow(DatedColumns, Base):
    """A consumer at a usage point, from until."""

    __tablename__ = "registry_occupancy"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    consumer_id: Mapped[int] = mapped_column(_reference("consumer.id"), index=True)
    usage_point_id: Mapped[str] = mapped_column(_reference("usage_point.id"))

    __table_args__ = (
        sa.CheckConstraint(_ENDS_AFTER_START, name="ends_after_start"),
        sa.UniqueConstraint("usage_point_id", "starts_at"),
    )
