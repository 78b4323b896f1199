"""Measured values of electricity by OBIS code: what C, D and E mean where A is 1.

Source: OBIS (IEC 62056-6-1), value groups C to E for electricity; fact sheet section 8.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["electricity_value"]

#: C of the sum of all phases; phases L1, L2, L3 follow at 20, 40 and 60 above it.
_QUANTITIES: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "active power import", 2: "active power export", 3: "reactive power import", 4: "reactive power export",
        5: "reactive power quadrant I", 6: "reactive power quadrant II", 7: "reactive power quadrant III",
        8: "reactive power quadrant IV", 9: "apparent power import", 10: "apparent power export", 11: "current",
        12: "voltage", 13: "power factor", 14: "supply frequency", 15: "active power, import and export added",
        16: "active power, import less export", 17: "active power quadrant I", 18: "active power quadrant II",
        19: "active power quadrant III", 20: "active power quadrant IV",
    }
)  # fmt: skip
_OTHERS: Final[Mapping[int, str]] = MappingProxyType(
    {
        81: "angles", 82: "pulses or units", 83: "transformer and line losses", 84: "power factor export",
        85: "power factor L1 export", 86: "power factor L2 export", 87: "power factor L3 export",
        88: "squared current hours", 89: "squared voltage hours", 90: "current, sum of phases",
        91: "current in neutral", 92: "voltage of neutral", 124: "voltage L1 to L2", 125: "voltage L2 to L3",
        126: "voltage L3 to L1",
    }
)  # fmt: skip
PHASE_STEP: Final = 20
PHASED_MAX: Final = 80
#: Of the processing D: what it says beside the quantity. Sags, swells and under limits are counted, timed, measured.
_PROCESSING: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "billing period average", 1: "cumulative minimum", 2: "cumulative maximum", 3: "minimum",
        4: "current average", 5: "last average", 6: "maximum", 7: "instantaneous", 8: "total", 9: "this billing period",
        10: "time integral 3", 11: "cumulative minimum 2", 12: "cumulative maximum 2", 13: "minimum 2",
        14: "current average 2", 15: "last average 2", 16: "maximum 2", 17: "time integral 7", 18: "time integral 8",
        19: "time integral 9", 20: "time integral 10", 21: "cumulative minimum 3", 22: "cumulative maximum 3",
        23: "minimum 3", 24: "current average 3", 25: "last average 3", 26: "maximum 3", 27: "current average 5",
        28: "current average 6", 29: "last interval", 30: "test interval", 31: "under limit threshold",
        32: "number of sags", 33: "duration of sags", 34: "magnitude of sags", 35: "over limit threshold",
        36: "number of swells", 37: "duration of swells", 38: "magnitude of swells", 39: "missing threshold",
        40: "number of missings", 41: "duration of missings", 42: "magnitude of missings", 43: "sag time threshold",
        44: "swell time threshold", 45: "missing time threshold", 46: "contracted value",
        49: "average value for period 1", 50: "average value for period 2", 51: "minimum for period 1",
        52: "minimum for period 2", 53: "maximum for period 1", 54: "maximum for period 2",
        55: "test average", 56: "current average 4", 58: "time integral 4",
    }
)  # fmt: skip
_ENERGY: Final = frozenset({8, 9, 10, 17, 18, 19, 20, 29, 30, 58})  # time integrals: power becomes energy
INSTANTANEOUS: Final = 7
_DISTORTION: Final[Mapping[int, str]] = MappingProxyType(
    {124: "total harmonic distortion", 125: "total demand distortion", 126: "all harmonics", 127: "all harmonics"}
)
HARMONIC_MAX: Final = 120
_HARMONIC_OTHERS: Final = frozenset({90, 91, 92, 124, 125, 126})
_GENERAL: Final[Mapping[tuple[int, int], str]] = MappingProxyType(
    {
        (2, 0): "current ratio of the transformer", (3, 0): "voltage ratio of the transformer",
        (4, 2): "current transformer ratio", (4, 3): "voltage transformer ratio", (6, 0): "nominal voltage",
        (6, 1): "basic current", (6, 2): "nominal frequency", (6, 3): "maximum current",
    }
)  # fmt: skip
GENERAL_GROUP: Final = 0
ANGLE_GROUP: Final = 81
_PHASES: Final = ("voltage L1", "voltage L2", "voltage L3", "", "current L1", "current L2", "current L3", "")


def electricity_value(quantity: int, processing: int, tariff: int) -> str | None:
    """Give the name of a measured value, from C, D and E; None where C or D is not standardised."""
    if quantity == GENERAL_GROUP:
        known = _GENERAL.get((processing, tariff))
        return known if known else f"general object {processing}.{tariff}"
    name = _quantity(quantity)
    how = _PROCESSING.get(processing)
    if name is None or how is None:
        return None
    if quantity == ANGLE_GROUP and processing == INSTANTANEOUS:
        return _angle(tariff)
    if processing in _ENERGY:
        name = name.replace(" power", " energy")
    if processing == INSTANTANEOUS:
        return f"{name}{_harmonic(tariff)}, instantaneous"
    return f"{name}, {how}{_harmonic(tariff) if _has_harmonics(quantity) else _rate(tariff)}"


def _quantity(quantity: int) -> str | None:
    if quantity in _OTHERS:
        return _OTHERS[quantity]
    if quantity > PHASED_MAX:
        return None
    phase, index = divmod(quantity - 1, PHASE_STEP)
    name = _QUANTITIES[index + 1]
    return f"{name} L{phase}" if phase else name


def _has_harmonics(quantity: int) -> bool:
    """Voltages and currents have no tariffs: their E counts harmonics, whatever the processing."""
    return quantity in _HARMONIC_OTHERS or (quantity <= PHASED_MAX and (quantity - 1) % PHASE_STEP + 1 in (11, 12))


def _rate(tariff: int) -> str:
    return f", tariff {tariff}" if 1 <= tariff <= 63 else "" if not tariff else f" ({tariff})"


def _harmonic(part: int) -> str:
    if not part:
        return ""
    return f", {_DISTORTION[part]}" if part in _DISTORTION else f", harmonic {part}" if part <= HARMONIC_MAX else ""


def _angle(part: int) -> str:
    """E is two decimal digits: the angle from the second to the first."""
    to, from_ = divmod(part, 10)
    names = (_PHASES[to] if to < len(_PHASES) else "", _PHASES[from_] if from_ < len(_PHASES) else "")
    return f"angle of {names[1]} to {names[0]}, instantaneous" if all(names) else f"angle {part}, instantaneous"
