"""Registers that accumulate: from energy per interval to whole watt-hours at any instant, for any load.

A register shows the whole watt-hours of the energy accumulated so far; an interval's value is the difference of the
register at its two ends, so interval values add up to register differences exactly. The second rate's register counts
the watt-hours that the total register completes while that rate is in force: rates add up to the total, and none ever
falls.

Totals at fixed instants (anchors, every four weeks) are kept per meter, and a few recently computed histories for all
of them together; everything else is computed when asked.
"""

import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from meterworks.devices import RegisterBlock, Registers

__all__ = ["QUANTITIES", "Accumulation", "HistoryCache", "RegisterState"]

IntArray = npt.NDArray[np.int64]

MILLION: Final = 1_000_000
QUANTITIES: Final = 4  # import, export active; import, export reactive
ANCHOR_DAYS: Final = 28
KEPT_INTERVALS_MIN: Final = 1000
_OWNERS: Final = itertools.count()


@dataclass(frozen=True, slots=True, eq=False)
class RegisterState:
    """Registers at the boundaries of consecutive intervals.

    micro: (4, n + 1) accumulated µWh and µvarh at the start of each interval and the end of the last. rate_2: (2, n +
    1) whole Wh of the second rate, import and export.
    """

    first: int
    micro: IntArray
    rate_2: IntArray

    @property
    def last(self) -> int:
        """Index behind the last interval."""
        return self.first + len(self.micro[0]) - 1

    def cut(self, first: int, last: int) -> "RegisterState":
        """Give the part for the intervals first to last - 1."""
        part = slice(first - self.first, last - self.first + 1)
        return RegisterState(first, self.micro[:, part], self.rate_2[:, part])

    def interval_values(self) -> IntArray:
        """Give each interval's energy in whole Wh and varh: (4, n)."""
        whole = self.micro // MILLION
        values: IntArray = whole[:, 1:] - whole[:, :-1]
        return values


class HistoryCache:
    """The histories computed last, of all meters of a process together; the oldest leaves."""

    def __init__(self, histories_max: int = 24) -> None:
        self._histories_max = histories_max
        self._histories: OrderedDict[int, RegisterState] = OrderedDict()

    def find(self, owner: int, first: int, last: int) -> RegisterState | None:
        """Give this owner's kept history, cut to the range, if it covers it."""
        kept = self._histories.get(owner)
        if kept is None or first < kept.first or last > kept.last:
            return None
        self._histories.move_to_end(owner)
        return kept.cut(first, last)

    def keep(self, owner: int, history: RegisterState) -> None:
        """Keep a history that is long enough to be worth it."""
        if history.last - history.first < KEPT_INTERVALS_MIN:
            return
        self._histories[owner] = history
        self._histories.move_to_end(owner)
        while len(self._histories) > self._histories_max:
            self._histories.popitem(last=False)


