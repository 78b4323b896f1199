"""Arithmetic of half-open ranges of time: the ground under the expectation table.

A set of ranges is a sorted tuple of disjoint, non-touching pairs (start, end) of epoch seconds with start < end. Every
function here gives such a tuple and expects such tuples, `normalise` apart, which makes one from anything.
"""

from collections.abc import Iterable, Iterator

__all__ = [
    "EMPTY",
    "Range",
    "Ranges",
    "align",
    "ceil_to",
    "chunks",
    "clip",
    "floor_to",
    "intersect",
    "normalise",
    "subtract",
    "total_s",
    "union",
]

Range = tuple[int, int]
Ranges = tuple[Range, ...]

EMPTY: Ranges = ()


def normalise(pairs: Iterable[Range]) -> Ranges:
    """Sort, drop what is empty, and merge what overlaps or touches."""
    merged: list[Range] = []
    for start, end in sorted(pair for pair in pairs if pair[0] < pair[1]):
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple(merged)


def union(first: Ranges, second: Ranges) -> Ranges:
    """What is in either."""
    if not second:
        return first
    if not first:
        return second
    return normalise((*first, *second))


def subtract(first: Ranges, second: Ranges) -> Ranges:
    """What is in the first and not in the second."""
    if not first or not second:
        return first
    kept: list[Range] = []
    position = 0
    for start, end in first:
        while position < len(second) and second[position][1] <= start:
            position += 1
        at, cursor = position, start
        while at < len(second) and second[at][0] < end:
            if second[at][0] > cursor:
                kept.append((cursor, second[at][0]))
            cursor = max(cursor, second[at][1])
            at += 1
        if cursor < end:
            kept.append((cursor, end))
    return tuple(kept)


def intersect(first: Ranges, second: Ranges) -> Ranges:
    """What is in both."""
    common: list[Range] = []
    a = b = 0
    while a < len(first) and b < len(second):
        start, end = max(first[a][0], second[b][0]), min(first[a][1], second[b][1])
        if start < end:
            common.append((start, end))
        if first[a][1] <= second[b][1]:
            a += 1
        else:
            b += 1
    return tuple(common)


def clip(ranges: Ranges, start: int, end: int) -> Ranges:
    """What lies in [start, end)."""
    return intersect(ranges, ((start, end),)) if start < end else EMPTY


def total_s(ranges: Ranges) -> int:
    """Seconds covered."""
    return sum(end - start for start, end in ranges)


def floor_to(epoch_s: int, step_s: int) -> int:
    """The last grid point at or before an instant."""
    return epoch_s - epoch_s % step_s


def ceil_to(epoch_s: int, step_s: int) -> int:
    """The first grid point at or after an instant."""
    return -(-epoch_s // step_s) * step_s


def align(ranges: Ranges, step_s: int) -> Ranges:
    """Widen each range to whole intervals of the grid."""
    return normalise((floor_to(start, step_s), ceil_to(end, step_s)) for start, end in ranges)


def chunks(ranges: Ranges, size_max_s: int, *, newest_first: bool) -> Iterator[Range]:
    """Cut into pieces of at most `size_max_s`, newest or oldest first.

    Pieces are cut from the old end of each range, so that the same range is always cut at the same places.
    """
    for start, end in reversed(ranges) if newest_first else ranges:
        cuts = range(start, end, size_max_s)
        for cut in reversed(cuts) if newest_first else cuts:
            yield cut, min(cut + size_max_s, end)
