"""Supply that a meter's own switch kept off, and what that takes away from registers, profiles and terminals.

The load of a meter is a pure function of time: it says what a home would use. While the switch is open nothing is used
and nothing registered, so the stretches of time with an open switch are kept, few numbers for a meter that was ever
switched and none for the others, and every answer of the load is corrected by them: registers stand still within a
stretch and go on behind it from where they stood, an interval loses the part that lay in one. All of it is integer
arithmetic on registers, so interval values still add up to register differences exactly.

Times are the meter's own: a meter knows no other.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from meterworks.devices.load import Instant, IntervalBlock, MeterEvents, MeterLoad, RegisterBlock, Registers

__all__ = ["GAPS_MAX", "NO_GAPS", "OPEN_END_S", "SupplyGaps", "SwitchedLoad", "without_current"]

IntArray = npt.NDArray[np.int64]

GAPS_MAX: Final = 512  # stretches one meter remembers; of an older one only what it took away
OPEN_END_S: Final = 2**62  # end of a stretch that has not ended
_REGISTERS: Final = tuple(Registers.__dataclass_fields__)
_BLOCK: Final = ("import_wh", "export_wh", "import_varh", "export_varh")


@dataclass(frozen=True, slots=True, eq=False)
class SupplyGaps:
    """Stretches with an open switch, rising, not touching: (n,) begin inclusive, end exclusive, epoch seconds.

    forgotten: per register, what stretches that are no longer remembered took away.
    """

    begin_s: IntArray
    end_s: IntArray
    forgotten: IntArray = field(default_factory=lambda: np.zeros(len(_REGISTERS), np.int64))

    def __len__(self) -> int:
        return len(self.begin_s)

    @property
    def is_open(self) -> bool:
        """Whether the newest one has not ended."""
        return bool(len(self)) and int(self.end_s[-1]) == OPEN_END_S

    def opened(self, epoch_s: int) -> "SupplyGaps":
        """Give the stretches after the switch opened at an instant; as they are when it is open."""
        return self if self.is_open else self._with(epoch_s, OPEN_END_S)

    def closed(self, epoch_s: int) -> "SupplyGaps":
        """Give the stretches after the switch closed at an instant; as they are when it is closed."""
        if not self.is_open:
            return self
        rest = SupplyGaps(self.begin_s[:-1], self.end_s[:-1], self.forgotten)
        begin_s = int(self.begin_s[-1])
        return rest._with(begin_s, epoch_s) if epoch_s > begin_s else rest

    def clock_set(self, old_s: int, new_s: int) -> "SupplyGaps":
        """Give the stretches after the meter's clock jumped: an open one ends by the old clock, begins by the new."""
        return self.closed(old_s).opened(new_s) if self.is_open else self

    def _with(self, begin_s: int, end_s: int) -> "SupplyGaps":
        """Add a stretch, joined with those it touches: a clock that was set back may have made it lie before others."""
        apart = (self.end_s < begin_s) | (self.begin_s > end_s)
        touching = ~apart
        if touching.any():
            begin_s = min(begin_s, int(self.begin_s[touching].min()))
            end_s = max(end_s, int(self.end_s[touching].max()))
        place = int(self.begin_s[apart].searchsorted(begin_s))
        begins = np.insert(self.begin_s[apart], place, begin_s)
        ends = np.insert(self.end_s[apart], place, end_s)
        return SupplyGaps(begins, ends, self.forgotten)

    def bounded(self, load: MeterLoad) -> "SupplyGaps":
        """Give the newest GAPS_MAX stretches: of the others the registers keep what they took, the profiles do not.

        load: what flows with the switch closed.
        """
        surplus = len(self) - GAPS_MAX
        if surplus <= 0:
            return self
        begin, end = (_table(load.registers_at_many(bounds[:surplus])) for bounds in (self.begin_s, self.end_s))
        return SupplyGaps(self.begin_s[surplus:], self.end_s[surplus:], self.forgotten + (end - begin).sum(axis=1))

    def contains(self, epoch_s: float) -> bool:
        """Tell whether the switch was open at an instant."""
        index = int(self.begin_s.searchsorted(epoch_s, side="right")) - 1
        return index >= 0 and epoch_s < int(self.end_s[index])

    def seconds_off(self, start_epoch_s: IntArray, interval_s: int) -> IntArray:
        """Give the seconds with an open switch of each interval: starts rising, all of one length."""
        off_s = np.zeros(len(start_epoch_s), np.int64)
        if not len(start_epoch_s):
            return off_s
        first = int(self.end_s.searchsorted(start_epoch_s[0], side="right"))
        last = int(self.begin_s.searchsorted(start_epoch_s[-1] + interval_s))
        for begin_s, end_s in zip(self.begin_s[first:last].tolist(), self.end_s[first:last].tolist(), strict=True):
            part = slice(*start_epoch_s.searchsorted((begin_s - interval_s + 1, end_s)).tolist())
            starts = start_epoch_s[part]
            off_s[part] += np.minimum(starts + interval_s, end_s) - np.maximum(starts, begin_s)
        return off_s

    def to_bytes(self) -> bytes:
        """Encode for the meter's memory: sixteen octets a stretch, behind what was forgotten."""
        return self.forgotten.astype("<i8").tobytes() + np.stack((self.begin_s, self.end_s), 1).astype("<i8").tobytes()

    @classmethod
    def from_bytes(cls, octets: bytes) -> "SupplyGaps":
        """Decode what `to_bytes` gave."""
        numbers = np.frombuffer(octets, "<i8").astype(np.int64)
        table = numbers[len(_REGISTERS) :].reshape(-1, 2)
        return cls(table[:, 0].copy(), table[:, 1].copy(), numbers[: len(_REGISTERS)])


