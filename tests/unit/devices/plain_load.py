"""A load simple enough to be checked by hand: energies follow from the interval's number, registers are their sums."""

from dataclasses import dataclass, field

import numpy as np

from meterworks.devices import Instant, IntervalBlock, MeterEvents, RegisterBlock, Registers

NO_EVENTS: tuple[tuple[int, int, int], ...] = ()


def import_wh(number):
    """Energy of the interval with this number (start // interval): 0..996."""
    return number * 7919 % 997


def export_wh(number):
    return number * 104_729 % 101


@dataclass
class PlainLoad:
    starts_epoch_s: int
    interval_s: int = 1800
    ends_epoch_s: int | None = None
    history_days: int | None = None
    phases: int = 1
    absent_starts: frozenset[int] = frozenset()
    event_rows: tuple[tuple[int, int, int], ...] = NO_EVENTS  # (epoch s, log, code)
    asked: list[tuple[int, int]] = field(default_factory=list)  # ranges of intervals asked for

    def _starts(self, from_epoch_s, to_epoch_s):
        first = max(from_epoch_s, self.starts_epoch_s)
        last = to_epoch_s if self.ends_epoch_s is None else min(to_epoch_s, self.ends_epoch_s)
        first = -(-first // self.interval_s) * self.interval_s
        return np.arange(first, max(first, last), self.interval_s, dtype=np.int64)

    def intervals(self, from_epoch_s, to_epoch_s):
        self.asked.append((from_epoch_s, to_epoch_s))
        starts = self._starts(from_epoch_s, to_epoch_s)
        number = starts // self.interval_s
        present = np.ones(len(starts), bool)
        if self.absent_starts:
            present = ~np.isin(starts, np.array(sorted(self.absent_starts), np.int64))
        return IntervalBlock(
            start_epoch_s=starts,
            import_wh=np.where(present, import_wh(number), 0),
            export_wh=np.where(present, export_wh(number), 0),
            import_varh=np.where(present, number % 50, 0),
            export_varh=np.where(present, number % 20, 0),
            present=present,
            status=np.zeros(len(starts), np.uint8),
        )

    def registers_at(self, epoch_s):
        block = self.registers_at_many(np.array([epoch_s], np.int64))
        return Registers(**{name: int(getattr(block, name)[0]) for name in Registers.__dataclass_fields__})

    def registers_at_many(self, epochs_s):
        if not len(epochs_s):
            return RegisterBlock(**dict.fromkeys(RegisterBlock.__dataclass_fields__, np.zeros(0, np.int64)))
        block = self.intervals(self.starts_epoch_s, int(epochs_s.max()) + 1)
        self.asked.pop()
        count = np.searchsorted(block.start_epoch_s + self.interval_s, epochs_s, side="right")
        sums = {
            name: np.concatenate(([0], np.cumsum(getattr(block, name))))[count]
            for name in ("import_wh", "export_wh", "import_varh", "export_varh")
        }
        return RegisterBlock(
            **sums,
            import_rate_1_wh=sums["import_wh"] - sums["import_wh"] // 3,
            import_rate_2_wh=sums["import_wh"] // 3,
            export_rate_1_wh=sums["export_wh"],
            export_rate_2_wh=sums["export_wh"] * 0,
        )

    def instant(self, epoch_s):
        return Instant(
            voltage_mv=(230_100, 229_200, 231_300)[: self.phases],
            current_ma=(4_321, 1_000, 2_000)[: self.phases],
            voltage_thd_permille=(21, 25, 23)[: self.phases],
            current_thd_permille=(140, 120, 130)[: self.phases],
            import_power_w=987,
            export_power_w=0,
            power_factor_permille=991,
            frequency_mhz=49_987,
        )

    def events(self, from_epoch_s, to_epoch_s):
        rows = [row for row in self.event_rows if from_epoch_s <= row[0] < to_epoch_s]
        columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
        return MeterEvents(
            epoch_s=np.array(columns[0], np.int64),
            log=np.array(columns[1], np.uint8),
            code=np.array(columns[2], np.uint16),
        )


@dataclass
class SteadyLoad(PlainLoad):
    """Registers that move every second: 3 Wh import, 1 Wh export, 2 and 0 varh; all in the first rate."""

    def registers_at_many(self, epochs_s):
        since = np.asarray(epochs_s, np.int64) - self.starts_epoch_s
        nothing = np.zeros_like(since)
        return RegisterBlock(
            import_wh=since * 3, export_wh=since, import_varh=since * 2, export_varh=nothing,
            import_rate_1_wh=since * 3, import_rate_2_wh=nothing, export_rate_1_wh=since, export_rate_2_wh=nothing,
        )  # fmt: skip

    def intervals(self, from_epoch_s, to_epoch_s):
        block = super().intervals(from_epoch_s, to_epoch_s)
        length = len(block.start_epoch_s)
        block.import_wh[:] = np.full(length, 3 * self.interval_s)
        block.export_wh[:] = np.full(length, self.interval_s)
        block.import_varh[:] = np.full(length, 2 * self.interval_s)
        block.export_varh[:] = 0
        return block
