"""For each series, between which instants readings are committed: outside of that nothing has to be looked up."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterworks.readings.trim import Observations

__all__ = ["CommittedHull"]

_NEVER_MIN = 2**62
_NEVER_MAX = -(2**62)
_CHANNEL_BITS = 10
Int64s = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class CommittedHull:
    """Least and greatest committed ts per (device, channel). Grows with commits; made from the warehouse at start."""

    QUERY = (
        "SELECT device, channel, epoch(min(ts))::BIGINT AS low, epoch(max(ts))::BIGINT AS high"
        " FROM readings GROUP BY ALL"
    )

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self._low: Int64s = np.zeros(0, dtype=np.int64)
        self._high: Int64s = np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._places)

    @classmethod
    def of(cls, bounds: pa.Table) -> "CommittedHull":
        """From the answer to QUERY."""
        hull = cls()
        series = (bounds["device"].to_numpy() << _CHANNEL_BITS) | bounds["channel"].to_numpy().astype(np.int64)
        hull._places = {number: place for place, number in enumerate(series.tolist())}
        hull._low = bounds["low"].to_numpy().copy()
        hull._high = bounds["high"].to_numpy().copy()
        return hull

    def overlapping(self, rows: Observations) -> Mask:
        """For each row (ordered by series), whether it lies within what is committed of its series."""
        _, lengths, places = self._runs(rows)
        low = np.array([_NEVER_MIN if place is None else self._low[place] for place in places], dtype=np.int64)
        high = np.array([_NEVER_MAX if place is None else self._high[place] for place in places], dtype=np.int64)
        inside = (rows.ts_s >= np.repeat(low, lengths)) & (rows.ts_s <= np.repeat(high, lengths))
        return np.asarray(inside)

    def touches(self, device: int, channel: int, low_s: int, high_s: int) -> bool:
        """Whether readings of the series between the two instants may be committed."""
        place = self._places.get((device << _CHANNEL_BITS) | channel)
        return place is not None and bool(self._low[place] <= high_s and self._high[place] >= low_s)

    def extend(self, rows: Observations) -> None:
        """Take committed rows (ordered by series and ts) in."""
        if not len(rows):
            return
        starts, lengths, places = self._runs(rows)
        low, high = rows.ts_s[starts], rows.ts_s[starts + lengths - 1]
        series = ((rows.device[starts] << _CHANNEL_BITS) | rows.channel[starts]).tolist()
        fresh = [place for place, known in enumerate(places) if known is None]
        for place in fresh:
            self._places[series[place]] = len(self._places)
        self._low = np.concatenate((self._low, np.full(len(fresh), _NEVER_MIN, dtype=np.int64)))
        self._high = np.concatenate((self._high, np.full(len(fresh), _NEVER_MAX, dtype=np.int64)))
        targets = np.array([self._places[number] for number in series], dtype=np.intp)
        np.minimum.at(self._low, targets, low)
        np.maximum.at(self._high, targets, high)

    def _runs(self, rows: Observations) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], list[int | None]]:
        """Start and length of each run of one series, and its place here."""
        if not len(rows):
            return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp), []
        changes = (rows.device[1:] != rows.device[:-1]) | (rows.channel[1:] != rows.channel[:-1])
        starts = np.concatenate(([0], np.flatnonzero(changes) + 1)).astype(np.intp)
        lengths = np.diff(np.append(starts, len(rows))).astype(np.intp)
        series = (rows.device[starts] << _CHANNEL_BITS) | rows.channel[starts]
        return starts, lengths, [self._places.get(number) for number in series.tolist()]
