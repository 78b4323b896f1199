"""A profile buffer as a table, decoded in one pass.

The rows are cut into stretches of one shape, and each stretch is taken by numpy through one strided view: tags and
lengths of all its rows compared, values converted. Only a row that differs from its neighbours is walked by itself, and
even then its values are gathered with those of all such rows. Null data is resolved at the end, over whole columns.
Source: COSEM interface classes, Profile generic (class 7), attribute 2; fact sheet section 1 (null data, delta types).
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterworks.protocols.dlms.data import Tag
from meterworks.protocols.dlms.datetime import ANY, ANY_YEAR, NO_DEVIATION
from meterworks.protocols.dlms.profile_cell import (
    DELTAS,
    FLOATS,
    SCALARS,
    STAMP_DTYPE,
    STAMP_STRUCT,
    malformed,
    plain,
)
from meterworks.protocols.dlms.profile_layout import CaptureLayout, is_time
from meterworks.protocols.dlms.profile_rows import Piece, cut_rows

__all__ = ["ProfileTable", "decode_profile"]

IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# Plain numbers: an enumeration's member costs a look-up each time it is compared.
BOOLEAN = int(Tag.BOOLEAN)
DOUBLE_LONG_UNSIGNED, LONG64_UNSIGNED = int(Tag.DOUBLE_LONG_UNSIGNED), int(Tag.LONG64_UNSIGNED)

YEAR_FIRST, YEAR_LAST = 1900, 2199
DEVIATION_MAX_MIN: Final = 24 * 60
DAY_S: Final = 86_400
TIME_UNKNOWN: Final = -(2**62)  # marks a stamp whose date is left open
_MONTHS = np.arange(f"{YEAR_FIRST}-01", f"{YEAR_LAST + 1}-02", dtype="datetime64[M]").astype("datetime64[D]")
_MONTH_STARTS: Final[IntArray] = _MONTHS.astype(np.int64)
_MONTH_DAYS: Final[IntArray] = np.diff(_MONTH_STARTS)
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileTable:
    """A decoded profile buffer: arrays of one element per row, in the order of the buffer.

    time_epoch_s: the row's own time, UTC. deviation_min, clock_status: of its stamp, or of the last one before it;
    a deviation that was not given stays -32768. All three are empty when the layout has no time column.
    columns: one array per capture object: int64, float64, or object (strings, octets, nested values, numbers beyond
    int64); a time column holds epoch seconds. present: per column a mask, or None where no value is missing. Missing
    are nulls with no value before them, and times whose date is left open; their elements hold 0 or None.
    """

    layout: CaptureLayout
    rows: int
    time_epoch_s: IntArray
    deviation_min: npt.NDArray[np.int16]
    clock_status: npt.NDArray[np.uint8]
    columns: tuple[npt.NDArray[Any], ...]
    present: tuple[Mask | None, ...]

    def column(self, obis_code: bytes, attribute: int = 2) -> npt.NDArray[Any]:
        """Give the values of one captured attribute; UsageError where the layout has it not."""
        return self.columns[self.layout.index_of(obis_code, attribute)]

    def to_arrow(self) -> pa.RecordBatch:
        """Give a batch with a column per capture object, named by the layout; times as naive UTC timestamp[s]."""
        arrays = []
        for column, values, present in zip(self.layout.objects, self.columns, self.present, strict=True):
            mask = None if present is None else ~present
            if is_time(column):
                arrays.append(pa.array(values.view("datetime64[s]"), mask=mask))
            elif values.dtype == object:
                arrays.append(_generic_array(values))
            else:
                arrays.append(pa.array(values, mask=mask))
        return pa.record_batch(arrays, names=list(self.layout.names))


def decode_profile(buffer: bytes, layout: CaptureLayout, *, default_deviation_min: int = 0) -> ProfileTable:
    """Decode a profile buffer (an array, or a compact array, of structures) into one column per capture object.

    Null data repeats the previous row's value, or adds the capture period to its time; delta types add to the value.
    default_deviation_min: minutes from local time to UTC, taken for stamps that give none.
    Raises DecodeError (a PeerError) where a row is no row of this layout, values are out of range, octets are left
    over, or more than `layout.rows_max` rows are announced. Memory is taken for rows that are there, not announced.
    """
    try:
        stretches = cut_rows(bytes(buffer), layout)
    except IndexError as error:
        raise malformed("the buffer ends early", offset=len(buffer)) from error
    time_index = layout.time_index
    columns: list[npt.NDArray[Any]] = []
    masks: list[Mask | None] = []
    no_time = np.empty(0, np.int64)
    times = _Times(no_time, no_time, no_time, None)
    for index, column in enumerate(layout.objects):
        pieces = stretches.pieces(index)
        if is_time(column):
            decoded = _assemble_times(pieces, stretches.rows, layout.capture_period_s, default_deviation_min)
            times = decoded if index == time_index else times
            values, present = decoded.epoch_s, decoded.present
        else:
            values, present = _assemble_values(pieces, stretches.rows)
        columns.append(values)
        masks.append(present)
    return ProfileTable(
        layout=layout,
        rows=stretches.rows,
        time_epoch_s=times.epoch_s,
        deviation_min=times.deviation_min.astype(np.int16),
        clock_status=times.status.astype(np.uint8),
        columns=tuple(columns),
        present=tuple(masks),
    )


@dataclass(slots=True)
class _Times:
    """Columns made of stamps."""

    epoch_s: IntArray
    deviation_min: IntArray
    status: IntArray
    present: Mask | None


def _assemble_times(pieces: list[Piece], rows: int, period_s: int, default_deviation_min: int) -> _Times:
    if len(pieces) == 1 and len(pieces[0].data) == 1:
        started = _times_from(pieces[0], rows, period_s, default_deviation_min)
        if started is not None:
            return started
    epoch_s, deviation, status = (np.zeros(rows, np.int64) for _ in range(3))
    stamped = np.zeros(rows, np.bool_)
    for piece in pieces:
        stamped[piece.where] = True
        if piece.tag == DOUBLE_LONG_UNSIGNED:
            epoch_s[piece.where] = piece.data
            continue
        decoded = _stamp if len(piece.data) == 1 else _stamps
        epoch_s[piece.where], deviation[piece.where], status[piece.where] = decoded(piece, default_deviation_min)
    if rows and not stamped[0]:
        raise malformed("the first row has no time", offset=0)
    if not stamped.all():
        at = stamped.nonzero()[0]
        steps = np.arange(rows) * period_s
        epoch_s = _spread(epoch_s[at] - steps[at], at, rows) + steps
        deviation, status = _spread(deviation[at], at, rows), _spread(status[at], at, rows)
    unknown = epoch_s < TIME_UNKNOWN // 2
    if not unknown.any():
        return _Times(epoch_s, deviation, status, None)
    epoch_s[unknown] = 0
    return _Times(epoch_s, deviation, status, ~unknown)


def _times_from(piece: Piece, rows: int, period_s: int, default_deviation_min: int) -> _Times | None:
    """Give the times of rows whose first alone has a stamp, which is how meters compress them."""
    if piece.tag == DOUBLE_LONG_UNSIGNED or not isinstance(piece.where, slice) or piece.where.start:
        return None
    first, deviation, status = _stamp(piece, default_deviation_min)
    if first == TIME_UNKNOWN:
        return None
    epoch_s = np.arange(rows) * period_s
    epoch_s += first
    return _Times(epoch_s, np.full(rows, deviation), np.full(rows, status), None)


def _stamp(piece: Piece, default_deviation_min: int) -> tuple[int, int, int]:
    """Decode one stamp: epoch seconds, deviation and status. The same rules as for many, at a tenth of the cost."""
    content = bytes(piece.data[0])
    year, month, day, _, hour, minute, second, _, deviation, status = STAMP_STRUCT.unpack(content)
    if year == ANY_YEAR or ANY in (month, day):
        return TIME_UNKNOWN, deviation, status
    hour, minute, second = (0 if part == ANY else part for part in (hour, minute, second))
    lawful = YEAR_FIRST <= year <= YEAR_LAST and hour <= 23 and minute <= 59 and second <= 59
    if not lawful or (abs(deviation) > DEVIATION_MAX_MIN and deviation != NO_DEVIATION):
        raise malformed(f"{content.hex()} is no time", offset=piece.offset)
    try:
        days = date(year, month, day).toordinal() - _EPOCH_ORDINAL
    except ValueError as error:
        raise malformed(f"{content.hex()} is no time", offset=piece.offset) from error
    minutes = hour * 60 + minute + (default_deviation_min if deviation == NO_DEVIATION else deviation)
    return days * DAY_S + minutes * 60 + second, deviation, status


def _stamps(piece: Piece, default_deviation_min: int) -> tuple[IntArray, IntArray, IntArray]:
    """Decode many stamps at once."""
    table = _as_stamps(piece.data)
    year, month, day = (table[name].astype(np.int64) for name in ("year", "month", "day"))
    hour, minute, second = (table[name].astype(np.int64) for name in ("hour", "minute", "second"))
    deviation = table["deviation"].astype(np.int64)
    for part in (hour, minute, second):
        part[part == ANY] = 0
    unknown = (year == ANY_YEAR) | (month == ANY) | (day == ANY)
    if unknown.any():
        year[unknown], month[unknown], day[unknown] = YEAR_FIRST, 1, 1
    months = (year - YEAR_FIRST) * 12 + month - 1
    lawful = (year >= YEAR_FIRST) & (year <= YEAR_LAST) & (month >= 1) & (month <= 12)
    if lawful.all():
        lawful = (day >= 1) & (day <= _MONTH_DAYS[months]) & (hour <= 23) & (minute <= 59) & (second <= 59)
        given = deviation != NO_DEVIATION
        lawful &= (np.abs(deviation) <= DEVIATION_MAX_MIN) | ~given
    if not lawful.all():
        first = int(lawful.argmin())
        raise malformed(f"{bytes(table[first]).hex()} is no time, {first} rows on", offset=piece.offset)
    offset_min = deviation if given.all() else np.where(given, deviation, default_deviation_min)
    days = _MONTH_STARTS[months] + day - 1
    epoch_s = days * DAY_S + (hour * 60 + minute + offset_min) * 60 + second
    if unknown.any():
        epoch_s[unknown] = TIME_UNKNOWN
    return epoch_s, deviation, table["status"].astype(np.int64)


def _as_stamps(data: npt.NDArray[Any] | list[Any]) -> npt.NDArray[np.void]:
    if isinstance(data, list):
        return np.frombuffer(b"".join(data), STAMP_DTYPE)
    return data.view(STAMP_DTYPE)


def _assemble_values(pieces: list[Piece], rows: int) -> tuple[npt.NDArray[Any], Mask | None]:
    """Join a column's pieces, as int64, float64 or objects, and fill its nulls from above."""
    dtype: Any = _column_dtype(pieces)
    if dtype is object:
        pieces = [Piece(piece.tag, piece.where, _plain_values(piece), piece.offset) for piece in pieces]
    values: npt.NDArray[Any] = np.zeros(rows, dtype) if dtype is not object else np.full(rows, None, object)
    deltas = [piece for piece in pieces if piece.tag in DELTAS]
    if deltas:
        pieces = [piece for piece in pieces if piece.tag not in DELTAS]
    for piece in pieces:
        if dtype is object:
            values[piece.where] = _object_array(piece.data)
        elif dtype is np.float64:
            with np.errstate(invalid="ignore"):  # a signalling NaN
                values[piece.where] = piece.data
        else:
            values[piece.where] = np.not_equal(piece.data, 0) if piece.tag == BOOLEAN else piece.data
    if sum(len(piece.data) for piece in pieces) == rows:
        return values, None
    present = np.zeros(rows, np.bool_)
    for piece in pieces:
        present[piece.where] = True
    return _add_deltas(values, present, deltas) if deltas else _fill_down(values, present)


