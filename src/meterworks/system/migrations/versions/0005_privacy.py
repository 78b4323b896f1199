"""consents, retention and erasure."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("market_access_log", sa.Column("consent_reference", sa.String(length=36), nullable=True))
    op.create_table(
        "market_consent",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("reference", sa.String(length=36), nullable=False),
        sa.Column("consumer_id", sa.BigInteger(), nullable=True),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("usage_point_id", sa.String(length=128), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.String(length=16), nullable=False),
        sa.Column("data_from", _TIME, nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.Column("via", sa.String(length=16), nullable=False),
        sa.Column("evidence_reference", sa.String(length=200), nullable=False),
        sa.Column("evidence_digest", sa.String(length=64), nullable=False),
        sa.Column("proposed_at", _TIME, nullable=False),
        sa.Column("confirmed_at", _TIME, nullable=True),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.Column("ended_by", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_consent")),
        sa.UniqueConstraint("reference", name=op.f("uq_market_consent_reference")),
    )
    op.create_index("ix_market_consent_use", "market_consent", ["organisation_id", "usage_point_id", "purpose"])
    op.create_index("ix_market_consent_consumer_id", "market_consent", ["consumer_id"])
    op.create_table(
        "market_hold",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("usage_point_id", sa.String(length=128), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("set_by", sa.String(length=128), nullable=False),
        sa.Column("set_at", _TIME, nullable=False),
        sa.Column("released_by", sa.String(length=128), nullable=True),
        sa.Column("released_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_hold")),
    )
    op.create_table(
        "market_deletion",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("run", sa.String(length=36), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("data_class", sa.String(length=32), nullable=False),
        sa.Column("store", sa.String(length=32), nullable=False),
        sa.Column("before", _TIME, nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_deletion")),
    )
    op.create_index("ix_market_deletion_run", "market_deletion", ["run"])
    op.create_index("ix_market_deletion_at", "market_deletion", ["at"])
    op.create_table(
        "market_erasure",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("consumer_id", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", _TIME, nullable=False),
        sa.Column("asked_by", sa.String(length=16), nullable=False),
        sa.Column("approved_by", sa.String(length=128), nullable=True),
        sa.Column("done_at", _TIME, nullable=True),
        sa.Column("pseudonym", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_erasure")),
    )
    op.create_index("ix_market_erasure_consumer_id", "market_erasure", ["consumer_id"])
    op.create_table(
        "market_erased_total",
        sa.Column("erasure_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("channel_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("usage_point_id", sa.String(length=128), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "erasure_id", "device_id", "channel_id", "month", "usage_point_id", name=op.f("pk_market_erased_total")
        ),
    )
    op.create_table(
        "market_erased_range",
        sa.Column("erasure_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("erasure_id", "device_id", "starts_at", name=op.f("pk_market_erased_range")),
    )


def downgrade() -> None:
    """Take the tables back."""
    for name in ("market_erased_range", "market_erased_total", "market_erasure", "market_deletion"):
        op.drop_table(name)
    for name in ("market_hold", "market_consent"):
        op.drop_table(name)
    with op.batch_alter_table("market_access_log", schema=None) as batch_op:
        batch_op.drop_column("consent_reference")
