"""The true load and generation of one home, in Wh per interval, for any range of intervals.

Ordinary load: standby, plus the average home's week bent by the home's own habits, times the season, times what kind
of day it is (slow and fast autoregressive factors, absences), times an autoregressive half-hour factor with a long
tail that flattens out at the home's largest power. Cars, heat pumps and roofs are added where the home has them.
Every value depends on the seed and its own place in time only, so a part of the history equals the part of the whole.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from meterworks.world.climate import Climate, Span
from meterworks.world.household import ElectricCar, HeatPump, Household, Photovoltaics
from meterworks.world.noise import (
    AUTOREGRESSION_REACH,
    FloatArray,
    autoregressive,
    lane_normals,
    lane_uniforms,
    stream_key,
    words,
)

__all__ = ["Demand", "home_demand"]

HOUR_S: Final = 3600
YEAR_H: Final = 8766
(
    _INTERVAL_NOISE, _DAY_NOISE, _WEEK_NOISE, _HABIT, _ABSENCE, _CAR, _CAR_ENERGY, _IMMERSION, _NETTING,
) = range(21, 30)  # fmt: skip
HABIT_SLOTS: Final = 48
FORTNIGHT_DAYS: Final = 14
ABSENCE_DAYS_MAX: Final = 12
AWAY_SHARE: Final = 0.04  # of the active load that runs on in an empty home
# The half-hour factor by its standard normal value, in steps of 1/100 from -5.12 on.
FACTOR_STEPS: Final = 1024
_FACTOR_NORMALS: Final[FloatArray] = (np.arange(FACTOR_STEPS) - FACTOR_STEPS // 2) / 100
_FACTOR_WEIGHTS: Final[FloatArray] = np.exp(-(_FACTOR_NORMALS**2) / 2)
HALF_HOUR_S: Final = 1800
TABLES_KEPT_MAX: Final = 256  # homes whose tables are kept, the same home being asked several things in a row
# Plug-in hours of cars at home: share of the charges that begin in each hour from 12 to 23.
_PLUG_IN_SHARES: Final = (0.04, 0.05, 0.09, 0.12, 0.15, 0.11, 0.10, 0.11, 0.09, 0.06, 0.05, 0.03)
_PLUG_IN_FIRST_HOUR: Final = 12
_NIGHT_START_H: Final = 24.5  # 00:30 of the next day
CAR_SPREAD: Final = 0.8
CAR_HOURS_MAX: Final = 10
HEATING_BASE_C: Final = 15.5
HEAT_PUMP_KW_MAX: Final = 4.0
IMMERSION_KW: Final = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """True energies of each interval in Wh and varh; export and reactive arrays are None where always zero."""

    load_wh: FloatArray
    import_wh: FloatArray
    export_wh: FloatArray | None
    import_varh: FloatArray
    export_varh: FloatArray


def home_demand(household: Household, climate: Climate, first: int, last: int) -> Demand:
    """Compute the energies of the intervals first to last - 1."""
    span = climate.span(first, last)
    hours = climate.interval_s / HOUR_S
    noise = words(stream_key(household.seed, _INTERVAL_NOISE, climate.interval_s), first - AUTOREGRESSION_REACH, last)
    load_wh = _ordinary_load(household, climate, span, noise) * hours
    if household.heat_pump is not None:
        load_wh += _heating(household.heat_pump, household.seed, climate, span, noise) * hours
    if household.car is not None:
        load_wh += _charging(household.car, household.seed, climate, span)
    reactive = (0.6 + 0.8 * lane_uniforms(noise[AUTOREGRESSION_REACH:], 1)) * household.reactive_share
    varh = load_wh * reactive - household.capacitive_va * hours
    import_varh, export_varh = np.maximum(varh, 0.0), np.maximum(-varh, 0.0)
    if household.pv is None:
        return Demand(load_wh, load_wh, None, import_varh, export_varh)
    generation_wh = _generation(household.pv, span) * hours
    import_wh, export_wh = _netted(load_wh, generation_wh)
    return Demand(load_wh, import_wh, export_wh, import_varh, export_varh)


def _ordinary_load(household: Household, climate: Climate, span: Span, noise: np.ndarray) -> FloatArray:
    """Power in W."""
    mean_w = household.kwh_per_year * 1000 / YEAR_H
    correlation = household.correlation ** (climate.interval_s / HALF_HOUR_S)
    normal = autoregressive(lane_normals(noise, 0), correlation)
    normal *= 100.0
    normal += FACTOR_STEPS / 2
    factor = _factors(household).take(normal.astype(np.intp), mode="clip")
    level, at_home = _days(household, span)
    standby_w = household.standby_share * mean_w
    active_w = mean_w - standby_w
    winter, winter_less_summer = _week(household, climate)
    # (winter shape x winter share + summer shape x rest) x level of the day, with per-day factors gathered once.
    load_w = winter.take(span.slot) * (active_w * level).take(span.day)
    load_w -= winter_less_summer.take(span.slot) * (active_w * level * (1 - span.winter)).take(span.day)
    load_w *= factor
    load_w += (standby_w * (at_home if household.empty_when_away else np.ones(span.days))).take(span.day)
    # A smooth limit, x / (1 + (x/m)^4)^(1/4), by square roots: these are exact to the last bit everywhere.
    limit = load_w * (1 / (household.power_max_kw * 1000))
    limit *= limit
    limit *= limit
    limit += 1.0
    load_w /= np.sqrt(np.sqrt(limit))
    return load_w


@lru_cache(maxsize=TABLES_KEPT_MAX)
def _factors(household: Household) -> FloatArray:
    """Give the table of half-hour factors: log-normal, of mean 1."""
    raw = np.exp(household.spread * _FACTOR_NORMALS)
    factors: FloatArray = raw * (_FACTOR_WEIGHTS.sum() / (raw * _FACTOR_WEIGHTS).sum())
    return factors


@lru_cache(maxsize=TABLES_KEPT_MAX)
def _week(household: Household, climate: Climate) -> tuple[FloatArray, FloatArray]:
    """Give the home's winter week by slot, and by how much the summer week is less."""
    white = lane_normals(words(stream_key(household.seed, _HABIT), 0, HABIT_SLOTS + 2), 0)
    smooth = (white[:-2] + white[1:-1] + white[2:]) * 3**-0.5
    habit = np.exp(household.habit * smooth)
    slots = climate.slots_per_day
    if slots != HABIT_SLOTS:
        habit = np.interp((np.arange(slots) + 0.5) / slots, (np.arange(HABIT_SLOTS) + 0.5) / HABIT_SLOTS, habit)
    factor = np.concatenate([np.tile(habit, 5), np.tile(habit * household.weekend_factor, 2)])
    winter, summer = climate.shapes.winter * factor, climate.shapes.summer * factor
    winter /= winter.mean()
    summer /= summer.mean()
    return winter, winter - summer


