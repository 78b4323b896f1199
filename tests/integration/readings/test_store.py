"""Reading readings back: every way of asking, over recent days and warehouse alike."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from meterworks.readings import InstalledDevice, ReadingStore, ReadingsUsageError, RecentDay, ensure_reading_streams

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MIDNIGHT = NOW - timedelta(hours=12)
OLD = MIDNIGHT - timedelta(days=300)  # only in the warehouse
LONG_AGO, FAR = NOW - timedelta(days=400), NOW + timedelta(days=1)


def at(start, minutes):
    return int((start + timedelta(minutes=minutes)).timestamp())


def series(start, values, *, channel=12, flags=0):
    return [(channel, at(start, 30 * place), value, flags) for place, value in enumerate(values)]


def told(table):
    return [
        (int((ts.replace(tzinfo=UTC) - MIDNIGHT).total_seconds() // 60), value)
        for ts, value in zip(table["ts"].to_pylist(), table["value"].to_pylist(), strict=True)
    ]


@pytest.fixture
async def filled(system):
    """Device 1 long ago and today, device 2 today."""
    await ensure_reading_streams(system.bus)
    await system.send(1, series(OLD, [1, 2, 3]))
    await system.send(1, series(MIDNIGHT, [10, 11, 12]) + series(MIDNIGHT, [7], channel=22))
    await system.send(2, series(MIDNIGHT, [100, 200]))
    await system.drain()
    return system


async def test_a_device_s_readings_join_warehouse_and_recent_days(filled):
    got = await filled.store.by_device(1, [12], LONG_AGO, FAR)
    assert got["value"].to_pylist() == [1, 2, 3, 10, 11, 12]
    assert got.column_names == ["channel", "ts", "value", "quality", "flags", "version"]
    assert set(got["version"].to_pylist()) == {1}


async def test_the_range_takes_its_start_and_leaves_its_end(filled):
    got = await filled.store.by_device(1, [12], MIDNIGHT, MIDNIGHT + timedelta(minutes=60))
    assert told(got) == [(0, 10), (30, 11)]
    got = await filled.store.by_device(1, [12], OLD, OLD + timedelta(minutes=60))
    assert got["value"].to_pylist() == [1, 2]
    inside = MIDNIGHT + timedelta(seconds=1)
    assert told(await filled.store.by_device(1, [12], inside, FAR)) == [(30, 11), (60, 12)]
    assert (await filled.store.by_device(1, [12], MIDNIGHT, MIDNIGHT)).num_rows == 0


async def test_registers_read_at_any_instant_come_from_the_warehouse_beside_series_of_recent_days(filled):
    await filled.send(
        1, [(16, at(MIDNIGHT, 1), 5000, 0), (16, at(MIDNIGHT, 2), 5001, 0), (14, at(MIDNIGHT, 0), 4999, 0)]
    )
    await filled.drain()
    got = await filled.store.by_device(1, [16, 14, 12], MIDNIGHT, FAR)
    assert got["channel"].to_pylist() == [12, 12, 12, 14, 16, 16]
    assert got["value"].to_pylist() == [10, 11, 12, 4999, 5000, 5001]
    async with filled.database.read() as connection:
        kept = (await connection.execute(sa.select(RecentDay.channel).distinct())).scalars().all()
    assert sorted(kept) == [12, 14, 22]


async def test_several_channels_come_ordered_by_channel(filled):
    got = await filled.store.by_device(1, [22, 12, 12], LONG_AGO, FAR)
    assert got["channel"].to_pylist() == [12] * 6 + [22]
    assert (await filled.store.by_device(1, [], LONG_AGO, FAR)).num_rows == 0
    assert (await filled.store.by_device(99, [12], LONG_AGO, FAR)).num_rows == 0


async def test_a_store_before_the_first_start_of_a_writer_reads_the_warehouse(system):
    got = await system.store.by_device(1, [12], LONG_AGO, FAR)
    assert got.num_rows == 0
    assert got.schema.names == ["channel", "ts", "value", "quality", "flags", "version"]


async def test_as_of_tells_what_was_known_then(filled):
    await filled.send(1, series(OLD, [5]) + series(MIDNIGHT, [50]), received=NOW + timedelta(hours=1))
    await filled.send(1, series(OLD, [6]) + series(MIDNIGHT, [60]), received=NOW + timedelta(hours=2))
    await filled.drain()

    async def values(as_of):
        got = await filled.store.by_device(1, [12], LONG_AGO, FAR, as_of=as_of)
        return got["value"].to_pylist(), got["version"].to_pylist()

    assert await values(NOW - timedelta(hours=1)) == ([], [])
    assert await values(NOW) == ([1, 2, 3, 10, 11, 12], [1] * 6)
    assert await values(NOW + timedelta(minutes=90)) == ([5, 2, 3, 50, 11, 12], [2, 1, 1, 2, 1, 1])
    assert await values(None) == ([6, 2, 3, 60, 11, 12], [3, 1, 1, 3, 1, 1])


async def test_changed_since_gives_every_version_received_after(filled):
    later = NOW + timedelta(hours=1)
    await filled.send(1, series(MIDNIGHT, [50, 11]), received=later)
    await filled.send(3, series(MIDNIGHT, [9]), received=later)
    await filled.drain()
    got = await filled.store.changed_since(later)
    assert list(zip(got["device"].to_pylist(), got["value"].to_pylist(), got["version"].to_pylist(), strict=True)) == [
        (1, 50, 2),
        (3, 9, 1),
    ]
    assert (await filled.store.changed_since(later, device_ids=[3]))["device"].to_pylist() == [3]
    assert (await filled.store.changed_since(NOW, limit=4)).num_rows == 4
    with pytest.raises(ReadingsUsageError, match="limit"):
        await filled.store.changed_since(NOW, limit=0)


async def test_load_sums_devices_at_each_instant(filled):
    got = await filled.store.load(12, MIDNIGHT, FAR)
    assert told(got.rename_columns(["ts", "value", "count"])) == [(0, 110), (30, 211), (60, 12)]
    assert got["count"].to_pylist() == [2, 2, 1]
    only = await filled.store.load(12, MIDNIGHT, FAR, device_ids=[2])
    assert only["value_sum"].to_pylist() == [100, 200]
    assert (await filled.store.load(12, MIDNIGHT, FAR, device_ids=[])).num_rows == 0


async def test_load_counts_the_latest_version_only(filled):
    await filled.send(1, series(MIDNIGHT, [40]))
    await filled.drain()
    got = await filled.store.load(12, MIDNIGHT, FAR)
    assert got["value_sum"].to_pylist() == [140, 211, 12]
    assert got["count"].to_pylist() == [2, 2, 1]


async def test_a_meter_exchange_in_mid_interval_is_one_series_with_a_derived_split(filled):
    exchange = MIDNIGHT + timedelta(minutes=40)
    installations = [InstalledDevice(2, exchange), InstalledDevice(1, LONG_AGO, exchange)]
    await filled.send(2, [(12, at(MIDNIGHT, 60), 300, 0)])
    await filled.drain()
    got = await filled.store.by_usage_point(installations, [12], MIDNIGHT, FAR)
    # 0: the old meter; 30: 11 of the old and 200 of the new; 60: the new one. The old one's 60 and the new one's 0 are
    # outside of their installations.
    assert told(got) == [(0, 10), (30, 211), (60, 300)]
    assert got["quality"].to_pylist() == [0, 8, 0]


async def test_a_late_push_of_the_old_meter_goes_to_the_right_days(filled):
    exchange = MIDNIGHT - timedelta(days=20)
    installations = [InstalledDevice(1, LONG_AGO, exchange), InstalledDevice(2, exchange)]
    yesterday, before = MIDNIGHT - timedelta(days=1), MIDNIGHT - timedelta(days=30)
    await filled.send(2, series(yesterday, [70]))
    await filled.send(1, series(before, [55]) + series(yesterday, [56]), source="push")
    await filled.drain()
    got = await filled.store.by_usage_point(installations, [12], before, MIDNIGHT)
    assert got["value"].to_pylist() == [55, 70]


async def test_local_days_of_both_clock_changes_have_46_and_50_half_hours(filled):
    zone, device = "Europe/London", 5
    spring, autumn = datetime(2025, 3, 29, tzinfo=UTC), datetime(2025, 10, 25, tzinfo=UTC)
    for start in (spring, autumn):
        await filled.send(device, series(start, [1] * 48 * 4))
    await filled.drain()
    installed = [InstalledDevice(device, LONG_AGO - timedelta(days=900))]

    async def days(first, last):
        got = await filled.store.by_local_period(installed, 12, first, last, zone=zone, period="day")
        return list(zip(*(got[name].to_pylist() for name in ("label", "value_sum", "count", "expected")), strict=True))

    assert await days(spring + timedelta(hours=12), spring + timedelta(hours=30)) == [
        ("2025-03-29", 48, 48, 48),
        ("2025-03-30", 46, 46, 46),
    ]
    assert await days(autumn + timedelta(hours=12), autumn + timedelta(hours=30)) == [
        ("2025-10-25", 46, 46, 48),  # its first local hour lies before what the device has
        ("2025-10-26", 50, 50, 50),
    ]
    got = await filled.store.by_device(device, [12], autumn, autumn + timedelta(days=4))
    assert got.num_rows == 4 * 48  # none lost in UTC


async def test_local_months_sum_up(filled):
    got = await filled.store.by_local_period(
        [InstalledDevice(1, LONG_AGO)], 12, MIDNIGHT, NOW, zone="Europe/London", period="month"
    )
    assert (got["label"].to_pylist(), got["value_sum"].to_pylist()) == (["2026-03"], [33])
    with pytest.raises(ReadingsUsageError, match="no intervals"):
        await filled.store.by_local_period(
            [InstalledDevice(1, LONG_AGO)], 14, MIDNIGHT, NOW, zone="UTC", period="month"
        )


async def test_questions_without_sense_are_refused(filled):
    with pytest.raises(ReadingsUsageError, match="ends before"):
        await filled.store.by_device(1, [12], NOW, MIDNIGHT)
    with pytest.raises(ReadingsUsageError, match="zone"):
        await filled.store.by_device(1, [12], MIDNIGHT.replace(tzinfo=None), NOW)


async def test_the_same_answers_come_from_the_warehouse_alone(filled):
    fresh = ReadingStore(warehouse=filled.warehouse, database=filled.database)
    assert await fresh.recent_from() == int(NOW.timestamp()) // 86_400 - 100
    recent = await fresh.by_device(1, [12, 22], MIDNIGHT, FAR)
    stored = await fresh.by_device(1, [12, 22], MIDNIGHT, FAR, as_of=FAR)
    assert recent.to_pylist() == stored.to_pylist()
