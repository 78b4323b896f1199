"""Figures a head-end is judged by: share of expected readings that are in the warehouse, and who is late or silent."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meterworks.headend.ranges import Range

__all__ = ["DAY_HOURS", "HOUR_S", "LATE_CYCLES", "SILENT_S", "HourRate", "hour_rates", "is_silent", "late_before"]

HOUR_S = 3600
DAY_HOURS = 24
LATE_CYCLES = 2
SILENT_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HourRate:
    """What was expected of one hour, and how much of it is committed, in device seconds."""

    start_epoch_s: int
    expected_s: int
    committed_s: int

    @property
    def rate(self) -> float | None:
        """Share committed, None where nothing was expected."""
        return self.committed_s / self.expected_s if self.expected_s else None


def hour_rates(
    expected: Iterable[Range], open_: Iterable[Range], now_epoch_s: float, *, hours: int = DAY_HOURS
) -> list[HourRate]:
    """Rates of the last whole hours, oldest first.

    expected: ranges expected of all devices. open_: ranges of them that are missing, on their way, or gaps.
    """
    last = int(now_epoch_s) // HOUR_S * HOUR_S
    edges = np.arange(last - hours * HOUR_S, last + 1, HOUR_S, dtype=np.int64)
    wanted, lacking = _overlaps(expected, edges), _overlaps(open_, edges)
    return [
        HourRate(start_epoch_s=int(edge), expected_s=int(want), committed_s=int(want - lack))
        for edge, want, lack in zip(edges[:-1], wanted, lacking, strict=True)
    ]


def _overlaps(ranges: Iterable[Range], edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Seconds of the ranges in each cell between two edges."""
    first, last = int(edges[0]), int(edges[-1])
    touching = [pair for pair in ranges if pair[1] > first and pair[0] < last]
    if not touching:
        return np.zeros(len(edges) - 1, np.int64)
    pairs = np.array(touching, np.int64)
    starts, ends = pairs[:, :1], pairs[:, 1:]
    covered = np.minimum(ends, edges[1:]) - np.maximum(starts, edges[:-1])
    return np.asarray(np.clip(covered, 0, None).sum(axis=0), np.int64)


def late_before(now_epoch_s: float, *, cycle_s: int, grace_s: int) -> float:
    """A device is late when readings older than this are missing: it missed more than one whole cycle."""
    return now_epoch_s - grace_s - LATE_CYCLES * cycle_s


def is_silent(last_contact_epoch_s: float | None, last_try_epoch_s: float | None, now_epoch_s: float) -> bool:
    """Whether a device we tried to reach has not been heard for a day, or never."""
    if last_contact_epoch_s is None:
        return last_try_epoch_s is not None
    return now_epoch_s - last_contact_epoch_s > SILENT_S
