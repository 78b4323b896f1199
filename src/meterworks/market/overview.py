"""Figures of the whole fleet: size, read rates, fill, late and silent devices, and the load of the neighbourhood."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterworks.catalogue import INTERVAL_S_BY_PERIOD, channel_for
from meterworks.headend import FillProgress, HourRate
from meterworks.market.series import TimeRange
from meterworks.market.services import MarketServices
from meterworks.registry import DeviceCounts
from meterworks.runtime import together

__all__ = ["CollectionSummary", "FleetLoad", "Overview"]

KEPT_S = 2.0  # however many people look, the figures are worked out this seldom
LOAD_KEPT_S = 5.0
LOAD_DAYS = 2
LOAD_INTERVAL_S = 1800
COUNT_SHARE_MIN = 0.5  # of the most meters any interval has, below which a newest interval counts as partial
LIST_MAX = 1000
FIRST_PROFILE = "load_import"
IMPORT_BASE, EXPORT_BASE = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSummary:
    """How collection is going."""

    devices: DeviceCounts
    hours: Sequence[HourRate]
    late: Sequence[int]
    silent: Sequence[int]
    progress: Sequence[FillProgress]

    @property
    def day_rate(self) -> float | None:
        """Share of the last day's readings that is in the warehouse; None where none was expected."""
        expected_s = sum(hour.expected_s for hour in self.hours)
        return sum(hour.committed_s for hour in self.hours) / expected_s if expected_s else None

    @property
    def first_fill_share(self) -> float:
        """Share of the import history that is settled: in the warehouse, or known to be a gap."""
        first = next((each for each in self.progress if each.profile == FIRST_PROFILE), None)
        return 0.0 if first is None else first.settled_share


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetLoad:
    """Mean power of all meters together per interval, and how many meters it is the sum of."""

    interval_s: int
    start_epoch_s: npt.NDArray[np.int64]
    import_w: npt.NDArray[np.float64]
    export_w: npt.NDArray[np.float64]
    count: npt.NDArray[np.int64]


class Overview:
    """Works the figures out for everybody who looks at the same moment."""

    def __init__(self, services: MarketServices, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._monotonic = monotonic
        self._asking = asyncio.Lock()
        self._kept: tuple[float, CollectionSummary] | None = None
        self._loading = asyncio.Lock()
        self._kept_load: tuple[float, FleetLoad] | None = None

    async def summary(self) -> CollectionSummary:
        """The figures, at most KEPT_S old."""
        async with self._asking:
            if self._kept is None or self._kept[0] + KEPT_S < self._monotonic():
                self._kept = (self._monotonic(), await self._summary())
            return self._kept[1]

    async def _summary(self) -> CollectionSummary:
        queries, now, settings = self._services.collection, self._services.clock.now(), self._services.headend_settings
        return CollectionSummary(
            devices=await self._services.registry.count_devices(),
            hours=await queries.hour_rates(now),
            late=await queries.late_devices(now, cycle_s=settings.cycle_s, grace_s=settings.grace_s, limit=LIST_MAX),
            silent=await queries.silent_devices(now, limit=LIST_MAX),
            progress=await queries.progress(),
        )

    async def load(self, asked: TimeRange, *, interval_s: int, device_ids: Sequence[int] | None = None) -> FleetLoad:
        """Load of the meters of one interval length; None: of all of them."""
        assert interval_s in INTERVAL_S_BY_PERIOD.values()
        into, out_of = await together(
            *(
                self._services.readings.load(
                    channel_for(base, interval_s).id, asked.from_, asked.to, device_ids=device_ids
                )
                for base in (IMPORT_BASE, EXPORT_BASE)
            )
        )
        start = _epochs_s(into)
        exported = dict(zip(_epochs_s(out_of).tolist(), out_of["value_sum"].to_pylist(), strict=True))
        watts_per_wh = 3600 / interval_s
        return FleetLoad(
            interval_s=interval_s,
            start_epoch_s=start,
            import_w=into["value_sum"].to_numpy() * watts_per_wh,
            export_w=np.array([exported.get(at, 0) for at in start.tolist()], np.float64) * watts_per_wh,
            count=into["count"].to_numpy(),
        )

    async def recent_load(self) -> FleetLoad:
        """The load of the last LOAD_DAYS of half-hourly meters, at most LOAD_KEPT_S old.

        The newest intervals, of which most meters have not been read yet, are left out: they would look like a slump.
        """
        async with self._loading:
            if self._kept_load is None or self._kept_load[0] + LOAD_KEPT_S < self._monotonic():
                now = self._services.clock.now()
                found = await self.load(TimeRange(now - timedelta(days=LOAD_DAYS), now), interval_s=LOAD_INTERVAL_S)
                self._kept_load = (self._monotonic(), _without_partial_end(found))
            return self._kept_load[1]


def _without_partial_end(load: FleetLoad) -> FleetLoad:
    if not len(load.count):
        return load
    full = np.flatnonzero(load.count >= COUNT_SHARE_MIN * load.count.max())
    rows = slice(0, int(full[-1]) + 1)
    return replace(
        load,
        start_epoch_s=load.start_epoch_s[rows],
        import_w=load.import_w[rows],
        export_w=load.export_w[rows],
        count=load.count[rows],
    )


def _epochs_s(table: pa.Table) -> npt.NDArray[np.int64]:
    epochs: npt.NDArray[np.int64] = table["ts"].cast(pa.int64()).to_numpy() // 1_000_000
    return epochs
