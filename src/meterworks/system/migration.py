"""Bringing the database of record to the newest form, on whichever engine it lies."""

import importlib
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection

from meterworks.runtime import Database, metadata

__all__ = ["differences", "every_table", "make_migration", "migrate"]

FOLDERS_WITH_TABLES = (
    "meterworks.trust.audit",
    "meterworks.registry",
    "meterworks.headend",
    "meterworks.readings",
    "meterworks.market",
)


def every_table() -> sa.MetaData:
    """The tables of all folders: importing a folder makes its tables known."""
    for folder in FOLDERS_WITH_TABLES:
        importlib.import_module(folder)
    return metadata


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


async def migrate(database: Database) -> None:
    """Bring the database to the newest form; one that is there already is left alone."""
    every_table()
    async with database.transaction() as connection:
        await connection.run_sync(lambda inner: command.upgrade(_config(inner), "head"))


async def make_migration(database: Database, message: str, number: str) -> None:
    """For developers: write the next migration from what the tables say and the database lacks."""
    every_table()
    async with database.transaction() as connection:
        await connection.run_sync(
            lambda inner: command.revision(_config(inner), message=message, autogenerate=True, rev_id=number)
        )


async def differences(database: Database) -> list[object]:
    """What a migrated database and the tables disagree on; empty when the migrations are complete."""

    def compare(inner: Connection) -> list[object]:
        context = MigrationContext.configure(inner, opts={"compare_type": True})
        return list(compare_metadata(context, every_table()))

    async with database.transaction() as connection:
        return await connection.run_sync(compare)
