"""A series of readings as columns: clipped to what may be seen, cut into pages, grouped by local day or month."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterworks.catalogue import Channel
from meterworks.readings import local_bounds

__all__ = [
    "ChannelSeries",
    "Columns",
    "Grouping",
    "Period",
    "Resolution",
    "SeriesResult",
    "TimeRange",
    "clip",
    "columns_from",
    "group",
    "split_channels",
    "whole_periods",
]

Resolution = Literal["interval", "day", "month"]
Grouping = Literal["day", "month"]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A half-open range of time, both ends aware UTC."""

    from_: datetime
    to: datetime

    def overlap(self, from_: datetime, to: datetime | None) -> "TimeRange | None":
        """The part inside [from_, to), or None. `to` None is open-ended."""
        start, end = max(self.from_, from_), self.to if to is None else min(self.to, to)
        return TimeRange(start, end) if start < end else None

    def contains(self, at: datetime) -> bool:
        """Does the instant lie inside?"""
        return self.from_ <= at < self.to

    @property
    def epochs_s(self) -> tuple[int, int]:
        """Both ends in seconds since 1970."""
        return int(self.from_.timestamp()), int(self.to.timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Readings of one or several channels, ascending by channel and start; all arrays have one length."""

    channel: npt.NDArray[np.int32]
    start_epoch_s: Integers
    value: Integers
    quality: npt.NDArray[np.int16]
    flags: npt.NDArray[np.int32]
    version: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.start_epoch_s)

    def take(self, rows: "slice | npt.NDArray[np.bool_]") -> "Columns":
        """The rows of a slice or mask."""
        return Columns(
            channel=self.channel[rows],
            start_epoch_s=self.start_epoch_s[rows],
            value=self.value[rows],
            quality=self.quality[rows],
            flags=self.flags[rows],
            version=self.version[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Sums by local day or month. `expected` counts the intervals a complete period of the asked range has."""

    local_date: Sequence[date]
    start_epoch_s: Integers
    end_epoch_s: Integers
    value: Integers
    count: Integers
    expected: Integers


@dataclass(frozen=True, slots=True)
class ChannelSeries:
    """One channel's part of a result."""

    channel: Channel
    rows: Columns | Period

    @property
    def row_count(self) -> int:
        """Number of rows."""
        return len(self.rows.start_epoch_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesResult:
    """An answer to a question for readings. `next_cursor` is None on the last page."""

    subject: Mapping[str, object]
    from_: datetime
    to: datetime
    as_of: datetime | None
    resolution: Resolution
    zone_name: str
    series: Sequence[ChannelSeries]
    next_cursor: str | None


def columns_from(table: pa.Table) -> Columns:
    """The columns of a reading store's answer (READING_RESULT, which is in order)."""
    return Columns(
        channel=table["channel"].to_numpy(),
        start_epoch_s=table["ts"].cast(pa.int64()).to_numpy() // 1_000_000,
        value=table["value"].to_numpy(),
        quality=table["quality"].to_numpy(),
        flags=table["flags"].to_numpy(),
        version=table["version"].to_numpy(),
    )


def clip(columns: Columns, ranges: Sequence[TimeRange]) -> Columns:
    """Only the readings whose start lies in one of the ranges."""
    inside = np.zeros(len(columns), np.bool_)
    for time_range in ranges:
        start, end = time_range.epochs_s
        inside |= (columns.start_epoch_s >= start) & (columns.start_epoch_s < end)
    return columns if bool(inside.all()) else columns.take(inside)


def split_channels(columns: Columns, channels: Sequence[Channel]) -> list[ChannelSeries]:
    """One part per channel asked, in the order of their numbers, empty ones included."""
    ordered = sorted(channels, key=lambda channel: channel.id)
    numbers = np.array([channel.id for channel in ordered], np.int32)
    starts = np.searchsorted(columns.channel, numbers, side="left")
    ends = np.searchsorted(columns.channel, numbers, side="right")
    return [
        ChannelSeries(channel, columns.take(slice(int(start), int(end))))
        for channel, start, end in zip(ordered, starts, ends, strict=True)
    ]


def whole_periods(asked: TimeRange, zone: ZoneInfo, grouping: Grouping, *, ended_by: datetime) -> TimeRange | None:
    """The part of a range that consists of whole local periods which had ended by an instant, or None."""
    start, end = asked.epochs_s
    last = min(end, int(ended_by.timestamp()))
    whole = [bound for _, bound in local_bounds(start, end, zone=zone.key, period=grouping) if start <= bound <= last]
    if len(whole) < 2:
        return None
    return TimeRange(datetime.fromtimestamp(whole[0], UTC), datetime.fromtimestamp(whole[-1], UTC))


def group(series: ChannelSeries, asked: TimeRange, zone: ZoneInfo, grouping: Grouping) -> ChannelSeries:
    """Sum an interval channel by local day or month; periods without any reading are left out.

    A day on which clocks change expects 46 or 50 half-hours. The first and last period are cut at the asked range.
    """
    assert isinstance(series.rows, Columns)
    interval_s = series.channel.interval_s
    assert interval_s is not None, "only interval channels can be summed"
    start, end = asked.epochs_s
    bounds = local_bounds(start, end, zone=zone.key, period=grouping)
    boundaries = np.array([bound for _, bound in bounds], np.int64).clip(start, end)
    rows = series.rows
    places = np.searchsorted(rows.start_epoch_s, boundaries, side="left")
    totals = np.concatenate(([0], np.cumsum(rows.value)))
    counts = np.diff(places)
    filled = counts > 0
    period = Period(
        local_date=[day for (day, _), some in zip(bounds[:-1], filled, strict=True) if some],
        start_epoch_s=boundaries[:-1][filled],
        end_epoch_s=boundaries[1:][filled],
        value=np.diff(totals[places])[filled],
        count=counts[filled],
        expected=np.diff(-(-boundaries // interval_s))[filled],  # starts on the grid, wherever midnight falls on it
    )
    return ChannelSeries(series.channel, period)
