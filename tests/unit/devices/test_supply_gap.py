"""What an open switch takes away: registers stand still, profiles lose exactly that part, sums stay exact.

The reference is a loop over single seconds of a load whose registers move every second, so that nothing of the
arithmetic under test is used to judge it.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.devices.plain_load import PlainLoad, SteadyLoad

from meterworks.devices import Registers
from meterworks.devices.supply_gap import GAPS_MAX, NO_GAPS, OPEN_END_S, SupplyGaps, SwitchedLoad

START = 1_748_736_000  # a multiple of the interval
INTERVAL_S = 1800
NAMES = tuple(Registers.__dataclass_fields__)


def gaps_of(*pairs):
    gaps = NO_GAPS
    for begin_s, end_s in pairs:
        gaps = gaps.opened(START + begin_s)
        if end_s is not None:
            gaps = gaps.closed(START + end_s)
    return gaps


def pairs_of(gaps):
    return [(begin - START, end - START) for begin, end in zip(gaps.begin_s.tolist(), gaps.end_s.tolist(), strict=True)]


def seconds_on(pairs, until_s):
    return until_s - sum(max(0, min(end, until_s) - begin) for begin, end in pairs)


def test_registers_stand_still_while_the_switch_is_open():
    load = SwitchedLoad(SteadyLoad(START), gaps_of((100, 400), (1000, None)))
    shown = [load.registers_at(START + second).import_wh for second in (0, 99, 100, 250, 400, 401, 1000, 5000)]
    assert shown == [0, 297, 300, 300, 300, 303, 2100, 2100]


def test_every_register_is_cut_alike_and_rates_add_up():
    load = SwitchedLoad(SteadyLoad(START), gaps_of((100, 400)))
    shown = load.registers_at(START + 1000)
    assert [getattr(shown, name) for name in NAMES] == [2100, 700, 1400, 0, 2100, 0, 700, 0]


def test_an_interval_loses_the_part_with_an_open_switch():
    load = SwitchedLoad(SteadyLoad(START), gaps_of((600, 1200), (2400, 7200)))
    block = load.intervals(START, START + 5 * INTERVAL_S)
    assert block.import_wh.tolist() == [3600, 1800, 0, 0, 5400]
    assert block.import_varh.tolist() == [2400, 1200, 0, 0, 3600]
    assert block.present.all()


def test_several_stretches_in_one_interval_all_count():
    load = SwitchedLoad(SteadyLoad(START), gaps_of((10, 20), (30, 40), (1790, 1810)))
    assert load.intervals(START, START + 3600).export_wh.tolist() == [1770, 1790]


def test_intervals_that_were_not_captured_stay_absent():
    load = SwitchedLoad(SteadyLoad(START, absent_starts=frozenset({START})), gaps_of((10, 20)))
    assert load.intervals(START, START + 3600).present.tolist() == [False, True]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 20_000), min_size=2, max_size=12, unique=True).map(sorted))
def test_any_stretches_agree_with_counting_seconds(bounds):
    pairs = list(zip(bounds[::2], bounds[1::2], strict=False))
    load = SwitchedLoad(SteadyLoad(START), gaps_of(*pairs))
    instants = np.arange(0, 21_600, 397)
    shown = load.registers_at_many(START + instants).import_wh.tolist()
    assert shown == [3 * seconds_on(pairs, int(second)) for second in instants]
    block = load.intervals(START, START + 21_600)
    ends = [3 * seconds_on(pairs, end) for end in range(0, 21_601, INTERVAL_S)]
    assert block.import_wh.tolist() == np.diff(ends).tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5000)), max_size=30))
def test_switching_in_any_order_keeps_stretches_rising_and_apart(steps):
    gaps, now_s = NO_GAPS, 0
    for opens, wait_s in steps:
        now_s += wait_s
        gaps = gaps.opened(now_s) if opens else gaps.closed(now_s)
    flat = np.stack((gaps.begin_s, gaps.end_s), axis=1).reshape(-1)
    assert (np.diff(flat) > 0).all()
    assert SupplyGaps.from_bytes(gaps.to_bytes()).to_bytes() == gaps.to_bytes()


def test_opening_twice_and_closing_twice_change_nothing():
    once = gaps_of((100, 200))
    assert pairs_of(once.closed(START + 300)) == [(100, 200)]
    opened = once.opened(START + 500)
    assert opened.opened(START + 600) is opened
    assert opened.is_open
    assert not once.is_open


def test_a_switch_closed_in_the_same_second_leaves_nothing():
    assert len(NO_GAPS.opened(START).closed(START)) == 0


def test_a_clock_set_back_while_open_lets_no_register_count():
    gaps = gaps_of((5000, None)).clock_set(START + 6000, START + 2000)
    assert pairs_of(gaps) == [(2000, OPEN_END_S - START)]
    load = SwitchedLoad(SteadyLoad(START), gaps)
    assert load.registers_at(START + 2000) == load.registers_at(START + 6000)


def test_a_clock_set_forward_while_open_leaves_the_jump_to_the_load():
    gaps = gaps_of((1000, None)).clock_set(START + 1100, START + 5000)
    assert pairs_of(gaps) == [(1000, 1100), (5000, OPEN_END_S - START)]
    closed = gaps_of((1000, 2000))
    assert closed.clock_set(START + 2500, START + 9000) is closed


def test_terminals_have_voltage_and_no_current_in_a_stretch():
    load = SwitchedLoad(PlainLoad(START, phases=3), gaps_of((100, 200)))
    off, on = load.instant(START + 150.5), load.instant(START + 200)
    assert (off.current_ma, off.import_power_w) == ((0, 0, 0), 0)
    assert off.voltage_mv == on.voltage_mv
    assert on.import_power_w == 987


def test_what_is_not_remembered_any_more_still_counts_in_the_registers():
    pairs = [(10 * number, 10 * number + 5) for number in range(GAPS_MAX + 40)]
    gaps = gaps_of(*pairs)
    bounded = gaps.bounded(SteadyLoad(START))
    assert (len(gaps), len(bounded)) == (GAPS_MAX + 40, GAPS_MAX)
    before, after = (SwitchedLoad(SteadyLoad(START), each) for each in (gaps, bounded))
    for second in (20_000, 30_000):
        assert before.registers_at(START + second) == after.registers_at(START + second)
    assert after.registers_at(START + 1).import_wh == 0  # never below nothing
    again = SupplyGaps.from_bytes(bounded.to_bytes())
    assert SwitchedLoad(SteadyLoad(START), again).registers_at(START + 20_000) == before.registers_at(START + 20_000)


def test_gaps_within_the_limit_are_kept_as_they_are():
    gaps = gaps_of((1, 2))
    assert gaps.bounded(SteadyLoad(START)) is gaps


@pytest.mark.parametrize("name", ["interval_s", "starts_epoch_s", "ends_epoch_s", "history_days", "phases"])
def test_everything_else_is_the_loads(name):
    load = SteadyLoad(START, ends_epoch_s=START + 9000, history_days=7)
    assert getattr(SwitchedLoad(load, gaps_of((1, 2))), name) == getattr(load, name)


def test_events_of_the_metrology_part_pass():
    load = SteadyLoad(START, event_rows=((START + 5, 0, 1),))
    assert SwitchedLoad(load, gaps_of((1, 20))).events(START, START + 10).code.tolist() == [1]