def _column_dtype(pieces: list[Piece]) -> type:
    tags = {piece.tag for piece in pieces}
    if tags and tags <= FLOATS:
        return np.float64
    if not tags <= SCALARS.keys() or tags & FLOATS:
        return object
    for piece in pieces:
        if piece.tag == LONG64_UNSIGNED and int(np.max(piece.data)) >= 2**63:
            return object
    return np.int64


def _spread(values: npt.NDArray[Any], at: IntArray, rows: int) -> npt.NDArray[Any]:
    """Repeat each value from its row up to the row of the next, or to the end."""
    if len(at) == 1:
        return values.repeat(rows - int(at[0]))
    lengths = np.empty_like(at)
    np.subtract(at[1:], at[:-1], out=lengths[:-1])
    lengths[-1] = rows - at[-1]
    return values.repeat(lengths)


def _fill_down(values: npt.NDArray[Any], present: Mask) -> tuple[npt.NDArray[Any], Mask | None]:
    """Repeat each value over the nulls behind it; what comes before the first value stays missing."""
    rows = len(values)
    at = present.nonzero()[0]
    if not at.size:
        return values, (present if rows else None)
    first = int(at[0])
    values[first:] = _spread(values[at], at, rows)
    if not first:
        return values, None
    present[first:] = True
    return values, present


