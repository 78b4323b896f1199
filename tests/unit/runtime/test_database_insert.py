"""`Database.insert`: one errand, and all that a transaction promises."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from meterworks.runtime import (
    Database,
    DatabaseConflictError,
    DatabaseSettings,
    DatabaseUnreachableError,
    DatabaseUsageError,
    NaiveTimeError,
    UtcDateTime,
)
from meterworks.runtime import database as database_module

TYPES = sa.Table(
    "runtime_types",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime),
    sa.Column("flag", sa.Boolean),
    sa.Column("share", sa.Float),
    sa.Column("text", sa.String(20)),
    sa.Column("blob", sa.LargeBinary),
    sa.Column("big", sa.BigInteger),
)
AT = datetime(2026, 11, 21, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
VALUES = {"at": AT, "flag": True, "share": 0.25, "text": "ä", "blob": b"\x00\xff", "big": 2**62}


@pytest.fixture
async def typed(database) -> Database:
    async with database.transaction() as connection:
        await connection.run_sync(TYPES.metadata.create_all)
    return database


async def count(database, table) -> int:
    async with database.read() as connection:
        return (await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one()


async def test_what_is_inserted_lies_there_as_through_a_transaction(typed):
    """Byte by byte: a time in another form would compare differently."""
    await typed.insert(TYPES, [{"id": 1, **VALUES}, {"id": 2, **dict.fromkeys(VALUES)}])
    async with typed.transaction() as connection:
        await connection.execute(sa.insert(TYPES), [{"id": 3, **VALUES}, {"id": 4, **dict.fromkeys(VALUES)}])
    with sqlite3.connect(typed.url.database) as raw:
        rows = raw.execute(
            "SELECT at, flag, share, text, blob, big, typeof(at) FROM runtime_types ORDER BY id"
        ).fetchall()
    raw.close()
    assert rows[0] == rows[2]
    assert rows[1] == rows[3]
    async with typed.read() as connection:
        row = (await connection.execute(sa.select(TYPES).where(TYPES.c.id == 1))).one()
    assert row.at == AT.astimezone(UTC)
    assert (row.flag, row.share, row.text, row.blob, row.big) == (True, 0.25, "ä", b"\x00\xff", 2**62)


async def test_no_rows_touch_nothing(database):
    """The table is not even there: it is never asked."""
    assert await database.insert(TYPES, []) is None


async def test_all_rows_or_none(database, sample):
    rows = [{"id": number, "name": str(number % 3), "count": 0} for number in range(5)]
    with pytest.raises(DatabaseConflictError):
        await database.insert(sample, rows)
    assert await count(database, sample) == 0
    await database.insert(sample, rows[:3])
    assert await count(database, sample) == 3


async def test_a_table_that_is_not_there_is_told(database):
    with pytest.raises(DatabaseUsageError, match="runtime_types"):
        await database.insert(TYPES, [{"id": 1, **VALUES}])


async def test_a_naive_time_is_refused(typed):
    with pytest.raises(NaiveTimeError):
        await typed.insert(TYPES, [{"id": 1, **VALUES, "at": datetime(2026, 1, 1)}])  # noqa: DTZ001  # the point
    assert await count(typed, TYPES) == 0


async def test_it_takes_turns_with_transactions(database, sample):
    async def by_transaction(number: int) -> None:
        async with database.transaction() as connection:
            await connection.execute(sa.insert(sample), [{"id": number, "name": f"t{number}", "count": 0}])

    await asyncio.gather(
        *(by_transaction(number) for number in range(20)),
        *(database.insert(sample, [{"id": number, "name": f"i{number}", "count": 0}]) for number in range(20, 40)),
    )
    assert await count(database, sample) == 40


async def test_it_waits_for_another_writer_and_gives_up_in_time(database, sample):
    other = sqlite3.connect(database.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    patient = asyncio.create_task(database.insert(sample, [{"id": 1, "name": "a", "count": 0}]))
    hasty = Database(DatabaseSettings(url=str(database.url), busy_timeout_s=0.05))
    with pytest.raises(DatabaseUnreachableError):
        await hasty.insert(sample, [{"id": 2, "name": "b", "count": 0}])
    assert not patient.done()
    other.execute("ROLLBACK")
    await patient
    other.close()
    await hasty.insert(sample, [{"id": 3, "name": "c", "count": 0}])
    assert await count(database, sample) == 2
    await hasty.close()


async def test_a_cancelled_one_leaves_the_connection_usable(database, sample):
    other = sqlite3.connect(database.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(database.insert(sample, [{"id": 1, "name": "a", "count": 0}]))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    other.execute("ROLLBACK")
    other.close()
    await database.insert(sample, [{"id": 2, "name": "b", "count": 0}])
    assert await count(database, sample) == 1


async def test_rows_not_settled_at_once_are_seen_at_once_and_settled_soon(typed, monkeypatch):
    settled = asyncio.Event()
    loop = asyncio.get_running_loop()
    kept = database_module.settle

    def settle(path: Path) -> None:
        kept(path)
        loop.call_soon_threadsafe(settled.set)

    monkeypatch.setattr(database_module, "settle", settle)
    other = Database(str(typed.url))
    await typed.insert(TYPES, [{"id": 1}], settled=False)
    async with other.read() as connection:
        assert (await connection.execute(sa.select(TYPES.c.id))).scalars().all() == [1]
    await asyncio.wait_for(settled.wait(), 5)
    await other.close()


async def test_the_next_commit_waits_for_the_disk_again(typed):
    await typed.insert(TYPES, [{"id": 1}], settled=False)
    async with typed.transaction() as connection:
        assert (await connection.exec_driver_sql("PRAGMA synchronous")).scalar_one() == 2


async def test_a_refused_row_leaves_the_connection_waiting_for_the_disk(typed):
    await typed.insert(TYPES, [{"id": 1}], settled=False)
    with pytest.raises(DatabaseConflictError):
        await typed.insert(TYPES, [{"id": 1}], settled=False)
    async with typed.transaction() as connection:
        assert (await connection.exec_driver_sql("PRAGMA synchronous")).scalar_one() == 2


async def test_closing_settles_what_was_not(typed, monkeypatch):
    paths: list[Path] = []
    monkeypatch.setattr(database_module, "settle", paths.append)
    await typed.insert(TYPES, [{"id": 1}], settled=False)
    await typed.close()
    assert [path.name for path in paths] == [Path(typed.url.database).name]
