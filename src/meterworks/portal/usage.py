"""A consumer's usage of today, this week and this year: sums, and what a chart shows, from the market's series."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from meterworks.market import Columns, Market, Period, Principal, SeriesQuestion, TimeRange

__all__ = ["PERIODS", "PeriodName", "PeriodUsage", "UsageOfConsumer", "UsageSeries", "period_start"]

PeriodName = Literal["today", "week", "year"]
PERIODS: tuple[PeriodName, ...] = ("today", "week", "year")
IMPORT_BASE = 1  # of the catalogue's quantities: active energy, import
PURPOSE = "own-use"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodUsage:
    """The energy of one period so far."""

    period: PeriodName
    energy_wh: int
    days: int  # local days the period has had so far, today included


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSeries:
    """What a chart of a period shows."""

    period: PeriodName
    start_epoch_s: Sequence[int]
    value_wh: Sequence[int]


def period_start(period: PeriodName, now: datetime, zone: ZoneInfo) -> datetime:
    """Local midnight at which a period began: today, six days before, or the first of January."""
    today = now.astimezone(zone).date()
    first = {"today": today, "week": today - timedelta(days=6), "year": date(today.year, 1, 1)}[period]
    return datetime(first.year, first.month, first.day, tzinfo=zone).astimezone(UTC)


class UsageOfConsumer:
    """Asks the market for one consumer's import, whatever interval their meter has."""

    def __init__(self, market: Market, principal: Principal, request_id: str) -> None:
        self._market = market
        self._principal = principal
        self._request_id = request_id

    def _question(self, asked: TimeRange, resolution: Literal["interval", "day", "month"]) -> SeriesQuestion:
        return SeriesQuestion(
            channels=(),
            bases=(IMPORT_BASE,),
            asked=asked,
            as_of=None,
            resolution=resolution,
            zone_name=None,
            row_limit=None,
            cursor=None,
            purpose=PURPOSE,
            request_id=self._request_id,
        )

    async def totals(self, usage_point_id: str, zone: ZoneInfo) -> list[PeriodUsage]:
        """All three periods, from one question by day."""
        now = self._market.clock.now().replace(microsecond=0) + timedelta(seconds=1)
        starts = {period: period_start(period, now, zone) for period in PERIODS}
        asked = TimeRange(min(starts.values()), now)
        result = await self._market.reading_access.of_usage_point(
            self._principal, usage_point_id, self._question(asked, "day")
        )
        periods = [series.rows for series in result.series if isinstance(series.rows, Period)]
        today = now.astimezone(zone).date()
        return [
            PeriodUsage(
                period=period,
                energy_wh=sum(
                    int(rows.value[rows.start_epoch_s >= int(starts[period].timestamp())].sum()) for rows in periods
                ),
                days=(today - starts[period].astimezone(zone).date()).days + 1,
            )
            for period in PERIODS
        ]

    async def series(self, usage_point_id: str, period: PeriodName, zone: ZoneInfo) -> UsageSeries:
        """Half-hours of today, days of the week, months of the year."""
        now = self._market.clock.now().replace(microsecond=0) + timedelta(seconds=1)
        resolution: Literal["interval", "day", "month"] = {  # type: ignore[assignment]  # a dictionary's values widen
            "today": "interval",
            "week": "day",
            "year": "month",
        }[period]
        asked = TimeRange(period_start(period, now, zone), now)
        result = await self._market.reading_access.of_usage_point(
            self._principal, usage_point_id, self._question(asked, resolution)
        )
        rows: list[Columns | Period] = [series.rows for series in result.series]
        starts = np.concatenate([part.start_epoch_s for part in rows])
        values = np.concatenate([part.value for part in rows])
        moments, places = np.unique(starts, return_inverse=True)
        sums = np.zeros(len(moments), np.int64)
        np.add.at(sums, places, values)
        return UsageSeries(period=period, start_epoch_s=moments.tolist(), value_wh=sums.tolist())
