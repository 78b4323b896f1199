"""What all homes of a neighbourhood share at one time: calendar, weather, sun, habits of the country.

A `Span` holds it as arrays over a range of capture intervals. Spans are kept (a few), since the meters of a fleet are
mostly asked for the same ranges. Figures: load facts sheet, sections 1 to 3.
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from meterworks.devices import ZoneTable, zone_table
from meterworks.world.errors import HouseholdError
from meterworks.world.noise import (
    AUTOREGRESSION_REACH,
    FloatArray,
    autoregressive,
    lane_normals,
    stream_key,
    words,
)

__all__ = ["DAY_S", "Calendar", "Climate", "Rates", "Span", "WeekShapes", "week_shapes"]

IntArray = npt.NDArray[np.int64]

DAY_S: Final = 86_400
INTERVALS_LAWFUL: Final = (900, 1800, 3600)
MONDAY: Final = 4  # 1970-01-05 was a Monday: days since then, modulo 7, are days of the week
SPANS_KEPT_MAX: Final = 6
# Mean of each hour of local time relative to the year's mean, London homes: winter and summer, Mon-Fri and Sat-Sun.
_HOURS: Final = {
    ("winter", "week"): (
        1.20, 1.04, 0.85, 0.74, 0.67, 0.69, 0.78, 0.99, 1.22, 1.18, 1.17, 1.15,
        1.16, 1.16, 1.16, 1.18, 1.32, 1.55, 1.71, 1.79, 1.72, 1.65, 1.49, 1.22,
    ),
    ("winter", "weekend"): (
        1.28, 1.10, 0.88, 0.75, 0.68, 0.67, 0.71, 0.76, 0.98, 1.20, 1.32, 1.36,
        1.41, 1.45, 1.39, 1.42, 1.48, 1.63, 1.78, 1.82, 1.74, 1.61, 1.45, 1.23,
    ),
    ("summer", "week"): (
        0.73, 0.69, 0.61, 0.52, 0.47, 0.48, 0.53, 0.68, 0.83, 0.83, 0.80, 0.80,
        0.80, 0.80, 0.76, 0.76, 0.83, 0.90, 0.97, 1.02, 1.03, 1.09, 1.08, 0.92,
    ),
    ("summer", "weekend"): (
        0.75, 0.71, 0.64, 0.53, 0.48, 0.47, 0.50, 0.57, 0.72, 0.85, 0.92, 0.95,
        0.98, 0.98, 0.92, 0.89, 0.91, 0.93, 0.97, 1.01, 1.03, 1.06, 1.05, 0.93,
    ),
}  # fmt: skip
# Mean of each month relative to the year's mean, and the day of the year it stands for.
_MONTHS: Final = (1.26, 1.21, 1.20, 1.01, 0.89, 0.82, 0.80, 0.78, 0.86, 0.94, 1.08, 1.17)
_MONTH_DAYS: Final = (15.5, 45, 74.5, 105, 135.5, 166, 196.5, 227.5, 258, 288.5, 319, 349.5)
_WINTER_LEVEL, _SUMMER_LEVEL = 1.22, 0.80
_CHRISTMAS_DAY: Final = 358  # of the year, from 0
_YEAR_DAYS: Final = 366
STANDBY_SHARE: Final = 0.19  # of the average home's energy
TEMPERATURE_MEAN_C, TEMPERATURE_SWING_C, TEMPERATURE_DAY_SWING_C = 10.6, 6.6, 3.2
_LATITUDE_DEG: Final = 51.5
_ROOF_TILT_DEG: Final = 35.0
_STREAM_WEATHER, _STREAM_CLOUD, _STREAM_SOCIETY = 11, 12, 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """When the second rate of the registers is in force: local seconds of the day, from inclusive to exclusive."""

    second_from_s: int = 30 * 60
    second_to_s: int = 7 * 3600 + 30 * 60


class Calendar:
    """Local time of a neighbourhood, and when the second rate is in force."""

    def __init__(self, zone: str = "Europe/London", rates: Rates | None = None) -> None:
        """zone: IANA name."""
        self.zone: ZoneTable = zone_table(zone)
        self.rates = rates or Rates()

    def second_of_day(self, epochs_s: IntArray) -> IntArray:
        """Give the seconds since local midnight as the clock on the wall shows them."""
        seconds: IntArray = (epochs_s + self.zone.offsets(epochs_s)[0]) % DAY_S
        return seconds

    def second_rate(self, epochs_s: IntArray) -> npt.NDArray[np.bool_]:
        """Tell for each instant whether the second rate is in force."""
        seconds = self.second_of_day(epochs_s)
        after, before = seconds >= self.rates.second_from_s, seconds < self.rates.second_to_s
        return after & before if self.rates.second_from_s <= self.rates.second_to_s else after | before


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeekShapes:
    """The average home's week without its standby, by slot from Monday 00:00 local time; each of mean 1."""

    winter: FloatArray
    summer: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Span:
    """The climate of the intervals first to last - 1 (an interval's index is its start divided by its length).

    Per interval (n,): slot (of the local week), day (index into the arrays per day), second_rate, temperature_c, sun_kw
    (yield of one kW peak on a good roof, clouds included). Per local day (days,): see below.
    """

    first: int
    last: int
    slot: npt.NDArray[np.intp]
    day: npt.NDArray[np.intp]
    second_rate: npt.NDArray[np.bool_]
    temperature_c: FloatArray
    sun_kw: FloatArray
    first_day: int  # local days since 1970
    days: int
    level: FloatArray  # (days,) of the month
    winter: FloatArray  # (days,) 0 in high summer .. 1 in mid-winter
    society: FloatArray  # (days,) what the whole country does that day: weather, feasts