def _days(household: Household, span: Span) -> tuple[FloatArray, FloatArray]:
    """Give the level of each day's active load, and whether anybody is at home (1 or 0)."""
    first, last = span.first_day, span.first_day + span.days
    season = np.maximum(1 + (span.level - 1) * household.seasonality, 0.3)
    noise = words(stream_key(household.seed, _DAY_NOISE), first - AUTOREGRESSION_REACH, last)
    fast = autoregressive(lane_normals(noise, 0), 0.35)
    # The slow factor is made by week and drawn out straight between: weeks in a row resemble each other.
    week, last_week = first // 7, (last - 1) // 7 + 2
    noise = words(stream_key(household.seed, _WEEK_NOISE), week - AUTOREGRESSION_REACH, last_week)
    weekly = autoregressive(lane_normals(noise, 0), 0.88)
    days = np.arange(first, last)
    index, part = days // 7 - week, days % 7 / 7.0
    slow = weekly[index] * (1 - part) + weekly[index + 1] * part
    factor = _exponentials(household.day_spread * fast + household.week_spread * slow)
    at_home = 1.0 - _away(household, first, last)
    left_running = 0.0 if household.empty_when_away else AWAY_SHARE
    return season * factor * span.society * (at_home * (1 - left_running) + left_running), at_home


def _exponentials(logarithms: FloatArray) -> FloatArray:
    """Give exponentials from a table in steps of 1/256: the same on every processor, for any length of array."""
    return _EXPONENTIALS.take(((logarithms + 4.0) * 256.0).astype(np.intp), mode="clip")


_EXPONENTIALS: Final[FloatArray] = np.exp(np.arange(-1024, 1025) / 256)


def _away(household: Household, first_day: int, last_day: int) -> FloatArray:
    """Give 1 for each day of absence. One may begin in each fortnight and reach into the next."""
    fortnight, last_fortnight = first_day // FORTNIGHT_DAYS - 1, (last_day - 1) // FORTNIGHT_DAYS + 1
    noise = words(stream_key(household.seed, _ABSENCE), fortnight, last_fortnight)
    leaves = lane_uniforms(noise, 0) < household.absences_per_fortnight
    start = np.arange(fortnight, last_fortnight) * FORTNIGHT_DAYS + (lane_uniforms(noise, 1) * FORTNIGHT_DAYS).astype(
        np.int64
    )
    length = 2 + (lane_uniforms(noise, 2) * (ABSENCE_DAYS_MAX - 1)).astype(np.int64)
    away = np.zeros(last_day - first_day)
    for begin, size in zip(start[leaves].tolist(), length[leaves].tolist(), strict=True):
        away[max(begin - first_day, 0) : max(begin + size - first_day, 0)] = 1.0
    return away


