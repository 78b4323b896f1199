"""Files of interval readings, one column per household, read into whole watt-hours on a grid of intervals.

Accepted columns, units and time labels are described in docs/replay.md; what is not understood is refused with a
sentence that names the file, the column or label, and what to do.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from meterworks.devices import ZoneTable, zone_table
from meterworks.errors import UsageError
from meterworks.world.errors import ReplayFileError

__all__ = ["MISSING", "LabelMeaning", "ReplayFile", "ReplayHome", "ReplayOptions", "Unit", "read_replay_file"]

IntArray = npt.NDArray[np.int64]
CompactArray = npt.NDArray[np.int32]

LabelMeaning = Literal["start", "end"]
Unit = Literal["auto", "wh", "kwh"]

MISSING: Final = -(2**31)  # a slot without a reading
INTERVALS_S: Final = (900, 1800, 3600)
HOUSEHOLDS_MAX: Final = 100_000
READINGS_MAX: Final = 500_000_000
VALUE_MAX_WH: Final = 2**31 - 1
FILE_SIZE_MAX: Final = 4 * 2**30
NAME_LENGTH_MAX: Final = 128
# Fractions of values of no stated unit, all smaller than this, look like kWh: a guess would be wrong by a thousand.
KWH_LOOKALIKE_MAX: Final = 50.0
_TIME_HINT = re.compile(r"^(label|start|hour|time|date|timestamp|end|interval|utc|__index)", re.IGNORECASE)
_ENERGY_UNIT = re.compile(r"(?:^|_)(kwh|wh)$", re.IGNORECASE)
_OTHER_UNIT = re.compile(
    r"(?:^|_)(k?varh?|kw|degc|percent|m3c?|hz|temperature|humidity|irradiance|register)$|^(voltage|current|power)_",
    re.IGNORECASE,
)
_LOAD, _PV = "_load", "_pv"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """How to read a file. zone: IANA zone of labels that are local wall time; empty: labels are UTC.

    unit: of columns whose name does not end in `wh` or `kwh`. label: what a label names of its interval.
    """

    zone: str = ""
    label: LabelMeaning = "start"
    unit: Unit = "auto"


@dataclass(frozen=True, slots=True, eq=False)
class ReplayHome:
    """One household: whole Wh per slot of the file, MISSING where there is no reading. export_wh: None where none."""

    name: str
    import_wh: CompactArray
    export_wh: CompactArray | None


@dataclass(frozen=True, slots=True, eq=False)
class ReplayFile:
    """The households of a file, all on one grid. first_epoch_s: UTC start of the first slot."""

    path: Path
    interval_s: int
    first_epoch_s: int
    slots: int
    homes: tuple[ReplayHome, ...]

    @property
    def end_epoch_s(self) -> int:
        """End of the last slot."""
        return self.first_epoch_s + self.slots * self.interval_s

    def shift_to(self, now_epoch_s: int) -> int:
        """Give the whole days, in seconds, that move the end as near as possible before the last midnight UTC."""
        midnight = now_epoch_s - now_epoch_s % 86_400
        return (midnight - self.end_epoch_s) // 86_400 * 86_400


def read_replay_file(path: Path, options: ReplayOptions | None = None) -> ReplayFile:
    """Read a Parquet, CSV or CSV.GZ file. Raises ReplayFileError with what is wrong and what to do."""
    options = options or ReplayOptions()
    table = _read_table(path)
    time_name = _time_column(path, table)
    starts = _starts(path, table[time_name], options)
    columns = [name for name in table.column_names if name != time_name]
    if len(columns) * len(starts) > READINGS_MAX or len(columns) > HOUSEHOLDS_MAX:
        raise ReplayFileError(f"{path}: {len(columns)} columns of {len(starts)} rows are too many to replay at once")
    grid = _Grid.of(path, starts, lambda rows: _same_values(table, columns, rows))
    values = {name: grid.place(_watt_hours(path, name, table[name], options.unit)) for name in columns}
    return ReplayFile(path, grid.interval_s, grid.first_epoch_s, grid.slots, tuple(_homes(path, values)))


def _read_table(path: Path) -> pa.Table:
    try:
        if path.stat().st_size > FILE_SIZE_MAX:
            raise ReplayFileError(f"{path} is larger than 4 GiB: cut it into parts and replay one")
        if path.suffix.lower() in (".parquet", ".pq"):
            return pq.read_table(path)
        if re.search(r"\.csv(\.gz)?$", path.name, re.IGNORECASE):
            return pa_csv.read_csv(path)
    except FileNotFoundError as error:
        raise ReplayFileError(f"there is no file {path}: give the path of a Parquet or CSV file") from error
    except (OSError, pa.ArrowException, UnicodeError) as error:
        raise ReplayFileError(f"{path} cannot be read: {error}") from error
    raise ReplayFileError(f"{path}: give a file that ends in .parquet, .csv or .csv.gz")


# --- time ------------------------------------------------------------------------------------------------------------


def _time_column(path: Path, table: pa.Table) -> str:
    """Choose the column of labels: of the kind of a time, or text that reads as one; a telling name goes first."""
    names = sorted(table.column_names, key=lambda name: not _TIME_HINT.match(name))
    for name in names:
        if pa.types.is_timestamp(table.schema.field(name).type) or pa.types.is_date(table.schema.field(name).type):
            return str(name)
    for name in names:
        if pa.types.is_string(table.schema.field(name).type) or pa.types.is_large_string(table.schema.field(name).type):
            return str(name)
    raise ReplayFileError(
        f"{path}: no column holds times; a column of time stamps (such as label_utc, start_local, hour_utc) is needed"
    )


def _starts(path: Path, column: pa.ChunkedArray, options: ReplayOptions) -> IntArray:
    """Give the UTC start of each row in seconds."""
    if column.null_count:
        raise ReplayFileError(f"{path}: {column.null_count} rows have no time")
    if not len(column):
        raise ReplayFileError(f"{path} has no rows")
    try:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = _parsed(column)
        aware = pa.types.is_timestamp(column.type) and column.type.tz is not None
        # A zoned Arrow time is UTC inside; cast drops fractions of seconds only when there are none.
        labels = column.cast(pa.timestamp("s", column.type.tz if aware else None)).cast(pa.int64()).to_numpy()
    except (pa.ArrowException, ValueError) as error:
        raise ReplayFileError(f"{path}: the column of times cannot be read: {error}") from error
    labels = labels.astype(np.int64)
    starts = labels if aware or not options.zone else _from_local(path, labels, options.zone)
    if options.label == "end":
        starts = starts - _interval(path, np.unique(starts))
    return starts


def _parsed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.timestamp("s"))
    except pa.ArrowInvalid:
        return column.cast(pa.timestamp("s", "UTC"))  # texts with an offset


def _from_local(path: Path, labels: IntArray, zone_name: str) -> IntArray:
    """Turn local wall times into UTC. Where the clock goes back, the second of two equal hours is the later one."""
    try:
        zone: ZoneTable = zone_table(zone_name)
    except UsageError as error:
        raise ReplayFileError(f"{path}: {error}") from error
    early = labels - zone.offsets(labels - zone.offsets(labels - 86_400)[0])[0]
    late = labels - zone.offsets(labels - zone.offsets(labels + 86_400)[0])[0]
    early, late = np.minimum(early, late), np.maximum(early, late)
    early_fits = early + zone.offsets(early)[0] == labels
    late_fits = late + zone.offsets(late)[0] == labels
    if not (early_fits | late_fits).all():
        label = _shown(int(labels[~(early_fits | late_fits)][0]))
        raise ReplayFileError(
            f"{path}: {label} does not exist in {zone_name}, the clock was put forward over it;"
            " leave the zone out if the labels keep one time all year"
        )
    starts: IntArray = np.where(early_fits, early, late)
    double = early_fits & late_fits & (early != late)
    # Of the two hours with the same labels the second one follows in the file: its labels have been seen.
    seen: set[int] = set()
    for row in double.nonzero()[0].tolist():
        if int(labels[row]) in seen:
            starts[row] = late[row]
        seen.add(int(labels[row]))
    return starts


def _shown(epoch_s: int) -> str:
    return str(np.datetime64(epoch_s, "s"))


def _interval(path: Path, rising: IntArray) -> int:
    """Find the interval: the commonest distance between neighbouring labels."""
    if len(rising) < 2:
        raise ReplayFileError(f"{path}: one label alone tells no interval; give two rows at least")
    distances, counts = np.unique(np.diff(rising), return_counts=True)
    interval_s = int(distances[counts.argmax()])
    if interval_s not in INTERVALS_S:
        raise ReplayFileError(
            f"{path}: most labels are {interval_s} s apart, meters capture every 15, 30 or 60 minutes: resample it"
        )
    return interval_s


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Where each row of the file stands on the grid of slots; rows that say the same twice are left out."""

    interval_s: int
    first_epoch_s: int
    slots: int
    rows: IntArray
    slot: IntArray

    @classmethod
    def of(cls, path: Path, starts: IntArray, same_values: Any) -> "_Grid":
        """Sort the rows; refuse two different rows of one time, and times off the grid."""
        rows = np.argsort(starts, kind="stable")
        rising = starts[rows]
        again = (rising[1:] == rising[:-1]).nonzero()[0] + 1
        for place in again.tolist():
            if not same_values((int(rows[place - 1]), int(rows[place]))):
                raise ReplayFileError(
                    f"{path}: {_shown(int(rising[place]))} stands twice with different values; if labels"
                    " are local time, say in which zone, so that the hour the clock is put back over is told apart"
                )
        keep = np.ones(len(rows), np.bool_)
        keep[again] = False
        rows, rising = rows[keep], rising[keep]
        interval_s = _interval(path, rising)
        off = rising % interval_s != 0
        if off.any():
            raise ReplayFileError(
                f"{path}: {_shown(int(rising[off][0]))} does not lie on a grid of {interval_s} s intervals"
            )
        slot = (rising - rising[0]) // interval_s
        return cls(interval_s, int(rising[0]), int(slot[-1]) + 1, rows, slot)

    def place(self, values: IntArray) -> CompactArray:
        """Put a column's values into their slots."""
        placed = np.full(self.slots, MISSING, np.int64)
        placed[self.slot] = values[self.rows]
        return placed.astype(np.int32)