class Climate:
    """Calendar and weather of one place. Made once per neighbourhood and interval length."""

    def __init__(self, seed: int, *, calendar: Calendar | None = None, interval_s: int = 1800) -> None:
        """Refuse an interval that meters do not have."""
        if interval_s not in INTERVALS_LAWFUL:
            raise HouseholdError(f"a capture period of {interval_s} s: 900, 1800 or 3600 are possible")
        self.seed = seed
        self.interval_s = interval_s
        self.slots_per_day = DAY_S // interval_s
        self.calendar = calendar or Calendar()
        self.shapes = week_shapes(self.slots_per_day)
        self._spans: OrderedDict[tuple[int, int], Span] = OrderedDict()

    def span(self, first: int, last: int) -> Span:
        """Give the climate of the intervals first to last - 1. The arrays are shared: do not change them."""
        span = self._spans.get((first, last))
        if span is None:
            span = self._make(first, last)
            self._spans[first, last] = span
            while len(self._spans) > SPANS_KEPT_MAX:
                self._spans.popitem(last=False)
        return span

    def _make(self, first: int, last: int) -> Span:
        start_s = np.arange(first, last, dtype=np.int64) * self.interval_s
        offset_s, _ = self.calendar.zone.offsets(start_s)
        local_s = start_s + offset_s
        local_day = local_s // DAY_S
        first_day = int(local_day[0]) if len(local_day) else 0
        days = int(local_day[-1]) - first_day + 1 if len(local_day) else 0
        second_of_day = local_s - local_day * DAY_S
        slot_of_day = second_of_day // self.interval_s
        day_of_week = (local_day - MONDAY) % 7
        year_day = _days_of_year(first_day, days)
        level = _month_levels()[year_day]
        return Span(
            first=first,
            last=last,
            slot=(day_of_week * self.slots_per_day + slot_of_day).astype(np.intp),
            day=(local_day - first_day).astype(np.intp),
            second_rate=self.calendar.second_rate(start_s),
            temperature_c=self._temperature(first_day, days, year_day, local_day, slot_of_day),
            sun_kw=self._sun(first, last, start_s),
            first_day=first_day,
            days=days,
            level=level,
            winter=np.clip((level - _SUMMER_LEVEL) / (_WINTER_LEVEL - _SUMMER_LEVEL), 0.0, 1.0),
            society=self._society(first_day, days, year_day),
        )

    def _daily_weather(self, first_day: int, last_day: int, lane: int, correlation: float) -> FloatArray:
        noise = words(stream_key(self.seed, _STREAM_WEATHER), first_day - AUTOREGRESSION_REACH, last_day)
        return autoregressive(lane_normals(noise, lane), correlation)

    def _temperature(
        self, first_day: int, days: int, year_day: IntArray, local_day: IntArray, slot_of_day: IntArray
    ) -> FloatArray:
        season = TEMPERATURE_MEAN_C + TEMPERATURE_SWING_C * _season()[year_day]
        daily = season + 2.6 * self._daily_weather(first_day, first_day + days, 0, 0.72)
        temperature: FloatArray = daily[local_day - first_day] + _day_swing(self.slots_per_day)[slot_of_day]
        return temperature

    def _society(self, first_day: int, days: int, year_day: IntArray) -> FloatArray:
        noise = words(stream_key(self.seed, _STREAM_SOCIETY), first_day, first_day + days)
        cold = -self._daily_weather(first_day, first_day + days, 0, 0.72)
        society = 1 + 0.03 * lane_normals(noise, 0) + 0.045 * cold
        society[year_day == _CHRISTMAS_DAY] *= 1.3
        return society

    def _sun(self, first: int, last: int, start_s: IntArray) -> FloatArray:
        day = start_s // DAY_S
        first_day = int(day[0]) if len(day) else 0
        days = int(day[-1]) - first_day + 1 if len(day) else 0
        # Clearness of the day: mostly fair or mostly dull, seldom in between.
        dull = self._daily_weather(first_day, first_day + days, 1, 0.35)
        daily = np.clip(0.58 + 0.26 * dull, 0.08, 0.95)
        noise = words(stream_key(self.seed, _STREAM_CLOUD), first - AUTOREGRESSION_REACH, last)
        cloud = autoregressive(lane_normals(noise, 0), 0.75)
        clearness = np.clip(daily[day - first_day] + 0.16 * cloud, 0.04, 1.0)
        clear = _clear_sky(self.slots_per_day)[_days_of_year(first_day, days)[day - first_day], _slots(start_s, self)]
        sun: FloatArray = clear * clearness
        return sun


