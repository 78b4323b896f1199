"""Calendar, weather and sun of a neighbourhood."""

import numpy as np
import pytest

from meterworks.errors import UsageError
from meterworks.world import Calendar, Climate, Rates

NEW_YEAR_2025 = 1_735_689_600
DAY_S = 86_400


def year(climate: Climate):
    first = NEW_YEAR_2025 // climate.interval_s
    return climate.span(first, first + 365 * climate.slots_per_day)


@pytest.mark.parametrize("interval_s", [900, 1800, 3600])
def test_a_part_of_a_span_equals_the_part_of_the_whole(interval_s: int):
    climate = Climate(5, interval_s=interval_s)
    whole = year(climate)
    low, high = 1234, 5678
    part = climate.span(whole.first + low, whole.first + high)
    for name in ("slot", "second_rate", "temperature_c", "sun_kw"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[low:high])
    assert np.array_equal(part.society[part.day], whole.society[whole.day][low:high])


def test_an_interval_that_no_meter_has_is_refused():
    with pytest.raises(UsageError, match="900, 1800 or 3600"):
        Climate(1, interval_s=600)


def test_slots_follow_the_local_clock_over_both_changes(climate: Climate):
    span = year(climate)
    slots = span.slot % 48
    # 30 March and 26 October 2025: 46 and 50 half-hours between local midnights.
    assert np.bincount(span.day).tolist().count(46) == 1
    assert np.bincount(span.day)[88] == 46
    assert np.bincount(span.day)[298] == 50
    assert {2, 3}.isdisjoint(slots[span.day == 88].tolist())
    assert (slots[span.day == 298] == 2).sum() == 2


def test_the_first_slot_of_a_week_is_mondays(climate: Climate):
    monday = 1_736_121_600  # 2025-01-06
    assert climate.span(monday // 1800, monday // 1800 + 1).slot[0] == 0


@pytest.mark.parametrize(
    ("hour", "second"), [(0.0, False), (0.5, True), (3.0, True), (7.0, True), (7.5, False), (12.0, False)]
)
def test_the_second_rate_runs_by_night(hour: float, second: bool):
    assert bool(Calendar().second_rate(np.array([NEW_YEAR_2025 + int(hour * 3600)]))[0]) is second


def test_the_second_rate_follows_summer_time():
    july = 1_751_328_000  # 2025-07-01 00:00 UTC is 01:00 in London
    assert bool(Calendar().second_rate(np.array([july - 1800]))[0])
    assert not bool(Calendar().second_rate(np.array([july + 6 * 3600 + 1800]))[0])


def test_rates_may_run_over_midnight():
    calendar = Calendar("UTC", Rates(second_from_s=22 * 3600, second_to_s=6 * 3600))
    assert calendar.second_rate(NEW_YEAR_2025 + 3600 * np.array([0, 5, 6, 21, 22, 23])).tolist() == [
        True, True, False, False, True, True,
    ]  # fmt: skip


def test_the_weather_is_british(climate: Climate):
    span = year(climate)
    by_day = span.temperature_c[: 365 * 48].reshape(365, 48).mean(1)
    assert 9 < by_day.mean() < 12
    assert by_day[180:210].mean() - by_day[:30].mean() > 9
    assert span.temperature_c.min() > -16
    assert span.temperature_c.max() < 36


def test_a_roof_yields_what_british_roofs_do(climate: Climate):
    span = year(climate)
    assert 850 < span.sun_kw.sum() / 2 < 1050
    assert span.sun_kw.max() < 1.0
    hours = (np.arange(span.first, span.last) % 48) / 2
    assert span.sun_kw[(hours < 3) | (hours > 22)].max() == 0
    by_month = span.sun_kw[: 365 * 48].reshape(365, 48).sum(1)
    assert by_month[150:210].mean() > 3 * by_month[:30].mean()


def test_spans_are_kept_but_few(climate: Climate):
    own = Climate(1)
    first = own.span(0, 48)
    assert own.span(0, 48) is first
    for start in range(20):
        own.span(start, start + 10)
    assert own.span(0, 48) is not first


def test_an_empty_span_is_lawful(climate: Climate):
    span = climate.span(1_000_000, 1_000_000)
    assert (len(span.slot), span.days) == (0, 0)
