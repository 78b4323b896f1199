"""Devices that do not answer, refuse, or lie: back-off, quarantine, counters."""

import json

import pytest
from tests.integration.headend.field import DAY, STEP, until

from meterworks.errors import RefusedError
from meterworks.headend import HeadendQueries
from meterworks.headend.schedule import BACK_OFF_S

ONE = {"profiles": ("load_import",)}


async def tried(field, device_id, since=None):
    await until(lambda: field.memory(device_id).last_try_epoch_s not in (None, since), what="a try")
    return field.memory(device_id)


async def test_an_unreachable_device_is_tried_again_as_the_table_says(still_field):
    still_field.add_meter(1, record=ONE)
    meter = still_field.meters.pop(1)
    await still_field.start(cycle_s=DAY, window_s=STEP)
    for failures, wait_s in enumerate(BACK_OFF_S, 1):
        memory = await tried(still_field, 1)
        await until(lambda failures=failures: still_field.memory(1).failures == failures, what="a failure")
        gap_s = memory.next_try_epoch_s - memory.last_try_epoch_s
        assert 0.8 * wait_s <= gap_s <= 1.2 * wait_s
        assert memory.last_error in ("connection-lost", "connect-failed", "no-answer")
        await still_field.pass_time(gap_s + 1, step_s=gap_s + 1)
    await until(lambda: still_field.memory(1).failures == len(BACK_OFF_S) + 1, what="the last failure")
    assert still_field.memory(1).next_try_epoch_s - still_field.clock.epoch_s() > 6 * 3600
    still_field.meters[1] = meter
    await still_field.pass_time(DAY, step_s=3600)
    await until(lambda: len(still_field.writer.channel(1, 12)) > 100, what="the recovered history")
    assert still_field.memory(1).failures == 0


async def test_refused_keys_are_not_tried_again_at_once_and_end_in_quarantine(still_field):
    meter = still_field.add_meter(1, refuses_keys=True, record=ONE)
    await still_field.start()
    memory = await tried(still_field, 1)
    assert memory.refusals == 1
    assert memory.next_try_epoch_s > still_field.clock.epoch_s() + 60
    await still_field.pass_time(3 * STEP, step_s=300)
    await until(lambda: still_field.memory(1).quarantined, what="the quarantine")
    assert memory.refusals == 3
    tries = len(meter.security_events)
    await still_field.pass_time(4 * STEP, step_s=300)
    assert len(meter.security_events) == tries
    with pytest.raises(RefusedError):
        await still_field.bus.request("headend.read", b'{"device": 1, "what": "registers"}', timeout_s=5.0)
    await still_field.flushed()
    incidents = await HeadendQueries(still_field.database).incidents()
    assert [(each.kind, each.device_id) for each in incidents] == [("quarantine", 1)]


async def test_a_released_device_is_read_again(still_field):
    meter = still_field.add_meter(1, refuses_keys=True, record=ONE)
    await still_field.start(quarantine_failures=1)
    await until(lambda: still_field.memory(1).quarantined, what="the quarantine")
    meter.refuses_keys = False
    answer = json.loads(await still_field.bus.request("headend.release", b'{"device": 1}', timeout_s=5.0))
    assert answer["released"]
    await still_field.pass_time(60)
    await until(lambda: still_field.missing("load_import") == 0, what="the history")
    assert not still_field.memory(1).quarantined


async def test_a_quarantine_outlives_a_restart(still_field):
    still_field.add_meter(1, refuses_keys=True, record=ONE)
    await still_field.start(quarantine_failures=1)
    await until(lambda: still_field.memory(1).quarantined, what="the quarantine")
    await still_field.stop()
    meter = still_field.meters[1]
    tries = len(meter.security_events)
    await still_field.start(quarantine_failures=1)
    await still_field.pass_time(STEP)
    assert still_field.memory(1).quarantined
    assert len(meter.security_events) == tries


async def test_a_device_that_wants_a_higher_counter_gets_one(meters_field):
    meter = meters_field.add_meter(1, lowest=5000, record=ONE)
    await meters_field.start()
    await until(lambda: meters_field.missing("load_import") == 0, what="the history")
    assert min(meter.counters) >= 5000
    assert meters_field.memory(1).quarantined is False
    await meters_field.stop()
    await meters_field.start()
    await meters_field.bus.request("headend.read", b'{"device": 1, "what": "registers"}', timeout_s=5.0)
    assert meter.counters == sorted(set(meter.counters))


async def test_a_device_that_asks_for_an_absurd_counter_does_not_get_it(meters_field):
    meter = meters_field.add_meter(1, lowest=2**31, record=ONE)
    await meters_field.start()
    await tried(meters_field, 1)
    assert meter.counters == []
    assert meters_field.memory(1).failures >= 1
    assert meters_field.head_end._counters.counter(1).following < 1000


async def test_a_device_that_differs_from_its_model_is_read_by_its_own_columns(meters_field, monkeypatch):
    other = meters_field.add_meter(1, record=ONE)
    await meters_field.start()
    await until(lambda: meters_field.missing("load_import") == 0, what="the first device")
    odd = meters_field.add_meter(2, record=ONE)
    plain = type(odd)._collection_profile

    def without_status(profile, attribute, selection):
        from tests.integration.headend import field as fake

        columns = [column for column in profile.columns if column.role != "status"]
        if attribute == 3:
            objects = [fake.CaptureObject(c.class_id, fake.ObisCode(c.obis_code), c.attribute) for c in columns]
            return fake.encode_array(each.to_bytes() for each in objects)
        if attribute != 2:
            return plain(odd, profile, attribute, selection)
        first, last = fake.span_of(selection)
        starts = fake.np.arange(-(-first // STEP) * STEP - STEP, min(last, int(odd.now())) - STEP + 1, STEP)
        starts = starts[starts >= odd.starts]
        values = fake.np.array([fake.interval_value(2, 12, int(start)) for start in starts], fake.np.int64)
        return fake.encode_profile(
            [
                fake.TimeColumn(epoch_s=starts + STEP),
                fake.ValueColumn(values=values, tag=fake.Tag.DOUBLE_LONG_UNSIGNED),
            ],
            capture_period_s=STEP,
        )

    monkeypatch.setattr(odd, "_collection_profile", without_status)
    await meters_field.bus.send("registry.changed", b"")
    await until(lambda: len(meters_field.writer.channel(2, 12)) > 100, what="the odd device")
    assert meters_field.writer.conflicts == 0
    assert other.answers["1.0.99.1.0.255", 3] == 1
