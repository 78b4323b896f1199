"""A meter that registered what a household of a file used: no model, no error, exactly the file's integers."""

from typing import Final

import numpy as np
import numpy.typing as npt

from meterworks.devices import Instant, IntervalBlock, MeterEvents, RegisterBlock, Registers
from meterworks.world.accumulation import Accumulation, HistoryCache
from meterworks.world.climate import Calendar
from meterworks.world.replay_file import MISSING, ReplayFile, ReplayHome
from meterworks.world.supply import join_events
from meterworks.world.terminals import TerminalLoad, terminals

__all__ = ["ReplayLoad"]

IntArray = npt.NDArray[np.int64]

WEEK_S: Final = 7 * 86_400
HISTORY_DAYS_AFTER: Final = 397
WATT_HOUR_MICRO: Final = 1_000_000


class ReplayLoad:
    """A `MeterLoad` over one household of a replayed file. The values are shared with the file, not copied."""

    __slots__ = ("_accumulation", "_calendar", "_file", "_first", "_home", "_key", "_phases")

    def __init__(
        self, file: ReplayFile, home: ReplayHome, *, shift_s: int, calendar: Calendar, cache: HistoryCache,
        key: int = 0, phases: int = 1,
    ) -> None:  # fmt: skip
        """shift_s: added to the file's times, whole intervals. calendar: when the second rate is in force.

        key: of the chance in voltages and frequency, which no file tells.
        """
        self._file = file
        self._home = home
        self._calendar = calendar
        self._key = key
        self._phases = phases
        self._first = (file.first_epoch_s + shift_s) // file.interval_s
        self._accumulation = Accumulation(self._energies, first=self._first, interval_s=file.interval_s, cache=cache)

    @property
    def interval_s(self) -> int:
        """Capture period: the file's interval."""
        return self._file.interval_s

    @property
    def starts_epoch_s(self) -> int:
        """The file's first slot, shifted."""
        return self._first * self._file.interval_s

    @property
    def ends_epoch_s(self) -> int:
        """The end of the file's last slot, shifted: nothing is captured after it."""
        return self.starts_epoch_s + self._file.slots * self._file.interval_s

    @property
    def history_days(self) -> int:
        """Days of load profile the meter's memory holds: the whole file, until 13 months after its end."""
        return -(-self._file.slots * self._file.interval_s // 86_400) + HISTORY_DAYS_AFTER

    @property
    def phases(self) -> int:
        """1 or 3."""
        return self._phases

    @property
    def name(self) -> str:
        """The household: its column's name."""
        return self._home.name

    def intervals(self, from_epoch_s: int, to_epoch_s: int) -> IntervalBlock:
        """Give the slots that start in [from, to); a slot without a reading is not present."""
        first = max(-(-from_epoch_s // self.interval_s), self._first)
        last = max(min(-(-to_epoch_s // self.interval_s), self._first + self._file.slots), first)
        part = slice(first - self._first, last - self._first)
        import_wh = self._home.import_wh[part].astype(np.int64)
        present = import_wh != MISSING
        import_wh[~present] = 0
        nothing = np.zeros(last - first, np.int64)
        export_wh = nothing if self._home.export_wh is None else self._home.export_wh[part].astype(np.int64)
        return IntervalBlock(
            start_epoch_s=np.arange(first, last, dtype=np.int64) * self.interval_s,
            import_wh=import_wh,
            export_wh=export_wh,
            import_varh=nothing,
            export_varh=nothing,
            present=present,
            status=np.zeros(last - first, np.uint8),
        )

    def registers_at(self, epoch_s: int) -> Registers:
        """Give the registers: the sum of what the file holds up to then; slots without a reading count nothing."""
        return self._accumulation.at(min(max(epoch_s, self.starts_epoch_s), self.ends_epoch_s))

    def registers_at_many(self, epochs_s: IntArray) -> RegisterBlock:
        """Give the registers at many rising instants."""
        return self._accumulation.at_many(np.minimum(epochs_s, self.ends_epoch_s))

    def instant(self, epoch_s: float) -> Instant:
        """Give the power of the slot it lies in; after the file's end that of the same time of its last week."""
        at = int(epoch_s)
        if at >= self.ends_epoch_s:
            at -= -(-(at - self.ends_epoch_s + 1) // WEEK_S) * WEEK_S
        block = self.intervals(at - at % self.interval_s, at - at % self.interval_s + 1)
        net_wh = int(block.import_wh[0] - block.export_wh[0]) if len(block.import_wh) else 0
        second_of_day = int(self._calendar.second_of_day(np.array([at]))[0])
        return terminals(
            TerminalLoad(
                net_w=net_wh * 3600 / self.interval_s,
                net_var=0.0,
                evening=second_of_day / 86_400,
                sun_kw=0.0,
                off=False,
            ),
            key=self._key,
            climate_key=0,
            phases=self._phases,
            epoch_s=epoch_s,
        )

    def events(self, from_epoch_s: int, to_epoch_s: int) -> MeterEvents:
        """Give no events: the file has none."""
        del from_epoch_s, to_epoch_s
        return join_events([])

    def _energies(self, first: int, last: int) -> tuple[IntArray, npt.NDArray[np.bool_]]:
        """Give µWh per slot; one slot beyond the file's end may be asked for, and is empty."""
        energies = np.zeros((4, last - first), np.int64)
        start, end = first - self._first, min(last - self._first, self._file.slots)
        for row, column in enumerate((self._home.import_wh, self._home.export_wh)):
            if column is not None and end > start:
                values = column[start:end].astype(np.int64)
                energies[row, : end - start] = np.where(values == MISSING, 0, values) * WATT_HOUR_MICRO
        starts = np.arange(first, last, dtype=np.int64) * self.interval_s
        return energies, self._calendar.second_rate(starts)
