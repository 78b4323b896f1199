"""A replayed household: exactly the file's integers, and nothing outside the file."""

from pathlib import Path

import numpy as np
import pytest

from meterworks.devices import MeterLoad
from meterworks.world import Calendar, HistoryCache, ReplayFile, ReplayHome, ReplayLoad
from meterworks.world.replay_file import MISSING

NEW_YEAR_2013 = 1_356_998_400
DAY_S = 86_400
SHIFT_S = 100 * DAY_S
SLOTS = 96
START = NEW_YEAR_2013 + SHIFT_S
END = START + SLOTS * 1800


@pytest.fixture
def home() -> ReplayHome:
    values = (np.arange(SLOTS) * 37 % 1_000).astype(np.int32)
    values[10:13] = MISSING
    export = np.where(np.arange(SLOTS) % 5 == 0, 9, 0).astype(np.int32)
    return ReplayHome("H1", values, export)


@pytest.fixture
def load(home: ReplayHome) -> ReplayLoad:
    file = ReplayFile(Path("file.parquet"), 1800, NEW_YEAR_2013, SLOTS, (home,))
    return ReplayLoad(file, home, shift_s=SHIFT_S, calendar=Calendar(), cache=HistoryCache())


def test_it_is_a_meter_load(load: ReplayLoad):
    meter: MeterLoad = load
    assert (meter.interval_s, meter.starts_epoch_s, meter.ends_epoch_s, meter.phases) == (1800, START, END, 1)
    assert load.name == "H1"


def test_the_intervals_are_the_files(load: ReplayLoad, home: ReplayHome):
    block = load.intervals(0, 2**40)
    assert block.start_epoch_s.tolist() == list(range(START, END, 1800))
    assert block.present.tolist() == (home.import_wh != MISSING).tolist()
    assert block.import_wh[block.present].tolist() == home.import_wh[home.import_wh != MISSING].tolist()
    assert block.export_wh.tolist() == home.export_wh.tolist()
    assert not block.import_varh.any()


@pytest.mark.parametrize(("low", "high"), [(0, 1), (5, 20), (95, 200), (-10, 3), (200, 300), (30, 30)])
def test_a_part_is_the_part_of_the_whole(load: ReplayLoad, low: int, high: int):
    part = load.intervals(START + low * 1800, START + high * 1800)
    whole = load.intervals(0, 2**40)
    slots = slice(max(low, 0), max(min(high, SLOTS), 0))
    assert part.import_wh.tolist() == whole.import_wh[slots].tolist()
    assert part.start_epoch_s.tolist() == whole.start_epoch_s[slots].tolist()


def test_registers_are_the_running_sum_and_stand_still_after_the_end(load: ReplayLoad, home: ReplayHome):
    sums = np.concatenate(([0], np.cumsum(np.where(home.import_wh == MISSING, 0, home.import_wh))))
    for slot in (0, 1, 11, 50, SLOTS):
        assert load.registers_at(START + slot * 1800).import_wh == sums[slot]
    assert load.registers_at(END + 10 * DAY_S) == load.registers_at(END)
    assert load.registers_at(0).import_wh == 0
    many = load.registers_at_many(np.array([0, START, START + 50 * 1800, END, END + DAY_S]))
    assert many.import_wh.tolist() == [0, 0, sums[50], sums[-1], sums[-1]]
    assert (many.import_rate_1_wh + many.import_rate_2_wh == many.import_wh).all()


def test_the_memory_holds_the_whole_file_until_thirteen_months_after_its_end(load: ReplayLoad, home: ReplayHome):
    assert load.history_days == -(-SLOTS // 48) + 397
    long = ReplayFile(Path("x"), 1800, NEW_YEAR_2013, 48 * 700, (home,))
    assert ReplayLoad(long, home, shift_s=0, calendar=Calendar(), cache=HistoryCache()).history_days == 700 + 397


def test_a_moment_shows_the_power_of_its_slot(load: ReplayLoad, home: ReplayHome):
    instant = load.instant(START + 21 * 1800 + 5)
    assert abs(instant.import_power_w - 2 * int(home.import_wh[21])) <= 2 * int(home.import_wh[21]) * 0.03 + 1


def test_after_the_file_a_moment_shows_the_week_before(load: ReplayLoad):
    assert load.instant(END + 10).voltage_mv[0] > 216_000
    assert load.instant(END + 500 * DAY_S).frequency_mhz > 49_000


def test_a_file_tells_no_events(load: ReplayLoad):
    assert load.events(0, 2**40).epoch_s.size == 0
