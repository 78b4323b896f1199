"""Arrays as columns when nobody told their layout: what a push carries, a buffer of an unknown meter.

The first element says how many columns there are and which of them hold times; the rest is the work of `profile`. An
array whose elements are simple values is one column, taken by one strided view. What has no common shape is decoded
value by value.
Source: fact sheet sections 1 and 9.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from meterworks.errors import PeerError
from meterworks.protocols.dlms.data import Delta, PlainValue, Tag, decode, decode_all, end_of
from meterworks.protocols.dlms.datetime import CosemDateTime
from meterworks.protocols.dlms.descriptor import CLOCK_OBJECT, CaptureObject
from meterworks.protocols.dlms.length import decode_length, take
from meterworks.protocols.dlms.obis import ObisCode
from meterworks.protocols.dlms.profile import ProfileTable, decode_profile
from meterworks.protocols.dlms.profile_cell import FLOATS, SCALARS, STAMP_SIZE
from meterworks.protocols.dlms.profile_layout import COLUMNS_MAX, CaptureLayout
from meterworks.protocols.errors import DecodeError

__all__ = ["TABLE_ROWS_MIN", "decode_push_list", "decode_table"]

TABLE_ROWS_MIN: Final = 8  # a shorter array in a push stays a list: columns would cost more than they save
_UNNAMED: Final = CaptureObject(1, ObisCode(bytes(6)), 2)
_NO_LAYOUT: Final = CaptureLayout.compile([_UNNAMED], 0)
_ARRAY, _COMPACT_ARRAY = int(Tag.ARRAY), int(Tag.COMPACT_ARRAY)
_YEARS: Final = range(1970, 2200)


def decode_table(data: bytes, *, capture_period_s: int = 0, default_deviation_min: int = 0) -> ProfileTable:
    """Decode an array or a compact array to columns, whatever its elements are.

    Columns have the types of `ProfileTable`; a first element that is a date-time, or twelve octets that read as one,
    makes its column one of times. Nulls are resolved as in a profile. Elements of different lengths, and compact arrays
    of nested types, make columns of plain values.
    Raises DecodeError where the octets are no array, or hold octets behind it.
    """
    if data[:1] not in (b"\x01", b"\x13"):
        raise DecodeError(f"array or compact array expected, got tag {data[:1].hex() or 'nothing'}", offset=0)
    column = _single_column(data)
    if column is not None:
        return _table_of([column])
    layout = _guess(data, capture_period_s)
    if layout is not None:
        try:
            return decode_profile(data, layout, default_deviation_min=default_deviation_min)
        except PeerError:
            pass  # another shape than the first element's: value by value then
    return _by_value(decode_all(data))


def decode_push_list(body: bytes) -> tuple[PlainValue | ProfileTable, ...]:
    """Decode the body of a push: the elements of its structure or array, long arrays among them as tables.

    A body that is a single value gives that value alone. Raises DecodeError.
    """
    if body[:1] not in (b"\x01", b"\x02"):
        return (decode_all(body),)
    count, offset = decode_length(body, 1)
    if count > len(body) - offset:
        raise DecodeError(f"{count} elements cannot be in {len(body) - offset} octets", offset=offset)
    found: list[PlainValue | ProfileTable] = []
    for _ in range(count):
        end = end_of(body, offset)
        found.append(_element(body[offset:end]))
        offset = end
    if offset != len(body):
        raise DecodeError(f"{len(body) - offset} octets follow the body", offset=offset)
    return tuple(found)


def _element(data: bytes) -> PlainValue | ProfileTable:
    if data[0] == _COMPACT_ARRAY or (data[0] == _ARRAY and decode_length(data, 1)[0] >= TABLE_ROWS_MIN):
        return decode_table(data)
    return decode_all(data)


def _single_column(data: bytes) -> npt.NDArray[Any] | None:
    """Take an array of numbers of one type; None where it is something else."""
    if data[0] == _COMPACT_ARRAY:
        scalar = SCALARS.get(take(data, 1, 1)[0])
        if scalar is None or scalar.delta:
            return None
        size, offset = decode_length(data, 2)
        if size != len(data) - offset or size % scalar.size:
            raise DecodeError(f"{size} octets of contents in {len(data) - offset}", offset=offset)
        values = np.frombuffer(data, scalar.dtype, size // scalar.size, offset)
    else:
        count, offset = decode_length(data, 1)
        scalar = SCALARS.get(data[offset]) if count and offset < len(data) else None
        if scalar is None or scalar.delta or (1 + scalar.size) * count != len(data) - offset:
            return None
        row = np.dtype([("tag", "u1"), ("value", scalar.dtype)])
        table = np.frombuffer(data, row, count, offset)
        if (table["tag"] != data[offset]).any():
            return None
        values = table["value"]
    return _widened(data[1] if data[0] == _COMPACT_ARRAY else data[offset], values)


def _widened(tag: int, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give numbers as `ProfileTable` has them: int64, float64, or objects beyond int64."""
    dtype: Any = np.int64
    if tag in FLOATS:
        with np.errstate(invalid="ignore"):  # a signalling NaN
            return values.astype(np.float64)
    if tag == Tag.BOOLEAN:
        values = np.not_equal(values, 0)
    elif tag == Tag.LONG64_UNSIGNED and values.size and int(values.max()) >= 2**63:
        dtype = object
    widened: npt.NDArray[Any] = np.array(values.tolist(), dtype) if dtype is object else values.astype(dtype)
    return widened


def _guess(data: bytes, capture_period_s: int) -> CaptureLayout | None:
    """Guess the layout from the first element; None where it is no structure that a table could have."""
    if data[0] == _COMPACT_ARRAY:
        first: PlainValue = next(iter(decode_all(data)), None)
    else:
        _, offset = decode_length(data, 1)
        first = decode(data, offset)[0] if offset < len(data) else None
    if not isinstance(first, tuple) or not 1 <= len(first) <= COLUMNS_MAX:
        return None
    objects = [CLOCK_OBJECT if _is_moment(value) else _UNNAMED for value in first]
    return CaptureLayout.compile(objects, capture_period_s)


def _is_moment(value: PlainValue) -> bool:
    if isinstance(value, bytes) and len(value) == STAMP_SIZE:
        try:
            value = CosemDateTime.from_bytes(value)
        except DecodeError:
            return False
    return isinstance(value, CosemDateTime) and value.year in _YEARS


def _by_value(elements: list[PlainValue]) -> ProfileTable:
    """Make columns of plain values; elements that are no structures of one length make one column."""
    widths = {len(element) if isinstance(element, tuple) else 0 for element in elements}
    if len(widths) != 1 or 0 in widths:
        columns = [elements]
    else:
        columns = [list(column) for column in zip(*elements, strict=True)]
    arrays = []
    for values in columns:
        if any(isinstance(value, Delta) for value in values):
            raise DecodeError("a difference without a value before it", offset=0)
        array = np.empty(len(values), object)
        array[:] = values
        arrays.append(array)
    return _table_of(arrays)


def _table_of(columns: list[npt.NDArray[Any]]) -> ProfileTable:
    layout = _NO_LAYOUT if len(columns) == 1 else CaptureLayout.compile([_UNNAMED] * min(len(columns), COLUMNS_MAX), 0)
    none = np.empty(0, np.int64)
    return ProfileTable(
        layout=layout,
        rows=len(columns[0]),
        time_epoch_s=none,
        deviation_min=none.astype(np.int16),
        clock_status=none.astype(np.uint8),
        columns=tuple(columns[:COLUMNS_MAX]),
        present=(None,) * min(len(columns), COLUMNS_MAX),
    )
