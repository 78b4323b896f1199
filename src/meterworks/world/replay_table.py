"""The table in a replayed file: Parquet or CSV, its column of times chosen and what is no household put aside.

The types of a CSV file are guessed from its beginning, where a home that starts late has no value yet and one of whole
numbers has no fraction; so every column that may hold energy is read as fractions, which hold whole watt-hours exactly.
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from meterworks.world.errors import ReplayFileError

__all__ = ["ReplayTable", "read_replay_table"]

FILE_SIZE_MAX: Final = 4 * 2**30
_TIME_HINT: Final = re.compile(r"^(label|start|hour|time|date|timestamp|end|interval|utc|__index)", re.IGNORECASE)
_PANDAS_INDEX: Final = re.compile(r"__index_level_\d+__|Unnamed: 0|")
_CSV_COLUMN: Final = re.compile(r"In CSV column #(\d+): (?:CSV conversion error to \w+(?:\[[^]]*\])?: )?")


@dataclass(frozen=True, slots=True, eq=False)
class ReplayTable:
    """A file's rows as they stand in it. times: one per row. homes: the other columns, by unlike names."""

    times_name: str
    times: pa.ChunkedArray
    homes: dict[str, pa.ChunkedArray]


def read_replay_table(path: Path) -> ReplayTable:
    """Read a Parquet, CSV or CSV.GZ file. Raises ReplayFileError with what is wrong and what to do."""
    table = _read(path)
    for name, times in Counter(table.column_names).items():
        if times > 1:
            raise ReplayFileError(f"{path}: {times} columns are named {name!r}: give each household a name of its own")
    times_name = _time_column(path, table)
    homes = {}
    for name in table.column_names:
        column = table[name]
        if name == times_name or _is_time(column.type) or _counts_rows(name, column):
            continue
        homes[name] = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    return ReplayTable(times_name, table[times_name], homes)


def _read(path: Path) -> pa.Table:
    try:
        if path.stat().st_size > FILE_SIZE_MAX:
            raise ReplayFileError(f"{path} is larger than 4 GiB: cut it into parts and replay one")
        if path.suffix.lower() in (".parquet", ".pq"):
            return pq.read_table(path)
        if re.search(r"\.csv(\.gz)?$", path.name, re.IGNORECASE):
            return _read_csv(path)
    except FileNotFoundError as error:
        raise ReplayFileError(f"there is no file {path}: give the path of a Parquet or CSV file") from error
    except (OSError, pa.ArrowException, UnicodeError) as error:
        raise ReplayFileError(f"{path} cannot be read: {error}") from error
    raise ReplayFileError(f"{path}: give a file that ends in .parquet, .csv or .csv.gz")


def _read_csv(path: Path) -> pa.Table:
    """Read a CSV file whole, numbers as fractions whatever its beginning looks like."""
    with pa_csv.open_csv(path) as beginning:
        schema = beginning.schema
    energies = (pa.types.is_null, pa.types.is_integer, pa.types.is_floating)
    try:
        types = {
            name: pa.float64()
            for name, kind in zip(schema.names, schema.types, strict=True)
            if any(fits(kind) for fits in energies)
        }
    except UnicodeError as error:
        raise ReplayFileError(f"{path}: a column's name is not in UTF-8: save the file as UTF-8") from error
    try:
        return pa_csv.read_csv(path, convert_options=pa_csv.ConvertOptions(column_types=types))
    except pa.ArrowInvalid as error:
        said = str(error)
        found = _CSV_COLUMN.match(said)
        if found is None:
            raise
        name = schema.names[int(found[1])]
        raise ReplayFileError(
            f"{path}: column {name} holds what is unlike the values before it: {said[found.end() :]};"
            " mend it, or leave the column out of the file"
        ) from error


# --- which column is what --------------------------------------------------------------------------------------------


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _time_column(path: Path, table: pa.Table) -> str:
    """Choose the column of labels: of the kind of a time, or text; a telling name goes first, UTC before local."""

    def order(name: str) -> tuple[bool, bool, bool]:
        lower = name.lower()
        return not _TIME_HINT.match(name), "utc" not in lower, lower.startswith("end")

    names = [str(name) for name in sorted(table.column_names, key=order)]
    for fits in (_is_time, _is_text):
        for name in names:
            if fits(table.schema.field(name).type):
                return name
    shown = ", ".join(repr(name) for name in table.column_names[:5])
    raise ReplayFileError(
        f"{path}: no column holds times, it has {shown}; a column of time stamps (such as label_utc, start_local,"
        " hour_utc) written as 2013-01-31 23:30:00 is needed, and columns are parted by commas"
    )


def _counts_rows(name: str, column: pa.ChunkedArray) -> bool:
    """Tell the numbers of rows that pandas writes beside the times from a household's readings."""
    if _PANDAS_INDEX.fullmatch(name) is None or column.null_count or not len(column):
        return False
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return False
    numbers = column.to_pylist()
    return len(set(numbers)) == len(numbers) and all(float(number).is_integer() for number in numbers)
