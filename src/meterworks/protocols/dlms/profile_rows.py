"""A profile buffer cut into rows: stretches of one shape, rows that change shape, and the odd single row.

Stretches are found by probes that compare the tags of many rows at once, rows of changing shape by `chain_rows`; only
what is left is walked row by row. Source: COSEM interface classes, Profile generic (class 7), attribute 2.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from meterworks.protocols.dlms.data import Tag
from meterworks.protocols.dlms.length import decode_length
from meterworks.protocols.dlms.profile_cell import SCALARS, STAMP_SIZE, malformed
from meterworks.protocols.dlms.profile_chain import ChainedRows, chain_rows
from meterworks.protocols.dlms.profile_layout import CaptureLayout, CompactLayout, RowShape, is_time, pull_compact_head
from meterworks.protocols.dlms.profile_scan import ScannedRows, scan_rows

IntArray = npt.NDArray[np.int64]

# A probe for rows of equal shape begins with so many rows and grows by so much while all of them match.
PROBE_ROWS: Final = 64
PROBE_GROWTH: Final = 16
# Stretches shorter than this are cheaper taken row by row, together with the other single rows.
STRETCH_ROWS_MIN: Final = 8
# From this many single rows on their values are gathered by numpy.
GATHER_ROWS_MIN: Final = 24
# After a probe that found little, so many equal rows in sequence are awaited before the next; doubling, up to this.
PROBE_PATIENCE_MAX: Final = 64
# So many single rows in sequence call for a chain, if enough rows are left for one; fewer after one that found many.
CHAIN_PATIENCE: Final = 16
CHAIN_PATIENCE_MAX: Final = 4096
CHAIN_ROWS_MIN: Final = 48
# So many single rows in sequence call for a scan of all that is left, if no more rows are left than this.
SCAN_PATIENCE: Final = 3
SCAN_ROWS_MIN: Final = 8
SCAN_ROWS_MAX: Final = 160
NULL: Final = int(Tag.NULL)


@dataclass(slots=True, eq=False)
class Piece:
    """Contents of one column, in some rows of one tag. data: numpy values as on the wire, or a list of Python ones."""

    tag: int
    where: slice | IntArray  # rows of the table
    data: npt.NDArray[Any] | list[Any]
    offset: int  # of the first of them in the buffer, for messages


class Stretches:
    """The buffer cut into stretches of rows of one shape, and the single rows between them."""

    def __init__(self, buffer: bytes) -> None:
        self.buffer = buffer
        self.rows = 0
        self._long: list[tuple[int, int, RowShape, npt.NDArray[np.void]]] = []
        self._single_rows: list[int] = []
        self._single_offsets: list[int] = []
        self._single_shapes: list[RowShape] = []
        self._chains: list[tuple[int, ChainedRows]] = []
        self._scans: list[tuple[int, ScannedRows]] = []
        self._octets = np.frombuffer(buffer, np.uint8)
        self._gathered: tuple[IntArray, IntArray, IntArray, IntArray] | None = None
        self._unpacked: list[tuple[Any, ...]] | None = None

    def add_single(self, offset: int, shape: RowShape) -> None:
        """Add the next row by itself."""
        self._single_rows.append(self.rows)
        self._single_offsets.append(offset)
        self._single_shapes.append(shape)
        self.rows += 1

    def add(self, offset: int, shape: RowShape, rows: int) -> None:
        """Add the next rows, all of one shape."""
        if rows < STRETCH_ROWS_MIN:
            for row in range(rows):
                self.add_single(offset + row * shape.stride, shape)
            return
        self._long.append((self.rows, offset, shape, np.frombuffer(self.buffer, shape.dtype, rows, offset)))
        self.rows += rows

    def add_chain(self, chain: ChainedRows) -> None:
        """Add the next rows, of changing shape."""
        self._chains.append((self.rows, chain))
        self.rows += chain.count

    def add_scan(self, scan: ScannedRows) -> None:
        """Add the next rows, of changing shape, as cells."""
        self._scans.append((self.rows, scan))
        self.rows += scan.count

    def pieces(self, column: int) -> list[Piece]:
        """Give the contents of one column; rows where it is null are in none of the pieces."""
        name = f"v{column}"
        found = []
        for start, offset, shape, table in self._long:
            cell = shape.cells[column]
            if cell.tag != NULL:
                data = table[name] if cell.size else [b""] * len(table)
                found.append(Piece(cell.tag, slice(start, start + len(table)), data, offset + cell.offset))
        if len(self._single_rows) >= GATHER_ROWS_MIN:
            found += self._gather_singles(column)
        elif self._single_rows:
            found += self._unpack(column)
        for start, chain in self._chains:
            rows = np.arange(start, start + chain.count)
            found += self._gather(rows, chain.tags[column], chain.starts[column], chain.sizes[column])
        for start, scan in self._scans:
            for tag, where, data in scan.column(column):
                rows_of = slice(start, self.rows) if isinstance(where, slice) else np.array(where) + start
                found.append(Piece(tag, rows_of, data, scan.offset))
        return found

    def _unpack(self, column: int) -> list[Piece]:
        if self._unpacked is None:
            pairs = zip(self._single_shapes, self._single_offsets, strict=True)
            self._unpacked = [shape.unpacker.unpack_from(self.buffer, offset) for shape, offset in pairs]
        found = []
        for row, offset, shape, values in zip(
            self._single_rows, self._single_offsets, self._single_shapes, self._unpacked, strict=True
        ):
            cell = shape.cells[column]
            if cell.tag != NULL:
                found.append(Piece(cell.tag, slice(row, row + 1), [values[column]], offset + cell.offset))
        return found

    def _gather_singles(self, column: int) -> list[Piece]:
        if self._gathered is None:
            numbers: dict[int, int] = {}
            shapes: list[RowShape] = []
            for shape in self._single_shapes:
                if id(shape) not in numbers:
                    numbers[id(shape)] = len(shapes)
                    shapes.append(shape)
            which = np.array([numbers[id(shape)] for shape in self._single_shapes])
            tags, offsets, sizes = np.array([shape.cells for shape in shapes], np.int64).transpose(2, 1, 0)
            starts = offsets[:, which] + np.array(self._single_offsets)
            self._gathered = np.array(self._single_rows), tags[:, which], starts, sizes[:, which]
        rows, tags, starts, sizes = self._gathered
        return self._gather(rows, tags[column], starts[column], sizes[column])

    def _gather(self, rows: IntArray, tags: npt.NDArray[Any], starts: IntArray, sizes: IntArray) -> list[Piece]:
        """Take the contents of one column in rows of any shape: one piece per tag."""
        found = []
        first = int(tags[0])
        present = [first] if (tags == first).all() else np.unique(tags).tolist()
        for tag in present:
            if tag == NULL:
                continue
            chosen = slice(None) if len(present) == 1 else (tags == tag).nonzero()[0]
            at, length = starts[chosen], sizes[chosen]
            shortest = int(length.min())
            data: npt.NDArray[Any] | list[Any]
            if tag in SCALARS or int(length.max()) == shortest == STAMP_SIZE:
                dtype = SCALARS[tag].dtype if tag in SCALARS else f"V{shortest}"
                data = self._octets[at[:, None] + np.arange(shortest)].view(dtype).ravel()
            else:
                ends = (at + length).tolist()
                data = [self.buffer[start:end] for start, end in zip(at.tolist(), ends, strict=True)]
            found.append(Piece(tag, rows[chosen], data, int(at[0])))
        return found


def cut_rows(buffer: bytes, layout: CaptureLayout) -> Stretches:
    """Find the rows of an attribute value: an array, or a compact array, of structures; nothing may follow it.

    IndexError where the buffer ends before the first row.
    """
    if buffer[0] == Tag.ARRAY:
        count, at = decode_length(buffer, 1)
        if count > layout.rows_max:
            raise malformed(f"{count} rows announced, at most {layout.rows_max} are taken", offset=1)
        if count * layout.row_size_min > len(buffer) - at:
            raise malformed(f"{count} rows announced, {len(buffer) - at} octets left", offset=1)
        stretches, at = _Cutter(buffer, at, layout).cut(count)
    elif buffer[0] == Tag.COMPACT_ARRAY:
        elements, at = pull_compact_head(buffer, layout.objects)
        size, at = decode_length(buffer, at)
        if size > len(buffer) - at:
            raise malformed(f"{size} octets announced, {len(buffer) - at} left", offset=at)
        count = min(size // elements.row_size_min, layout.rows_max + 1)
        stretches, at = _Cutter(buffer[: at + size], at, elements).cut(count)
        if stretches.rows > layout.rows_max:
            raise malformed(f"more than {layout.rows_max} rows", offset=at)
    else:
        raise malformed(f"tag {buffer[0]}, expected an array or a compact array", offset=0)
    if at != len(buffer):
        raise malformed(f"{len(buffer) - at} octets after the last row", offset=at)
    return stretches


class _Cutter:
    """The only loop over rows there is: one turn per stretch or chain, or per row that is in neither."""

    def __init__(self, buffer: bytes, at: int, reader: CaptureLayout | CompactLayout) -> None:
        self._buffer = buffer
        self._at = at
        self._reader = reader
        self._header = reader.header
        self._octets = np.frombuffer(buffer, np.uint8)
        self._stretches = Stretches(buffer)
        self._singles = 0  # in sequence
        self._chain_patience = CHAIN_PATIENCE

    def cut(self, count: int) -> tuple[Stretches, int]:
        """Cut `count` rows; of a compact array at most so many, up to the end of its octets."""
        previous: RowShape | None = None
        equal, patience = 0, 1
        stretches, buffer = self._stretches, self._buffer
        while stretches.rows < count and (self._header or self._at < len(buffer)):
            if self._singles == SCAN_PATIENCE and self._scan(count - stretches.rows):
                break
            if self._singles >= self._chain_patience:
                self._chain(count - stretches.rows)
                continue
            shape = self._reader.shape_at(buffer, self._at)
            equal = equal + 1 if shape is previous else 0
            previous = shape
            if equal < patience or not shape.regular:
                stretches.add_single(self._at, shape)
                self._at += shape.stride
                self._singles += 1
                continue
            rows = self._probe(shape, count - stretches.rows)
            stretches.add(self._at, shape, rows)
            self._at += rows * shape.stride
            equal = 0
            if rows >= PROBE_ROWS:
                patience, self._singles, self._chain_patience = 1, 0, CHAIN_PATIENCE
            else:
                patience = min(2 * patience, PROBE_PATIENCE_MAX)
                self._singles += rows
        return stretches, self._at

    def _probe(self, shape: RowShape, rows_max: int) -> int:
        """Count the rows of this shape from here on, in probes that grow while they succeed."""
        rows_max = min(rows_max, (len(self._buffer) - self._at) // shape.stride)
        rows, probe = 0, PROBE_ROWS
        while rows < rows_max:
            asked = min(probe, rows_max - rows)
            matching = shape.matching(self._buffer, self._at + rows * shape.stride, asked)
            rows += matching
            if matching < asked:
                break
            probe *= PROBE_GROWTH
        return rows

    def _scan(self, rows: int) -> bool:
        """Try to take all rows that are left at once; those of a compact array have no header to find them by."""
        if not self._header or not SCAN_ROWS_MIN <= rows <= SCAN_ROWS_MAX:
            return False
        times = tuple([is_time(column) for column in self._reader.objects])
        scan = scan_rows(self._buffer, self._at, header=self._header, times=times, rows=rows)
        if scan is None:
            return False
        self._stretches.add_scan(scan)
        self._at = len(self._buffer)
        return True

    def _chain(self, rows_max: int) -> None:
        """Try a chain of rows; where it finds few, wait longer before the next."""
        self._singles = 0
        if rows_max < CHAIN_ROWS_MIN or not self._header:
            self._chain_patience = CHAIN_PATIENCE_MAX
            return
        times = [is_time(column) for column in self._reader.objects]
        chain = chain_rows(self._octets, self._at, header=self._header, times=times, rows_max=rows_max)
        if chain.count:
            self._stretches.add_chain(chain)
            self._at = chain.end
        found_many = chain.count >= CHAIN_ROWS_MIN
        self._chain_patience = 2 if found_many else min(2 * self._chain_patience + CHAIN_PATIENCE, CHAIN_PATIENCE_MAX)