def _heating(heat_pump: HeatPump, seed: int, climate: Climate, span: Span, noise: np.ndarray) -> FloatArray:
    """Power in W of a heat pump: the house's loss over the seasonal factor of the hour, hot water, a weekly boost."""
    missing_k = np.maximum(HEATING_BASE_C - span.temperature_c, 0.0)
    factor = np.clip(2.55 + 0.075 * span.temperature_c, 1.6, 4.2)
    cycling = 0.75 + 0.5 * lane_uniforms(noise[AUTOREGRESSION_REACH:], 2)
    power_kw = np.minimum(heat_pump.loss_kw_per_k * missing_k / factor * cycling, HEAT_PUMP_KW_MAX)
    slot_of_day = span.slot % climate.slots_per_day
    hour = np.arange(climate.slots_per_day) * climate.interval_s / HOUR_S
    tank = ((hour >= 4.5) & (hour < 6.5)) | ((hour >= 13) & (hour < 15))
    power_kw += (np.where(tank, heat_pump.hot_water_kwh / 4.0, 0.0)).take(slot_of_day)
    boost_day = int(lane_uniforms(words(stream_key(seed, _IMMERSION), 0, 1), 0)[0] * 7)
    boost = ((span.first_day + np.arange(span.days)) % 7 == boost_day).take(span.day) & (slot_of_day == 0)
    power_kw += boost * (IMMERSION_KW * min(1.0, HOUR_S / climate.interval_s))
    return power_kw * 1000


def _charging(car: ElectricCar, seed: int, climate: Climate, span: Span) -> FloatArray:
    """Energy in Wh of a car's charges: each starts on one local day and runs at full power until the energy is in."""
    first_day, days = span.first_day - 1, span.days + 1  # a charge of the evening before reaches into the first day
    noise = words(stream_key(seed, _CAR), first_day, first_day + days)
    charges = (lane_uniforms(noise, 0) < car.charges_per_day).nonzero()[0]
    energy_kwh = car.energy_median_kwh * _exponentials(CAR_SPREAD * lane_normals(noise, 1)[charges])
    hours = np.minimum(energy_kwh / car.power_kw, CAR_HOURS_MAX)
    part = lane_uniforms(noise, 2)[charges]
    if car.night:
        start_h = _NIGHT_START_H + 0.25 * part
    else:
        ends = np.cumsum(_PLUG_IN_SHARES)
        start_h = (
            _PLUG_IN_FIRST_HOUR + ends.searchsorted(part * ends[-1], side="right") + lane_uniforms(noise, 3)[charges]
        )
    # Reckoned within each charge's own day, so that the sums do not depend on where the span begins.
    slot_h = climate.interval_s / HOUR_S
    reach = int(CAR_HOURS_MAX / slot_h) + 2
    slots = (start_h / slot_h).astype(np.int64)[:, None] + np.arange(reach)
    inside_h = np.minimum((start_h + hours)[:, None], (slots + 1) * slot_h) - np.maximum(
        start_h[:, None], slots * slot_h
    )
    energy_wh = np.maximum(inside_h, 0.0) * (car.power_kw * 1000)
    slots += charges[:, None] * climate.slots_per_day  # every local day counts the same number of slots
    by_slot = np.bincount(slots.ravel(), energy_wh.ravel(), (days + 2) * climate.slots_per_day)
    charging = by_slot.astype(np.float64).take(
        (span.day + 1) * climate.slots_per_day + span.slot % climate.slots_per_day
    )
    return charging


def _generation(pv: Photovoltaics, span: Span) -> FloatArray:
    """Power in W at the inverter's terminals."""
    return np.minimum(span.sun_kw * (pv.peak_kw * pv.yield_share), pv.inverter_kw) * 1000


def _netted(load_wh: FloatArray, generation_wh: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give import and export: within an interval load and sun both waver, so both directions may see energy."""
    net = load_wh - generation_wh
    wavering = 0.35 * np.minimum(load_wh, generation_wh)
    import_wh = 0.5 * (net + np.sqrt(net * net + wavering * wavering))
    return import_wh, np.maximum(import_wh - net, 0.0)
