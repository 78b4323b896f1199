"""Profiles of any meter as tables: all rows, those between two instants, or the last; to a file or the screen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from meterworks.protocols import DecodeError, ServiceRefused
from meterworks.protocols.dlms import (
    CLOCK_OBJECT,
    AttributeAddress,
    CaptureLayout,
    CaptureObject,
    CosemDateTime,
    EntrySelection,
    ObisCode,
    RangeSelection,
    ScalerUnit,
    Selection,
    decode_all,
    decode_capture_objects,
    decode_profile,
)
from meterworks.system.errors import ConfigurationError
from meterworks.system.meter.link import AskedMeter, Progress

__all__ = ["ROWS_MAX", "ProfileRange", "expected_size", "profile_rows", "read_profile", "save_table"]

PROFILE_CLASS: Final = 7
ROWS_MAX: Final = 2_000_000
BUFFER, COLUMNS, PERIOD, SORT_METHOD, _SORT_OBJECT, ENTRIES = range(2, 8)
LAST_IN_FIRST_OUT: Final = 2
BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
END: Final = datetime(2099, 12, 31, tzinfo=UTC)
DECIMAL_DIGITS: Final = 38
ROW_SIZE_MIN: Final = 2  # of an empty array
#       class and attribute captured: where its scaler and unit stand
SCALER_ATTRIBUTES: Final[Mapping[tuple[int, int], int]] = MappingProxyType({(3, 2): 3, (4, 2): 3, (5, 2): 4, (5, 3): 4})
SCALER_MAX: Final = 18  # powers of ten that are applied to a column; others stay as the meter holds them


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRange:
    """Which rows. from_, to: aware, by the rows' own stamps, both included. last: so many of the newest instead."""

    from_: datetime | None = None
    to: datetime | None = None
    last: int | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.last is not None and (self.last < 1 or self.from_ is not None or self.to is not None):
            raise ConfigurationError("--last takes a number of rows from 1 on, and no --from or --to beside it")
        if self.from_ is not None and self.to is not None and self.from_ > self.to:
            raise ConfigurationError(f"--from {self.from_.isoformat()} lies after --to {self.to.isoformat()}")

    @property
    def is_all(self) -> bool:
        """Whether it is every row."""
        return self.from_ is None and self.to is None and self.last is None


def read_profile(
    meter: AskedMeter,
    profile: ObisCode,
    range_: ProfileRange = ProfileRange(),
    *,
    scaled: bool = False,
    progress: Progress | None = None,
) -> pa.Table:
    """Read a profile's rows, in the meter's order; column `time` is naive UTC.

    Units stand in the schema's metadata. scaled: registers in their unit, exactly, as decimals where the meter counts
    in other steps than one; otherwise values are as the meter holds them and the metadata names the power of ten.
    Raises ServiceRefused, PeerError, ConfigurationError.
    """
    columns = decode_capture_objects(meter.get(_attribute(profile, COLUMNS)))
    layout = CaptureLayout.compile(columns, _number(meter, profile, PERIOD), rows_max=ROWS_MAX)
    buffer, filtered = _buffer(meter, profile, columns, range_, progress)
    table = pa.Table.from_batches([decode_profile(buffer, layout).to_arrow()])
    if not filtered:
        table = _within(table, range_)
    units = _scaler_units(meter, columns, layout.names)
    metadata = {name: f"{row.symbol} x 10^{row.scaler}" for name, row in units.items()}
    if scaled:
        for name, row in units.items():
            column = _in_unit(table.column(name), row)
            if column is not None:
                table = table.set_column(table.column_names.index(name), name, column)
                metadata[name] = row.symbol
    return table.replace_schema_metadata(metadata)


def _attribute(profile: ObisCode, number: int) -> AttributeAddress:
    return AttributeAddress(PROFILE_CLASS, profile, number)


def _number(meter: AskedMeter, profile: ObisCode, attribute: int) -> int:
    """A number of the profile object; 0 where the meter hides it."""
    try:
        value = decode_all(meter.get(_attribute(profile, attribute)))
    except (ServiceRefused, DecodeError):
        return 0
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _buffer(
    meter: AskedMeter,
    profile: ObisCode,
    columns: tuple[CaptureObject, ...],
    range_: ProfileRange,
    progress: Progress | None,
) -> tuple[bytes, bool]:
    """The octets of the rows, and whether the meter chose them; one without selective access gives all it has."""
    selection = None if range_.is_all else _selection(meter, profile, columns, range_)
    address = _attribute(profile, BUFFER)
    if selection is not None:
        try:
            return meter.get(address, selection, progress=progress), True
        except ServiceRefused:
            pass
    return meter.get(address, None, progress=progress), False