class Accumulation:
    """The registers of one meter. Holds anchors only: 48 octets for every four weeks.

    energies(first, last): what the meter registers in the intervals first to last - 1, (4, n) in µWh and µvarh, never
    negative, and which of them stand under the second rate (n,).
    """

    __slots__ = ("_anchors", "_cache", "_energies", "_first", "_interval_s", "_owner", "_per_anchor", "_recent")

    def __init__(
        self,
        energies: Callable[[int, int], tuple[IntArray, npt.NDArray[np.bool_]]],
        *,
        first: int,
        interval_s: int,
        opening_wh: tuple[int, int, int, int] = (0, 0, 0, 0),
        cache: HistoryCache,
    ) -> None:
        """first: index of the first interval. opening_wh: what the registers showed then."""
        self._owner = next(_OWNERS)
        self._energies = energies
        self._first = first
        self._interval_s = interval_s
        self._per_anchor = ANCHOR_DAYS * 86_400 // interval_s
        self._cache = cache
        self._anchors: IntArray = np.array([[*(wh * MILLION for wh in opening_wh), 0, 0]], np.int64)
        self._recent: tuple[int, IntArray] | None = None  # totals at the start of the day asked for last

    def between(self, first: int, last: int) -> RegisterState:
        """Give the registers at the boundaries of the intervals first to last - 1; none lies before the first one."""
        kept = self._cache.find(self._owner, first, last)
        if kept is not None:
            return kept
        anchor, totals = self._totals_before(first)
        state = self._accumulate(anchor, last, totals)
        self._cache.keep(self._owner, state)
        return state.cut(first, last)

    def at(self, epoch_s: int) -> Registers:
        """Give the registers at an instant at or after the first interval's start."""
        index = epoch_s // self._interval_s
        day = max(index - index % (86_400 // self._interval_s), self._first)
        if self._recent is None or self._recent[0] != day:
            state = self.between(day, day)
            self._recent = day, np.concatenate((state.micro[:, 0], state.rate_2[:, 0]))
        state = self._accumulate(day, index + 1, self._recent[1]).cut(index, index + 1)
        micro, rate_2 = _inside(state, np.array([0]), np.array([epoch_s - index * self._interval_s]), self._interval_s)
        whole = (micro[:, 0] // MILLION).tolist()
        second = rate_2[:, 0].tolist()
        return Registers(
            import_wh=whole[0], export_wh=whole[1], import_varh=whole[2], export_varh=whole[3],
            import_rate_1_wh=whole[0] - second[0], import_rate_2_wh=second[0],
            export_rate_1_wh=whole[1] - second[1], export_rate_2_wh=second[1],
        )  # fmt: skip

    def at_many(self, epochs_s: IntArray) -> RegisterBlock:
        """Give the registers at rising instants; those before the first interval show what stood there at first."""
        epochs_s = np.maximum(epochs_s, self._first * self._interval_s)
        index = epochs_s // self._interval_s
        first, last = (int(index[0]), int(index[-1]) + 1) if len(index) else (self._first, self._first)
        state = self.between(first, last)
        micro, rate_2 = _inside(state, index - first, epochs_s - index * self._interval_s, self._interval_s)
        whole = micro // MILLION
        return RegisterBlock(
            import_wh=whole[0], export_wh=whole[1], import_varh=whole[2], export_varh=whole[3],
            import_rate_1_wh=whole[0] - rate_2[0], import_rate_2_wh=rate_2[0],
            export_rate_1_wh=whole[1] - rate_2[1], export_rate_2_wh=rate_2[1],
        )  # fmt: skip

    def _accumulate(self, first: int, last: int, totals: IntArray) -> RegisterState:
        """Accumulate the intervals first to last - 1 on top of the totals at the start of the first."""
        energies, second_rate = self._energies(first, last)
        count = last - first
        micro = np.empty((QUANTITIES, count + 1), np.int64)
        micro[:, 0] = totals[:QUANTITIES]
        np.cumsum(energies, axis=1, out=micro[:, 1:])
        micro[:, 1:] += micro[:, :1]
        whole = micro[:2] // MILLION
        rate_2 = np.zeros((2, count + 1), np.int64)
        np.cumsum((whole[:, 1:] - whole[:, :-1]) * second_rate, axis=1, out=rate_2[:, 1:])
        rate_2 += totals[QUANTITIES:, None]
        return RegisterState(first, micro, rate_2)

    def _totals_before(self, index: int) -> tuple[int, IntArray]:
        """Give the last anchor at or before the interval: its index and the totals there. Makes what is missing."""
        wanted = (index - self._first) // self._per_anchor
        made = len(self._anchors) - 1
        if wanted > made:
            start = self._first + made * self._per_anchor
            state = self._accumulate(start, self._first + wanted * self._per_anchor, self._anchors[-1])
            places = np.arange(1, wanted - made + 1) * self._per_anchor
            new = np.concatenate((state.micro[:, places], state.rate_2[:, places])).T
            self._anchors = np.concatenate((self._anchors, new))
        return self._first + wanted * self._per_anchor, self._anchors[wanted]


def _inside(state: RegisterState, place: IntArray, second: IntArray, interval_s: int) -> tuple[IntArray, IntArray]:
    """Give registers and second rate `second` seconds inside intervals: energy flows evenly there.

    The second rate advances with the total while its rate is in force: its share of the interval is all or nothing.
    """
    start = state.micro[:, place]
    micro = start + (state.micro[:, place + 1] - start) * second // interval_s
    rate_start = state.rate_2[:, place]
    counted = state.rate_2[:, place + 1] != rate_start
    rate_2: IntArray = rate_start + counted * (micro[:2] // MILLION - start[:2] // MILLION)
    return micro, rate_2
