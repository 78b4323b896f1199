"""A small schema of the tests' own, on a metadata that no other test's tables are in, and a free port."""

import socket

import pytest
import sqlalchemy as sa

from meterworks.runtime import Database, UtcDateTime

SCHEMA = sa.MetaData()
SAMPLE = sa.Table(
    "runtime_sample",
    SCHEMA,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.Text, unique=True),
    sa.Column("count", sa.Integer, nullable=False, default=0),
    sa.Column("at", UtcDateTime),
)


@pytest.fixture
def sample() -> sa.Table:
    """The table `runtime_sample`: id, name (unique), count, at."""
    return SAMPLE


@pytest.fixture
async def database(tmp_path):
    """A SQLite database that holds the sample table."""
    database = Database(f"sqlite:///{tmp_path}/db/test.sqlite3")
    async with database.transaction() as connection:
        await connection.run_sync(SCHEMA.create_all)
    yield database
    await database.close()


@pytest.fixture
def unused_port() -> int:
    """A port of 127.0.0.1 at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
