"""Clocks of meters: read in every session, corrected by policy, and what they make of readings."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from tests.integration.headend import field as fake
from tests.integration.headend.conftest import make_field
from tests.integration.headend.field import DAY, STEP, expected_intervals, until

from meterworks.catalogue import ReadingFlag
from meterworks.headend import HeadendQueries
from meterworks.runtime import ManualClock

ONE = {"profiles": ("load_import",)}


async def filled(field):
    await until(lambda: field.missing("load_import") == 0, what="an empty list of missing ranges")


async def test_a_good_clock_is_left_alone(still_field):
    meter = still_field.add_meter(1, offset_s=0.9, record=ONE)
    await still_field.start()
    await filled(still_field)
    assert meter.clock_sets == []
    assert set(still_field.writer.flags.values()) == {0}


async def test_a_small_drift_is_shifted_away(still_field):
    meter = still_field.add_meter(1, offset_s=20.0, record=ONE)
    await still_field.start()
    await until(lambda: meter.clock_sets, what="a correction")
    await still_field.settle()
    assert meter.clock_sets == [("shift", -20)]
    assert meter.offset_s == 0.0
    assert set(still_field.writer.flags.values()) == {0}


async def test_a_clock_95_s_off_is_set_and_its_readings_are_suspect(still_field):
    meter = still_field.add_meter(1, record=ONE)
    await still_field.start()
    await filled(still_field)
    good_until = still_field.clock.epoch_s()
    meter.offset_s = 95.0
    await still_field.pass_time(2 * STEP)
    await until(lambda: meter.clock_sets, what="a correction")
    await still_field.pass_time(2 * STEP)
    kind, at = meter.clock_sets[0]
    assert (kind, len(meter.clock_sets)) == ("set", 1)
    assert abs(meter.offset_s) < 1
    suspect = {ts for (_, _, ts), flags in still_field.writer.flags.items() if flags & ReadingFlag.CLOCK_SUSPECT}
    assert suspect
    assert min(suspect) + STEP > good_until
    assert max(suspect) <= at
    assert still_field.writer.conflicts == 0
    assert len(still_field.writer.values) == len(set(still_field.writer.values))
    await still_field.flushed()
    incidents = {each.kind for each in await HeadendQueries(still_field.database).incidents()}
    assert incidents == {"clock-off", "clock-set"}


async def test_rows_around_a_clock_correction_make_one_reading_each(still_field):
    meter = still_field.add_meter(1, record=ONE)
    boundary = meter.starts + 20 * STEP
    meter.gaps = ((boundary, boundary + STEP),)
    meter.extra_rows = ((boundary + 700, 30), (boundary + STEP, 70))
    await still_field.start()
    await filled(still_field)
    key = (1, 12, boundary)
    assert still_field.writer.values[key] == 100
    assert still_field.writer.flags[key] == ReadingFlag.SHORT_INTERVAL | ReadingFlag.MERGED_DUPLICATE
    assert still_field.writer.conflicts == 0


async def test_a_slow_clock_delays_its_newest_interval_but_loses_none(still_field):
    still_field.clock.advance(STEP - 600 + 65)  # a minute and five seconds into the half-hour
    meter = still_field.add_meter(1, offset_s=-100.0, record=ONE)
    head_end = await still_field.start(clock_adjust=False)
    await until(lambda: len(still_field.writer.channel(1, 12)) > 100, what="the history")
    newest = int(still_field.clock.epoch_s()) // STEP * STEP - STEP
    assert head_end.table.ledger((1, "load_import")).absent == ()
    assert newest not in still_field.writer.channel(1, 12)
    await still_field.pass_time(STEP)
    await until(lambda: newest in still_field.writer.channel(1, 12), what="the delayed interval")
    assert meter.clock_sets == []


async def test_no_clock_is_touched_near_a_boundary(still_field):
    still_field.clock.advance(STEP - 630)
    meter = still_field.add_meter(1, offset_s=20.0, record=ONE)
    await still_field.start(clock_guard_s=60.0)
    await until(lambda: len(still_field.writer.channel(1, 12)) > 100, what="the history")
    await still_field.settle()
    assert meter.clock_sets == []


@pytest.mark.parametrize(
    ("day", "half_hours"), [(datetime(2025, 3, 30, tzinfo=UTC), 46), (datetime(2025, 10, 26, tzinfo=UTC), 50)]
)
async def test_both_days_of_changing_clocks_are_whole_in_utc(tmp_path, monkeypatch, day, half_hours):
    london = ZoneInfo("Europe/London")
    real = fake.TimeColumn

    def local_time(epoch_s, deviation_min):
        offsets = [datetime.fromtimestamp(int(at), london).utcoffset().total_seconds() // 60 for at in epoch_s]
        return real(epoch_s=epoch_s, deviation_min=-fake.np.array(offsets, fake.np.int64))

    monkeypatch.setattr(fake, "TimeColumn", local_time)
    field = await make_field(tmp_path, ManualClock(day.timestamp() + 2 * DAY + 600))
    try:
        meter = field.add_meter(1, days=4, record=ONE)
        await field.start()
        await filled(field)
        found = field.writer.channel(1, 12)
        assert found == expected_intervals(1, 12, meter.starts, field.clock.epoch_s() - 60)
        local = [at for at in found if datetime.fromtimestamp(at, london).date() == day.date()]
        assert len(local) == half_hours
    finally:
        await field.close()
