"""Database: transactions, snapshots, times, bulk writing, and errors told in our own tree."""

import asyncio
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from meterworks.runtime import (
    Base,
    Database,
    DatabaseConflictError,
    DatabaseSettings,
    DatabaseUnreachableError,
    DatabaseUsageError,
    NaiveTimeError,
    SettingsError,
    UtcDateTime,
    insert_many,
    upsert,
)


async def count(database, table) -> int:
    async with database.read() as connection:
        return (await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one()


async def test_a_transaction_commits_at_its_end(database, sample):
    async with database.transaction() as connection:
        await connection.execute(sa.insert(sample), [{"id": 1, "name": "a", "count": 0}])
    assert await count(database, sample) == 1


async def test_a_transaction_that_raises_leaves_nothing(database, sample):
    with pytest.raises(RuntimeError, match="changed my mind"):
        async with database.transaction() as connection:
            await connection.execute(sa.insert(sample), [{"id": 1, "name": "a", "count": 0}])
            raise RuntimeError("changed my mind")
    assert await count(database, sample) == 0


async def test_a_cancelled_transaction_leaves_nothing_and_the_next_one_works(database, sample):
    inserted = asyncio.Event()

    async def write() -> None:
        async with database.transaction() as connection:
            await connection.execute(sa.insert(sample), [{"id": 1, "name": "a", "count": 0}])
            inserted.set()
            await asyncio.Event().wait()

    writer = asyncio.create_task(write())
    await inserted.wait()
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)
    async with database.transaction() as connection:
        await connection.execute(sa.insert(sample), [{"id": 2, "name": "b", "count": 0}])
    assert await count(database, sample) == 1


async def test_a_transaction_rolled_back_by_hand_commits_nothing(database, sample):
    async with database.transaction() as connection:
        await connection.execute(sa.insert(sample), [{"id": 1, "name": "a", "count": 0}])
        await connection.rollback()
    assert await count(database, sample) == 0


async def test_a_read_sees_one_state_throughout(database, sample):
    async with database.read() as reader:
        before = (await reader.execute(sa.select(sa.func.count()).select_from(sample))).scalar_one()
        async with database.transaction() as writer:
            await writer.execute(sa.insert(sample), [{"id": 1, "name": "a", "count": 0}])
        assert (await reader.execute(sa.select(sa.func.count()).select_from(sample))).scalar_one() == before
    assert await count(database, sample) == 1


async def test_a_read_cannot_write(database, sample):
    with pytest.raises(DatabaseUsageError, match="readonly"):
        async with database.read() as connection:
            await connection.execute(sa.insert(sample), [{"id": 1, "name": "a", "count": 0}])


async def test_many_tasks_write_one_after_the_other(database, sample):
    async with database.transaction() as connection:
        await connection.execute(sa.insert(sample), [{"id": 1, "name": "a", "count": 0}])

    async def increment() -> None:
        async with database.transaction() as connection:
            value = (await connection.execute(sa.select(sample.c.count))).scalar_one()
            await connection.execute(sa.update(sample).values(count=value + 1))

    await asyncio.gather(*(increment() for _ in range(50)))
    async with database.read() as connection:
        assert (await connection.execute(sa.select(sample.c.count))).scalar_one() == 50


async def test_a_read_longer_than_the_bound_gives_the_same_rows_each_time(database, sample):
    rows = [{"id": number, "name": str(number), "count": number} for number in range(3_000)]
    async with database.transaction() as connection:
        await insert_many(connection, sample, rows)
    for _ in range(3):
        async with database.read() as connection:
            short = (await connection.execute(sa.select(sample.c.count).where(sample.c.id == 7))).scalar_one()
            long = (await connection.execute(sa.select(sample.c.count).order_by(sample.c.count.desc()))).scalars().all()
        assert short == 7
        assert long == list(range(2_999, -1, -1))


async def test_a_short_read_that_is_repeated_stays_quick(database, sample):
    async with database.transaction() as connection:
        await insert_many(connection, sample, [{"id": 1, "name": "a", "count": 5}])
    query = sa.select(sample.c.count).where(sample.c.id == 1)
    for _ in range(3_000):  # SQLite's count of steps goes on over the runs: none may look long
        async with database.read() as connection:
            assert (await connection.execute(query)).scalar_one() == 5
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver._slow_statements == set()


