"""What a profile buffer's rows look like: capture objects, and row shapes learnt from the bytes.

A row is a structure of one element per capture object. Most rows of a profile have the same *shape*: the same tags, and
the same lengths of strings, at the same places, so that value k of row i lies at `start + i * stride + offset[k]`. A
layout reads a row's shape once, keeps it, and hands out what numpy needs to take a whole stretch of such rows at once.
Source: COSEM interface classes, Profile generic (class 7), attributes 2 and 3; fact sheet sections 1 and 7.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np

from meterworks.errors import UsageError
from meterworks.protocols.dlms.data import Tag, decode_all
from meterworks.protocols.dlms.descriptor import CaptureObject
from meterworks.protocols.dlms.length import decode_length, encode_length
from meterworks.protocols.dlms.profile_cell import (
    SCALARS,
    SELF_FRAMED,
    SIZES,
    STAMP_SIZE,
    STRINGS,
    Cell,
    content_at,
    malformed,
    untagged_content_at,
)

__all__ = ["CaptureLayout", "SortMethod", "decode_capture_objects"]

CLOCK_CLASS: Final = 8
COLUMNS_MAX: Final = 256
ROWS_MAX_DEFAULT: Final = 1_000_000
SHAPES_KEPT_MAX: Final = 1024


class SortMethod:
    """Values of attribute 5 of a profile; null time runs backwards in a last-in-first-out profile."""

    FIRST_IN_FIRST_OUT: Final = 1
    LAST_IN_FIRST_OUT: Final = 2


def is_time(column: CaptureObject) -> bool:
    """Whether a column captures the time of a clock."""
    return column.class_id == CLOCK_CLASS and column.attribute == 2


def column_name(column: CaptureObject) -> str:
    """Name a column `time` or by its OBIS code, with the attribute when it is not 2 and the index when there is one."""
    if is_time(column):
        return "time"
    attribute = "" if column.attribute == 2 else f"/{column.attribute}"
    index = f"[{column.data_index}]" if column.data_index else ""
    return f"{column.obis_code.text}{attribute}{index}"


@dataclass(frozen=True, eq=False)
class RowShape:
    """The shape of a row: how long it is, where its values lie, and which octets around them must be equal."""

    cells: tuple[Cell, ...]
    stride: int
    frame: tuple[tuple[int, bytes], ...]  # (offset, octets) of tags and lengths between the contents

    @classmethod
    def of(cls, row: bytes, cells: Sequence[Cell]) -> Self:
        """Take the shape from one row's bytes."""
        edges = [0, *(edge for cell in cells for edge in (cell.offset, cell.offset + cell.size)), len(row)]
        gaps = [(edges[at], row[edges[at] : edges[at + 1]]) for at in range(0, len(edges), 2)]
        merged: list[tuple[int, bytes]] = []
        for offset, octets in gaps:
            if merged and merged[-1][0] + len(merged[-1][1]) == offset:
                merged[-1] = (merged[-1][0], merged[-1][1] + octets)
            elif octets:
                merged.append((offset, octets))
        return cls(cells=tuple(cells), stride=len(row), frame=tuple(merged))

    @cached_property
    def regular(self) -> bool:
        """Whether equal frames mean equal shapes: not so when a cell has tags and lengths of its own inside."""
        return self.stride > 0 and not any(cell.tag in SELF_FRAMED for cell in self.cells)

    @cached_property
    def checks(self) -> tuple[tuple[str, int], ...]:
        """Names of the fields of `dtype` that hold the frame, and what they must hold."""
        return tuple((name, expected) for name, _, _, expected in self._frame_fields())

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        """One row as a numpy type: fields v0, v1... for the values, f... for the frame."""
        fields: list[tuple[str, object, int]] = [
            (f"v{index}", SCALARS[cell.tag].dtype if cell.tag in SCALARS else f"V{cell.size}", cell.offset)
            for index, cell in enumerate(self.cells)
            if cell.size
        ]
        fields += [(name, form, offset) for name, form, offset, _ in self._frame_fields()]
        names, formats, offsets = zip(*fields, strict=True)
        specification: Any = {"names": names, "formats": formats, "offsets": offsets, "itemsize": self.stride}
        dtype: np.dtype[np.void] = np.dtype(specification)
        return dtype

    @cached_property
    def unpacker(self) -> struct.Struct:
        """One row's contents as Python values: numbers, and bytes for all the rest."""
        form, at = ">", 0
        for cell in self.cells:
            scalar = SCALARS.get(cell.tag)
            form += f"{cell.offset - at}x" + (scalar.code if scalar else f"{cell.size}s")
            at = cell.offset + cell.size
        return struct.Struct(f"{form}{self.stride - at}x")

    def matching(self, buffer: bytes, offset: int, rows: int) -> int:
        """Count how many of the rows from offset on have this shape, up to the first that has not."""
        table = np.frombuffer(buffer, self.dtype, rows, offset)
        for name, expected in self.checks:
            different = table[name] != expected
            first = int(different.argmax())
            if different[first]:
                if not first:
                    return 0
                table = table[:first]
        return len(table)

    def _frame_fields(self) -> list[tuple[str, str, int, int]]:
        fields = []
        for start, octets in self.frame:
            offset = 0
            while offset < len(octets):
                size = next(size for size in (8, 4, 2, 1) if size <= len(octets) - offset)
                expected = int.from_bytes(octets[offset : offset + size], "little")
                fields.append((f"f{start + offset}", f"<u{size}", start + offset, expected))
                offset += size
        return fields


