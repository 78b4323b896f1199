"""What is done about a device's clock."""

import pytest

from meterworks.headend.clock_check import ClockAction, drift_s, judge_clock, judge_lost_clock
from meterworks.headend.settings import HeadendSettings

SETTINGS = HeadendSettings()
MIDDLE = 10 * 1800 + 900.0


def test_half_of_the_round_trip_belongs_to_the_answer():
    assert drift_s(1003.0, 1000.0, 1002.0) == 2.0


@pytest.mark.parametrize(
    ("drift", "action", "shift_s", "suspect"),
    [
        (0.0, ClockAction.NONE, 0, False),
        (-1.0, ClockAction.NONE, 0, False),
        (1.5, ClockAction.SHIFT, -2, False),
        (-30.0, ClockAction.SHIFT, 30, False),
        (60.0, ClockAction.SHIFT, -60, False),
        (95.0, ClockAction.SET, 0, True),
        (-95.0, ClockAction.SET, 0, True),
    ],
)
def test_small_drifts_are_left_middling_ones_shifted_large_ones_set(drift, action, shift_s, suspect):
    verdict = judge_clock(drift, MIDDLE, 1800, SETTINGS)
    assert (verdict.action, verdict.shift_s, verdict.suspect) == (action, shift_s, suspect)


@pytest.mark.parametrize("offset_s", [-59.0, -1.0, 0.0, 1.0, 59.0])
def test_no_clock_is_touched_near_a_boundary(offset_s):
    assert judge_clock(10.0, 11 * 1800 + offset_s, 1800, SETTINGS).action is ClockAction.WAIT


def test_no_clock_is_touched_when_its_own_time_is_near_a_boundary():
    assert judge_clock(-95.0, 11 * 1800 + 100.0, 1800, SETTINGS).action is ClockAction.WAIT


def test_a_shift_never_crosses_a_boundary_but_a_set_may():
    settings = HeadendSettings(clock_guard_s=5.0, clock_shift_s_max=60.0)
    assert judge_clock(50.0, 11 * 1800 - 20.0, 1800, settings).action is ClockAction.WAIT
    assert judge_clock(95.0, 11 * 1800 - 20.0, 1800, settings).action is ClockAction.SET


def test_a_clock_that_may_not_be_touched_is_still_suspect():
    verdict = judge_clock(95.0, MIDDLE, 1800, HeadendSettings(clock_adjust=False))
    assert (verdict.action, verdict.suspect) == (ClockAction.NONE, True)


def test_a_slow_line_excuses_what_may_be_its_own_delay():
    assert judge_clock(3.0, MIDDLE, 1800, SETTINGS, uncertainty_s=2.5).action is ClockAction.NONE
    assert judge_clock(3.0, MIDDLE, 1800, SETTINGS, uncertainty_s=1.5).action is ClockAction.SHIFT


def test_a_clock_that_tells_no_time_is_set():
    verdict = judge_lost_clock(MIDDLE, 1800, SETTINGS)
    assert (verdict.action, verdict.suspect, verdict.text) == (ClockAction.SET, True, "no time")
    assert judge_lost_clock(11 * 1800.0, 1800, SETTINGS).action is ClockAction.WAIT
    assert judge_lost_clock(MIDDLE, 1800, HeadendSettings(clock_adjust=False)).action is ClockAction.NONE