_NONE: Final = np.zeros(0, np.int64)
NO_GAPS: Final = SupplyGaps(_NONE, _NONE)


class SwitchedLoad:
    """A `MeterLoad` behind a switch that was open at times."""

    __slots__ = ("_at_begin", "_gaps", "_load", "_taken")

    def __init__(self, load: MeterLoad, gaps: SupplyGaps) -> None:
        """load: what flows with the switch closed."""
        self._load = load
        self._gaps = gaps
        self._at_begin: IntArray | None = None  # (registers, n) at the begin of each stretch
        self._taken: IntArray | None = None  # (registers, n + 1) taken away by the stretches before each

    @property
    def interval_s(self) -> int:
        """Capture period of the load profiles."""
        return self._load.interval_s

    @property
    def starts_epoch_s(self) -> int:
        """Installation."""
        return self._load.starts_epoch_s

    @property
    def ends_epoch_s(self) -> int | None:
        """Removal, None while the meter runs."""
        return self._load.ends_epoch_s

    @property
    def history_days(self) -> int | None:
        """Days of load profile the meter's memory holds; None: as many as its model says."""
        return self._load.history_days

    @property
    def phases(self) -> int:
        """1 or 3."""
        return self._load.phases

    def intervals(self, from_epoch_s: int, to_epoch_s: int) -> IntervalBlock:
        """Give the load's intervals without what would have flowed through the open switch."""
        block = self._load.intervals(from_epoch_s, to_epoch_s)
        off_s = self._gaps.seconds_off(block.start_epoch_s, self.interval_s)
        if not off_s.any():
            return block
        whole = off_s == self.interval_s
        part = (off_s > 0) & ~whole & block.present
        values = {name: np.where(whole, 0, getattr(block, name)) for name in _BLOCK}
        if part.any():
            start_s = block.start_epoch_s[part]
            bounds = np.unique(np.concatenate((start_s, start_s + self.interval_s)))
            registers = self.registers_at_many(bounds)
            low, high = bounds.searchsorted(start_s), bounds.searchsorted(start_s + self.interval_s)
            for name in _BLOCK:
                shown = getattr(registers, name)
                values[name][part] = shown[high] - shown[low]
        return IntervalBlock(
            start_epoch_s=block.start_epoch_s, present=block.present, status=block.status, **values
        )  # fmt: skip

    def registers_at(self, epoch_s: int) -> Registers:
        """Give the registers at an instant."""
        block = self.registers_at_many(np.array([epoch_s], np.int64))
        return Registers(**{name: int(getattr(block, name)[0]) for name in _REGISTERS})

    def registers_at_many(self, epochs_s: IntArray) -> RegisterBlock:
        """Give the registers at many rising instants."""
        shown = np.maximum(_table(self._load.registers_at_many(epochs_s)) - self._gaps.forgotten[:, None], 0)
        index = self._gaps.begin_s.searchsorted(epochs_s, side="right") - 1
        behind = index >= 0
        if behind.any():
            at_begin, taken = self._totals()
            inside = behind & (epochs_s < self._gaps.end_s[index])
            shown = np.where(inside, at_begin[:, index] - taken[:, index], shown - taken[:, index + 1] * behind)
        return RegisterBlock(**dict(zip(_REGISTERS, shown, strict=True)))

    def _totals(self) -> tuple[IntArray, IntArray]:
        """Give the registers at the begin of each stretch, and what all stretches before each took away."""
        if self._at_begin is None or self._taken is None:
            registers = _table(self._load.registers_at_many(self._gaps.begin_s))
            at_begin = np.maximum(registers - self._gaps.forgotten[:, None], 0)
            # The end of an open stretch is never used: inside it the registers stand.
            end_s = np.where(self._gaps.end_s == OPEN_END_S, self._gaps.begin_s, self._gaps.end_s)
            lost = _table(self._load.registers_at_many(end_s)) - registers
            self._at_begin = at_begin
            self._taken = np.concatenate((np.zeros((len(lost), 1), np.int64), np.cumsum(lost, axis=1)), axis=1)
        return self._at_begin, self._taken

    def instant(self, epoch_s: float) -> Instant:
        """Give what the terminals show: with an open switch voltage but no current."""
        instant = self._load.instant(epoch_s)
        return without_current(instant) if self._gaps.contains(epoch_s) else instant

    def events(self, from_epoch_s: int, to_epoch_s: int) -> MeterEvents:
        """Give the events of the metrology part: the switch changes none of them."""
        return self._load.events(from_epoch_s, to_epoch_s)


def without_current(instant: Instant) -> Instant:
    """Give what is left of a moment when the switch is open: voltage and frequency."""
    none = (0,) * len(instant.current_ma)
    return Instant(
        voltage_mv=instant.voltage_mv, current_ma=none, voltage_thd_permille=instant.voltage_thd_permille,
        current_thd_permille=none, import_power_w=0, export_power_w=0, power_factor_permille=1000,
        frequency_mhz=instant.frequency_mhz,
    )  # fmt: skip


def _table(block: RegisterBlock) -> IntArray:
    return np.stack([getattr(block, name) for name in _REGISTERS])
