"""Rates by hour, late and silent devices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterworks.headend.ranges import intersect, normalise, total_s
from meterworks.headend.read_rate import HOUR_S, hour_rates, is_silent, late_before

DAY = 86_400


def test_a_whole_day_of_two_devices_with_one_hour_missing():
    rates = hour_rates([(0, 2 * DAY), (0, 2 * DAY)], [(DAY, DAY + HOUR_S)], 2 * DAY)
    assert [rate.start_epoch_s for rate in rates] == list(range(DAY, 2 * DAY, HOUR_S))
    assert [rate.rate for rate in rates] == [0.5] + [1.0] * 23


def test_an_hour_of_which_nothing_was_expected_has_no_rate():
    assert [rate.rate for rate in hour_rates([], [], DAY, hours=2)] == [None, None]


def test_only_whole_hours_count():
    assert [rate.start_epoch_s for rate in hour_rates([], [], 7 * HOUR_S + 59, hours=1)] == [6 * HOUR_S]


PAIRS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8).map(
    lambda pairs: normalise((a * 900, b * 900) for a, b in pairs)
)


@given(PAIRS, PAIRS)
def test_rates_agree_with_counting_hour_by_hour(expected, open_):
    open_ = intersect(open_, expected)
    for rate in hour_rates(expected, open_, 10 * HOUR_S, hours=8):
        hour = ((rate.start_epoch_s, rate.start_epoch_s + HOUR_S),)
        assert rate.expected_s == total_s(intersect(expected, hour))
        assert rate.expected_s - rate.committed_s == total_s(intersect(open_, hour))


def test_late_means_more_than_a_whole_cycle():
    assert late_before(10_000.0, cycle_s=1800, grace_s=60) == 10_000 - 60 - 3600


@pytest.mark.parametrize(
    ("contact", "tried", "silent"),
    [(None, None, False), (None, 5.0, True), (99_000.0, 99_000.0, False), (1_000.0, 99_000.0, True)],
)
def test_silent_means_tried_and_not_heard_for_a_day(contact, tried, silent):
    assert is_silent(contact, tried, 100_000.0) is silent
