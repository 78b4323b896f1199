"""The head-end on the real registry and the real bus."""

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest
from tests.integration.headend.conftest import SETTINGS
from tests.integration.headend.field import GAK, GUEK, FakeWriter, expected_intervals, title_of, until

from meterworks.catalogue import Medium
from meterworks.headend import HeadEnd, HeadendSettings, RegistryDirectory
from meterworks.headend.device import OPEN_END_EPOCH_S
from meterworks.registry import (
    ConnectionKind,
    DeviceKeys,
    DeviceState,
    Installation,
    NewDevice,
    Registry,
    UsagePoint,
    UsagePointId,
)
from meterworks.runtime import Database, NatsServer, NatsServerSettings, connect_bus
from meterworks.trust import KeyStore

STARTS = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def registry(tmp_path):
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/registry.sqlite3")
    await database.create_tables()
    yield Registry(database, KeyStore.open(tmp_path / "master.key"))
    await database.close()


async def add(registry, number, *, keys=None, address="127.0.0.1:4059", **changes):
    point = UsagePointId(f"MP{number}")
    await registry.add_usage_points([UsagePoint(id=point, medium=Medium.ELECTRICITY)])
    device = NewDevice(
        identity=title_of(number).hex(),
        serial=f"S{number}",
        manufacturer="Fake",
        model="One",
        firmware="1.0",
        medium=Medium.ELECTRICITY,
        phases=1,
        address=address,
        keys=DeviceKeys(guek=GUEK, gak=GAK) if keys is None else keys,
        **changes,
    )
    return (await registry.add_devices([device]))[0], point


async def test_the_directory_gives_what_a_session_needs(registry):
    device_id, point = await add(registry, 1, interval_s=900)
    await registry.install(device_id, point, STARTS)
    record = (await RegistryDirectory(registry).devices())[device_id]
    assert (record.system_title, record.guek, record.gak) == (title_of(1), GUEK, GAK)
    assert (record.host, record.port, record.calls_us) == ("127.0.0.1", 4059, False)
    assert (record.model, record.firmware, record.interval_s) == ("Fake One", "1.0", 900)
    assert record.installed == ((int(STARTS.timestamp()), OPEN_END_EPOCH_S),)
    assert record.profiles == ("load_import", "load_export", "daily", "monthly")
    assert "guek" not in repr(record)


async def test_only_devices_that_are_or_were_installed_and_have_keys_are_collected(registry):
    never, _ = await add(registry, 1)
    keyless, point = await add(registry, 2, keys=DeviceKeys())
    await registry.install(keyless, point, STARTS)
    retired, point = await add(registry, 3)
    await registry.install(retired, point, STARTS)
    await registry.set_state(retired, DeviceState.RETIRED)
    removed, point = await add(registry, 4)
    end = datetime(2026, 2, 1, tzinfo=UTC)
    await registry.add_installations(
        [Installation(device_id=removed, usage_point_id=point, starts_at=STARTS, ends_at=end)]
    )
    await registry.set_state(removed, DeviceState.REMOVED)
    caller, point = await add(registry, 5, address="", connection=ConnectionKind.DEVICE)
    await registry.install(caller, point, STARTS)
    for device_id in (caller,):
        await registry.set_state(device_id, DeviceState.INSTALLED)
    records = await RegistryDirectory(registry).devices()
    assert set(records) == {removed, caller}
    assert never not in records
    assert records[removed].installed == ((int(STARTS.timestamp()), int(end.timestamp())),)
    assert records[caller].calls_us
    assert records[caller].address == f"caller {caller}"


async def test_the_whole_way_over_a_real_nats_server(meters_field, tmp_path):
    for device_id in (1, 2):
        meters_field.add_meter(device_id, days=5)
    async with NatsServer(NatsServerSettings(folder=tmp_path / "nats", port=0)) as server:
        bus = await connect_bus(server.url)
        writer = FakeWriter(bus)
        head_end = HeadEnd(
            bus=bus,
            database=meters_field.database,
            directory=meters_field.directory,
            clock=meters_field.clock,
            settings=HeadendSettings(**SETTINGS),
        )
        tasks = [asyncio.create_task(head_end.run())]
        try:
            await head_end.ready.wait()
            tasks.append(asyncio.create_task(writer.run()))
            table = head_end.table
            await until(lambda: table.totals("load_export").expected_s > 0, what="expectations")
            await until(
                lambda: all(
                    table.totals(name).committed_s == table.totals(name).expected_s
                    for name in ("load_import", "load_export")
                ),
                what="all confirmations",
            )
            answer = await bus.request("headend.read", b'{"device": 1, "what": "registers"}', timeout_s=10.0)
            assert b'"16"' in answer
        finally:
            head_end.stop()
            await tasks[0]
            for task in tasks[1:]:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await bus.close()
    for device_id, meter in meters_field.meters.items():
        expected = expected_intervals(device_id, 12, meter.starts, meters_field.clock.epoch_s() - 60)
        assert writer.channel(device_id, 12) == expected