async def test_a_long_read_does_not_stop_the_loop(database):
    query = sa.text(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000000) select sum(i) from n"
    )
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    counter = asyncio.create_task(count_turns())
    async with database.read() as connection:
        assert (await connection.execute(query)).scalar_one() == 4_500_001_500_000
    counter.cancel()
    assert turns > 3


async def test_a_cancelled_long_read_leaves_its_pool_usable(database, sample):
    query = sa.text(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000) select sum(i) from n"
    )

    async def read() -> None:
        async with database.read() as connection:
            await connection.execute(query)

    for _ in range(6):
        reader = asyncio.create_task(read())
        await asyncio.sleep(0.005)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    assert await count(database, sample) == 0


async def test_a_transaction_cancelled_while_it_waits_for_the_lock_takes_nothing(database, sample):
    other = Database(str(database.url))

    async def write() -> None:
        async with other.transaction() as connection:
            await connection.execute(sa.insert(sample), [{"id": 1, "name": "a", "count": 0}])

    async with database.transaction():
        writer = asyncio.create_task(write())
        await asyncio.sleep(0.05)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
    for _ in range(3):
        async with other.transaction() as connection:
            await connection.execute(sa.delete(sample))
    async with database.transaction() as connection:
        await connection.execute(sa.delete(sample))
    assert await count(database, sample) == 0
    await other.close()


async def test_rows_can_be_streamed(database, sample):
    async with database.transaction() as connection:
        await insert_many(connection, sample, [{"id": i, "name": str(i), "count": i} for i in range(10)])
    async with database.read() as connection:
        rows = await connection.stream(sa.select(sample.c.id).order_by(sample.c.id))
        assert [row.id async for row in rows] == list(range(10))


@pytest.mark.parametrize(
    "given",
    [datetime(2026, 3, 29, 1, 30, tzinfo=UTC), datetime(2026, 3, 29, 3, 30, tzinfo=timezone(timedelta(hours=2)))],
)
async def test_a_time_comes_back_as_aware_utc(database, sample, given):
    async with database.transaction() as connection:
        await insert_many(connection, sample, [{"id": 1, "name": "a", "count": 0, "at": given}])
    async with database.read() as connection:
        value = (await connection.execute(sa.select(sample.c.at).where(sample.c.at == given))).scalar_one()
    assert value == given
    assert value.tzinfo is UTC


async def test_a_naive_time_is_refused(database, sample):
    with pytest.raises(NaiveTimeError):
        async with database.transaction() as connection:
            await insert_many(connection, sample, [{"id": 1, "count": 0, "at": datetime(2026, 1, 1)}])  # noqa: DTZ001


async def test_no_time_stays_no_time(database, sample):
    async with database.transaction() as connection:
        await insert_many(connection, sample, [{"id": 1, "name": "a", "count": 0, "at": None}])
    async with database.read() as connection:
        assert (await connection.execute(sa.select(sample.c.at))).scalar_one() is None


async def test_bulk_rows_beyond_the_variable_limit_go_in(database, sample):
    rows = [{"id": number, "name": str(number), "count": number, "at": None} for number in range(12_345)]
    async with database.transaction() as connection:
        await insert_many(connection, sample, rows)
        await insert_many(connection, sample, [])
    assert await count(database, sample) == 12_345


async def test_upsert_inserts_updates_and_lets_the_last_of_equals_win(database, sample):
    async with database.transaction() as connection:
        await upsert(connection, sample, [{"id": 1, "name": "a", "count": 1}], keys=["id"])
        rows = [
            {"id": 1, "name": "b", "count": 2},
            {"id": 2, "name": "c", "count": 3},
            {"id": 2, "name": "d", "count": 4},
        ]
        await upsert(connection, sample, rows, keys=["id"])
        await upsert(connection, sample, [], keys=["id"])
    async with database.read() as connection:
        found = (await connection.execute(sa.select(sample.c.id, sample.c.name, sample.c.count))).all()
    assert [tuple(row) for row in found] == [(1, "b", 2), (2, "d", 4)]