def _add_deltas(values: npt.NDArray[Any], present: Mask, deltas: list[Piece]) -> tuple[npt.NDArray[Any], Mask | None]:
    """Resolve deltas: each adds to the value of the row before it."""
    steps = np.zeros(len(values), values.dtype)
    for piece in deltas:
        steps[piece.where] = _object_array(piece.data) if values.dtype == object else piece.data
    first = int(present.argmax()) if present.any() else len(values)
    for piece in deltas:
        row = piece.where.start if isinstance(piece.where, slice) else int(piece.where[0])
        if row < first:
            raise malformed("a delta value without a value before it", offset=piece.offset)
    if values.dtype == object:
        raise malformed("delta values in a column that is not of integers", offset=deltas[0].offset)
    total = np.cumsum(steps)
    values -= total
    values[~present] = 0
    filled, mask = _fill_down(values, present)
    filled[first:] += total[first:]
    return filled, mask


def _plain_values(piece: Piece) -> list[Any]:
    contents = piece.data.tolist() if isinstance(piece.data, np.ndarray) else piece.data
    return [plain(piece.tag, content) for content in contents]


def _object_array(values: npt.NDArray[Any] | list[Any]) -> npt.NDArray[Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _generic_array(values: npt.NDArray[Any]) -> pa.Array:
    """Make an Arrow array of mixed Python values: by their own type where they have one in common, else as text."""
    try:
        return pa.array(values.tolist())
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        texts = [
            value.hex() if isinstance(value, bytes) else str(value) for value in values.tolist() if value is not None
        ]
        present = iter(texts)
        return pa.array([None if value is None else next(present) for value in values.tolist()], pa.string())
