"""Measured values of gas, heat, cooling and water by OBIS code: what C and D mean for the media beside electricity.

Source: OBIS (IEC 62056-6-1), value groups C to E for heat cost allocators, thermal energy, gas and water.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["MEDIUMS", "MEDIUM_VALUES"]

MEDIUMS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "abstract", 1: "electricity", 4: "heat cost allocator", 5: "cooling", 6: "heat", 7: "gas", 8: "cold water",
        9: "hot water", 15: "other medium",
    }
)  # fmt: skip

_THERMAL: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "energy", 2: "volume", 3: "mass", 4: "flow temperature", 5: "return temperature",
        6: "temperature difference", 7: "media pressure", 8: "power", 9: "flow rate", 10: "flow temperature",
        11: "return temperature", 12: "temperature difference", 13: "media pressure",
    }
)  # fmt: skip
_ALLOCATOR: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "unrated integral", 2: "rated integral", 3: "radiator surface temperature",
        4: "heating medium temperature", 5: "flow temperature", 6: "return temperature", 7: "room temperature",
    }
)  # fmt: skip
_WATER: Final[Mapping[int, str]] = MappingProxyType({1: "accumulated volume", 2: "flow rate", 3: "forward temperature"})
#: Gas counts in six ways (units of C from 1), at five places (tens of C); what is no count stands alone.
_GAS_WAYS: Final = (
    "forward undisturbed", "forward disturbed", "forward absolute", "reverse undisturbed", "reverse disturbed",
    "reverse absolute", "forward absolute of the encoder", "reverse absolute of the encoder",
)  # fmt: skip
_GAS_COUNTS: Final[Mapping[int, str]] = MappingProxyType(
    {0: "meter volume", 10: "converter volume", 20: "logger volume", 30: "energy", 60: "mass"}
)
_GAS: Final[Mapping[int, str]] = MappingProxyType(
    {
        **{
            tens + unit: f"{way} {count}"
            for tens, count in _GAS_COUNTS.items()
            for unit, way in enumerate(_GAS_WAYS if not tens else _GAS_WAYS[:6], 1)
        },
        41: "absolute temperature", 42: "absolute pressure", 43: "flow rate", 44: "velocity of gas", 45: "density",
        46: "relative density", 47: "gauge pressure", 48: "differential pressure", 49: "density of air",
        51: "correction factor", 52: "conversion factor", 53: "compressibility factor", 54: "superior calorific value",
        55: "gas law deviation coefficient", 70: "natural gas analysis",
    }
)  # fmt: skip
_PROCESSING: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "current value", 1: "periodical value", 2: "value at the set date", 3: "value at the billing date",
        4: "minimum", 5: "maximum", 6: "test value", 7: "instantaneous", 8: "time integral",
    }
)  # fmt: skip
_GAS_CONDITIONS: Final = ("at metering conditions", "corrected", "at base conditions")
_GAS_PERIODS: Final = (
    "measurement period 1", "last measurement period 1", "measurement period 2", "last measurement period 2",
    "measurement period 3", "last measurement period 3", "", "billing period", "last billing period",
)  # fmt: skip
GAS_BACKUP: Final = 3
GAS_DIFFERENCE: Final = 6  # from here on D counts periods, three conditions to each
_GAS_PROCESSING: Final[Mapping[int, str]] = MappingProxyType(
    {
        **{number: f"index {condition}" for number, condition in enumerate(_GAS_CONDITIONS)},
        **{
            GAS_DIFFERENCE + 3 * block + number: f"difference of the {period} {condition}"
            if period
            else f"historical index {condition}"
            for block, period in enumerate(_GAS_PERIODS)
            for number, condition in enumerate(_GAS_CONDITIONS)
        },
        GAS_BACKUP: "backup index",
    }
)


def _values(quantities: Mapping[int, str], processings: Mapping[int, str]) -> Callable[[int, int, int], str | None]:
    def value(quantity: int, processing: int, tariff: int) -> str | None:
        name = quantities.get(quantity)
        if name is None:
            return None
        how = processings.get(processing, f"processing {processing}")
        return f"{name}, {how}" + (f", tariff {tariff}" if tariff else "")

    return value


MEDIUM_VALUES: Final[Mapping[int, Callable[[int, int, int], str | None]]] = MappingProxyType(
    {
        4: _values(_ALLOCATOR, _PROCESSING), 5: _values(_THERMAL, _PROCESSING), 6: _values(_THERMAL, _PROCESSING),
        7: _values(_GAS, _GAS_PROCESSING), 8: _values(_WATER, _PROCESSING), 9: _values(_WATER, _PROCESSING),
    }
)  # fmt: skip
