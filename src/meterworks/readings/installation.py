"""One series of a usage point from the devices that were installed there, each within its dates.

Readings belong to days by their own time stamps, so a late push of a meter long gone still lands where it was measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterworks.catalogue import Channel, Quality
from meterworks.readings.errors import ReadingsUsageError

__all__ = ["InstalledDevice", "device_range", "share_by_time", "stitch"]

_FOREVER_S = 2**40
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class InstalledDevice:
    """A device at a usage point from `from_` until `to` (None: still there); its values count times the multiplier."""

    device_id: int
    from_: datetime
    to: datetime | None = None
    multiplier: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if self.from_.tzinfo is None or (self.to is not None and self.to.tzinfo is None):
            raise ReadingsUsageError(f"the installation of device {self.device_id} has dates without zone")
        if self.multiplier <= 0:
            raise ReadingsUsageError(f"the multiplier {self.multiplier} of device {self.device_id} is not positive")

    @property
    def start_s(self) -> float:
        """Beginning in epoch seconds."""
        return self.from_.timestamp()

    @property
    def end_s(self) -> float:
        """End in epoch seconds; far in the future while installed."""
        return _FOREVER_S if self.to is None else self.to.timestamp()


def device_range(installation: InstalledDevice, channel: Channel, from_s: int, to_s: int) -> tuple[int, int] | None:
    """Which ts of the device count within from <= ts < to; None for none.

    Of an interval channel all intervals that touch the installation, of others the instants within it.
    """
    start_s, end_s = installation.start_s, installation.end_s
    if channel.interval_s is not None:  # ts > start - interval, in whole seconds
        start_s = start_s - channel.interval_s + 1 if start_s == int(start_s) else int(start_s - channel.interval_s) + 1
    low, high = max(from_s, int(-(-start_s // 1))), min(to_s, int(-(-end_s // 1)))
    return (low, high) if low < high else None


def share_by_time(
    table: pa.Table, installation: InstalledDevice, channel: Channel, installations: Sequence[InstalledDevice]
) -> pa.Table:
    """Share the intervals of a device in which it stood at more than one place, or twice at one: by seconds installed.

    installations: all of the device that touch the readings, wherever, this one among them. The shares of an interval
    add up to its value.
    """
    step_s = channel.interval_s
    if step_s is None or len(installations) < 2 or not table.num_rows:
        return table
    starts_s = table["ts"].cast(pa.int64()).to_numpy() // 1_000_000
    values = table["value"].to_numpy().copy()
    edges_s = {edge_s // step_s * step_s for edge_s in (installation.start_s, installation.end_s)}
    for row in np.flatnonzero(np.isin(starts_s, list(edges_s))).tolist():
        start_s = int(starts_s[row])
        stays_s = sorted(
            (max(each.start_s, start_s), min(each.end_s, start_s + step_s), each is installation)
            for each in installations
            if each.start_s < start_s + step_s and start_s < each.end_s
        )
        lengths_s = [round(end_s - begin_s) for begin_s, end_s, _ in stays_s]
        place = next(index for index, stay in enumerate(stays_s) if stay[2])
        before_s, whole_s, value = sum(lengths_s[:place]), sum(lengths_s), int(values[row])
        if whole_s:
            values[row] = value * (before_s + lengths_s[place]) // whole_s - value * before_s // whole_s
    place = table.column_names.index("value")
    return table.set_column(place, table.schema.field("value"), pa.array(values))


def stitch(
    pieces: Sequence[tuple[InstalledDevice, Channel, pa.Table]],
    installations: Sequence[InstalledDevice],
    schema: pa.Schema,
) -> pa.Table:
    """Join readings of several devices (already cut by `device_range`) into one series per channel.

    Intervals with a beginning or end of an installation inside are summed over the devices and marked derived.
    """
    tables = [_multiplied(table, installation.multiplier) for installation, _, table in pieces if table.num_rows]
    if not tables:
        return schema.empty_table()
    joined = pa.concat_tables(tables).sort_by([("channel", "ascending"), ("ts", "ascending")])
    columns: dict[str, Any] = {name: joined[name].to_numpy() for name in joined.column_names}
    ts_us = columns["ts"].astype("datetime64[us]").astype(np.int64)
    split = _split_intervals(
        columns["channel"], ts_us, {channel.id: channel for _, channel, _ in pieces}, installations
    )
    first = np.append(True, (columns["channel"][1:] != columns["channel"][:-1]) | (ts_us[1:] != ts_us[:-1]))
    starts = np.flatnonzero(first)
    quality = np.maximum.reduceat(columns["quality"], starts)
    summed = split[starts] | (np.diff(np.append(starts, len(ts_us))) > 1)
    return pa.table(
        [
            pa.array(columns["channel"][starts]),
            pa.array(ts_us[starts]).view(pa.timestamp("us")),
            pa.array(np.add.reduceat(columns["value"], starts)),
            pa.array(np.where(summed, np.int16(Quality.DERIVED), quality)),
            pa.array(np.bitwise_or.reduceat(columns["flags"], starts)),
            pa.array(np.maximum.reduceat(columns["version"], starts)),
        ],
        schema=schema,
    )


def _multiplied(table: pa.Table, multiplier: Fraction) -> pa.Table:
    """Values times the multiplier, half a unit rounded up."""
    if multiplier == 1:
        return table
    value = table["value"].to_numpy()
    doubled = 2 * value * multiplier.numerator + multiplier.denominator
    place = table.column_names.index("value")
    return table.set_column(place, table.schema.field("value"), pa.array(doubled // (2 * multiplier.denominator)))


def _split_intervals(
    channel: npt.NDArray[np.int32],
    ts_us: Int64s,
    channels: dict[int, Channel],
    installations: Sequence[InstalledDevice],
) -> npt.NDArray[np.bool_]:
    """Rows whose interval has a beginning or end of an installation strictly inside."""
    edges_us = [
        round(edge_s * 1_000_000)
        for installation in installations
        for edge_s in (installation.start_s, installation.end_s)
    ]
    split = np.zeros(len(ts_us), dtype=bool)
    for number, kind in channels.items():
        if kind.interval_s is None:
            continue
        of_channel = channel == number
        for edge_us in edges_us:
            split |= of_channel & (ts_us < edge_us) & (edge_us < ts_us + kind.interval_s * 1_000_000)
    return split