def _same_values(table: pa.Table, columns: list[str], rows: tuple[int, int]) -> bool:
    return all(table[name][rows[0]].as_py() == table[name][rows[1]].as_py() for name in columns)


# --- values ----------------------------------------------------------------------------------------------------------


def _watt_hours(path: Path, name: str, column: pa.ChunkedArray, unit: Unit) -> IntArray:
    """Give a column in whole Wh, MISSING for nulls; negative values are energy exported."""
    if pa.types.is_null(column.type):
        return np.full(len(column), MISSING, np.int64)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
        raise ReplayFileError(f"{path}: column {name} holds {column.type}, not energy: leave it out of the file")
    named = _ENERGY_UNIT.search(name)
    if named is None and _OTHER_UNIT.search(name):
        raise ReplayFileError(
            f"{path}: column {name} does not look like energy: leave it out, or rename it to {name}_wh"
        )
    per_unit = {"kwh": 1000, "wh": 1}[named[1].lower()] if named else {"kwh": 1000, "wh": 1, "auto": 1}[unit]
    if pa.types.is_integer(column.type):
        missing = column.is_null().to_numpy()
        whole = pc.fill_null(column, 0).cast(pa.int64()).to_numpy() * per_unit
        return _checked(path, name, whole, missing)
    exact = column.cast(pa.float64()).to_numpy().astype(np.float64)
    missing = np.isnan(exact)
    exact = np.where(missing, 0.0, exact)
    if not np.isfinite(exact).all():
        raise ReplayFileError(f"{path}: column {name} holds an infinite value")
    fractions = np.abs(exact - np.rint(exact)) > 1e-6
    if named is None and unit == "auto" and fractions.any() and float(np.abs(exact).max()) < KWH_LOOKALIKE_MAX:
        raise ReplayFileError(
            f"{path}: column {name} has small fractions: say whether they are kWh or Wh"
            " (rename the column to end in _kwh or _wh, or give the unit)"
        )
    return _checked(path, name, _rounded(exact * per_unit), missing)