@dataclass(eq=False)
class CaptureLayout:
    """A compiled list of capture objects: reads shapes of rows and keeps those it has met. Made by `compile`."""

    objects: tuple[CaptureObject, ...]
    capture_period_s: int  # 0: not periodic; negative in a last-in-first-out profile
    rows_max: int
    header: bytes = field(init=False)
    _steps: dict[int, Any] = field(init=False, default_factory=dict)
    _shapes_kept: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.header = bytes([Tag.STRUCTURE]) + encode_length(len(self.objects))

    @classmethod
    def compile(
        cls,
        objects: Iterable[CaptureObject],
        capture_period_s: int,
        *,
        sort_method: int = SortMethod.FIRST_IN_FIRST_OUT,
        rows_max: int = ROWS_MAX_DEFAULT,
    ) -> Self:
        """Compile the columns of a read (all capture objects, or those selected) into a layout.

        capture_period_s: attribute 4, 0 where captures are not periodic. rows_max: a buffer with more is refused.
        """
        columns = tuple(objects)
        if not 1 <= len(columns) <= COLUMNS_MAX:
            raise UsageError(f"a profile has 1 to {COLUMNS_MAX} capture objects, not {len(columns)}")
        if capture_period_s < 0 or rows_max < 0:
            raise UsageError("capture period and largest number of rows must not be negative")
        backwards = sort_method == SortMethod.LAST_IN_FIRST_OUT
        return cls(
            objects=columns, capture_period_s=-capture_period_s if backwards else capture_period_s, rows_max=rows_max
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A unique name per column: `time`, `1-0:1.29.0.255`; later ones of the same name get `#2`, `#3`..."""
        names: list[str] = []
        seen: dict[str, int] = {}
        for name in map(column_name, self.objects):
            seen[name] = seen.get(name, 0) + 1
            names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
        return tuple(names)

    @cached_property
    def time_index(self) -> int | None:
        """Index of the first time column, None where there is none."""
        return next((index for index, column in enumerate(self.objects) if is_time(column)), None)

    @property
    def row_size_min(self) -> int:
        """Octets of the smallest row: header and one tag per column."""
        return len(self.header) + len(self.objects)

    def index_of(self, obis_code: bytes, attribute: int = 2) -> int:
        """Give the index of the column that captures this attribute; UsageError where none does."""
        for index, column in enumerate(self.objects):
            if column.obis_code == obis_code and column.attribute == attribute:
                return index
        raise UsageError(f"no column of this profile captures {obis_code.hex()}/{attribute}; it has {self.names}")

    def shape_at(self, buffer: bytes, offset: int) -> RowShape:
        """Read the shape of the row that begins at offset. DecodeError where it is none or does not fit."""
        try:
            if not buffer.startswith(self.header, offset):
                raise malformed(f"no structure of {len(self.objects)} elements begins here", offset=offset)
            node: Any = self._steps
            at = offset + len(self.header)
            while type(node) is dict:
                step = node.get(buffer[at])
                if step is None:
                    step = node.get(self._step_key(buffer, at))
                    if step is None:
                        return self._learn(buffer, offset)
                at += step[0]
                node = step[1]
        except IndexError as error:
            raise malformed("the buffer ends inside a row", offset=len(buffer)) from error
        if at > len(buffer):
            raise malformed("the buffer ends inside a row", offset=len(buffer))
        shape: RowShape = node
        return shape

    def _step_key(self, buffer: bytes, at: int) -> int:
        """Tell apart cells of one tag by length octets and size: the tag alone where the size is fixed."""
        tag = buffer[at]
        if tag not in STRINGS and tag not in SELF_FRAMED:
            return tag
        start, size = content_at(buffer, at)
        return tag | (start - at) << 8 | size << 16

    def _learn(self, buffer: bytes, offset: int) -> RowShape:
        at = offset + len(self.header)
        cells, keys = [], []
        for column in self.objects:
            tag = buffer[at]
            start, size = content_at(buffer, at)
            check_time_cell(column, tag, size, at)
            cells.append(Cell(tag, start - offset, size))
            keys.append(self._step_key(buffer, at))
            at = start + size
        if at > len(buffer):
            raise malformed("the buffer ends inside a row", offset=len(buffer))
        shape = RowShape.of(buffer[offset:at], cells)
        self._keep(shape, keys)
        return shape

    def _keep(self, shape: RowShape, keys: Sequence[int]) -> None:
        if self._shapes_kept >= SHAPES_KEPT_MAX:
            self._steps, self._shapes_kept = {}, 0
        self._shapes_kept += 1
        starts = [len(self.header), *(cell.offset + cell.size for cell in shape.cells)]
        sizes = [after - before for before, after in pairwise(starts)]
        node = self._steps
        for key, size in zip(keys[:-1], sizes[:-1], strict=True):
            node = node.setdefault(key, (size, {}))[1]
        node[keys[-1]] = (sizes[-1], shape)


def pull_compact_head(buffer: bytes, objects: Sequence[CaptureObject]) -> tuple["CompactLayout", int]:
    """Read the type description of a compact array: give the layout of its elements, and the offset behind.

    Only structures of simple types are read: a column of arrays or structures has no place in a table.
    """
    if buffer[1] != Tag.STRUCTURE:
        raise malformed(f"elements of tag {buffer[1]}, expected structures", offset=1)
    count, at = decode_length(buffer, 2)
    if count != len(objects):
        raise malformed(f"elements of {count} values, expected {len(objects)}", offset=2)
    tags = tuple(buffer[at : at + count])
    for index, tag in enumerate(tags):
        if tag not in SCALARS and tag not in SIZES and tag not in STRINGS:
            raise malformed(f"elements hold a type of tag {tag}, which is no simple type", offset=at + index)
    if len(tags) < count:
        raise malformed("the buffer ends inside the type description", offset=len(buffer))
    return CompactLayout(objects=tuple(objects), tags=tags), at + count


@dataclass(eq=False)
class CompactLayout:
    """Reads the shapes of a compact array's elements: tags stand once in front, contents back to back."""

    objects: tuple[CaptureObject, ...]
    tags: tuple[int, ...]
    header: bytes = field(init=False, default=b"")
    _known: dict[tuple[int, ...], RowShape] = field(init=False, default_factory=dict)

    @property
    def row_size_min(self) -> int:
        """Octets of the smallest element, at least 1: elements without content cannot be counted."""
        return max(1, sum(_untagged_size_min(tag) for tag in self.tags))

    def shape_at(self, buffer: bytes, offset: int) -> RowShape:
        """Read the shape of the element that begins at offset."""
        at = offset
        cells = []
        try:
            for column, tag in zip(self.objects, self.tags, strict=True):
                start, size = untagged_content_at(buffer, at, tag)
                check_time_cell(column, tag, size, at)
                cells.append(Cell(tag, start - offset, size))
                at = start + size
        except IndexError as error:
            raise malformed("the buffer ends inside an element", offset=len(buffer)) from error
        if at > len(buffer) or at == offset:
            raise malformed("the buffer ends inside an element", offset=len(buffer))
        key = tuple(number for cell in cells for number in (cell.offset, cell.size))
        shape = self._known.get(key)
        if shape is None:
            shape = RowShape.of(buffer[offset:at], cells)
            if len(self._known) < SHAPES_KEPT_MAX:
                self._known[key] = shape
        return shape


def _untagged_size_min(tag: int) -> int:
    return 1 if tag in STRINGS else untagged_content_at(b"", 0, tag)[1]


def check_time_cell(column: CaptureObject, tag: int, size: int, at: int) -> None:
    """Refuse a time that is neither date-time, nor 12 octets, nor seconds since 1970, nor null."""
    if not is_time(column) or tag in (Tag.NULL, Tag.DATE_TIME, Tag.DOUBLE_LONG_UNSIGNED):
        return
    if tag != Tag.OCTET_STRING or size != STAMP_SIZE:
        raise malformed(f"a time of tag {tag} and {size} octets, expected a date-time of {STAMP_SIZE}", offset=at)


def decode_capture_objects(data: bytes) -> tuple[CaptureObject, ...]:
    """Read attribute 3 of a profile: an array of {class, name, attribute, data index}."""
    values = decode_all(data)
    if not isinstance(values, list) or len(values) > COLUMNS_MAX:
        raise malformed(f"capture objects must be one array of at most {COLUMNS_MAX}", offset=0)
    return tuple(map(CaptureObject.from_plain, values))
