"""The load of an emulated home: computed from its parameters whenever it is asked for, stored nowhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from meterworks.devices import NO_GAPS, Instant, IntervalBlock, MeterEvents, RegisterBlock, Registers, SupplyGaps
from meterworks.world.accumulation import Accumulation, HistoryCache
from meterworks.world.climate import Climate
from meterworks.world.demand import home_demand
from meterworks.world.errors import HouseholdError
from meterworks.world.household import Household
from meterworks.world.metering_fault import Accuracy, MeteringFault, registered_microwatt_hours
from meterworks.world.supply import Interruptions, Supply
from meterworks.world.terminals import TerminalLoad, terminals

__all__ = ["MeterSetting", "StochasticLoad", "TrueBlock"]

IntArray = npt.NDArray[np.int64]
EXPORT = 1  # row of the energies: import, export, reactive import, reactive export
POWER_DOWN_STATUS = 128  # bit of the AMR profile status


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSetting:
    """A meter at a home: since when, how exact, with which faults. opening_wh: what its registers showed at first.

    starts_epoch_s: a multiple of the interval. ends_epoch_s: nothing is captured from then on (removed, exchanged).
    """

    starts_epoch_s: int
    ends_epoch_s: int | None = None
    accuracy: Accuracy = field(default_factory=Accuracy)
    faults: Sequence[MeteringFault] = ()
    opening_wh: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrueBlock:
    """What really flowed, whatever a meter registered: per interval, in mWh and mvarh."""

    start_epoch_s: IntArray
    import_mwh: IntArray
    export_mwh: IntArray
    import_mvarh: IntArray
    export_mvarh: IntArray


class StochasticLoad:
    """A `MeterLoad` of an emulated home, and the truth beside it."""

    __slots__ = ("_accumulation", "_climate", "_household", "_setting", "_supply")

    def __init__(
        self, household: Household, setting: MeterSetting, *, climate: Climate, supply: Supply, cache: HistoryCache
    ) -> None:
        """The climate fixes the interval; the cache is shared by all meters of a process."""
        if setting.starts_epoch_s % climate.interval_s:
            raise HouseholdError(f"a meter's history starts at a multiple of its interval of {climate.interval_s} s")
        self._household = household
        self._setting = setting
        self._climate = climate
        self._supply = supply
        self._accumulation = Accumulation(
            self._registered,
            first=setting.starts_epoch_s // climate.interval_s,
            interval_s=climate.interval_s,
            opening_wh=setting.opening_wh,
            cache=cache,
        )

    @property
    def household(self) -> Household:
        """Who lives there."""
        return self._household

    @property
    def interval_s(self) -> int:
        """Capture period of the load profiles."""
        return self._climate.interval_s

    @property
    def starts_epoch_s(self) -> int:
        """Installation."""
        return self._setting.starts_epoch_s

    @property
    def ends_epoch_s(self) -> int | None:
        """Removal, None while the meter runs."""
        return self._setting.ends_epoch_s

    @property
    def history_days(self) -> int | None:
        """Days of load profile the meter's memory holds; None: as many as its model says."""
        return None

    @property
    def phases(self) -> int:
        """1 or 3."""
        return self._supply.phases

    def intervals(self, from_epoch_s: int, to_epoch_s: int) -> IntervalBlock:
        """Give the intervals whose START lies in [from, to), cut to the installation."""
        first, last = self._range(from_epoch_s, to_epoch_s)
        start_epoch_s = np.arange(first, last, dtype=np.int64) * self.interval_s
        values = self._accumulation.between(first, last).interval_values()
        off_s = self._off_seconds(first, last)
        return IntervalBlock(
            start_epoch_s=start_epoch_s,
            import_wh=values[0],
            export_wh=values[1],
            import_varh=values[2],
            export_varh=values[3],
            present=np.ones(last - first, np.bool_),
            status=np.where(off_s > 0, POWER_DOWN_STATUS, 0).astype(np.uint8)
            if off_s is not None
            else np.zeros(last - first, np.uint8),
        )

    def registers_at(self, epoch_s: int) -> Registers:
        """Give the registers at an instant, within the time the meter is installed."""
        return self._accumulation.at(self._inside(epoch_s))

    def registers_at_many(self, epochs_s: IntArray) -> RegisterBlock:
        """Give the registers at many rising instants."""
        if self._setting.ends_epoch_s is not None:
            epochs_s = np.minimum(epochs_s, self._setting.ends_epoch_s)
        return self._accumulation.at_many(epochs_s)

    def instant(self, epoch_s: float) -> Instant:
        """Give voltages, currents and powers at one moment: those of the interval it lies in, wavering a little."""
        index = int(epoch_s) // self.interval_s
        true = self._true(index, index + 1)[:, 0]
        span = self._climate.span(index, index + 1)
        off = self._supply.interruptions(int(epoch_s), int(epoch_s) + 1)
        return terminals(
            TerminalLoad(
                net_w=float(true[0] - true[1]) * 3.6 / self.interval_s,
                net_var=float(true[2] - true[3]) * 3.6 / self.interval_s,
                evening=float(span.slot[0] % self._climate.slots_per_day) / self._climate.slots_per_day,
                sun_kw=float(span.sun_kw[0]),
                off=bool(len(off.begin_s)),
            ),
            key=self._household.seed,
            climate_key=self._climate.seed,
            phases=self.phases,
            epoch_s=epoch_s,
        )

    def events(self, from_epoch_s: int, to_epoch_s: int) -> MeterEvents:
        """Give the events of the metrology part in [from, to), cut to the installation."""
        first = max(from_epoch_s, self.starts_epoch_s)
        last = to_epoch_s if self.ends_epoch_s is None else min(to_epoch_s, self.ends_epoch_s)
        return self._supply.events(first, max(first, last), self._climate.calendar.zone)

    def truth(self, from_epoch_s: int, to_epoch_s: int, *, gaps: SupplyGaps = NO_GAPS) -> TrueBlock:
        """Give what really flowed in the intervals whose START lies in [from, to), cut to the installation.

        gaps: when the meter's own switch was open. Nothing flowed then, and within an interval energy flows evenly.
        """
        first, last = self._range(from_epoch_s, to_epoch_s)
        true = self._true(first, last)
        off_s = gaps.seconds_off(np.arange(first, last, dtype=np.int64) * self.interval_s, self.interval_s)
        true = true * (self.interval_s - off_s) // self.interval_s
        return TrueBlock(
            start_epoch_s=np.arange(first, last, dtype=np.int64) * self.interval_s,
            import_mwh=true[0],
            export_mwh=true[1],
            import_mvarh=true[2],
            export_mvarh=true[3],
        )

    def interruptions(self, from_epoch_s: int, to_epoch_s: int) -> Interruptions:
        """Give when the home was without supply."""
        return self._supply.interruptions(from_epoch_s, to_epoch_s)

    def _range(self, from_epoch_s: int, to_epoch_s: int) -> tuple[int, int]:
        """Give the indexes of the intervals that start in [from, to) and end within the installation."""
        first = -(-max(from_epoch_s, self.starts_epoch_s) // self.interval_s)
        last = -(-to_epoch_s // self.interval_s)
        if self.ends_epoch_s is not None:
            last = min(last, self.ends_epoch_s // self.interval_s)
        return first, max(first, last)

    def _inside(self, epoch_s: int) -> int:
        end = self._setting.ends_epoch_s
        return max(epoch_s if end is None else min(epoch_s, end), self.starts_epoch_s)

    def _off_seconds(self, first: int, last: int) -> IntArray | None:
        """Give the seconds without supply of each interval, None where there are none at all."""
        interval_s = self.interval_s
        interruptions = self._supply.interruptions(first * interval_s, last * interval_s)
        if not len(interruptions.begin_s):
            return None
        off_s = np.zeros(last - first, np.int64)
        for begin, end in zip(interruptions.begin_s.tolist(), interruptions.end_s.tolist(), strict=True):
            touched = np.arange(max(begin // interval_s, first), min(-(-end // interval_s), last))
            overlap = np.minimum(end, (touched + 1) * interval_s) - np.maximum(begin, touched * interval_s)
            off_s[touched - first] += overlap
        return off_s

    def _true(self, first: int, last: int) -> IntArray:
        """Give the true energies of the intervals in mWh and mvarh: (4, n)."""
        demand = home_demand(self._household, self._climate, first, last)
        true = np.zeros((4, last - first), np.int64)
        for row, energy in enumerate((demand.import_wh, demand.export_wh, demand.import_varh, demand.export_varh)):
            if energy is not None:
                true[row] = energy * 1000
        off_s = self._off_seconds(first, last)
        if off_s is not None:
            touched = off_s.nonzero()[0]
            true[:, touched] = true[:, touched] * (self.interval_s - off_s[touched]) // self.interval_s
        return true

    def _registered(self, first: int, last: int) -> tuple[IntArray, npt.NDArray[np.bool_]]:
        """Give what the meter registers in µWh and µvarh, (4, n), and where the second rate is in force."""
        span = self._climate.span(first, last)
        start_epoch_s = np.arange(first, last, dtype=np.int64) * self.interval_s
        setting = self._setting
        acting = []
        if setting.faults:
            local_second = span.slot % self._climate.slots_per_day * self.interval_s
            acting = [(fault, fault.acts(start_epoch_s, local_second)) for fault in setting.faults]
        true = self._true(first, last)
        registered = np.zeros_like(true)
        for row in range(len(true)):
            if row == EXPORT and self._household.pv is None:
                continue
            registered[row] = registered_microwatt_hours(
                true[row], accuracy=setting.accuracy, age_s=start_epoch_s - setting.starts_epoch_s, faults=acting
            )
        return registered, span.second_rate
