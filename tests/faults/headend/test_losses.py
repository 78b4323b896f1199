"""What gets lost on the way is read again; what was not confirmed is not crossed off; nothing is stored twice."""

import random

import pytest
from tests.integration.headend.field import expected_intervals, until

from meterworks.errors import UnreachableError
from meterworks.headend import HeadendQueries

ONE = {"profiles": ("load_import",)}


async def filled(field):
    await until(lambda: field.missing("load_import") == 0, what="an empty list of missing ranges")


def all_there(field, device_id=1):
    meter = field.meters[device_id]
    expected = expected_intervals(device_id, 12, meter.starts, field.clock.epoch_s() - 60)
    return field.writer.channel(device_id, 12) == expected


async def test_nothing_is_crossed_off_while_the_writer_stands_still(meters_field):
    meters_field.add_meter(1, record=ONE)
    meters_field.writer.paused = True
    head_end = await meters_field.start()
    await until(lambda: head_end.table.unconfirmed_sets == 1, what="the set on its way")
    await meters_field.settle()
    totals = head_end.table.totals("load_import")
    assert totals.committed_s == 0
    assert totals.sent_s == totals.expected_s
    meters_field.writer.paused = False
    await filled(meters_field)
    assert totals.committed_s == totals.expected_s


async def test_a_set_the_writer_never_saw_is_read_again(still_field):
    still_field.add_meter(1, record=ONE)
    still_field.add_meter(2, record=ONE)
    lost = []

    def loses_the_first(one):
        if one.device == 1 and not lost:
            lost.append(one.set_id)
            return True
        return False

    still_field.writer.loses = loses_the_first
    await still_field.start()
    await until(lambda: lost and still_field.writer.channel(2, 12), what="the loss")
    await still_field.pass_time(400, step_s=5)
    await until(lambda: all_there(still_field), what="the second reading")
    assert still_field.writer.conflicts == 0


async def test_a_standing_writer_is_not_flooded_with_second_readings(still_field):
    meter = still_field.add_meter(1, record=ONE)
    still_field.writer.paused = True
    head_end = await still_field.start(cycle_s=7 * 86_400)
    await until(lambda: head_end.table.unconfirmed_sets == 1, what="the set on its way")
    asked = meter.answers["1.0.99.1.0.255", 2]
    await still_field.pass_time(1500, step_s=30)
    assert meter.answers["1.0.99.1.0.255", 2] == asked
    await still_field.pass_time(3000, step_s=30)
    assert meter.answers["1.0.99.1.0.255", 2] > asked


async def test_collection_waits_while_too_much_is_unconfirmed(meters_field):
    for device_id in range(1, 13):
        meters_field.add_meter(device_id, days=10, record=ONE)
    meters_field.writer.paused = True
    head_end = await meters_field.start(unconfirmed_rows_max=2000, sessions_max=1)
    await until(lambda: head_end.table.unconfirmed_rows > 2000, what="the limit")
    await meters_field.clock.sleep(0.3)
    assert head_end.table.unconfirmed_rows < 4000
    answer = await meters_field.bus.request("headend.read", b'{"device": 12, "what": "clock"}', timeout_s=5.0)
    assert b"drift_s" in answer
    meters_field.writer.paused = False
    await filled(meters_field)


async def test_a_bus_that_takes_nothing_costs_time_only(meters_field, monkeypatch):
    meters_field.add_meter(1, record=ONE)
    publish, refused = meters_field.bus.publish, []

    async def refuses_thrice(subject, data, **options):
        if subject.startswith("readings.set") and len(refused) < 3:
            refused.append(subject)
            raise UnreachableError("the bus is away")
        return await publish(subject, data, **options)

    monkeypatch.setattr(meters_field.bus, "publish", refuses_thrice)
    monkeypatch.setattr("meterworks.headend.collection.LOST_SET_PAUSE_S", 0.05)
    head_end = await meters_field.start()
    head_end.outbox.on_lost = lambda device_id: head_end.collector.visit_soon(device_id, 0.05)
    await filled(meters_field)
    assert len(refused) == 3
    assert all_there(meters_field)


async def test_a_set_that_can_never_be_stored_is_told_and_not_read_in_a_circle(still_field):
    meter = still_field.add_meter(1, record=ONE)
    still_field.writer.rejects = lambda one: True
    head_end = await still_field.start()
    await until(lambda: meter.answers["1.0.99.1.0.255", 2] == 1, what="the reading")
    await until(lambda: head_end.table.unconfirmed_sets == 0, what="the rejection")
    await still_field.pass_time(60)
    assert meter.answers["1.0.99.1.0.255", 2] == 1
    await still_field.flushed()
    incidents = await HeadendQueries(still_field.database).incidents()
    assert [(each.kind, each.device_id, each.detail) for each in incidents] == [("set-rejected", 1, "a test says so")]


async def test_a_database_that_takes_nothing_for_a_while_costs_nothing(meters_field, monkeypatch):
    meters_field.add_meter(1, record=ONE)
    head_end = await meters_field.start()
    flush, failed = head_end._store.flush, []

    async def fails_thrice(batch):
        if len(failed) < 3:
            failed.append(batch)
            raise UnreachableError("the disk is full")
        await flush(batch)

    monkeypatch.setattr(head_end._store, "flush", fails_thrice)
    await filled(meters_field)
    await until(lambda: len(failed) == 3, what="three failed flushes")
    await meters_field.settle()
    await meters_field.stop()
    queries = HeadendQueries(meters_field.database)
    assert [each.settled_share for each in await queries.progress()] == [1.0]
    assert len(await queries.sessions(1)) >= 1


async def test_a_clean_restart_reads_nothing_twice(meters_field):
    meter = meters_field.add_meter(1, record=ONE)
    await meters_field.start()
    await filled(meters_field)
    await meters_field.settle()
    await meters_field.stop()
    asked = meter.answers["1.0.99.1.0.255", 2]
    await meters_field.start()
    await meters_field.clock.sleep(0.3)
    assert meter.answers["1.0.99.1.0.255", 2] == asked
    assert meters_field.missing("load_import") == 0
    assert meter.answers["1.0.99.1.0.255", 3] == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_kills_at_any_moment_lose_nothing_and_change_nothing(meters_field, seed):
    chance = random.Random(seed)
    for device_id in range(1, 7):
        meters_field.add_meter(device_id, days=15)
    options = {"set_rows_max": 100, "sessions_max": 3, "unconfirmed_s_max": 1.0, "unconfirmed_stale_s_max": 3.0}
    for _ in range(5):
        await meters_field.start(**options)
        await meters_field.clock.sleep(chance.uniform(0.0, 0.25))
        meters_field.writer.paused = chance.random() < 0.5
        await meters_field.clock.sleep(chance.uniform(0.0, 0.25))
        await meters_field.kill()
    meters_field.writer.paused = False
    await meters_field.start(**options)
    await until(lambda: meters_field.missing("load_import", "load_export") == 0, what="the whole fleet")
    for device_id, meter in meters_field.meters.items():
        for channel in (12, 22, 32, 42):
            expected = expected_intervals(device_id, channel, meter.starts, meters_field.clock.epoch_s() - 60)
            assert meters_field.writer.channel(device_id, channel) == expected
        assert meter.counters == sorted(set(meter.counters)), "an invocation counter was used twice"
        assert meter.security_events == []
    assert meters_field.writer.conflicts == 0