def _rounded(exact_wh: npt.NDArray[np.float64]) -> IntArray:
    """Round to whole Wh: each value by itself where all are whole but for the noise of binary fractions.

    Otherwise the running sum is rounded and its differences taken, as a register does it: sums stay true within 1 Wh.
    """
    nearest = np.rint(exact_wh)
    if float(np.abs(exact_wh - nearest).max(initial=0.0)) < 1e-6 * max(1.0, float(np.abs(nearest).max(initial=0.0))):
        return nearest.astype(np.int64)
    running = np.rint(np.cumsum(exact_wh))
    return np.diff(running, prepend=0.0).astype(np.int64)


def _checked(path: Path, name: str, whole_wh: IntArray, missing: npt.NDArray[np.bool_]) -> IntArray:
    if len(whole_wh) and int(np.abs(whole_wh).max()) > VALUE_MAX_WH:
        raise ReplayFileError(f"{path}: column {name} holds more than {VALUE_MAX_WH} Wh in one interval")
    return np.where(missing, MISSING, whole_wh)


def _homes(path: Path, values: dict[str, CompactArray]) -> list[ReplayHome]:
    """Make households: pairs X_load and X_pv are netted to one, X; every other column is one."""
    homes = []
    for name, wh in values.items():
        home = name.removesuffix(_LOAD)
        if name.endswith(_PV) and f"{name.removesuffix(_PV)}{_LOAD}" in values:
            continue
        if name.endswith(_LOAD) and f"{home}{_PV}" in values:
            generation = values[f"{home}{_PV}"]
            missing = (wh == MISSING) | (generation == MISSING)
            homes.append(_home(home, np.where(missing, MISSING, wh.astype(np.int64) - generation)))
        else:
            homes.append(_home(name, wh.astype(np.int64)))
    if not homes:
        raise ReplayFileError(f"{path}: no column but the times; one column of energy per household is needed")
    names = [home.name for home in homes]
    for name in names:
        if names.count(name) > 1 or not name.strip().isprintable() or not 1 <= len(name.strip()) <= NAME_LENGTH_MAX:
            raise ReplayFileError(
                f"{path}: {name!r} cannot name a household: names are printable, unlike each other, short"
            )
    return homes


def _home(name: str, net_wh: IntArray) -> ReplayHome:
    """Part net energy into import and export."""
    missing = net_wh == MISSING
    import_wh = np.where(missing, MISSING, np.maximum(net_wh, 0)).astype(np.int32)
    exports = (net_wh < 0) & ~missing
    if not exports.any():
        return ReplayHome(name, import_wh, None)
    return ReplayHome(name, import_wh, np.where(exports, -net_wh, 0).astype(np.int32))