def _selection(
    meter: AskedMeter, profile: ObisCode, columns: tuple[CaptureObject, ...], range_: ProfileRange
) -> Selection:
    if range_.last is not None:
        count = _number(meter, profile, ENTRIES)
        if _number(meter, profile, SORT_METHOD) == LAST_IN_FIRST_OUT:
            return EntrySelection(from_entry=1, to_entry=range_.last)
        return EntrySelection(from_entry=max(count - range_.last + 1, 1), to_entry=0)
    return RangeSelection(
        from_=CosemDateTime.from_datetime(range_.from_ or BEGINNING),
        to=CosemDateTime.from_datetime(range_.to or END),
        sort_object=_time_column(columns),
    )


def _time_column(columns: tuple[CaptureObject, ...]) -> CaptureObject:
    """The column by whose time rows are chosen: the clock, wherever it stands."""
    for column in columns:
        if column.class_id == CLOCK_OBJECT.class_id and column.attribute == CLOCK_OBJECT.attribute:
            return column
    raise ConfigurationError("this profile captures no time: choose rows with --last instead of --from and --to")


def _within(table: pa.Table, range_: ProfileRange) -> pa.Table:
    """The rows of the range, out of all."""
    if range_.last is not None:
        return table.slice(max(table.num_rows - range_.last, 0))
    if range_.is_all or "time" not in table.column_names:
        return table
    times = table.column("time")
    keep = pc.and_(
        pc.greater_equal(times, _naive(range_.from_ or BEGINNING)), pc.less_equal(times, _naive(range_.to or END))
    )
    return table.filter(keep)


def _naive(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment.astimezone(UTC).replace(tzinfo=None), pa.timestamp("s"))


def _scaler_units(
    meter: AskedMeter, columns: tuple[CaptureObject, ...], names: tuple[str, ...]
) -> Mapping[str, ScalerUnit]:
    """Scaler and unit by the name of the column, of those that are registers and as far as the meter tells."""
    found: dict[str, ScalerUnit] = {}
    for column, name in zip(columns, names, strict=True):
        where = SCALER_ATTRIBUTES.get((column.class_id, column.attribute))
        if where is None or column.data_index:
            continue
        try:
            encoded = meter.get(AttributeAddress(column.class_id, column.obis_code, where))
            found[name] = ScalerUnit.from_bytes(encoded)
        except (ServiceRefused, DecodeError):
            continue  # a meter may hide it; the values are then raw
    return found


def _in_unit(column: pa.ChunkedArray, row: ScalerUnit) -> pa.ChunkedArray | None:
    """The values in their unit, exactly; None where they are no integers or the power of ten is out of reason."""
    if not pa.types.is_integer(column.type) or abs(row.scaler) > SCALER_MAX:
        return None
    if row.scaler == 0:
        return column
    digits = pa.decimal128(DECIMAL_DIGITS, max(-row.scaler, 0))
    factor = pa.scalar(Decimal(1).scaleb(row.scaler))
    try:
        return pc.multiply(column.cast(pa.decimal128(19, 0)), factor).cast(digits)
    except pa.ArrowInvalid:
        return None  # more digits than a decimal has: better raw than rounded


def expected_size(meter: AskedMeter, profile: ObisCode, range_: ProfileRange) -> int | None:
    """About how many octets the rows will take, by the size of the first and their number; None: it is not told."""
    count = _number(meter, profile, ENTRIES)
    period = _number(meter, profile, PERIOD)
    if range_.last is not None:
        count = min(count, range_.last)
    elif range_.from_ is not None and period:
        until = range_.to or datetime.now(UTC)
        count = min(count, max(int((until - range_.from_).total_seconds()) // period, 1))
    try:
        row = meter.get(_attribute(profile, BUFFER), EntrySelection(from_entry=1, to_entry=1))
    except ServiceRefused:
        return None
    return count * len(row) if count > 0 and len(row) > ROW_SIZE_MIN else None


def profile_rows(table: pa.Table) -> list[dict[str, object]]:
    """The rows for people and for JSON: times in ISO 8601, decimals as texts, octets in hexadecimal."""
    return [{name: _shown(value) for name, value in row.items()} for row in table.to_pylist()]


def _shown(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, int | float | str | None) else str(value)


def save_table(table: pa.Table, path: Path) -> None:
    """Write a table as the file's ending says: `.csv` or `.parquet`. Raises ConfigurationError."""
    writers: dict[str, Callable[[pa.Table, str], None]] = {".csv": pa_csv.write_csv, ".parquet": pa_parquet.write_table}
    if path.suffix not in writers:
        raise ConfigurationError(f"{path}: name it .csv or .parquet", path=str(path))
    try:
        writers[path.suffix](table, str(path))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error}", path=str(path)) from error
