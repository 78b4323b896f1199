"""Gaps of a replayed file stay gaps, never zeros; a correction is known only from when it was received."""

from datetime import UTC, datetime, timedelta

from tests.integration.scenario.controlled_load import STEP
from tests.integration.scenario.scene import epoch, load_from, raw, text, utc
from tests.replay_file import present_values, write_replay_file

from meterworks.readings import Source
from meterworks.world import Calendar, HistoryCache, ReplayLoad, read_replay_file

HOMES = ["HOME000", "HOME001", "HOME002"]  # single gaps, a late start, an early end


def runs(starts):
    """Half-hours as ranges."""
    found = []
    for start in starts:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], start + STEP)
        else:
            found.append((start, start + STEP))
    return found


async def test_gaps_of_a_replayed_household_are_gaps_and_never_zero(scene_at, tmp_path):
    table = write_replay_file(tmp_path / "homes.parquet", homes=len(HOMES), days=6, seed=11)
    file = read_replay_file(tmp_path / "homes.parquet")
    first, last = file.first_epoch_s, file.end_epoch_s
    scene = scene_at(last + 90.0)
    calendar, cache = Calendar(), HistoryCache()
    for home in file.homes:
        number = scene.add_meter(ReplayLoad(file, home, shift_s=0, calendar=calendar, cache=cache))
        scene.install(number, home.name, datetime.fromtimestamp(first, UTC))
    await scene.start()
    assert [home.name for home in file.homes] == HOMES
    for number, home in enumerate(HOMES):
        expected = present_values(table, home)
        assert len(expected) < 6 * 48
        assert [row[:2] for row in await scene.series(home, first, last)] == expected
        present = {at for at, _ in expected}
        gaps = runs(at for at in range(first, last, STEP) if at not in present)
        assert await scene.gaps(number, "absent") == gaps
        assert await scene.gaps(number, "missing") == []
        days = await scene.ask(
            f"/metering-points/{home}/readings", **{"from": text(first), "to": text(last)}, resolution="day", tz="UTC"
        )
        assert sum(day["count"] for day in days) == len(expected)
        assert all(day["expected"] == 48 for day in days)
    assert scene.doubles() == []


async def test_a_late_row_fills_its_gap_and_is_known_only_from_then_on(scene_at):
    began, ten = epoch(2026, 3, 8), epoch(2026, 3, 10, 10)
    scene = scene_at(utc(2026, 3, 10, 12, 2))
    number = scene.add_meter(load_from(began, 9, absent_starts={ten}))
    scene.install(number, "MP0001", utc(2026, 3, 8))
    await scene.start()
    assert await scene.gaps(number, "absent") == [(ten, ten + STEP)]
    await scene.pass_until(utc(2026, 3, 10, 14, 2))
    scene.load(number).absent_starts.clear()
    await scene.read_profile(number, ten, ten + STEP)
    assert await scene.gaps(number, "absent") == []
    row = raw(scene.load(number), ten, ten + STEP)
    assert await scene.series("MP0001", ten, ten + STEP) == row
    at = scene.clock.now()
    assert await scene.series("MP0001", ten, ten + STEP, as_of=at.isoformat()) == row
    assert await scene.series("MP0001", ten, ten + STEP, as_of=(at - timedelta(seconds=1)).isoformat()) == []


async def test_a_correction_is_visible_only_after_it_was_received(scene_at):
    began, ten = epoch(2026, 3, 8), epoch(2026, 3, 10, 10)
    scene = scene_at(utc(2026, 3, 10, 12, 2))
    number = scene.add_meter(load_from(began, 8))
    scene.install(number, "MP0001", utc(2026, 3, 8))
    await scene.start()
    first_read = scene.clock.now()
    await scene.pass_until(utc(2026, 3, 10, 15, 2))
    load, corrected = scene.load(number), scene.clock.now()
    before = load.between(ten, ten + STEP)
    load.corrected_wh[ten] = before + 41
    await scene.read_profile(number, ten - STEP, ten + 2 * STEP)
    assert [(value, version, source) for at, value, _, version, source in scene.rows(number) if at == ten] == [
        (before, 1, Source.PULL),
        (before + 41, 2, Source.ON_DEMAND),
    ]
    assert {row[3] for row in scene.rows(number) if row[0] != ten} == {1}
    await scene.pass_until(utc(2026, 3, 10, 16, 2))
    second = timedelta(seconds=1)
    for as_of, value in (
        (None, before + 41),
        (corrected, before + 41),
        (corrected - second, before),
        (first_read, before),
        (first_read - second, None),
    ):
        query = {} if as_of is None else {"as_of": as_of.isoformat()}
        found = await scene.device_series(number, ten, ten + STEP, **query)
        assert found == ({} if value is None else {ten: value})
        place = await scene.series("MP0001", ten, ten + STEP, **query)
        assert [row[:2] for row in place] == list(found.items())