async def test_upsert_changes_only_the_columns_it_is_told(database, sample):
    async with database.transaction() as connection:
        await upsert(connection, sample, [{"id": 1, "name": "a", "count": 1}], keys=["id"])
        await upsert(connection, sample, [{"id": 1, "name": "b", "count": 2}], keys=["id"], update=["count"])
        await upsert(connection, sample, [{"id": 1, "name": "c", "count": 3}], keys=["id"], update=[])
    async with database.read() as connection:
        assert tuple((await connection.execute(sa.select(sample.c.name, sample.c.count))).one()) == ("a", 2)


async def test_a_broken_constraint_is_a_conflict_and_writes_nothing(database, sample):
    with pytest.raises(DatabaseConflictError, match="UNIQUE"):
        async with database.transaction() as connection:
            await insert_many(
                connection, sample, [{"id": 1, "name": "a", "count": 0}, {"id": 2, "name": "a", "count": 0}]
            )
    assert await count(database, sample) == 0


async def test_a_statement_that_makes_no_sense_is_our_own_fault(database):
    with pytest.raises(DatabaseUsageError, match="no such table"):
        async with database.read() as connection:
            await connection.execute(sa.text("select * from nowhere"))


async def test_a_folder_that_cannot_be_is_unreachable(tmp_path):
    (tmp_path / "test.sqlite3").mkdir()
    database = Database(f"sqlite:///{tmp_path}/test.sqlite3")
    with pytest.raises(DatabaseUnreachableError, match="unable to open"):
        async with database.read() as connection:
            await connection.execute(sa.text("select 1"))
    await database.close()


async def test_a_lock_held_too_long_is_unreachable(database, sample):
    impatient = Database(DatabaseSettings(url=str(database.url), busy_timeout_s=0.05))
    async with database.transaction() as connection:
        await connection.execute(sa.insert(sample), [{"id": 1, "name": "a", "count": 0}])
        with pytest.raises(DatabaseUnreachableError, match="locked"):
            async with impatient.transaction():
                pass
        assert await count(impatient, sample) == 0  # reading goes on meanwhile
    await impatient.close()


async def test_a_second_transaction_inside_the_first_is_told_and_not_waited_for_without_end(tmp_path):
    database = Database(DatabaseSettings(url=f"sqlite:///{tmp_path}/test.sqlite3", busy_timeout_s=0.05))
    async with database.transaction():
        with pytest.raises(DatabaseUnreachableError, match="no connection became free"):
            async with database.transaction():
                pass
    await database.close()


async def test_a_database_server_that_is_not_there_is_unreachable(unused_port):
    database = Database(f"postgresql://meter:works@127.0.0.1:{unused_port}/db")
    with pytest.raises(DatabaseUnreachableError, match="does not answer"):
        async with database.read():
            pass
    await database.close()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/db", "sqlite://", "sqlite:///:memory:"])
def test_an_address_that_cannot_be_used_is_refused(url):
    with pytest.raises(SettingsError):
        Database(url)


async def test_a_postgresql_address_takes_its_asynchronous_driver_and_hides_its_password():
    database = Database("postgresql://meter:works@host/db")
    assert database.url.drivername == "postgresql+asyncpg"
    assert "works" not in str(database.url)
    await database.close()


def test_times_are_stored_with_their_zone_on_postgresql():
    assert (
        sa.schema.CreateTable(sa.Table("t", sa.MetaData(), sa.Column("at", UtcDateTime)))
        .compile(dialect=postgresql.dialect())
        .string.count("TIMESTAMP WITH TIME ZONE")
        == 1
    )


async def test_models_of_all_folders_are_created_on_one_base(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/test.sqlite3")
    assert Base.metadata.naming_convention["pk"] == "pk_%(table_name)s"
    await database.create_tables()
    await database.create_tables()
    await database.close()


async def test_closing_waits_for_the_connection_that_a_twice_cancelled_reader_is_giving_back(database, sample):
    asked = asyncio.Event()

    async def read() -> None:
        async with database.read() as connection:
            await connection.execute(sa.select(sa.func.count()).select_from(sample))
            driver = (await connection.get_raw_connection()).driver_connection
            asked.set()
            await driver._errand(lambda _: time.sleep(0.3))  # SQLite at work, and deaf to interruptions

    reader = asyncio.ensure_future(read())
    await asked.wait()
    for _ in range(3):  # the read itself, then twice while it waits for the thread to give its connection back
        await asyncio.sleep(0.02)
        reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await database.close()
    assert not [thread for thread in database._threads if thread.is_alive()]
