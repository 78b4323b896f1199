"""certificates and their revocation: they need no table of the database.

What the authorities issued and revoked lies in their ledger, a file of its own (docs/pki.md), so this step changes
nothing. Its number stays: databases that have taken it say so, and the step after it names it as the one before.
"""

from collections.abc import Sequence

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Bring the tables forward."""


def downgrade() -> None:
    """Take the tables back."""
