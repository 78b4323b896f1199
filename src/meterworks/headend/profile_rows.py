"""From the rows of a profile to readings: interval starts, flags, merged rows and holes. Whole columns at a time.

A load profile stamps each row with the END of its interval, a reading is named by its START. A row off the grid (the
clock was set, the meter restarted) measured only part of its interval: it belongs to the interval that holds its last
second and is flagged. Several rows of one interval are added up, so that energy is neither lost nor counted twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meterworks.catalogue import ReadingFlag
from meterworks.headend.ranges import EMPTY, Range, Ranges, normalise, subtract

__all__ = ["ProfileRows", "Readings", "RowRule", "Window", "readings_from_rows"]

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

Window = tuple[float, float]
"""From (exclusive) until an instant, epoch seconds."""

STATUS_MASK = 0xFF


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRule:
    """How a profile's rows become readings."""

    channels: tuple[int, ...]
    """Channel of each value column."""
    step_s: int
    """Interval length; for registers the longest time between two entries."""
    on_grid: bool
    """True for intervals, whose stamps name their end; false for registers, whose stamps name the instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRows:
    """Decoded rows: time stamps in epoch seconds UTC, status octets, one (values, nulls) pair per value column."""

    stamps: Integers
    stamps_valid: Mask | None
    status: Integers | None
    columns: Sequence[tuple[Integers, Mask | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Readings in long form, sorted by channel and time, and what the answer says about the range asked for."""

    channel: NDArray[np.int32]
    ts_epoch_s: Integers
    value: Integers
    flags: NDArray[np.int32]
    covered: Ranges
    """What these readings settle."""
    absent: Ranges
    """Where the device holds no entry."""

    def __len__(self) -> int:
        return len(self.ts_epoch_s)


def readings_from_rows(rows: ProfileRows, rule: RowRule, asked: Range, *, suspect: Window | None = None) -> Readings:
    """Turn rows into readings of the range asked for: interval starts in [start, end), or instants for registers.

    suspect: readings of this time get CLOCK_SUSPECT. What lies outside the range, and rows without a usable time or any
    value, are dropped.
    """
    times, flags, columns = _placed(rows, rule)
    columns, keep = _kept(times, columns, rows.stamps_valid, asked)
    if not keep.all():
        times, flags = times[keep], flags[keep]
        columns = [(values[keep], None if nulls is None else nulls[keep]) for values, nulls in columns]
    if len(times) > 1 and not (times[1:] > times[:-1]).all():
        times, flags, columns = _merged(times, flags, columns, on_grid=rule.on_grid)
    if suspect is not None:
        length_s = rule.step_s if rule.on_grid else 0
        doubtful = (times + length_s > suspect[0]) & (times < suspect[1])
        flags = np.where(doubtful, flags | ReadingFlag.CLOCK_SUSPECT, flags)
    absent = _holes(times, rule, asked)
    end = asked[1] if rule.on_grid else _settled_end(times, absent, asked)
    covered = subtract(((asked[0], end),), absent) if asked[0] < end else EMPTY
    return _long_form(times, flags, columns, rule.channels, covered, absent)


def _placed(rows: ProfileRows, rule: RowRule) -> tuple[Integers, Integers, list[tuple[Integers, Mask | None]]]:
    stamps = rows.stamps
    flags = np.zeros(len(stamps), np.int64) if rows.status is None else rows.status & STATUS_MASK
    if not rule.on_grid:
        return stamps, flags, list(rows.columns)
    remainder = stamps % rule.step_s
    if remainder.any():
        flags = np.where(remainder != 0, flags | ReadingFlag.SHORT_INTERVAL, flags)
        starts = (stamps - 1) // rule.step_s * rule.step_s
    else:
        starts = stamps - rule.step_s
    return starts, flags, list(rows.columns)


