"""One UTC day of one device and channel as a byte string: about three bytes a reading where the day is regular.

Format 1, little endian, no padding:

    offset size
    0      1    format: 1
    1      1    size of a value: 1, 2, 4 or 8 bytes, signed
    2      1    arrays present: bit 0 offsets, bit 1 quality, bit 2 flags, bit 3 version
    3      2    count of readings, n
    5      4    first: seconds from the start of the day to the first reading
    9      4    step in seconds to each next one (0 where offsets are given)
    13     2    quality of all (where no quality array is present)
    15     4    flags of all
    19     4    version of all
    23     n x 4       offsets in seconds from the start of the day, ascending (if present)
           n x size    values
           n x 2       quality (if present), then n x 4 flags, then n x 4 versions
"""

import struct
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from meterworks.readings.errors import DayBlobError

__all__ = ["DAY_S", "DayReadings", "decode_day", "encode_day", "encode_days"]

DAY_S = 86_400
COUNT_MAX = 65_535
_HEADER = struct.Struct("<BBBHiihii")
_FORMAT = 1
_OFFSETS, _QUALITY, _FLAGS, _VERSION = 1, 2, 4, 8
_Type = np.dtype[np.signedinteger[Any]]
_VALUE_TYPES: dict[int, _Type] = {1: np.dtype("<i1"), 2: np.dtype("<i2"), 4: np.dtype("<i4"), 8: np.dtype("<i8")}
_OFFSET_TYPE: _Type = np.dtype("<i4")
_QUALITY_TYPE: _Type = np.dtype("<i2")
_FLAG_TYPE: _Type = np.dtype("<i4")
_VERSION_TYPE: _Type = np.dtype("<i4")
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DayReadings:
    """Readings of one day, ascending by ts, one per instant; arrays of one length."""

    ts_s: Int64s
    value: Int64s
    quality: Int64s
    flags: Int64s
    version: Int64s

    def __len__(self) -> int:
        return len(self.ts_s)

    def take(self, chosen: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> "DayReadings":
        """The chosen readings."""
        return DayReadings(*(getattr(self, field.name)[chosen] for field in fields(self)))


def encode_day(day: int, readings: DayReadings) -> bytes:
    """Pack the readings of a day (1 to 65,535, all within it)."""
    count = len(readings)
    offsets = readings.ts_s - day * DAY_S
    if not (0 < count <= COUNT_MAX and 0 <= offsets[0] <= offsets[-1] < DAY_S):
        raise DayBlobError(f"{count} readings do not fit the day {day}: 1 to {COUNT_MAX} within it expected", day=day)
    step = int(offsets[1] - offsets[0]) if count > 1 else 0
    regular = count < 3 or bool((np.diff(offsets) == step).all())
    size = _value_size(int(readings.value.min()), int(readings.value.max()))
    arrays = 0
    body = []
    if not regular:
        arrays, step = _OFFSETS, 0
        body.append(offsets.astype(_OFFSET_TYPE))
    body.append(readings.value.astype(_VALUE_TYPES[size]))
    for bit, column, kind in (
        (_QUALITY, readings.quality, _QUALITY_TYPE),
        (_FLAGS, readings.flags, _FLAG_TYPE),
        (_VERSION, readings.version, _VERSION_TYPE),
    ):
        if (column != column[0]).any():
            arrays |= bit
            body.append(column.astype(kind))
    header = _HEADER.pack(
        _FORMAT,
        size,
        arrays,
        count,
        int(offsets[0]),
        step,
        int(readings.quality[0]),
        int(readings.flags[0]),
        int(readings.version[0]),
    )
    return b"".join([header, *(array.tobytes() for array in body)])


def encode_days(starts: npt.NDArray[np.intp], rows: DayReadings) -> list[bytes]:
    """Pack many days at once, as `encode_day` packs each: day n holds the rows from `starts[n]` to the next start.

    A regular day in which quality, flags and version are the same throughout, as nearly all are, costs a microsecond
    or two; any other is packed by itself.
    """
    ends = np.append(starts[1:], len(rows))
    days = rows.ts_s[starts] // DAY_S
    first = rows.ts_s[starts] - days * DAY_S
    second = rows.ts_s[np.minimum(starts + 1, ends - 1)]
    steps = second - rows.ts_s[starts]
    jumps = np.diff(rows.ts_s, append=0) != np.repeat(steps, ends - starts)
    jumps[ends - 1] = False  # to the next day's first
    plain = ~np.logical_or.reduceat(jumps, starts) & (ends - starts <= COUNT_MAX)
    for column in (rows.quality, rows.flags, rows.version):
        plain &= np.minimum.reduceat(column, starts) == np.maximum.reduceat(column, starts)
    sizes = _value_sizes(np.minimum.reduceat(rows.value, starts), np.maximum.reduceat(rows.value, starts))
    packed = {size: rows.value.astype(_VALUE_TYPES[size]).tobytes() for size in np.unique(sizes).tolist()}
    constants = (column[starts].tolist() for column in (rows.quality, rows.flags, rows.version))
    facts = zip(
        plain.tolist(), sizes.tolist(), starts.tolist(), ends.tolist(), first.tolist(), steps.tolist(), *constants,
        strict=True,
    )  # fmt: skip
    return [
        _HEADER.pack(_FORMAT, size, 0, end - start, offset, step, quality, flags, version)
        + packed[size][start * size : end * size]
        if is_plain
        else encode_day(int(rows.ts_s[start]) // DAY_S, rows.take(slice(start, end)))
        for is_plain, size, start, end, offset, step, quality, flags, version in facts
    ]


def _value_sizes(low: Int64s, high: Int64s) -> Int64s:
    """`_value_size` of each day."""
    sizes = np.full(len(low), 8, dtype=np.int64)
    for size in (4, 2, 1):
        limit = 1 << (8 * size - 1)
        sizes[(low >= -limit) & (high < limit)] = size
    return sizes


def _value_size(low: int, high: int) -> int:
    for size in (1, 2, 4):
        limit = 1 << (8 * size - 1)
        if -limit <= low and high < limit:
            return size
    return 8


def decode_day(day: int, blob: bytes) -> DayReadings:
    """Unpack a day. Raises DayBlobError for anything that is not of format 1 and of exactly the right size."""
    if len(blob) < _HEADER.size:
        raise _error(blob, "shorter than its header")
    form, size, arrays, count, first, step, quality, flags, version = _HEADER.unpack_from(blob)
    value_type = _VALUE_TYPES.get(size)
    if form != _FORMAT or value_type is None or arrays > _OFFSETS | _QUALITY | _FLAGS | _VERSION:
        raise _error(blob, f"format {form}, value size {size}, arrays {arrays:#x}")
    cursor = _HEADER.size
    columns: list[Int64s] = []
    for bit, kind, constant in (
        (_OFFSETS, _OFFSET_TYPE, None),
        (0, value_type, None),
        (_QUALITY, _QUALITY_TYPE, quality),
        (_FLAGS, _FLAG_TYPE, flags),
        (_VERSION, _VERSION_TYPE, version),
    ):
        if bit and not arrays & bit:
            columns.append(
                np.full(count, constant, dtype=np.int64)
                if constant is not None
                else first + step * np.arange(count, dtype=np.int64)
            )
            continue
        if len(blob) < cursor + count * kind.itemsize:
            raise _error(blob, f"shorter than {count} readings")
        columns.append(np.frombuffer(blob, kind, count, cursor).astype(np.int64))
        cursor += count * kind.itemsize
    if cursor != len(blob):
        raise _error(blob, f"{len(blob) - cursor} bytes too many")
    columns[0] += day * DAY_S
    return DayReadings(*columns)


def _error(blob: bytes, reason: str) -> DayBlobError:
    return DayBlobError(
        f"a stored day of {len(blob)} bytes is damaged: {reason}; rebuild the recent days", reason=reason
    )
