"""The whole way: meters, sessions, sets on the bus, confirmations, and what the head-end keeps of it."""

import json
from collections import Counter

from tests.integration.headend.field import DAY, STEP, expected_intervals, register_value, until

from meterworks.headend import LAST_BUCKET, HeadendQueries
from meterworks.headend.slots import Lane

LOADS = ("load_import", "load_export")


async def filled(field, *profiles):
    await until(lambda: field.missing(*(profiles or LOADS)) == 0, what="an empty list of missing ranges")


async def test_every_interval_of_every_meter_arrives_once(meters_field):
    for device_id in (1, 2, 3):
        meters_field.add_meter(device_id)
    head_end = await meters_field.start()
    await filled(meters_field)
    await until(lambda: all(meters_field.writer.channel(device_id, 14) for device_id in (1, 2, 3)), what="registers")
    now = meters_field.clock.epoch_s()
    for device_id, meter in meters_field.meters.items():
        for channel in (12, 22, 32, 42):
            found = meters_field.writer.channel(device_id, channel)
            assert found == expected_intervals(device_id, channel, meter.starts, now - head_end.settings.grace_s)
        midnights = meters_field.writer.channel(device_id, 14)
        assert midnights == {at: register_value(device_id, 1, at) for at in range(meter.starts, int(now), DAY)}
    assert meters_field.writer.conflicts == 0
    assert Counter(one[:4] for one in meters_field.writer.sets).most_common(1)[0][1] == 1
    await meters_field.stop()


async def test_on_a_fresh_system_import_of_all_devices_comes_first(meters_field):
    for device_id in range(1, 13):
        meters_field.add_meter(device_id, days=10)
    await meters_field.start(sessions_max=3)
    await filled(meters_field)
    profiles = [one[1] for one in meters_field.writer.sets]
    assert profiles[:12] == ["load_import"] * 12
    assert "load_import" not in profiles[12:]


async def test_the_other_profiles_wait_until_import_of_all_devices_is_durable(meters_field):
    for device_id in (1, 2, 3, 4):
        meters_field.add_meter(device_id, days=10)
    meters_field.writer.paused = True
    head_end = await meters_field.start()
    totals = head_end.table.totals("load_import")
    await until(lambda: totals.expected_s and not totals.missing_s, what="import of all devices to be on its way")
    await until(lambda: head_end.slots.next_rank == 1, what="the other profiles to be next in line")
    await until(lambda: not head_end.slots.open_sessions, what="the sessions to end")
    await until(lambda: head_end.slots.waiting(Lane.SCHEDULED) == 4, what="all of them to wait")
    assert head_end.table.totals("load_export").sent_s == 0
    meters_field.writer.paused = False
    await filled(meters_field)


async def test_a_long_history_comes_in_bounded_sets(meters_field):
    meters_field.add_meter(1, days=20)
    await meters_field.start(set_rows_max=300)
    await filled(meters_field)
    assert max(one[4] for one in meters_field.writer.sets) <= 300
    now = meters_field.clock.epoch_s() - 60
    for channel in (12, 22):
        starts = meters_field.meters[1].starts
        assert meters_field.writer.channel(1, channel) == expected_intervals(1, channel, starts, now)


async def test_gaps_of_the_meter_are_gaps_and_are_not_asked_for_again(still_field):
    starts = int(still_field.clock.epoch_s()) // DAY * DAY - 3 * DAY
    gaps = ((starts + 10 * STEP, starts + 13 * STEP), (starts + 50 * STEP, starts + 51 * STEP))
    meter = still_field.add_meter(1, gaps=gaps, record={"profiles": ("load_import",)})
    head_end = await still_field.start()
    await filled(still_field, "load_import")
    now = still_field.clock.epoch_s() - 60
    assert still_field.writer.channel(1, 12) == expected_intervals(1, 12, meter.starts, now, gaps)
    ledger = head_end.table.ledger((1, "load_import"))
    assert ledger.absent == gaps
    asked = meter.answers["1.0.99.1.0.255", 2]
    await still_field.pass_time(2 * STEP)
    assert meter.answers["1.0.99.1.0.255", 2] <= asked + 2
    assert ledger.absent == gaps


async def test_a_gap_at_the_newest_end_is_asked_for_again_and_heals(still_field):
    meter = still_field.add_meter(1, record={"profiles": ("load_import",)})
    newest = int(still_field.clock.epoch_s()) // STEP * STEP - STEP
    meter.gaps = ((newest - STEP, newest + STEP),)
    head_end = await still_field.start()
    await filled(still_field, "load_import")
    assert head_end.table.ledger((1, "load_import")).absent == ((newest - STEP, newest + STEP),)
    meter.gaps = ()
    await still_field.pass_time(STEP)
    await until(lambda: newest in still_field.writer.channel(1, 12), what="the late intervals")
    await until(lambda: not head_end.table.ledger((1, "load_import")).absent, what="an empty list of gaps")


