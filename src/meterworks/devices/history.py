"""The buffers of a meter's profiles: computed from the load when they are asked for, never stored.

Each history is a row of `HISTORIES`: its columns, how far back it goes, how many entries it holds, and the function
that gives its rows between two instants. Rows are stamped with the END of their interval (load profiles), with the
instant of the register (billing profiles) or with the moment of the event (logs). Selective access cuts the instants
first, so that a read of two days computes two days.  Source: COSEM interface classes, Profile generic (class 7).
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from meterworks.catalogue import EVENT_LOGS, PROFILES, CollectionProfile
from meterworks.devices.errors import MalformedValue, ModelError
from meterworks.devices.load import IntervalBlock
from meterworks.devices.selection import Entries, Range, parse_selection, span_of
from meterworks.devices.view import CLOCK_ADJUSTED_NEW, CLOCK_ADJUSTED_OLD, LOG_STANDARD, MeterView
from meterworks.devices.zone import DST_STATUS
from meterworks.errors import PeerError, UsageError
from meterworks.protocols.dlms import (
    CLOCK_OBJECT,
    ActionResult,
    CaptureObject,
    DataAccessResult,
    ObisCode,
    PlainValue,
    Tag,
    TimeColumn,
    ValueColumn,
    encode_array,
    encode_date_time,
    encode_double_long_unsigned,
    encode_null,
    encode_profile,
    encode_structure,
    encode_unsigned,
)

__all__ = ["HISTORIES", "REGISTER_LIMIT", "HistoryRows", "HistoryTable", "load_stamps"]

IntArray = npt.NDArray[np.int64]

DAY_S: Final = 86_400
EVENT_ENTRIES_MAX: Final = 256  # newest events a log gives
EVENT_DEPTH_DAYS: Final = 397
FLAG_DST: Final = 8  # AMR profile status: the interval ends in daylight saving
FLAG_CLOCK_ADJUSTED: Final = 32
REGISTER_LIMIT: Final = 2**32  # a register of double-long-unsigned starts again there
EMPTY_ARRAY: Final = b"\x01\x00"
RESET_KEY: Final = 0x100  # beside the attributes: the instant of the last reset
TIME_MIN: Final = -(2**62)


@dataclass(frozen=True, slots=True, eq=False)
class HistoryRows:
    """Rows of a history: stamps, rising, and one array per further column, all of shape (n,)."""

    stamp_epoch_s: IntArray
    values: tuple[npt.NDArray[np.int64] | npt.NDArray[np.uint8] | npt.NDArray[np.uint16], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryTable:
    """One history. One column is the clock; `tags` are the A-XDR types of the others, in their order."""

    name: str
    obis_code: ObisCode
    columns: tuple[CaptureObject, ...]
    tags: tuple[int, ...]
    depth_days: int
    entries_max: int | None  # None: as many as the depth has capture periods
    capture_period_s: int | None  # 0: not periodic; None: the load's interval
    repeat_as_null: bool
    follows_load: bool  # ends with the load; a log goes on
    rows: Callable[[MeterView, int, int], HistoryRows]  # stamps in [from, to], both ends included

    def period_s(self, view: MeterView) -> int:
        """Give the capture period in seconds, 0 where capture is not periodic."""
        return view.load.interval_s if self.capture_period_s is None else self.capture_period_s

    def profile_entries(self, view: MeterView) -> int:
        """Give how many rows the buffer can hold."""
        return self.entries_max or self.days(view) * DAY_S // self.period_s(view)

    def days(self, view: MeterView) -> int:
        """Give how far back the buffer goes: a load profile as the meter's memory does, if that is not its model's."""
        own = view.load.history_days if self.capture_period_s is None else None
        return self.depth_days if own is None else own

    def reach(self, view: MeterView) -> tuple[int, int]:
        """Give the stamps between which the meter has rows: (oldest, newest), by its own clock."""
        now_s = int(view.now_epoch_s())
        end_s = view.history_end(now_s) if self.follows_load else now_s
        return max(view.load.starts_epoch_s, end_s - self.days(view) * DAY_S + 1, self._reset_s(view)), end_s

    def _reset_s(self, view: MeterView) -> int:
        """Give the first instant after the last reset of the buffer."""
        kept = view.written((self.obis_code, RESET_KEY))
        return TIME_MIN if kept is None else int.from_bytes(kept, "big") + 1

    def reset(self, view: MeterView, parameter: PlainValue) -> ActionResult:
        """Empty the buffer (method 1): rows up to now are not shown any more."""
        del parameter  # integer 0, without meaning
        view.write((self.obis_code, RESET_KEY), int(view.now_epoch_s()).to_bytes(8, "big"))
        return ActionResult.SUCCESS

    def all_rows(self, view: MeterView) -> HistoryRows:
        """Give every row in the buffer."""
        return self._newest(view, self.rows(view, *self.reach(view)))

    def entries_in_use(self, view: MeterView) -> int:
        """Give how many rows are in the buffer."""
        return len(self.all_rows(view).stamp_epoch_s)

    def read(self, view: MeterView, selection: bytes | None) -> bytes | DataAccessResult:
        """Give the buffer, or the part selected, encoded.

        A selection that is malformed or names a column the profile does not have is type-unmatched; one that selects
        nothing gives an empty array.
        """
        if selection is None:
            return self._encode(view, self.all_rows(view), self.columns)
        try:
            wanted = parse_selection(selection)
            return self._read_entries(view, wanted) if isinstance(wanted, Entries) else self._read_range(view, wanted)
        except (PeerError, UsageError):
            return DataAccessResult.TYPE_UNMATCHED

    def _read_range(self, view: MeterView, wanted: Range) -> bytes:
        """Give the rows between two values of a column: of the clock, or of any other the profile has."""
        columns = wanted.columns or self.columns
        if wanted.column not in self.columns or not set(columns) <= set(self.columns):
            raise MalformedValue("a range of columns that the profile does not have")
        low, high = span_of(view.zone, wanted, is_time=wanted.column == CLOCK_OBJECT)
        if wanted.column != CLOCK_OBJECT:
            rows = self.all_rows(view)
            values = rows.values[self._values_index(wanted.column)]
            return self._encode(view, _chosen(rows, (values >= low) & (values <= high)), columns)
        oldest_s, newest_s = self.reach(view)
        from_s, to_s = max(int(low), oldest_s), min(int(high), newest_s)
        if from_s > to_s:
            return EMPTY_ARRAY
        rows = self.rows(view, from_s, to_s)
        if self.entries_max is not None and len(rows.stamp_epoch_s):
            all_rows = self.all_rows(view)  # few: a buffer counted in entries is short
            oldest_s = int(all_rows.stamp_epoch_s[0])
            rows = _cut(rows, int(rows.stamp_epoch_s.searchsorted(oldest_s)), len(rows.stamp_epoch_s))
        return self._encode(view, rows, columns)

    def _read_entries(self, view: MeterView, wanted: Entries) -> bytes:
        columns = self.columns[wanted.columns(len(self.columns))]
        rows = self.all_rows(view)
        chosen = wanted.rows(len(rows.stamp_epoch_s))
        return (
            EMPTY_ARRAY
            if chosen.start >= chosen.stop
            else self._encode(view, _cut(rows, chosen.start, chosen.stop), columns)
        )

    def _values_index(self, column: CaptureObject) -> int:
        """Give where the values of a column stand: the clock, wherever it is, has none."""
        return [known for known in self.columns if known != CLOCK_OBJECT].index(column)

    def _newest(self, view: MeterView, rows: HistoryRows) -> HistoryRows:
        count = len(rows.stamp_epoch_s)
        return _cut(rows, max(0, count - self.profile_entries(view)), count)

    def _encode(self, view: MeterView, rows: HistoryRows, columns: tuple[CaptureObject, ...]) -> bytes:
        if not len(rows.stamp_epoch_s):
            return EMPTY_ARRAY
        if self.capture_period_s is None and columns == self.columns and columns[0] == CLOCK_OBJECT:
            regular = self._encode_regular(view, rows)
            if regular is not None:
                return regular
        encoded: list[TimeColumn | ValueColumn] = []
        for column in columns:
            if column == CLOCK_OBJECT:
                offset_s, saving = view.zone.offsets(rows.stamp_epoch_s)
                encoded.append(
                    TimeColumn(
                        epoch_s=rows.stamp_epoch_s, deviation_min=-offset_s // 60, clock_status=saving * DST_STATUS
                    )
                )
            else:
                index = self._values_index(column)
                tag = self.tags[index]
                status = self.repeat_as_null and tag == Tag.UNSIGNED
                encoded.append(ValueColumn(values=rows.values[index], tag=tag, repeat_as_null=status))
        return encode_profile(encoded, capture_period_s=self.period_s(view))

    def _encode_regular(self, view: MeterView, rows: HistoryRows) -> bytes | None:
        """Encode load rows without a gap, a change of status or of daylight saving; None where there is one.

        What a head-end reads day by day: the first row in full, the others as values only. It gives the octets that
        `encode_profile` gives, in a fifth of the time.
        """
        stamp_s, (status, *values) = rows.stamp_epoch_s, rows.values
        first_s, last_s, count = int(stamp_s[0]), int(stamp_s[-1]), len(stamp_s)
        if last_s - first_s != (count - 1) * view.load.interval_s or view.zone.changes_between(first_s, last_s):
            return None
        if int(status.min()) != int(status.max()):
            return None
        first = encode_structure(
            encode_date_time(view.zone.local_time(first_s)),
            encode_unsigned(int(status[0])),
            *(encode_double_long_unsigned(int(column[0])) for column in values),
        )
        form, template = _value_rows(len(values))
        others = bytearray(template * (count - 1))
        table = np.frombuffer(others, form)
        for index, column in enumerate(values):
            table[f"value{index}"] = column[1:]
        return encode_array([first + others, *itertools.repeat(b"", count - 1)])  # the other rows are in `others`


@lru_cache(maxsize=8)
def _value_rows(count: int) -> tuple[np.dtype[np.void], bytes]:
    """Give the form of a row of null time, null status and this many double-long-unsigned, and an empty such row."""
    cells = [field for index in range(count) for field in ((f"tag{index}", "u1"), (f"value{index}", ">u4"))]
    nulls = encode_structure(*(encode_null() for _ in range(count + 2)))[:4]
    return np.dtype([("nulls", "V4"), *cells]), nulls + encode_double_long_unsigned(0) * count


def _cut(rows: HistoryRows, first: int, last: int) -> HistoryRows:
    if first <= 0 and last >= len(rows.stamp_epoch_s):
        return rows
    return HistoryRows(rows.stamp_epoch_s[first:last], tuple(column[first:last] for column in rows.values))


def _chosen(rows: HistoryRows, mask: npt.NDArray[np.bool_]) -> HistoryRows:
    return HistoryRows(rows.stamp_epoch_s[mask], tuple(column[mask] for column in rows.values))


# --- load profiles ---------------------------------------------------------------------------------------------------


def _load_block(view: MeterView, from_s: int, to_s: int) -> IntervalBlock:
    """Give the captured intervals whose END lies in [from, to]; the one that the load's end cuts short ends there."""
    last_s, ends_s = to_s - view.load.interval_s, view.load.ends_epoch_s
    if ends_s is not None and to_s >= ends_s:
        last_s = ends_s - 1
    return view.load.intervals(from_s - view.load.interval_s, last_s + 1)


