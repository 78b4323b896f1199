"""From truth to what the meter registers: accuracy, drift, misreading and theft.

Truth comes in whole milliwatt-hours per interval, what is registered goes out in whole microwatt-hours, and everything
between is integer arithmetic: sums are exact in any order, so registers and interval values never disagree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from meterworks.world.climate import DAY_S
from meterworks.world.errors import HouseholdError

__all__ = ["Accuracy", "FaultKind", "MeteringFault", "registered_microwatt_hours"]

IntArray = npt.NDArray[np.int64]

MILLION: Final = 1_000_000
YEAR_S: Final = 31_557_600
ERROR_MAX_PPM: Final = 500_000
GAIN_MAX: Final = 10.0


class FaultKind(StrEnum):
    """What happens to the energy on its way into the registers."""

    FRACTION = "fraction"  # only the part `parameter` (0..1) is registered: a bypass of a phase, a magnet
    ZERO = "zero"  # nothing is registered: a whole bypass, the meter taken out
    GAIN = "gain"  # `parameter` times the energy (0..10) is registered: interference with a current sensor


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringFault:
    """One stretch of time in which a meter registers something else than the truth.

    from_epoch_s inclusive, to_epoch_s exclusive; intervals count by their start. daily_from_s, daily_to_s: local
    seconds of the day between which it acts (across midnight when from is the larger); the whole day when both are 0.
    """

    kind: FaultKind
    from_epoch_s: int
    to_epoch_s: int
    parameter: float = 0.0
    daily_from_s: int = 0
    daily_to_s: int = 0

    def __post_init__(self) -> None:
        """Refuse a stretch that ends before it begins, and parameters beyond the kind's meaning."""
        if self.to_epoch_s <= self.from_epoch_s:
            raise HouseholdError(f"a metering fault ends at {self.to_epoch_s}, not after it begins")
        limit = {FaultKind.FRACTION: 1.0, FaultKind.ZERO: 0.0, FaultKind.GAIN: GAIN_MAX}[self.kind]
        if not 0 <= self.parameter <= limit:
            raise HouseholdError(f"a metering fault of kind {self.kind} has a parameter of 0 to {limit:g}")
        if not (0 <= self.daily_from_s < DAY_S and 0 <= self.daily_to_s <= DAY_S):
            raise HouseholdError(f"times of the day lie in 0 to {DAY_S} s")

    @property
    def share_ppm(self) -> int:
        """Which part of the energy is registered."""
        return 0 if self.kind is FaultKind.ZERO else round(self.parameter * MILLION)

    def acts(self, start_epoch_s: IntArray, local_second: IntArray) -> npt.NDArray[np.bool_]:
        """Tell for each interval whether the fault acts on it."""
        acts = (start_epoch_s >= self.from_epoch_s) & (start_epoch_s < self.to_epoch_s)
        if self.daily_from_s != self.daily_to_s:
            after, before = local_second >= self.daily_from_s, local_second < self.daily_to_s
            acts &= (after & before) if self.daily_from_s < self.daily_to_s else (after | before)
        return acts


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How far a healthy meter is off: an error when new, and a drift. Class B allows 10,000 ppm (EN 50470)."""

    error_ppm: int = 0
    drift_ppm_per_year: int = 0

    def __post_init__(self) -> None:
        """Refuse errors that are faults, not accuracy."""
        if abs(self.error_ppm) > ERROR_MAX_PPM or abs(self.drift_ppm_per_year) > ERROR_MAX_PPM:
            raise HouseholdError("an accuracy beyond half the energy is a fault: use MeteringFault")


def registered_microwatt_hours(
    true_milliwatt_hours: IntArray,
    *,
    accuracy: Accuracy,
    age_s: IntArray,
    faults: Sequence[tuple[MeteringFault, npt.NDArray[np.bool_]]] = (),
) -> IntArray:
    """Give what the meter adds to its register in each interval, in µWh.

    age_s: of the meter at the start of each interval. faults: each with the intervals it acts on.
    """
    share_ppm: IntArray | int = MILLION + accuracy.error_ppm
    if accuracy.drift_ppm_per_year:
        share_ppm = share_ppm + accuracy.drift_ppm_per_year * age_s // YEAR_S
    registered: IntArray = true_milliwatt_hours * share_ppm // 1000
    for fault, acts in faults:
        registered[acts] = registered[acts] * fault.share_ppm // MILLION
    return registered
