"""key versions and key jobs of devices."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AFTER = "SELECT device_id, key_id, wrapped FROM registry_device_key"


def upgrade() -> None:
    """Bring the tables forward: keys that are there become version 1, in force since they were entered."""
    op.execute(f"CREATE TABLE registry_device_key_before AS {_AFTER}")
    op.drop_table("registry_device_key")
    op.create_table(
        "registry_device_key",
        sa.Column("device_id", _NUMBER, nullable=False),
        sa.Column("key_id", sa.String(length=8), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("origin", sa.String(length=12), nullable=False),
        sa.Column("wrap_key", sa.String(length=64), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("certificate", sa.LargeBinary(), nullable=True),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["device_id"], ["registry_device.id"], name=op.f("fk_registry_device_key_device_id_registry_device")
        ),
        sa.PrimaryKeyConstraint("device_id", "key_id", "version", name=op.f("pk_registry_device_key")),
    )
    op.execute(
        "INSERT INTO registry_device_key (device_id, key_id, version, state, origin, wrap_key, wrapped, counter,"
        " created_at, activated_at)"
        " SELECT before.device_id, before.key_id, 1, 'active', 'imported', 'store', before.wrapped, 0,"
        " device.created_at, device.created_at"
        " FROM registry_device_key_before AS before JOIN registry_device AS device ON device.id = before.device_id"
    )
    op.drop_table("registry_device_key_before")
    op.create_index(op.f("ix_registry_device_key_wrapped"), "registry_device_key", ["wrapped"])
    op.add_column("registry_device", sa.Column("suite", sa.SmallInteger(), nullable=False, server_default="0"))
    op.create_table(
        "headend_key_campaign",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("kinds", sa.String(length=80), nullable=False),
        sa.Column("selection", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("started_by", sa.String(length=80), nullable=False),
        sa.Column("pace_per_minute", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_headend_key_campaign")),
    )
    op.create_table(
        "headend_key_job",
        sa.Column("campaign_id", sa.String(length=32), nullable=False),
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_epoch_s", sa.Float(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["headend_key_campaign.id"],
            name=op.f("fk_headend_key_job_campaign_id_headend_key_campaign"),
        ),
        sa.PrimaryKeyConstraint("campaign_id", "device_id", name=op.f("pk_headend_key_job")),
    )
    with op.batch_alter_table("headend_key_job", schema=None) as batch_op:
        batch_op.create_index("ix_headend_key_job_state", ["state"], unique=False)


def downgrade() -> None:
    """Take the tables back: of each kind the key in force stays."""
    op.drop_table("headend_key_job")
    op.drop_table("headend_key_campaign")
    with op.batch_alter_table("registry_device") as batch_op:
        batch_op.drop_column("suite")
    op.execute(
        f"CREATE TABLE registry_device_key_before AS {_AFTER}"
        " WHERE wrapped IS NOT NULL AND activated_at IS NOT NULL AND ended_at IS NULL"
    )
    op.drop_table("registry_device_key")
    op.create_table(
        "registry_device_key",
        sa.Column("device_id", _NUMBER, nullable=False),
        sa.Column("key_id", sa.String(length=8), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["registry_device.id"], name=op.f("fk_registry_device_key_device_id_registry_device")
        ),
        sa.PrimaryKeyConstraint("device_id", "key_id", name=op.f("pk_registry_device_key")),
    )
    op.execute(f"INSERT INTO registry_device_key (device_id, key_id, wrapped) {_AFTER}_before")
    op.drop_table("registry_device_key_before")
