"""What a meter's metrology part gives its communication part: the load as registered, by time.

The world implements `MeterLoad` (stochastic or replayed); the device models turn it into COSEM objects. Everything is
the *registered* side, after accuracy class, drift, misreading and theft. All times are epoch seconds UTC. Energies are
integers in Wh or varh, cumulative registers never fall. Every answer is a pure function of the time asked for: the same
question gives the same answer after a restart, which is what lets history be computed instead of stored.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Instant", "IntervalBlock", "MeterEvents", "MeterLoad", "RegisterBlock", "Registers"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalBlock:
    """Consecutive capture intervals, one array element each, all arrays of the same length n (0 is lawful).

    The starts are every multiple of the load's `interval_s` in the range asked for and inside the installation, rising.
    The caller cuts at the present. The first and the last interval may lie only partly inside: theirs is the energy of
    that part.
    """

    start_epoch_s: IntArray  # (n,) interval START; the profile row is stamped start + interval_s
    import_wh: IntArray  # (n,) energy of the interval, 0..2**31-1; 0 where not present
    export_wh: IntArray  # (n,)
    import_varh: IntArray  # (n,)
    export_varh: IntArray  # (n,)
    present: npt.NDArray[np.bool_]  # (n,) False: the meter captured nothing, the row does not exist
    status: npt.NDArray[
        np.uint8
    ]  # (n,) AMR profile status: 1 critical error, 2 clock invalid, 4 data not valid, 8 DST,
    #                                     32 clock adjusted, 64 recovered, 128 power down


@dataclass(frozen=True, slots=True, kw_only=True)
class Registers:
    """Cumulative energy registers at one instant, since installation, plus the reading the meter came with."""

    import_wh: int
    export_wh: int
    import_varh: int
    export_varh: int
    import_rate_1_wh: int  # the rates of one direction add up to its total
    import_rate_2_wh: int
    export_rate_1_wh: int
    export_rate_2_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterBlock:
    """The same registers at many instants: arrays of shape (n,), int64, in the order of the instants asked for."""

    import_wh: IntArray
    export_wh: IntArray
    import_varh: IntArray
    export_varh: IntArray
    import_rate_1_wh: IntArray
    import_rate_2_wh: IntArray
    export_rate_1_wh: IntArray
    export_rate_2_wh: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """What the terminals show at one moment. Per-phase tuples have one element (single phase) or three (L1, L2, L3)."""

    voltage_mv: tuple[int, ...]
    current_ma: tuple[int, ...]
    voltage_thd_permille: tuple[int, ...]  # total harmonic distortion, 0.1 % steps
    current_thd_permille: tuple[int, ...]
    import_power_w: int  # one of the two powers is 0
    export_power_w: int
    power_factor_permille: int  # 0..1000
    frequency_mhz: int  # millihertz, about 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterEvents:
    """Events of the metrology part, arrays of shape (n,), rising in time."""

    epoch_s: IntArray  # (n,)
    log: npt.NDArray[np.uint8]  # (n,) E of the event log 0-0:99.98.E.255: 0 standard, 1 tamper, 4 power quality
    code: npt.NDArray[np.uint16]  # (n,) event code, 1..65535, see the catalogue's event codes


class MeterLoad(Protocol):
    """The registered side of one meter. Implementations are cheap to create and hold no per-interval history."""

    @property
    def interval_s(self) -> int:
        """Capture period of the load profiles: 900, 1800 or 3600."""

    @property
    def starts_epoch_s(self) -> int:
        """Installation: the first instant with a history."""

    @property
    def ends_epoch_s(self) -> int | None:
        """Instant after which nothing is captured any more; None while the meter runs."""

    @property
    def history_days(self) -> int | None:
        """Days of load profile the meter's memory holds; None: as many as its model says."""

    @property
    def phases(self) -> int:
        """1 or 3: the length of the tuples in `Instant`."""

    def intervals(self, from_epoch_s: int, to_epoch_s: int) -> IntervalBlock:
        """Give the intervals whose START lies in [from, to), cut to the installation."""

    def registers_at(self, epoch_s: int) -> Registers:
        """Give the cumulative registers at an instant; before the installation the reading the meter came with."""

    def registers_at_many(self, epochs_s: IntArray) -> RegisterBlock:
        """Give the cumulative registers at many rising instants."""

    def instant(self, epoch_s: float) -> Instant:
        """Give voltages, currents and powers at one moment."""

    def events(self, from_epoch_s: int, to_epoch_s: int) -> MeterEvents:
        """Give the events of the metrology part (power failures, sags, covers opened...) in [from, to)."""
