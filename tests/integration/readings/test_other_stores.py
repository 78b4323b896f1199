"""The same writer and store on PostgreSQL: database of record and catalogue both. Skipped where none is installed."""

import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meterworks.readings import (
    ReadingsProgress,
    ReadingStore,
    RecentDay,
    RejectedSet,
    compare_recent_days,
    rebuild_recent_days,
)
from meterworks.runtime import Database, WarehouseSettings, WarehouseUnreachableError, WarehouseUsageError
from meterworks.runtime.warehouse import Warehouse

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MIDNIGHT = int(NOW.timestamp()) - 12 * 3600
FROM_DAY = MIDNIGHT // 86_400 - 100
SERVER_USER = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root


def run(*command):
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
        options = f"-c listen_addresses='' -k {folder}"
        run("pg_ctl", "--pgdata", data, "--options", options, "--log", f"{folder}/log", "start")
        yield f"postgresql://meter@/postgres?host={folder}"
        run("pg_ctl", "--pgdata", data, "--mode", "immediate", "stop")


@pytest.fixture
async def on_postgresql(system, postgresql_url):
    """The system with its database of record and its catalogue on PostgreSQL."""
    system.warehouse.close()
    await system.database.close()
    location = str(system.folder / "pg-files")
    system.warehouse = Warehouse(WarehouseSettings(location=location, catalog_url=postgresql_url, shards=2))
    system.database = Database(postgresql_url)
    await system.database.create_tables(*(model.__table__ for model in (ReadingsProgress, RecentDay, RejectedSet)))
    system.store = ReadingStore(warehouse=system.warehouse, database=system.database)
    return system


async def test_the_way_of_a_reading_is_the_same_on_postgresql(on_postgresql):
    system = on_postgresql
    for days_ago in (0, 1, 200):
        for device in (1, 2):
            start = MIDNIGHT - 86_400 * days_ago
            await system.send(device, [(12, start + 1800 * k, device + k, 0) for k in range(20)])
    await system.drain()
    await system.send(1, [(12, MIDNIGHT, 500, 0), (12, MIDNIGHT + 36_000, 501, 0)])
    await system.bus.publish("readings.set.0", b"bad")
    await system.drain()
    assert len(system.rows()) == 2 * 60 + 2
    got = await system.store.by_device(1, [12], NOW - timedelta(days=300), NOW)
    assert got.num_rows == 61
    assert got["value"].to_pylist()[40] == 500
    assert await compare_recent_days(system.warehouse, system.database, from_day=FROM_DAY) == []
    assert await rebuild_recent_days(system.warehouse, system.database, from_day=FROM_DAY) == 4
    assert await compare_recent_days(system.warehouse, system.database, from_day=FROM_DAY) == []
    assert system.warehouse.position() == 8


@pytest.mark.parametrize("url", ["mysql://host/db", "not an address"])
def test_a_catalogue_of_another_kind_is_refused(tmp_path, url):
    with pytest.raises(WarehouseUsageError, match="catalogue"):
        Warehouse(WarehouseSettings(location=str(tmp_path), catalog_url=url))


def test_no_message_shows_the_catalogue_s_password(tmp_path):
    url = "postgresql+asyncpg://meter:opensesame@127.0.0.1:1/readings"
    with pytest.raises(WarehouseUnreachableError) as caught:
        Warehouse(WarehouseSettings(location=str(tmp_path), catalog_url=url))
    assert "opensesame" not in str(caught.value)
    assert "meter:***@" in str(caught.value)