def _kept(
    times: Integers, columns: list[tuple[Integers, Mask | None]], valid: Mask | None, asked: Range
) -> tuple[list[tuple[Integers, Mask | None]], Mask]:
    keep = (times >= asked[0]) & (times < asked[1])
    if valid is not None:
        keep &= valid
    if columns and all(nulls is not None for _, nulls in columns):
        keep &= ~np.logical_and.reduce([nulls for _, nulls in columns if nulls is not None])
    return columns, keep


def _merged(
    times: Integers, flags: Integers, columns: list[tuple[Integers, Mask | None]], *, on_grid: bool
) -> tuple[Integers, Integers, list[tuple[Integers, Mask | None]]]:
    """Sort, and make one row of rows that share their time: intervals are added, of registers the last stands."""
    order = np.argsort(times, kind="stable")
    times, flags = times[order], flags[order]
    columns = [(values[order], None if nulls is None else nulls[order]) for values, nulls in columns]
    first = np.flatnonzero(np.concatenate(([True], times[1:] != times[:-1])))
    if len(first) == len(times):
        return times, flags, columns
    counts = np.diff(np.append(first, len(times)))
    marks = ReadingFlag.MERGED_DUPLICATE | (ReadingFlag.SHORT_INTERVAL if on_grid else 0)
    merged_flags = np.bitwise_or.reduceat(flags, first)
    merged_flags = np.where(counts > 1, merged_flags | marks, merged_flags)
    merged = [_merged_column(values, nulls, first, counts, on_grid) for values, nulls in columns]
    return times[first], merged_flags, merged


def _merged_column(
    values: Integers, nulls: Mask | None, first: NDArray[np.intp], counts: NDArray[np.intp], on_grid: bool
) -> tuple[Integers, Mask | None]:
    if not on_grid:
        last = first + counts - 1
        return values[last], None if nulls is None else nulls[last]
    if nulls is None:
        return np.add.reduceat(values, first), None
    return np.add.reduceat(np.where(nulls, 0, values), first), np.logical_and.reduceat(nulls, first)


def _holes(times: Integers, rule: RowRule, asked: Range) -> Ranges:
    """Where a time is expected and none came."""
    start, end = asked
    if start >= end:
        return EMPTY
    if rule.on_grid:
        expected_first = start + (-start) % rule.step_s
        edges = np.concatenate(([expected_first - rule.step_s], times, [end]))
        at = np.flatnonzero(np.diff(edges) > rule.step_s)
        return normalise((int(edges[i]) + rule.step_s, min(int(edges[i + 1]), end)) for i in at)
    edges = np.concatenate(([start - 1], times, [end]))
    at = np.flatnonzero(np.diff(edges) > rule.step_s)
    return normalise((int(edges[i]) + 1, int(edges[i + 1])) for i in at)


def _settled_end(times: Integers, absent: Ranges, asked: Range) -> int:
    """Registers come at instants we cannot foretell: what follows the last entry stays open until it is overdue."""
    if absent and absent[-1][1] == asked[1]:
        return asked[1]
    return int(times[-1]) + 1 if len(times) else asked[0]


def _long_form(
    times: Integers,
    flags: Integers,
    columns: list[tuple[Integers, Mask | None]],
    channels: tuple[int, ...],
    covered: Ranges,
    absent: Ranges,
) -> Readings:
    flags32 = flags.astype(np.int32)
    parts = []
    for channel, (values, nulls) in sorted(zip(channels, columns, strict=True), key=lambda part: part[0]):
        if nulls is None or not nulls.any():
            parts.append((channel, times, values, flags32))
        else:
            present = ~nulls
            parts.append((channel, times[present], values[present], flags32[present]))
    return Readings(
        channel=np.repeat(
            np.array([part[0] for part in parts], np.int32), np.array([len(part[1]) for part in parts], np.int64)
        ),
        ts_epoch_s=_joined([part[1] for part in parts]),
        value=_joined([part[2] for part in parts]),
        flags=parts[0][3] if len(parts) == 1 else np.concatenate([part[3] for part in parts] or [flags32[:0]]),
        covered=covered,
        absent=absent,
    )


def _joined(arrays: list[Integers]) -> Integers:
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.empty(0, np.int64)
