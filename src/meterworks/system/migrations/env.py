"""How alembic reaches our tables: over the connection that `meterworks.system.migration` hands in."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from meterworks.runtime import UtcDateTime
from meterworks.system.migration import every_table


def as_written(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Migrations name the database's own types only, so that an old one stands when our code has moved on."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=every_table(),
    render_as_batch=True,  # SQLite changes a table by making it anew
    compare_type=True,
    render_item=as_written,
)
with context.begin_transaction():
    context.run_migrations()