async def test_new_intervals_come_in_cycle_by_cycle(still_field):
    meter = still_field.add_meter(1)
    await still_field.start()
    await filled(still_field)
    await still_field.pass_time(4 * STEP)
    await filled(still_field)
    now = still_field.clock.epoch_s()
    found = still_field.writer.channel(1, 12)
    assert found.items() >= expected_intervals(1, 12, meter.starts, now - 60 - STEP).items()
    assert still_field.writer.conflicts == 0


async def test_a_device_added_later_is_found_and_filled(meters_field):
    await meters_field.start()
    meter = meters_field.add_meter(5)
    await until(lambda: len(meters_field.writer.channel(5, 12)) > 100, what="the new device's readings")
    assert meter.starts in meters_field.writer.channel(5, 12)


async def test_a_device_that_leaves_the_registry_is_no_longer_expected(meters_field):
    meters_field.add_meter(1)
    meters_field.add_meter(2)
    head_end = await meters_field.start()
    await filled(meters_field)
    del meters_field.directory.records[2]
    await meters_field.bus.send("registry.changed", b"")
    await until(lambda: head_end.table.ledger((2, "load_import")) is None, what="device 2 to be forgotten")
    assert head_end.table.totals("load_import").expected_s < 4 * DAY


async def test_events_and_last_values_are_kept(meters_field):
    at = int(meters_field.clock.epoch_s()) - 3600
    meters_field.add_meter(1, events={"tamper": [(at, 40), (at + 60, 41)], "standard": [(at, 2)]})
    await meters_field.start()
    queries = HeadendQueries(meters_field.database)

    async def events():
        return {(e.event.log, int(e.event.at.timestamp()), e.event.code) for e in (await queries.events([1])).events}

    for _ in range(200):
        found = await events()
        if len(found) == 3:
            break
        await meters_field.clock.sleep(0.02)
    assert found == {("tamper", at, 40), ("tamper", at + 60, 41), ("standard", at, 2)}
    for _ in range(200):
        stored = await meters_field.bus.get(LAST_BUCKET, "1")
        if stored:
            break
        await meters_field.clock.sleep(0.02)
    values = json.loads(stored)
    assert values["16"][1] == register_value(1, 1, int(values["16"][0]))


async def test_the_session_log_tells_what_was_done(meters_field):
    meters_field.add_meter(1, days=5)
    await meters_field.start()
    await filled(meters_field)
    await meters_field.settle()
    await meters_field.stop()
    sessions = await HeadendQueries(meters_field.database).sessions(1)
    assert [line.session.kind for line in sessions] == ["gap", "gap"]
    first = sessions[-1].session
    assert (first.outcome, first.error_code) == ("done", None)
    assert first.rows > 240
    assert first.bytes_in > 2000
    assert first.bytes_out > 200
    assert abs(first.clock_drift_s) < 1
    runs = await HeadendQueries(meters_field.database).runs()
    assert [(run.kind, run.planned, run.done, run.failed) for run in runs] == [("gap", 1, 1, 0)]


async def test_a_profile_the_model_has_not_is_not_expected(meters_field):
    meters_field.add_meter(1, absent_objects=frozenset({"1.0.99.1.1.255"}))
    meters_field.add_meter(2)
    head_end = await meters_field.start()
    await until(lambda: head_end.table.ledger((1, "load_export")) is None, what="the export profile to be forgotten")
    await until(lambda: meters_field.missing("load_import", "load_export") == 0, what="all the rest")
    assert len(meters_field.writer.channel(2, 22)) > 100
    await meters_field.stop()
    incidents = await HeadendQueries(meters_field.database).incidents()
    assert [(each.kind, each.device_id) for each in incidents] == [("model-mismatch", 1)]


async def test_the_status_adds_up(meters_field):
    for device_id in (1, 2):
        meters_field.add_meter(device_id)
    await meters_field.start()
    await filled(meters_field)
    status = json.loads(await meters_field.bus.request("headend.status", b""))
    fill = status["fill"]
    assert status["devices"] == 2
    assert fill["expected"] == fill["committed"] == len(meters_field.writer.channel(1, 12)) * 2
    assert fill["settled_share"] == 1.0
    assert status["read_rate"]["day"] == 1.0
    assert len(status["read_rate"]["hours"]) == 24
    assert (status["late"], status["silent"], status["quarantined"]) == (0, 0, 0)
    missing = json.loads(await meters_field.bus.request("headend.missing", b'{"profile": "load_import"}'))
    assert missing == {"ranges": [], "more": False}
    await meters_field.flushed()
    rates = await HeadendQueries(meters_field.database).hour_rates(meters_field.clock.now())
    assert [rate.rate for rate in rates] == [1.0] * 24
    progress = await HeadendQueries(meters_field.database).progress()
    assert {each.profile: each.settled_share for each in progress}["load_import"] == 1.0
