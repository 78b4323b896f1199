"""Loads whose every watt-hour is known, also within an interval, and a meter that captures by its own clock."""

from dataclasses import dataclass, field

import numpy as np

from meterworks.devices import ElectricityMeter, Instant, IntervalBlock, MeterEvents, RegisterBlock, Registers
from meterworks.protocols.dlms import (
    ObisCode,
    Tag,
    TimeColumn,
    ValueColumn,
    decode_selection,
    encode_profile,
)

STEP = 1800
IMPORT_PROFILE = ObisCode("1.0.99.1.0.255")
NEVER = 2**40


@dataclass
class ControlledLoad:
    """Power changes at each half-hour; energy is counted from `starts_epoch_s` to the second, whole watt-hours."""

    starts_epoch_s: int
    key: int = 0
    ends_epoch_s: int | None = None
    history_days: int | None = None
    phases: int = 1
    interval_s: int = STEP
    history_days: int = 397
    absent_starts: set[int] = field(default_factory=set)
    corrected_wh: dict[int, int] = field(default_factory=dict)
    """What the meter says of an interval since somebody repaired its memory."""

    def power_w(self, number):
        return 200 + (number * 7919 + self.key * 613) % 3001

    def energy_wh(self, until_epoch_s):
        """Energy from the beginning until an instant (of the load's life)."""
        until = min(max(until_epoch_s, self.starts_epoch_s), self.ends_epoch_s or NEVER)
        edges = np.arange(self.starts_epoch_s // STEP, until // STEP + 1, dtype=np.int64)
        seconds = np.minimum((edges + 1) * STEP, until) - np.maximum(edges * STEP, self.starts_epoch_s)
        return int((self.power_w(edges) * seconds).sum()) // 3600

    def between(self, from_epoch_s, to_epoch_s):
        """Energy used from one instant to another."""
        return self.energy_wh(to_epoch_s) - self.energy_wh(from_epoch_s)

    # MeterLoad.

    def intervals(self, from_epoch_s, to_epoch_s):
        first = -(-max(from_epoch_s, self.starts_epoch_s // STEP * STEP) // STEP) * STEP
        starts = np.arange(first, max(first, min(to_epoch_s, self.ends_epoch_s or NEVER)), STEP, dtype=np.int64)
        import_wh = np.array(
            [self.corrected_wh.get(start, self.between(start, start + STEP)) for start in starts.tolist()], np.int64
        )
        present = np.array([start not in self.absent_starts for start in starts.tolist()], bool)
        none = np.zeros(len(starts), np.int64)
        return IntervalBlock(
            start_epoch_s=starts,
            import_wh=np.where(present, import_wh, 0),
            export_wh=none,
            import_varh=none,
            export_varh=none,
            present=present,
            status=np.zeros(len(starts), np.uint8),
        )

    def registers_at(self, epoch_s):
        block = self.registers_at_many(np.array([epoch_s], np.int64))
        return Registers(**{name: int(getattr(block, name)[0]) for name in Registers.__dataclass_fields__})

    def registers_at_many(self, epochs_s):
        total = np.array([self.energy_wh(int(at)) for at in epochs_s], np.int64)
        others = dict.fromkeys(RegisterBlock.__dataclass_fields__, np.zeros(len(total), np.int64))
        return RegisterBlock(**others | {"import_wh": total, "import_rate_1_wh": total})

    def instant(self, epoch_s):
        return Instant(
            voltage_mv=(230_000,) * self.phases,
            current_ma=(1_000,) * self.phases,
            voltage_thd_permille=(20,) * self.phases,
            current_thd_permille=(50,) * self.phases,
            import_power_w=int(self.power_w(int(epoch_s) // STEP)),
            export_power_w=0,
            power_factor_permille=1000,
            frequency_mhz=50_000,
        )

    def events(self, from_epoch_s, to_epoch_s):
        none = np.zeros(0, np.int64)
        return MeterEvents(epoch_s=none, log=none.astype(np.uint8), code=none.astype(np.uint16))


class OwnClockMeter(ElectricityMeter):
    """A meter of the plain kind: its own clock alone says when an interval ends.

    At each half-hour of its clock it writes down what it counted since the last time. So a clock that is set back over
    a boundary writes a label twice, and one that is set forward over a boundary leaves a label out and has the energy
    in the next row. (The fleet's own meters label by true time, whatever their clock says.)
    """

    __slots__ = ("_turns", "corrections")

    def __init__(self, model, view):
        super().__init__(model, view)
        self.corrections = []  # (true instant, its own time before, its own time after) of each by a client
        self._turns = [(view.load.starts_epoch_s, 0.0)]

    def jump_clock(self, error_s):
        """Let the clock be wrong from now on, as after a failed battery."""
        row = self.view.state.rows[self.view.index]
        row["clock_offset_s"], row["clock_set_epoch_s"] = error_s, self.view.system_epoch_s()
        self._note_turn()

    def captured(self):
        """(stamp by its clock, energy in Wh, true instant) of each row."""
        rows, last = [], self.view.load.starts_epoch_s
        ends = [begin for begin, _ in self._turns[1:]] + [int(self.view.system_epoch_s())]
        for (begin, error_s), end in zip(self._turns, ends, strict=True):
            first = int((begin + error_s) // STEP + 1) * STEP
            for stamp in range(first, int(end + error_s) + 1, STEP):
                at = int(stamp - error_s)
                rows.append((stamp, self.view.load.between(last, at), at))
                last = at
        return rows

    def set(self, client_sap, address, value):
        return self._watched(super().set, client_sap, address, value)

    def action(self, client_sap, address, parameter):
        return self._watched(super().action, client_sap, address, parameter)

    def get(self, client_sap, address, selection):
        if address.obis_code != IMPORT_PROFILE or address.attribute != 2 or selection is None:
            return super().get(client_sap, address, selection)
        wanted = decode_selection(selection)
        first, last = wanted.from_.to_datetime().timestamp(), wanted.to.to_datetime().timestamp()
        rows = [(stamp, energy) for stamp, energy, _ in self.captured() if first <= stamp <= last]
        return encode_profile(
            [
                TimeColumn(epoch_s=np.array([stamp for stamp, _ in rows], np.int64), deviation_min=0),
                ValueColumn(values=np.zeros(len(rows), np.int64), tag=Tag.UNSIGNED),
                ValueColumn(values=np.array([energy for _, energy in rows], np.int64), tag=Tag.DOUBLE_LONG_UNSIGNED),
            ],
            capture_period_s=STEP,
        )

    def _watched(self, act, *request):
        before = self.view.now_epoch_s()
        outcome = act(*request)
        if self._note_turn():
            self.corrections.append((self.view.system_epoch_s(), before, self.view.now_epoch_s()))
        return outcome

    def _note_turn(self):
        error_s = self.view.clock_error_s()
        if error_s == self._turns[-1][1]:
            return False
        self._turns.append((int(self.view.system_epoch_s()), error_s))
        return True
