"""Database on PostgreSQL: what its dialect does in its own way. Skipped where no PostgreSQL is installed."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from meterworks.runtime import (
    Database,
    DatabaseConflictError,
    DatabaseUnreachableError,
    DatabaseUsageError,
    UtcDateTime,
    insert_many,
    upsert,
)

SAMPLE = sa.Table(
    "runtime_sample",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.Text, unique=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("at", UtcDateTime),
)
SERVER_USER = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, user=SERVER_USER, cwd="/")


@pytest.fixture(scope="module")
def postgresql_url():
    """The address of a PostgreSQL server of this module's own, which listens at a Unix socket only."""
    if shutil.which("initdb") is None or shutil.which("pg_ctl") is None:
        pytest.skip("no PostgreSQL server programs (initdb, pg_ctl) on the path")
    with tempfile.TemporaryDirectory(prefix="mw-pg-", dir="/tmp") as folder:  # short: a socket's path is limited
        if SERVER_USER:
            shutil.chown(folder, SERVER_USER)
        data = str(Path(folder, "data"))
        run("initdb", "--pgdata", data, "--auth", "trust", "--username", "meter", "--no-sync", "--encoding", "UTF8")
        run(
            "pg_ctl",
            "--pgdata",
            data,
            "--options",
            f"-c listen_addresses='' -k {folder}",
            "--log",
            f"{folder}/log",
            "start",
        )
        yield f"postgresql://meter@/postgres?host={folder}"
        run("pg_ctl", "--pgdata", data, "--mode", "immediate", "stop")


@pytest.fixture
async def database(postgresql_url):
    """A database with an empty sample table."""
    database = Database(postgresql_url)
    async with database.transaction() as connection:
        await connection.run_sync(SAMPLE.metadata.drop_all)
        await connection.run_sync(SAMPLE.metadata.create_all)
    yield database
    await database.close()


async def test_rows_are_inserted_in_bulk_and_upserted_with_the_last_of_equals(database):
    async with database.transaction() as connection:
        rows = [{"id": number, "name": str(number), "count": 0, "at": None} for number in range(12_345)]
        await insert_many(connection, SAMPLE, rows)
        changes = [{"id": 1, "name": "1", "count": 5}, {"id": 1, "name": "1", "count": 6}]
        await upsert(connection, SAMPLE, changes, keys=["id"], update=["count"])
        await upsert(connection, SAMPLE, [{"id": 2, "name": "2", "count": 7}], keys=["id"], update=[])
    async with database.read() as connection:
        query = sa.select(SAMPLE.c.count).where(SAMPLE.c.id < 3).order_by(SAMPLE.c.id)
        assert (await connection.execute(query)).scalars().all() == [0, 6, 0]


async def test_a_time_comes_back_as_aware_utc(database):
    given = datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=2)))
    async with database.transaction() as connection:
        await insert_many(connection, SAMPLE, [{"id": 1, "name": "a", "count": 0, "at": given}])
    async with database.read() as connection:
        value = (await connection.execute(sa.select(SAMPLE.c.at).where(SAMPLE.c.at == given))).scalar_one()
    assert value == given
    assert value.tzinfo is UTC


async def test_a_read_sees_one_state_and_cannot_write(database):
    query = sa.select(sa.func.count()).select_from(SAMPLE)
    async with database.read() as reader:
        assert (await reader.execute(query)).scalar_one() == 0
        async with database.transaction() as writer:
            await insert_many(writer, SAMPLE, [{"id": 1, "name": "a", "count": 0}])
        assert (await reader.execute(query)).scalar_one() == 0
    with pytest.raises(DatabaseUsageError, match="read-only"):
        async with database.read() as reader:
            await insert_many(reader, SAMPLE, [{"id": 2, "name": "b", "count": 0}])


async def test_a_broken_constraint_is_a_conflict_and_writes_nothing(database):
    with pytest.raises(DatabaseConflictError):
        async with database.transaction() as connection:
            await insert_many(
                connection, SAMPLE, [{"id": 1, "name": "a", "count": 0}, {"id": 2, "name": "a", "count": 0}]
            )
    async with database.read() as connection:
        assert (await connection.execute(sa.select(SAMPLE))).all() == []


async def test_a_connection_the_server_ended_is_unreachable_and_the_next_call_works(database):
    with pytest.raises(DatabaseUnreachableError):
        async with database.transaction() as connection:
            own = (await connection.execute(sa.text("select pg_backend_pid()"))).scalar_one()
            async with database.transaction() as other:
                await other.execute(sa.text("select pg_terminate_backend(:own)"), {"own": own})
            await asyncio.sleep(0.05)
            await connection.execute(sa.text("select 1"))
    async with database.read() as connection:
        assert (await connection.execute(sa.text("select 1"))).scalar_one() == 1
