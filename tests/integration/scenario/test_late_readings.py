"""What an exchanged meter tells late: it goes to the days on which that meter hung there, and nowhere else."""

import numpy as np
import pytest
from tests.integration.scenario.controlled_load import STEP
from tests.integration.scenario.scene import epoch, load_from, raw, utc

from meterworks.protocols.dlms import Tag, TimeColumn, ValueColumn, encode_profile
from meterworks.readings import Source

PLACE = "MP0001"
BEGAN = epoch(2026, 3, 8)
SILENT = epoch(2026, 3, 10, 6)
TEN = epoch(2026, 3, 10, 10)
EXCHANGED = utc(2026, 3, 10, 10, 13, 20)
MOMENT = int(EXCHANGED.timestamp())
NOON = epoch(2026, 3, 10, 12)


async def silent_until_exchanged(scene_at):
    """A scene at noon: the old meter fell silent at six and was exchanged at 10:13:20. Gives what ends its silence."""
    scene = scene_at(SILENT + 120)
    old = scene.add_meter(load_from(BEGAN, 1, ends_epoch_s=MOMENT))
    new = scene.add_meter(load_from(MOMENT, 2))
    scene.install(old, PLACE, utc(2026, 3, 8))
    await scene.start()
    speak = scene.silence(old)
    await scene.pass_until(EXCHANGED)
    await scene.exchange(PLACE, old, new, EXCHANGED)
    await scene.pass_until(NOON + 120)
    assert [at for at, _, _ in await scene.series(PLACE, SILENT, NOON)] == [TEN, *range(TEN + STEP, NOON, STEP)]
    assert await scene.gaps(old, "missing") == [(SILENT, TEN + STEP)]
    return scene, old, new, speak


def workshop_rows(*rows):
    """Entries (stamp, Wh) of a meter that was switched on again for a test."""
    return encode_profile(
        [
            TimeColumn(epoch_s=np.array([stamp for stamp, _ in rows], np.int64), deviation_min=0),
            ValueColumn(values=np.zeros(len(rows), np.int64), tag=Tag.UNSIGNED),
            ValueColumn(values=np.array([value for _, value in rows], np.int64), tag=Tag.DOUBLE_LONG_UNSIGNED),
        ],
        capture_period_s=STEP,
    )


def expected_series(scene, old, new):
    """What the usage point used, whoever measured it."""
    split = scene.load(old).between(TEN, MOMENT) + scene.load(new).between(MOMENT, TEN + STEP)
    return [
        *raw(scene.load(old), BEGAN, TEN),
        (TEN, split, "derived"),
        *raw(scene.load(new), TEN + STEP, NOON),
    ]


async def test_a_late_push_goes_to_the_days_of_the_old_meter_only(scene_at):
    scene, old, new, _ = await silent_until_exchanged(scene_at)
    before = scene.rows(new)
    await scene.push_profile(old, scene.profile_buffer(old, SILENT + 1, TEN + STEP))
    await scene.push_profile(old, workshop_rows((TEN + 2 * STEP, 777), (TEN + 3 * STEP, 888)))
    assert await scene.series(PLACE, BEGAN, NOON) == expected_series(scene, old, new)
    # What it registered in the workshop is kept as its own, and is nobody's usage.
    assert await scene.device_series(old, TEN + STEP, NOON) == {TEN + STEP: 777, TEN + 2 * STEP: 888}
    assert scene.rows(new) == before
    assert {row[4] for row in scene.rows(old) if row[0] >= SILENT} == {Source.PUSH}
    assert await scene.gaps(old, "missing") == []
    assert scene.doubles() == []


async def test_a_push_of_what_was_read_before_adds_nothing(scene_at):
    scene, old, _, _ = await silent_until_exchanged(scene_at)
    before = scene.rows(old)
    await scene.push_profile(old, scene.profile_buffer(old, SILENT - 8 * STEP + 1, SILENT))
    assert scene.rows(old) == before


@pytest.mark.parametrize("pushed_first", [False, True], ids=["pulled only", "partly pushed before"])
async def test_a_late_pull_of_the_old_meter_fills_its_days(scene_at, pushed_first):
    scene, old, new, speak = await silent_until_exchanged(scene_at)
    if pushed_first:
        await scene.push_profile(old, scene.profile_buffer(old, SILENT + 4 * STEP + 1, SILENT + 6 * STEP))
        assert await scene.gaps(old, "missing") == [
            (SILENT, SILENT + 4 * STEP),
            (SILENT + 6 * STEP, TEN + STEP),
        ]
    speak()
    await scene.pass_until(NOON + 6 * 3600, step_s=3 * 3600)
    assert await scene.series(PLACE, BEGAN, NOON) == expected_series(scene, old, new)
    assert list(await scene.device_series(old, TEN, NOON)) == [TEN]
    assert await scene.gaps(old, "missing") == []
    assert scene.doubles() == []
