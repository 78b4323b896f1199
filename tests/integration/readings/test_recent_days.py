"""Recent days made anew from the warehouse, and compared with it."""

from datetime import UTC, datetime

import sqlalchemy as sa

from meterworks.readings import (
    DayReadings,
    RecentDay,
    compare_recent_days,
    decode_day,
    encode_day,
    ensure_reading_streams,
    rebuild_recent_days,
)
from meterworks.readings import recent as recent_module

MIDNIGHT = int(datetime(2026, 3, 10, tzinfo=UTC).timestamp())
DAY = MIDNIGHT // 86_400
FROM_DAY = DAY - 100


async def stored(system):
    async with system.database.read() as connection:
        table = RecentDay
        rows = await connection.execute(sa.select(table.device, table.channel, table.day, table.readings))
        return {(row[0], row[1], row[2]): row[3] for row in rows}


async def filled(system):
    await ensure_reading_streams(system.bus)
    for device in range(1, 6):
        for days_ago in (0, 1, 150):
            start = MIDNIGHT - 86_400 * days_ago
            await system.send(device, [(12, start + 1800 * k, device + k, 0) for k in range(10)])
        await system.send(device, [(12, MIDNIGHT, 999, 256)])
    await system.drain()
    return await stored(system)


async def test_rebuilding_gives_the_very_same_days(system, monkeypatch):
    before = await filled(system)
    assert len(before) == 10
    async with system.database.transaction() as connection:
        await connection.execute(sa.delete(RecentDay).where(RecentDay.device < 3))
        await connection.execute(sa.insert(RecentDay).values(device=77, channel=12, day=DAY, readings=b"stale"))
    monkeypatch.setattr(recent_module, "DEVICES_PER_REBUILD", 2)
    assert await rebuild_recent_days(system.warehouse, system.database, from_day=FROM_DAY) == 10
    assert await stored(system) == before


async def test_rebuilding_named_devices_leaves_the_others(system):
    before = await filled(system)
    async with system.database.transaction() as connection:
        await connection.execute(sa.update(RecentDay).values(readings=b"spoiled"))
    assert await rebuild_recent_days(system.warehouse, system.database, from_day=FROM_DAY, devices={2, 4, 99}) == 4
    after = await stored(system)
    assert {key for key, blob in after.items() if blob == before[key]} == {key for key in before if key[0] in (2, 4)}


async def test_comparing_finds_what_is_missing_too_much_or_different(system):
    before = await filled(system)
    assert await compare_recent_days(system.warehouse, system.database, from_day=FROM_DAY) == []
    day = decode_day(DAY, before[3, 12, DAY])
    other = DayReadings(day.ts_s, day.value + 1, day.quality, day.flags, day.version)
    async with system.database.transaction() as connection:
        await connection.execute(sa.delete(RecentDay).where(RecentDay.device == 1, RecentDay.day == DAY))
        await connection.execute(
            sa.update(RecentDay)
            .where(RecentDay.device == 3, RecentDay.day == DAY)
            .values(readings=encode_day(DAY, other))
        )
        await connection.execute(sa.insert(RecentDay).values(device=77, channel=12, day=DAY, readings=b"x"))
    found = await compare_recent_days(system.warehouse, system.database, from_day=FROM_DAY)
    assert sorted(found) == [(1, 12, DAY), (3, 12, DAY), (77, 12, DAY)]