def _stamps(view: MeterView, block: IntervalBlock) -> IntArray:
    """Give the ends of intervals: a meter taken down within one has a last, shorter row, stamped with that moment."""
    stamp_s, ends_s = block.start_epoch_s + view.load.interval_s, view.load.ends_epoch_s
    return stamp_s if ends_s is None else np.minimum(stamp_s, ends_s)


def _status(view: MeterView, block: IntervalBlock, stamp_s: IntArray) -> npt.NDArray[np.uint8]:
    """Add what the management part knows to the load's status: daylight saving, and intervals the clock was set in."""
    _, saving = view.zone.offsets(stamp_s)
    status = block.status | (saving * np.uint8(FLAG_DST))
    for event in view.state.own_events(view.index):
        if event.log == LOG_STANDARD and event.code in (CLOCK_ADJUSTED_OLD, CLOCK_ADJUSTED_NEW):
            inside = (stamp_s - view.load.interval_s <= event.epoch_s) & (event.epoch_s < stamp_s)
            status[inside] |= FLAG_CLOCK_ADJUSTED
    return status


def load_stamps(view: MeterView, from_s: int, to_s: int) -> HistoryRows:
    """Give the captured intervals whose end lies in [from, to]: their ends and their status."""
    return _load_rows(view, from_s, to_s)


