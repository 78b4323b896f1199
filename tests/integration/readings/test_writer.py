"""The writer on a real warehouse and database: exactly once, whatever dies between its steps."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from meterworks.readings import RejectedSet, WriterSettings, compare_recent_days
from meterworks.readings import writer as writer_module
from meterworks.readings.recent import load_progress
from meterworks.runtime import BusUnreachableError, MemoryBus, StreamPosition

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
NOON = int(NOW.timestamp())
MIDNIGHT = NOON - 12 * 3600
DAY = 86_400
RECENT_FROM = NOON // DAY - 100


def half_hours(count, *, start=MIDNIGHT, value=100, channel=12, flags=0):
    return [(channel, start + 1800 * k, value + k, flags) for k in range(count)]


async def progress_of(system):
    async with system.database.read() as connection:
        return await load_progress(connection)


class Dead(BaseException):
    """Stands for a killed process: nothing after it runs."""


def dies_at(monkeypatch, owner, name, *, after=False):
    """The next call of the method kills the writer, before or after doing its work."""
    real = getattr(owner, name)

    async def deadly(*arguments, **keywords):
        if after:
            await real(*arguments, **keywords)
        raise Dead

    monkeypatch.setattr(owner, name, deadly)


async def test_sets_are_committed_confirmed_and_dropped_from_the_stream(system):
    first = await system.send(1, half_hours(4))
    second = await system.send(2, half_hours(2))
    await system.drain()
    assert [row[:4] for row in system.rows()] == [
        *((1, 12, MIDNIGHT + 1800 * k, 100 + k) for k in range(4)),
        *((2, 12, MIDNIGHT + 1800 * k, 100 + k) for k in range(2)),
    ]
    (notice,) = await system.notices()
    assert notice["position"] == 2
    assert notice["rejected"] == []
    assert notice["sets"] == [
        {"set_id": first, "device": 1, "profile": "load_import", "start": MIDNIGHT, "end": MIDNIGHT + 7200, "rows": 4},
        {"set_id": second, "device": 2, "profile": "load_import", "start": MIDNIGHT, "end": MIDNIGHT + 3600, "rows": 2},
    ]
    assert await system.bus.fetch("READINGS", after_sequence=0, timeout_s=0.01) == []
    assert system.warehouse.position() == 2
    assert (await progress_of(system)).sequence == 2


async def test_a_set_that_comes_again_is_confirmed_and_adds_nothing(system):
    await system.send(1, half_hours(4))
    await system.drain()
    before = system.rows()
    again = await system.send(1, half_hours(4))
    await system.drain()
    assert system.rows() == before
    assert again in await system.confirmed()
    assert system.warehouse.position() == 1  # no snapshot for nothing
    later = await system.send(1, half_hours(1, start=MIDNIGHT + DAY))
    await system.drain()
    assert system.warehouse.position() == 3
    assert (await system.confirmed()).count(later) == 1


async def test_a_different_value_becomes_the_next_version_and_the_latest_is_what_recent_days_hold(system):
    await system.send(1, [(12, MIDNIGHT, 5, 0)])
    await system.drain()
    await system.send(1, [(12, MIDNIGHT, 6, 0)])
    await system.drain()
    assert [row[3:] for row in system.rows()] == [(5, 0, 0, 1), (6, 0, 0, 2)]
    got = await system.store.by_device(1, [12], NOW - timedelta(days=1), NOW)
    assert (got["value"].to_pylist(), got["version"].to_pylist()) == ([6], [2])
    assert await compare_recent_days(system.warehouse, system.database, from_day=RECENT_FROM) == []


async def test_batches_cut_by_size_give_the_same_table(system):
    for device in range(1, 6):
        await system.send(device, half_hours(48))
        await system.send(device, half_hours(48, value=7))
    await system.drain(batch_rows_max=50, fetch_messages_max=1)
    rows = system.rows()
    assert len(rows) == 5 * 48 * 2
    assert {(row[6], row[3] >= 100) for row in rows} == {(1, True), (2, False)}
    assert len(await system.notices()) > 3


async def test_bad_messages_are_set_aside_and_stop_nothing(system):
    await writer_module.ensure_reading_streams(system.bus)
    await system.send(1, half_hours(2), about={"device": "none"})
    await system.bus.publish("readings.set.0", b"garbage", headers={"schema": "reading-set", "version": "1"})
    await system.bus.publish("readings.set.0", b"\xff" * 100_000)
    good = await system.send(1, half_hours(2))
    await system.drain()
    assert len(system.rows()) == 2
    assert await system.confirmed() == [good]
    (notice,) = await system.notices()
    assert len(notice["rejected"]) == 3
    async with system.database.read() as connection:
        kept = (
            await connection.execute(
                sa.select(RejectedSet.sequence, RejectedSet.reason, RejectedSet.size_bytes, RejectedSet.data)
            )
        ).all()
    assert [row[0] for row in kept] == [1, 2, 3]
    assert "device" in kept[0][1]
    assert (kept[2][2], len(kept[2][3])) == (100_000, 65_536)


async def test_only_the_newest_rejected_messages_are_kept(system, monkeypatch):
    monkeypatch.setattr(writer_module, "REJECTED_KEEP", 3)
    await writer_module.ensure_reading_streams(system.bus)
    for _ in range(5):
        await system.bus.publish("readings.set.0", b"bad")
        system.clock.advance(60)
        await system.drain()
    async with system.database.read() as connection:
        kept = (
            (await connection.execute(sa.select(RejectedSet.sequence).order_by(RejectedSet.sequence))).scalars().all()
        )
    assert kept == [3, 4, 5]


@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        pytest.param("warehouse", "append", False, id="before the append"),
        pytest.param("warehouse", "append", True, id="between append and recent days"),
        pytest.param("module", "store_rows", True, id="inside the transaction of recent days"),
        pytest.param("writer", "_confirm", False, id="between recent days and notice"),
        pytest.param("writer", "_confirm", True, id="between notice and progress"),
        pytest.param("module", "save_progress", True, id="inside the transaction of the progress"),
        pytest.param("bus", "trim", False, id="between progress and trim"),
        pytest.param("bus", "trim", True, id="after the trim"),
    ],
)
async def test_a_writer_that_dies_is_healed_by_the_next(system, monkeypatch, owner, name, after):
    first = await system.send(1, half_hours(4))
    await system.drain()
    second = await system.send(1, half_hours(6, value=101))  # one reading differs, four are known shifted, two are new
    third = await system.send(2, half_hours(2))
    writer = system.writer()
    await writer.recover()
    with monkeypatch.context() as patched:
        target = {"warehouse": system.warehouse, "module": writer_module, "writer": writer, "bus": system.bus}[owner]
        if owner == "warehouse":
            real = target.append

            def deadly(*arguments, **keywords):
                if after:
                    real(*arguments, **keywords)
                raise Dead

            patched.setattr(target, "append", deadly)
        else:
            dies_at(patched, target, name, after=after)
        with pytest.raises(Dead):
            await writer.step()
    await system.send(1, half_hours(6, value=101), set_id="read again")
    await system.drain()
    rows = system.rows()
    assert len(rows) == len(set(rows)) == 4 + 6 + 2
    assert sorted(row[6] for row in rows if row[0] == 1) == [1] * 6 + [2] * 4
    assert set(await system.confirmed()) == {first, second, third, "read again"}
    assert await compare_recent_days(system.warehouse, system.database, from_day=RECENT_FROM) == []
    assert await system.bus.fetch("READINGS", after_sequence=0, timeout_s=0.01) == []


async def test_when_the_stream_no_longer_tells_what_is_owed_all_recent_days_are_made_anew(system, monkeypatch):
    await system.send(1, half_hours(4))
    writer = system.writer()
    await writer.recover()
    with monkeypatch.context() as patched:
        dies_at(patched, writer_module, "store_rows")
        with pytest.raises(Dead):
            await writer.step()
    await system.bus.trim("READINGS", 2)
    await system.drain()
    assert await compare_recent_days(system.warehouse, system.database, from_day=RECENT_FROM) == []
    assert (await progress_of(system)).sequence == 1


async def test_a_lost_bus_store_hides_no_new_message(system):
    for place in range(5):
        await system.send(1, half_hours(1, start=MIDNIGHT + 1800 * place))
    await system.drain()
    epoch = system.warehouse.stream_position().epoch
    await system.bus.close()
    system.bus = MemoryBus(system.clock)  # the store is gone: streams and buckets begin anew
    await writer_module.ensure_reading_streams(system.bus)
    again = await system.send(1, half_hours(1))
    fresh = await system.send(1, half_hours(1, start=MIDNIGHT + 9000))
    await system.drain()
    assert len(system.rows()) == 6
    assert set(await system.confirmed()) == {again, fresh}
    position = system.warehouse.stream_position()
    assert position.sequence == 2
    assert position.epoch != epoch


async def test_a_stream_deleted_and_made_anew_under_a_running_writer_hides_no_message(system):
    for place in range(3):
        await system.send(1, half_hours(1, start=MIDNIGHT + 1800 * place))
    writer = await system.drain()
    await system.bus.delete_stream("READINGS")
    await writer_module.ensure_reading_streams(system.bus)
    fresh = await system.send(1, half_hours(1, start=MIDNIGHT + 9000))
    task = asyncio.create_task(writer.run())

    async def told():
        return fresh in await system.confirmed()

    await system.until(told)
    writer.stop()
    await task
    assert len(system.rows()) == 4


async def test_run_outlasts_a_bus_that_goes_away(system, monkeypatch):
    writer = system.writer()
    real, failures = system.bus.fetch, iter(range(3))

    async def flaky(*arguments, **keywords):
        if next(failures, None) is not None:
            raise BusUnreachableError("gone for a while")
        return await real(*arguments, **keywords)

    monkeypatch.setattr(system.bus, "fetch", flaky)
    await writer_module.ensure_reading_streams(system.bus)
    sent = await system.send(1, half_hours(2))
    task = asyncio.create_task(writer.run())

    async def done():
        progress = await progress_of(system)
        return progress is not None and progress.sequence == 1

    await system.until(done)
    writer.stop()
    await task
    monkeypatch.undo()
    assert await system.confirmed() == [sent]


async def test_two_writers_at_once_double_nothing(system):
    other = system.open_warehouse()
    writers = [system.writer(), writer_module.Writer(
        bus=system.bus, warehouse=other, database=system.database, clock=system.clock,
        settings=WriterSettings(quiet_s=0.02, retry_min_s=0.01),
    )]  # fmt: skip
    tasks = [asyncio.create_task(writer.run()) for writer in writers]
    for place in range(20):
        await writer_module.ensure_reading_streams(system.bus)
        await system.send(1 + place % 3, half_hours(2, start=MIDNIGHT + 3600 * place))
        await asyncio.sleep(0.01)

    async def all_in():
        return len(system.rows()) == 40

    await system.until(all_in)
    for writer in writers:
        writer.stop()
    await asyncio.gather(*tasks)
    rows = system.rows()
    assert len(rows) == len(set(rows)) == 40
    assert {row[6] for row in rows} == {1}
    other.close()


async def test_days_that_grow_old_leave_the_recent_days(system):
    await system.send(1, half_hours(1, start=MIDNIGHT - 100 * DAY) + half_hours(1))
    writer = await system.drain()
    assert (await progress_of(system)).recent_from_day == RECENT_FROM
    system.clock.advance(3 * DAY)
    await system.send(1, half_hours(1, start=MIDNIGHT + DAY))
    await system.drain(writer)
    assert (await progress_of(system)).recent_from_day == RECENT_FROM + 3
    assert await compare_recent_days(system.warehouse, system.database, from_day=RECENT_FROM + 3) == []
    got = await system.store.by_device(1, [12], NOW - timedelta(days=200), NOW + timedelta(days=3))
    assert got.num_rows == 3  # old ones come from the warehouse


async def test_more_recent_days_are_filled_from_the_warehouse_when_asked_for(system):
    await system.send(1, half_hours(1, start=MIDNIGHT - 50 * DAY) + half_hours(1))
    await system.drain(recent_days=10)
    assert (await progress_of(system)).recent_from_day == NOON // DAY - 10
    await system.drain(recent_days=60)
    assert (await progress_of(system)).recent_from_day == NOON // DAY - 60
    assert await compare_recent_days(system.warehouse, system.database, from_day=NOON // DAY - 60) == []


async def test_files_are_merged_while_the_writer_is_idle(system):
    for place in range(4):
        await system.send(1, half_hours(1, start=MIDNIGHT - 60 * DAY + 1800 * place))
        await system.drain()
    assert system.warehouse.statistics().files == 4
    before = system.rows()
    writer = await system.drain(upkeep_idle_s=0.0)
    await writer.step()
    assert system.warehouse.statistics().files == 1
    assert system.rows() == before
    await system.send(1, half_hours(1))
    await system.drain()
    assert len(system.rows()) == 5


async def test_snapshots_do_not_pile_up_while_data_never_stop_coming(system):
    writer = await system.drain(busy_rows=1, upkeep_busy_s=0.0)
    for place in range(48):
        await system.send(1, half_hours(1, start=MIDNIGHT - 5 * DAY + 1800 * place))
        assert await writer.step() == 1
    assert len(system.rows()) == 48
    assert system.warehouse.statistics().files < 48
    assert len(system.warehouse._state.table.snapshots()) <= 41


async def test_the_position_in_the_warehouse_names_the_life_of_the_stream(system):
    await system.send(1, half_hours(1))
    await system.drain()
    epoch = (await system.bus.get("readings", "stream-epoch")).decode()
    assert system.warehouse.stream_position() == StreamPosition(epoch, 1)


async def test_a_stopped_writer_ends_soon_and_leaves_the_rest_in_the_stream(system):
    writer = system.writer()
    task = asyncio.create_task(writer.run())
    await asyncio.sleep(0)
    writer.stop()
    async with asyncio.timeout(10):
        await task
    await system.send(1, half_hours(1))
    assert system.warehouse.position() == 0
