"""The true load of homes: reproducible in parts, and like that of real ones."""

import numpy as np
import pytest

from meterworks.errors import UsageError
from meterworks.world import Climate, HouseholdKind, draw_household
from meterworks.world.demand import home_demand

NEW_YEAR_2024 = 1_704_067_200
SLOTS_2025 = range(1_735_689_600 // 1800, 1_735_689_600 // 1800 + 17_520)
HOMES = 212  # as many as the measured ones whose figures are the targets


def demand_of(number: int, kind: HouseholdKind, climate: Climate, slots: range = SLOTS_2025):
    return home_demand(draw_household(7, number, kind), climate, slots.start, slots.stop)


@pytest.mark.parametrize("kind", HouseholdKind)
@pytest.mark.parametrize("interval_s", [900, 1800, 3600])
def test_a_part_of_the_history_equals_the_part_of_the_whole(kind: HouseholdKind, interval_s: int):
    climate = Climate(7, interval_s=interval_s)
    first = NEW_YEAR_2024 // interval_s
    whole = demand_of(3, kind, climate, range(first, first + 9_000))
    for low, high in [(0, 1), (1, 50), (47, 49), (4_000, 4_001), (8_123, 9_000), (300, 7_777)]:
        part = demand_of(3, kind, climate, range(first + low, first + high))
        for name in ("load_wh", "import_wh", "import_varh", "export_varh"):
            assert np.array_equal(getattr(part, name), getattr(whole, name)[low:high]), (name, low, high)
        if whole.export_wh is not None and part.export_wh is not None:
            assert np.array_equal(part.export_wh, whole.export_wh[low:high])


@pytest.mark.parametrize("kind", HouseholdKind)
def test_energies_are_never_negative(kind: HouseholdKind, climate: Climate):
    for number in range(10):
        demand = demand_of(number, kind, climate)
        for energy in (demand.load_wh, demand.import_wh, demand.export_wh, demand.import_varh, demand.export_varh):
            assert energy is None or float(energy.min()) >= 0


@pytest.mark.parametrize("kind", HouseholdKind)
def test_a_home_has_what_its_kind_says(kind: HouseholdKind):
    household = draw_household(7, 5, kind)
    assert household.kind is kind
    assert (household.pv is None, household.car is None, household.heat_pump is None) == (
        "pv" not in kind, "ev" not in kind, "heat-pump" not in kind,
    )  # fmt: skip


def test_a_home_is_the_same_whenever_drawn_and_unlike_its_neighbour():
    assert draw_household(7, 5) == draw_household(7, 5)
    assert draw_household(7, 5) != draw_household(7, 6)
    assert draw_household(7, 5) != draw_household(8, 5)


def test_an_impossible_home_is_refused():
    from dataclasses import replace

    with pytest.raises(UsageError, match="kWh a year"):
        replace(draw_household(1, 1), kwh_per_year=-1.0)


@pytest.fixture(scope="module")
def year_wh(climate: Climate) -> np.ndarray:
    return np.array([demand_of(number, HouseholdKind.PLAIN, climate).load_wh for number in range(HOMES)])


def correlations(series: np.ndarray, lag: int) -> np.ndarray:
    return np.array([np.corrcoef(row[:-lag], row[lag:])[0, 1] for row in series])


def test_energy_per_year_spreads_as_measured(year_wh: np.ndarray):
    kwh = np.percentile(year_wh.sum(1) / 1000, [5, 25, 50, 75, 95])
    assert np.abs(kwh / [1070, 2092, 3195, 4693, 9011] - 1).max() < 0.15
    assert abs(year_wh.sum(1).mean() / 1000 / 3804 - 1) < 0.08


def test_half_hours_spread_as_measured(year_wh: np.ndarray):
    mean, deviation = year_wh.mean(1, keepdims=True), year_wh.std(1, keepdims=True)
    skewness = (((year_wh - mean) / deviation) ** 3).mean(1)
    assert abs(np.median(deviation / mean) - 0.97) < 0.1
    assert abs(np.median(skewness) - 3.0) < 0.6
    assert abs(np.median(mean.ravel() / year_wh.max(1)) - 0.09) < 0.02
    standby = np.percentile(np.percentile(year_wh, 5, 1), [10, 50, 90])
    assert np.abs(np.log(standby / [8, 43, 112])).max() < 0.6
    largest_kw = np.percentile(year_wh.max(1) / 500, [10, 50, 90])
    assert np.abs(np.log(largest_kw / [2.1, 4.0, 7.2])).max() < 0.15
    assert year_wh.max() / 500 < 15


@pytest.mark.parametrize(("lag", "target"), [(1, 0.63), (48, 0.33), (336, 0.32)])
def test_half_hours_resemble_their_past_as_measured(year_wh: np.ndarray, lag: int, target: float):
    assert abs(np.median(correlations(year_wh, lag)) - target) < 0.08


@pytest.mark.parametrize(("lag", "target"), [(1, 0.52), (7, 0.41)])
def test_days_resemble_their_past_as_measured(year_wh: np.ndarray, lag: int, target: float):
    daily = year_wh.reshape(HOMES, 365, 48).sum(2)
    assert abs(np.median(correlations(daily, lag)) - target) < 0.1


def test_months_follow_the_measured_year(year_wh: np.ndarray):
    share = (year_wh / year_wh.mean(1, keepdims=True)).mean(0).reshape(365, 48).mean(1)
    edges = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    months = [share[edges[month] : edges[month + 1]].mean() for month in range(12)]
    target = [1.26, 1.21, 1.20, 1.01, 0.89, 0.82, 0.80, 0.78, 0.86, 0.94, 1.08, 1.17]
    assert np.abs(np.array(months) - target).max() < 0.12


def test_the_day_has_its_evening(year_wh: np.ndarray):
    january = (year_wh / year_wh.mean(1, keepdims=True)).mean(0)[: 31 * 48].reshape(31, 48).mean(0)
    assert 35 <= int(january.argmax()) <= 41
    assert 7 <= int(january.argmin()) <= 11
    assert january.max() / january.min() > 2.2


@pytest.mark.parametrize(("homes", "kilowatts"), [(2, 2.9), (10, 1.8), (50, 1.1), (200, 0.95)])
def test_homes_together_peak_lower(year_wh: np.ndarray, homes: int, kilowatts: float):
    rng = np.random.default_rng(3)
    peaks = [year_wh[rng.choice(HOMES, homes, replace=False)].mean(0).max() / 500 for _ in range(30)]
    assert abs(np.mean(peaks) / kilowatts - 1) < 0.2


def test_some_homes_stand_empty(climate: Climate):
    demands = [demand_of(number, HouseholdKind.PLAIN, climate).load_wh for number in range(400)]
    zero_share = np.array([(demand < 0.5).mean() for demand in demands])
    assert 3 <= (zero_share > 0.1).sum() <= 35


def test_cars_take_what_cars_take(climate: Climate):
    kwh = []
    for number in range(60):
        with_car, without = (
            demand_of(number, kind, climate).load_wh for kind in (HouseholdKind.EV, HouseholdKind.PLAIN)
        )
        charging = with_car - without
        kwh.append(charging.sum() / 1000)
        assert charging.max() <= 3_700 + 1e-6
    assert 1_200 < np.mean(kwh) < 2_800  # 38 kWh a week


def test_heat_pumps_follow_the_weather(climate: Climate):
    warm, cold = 0.0, 0.0
    for number in range(20):
        heating = (
            demand_of(number, HouseholdKind.HEAT_PUMP, climate).load_wh
            - demand_of(number, HouseholdKind.PLAIN, climate).load_wh
        )
        cold += heating[: 48 * 31].sum()
        warm += heating[48 * 181 : 48 * 212].sum()
        assert heating.max() / 500 < 10
    assert 20 * 300_000 < cold < 20 * 1_400_000
    assert cold > 4 * warm


@pytest.mark.parametrize("kind", [HouseholdKind.PV, HouseholdKind.PV_EV])
def test_roofs_export_what_the_home_does_not_take(kind: HouseholdKind, climate: Climate):
    for number in range(10):
        demand = demand_of(number, kind, climate)
        assert demand.export_wh is not None
        generated = demand.export_wh + demand.load_wh - demand.import_wh
        assert generated.min() > -1e-6
        assert generated.max() <= 3_680 / 2 + 1e-6
        assert demand.export_wh.sum() > 0


def test_reactive_energy_is_as_measured(climate: Climate):
    shares = []
    for number in range(60):
        demand = demand_of(number, HouseholdKind.PLAIN, climate)
        shares.append(demand.import_varh.sum() / demand.load_wh.sum())
    assert 0.07 < np.mean(shares) < 0.16