def _slots(start_s: IntArray, climate: Climate) -> IntArray:
    slots: IntArray = start_s % DAY_S // climate.interval_s
    return slots


def _days_of_year(first_day: int, days: int) -> IntArray:
    dates = np.arange(first_day, first_day + days, dtype=np.int64).view("datetime64[D]")
    days_of_year: IntArray = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
    return days_of_year


@lru_cache(maxsize=8)
def week_shapes(slots_per_day: int) -> WeekShapes:
    """Give the average home's week in slots of this length."""

    def week(season: str) -> FloatArray:
        working, free = (_by_slot(_HOURS[season, kind], slots_per_day) for kind in ("week", "weekend"))
        shape = np.concatenate([working] * 5 + [free] * 2)
        active: FloatArray = shape / shape.mean() - STANDBY_SHARE
        active /= active.mean()
        return active

    return WeekShapes(winter=week("winter"), summer=week("summer"))


def _by_slot(hours: tuple[float, ...], slots_per_day: int) -> FloatArray:
    centres = np.arange(-1, 25) + 0.5
    values = (hours[-1], *hours, hours[0])
    values_by_slot: FloatArray = np.interp((np.arange(slots_per_day) + 0.5) * 24 / slots_per_day, centres, values)
    return values_by_slot


@lru_cache(maxsize=1)
def _month_levels() -> FloatArray:
    days = (_MONTH_DAYS[-1] - 365, *_MONTH_DAYS, _MONTH_DAYS[0] + 365)
    levels: FloatArray = np.interp(np.arange(_YEAR_DAYS) + 0.5, days, (_MONTHS[-1], *_MONTHS, _MONTHS[0]))
    return levels


@lru_cache(maxsize=1)
def _season() -> FloatArray:
    """Swing of the year, -1 late in January to 1 late in July."""
    season: FloatArray = -np.cos(2 * np.pi * (np.arange(_YEAR_DAYS) - 24) / 365.25)
    return season


@lru_cache(maxsize=8)
def _day_swing(slots_per_day: int) -> FloatArray:
    hours = (np.arange(slots_per_day) + 0.5) * 24 / slots_per_day
    swing: FloatArray = TEMPERATURE_DAY_SWING_C * np.cos(2 * np.pi * (hours - 15) / 24)
    return swing


@lru_cache(maxsize=8)
def _clear_sky(slots_per_day: int) -> FloatArray:
    """Yield (kW) of one kW peak, 35 degrees south, under a clear sky: (day of the year, slot of the UTC day)."""
    latitude, tilt = np.radians(_LATITUDE_DEG), np.radians(_ROOF_TILT_DEG)
    days = np.arange(_YEAR_DAYS)[:, None]
    hour_angle = (np.arange(slots_per_day) + 0.5) * 2 * np.pi / slots_per_day - np.pi
    declination = np.radians(23.45) * np.sin(2 * np.pi * (284 + days + 1) / 365)
    height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
    # A plane tilted to the south sees the sun as a horizontal one so much nearer to the equator would.
    incidence = np.sin(latitude - tilt) * np.sin(declination) + np.cos(latitude - tilt) * np.cos(declination) * np.cos(
        hour_angle
    )
    above = np.clip(height, 0.0, None)
    beam = np.where(height > 0.01, 920 * np.exp(-0.14 / np.maximum(above, 0.02)), 0.0)
    irradiance = beam * np.clip(incidence, 0.0, None) + 115 * above**0.6
    kilowatts: FloatArray = irradiance / 1000 * 0.86
    return kilowatts
