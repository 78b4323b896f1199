"""Database: several processes on one SQLite file, one of them killed while it writes."""

import asyncio
import signal
import sys

import sqlalchemy as sa

from meterworks.runtime import Database

WRITER = """
import asyncio, sys
import sqlalchemy as sa
from meterworks.runtime import Database

async def main(url, turns):
    database = Database(url)
    for _ in range(turns):
        async with database.transaction() as connection:
            value = (await connection.execute(sa.text("select value from counter"))).scalar_one()
            await connection.execute(sa.text("update counter set value = :value"), {"value": value + 1})
    await database.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def counter_database(folder) -> Database:
    database = Database(f"sqlite:///{folder}/test.sqlite3")
    async with database.transaction() as connection:
        await connection.execute(sa.text("create table counter (value integer not null)"))
        await connection.execute(sa.text("insert into counter values (0)"))
    return database


async def start_writer(database: Database, turns: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, str(database.url), str(turns))


async def value_of(database: Database) -> int:
    async with database.read() as connection:
        return (await connection.execute(sa.text("select value from counter"))).scalar_one()


async def reach(database: Database, value: int) -> None:
    while await value_of(database) < value:  # noqa: ASYNC110  # the event is in another process
        await asyncio.sleep(0.005)


async def test_processes_that_write_at_once_lose_no_update_and_readers_never_fail(tmp_path):
    database = await counter_database(tmp_path)
    writers = [await start_writer(database, 150) for _ in range(3)]
    ended = asyncio.gather(*(writer.wait() for writer in writers))
    seen = [0]
    while not ended.done():
        seen.append(await value_of(database))
        await asyncio.sleep(0.001)
    assert await ended == [0, 0, 0]
    assert seen == sorted(seen)
    assert await value_of(database) == 450
    await database.close()


async def test_a_writer_killed_in_mid_work_leaves_a_database_that_goes_on(tmp_path):
    database = await counter_database(tmp_path)
    for _ in range(3):
        before = await value_of(database)
        writer = await start_writer(database, 1_000_000)
        await reach(database, before + 5)
        writer.send_signal(signal.SIGKILL)
        await writer.wait()
        reached = await value_of(database)
        async with database.transaction() as connection:
            await connection.execute(sa.text("update counter set value = value + 1"))
        assert await value_of(database) == reached + 1
    await database.close()


async def test_a_file_left_by_a_killed_process_is_opened_by_several_at_once(tmp_path):
    database = await counter_database(tmp_path)
    writer = await start_writer(database, 1_000_000)
    await reach(database, 5)
    await database.close()
    writer.send_signal(signal.SIGKILL)
    await writer.wait()
    others = [Database(str(database.url)) for _ in range(6)]
    values = await asyncio.gather(*(value_of(other) for other in others))
    assert len(set(values)) == 1
    for other in others:
        await other.close()
