"""second factors, token scopes, admission of organisations."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# Organisations that were there before admission was asked for keep their rights for as long as a review takes.
_ADMITTED_DAYS = 90
_TABLES = ("market_approval", "market_admission", "market_external_identity", "market_factor")
_TOKEN_COLUMNS = ("name", "scopes", "factors", "proven_at", "used_at", "idle_s", "thumbprint", "origin")


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False)


def upgrade() -> None:
    """Bring the tables forward."""
    with op.batch_alter_table("market_token", schema=None) as batch_op:
        batch_op.add_column(sa.Column("name", sa.String(length=64), server_default="", nullable=False))
        batch_op.add_column(sa.Column("scopes", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("factors", sa.String(length=64), server_default="password", nullable=False))
        batch_op.add_column(sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("used_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("idle_s", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("thumbprint", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("origin", sa.String(length=64), server_default="", nullable=False))
    _create_factor_tables()
    _create_organisation_tables()
    _admit_known_organisations()


def _create_factor_tables() -> None:
    op.create_table(
        "market_factor",
        _id(),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=2048), nullable=False),
        sa.Column("material", sa.LargeBinary(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["market_user.id"], name=op.f("fk_market_factor_user_id_market_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_factor")),
        sa.UniqueConstraint("kind", "reference", name=op.f("uq_market_factor_kind_reference")),
    )
    with op.batch_alter_table("market_factor", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_market_factor_user_id"), ["user_id"], unique=False)
    op.create_table(
        "market_external_identity",
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["market_user.id"],
            name=op.f("fk_market_external_identity_user_id_market_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_market_external_identity")),
        sa.UniqueConstraint("user_id", name=op.f("uq_market_external_identity_user_id")),
    )


def _create_organisation_tables() -> None:
    op.create_table(
        "market_admission",
        _id(),
        sa.Column("organisation_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("assessor", sa.String(length=128), nullable=False),
        sa.Column("document_digest", sa.String(length=64), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_admission")),
    )
    with op.batch_alter_table("market_admission", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_market_admission_organisation_id"), ["organisation_id"], unique=False)
    op.create_table(
        "market_approval",
        _id(),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("asked_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["asked_by"], ["market_user.id"], name=op.f("fk_market_approval_asked_by_market_user")),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["market_user.id"], name=op.f("fk_market_approval_decided_by_market_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_approval")),
    )
    with op.batch_alter_table("market_approval", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_market_approval_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_market_approval_state"), ["state"], unique=False)


def _admit_known_organisations() -> None:
    # The row's time is the machine's: whoever runs an emulated system faster or slower reviews at once.
    now = datetime.now(UTC)
    connection = op.get_bind()
    organisation = sa.table("registry_organisation", sa.column("id"))
    admission = sa.table(
        "market_admission",
        *(sa.column(name) for name in ("organisation_id", "assessor", "document_digest", "reason")),
        *(sa.column(name, sa.DateTime(timezone=True)) for name in ("at", "valid_until")),
    )
    for (number,) in connection.execute(sa.select(organisation.c.id)).all():
        connection.execute(
            sa.insert(admission).values(
                organisation_id=number,
                at=now,
                assessor="migration",
                document_digest="0" * 64,
                valid_until=now + timedelta(days=_ADMITTED_DAYS),
                reason="known before admission was asked for",
            )
        )


def downgrade() -> None:
    """Take the tables back."""
    for table in _TABLES:
        op.drop_table(table)
    with op.batch_alter_table("market_token", schema=None) as batch_op:
        for column in reversed(_TOKEN_COLUMNS):
            batch_op.drop_column(column)