def _load_rows(view: MeterView, from_s: int, to_s: int, *names: str) -> HistoryRows:
    block = _load_block(view, from_s, to_s)
    stamp_s = _stamps(view, block)
    columns = (_status(view, block, stamp_s), *(getattr(block, name) for name in names))
    if block.present.all():
        return HistoryRows(stamp_s, columns)
    return HistoryRows(stamp_s[block.present], tuple(column[block.present] for column in columns))


def _load_import(view: MeterView, from_s: int, to_s: int) -> HistoryRows:
    return _load_rows(view, from_s, to_s, "import_wh")


def _load_export(view: MeterView, from_s: int, to_s: int) -> HistoryRows:
    return _load_rows(view, from_s, to_s, "export_wh", "import_varh", "export_varh")


# --- billing profiles ------------------------------------------------------------------------------------------------


def _registers(view: MeterView, stamp_s: IntArray) -> tuple[IntArray, ...]:
    block = view.load.registers_at_many(stamp_s)
    totals = (
        block.import_wh, block.export_wh, block.import_varh, block.export_varh, block.import_rate_1_wh,
        block.import_rate_2_wh,
    )  # fmt: skip
    return tuple(total % REGISTER_LIMIT for total in totals)


def _daily(view: MeterView, from_s: int, to_s: int) -> HistoryRows:
    stamp_s = view.zone.local_midnights(from_s, to_s + 1)
    return HistoryRows(stamp_s, _registers(view, stamp_s))


