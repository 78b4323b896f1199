"""which maker's seal a device came under."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Bring the tables forward: devices that are there came without a seal that was checked."""
    op.add_column("registry_device", sa.Column("sealed_by", sa.String(length=64), nullable=False, server_default=""))


def downgrade() -> None:
    """Take the tables back."""
    op.drop_column("registry_device", "sealed_by")
