"""Rows of changing shape, found together: every place that could open a row is walked at once by numpy.

A row's end is known only when its cells have been walked, so rows of changing shape seem to ask for a loop. Instead all
places where the row's header stands are taken as rows, right or wrong, and their cells walked column by column for all
of them. The true rows are then those that follow one another from the first: each ends where the next begins.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from meterworks.protocols.dlms.data import Tag
from meterworks.protocols.dlms.profile_cell import SCALARS, SIZES, STAMP_SIZE, STRINGS

IntArray = npt.NDArray[np.int64]

WINDOW_OCTETS: Final = 1 << 18
CANDIDATES_MAX: Final = 8192
LENGTH_SHORT_MAX: Final = 127
_STRING: Final = -1
_UNKNOWN: Final = -2
_CONTENT_SIZES: Final[IntArray] = np.full(256, _UNKNOWN, np.int64)
for _tag, _scalar in SCALARS.items():
    _CONTENT_SIZES[_tag] = _scalar.size
for _tag, _size in SIZES.items():
    _CONTENT_SIZES[_tag] = _size
for _tag in STRINGS:
    _CONTENT_SIZES[_tag] = _STRING
_TIME_LAWFUL: Final[npt.NDArray[np.bool_]] = np.zeros(256, np.bool_)
_TIME_LAWFUL[[Tag.NULL, Tag.DATE_TIME, Tag.DOUBLE_LONG_UNSIGNED, Tag.OCTET_STRING]] = True


@dataclass(frozen=True, slots=True, eq=False)
class ChainedRows:
    """Rows that follow one another. tags, starts (offsets of contents) and sizes have shape (columns, rows)."""

    tags: npt.NDArray[np.uint8]
    starts: IntArray
    sizes: IntArray
    end: int  # offset behind the last of them

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.tags[0])


def chain_rows(
    octets: npt.NDArray[np.uint8], at: int, *, header: bytes, times: Sequence[bool], rows_max: int
) -> ChainedRows:
    """Find the rows that follow one another from `at`, up to the first with a cell that needs a closer look.

    Such cells are nested values, bit strings, long strings and all faults: whoever asks walks that row by itself.
    times: per column, whether it is a time.
    """
    candidates = _candidates(octets, at, header, rows_max)
    columns = len(times)
    tags = np.empty((columns, len(candidates)), np.uint8)
    starts = np.empty((columns, len(candidates)), np.int64)
    sizes = np.empty_like(starts)
    lawful = np.ones(len(candidates), np.bool_)
    position = candidates + len(header)
    for column, is_time in enumerate(times):
        tag = octets.take(position, mode="clip")
        size = _CONTENT_SIZES.take(tag)
        start = position + 1
        if size.size and int(size.min()) < 0:
            strings = size == _STRING
            length = octets.take(start, mode="clip")
            lawful &= (size != _UNKNOWN) & ~(strings & (length > LENGTH_SHORT_MAX))
            size = np.where(strings, length, np.maximum(size, 0))
            start += strings
            if is_time:
                lawful &= ~strings | (size == STAMP_SIZE)
        if is_time:
            lawful &= _TIME_LAWFUL.take(tag)
        tags[column], starts[column], sizes[column] = tag, start, size
        position = start + size
    lawful &= position <= len(octets)
    chosen = _follow(candidates, position, lawful)[:rows_max]
    end = int(position[chosen[-1]]) if len(chosen) else at
    return ChainedRows(tags[:, chosen], starts[:, chosen], sizes[:, chosen], end)


def _candidates(octets: npt.NDArray[np.uint8], at: int, header: bytes, rows_max: int) -> IntArray:
    window = octets[at : at + WINDOW_OCTETS]
    places = max(len(window) - len(header) + 1, 0)
    hits = np.ones(places, np.bool_)
    for index, octet in enumerate(header):
        hits &= window[index : index + places] == octet
    # False ones stand among the true ones, so more of them than rows wanted may be needed; bounded all the same.
    return hits.nonzero()[0][: min(2 * rows_max, CANDIDATES_MAX)] + at


def _follow(candidates: IntArray, ends: IntArray, lawful: npt.NDArray[np.bool_]) -> IntArray:
    """Give the indexes of those that follow one another from the first."""
    count = len(candidates)
    if not count or not lawful[0]:
        return np.empty(0, np.int64)
    # Where the next candidate is not the next row: it is a false one, or the last row before trouble.
    breaks = (~(lawful[1:] & (ends[:-1] == candidates[1:]))).nonzero()[0].tolist()
    chosen = []
    index = 0
    while True:
        place = bisect_left(breaks, index)
        last = breaks[place] if place < len(breaks) else count - 1
        chosen.append(np.arange(index, last + 1))
        index = int(candidates.searchsorted(ends[last]))
        if index == count or candidates[index] != ends[last] or not lawful[index]:
            return chosen[0] if len(chosen) == 1 else np.concatenate(chosen)