def _monthly(view: MeterView, from_s: int, to_s: int) -> HistoryRows:
    stamp_s = view.zone.month_starts(from_s, to_s + 1)
    demand_w = np.array([maximum_demand(view, before_s, at_s)[0] for before_s, at_s in _months_before(view, stamp_s)])
    return HistoryRows(stamp_s, (*_registers(view, stamp_s), demand_w.astype(np.int64)))


def _months_before(view: MeterView, stamp_s: IntArray) -> list[tuple[int, int]]:
    """Give the month that each month's start ends."""
    if not len(stamp_s):
        return []
    first = view.zone.month_starts(int(stamp_s[0]) - 40 * DAY_S, int(stamp_s[0]))[-1]
    starts = [int(first), *stamp_s.tolist()]
    return list(itertools.pairwise(starts))


def maximum_demand(view: MeterView, from_s: int, to_s: int) -> tuple[int, int]:
    """Give the highest mean import power (W) of an interval that ends in (from, to], and the end of that interval.

    Without any interval: 0 W at `from`.  Source: extended register 1-0:1.6.0, reset at each month's start.
    """
    block = _load_block(view, from_s + 1, to_s)
    energy_wh = np.where(block.present, block.import_wh, 0)
    if not len(energy_wh):
        return 0, from_s
    highest = int(energy_wh.argmax())
    interval_s = view.load.interval_s
    return int(energy_wh[highest]) * 3600 // interval_s, int(block.start_epoch_s[highest]) + interval_s


# --- event logs ------------------------------------------------------------------------------------------------------


def _events(view: MeterView, from_s: int, to_s: int, log: int) -> HistoryRows:
    """Give the metrology part's events and the management part's own, in order of time."""
    events = view.load.events(from_s, to_s + 1)
    chosen = events.log == log
    own = [event for event in view.state.own_events(view.index) if event.log == log and from_s <= event.epoch_s <= to_s]
    stamp_s = np.concatenate((events.epoch_s[chosen], np.array([event.epoch_s for event in own], np.int64)))
    code = np.concatenate((events.code[chosen], np.array([event.code for event in own], np.uint16)))
    order = np.argsort(stamp_s, kind="stable")
    return HistoryRows(stamp_s[order], (code[order],))


# --- the table -------------------------------------------------------------------------------------------------------

_ROWS: Final[Mapping[str, Callable[[MeterView, int, int], HistoryRows]]] = {
    "load_import": _load_import,
    "load_export": _load_export,
    "daily": _daily,
    "monthly": _monthly,
}
_PERIOD_S: Final[Mapping[str, int | None]] = {"load": None, "daily": DAY_S, "monthly": 0}
_TAG_OF_ROLE: Final = {"status": Tag.UNSIGNED, "value": Tag.DOUBLE_LONG_UNSIGNED}


def _of_profile(profile: CollectionProfile) -> HistoryTable:
    """Make the history of a profile of the catalogue: what the head-end collects is what the meter captures."""
    if profile.name not in _ROWS:
        raise ModelError(f"no rows are computed for the profile {profile.name} of the catalogue")
    return HistoryTable(
        name=profile.name, obis_code=ObisCode(profile.obis_code),
        columns=tuple(
            CaptureObject(column.class_id, ObisCode(column.obis_code), column.attribute) for column in profile.columns
        ),
        tags=tuple(_TAG_OF_ROLE[column.role.value] for column in profile.columns[1:]),
        depth_days=profile.depth_days, entries_max=profile.entries_max, capture_period_s=_PERIOD_S[profile.kind],
        repeat_as_null=True, follows_load=True, rows=_ROWS[profile.name],
    )  # fmt: skip


def _of_log(name: str) -> HistoryTable:
    log = EVENT_LOGS[name]
    number = ObisCode(log.obis_code)[4]

    def rows(view: MeterView, from_s: int, to_s: int) -> HistoryRows:
        return _events(view, from_s, to_s, number)

    return HistoryTable(
        name=name, obis_code=ObisCode(log.obis_code),
        columns=(CLOCK_OBJECT, CaptureObject(1, ObisCode(log.event_obis_code), 2)), tags=(Tag.LONG_UNSIGNED,),
        depth_days=EVENT_DEPTH_DAYS, entries_max=EVENT_ENTRIES_MAX, capture_period_s=0, repeat_as_null=False,
        follows_load=False, rows=rows,
    )  # fmt: skip


HISTORIES: Final[Mapping[str, HistoryTable]] = MappingProxyType(
    {
        **{name: _of_profile(profile) for name, profile in PROFILES.items() if profile.medium.value == "electricity"},
        **{name: _of_log(name) for name in EVENT_LOGS},
    }
)


def encode_capture_objects(table: HistoryTable) -> bytes:
    """Encode attribute 3 of a profile."""
    return encode_array(column.to_bytes() for column in table.columns)
