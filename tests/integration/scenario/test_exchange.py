"""Meters exchanged and moved: a usage point keeps one series, whoever measured it."""

from datetime import timedelta

import pytest
from tests.integration.scenario.controlled_load import STEP
from tests.integration.scenario.scene import epoch, load_from, raw, utc

PLACE = "MP0001"
DAY = 86_400
BEGAN = epoch(2026, 3, 8)
MORNING = epoch(2026, 3, 10)
TEN = epoch(2026, 3, 10, 10)
NOON = epoch(2026, 3, 10, 12)
EXCHANGED = utc(2026, 3, 10, 10, 13, 20)


async def exchanged(scene_at, at, **new_options):
    """A scene at which meter 0 was exchanged for meter 1 at an instant, two hours later."""
    moment = int(at.timestamp())
    scene = scene_at(utc(2026, 3, 10, 9, 50))
    old = scene.add_meter(load_from(BEGAN, 1, ends_epoch_s=moment))
    new = scene.add_meter(load_from(moment, 2, **new_options))
    scene.install(old, PLACE, utc(2026, 3, 8))
    await scene.start()
    await scene.pass_until(at + timedelta(minutes=4))
    await scene.exchange(PLACE, old, new, at)
    await scene.pass_until(NOON + 120)
    return scene, old, new


async def test_a_split_half_hour_is_the_sum_of_both_parts_and_derived(scene_at):
    scene, old, new = await exchanged(scene_at, EXCHANGED)
    at = int(EXCHANGED.timestamp())
    parts = scene.load(old).between(TEN, at), scene.load(new).between(at, TEN + STEP)
    assert all(parts)
    assert await scene.series(PLACE, BEGAN, NOON) == [
        *raw(scene.load(old), BEGAN, TEN),
        (TEN, sum(parts), "derived"),
        *raw(scene.load(new), TEN + STEP, NOON),
    ]
    # Each meter's rows stay its own.
    assert await scene.device_series(old, TEN, NOON) == {TEN: parts[0]}
    assert list(await scene.device_series(new, BEGAN, TEN + STEP)) == [TEN]
    assert (await scene.device_series(new, TEN, NOON))[TEN] == parts[1]
    assert scene.doubles() == []
    for number in (old, new):
        assert await scene.gaps(number, "missing") == []
        assert await scene.gaps(number, "absent") == []


async def test_the_split_half_hour_is_whole_however_the_question_is_cut(scene_at):
    scene, old, new = await exchanged(scene_at, EXCHANGED)
    at = int(EXCHANGED.timestamp())
    whole = (TEN, scene.load(old).between(TEN, at) + scene.load(new).between(at, TEN + STEP), "derived")
    for last in (TEN + 60, at, at + 1, TEN + STEP):
        assert await scene.series(PLACE, TEN, last) == [whole]
    assert await scene.series(PLACE, TEN + 60, TEN + STEP) == []
    assert await scene.series(PLACE, at + 60, TEN + STEP) == []
    day = await scene.ask(f"/metering-points/{PLACE}/readings", **DAY_OF_EXCHANGE, resolution="day")
    intervals = await scene.series(PLACE, MORNING, NOON)
    assert [(row["value"], row["count"]) for row in day] == [(sum(row[1] for row in intervals), 24)]


DAY_OF_EXCHANGE = {"from": "2026-03-10T00:00:00Z", "to": "2026-03-10T12:00:00Z"}


async def test_an_exchange_on_a_boundary_derives_nothing(scene_at):
    scene, old, new = await exchanged(scene_at, utc(2026, 3, 10, 10))
    assert await scene.series(PLACE, MORNING, NOON) == [
        *raw(scene.load(old), MORNING, TEN),
        *raw(scene.load(new), TEN, NOON),
    ]
    assert await scene.device_series(old, TEN, NOON) == {}
    assert await scene.device_series(new, BEGAN, TEN) == {}


async def test_two_exchanges_in_one_half_hour(scene_at):
    first, second = EXCHANGED, utc(2026, 3, 10, 10, 21)
    scene = scene_at(utc(2026, 3, 10, 9, 50))
    edges = BEGAN, int(first.timestamp()), int(second.timestamp()), None
    meters = [scene.add_meter(load_from(edges[n], n, ends_epoch_s=edges[n + 1])) for n in range(3)]
    scene.install(meters[0], PLACE, utc(2026, 3, 8))
    await scene.start()
    await scene.pass_until(utc(2026, 3, 10, 10, 14))
    await scene.exchange(PLACE, meters[0], meters[1], first)
    await scene.pass_until(utc(2026, 3, 10, 10, 22))
    await scene.exchange(PLACE, meters[1], meters[2], second)
    await scene.pass_until(NOON + 120)
    parts = [scene.load(number).between(TEN, TEN + STEP) for number in meters]
    assert all(parts)
    assert await scene.series(PLACE, MORNING, NOON) == [
        *raw(scene.load(meters[0]), MORNING, TEN),
        (TEN, sum(parts), "derived"),
        *raw(scene.load(meters[2]), TEN + STEP, NOON),
    ]
    assert [await scene.device_series(number, TEN, TEN + STEP) for number in meters] == [{TEN: part} for part in parts]


@pytest.mark.parametrize("at", [utc(2026, 3, 10, 10), EXCHANGED], ids=["on a boundary", "within a half-hour"])
async def test_a_moved_meter_keeps_its_history_where_it_was(scene_at, at):
    scene = scene_at(utc(2026, 3, 10, 9, 50))
    mover = scene.add_meter(load_from(BEGAN, 5))
    scene.install(mover, PLACE, utc(2026, 3, 8))
    other = scene.add_meter(load_from(BEGAN, 6))
    scene.install(other, "MP0002", utc(2026, 3, 8))
    await scene.start()
    await scene.pass_until(utc(2026, 3, 10, 10, 14))
    await scene.registry.remove(scene.device(other), at)
    await scene.move(mover, "MP0002", at)
    await scene.pass_until(NOON + 120)
    load, moment = scene.load(mover), int(at.timestamp())
    before, after = await scene.series(PLACE, MORNING, NOON), await scene.series("MP0002", MORNING, NOON)
    assert [row[0] for row in before] == list(range(MORNING, -(-moment // STEP) * STEP, STEP))
    assert before[:20] == raw(load, MORNING, TEN)
    assert after[:20] == raw(scene.load(other), MORNING, TEN)
    assert after[-3:] == raw(load, TEN + STEP, NOON)
    # What the moved meter counted in the half-hour of the move is shared, not counted twice.
    at_old = sum(row[1] for row in before if row[0] == TEN)
    at_new = next(row[1] for row in after if row[0] == TEN)
    others = scene.load(other).between(TEN, TEN + STEP) if moment > TEN else 0
    assert at_old + at_new == load.between(TEN, TEN + STEP) + others
    assert {row[2] for row in (*before, *after)} == ({"raw"} if moment == TEN else {"raw", "derived"})
