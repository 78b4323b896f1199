"""A clock 95 s off over a boundary: set outside the guard time, readings suspect, no duplicate, no energy lost."""

import pytest
from tests.integration.scenario.controlled_load import STEP
from tests.integration.scenario.scene import epoch, load_from, utc

from meterworks.catalogue import ReadingFlag
from meterworks.headend import HeadendQueries

BEGAN = epoch(2026, 3, 8)
ELEVEN = epoch(2026, 3, 10, 11)
OFF = utc(2026, 3, 10, 10, 52)
"""When the battery fails; the meter was visited a moment before."""
VISITS = {95: utc(2026, 3, 10, 10, 59, 20), -95: utc(2026, 3, 10, 11, 0, 45)}
"""Between its boundary and the true one: a correction now crosses both."""


async def set_right(scene_at, error_s, guard_s):
    """A scene at 12:02 in which a meter's clock jumped at 10:52 and was set right. Gives the meter, too."""
    scene = scene_at(utc(2026, 3, 10, 10, 20))
    number = scene.add_meter(load_from(BEGAN, 3), own_clock=True)
    scene.install(number, "MP0001", utc(2026, 3, 8))
    await scene.start(cycle_s=300, clock_guard_s=guard_s)
    await scene.pass_until(OFF)
    meter = scene.fleet.meter(number)
    meter.jump_clock(error_s)
    await scene.pass_until(VISITS[error_s])
    await scene.pass_until(utc(2026, 3, 10, 11, 12), step_s=60)
    await scene.pass_until(utc(2026, 3, 10, 12, 2))
    return scene, number, meter


def latest(rows):
    """Start to (value, flags) of the latest version."""
    return {at: (value, flags) for at, value, flags, _, _ in rows}


def label_counts(meter):
    stamps = [stamp for stamp, _, _ in meter.captured()]
    return {stamp: stamps.count(stamp) for stamp in range(stamps[0], stamps[-1] + 1, STEP)}


@pytest.mark.parametrize(
    ("error_s", "guard_s"), [(95, 60.0), (-95, 30.0)], ids=["fast, guard of 60 s", "slow, guard of 30 s"]
)
async def test_a_clock_95_s_off_is_set_and_no_energy_is_lost_or_counted_twice(scene_at, error_s, guard_s):
    scene, number, meter = await set_right(scene_at, error_s, guard_s)
    # It was set once, to the right time, at a distance from any boundary.
    ((at, own_before, own_after),) = meter.corrections
    assert own_before - at == error_s
    assert abs(own_after - at) <= 1
    assert all(guard_s <= moment % STEP <= STEP - guard_s for moment in (at, own_before, own_after))
    # A short guard lets the set cross the boundary: then the meter has the label twice, or not at all.
    wanted = 1 if guard_s == 60 else {95: 2, -95: 0}[error_s]
    assert {stamp: count for stamp, count in label_counts(meter).items() if count != 1 or stamp == ELEVEN} == {
        ELEVEN: wanted
    }
    rows = scene.rows(number)
    found = latest(rows)
    assert scene.doubles() == []
    assert len(found) == len(rows)
    assert await scene.gaps(number, "missing") == []
    assert await scene.gaps(number, "absent") == ([] if wanted else [(ELEVEN - STEP, ELEVEN)])
    # Intervals add up to what the register advanced.
    *_, (_, _, last_capture) = meter.captured()
    assert sum(value for value, _ in found.values()) == scene.load(number).between(BEGAN, last_capture)
    # Suspect is what was measured since the last good contact, and nothing else.
    suspect = [start for start, (_, flags) in found.items() if flags & ReadingFlag.CLOCK_SUSPECT]
    assert suspect == [start for start in found if start + STEP > OFF.timestamp() and start < at]
    merged = [start for start, (_, flags) in found.items() if flags & ReadingFlag.MERGED_DUPLICATE]
    assert merged == ([ELEVEN - STEP] if wanted == 2 else [])
    api = await scene.device_series(number, BEGAN, epoch(2026, 3, 10, 12))
    assert api == {start: value for start, (value, _) in found.items()}
    incidents = {each.kind for each in await HeadendQueries(scene.database).incidents()}
    assert incidents == {"clock-off", "clock-set"}


@pytest.mark.parametrize("error_s", [95, -95], ids=["fast", "slow"])
async def test_the_emulated_meters_own_intervals_stay_as_they_were(scene_at, error_s):
    """A fleet's meter measures by true time, whatever its clock says: its values are the load's, suspect or not."""
    scene = scene_at(utc(2026, 3, 10, 10, 20))
    number = scene.add_meter(load_from(BEGAN, 4))
    scene.install(number, "MP0001", utc(2026, 3, 8))
    await scene.start(cycle_s=300)
    await scene.pass_until(OFF)
    meter = scene.fleet.meter(number)
    row = meter.view.state.rows[number]
    row["clock_offset_s"], row["clock_set_epoch_s"] = error_s, OFF.timestamp()
    await scene.pass_until(utc(2026, 3, 10, 11, 12), step_s=60)
    await scene.pass_until(utc(2026, 3, 10, 12, 2))
    assert abs(meter.view.clock_error_s()) <= 1
    rows, load = scene.rows(number), scene.load(number)
    noon = epoch(2026, 3, 10, 12)
    assert [row[:2] for row in rows] == [(at, load.between(at, at + STEP)) for at in range(BEGAN, noon, STEP)]
    assert {row[0] for row in rows if row[2] & ReadingFlag.CLOCK_SUSPECT} >= {ELEVEN - STEP}
    assert scene.doubles() == []
