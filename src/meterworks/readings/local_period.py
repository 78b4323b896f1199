"""Sums by local day, month or year. Local time enters here and nowhere below: a period is a range of UTC."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa

from meterworks.readings.errors import ReadingsUsageError

__all__ = ["LocalPeriod", "local_bounds", "sum_by_local_period"]

LocalPeriod = Literal["day", "month", "year"]
PERIODS_MAX = 5_000
_LABEL_SIZE = {"day": 10, "month": 7, "year": 4}  # of an ISO date
_RESULT = pa.schema(
    [
        ("start", pa.timestamp("us")),
        ("end", pa.timestamp("us")),
        ("label", pa.string()),
        ("value_sum", pa.int64()),
        ("count", pa.int64()),
        ("expected", pa.int64()),
    ]
)


def local_bounds(from_s: int, to_s: int, *, zone: str, period: LocalPeriod) -> list[tuple[date, int]]:
    """First local day and UTC start (epoch s) of each period that touches the range, then the start after the last."""
    try:
        zone_info = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ReadingsUsageError(
            f"the time zone {zone!r} is unknown: give an IANA name such as Europe/London"
        ) from error
    if period not in _LABEL_SIZE:
        raise ReadingsUsageError(f"the period {period!r} is none of {', '.join(_LABEL_SIZE)}")
    day = _first_day(datetime.fromtimestamp(from_s, zone_info).date(), period)
    bounds: list[tuple[date, int]] = []
    while True:
        # A midnight that a clock change skips stands for the first instant of its day.
        start_s = int(datetime(day.year, day.month, day.day, tzinfo=zone_info).timestamp())
        bounds.append((day, start_s))
        if start_s >= to_s and len(bounds) > 1:
            return bounds
        if len(bounds) > PERIODS_MAX:
            raise ReadingsUsageError(f"the range holds more than {PERIODS_MAX} periods: ask for longer ones")
        day = _first_day(day + timedelta(days={"day": 1, "month": 32, "year": 367}[period]), period)


def _first_day(day: date, period: LocalPeriod) -> date:
    if period == "day":
        return day
    return day.replace(day=1) if period == "month" else day.replace(month=1, day=1)


async def sum_by_local_period(
    read: Callable[[datetime, datetime], Awaitable[pa.Table]],
    from_s: int,
    to_s: int,
    *,
    zone: str,
    period: LocalPeriod,
    interval_s: int,
) -> pa.Table:
    """Sum readings (of one interval channel, by `read(from, to)`) over the local periods that touch the range."""
    bounds = local_bounds(from_s, to_s, zone=zone, period=period)
    starts = np.array([start for _, start in bounds], dtype=np.int64)
    rows = await read(datetime.fromtimestamp(bounds[0][1], UTC), datetime.fromtimestamp(bounds[-1][1], UTC))
    ts_s = rows["ts"].cast(pa.int64()).to_numpy() // 1_000_000
    place = np.searchsorted(starts, ts_s, side="right") - 1
    count = np.bincount(place, minlength=len(starts))[: len(starts) - 1]
    total = np.zeros(len(starts), dtype=np.int64)
    np.add.at(total, place, rows["value"].to_numpy())
    return pa.table(
        [
            pa.array(starts[:-1] * 1_000_000).view(pa.timestamp("us")),
            pa.array(starts[1:] * 1_000_000).view(pa.timestamp("us")),
            pa.array([day.isoformat()[: _LABEL_SIZE[period]] for day, _ in bounds[:-1]]),
            pa.array(total[:-1]),
            pa.array(count.astype(np.int64)),
            pa.array(np.diff(starts) // interval_s),
        ],
        schema=_RESULT,
    )
