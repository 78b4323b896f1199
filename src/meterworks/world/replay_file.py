"""Files of interval readings, one column per household, read into whole watt-hours on a grid of intervals.

Accepted columns, units and time labels are described in docs/replay.md; what is not understood is refused with a
sentence that names the file, the column or label, and what to do.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from meterworks.devices import ZoneTable, zone_table
from meterworks.errors import UsageError
from meterworks.world.errors import ReplayFileError
from meterworks.world.replay_table import ReplayTable, read_replay_table

__all__ = ["MISSING", "LabelMeaning", "ReplayFile", "ReplayHome", "ReplayOptions", "Unit", "read_replay_file"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
MaskArray = npt.NDArray[np.bool_]
CompactArray = npt.NDArray[np.int32]

LabelMeaning = Literal["start", "end"]
Unit = Literal["auto", "wh", "kwh"]

MISSING: Final = -(2**31)  # a slot without a reading
INTERVALS_S: Final = (900, 1800, 3600)
HOUSEHOLDS_MAX: Final = 100_000
READINGS_MAX: Final = 500_000_000
VALUE_MAX_WH: Final = 2**31 - 1
NAME_LENGTH_MAX: Final = 128
# Fractions of no stated unit, commonly smaller than this, look like kWh: a guess would be wrong by a thousand.
KWH_LOOKALIKE_MAX: Final = 50.0
_ENERGY_UNIT: Final = re.compile(r"(?:^|_)(kwh|wh)$", re.IGNORECASE)
# Names that are no household's. A unit of one or two letters is no proof: home_a, flat_kw and block_v are homes.
_OTHER_QUANTITY: Final = re.compile(
    r"(?:^|_)(k?varh|kvar|deg_?c|percent|m3c?|temperature|humidity|irradiance|register)$"
    r"|^(voltage|current|power|frequency|power_factor)(_(l[123]|m?a|k?va?|m?v|k?w|hz|mean|max|min))?$",
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
    table = read_replay_table(path)
    if not table.homes:
        raise ReplayFileError(
            f"{path}: no column but the times; one column of energy per household is needed,"
            " and columns are parted by commas"
        )
    for name, column in table.homes.items():
        _refuse_other_quantities(path, name, column.type)
    starts = _starts(path, table, options)
    _refuse_size(path, len(table.homes), len(starts))
    grid = _Grid.of(path, starts, table.homes)
    _refuse_size(path, len(table.homes), grid.slots)
    values: dict[str, CompactArray] = {}
    unsure = []
    for name, column in table.homes.items():
        whole, largest = _watt_hours(path, name, column, options.unit)
        values[name] = grid.place(whole)
        if largest is not None:
            unsure.append((name, largest))
    _refuse_guesses(path, unsure)
    return ReplayFile(path, grid.interval_s, grid.first_epoch_s, grid.slots, tuple(_homes(path, values)))


def _refuse_size(path: Path, columns: int, rows: int) -> None:
    if columns * rows > READINGS_MAX or columns > HOUSEHOLDS_MAX:
        raise ReplayFileError(
            f"{path}: {columns} columns of {rows} intervals from the first label to the last are too many to replay"
            " at once: look for a label far from all others, or cut the file into parts"
        )


# --- time ------------------------------------------------------------------------------------------------------------


def _starts(path: Path, table: ReplayTable, options: ReplayOptions) -> IntArray:
    """Give the UTC start of each row in seconds."""
    column = table.times
    if column.null_count:
        raise ReplayFileError(f"{path}: {column.null_count} rows have no time in column {table.times_name}")
    if not len(column):
        raise ReplayFileError(f"{path} has no rows")
    try:
        if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
            column = _parsed(column)
        aware = pa.types.is_timestamp(column.type) and column.type.tz is not None
        # A zoned Arrow time is UTC inside; cast drops fractions of seconds only when there are none.
        labels = column.cast(pa.timestamp("s", column.type.tz if aware else None)).cast(pa.int64()).to_numpy()
    except (pa.ArrowException, ValueError) as error:
        raise ReplayFileError(
            f"{path}: the times in column {table.times_name} cannot be read: {error};"
            " write them as 2013-01-31 23:30:00, in whole seconds"
        ) from error
    labels = labels.astype(np.int64)
    starts = labels if aware or not options.zone else _from_local(path, labels, options.zone)
    if options.label == "end":
        starts = starts - _interval(path, np.unique(starts))
    return starts


def _parsed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return column.cast(pa.timestamp("s"))
    except pa.ArrowInvalid as error:
        try:
            return column.cast(pa.timestamp("s", "UTC"))  # texts with an offset
        except pa.ArrowInvalid:
            raise error from None


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
    def of(cls, path: Path, starts: IntArray, columns: Mapping[str, pa.ChunkedArray]) -> "_Grid":
        """Sort the rows; refuse two different rows of one time, and times off the grid."""
        rows = np.argsort(starts, kind="stable")
        rising = starts[rows]
        again = (rising[1:] == rising[:-1]).nonzero()[0] + 1
        unlike = again[_unlike(columns, rows[again - 1], rows[again])]
        if len(unlike):
            raise ReplayFileError(
                f"{path}: {_shown(int(rising[unlike[0]]))} stands twice with different values; if labels"
                " are local time, say in which zone, so that the hour the clock is put back over is told apart"
                " (such as --set neighbourhood.replay_zone=Europe/London)"
            )
        keep = np.ones(len(rows), np.bool_)
        keep[again] = False
        rows, rising = rows[keep], rising[keep]
        interval_s = _interval(path, rising)
        off = rising % interval_s != 0
        if off.any():
            raise ReplayFileError(
                f"{path}: {_shown(int(rising[off][0]))} does not lie on a grid of {interval_s} s intervals:"
                " leave the row out, or resample the file"
            )
        slot = (rising - rising[0]) // interval_s
        return cls(interval_s, int(rising[0]), int(slot[-1]) + 1, rows, slot)

    def place(self, values: IntArray) -> CompactArray:
        """Put a column's values into their slots."""
        placed = np.full(self.slots, MISSING, np.int32)
        placed[self.slot] = values[self.rows]
        return placed


