"""A few rows of changing shape, found by one regular expression over all of them.

The tag of a cell tells its size, so a row is a regular expression: a header, then for each column one of the tags and
so many octets. It runs in C, and for some dozens of rows that is cheaper than numpy and far cheaper than a loop. Rows
are taken only when the matches fill the octets to the end without a gap: then they are the rows, for the code is a
prefix code. Strings other than stamps, and all that has lengths of its own inside, are left to who asks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from meterworks.protocols.dlms.data import Tag
from meterworks.protocols.dlms.profile_cell import SCALARS, SIZES, STAMP_SIZE

PATTERNS_KEPT_MAX: Final = 64
CELL_SIZE_MAX: Final = 2 + STAMP_SIZE


@dataclass(frozen=True, slots=True, eq=False)
class ScannedRows:
    """Rows that follow one another from `offset`: per column its cells, each with its tag before the content."""

    columns: tuple[tuple[bytes, ...], ...]
    offset: int

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.columns[0])

    def column(self, index: int) -> list[tuple[int, list[int] | slice, npt.NDArray[Any] | list[bytes]]]:
        """Give tag, rows and contents of one column's cells, nulls left out: numbers as on the wire, else octets."""
        cells = self.columns[index]
        tags = [cell[0] for cell in cells]
        found: list[tuple[int, list[int] | slice, npt.NDArray[Any] | list[bytes]]] = []
        for tag in dict.fromkeys(tags):
            if tag == 0:
                continue
            where: list[int] | slice = slice(0, len(tags))
            chosen: Sequence[bytes] = cells
            if tags.count(tag) != len(tags):
                where = [row for row, one in enumerate(tags) if one == tag]
                chosen = [cells[row] for row in where]
            found.append((tag, where, _contents(tag, chosen)))
        return found


def _contents(tag: int, cells: Sequence[bytes]) -> npt.NDArray[Any] | list[bytes]:
    dtype = _DTYPES.get(tag)
    if dtype is None:
        return [cell[1:] for cell in cells]
    values: npt.NDArray[Any] = np.frombuffer(b"".join(cells), dtype)["content"]
    return values


# A cell of fixed size with its tag, and a stamp with its length octet as well.
_DTYPES: Final = {
    **{int(tag): np.dtype([("tag", "u1"), ("content", scalar.dtype)]) for tag, scalar in SCALARS.items()},
    int(Tag.DATE_TIME): np.dtype([("tag", "u1"), ("content", f"V{STAMP_SIZE}")]),
    int(Tag.OCTET_STRING): np.dtype([("tag", "u1"), ("length", "u1"), ("content", f"V{STAMP_SIZE}")]),
}


def scan_rows(buffer: bytes, at: int, *, header: bytes, times: tuple[bool, ...], rows: int) -> ScannedRows | None:
    """Find `rows` rows from `at` that fill the buffer to its end; None where they do not, or hold what is not read."""
    if len(buffer) - at > rows * (len(header) + len(times) * CELL_SIZE_MAX):
        return None  # some cell must be of a kind that is not read here
    found = _pattern(header, times).findall(buffer, at)
    if len(found) != rows:
        return None
    columns: tuple[tuple[bytes, ...], ...] = tuple(zip(*found, strict=True)) if len(times) > 1 else (tuple(found),)
    if sum([len(b"".join(cells)) for cells in columns]) + rows * len(header) != len(buffer) - at:
        return None
    return ScannedRows(columns, at)


@lru_cache(maxsize=PATTERNS_KEPT_MAX)
def _pattern(header: bytes, times: tuple[bool, ...]) -> re.Pattern[bytes]:
    cells = b"".join([b"(%s)" % (_TIME if is_time else _ANY) for is_time in times])
    return re.compile(re.escape(header) + cells, re.DOTALL)


def _alternatives() -> tuple[bytes, bytes]:
    """Give what a time's cell may be, and what any other."""
    sizes: dict[int, list[int]] = {}
    for tag, scalar in SCALARS.items():
        sizes.setdefault(scalar.size, []).append(tag)
    for tag, size in SIZES.items():
        sizes.setdefault(size, []).append(tag)
    stamp = b"\\x%02x\\x%02x.{%d}" % (Tag.OCTET_STRING, STAMP_SIZE, STAMP_SIZE)
    parts = [
        b"[%s]%s" % (b"".join([b"\\x%02x" % tag for tag in tags]), b".{%d}" % size if size else b"")
        for size, tags in sorted(sizes.items())
    ]
    time = b"\\x00|%s|\\x%02x.{%d}|\\x%02x.{4}" % (stamp, Tag.DATE_TIME, STAMP_SIZE, Tag.DOUBLE_LONG_UNSIGNED)
    return time, b"|".join([*parts, stamp])


_TIME, _ANY = _alternatives()
