"""Who lives behind a meter: the parameters of one home's load, drawn from the neighbourhood's seed.

The distributions are those of 212 London homes (kWh a year, spread and length of memory of half-hours) and of published
figures for photovoltaics, electric cars and heat pumps; a test compares what the load makes of them with its targets.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from meterworks.world.errors import HouseholdError
from meterworks.world.noise import stream_key

__all__ = ["ElectricCar", "HeatPump", "Household", "HouseholdKind", "Photovoltaics", "draw_household"]


class HouseholdKind(StrEnum):
    """What a home has beside its ordinary load."""

    PLAIN = "plain"
    PV = "pv"
    EV = "ev"
    HEAT_PUMP = "heat-pump"
    PV_EV = "pv+ev"
    PV_HEAT_PUMP = "pv+heat-pump"


@dataclass(frozen=True, slots=True, kw_only=True)
class Photovoltaics:
    """A roof: peak power, share of the yield of a good south roof, limit of the inverter."""

    peak_kw: float
    yield_share: float
    inverter_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectricCar:
    """A car charged at home: power, chance of a charge a day, typical energy; `night` waits for the cheap rate."""

    power_kw: float
    charges_per_day: float
    energy_median_kwh: float
    night: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatPump:
    """A heat pump: heat loss of the house, hot water a day (electric)."""

    loss_kw_per_k: float
    hot_water_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """The parameters of one home's load; `seed` is the key of all its noise."""

    seed: int
    kwh_per_year: float  # of the ordinary load, without car and heat pump
    standby_share: float  # of the ordinary load
    spread: float  # sigma of the half-hours' logarithm
    power_max_kw: float  # the ordinary load flattens out at it
    correlation: float  # of neighbouring half-hours
    habit: float  # how far the home's own day differs from the average day
    weekend_factor: float
    seasonality: float  # 1: the average home's swing over the year
    day_spread: float
    week_spread: float
    absences_per_fortnight: float
    empty_when_away: bool  # nothing at all runs when nobody is there
    reactive_share: float  # varh per Wh of the load
    capacitive_va: float  # of filters and chargers, all day
    pv: Photovoltaics | None = None
    car: ElectricCar | None = None
    heat_pump: HeatPump | None = None

    def __post_init__(self) -> None:
        """Refuse what would make the load negative or endless."""
        if self.kwh_per_year < 0 or not 0 <= self.standby_share <= 1 or not 0 <= self.correlation < 1:
            raise HouseholdError(f"a home of {self.kwh_per_year} kWh a year, standby share {self.standby_share}")

    @property
    def kind(self) -> HouseholdKind:
        """What the home has."""
        names = [name for name, thing in (("pv", self.pv), ("ev", self.car), ("heat-pump", self.heat_pump)) if thing]
        return HouseholdKind("+".join(names) or "plain")


# Shares of the homes that use less than so many kWh a year.
_KWH_SHARES: Final = (0.0, 0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 1.0)
_KWH_LOGARITHMS: Final = tuple(np.log((430, 650, 1140, 1500, 2200, 3330, 4880, 7200, 9300, 12_500, 16_000)).tolist())
_KWH_MEDIAN: Final = 3195
_STREAM: Final = 1


def draw_household(seed: int, number: int, kind: HouseholdKind = HouseholdKind.PLAIN) -> Household:
    """Draw home `number` of the neighbourhood with this seed; the same numbers give the same home for ever."""
    key = stream_key(seed, number, _STREAM)
    chance = np.random.Generator(np.random.Philox(key=key))
    share, away = chance.random(), chance.random()
    normals: list[float] = chance.standard_normal(12).tolist()
    kwh = float(np.exp(np.interp(share, _KWH_SHARES, _KWH_LOGARITHMS)))
    size = kwh / _KWH_MEDIAN
    vacant = away < 1 / 28

    def around(median: float, sigma: float, index: int, low: float, high: float) -> float:
        return float(np.clip(median * np.exp(sigma * normals[index]), low, high))

    return Household(
        seed=stream_key(key, 2),
        kwh_per_year=kwh,
        standby_share=around(0.19, 0.55, 0, 0.03, 0.7),
        spread=around(0.71 * size**-0.08, 0.32, 1, 0.35, 1.8),
        power_max_kw=around(4.5 * size**0.45, 0.3, 2, 1.2, 13.0),
        correlation=float(np.clip(0.645 + 0.11 * normals[3], 0.2, 0.85)),
        habit=around(0.5, 0.45, 4, 0.0, 1.1),
        weekend_factor=around(1.0, 0.13, 5, 0.6, 1.6),
        seasonality=max(-0.2, 1.05 + 0.75 * normals[6]),
        day_spread=around(0.13, 0.5, 7, 0.03, 0.5),
        week_spread=around(0.24, 0.45, 8, 0.03, 0.6),
        absences_per_fortnight=0.7 if vacant else 0.075,
        empty_when_away=vacant,
        reactive_share=around(0.16, 0.35, 9, 0.03, 0.4),
        capacitive_va=around(22.0, 0.5, 10, 3.0, 80.0),
        pv=_draw_pv(chance) if "pv" in kind else None,
        car=_draw_car(chance) if "ev" in kind else None,
        heat_pump=_draw_heat_pump(chance) if "heat-pump" in kind else None,
    )


def _draw_pv(chance: np.random.Generator) -> Photovoltaics:
    faulty = chance.random() < 0.06  # a string failed, or shaded: such arrays stand in every measured set
    return Photovoltaics(
        peak_kw=round(float(chance.uniform(1.8, 6.0)), 1),
        yield_share=float(chance.uniform(0.78, 1.02)) * (0.45 if faulty else 1.0),
        inverter_kw=3.68,
    )


def _draw_car(chance: np.random.Generator) -> ElectricCar:
    return ElectricCar(
        power_kw=float(chance.choice((3.6, 7.4, 7.4, 7.4))),
        charges_per_day=float(np.clip(chance.normal(0.36, 0.12), 0.08, 0.9)),
        energy_median_kwh=float(np.clip(9.1 * np.exp(0.3 * chance.standard_normal()), 4.0, 18.0)),
        night=bool(chance.random() < 0.45),
    )


def _draw_heat_pump(chance: np.random.Generator) -> HeatPump:
    return HeatPump(loss_kw_per_k=float(chance.uniform(0.10, 0.26)), hot_water_kwh=float(chance.uniform(1.2, 3.2)))