def _unlike(columns: Mapping[str, pa.ChunkedArray], earlier: IntArray, later: IntArray) -> MaskArray:
    """Mark the pairs of rows that differ anywhere; two empty cells are alike."""
    unlike = np.zeros(len(earlier), np.bool_)
    if len(earlier):
        for column in columns.values():
            one, other = (column.take(pa.array(rows)) for rows in (earlier, later))
            no_one, no_other = (pc.is_null(part, nan_is_null=True).to_numpy() for part in (one, other))
            differ = pc.fill_null(pc.not_equal(one, other), fill_value=False).to_numpy()
            unlike |= (no_one != no_other) | (~no_one & ~no_other & differ)
    return unlike


# --- values ----------------------------------------------------------------------------------------------------------


def _refuse_other_quantities(path: Path, name: str, kind: pa.DataType) -> None:
    numbers = (pa.types.is_null, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    if not any(fits(kind) for fits in numbers):
        raise ReplayFileError(f"{path}: column {name} holds {kind}, not energy: leave it out of the file")
    if _ENERGY_UNIT.search(name) is None and _OTHER_QUANTITY.search(name):
        raise ReplayFileError(
            f"{path}: column {name} does not look like energy: leave it out, or rename it to {name}_wh"
        )


def _watt_hours(path: Path, name: str, column: pa.ChunkedArray, unit: Unit) -> tuple[IntArray, float | None]:
    """Give a column in whole Wh, MISSING for nulls; negative values are energy exported.

    Each value becomes the nearest whole Wh. The second part is the largest value of a column with fractions and
    without any word on its unit, else None.
    """
    named = _ENERGY_UNIT.search(name)
    told = named[1].lower() if named else unit
    exact = _exact(column)
    missing = np.isnan(exact)
    exact = np.where(missing, 0.0, exact)
    if not np.isfinite(exact).all():
        raise ReplayFileError(f"{path}: column {name} holds an infinite value: leave the cell empty")
    largest = float(np.abs(exact).max(initial=0.0))
    fractions = bool((np.abs(exact - np.rint(exact)) > 1e-6).any())
    exact *= 1000 if told == "kwh" else 1
    if float(np.abs(exact).max(initial=0.0)) > VALUE_MAX_WH:
        raise ReplayFileError(
            f"{path}: column {name} holds more than {VALUE_MAX_WH} Wh in one interval: is it in another unit?"
        )
    whole = np.where(missing, MISSING, np.rint(exact).astype(np.int64))
    return whole, largest if fractions and told == "auto" else None


def _exact(column: pa.ChunkedArray) -> FloatArray:
    """Give numbers as fractions of 53 bits, NaN where there is none; beyond that they are refused anyway."""
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    exact: FloatArray = column.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)
    return exact


def _refuse_guesses(path: Path, unsure: list[tuple[str, float]]) -> None:
    """Refuse fractions of no stated unit that may be kWh: the middle one of the households' largest values tells."""
    if unsure and float(np.median([largest for _, largest in unsure])) < KWH_LOOKALIKE_MAX:
        raise ReplayFileError(
            f"{path}: column {unsure[0][0]} has small fractions: say whether they are kWh or Wh"
            " (rename the column to end in _kwh or _wh, or give --set neighbourhood.replay_unit=kwh)"
        )


def _homes(path: Path, values: Mapping[str, CompactArray]) -> list[ReplayHome]:
    """Make households: pairs X_load and X_pv are netted to one, X; every other column is one."""
    homes = []
    for name, wh in values.items():
        home = name.removesuffix(_LOAD)
        if name.endswith(_PV) and f"{name.removesuffix(_PV)}{_LOAD}" in values:
            continue
        if name.endswith(_LOAD) and f"{home}{_PV}" in values:
            generation = values[f"{home}{_PV}"]
            missing = (wh == MISSING) | (generation == MISSING)
            net_wh = np.where(missing, MISSING, wh.astype(np.int64) - generation)
            if int(np.abs(net_wh[~missing]).max(initial=0)) > VALUE_MAX_WH:
                raise ReplayFileError(f"{path}: {name} less {home}{_PV} is more than {VALUE_MAX_WH} Wh in one interval")
            homes.append(_home(home.strip(), net_wh))
        else:
            homes.append(_home(name.strip(), wh.astype(np.int64)))
    _refuse_names(path, [home.name for home in homes])
    return homes


def _refuse_names(path: Path, names: list[str]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise ReplayFileError(f"{path}: {name!r} cannot name a household, {times} columns have it: rename them")
        if not name.isprintable() or not 1 <= len(name) <= NAME_LENGTH_MAX:
            raise ReplayFileError(
                f"{path}: {name!r} cannot name a household: rename the column to 1 to {NAME_LENGTH_MAX} printable"
                " characters"
            )


def _home(name: str, net_wh: IntArray) -> ReplayHome:
    """Part net energy into import and export."""
    missing = net_wh == MISSING
    import_wh = np.where(missing, MISSING, np.maximum(net_wh, 0)).astype(np.int32)
    exports = (net_wh < 0) & ~missing
    if not exports.any():
        return ReplayHome(name, import_wh, None)
    return ReplayHome(name, import_wh, np.where(exports, -net_wh, 0).astype(np.int32))
