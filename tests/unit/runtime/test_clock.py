"""Clock: system time from machine time, the settings file, and the hand-driven clock."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from meterworks.runtime import ClockSettings, ManualClock, SettingsError, SystemClock, load_clock, save_clock


def test_a_plain_clock_tells_machine_time_in_aware_utc():
    before = time.time()
    clock = SystemClock()
    assert before <= clock.epoch_s() <= time.time()
    assert clock.now().tzinfo is UTC


def test_an_offset_moves_the_clock():
    clock = SystemClock(ClockSettings(offset_s=-86_400.0))
    assert clock.epoch_s() == pytest.approx(time.time() - 86_400, abs=1)


def test_a_rate_runs_from_the_anchor_on():
    anchor = time.time() - 10
    clock = SystemClock(ClockSettings(rate=1440.0, anchor_epoch_s=anchor))
    assert clock.epoch_s() - anchor == pytest.approx(14_400, rel=0.1)


def test_two_clocks_of_the_same_settings_agree():
    settings = ClockSettings(offset_s=-1e8, rate=60.0, anchor_epoch_s=1.7e9)
    assert SystemClock(settings).epoch_s() == pytest.approx(SystemClock(settings).epoch_s(), abs=1)


async def test_sleep_is_scaled_by_the_rate():
    clock = SystemClock(ClockSettings(rate=10_000.0))
    before_s = clock.epoch_s()
    async with asyncio.timeout(5):
        await clock.sleep(3_600)
    assert clock.epoch_s() - before_s >= 3_600


@pytest.mark.parametrize(
    "fields", [{"rate": 0.0}, {"rate": -1.0}, {"rate": float("nan")}, {"offset_s": float("inf")}, {"rate": 1e9}]
)
def test_settings_that_cannot_be_are_refused(fields):
    with pytest.raises(SettingsError):
        ClockSettings(**fields)


def test_settings_come_back_from_their_file(tmp_path):
    settings = ClockSettings(offset_s=-12.5, rate=60.0, anchor_epoch_s=1.7e9)
    save_clock(tmp_path / "clock.json", settings)
    assert load_clock(tmp_path / "clock.json") == settings


def test_no_file_means_machine_time(tmp_path):
    assert load_clock(tmp_path / "clock.json") == ClockSettings()


@pytest.mark.parametrize("text", ["", "[]", "7", '{"rate": "fast"}', '{"speed": 2}', '{"rate": 0}', '{"rate": null}'])
def test_a_file_that_holds_no_settings_is_refused_by_name(tmp_path, text):
    (tmp_path / "clock.json").write_text(text)
    with pytest.raises(SettingsError, match=r"clock\.json|rate"):
        load_clock(tmp_path / "clock.json")


async def test_manual_clock_wakes_sleepers_at_their_time_and_not_before():
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    sleeper = asyncio.create_task(clock.sleep(10))
    await asyncio.sleep(0)
    clock.advance(9.9)
    await asyncio.sleep(0)
    assert not sleeper.done()
    clock.advance(0.1)
    await sleeper
    assert clock.now() == datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)


async def test_manual_clock_wakes_in_the_order_of_deadlines():
    clock, woken = ManualClock(), []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as tasks:
        for seconds in (3, 1, 2):
            tasks.create_task(sleep(seconds))
        await asyncio.sleep(0)
        clock.advance(5)
    assert woken == [1, 2, 3]


async def test_run_for_lets_a_periodic_task_take_every_turn():
    clock, ticks = ManualClock(), []

    async def tick() -> None:
        while True:
            await clock.sleep(1)
            ticks.append(clock.epoch_s())

    ticker = asyncio.create_task(tick())
    await clock.run_for(5.5)
    assert ticks == [1, 2, 3, 4, 5]
    assert clock.epoch_s() == 5.5
    ticker.cancel()


async def test_a_cancelled_sleeper_is_forgotten():
    clock = ManualClock()
    sleeper = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    sleeper.cancel()
    await asyncio.gather(sleeper, return_exceptions=True)
    clock.advance(2)
    assert clock.next_deadline_epoch_s is None


async def test_sleeping_for_nothing_gives_way_once():
    clock, others = ManualClock(), []
    asyncio.get_running_loop().call_soon(others.append, "ran")
    await clock.sleep(0)
    assert others == ["ran"]
    await clock.sleep(-1)
    assert clock.next_deadline_epoch_s is None
