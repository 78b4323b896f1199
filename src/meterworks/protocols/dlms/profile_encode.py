"""Writing a profile buffer from columns: the server's side, with null data where the standard allows it.

A time is left out (null data) when it is the row before's plus the capture period under the same deviation and clock
status; a column marked so leaves out repeated values. Rows of equal pattern are written as one numpy assignment.
Source: COSEM interface classes, Profile generic (class 7), attribute 2; fact sheet section 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from meterworks.protocols.dlms.data import Tag
from meterworks.protocols.dlms.length import encode_length
from meterworks.protocols.dlms.profile_cell import SCALARS, STAMP_DTYPE
from meterworks.protocols.errors import EncodeError

__all__ = ["TimeColumn", "ValueColumn", "encode_compact_profile", "encode_profile"]

IntArray = npt.NDArray[np.int64]
# Up to this many changes of pattern the stretches are written where they belong; beyond, pattern by pattern.
STRETCHES_MAX: Final = 64
COMPRESSIBLE_MAX: Final = 62
DAY_S: Final = 86_400
STAMP_HEADS: Final[dict[int, bytes]] = {Tag.OCTET_STRING: b"\x09\x0c", Tag.DATE_TIME: b"\x19"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TimeColumn:
    """Stamps of the rows. deviation_min: minutes from local time to UTC; clock_status: 0x80 while daylight saving runs.

    tag: 9 (octet-string of 12, as most meters write it) or 25 (date-time). compress: write nulls where lawful.
    """

    epoch_s: IntArray
    deviation_min: IntArray | int = 0
    clock_status: IntArray | int = 0
    tag: int = Tag.OCTET_STRING
    compress: bool = True

    def __post_init__(self) -> None:
        if self.tag not in STAMP_HEADS:
            raise EncodeError(f"a time is written with tag 9 or 25, not {self.tag}")

    @property
    def head(self) -> bytes:
        """Tag, and length octet where the type has one."""
        return STAMP_HEADS[self.tag]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The content of a cell."""
        return STAMP_DTYPE

    def given(self, capture_period_s: int) -> npt.NDArray[np.bool_]:
        """Which rows carry a stamp."""
        given = np.ones(len(self.epoch_s), np.bool_)
        if self.compress and capture_period_s:
            given[1:] = np.diff(self.epoch_s) != capture_period_s
            for part in (self.deviation_min, self.clock_status):
                if isinstance(part, np.ndarray):
                    given[1:] |= part[1:] != part[:-1]
        return given

    def content(self, rows: slice | IntArray) -> npt.NDArray[Any]:
        """The contents of these rows."""
        epoch_s = self.epoch_s[rows]
        deviation, status = (
            part[rows] if isinstance(part, np.ndarray) else part for part in (self.deviation_min, self.clock_status)
        )
        local = epoch_s - np.multiply(deviation, 60)
        days, seconds = np.divmod(local, DAY_S)
        dates = days.view("datetime64[D]") if days.dtype == np.int64 else days.astype("datetime64[D]")
        months = dates.astype("datetime64[M]")
        month_number = months.astype(np.int64)
        stamps = np.zeros(len(epoch_s), STAMP_DTYPE)
        stamps["year"] = month_number // 12 + 1970
        stamps["month"] = month_number % 12 + 1
        stamps["day"] = (dates - months).astype(np.int64) + 1
        stamps["weekday"] = (days + 3) % 7 + 1
        stamps["hour"] = seconds // 3600
        stamps["minute"] = seconds // 60 % 60
        stamps["second"] = seconds % 60
        stamps["deviation"] = deviation
        stamps["status"] = status
        return stamps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueColumn:
    """Numbers of one A-XDR type. repeat_as_null: write null data where a value equals the one of the row before."""

    values: npt.NDArray[Any]
    tag: int
    repeat_as_null: bool = False

    def __post_init__(self) -> None:
        scalar = SCALARS.get(self.tag)
        if scalar is None or scalar.delta:
            raise EncodeError(f"a column is written as numbers of fixed size, tag {self.tag} is none")
        values, dtype = self.values, np.dtype(scalar.dtype)
        if dtype.kind in "iu" and values.size:
            limits = np.iinfo(dtype)
            if int(values.min()) < limits.min or int(values.max()) > limits.max:
                raise EncodeError(f"a value does not fit tag {self.tag}: {limits.min} to {limits.max} do")

    @property
    def head(self) -> bytes:
        """The tag."""
        return bytes([self.tag])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The content of a cell."""
        return np.dtype(SCALARS[self.tag].dtype)

    def given(self, capture_period_s: int) -> npt.NDArray[np.bool_]:
        """Which rows carry a value."""
        del capture_period_s  # a value's null means "as before", whatever the period
        given = np.ones(len(self.values), np.bool_)
        if self.repeat_as_null:
            given[1:] = self.values[1:] != self.values[:-1]
        return given

    def content(self, rows: slice | IntArray) -> npt.NDArray[Any]:
        """The contents of these rows."""
        return self.values[rows]


Column = TimeColumn | ValueColumn


def encode_profile(columns: Sequence[Column], *, capture_period_s: int = 0) -> bytes:
    """Write the attribute value: an array of one structure per row.

    capture_period_s: what a null time adds to the row before; 0 writes every stamp. All columns have the same length.
    Raises EncodeError for columns of unequal length or values that their type cannot carry.
    """
    rows = _row_count(columns)
    start = bytes((Tag.ARRAY,)) + encode_length(rows)
    if not rows:
        return start
    pattern, rows_of = _patterns(columns, capture_period_s)
    # Where no row is compressed, or one pattern goes on for long, whole stretches are written through one view.
    changes = np.flatnonzero(np.diff(pattern)) + 1
    shapes = {number: _RowForm(columns, number) for number in rows_of}
    if len(changes) < STRETCHES_MAX:
        edges = [0, *changes.tolist(), rows]
        return start + b"".join(
            shapes[int(pattern[first])].write(slice(first, last)) for first, last in pairwise(edges)
        )
    sizes = np.zeros(rows, np.int64)
    for number, chosen in rows_of.items():
        sizes[chosen] = shapes[number].size
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    octets = np.empty(int(offsets[-1]), np.uint8)
    for number, chosen in rows_of.items():
        form = shapes[number]
        block = np.frombuffer(form.write(chosen), np.uint8).reshape(len(chosen), form.size)
        octets[offsets[chosen][:, None] + np.arange(form.size)] = block
    return start + octets.tobytes()


def encode_compact_profile(columns: Sequence[Column]) -> bytes:
    """Write the attribute value as a compact array: the types once, then the contents of the rows back to back.

    A compact array has no nulls: every time and value is written, whatever its column says about compression.
    Raises EncodeError as `encode_profile` does.
    """
    rows = _row_count(columns)
    tags = bytes([column.tag for column in columns])
    contents = _RowForm(columns, (1 << len(columns)) - 1, is_tagged=False).write(slice(0, rows)) if rows else b""
    description = bytes((Tag.COMPACT_ARRAY, Tag.STRUCTURE)) + encode_length(len(tags)) + tags
    return b"".join((description, encode_length(len(contents)), contents))


def _row_count(columns: Sequence[Column]) -> int:
    lengths = {len(column.epoch_s if isinstance(column, TimeColumn) else column.values) for column in columns}
    if len(lengths) != 1:
        raise EncodeError(f"the columns of a profile have one length, not {sorted(lengths)}")
    return lengths.pop()


def _patterns(columns: Sequence[Column], capture_period_s: int) -> tuple[IntArray, dict[int, IntArray]]:
    """Number each row by which of its cells are given (bit k: column k), and list the rows of each number."""
    if len(columns) > COMPRESSIBLE_MAX:
        raise EncodeError(f"a profile is written with at most {COMPRESSIBLE_MAX} columns, not {len(columns)}")
    given = [column.given(capture_period_s) for column in columns]
    pattern = np.zeros(len(given[0]), np.int64)
    for index, mask in enumerate(given):
        pattern |= mask.astype(np.int64) << index
    numbers = np.unique(pattern).tolist()
    if len(numbers) == 1:
        return pattern, {numbers[0]: np.arange(len(pattern))}
    return pattern, {number: np.flatnonzero(pattern == number) for number in numbers}


class _RowForm:
    """How rows of one pattern are written: a template of tags, and a field per given cell.

    is_tagged: not so in a compact array, where lengths stay and tags do not.
    """

    def __init__(self, columns: Sequence[Column], pattern: int, *, is_tagged: bool = True) -> None:
        template = bytes((Tag.STRUCTURE,)) + encode_length(len(columns)) if is_tagged else b""
        names, formats, offsets = [], [], []
        self._given: list[tuple[str, Column]] = []
        for index, column in enumerate(columns):
            if not pattern >> index & 1:
                template += b"\x00"
                continue
            template += column.head if is_tagged else column.head[1:]
            names.append(f"v{index}")
            formats.append(column.dtype)
            offsets.append(len(template))
            template += bytes(column.dtype.itemsize)
            self._given.append((names[-1], column))
        self.size = len(template)
        self._template = template
        fields: Any = {"names": names, "formats": formats, "offsets": offsets, "itemsize": self.size}
        self._dtype = np.dtype(fields)

    def write(self, rows: slice | IntArray) -> bytes:
        """Give the octets of these rows, back to back."""
        count = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        octets = bytearray(self._template * count)
        table = np.frombuffer(octets, self._dtype)
        for name, column in self._given:
            table[name] = column.content(rows)
        return bytes(octets)
