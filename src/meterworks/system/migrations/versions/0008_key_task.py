"""what a key campaign does, and at which step each of its jobs is."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Bring the tables forward: campaigns that are there replace symmetric keys."""
    op.add_column(
        "headend_key_campaign", sa.Column("task", sa.String(length=12), nullable=False, server_default="keys")
    )
    op.add_column("headend_key_campaign", sa.Column("suite", sa.SmallInteger(), nullable=True))
    op.add_column("headend_key_campaign", sa.Column("policy", sa.SmallInteger(), nullable=True))
    op.add_column("headend_key_job", sa.Column("step", sa.String(length=20), nullable=False, server_default=""))


def downgrade() -> None:
    """Take the tables back."""
    op.drop_column("headend_key_job", "step")
    op.drop_column("headend_key_campaign", "policy")
    op.drop_column("headend_key_campaign", "suite")
    op.drop_column("headend_key_campaign", "task")
