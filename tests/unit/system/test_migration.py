"""The migrations make exactly the tables that the code knows."""

import sqlalchemy as sa

from meterworks.runtime import Database
from meterworks.system.migration import differences, every_table, migrate


async def test_a_migrated_database_has_every_table_as_declared(tmp_path):
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'records.sqlite3'}")
    try:
        await migrate(database)
        assert await differences(database) == []
    finally:
        await database.close()


async def test_migrating_twice_changes_nothing(tmp_path):
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'records.sqlite3'}")
    try:
        await migrate(database)
        async with database.transaction() as connection:
            await connection.execute(sa.text("INSERT INTO registry_consumer (name, email) VALUES ('Ada', '')"))
        await migrate(database)
        async with database.read() as connection:
            names = (await connection.execute(sa.text("SELECT name FROM registry_consumer"))).scalars().all()
    finally:
        await database.close()
    assert list(names) == ["Ada"]


def test_each_folder_owns_its_tables_by_prefix():
    prefixes = {name.partition("_")[0] for name in every_table().tables}
    assert prefixes == {"audit", "registry", "headend", "readings", "market"}


async def test_a_table_the_migrations_lack_is_found(tmp_path):
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'records.sqlite3'}")
    try:
        await migrate(database)
        async with database.transaction() as connection:
            await connection.execute(sa.text("DROP TABLE registry_consumer"))
        assert await differences(database) != []
    finally:
        await database.close()
