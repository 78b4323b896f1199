"""Recent days in the database of record: latest versions, one row per device, channel and UTC day.

Only series are kept so: intervals, daily and monthly registers. Registers and powers taken at any instant may come
every minute, and a day would be written anew for each; they are read from the warehouse.

Filled by the writer right after each commit from the same rows, and rebuildable from the warehouse at any time. What
portal and API read first.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.catalogue import CHANNELS, Period
from meterworks.readings.day_blob import DAY_S, DayReadings, decode_day, encode_day, encode_days
from meterworks.readings.model import ReadingsProgress, RecentDay
from meterworks.runtime import Database, upsert

if TYPE_CHECKING:
    from meterworks.runtime.warehouse import Warehouse  # whoever gives one has loaded it

__all__ = [
    "RECENT_CHANNELS",
    "DayKey",
    "Progress",
    "SplitDays",
    "compare_recent_days",
    "drop_days_before",
    "load_progress",
    "merge_rows",
    "rebuild_recent_days",
    "save_progress",
    "split_days",
    "store_rows",
]

DayKey = tuple[int, int, int]  # device, channel, day
Days = Mapping[DayKey, DayReadings]
Int64s = npt.NDArray[np.int64]
WRITER = "writer"
RECENT_CHANNELS = frozenset(
    number for number, channel in CHANNELS.items() if channel.period not in (Period.INSTANT, Period.REGISTER)
)
_IS_RECENT = np.zeros(max(CHANNELS) + 1, dtype=bool)
_IS_RECENT[list(RECENT_CHANNELS)] = True
KEYS_PER_SELECT = 300  # a statement's variables are limited
DEVICES_PER_REBUILD = 100
_LATEST = """
SELECT device, channel, ts, value, quality, flags, version FROM (
    SELECT *, row_number() OVER (PARTITION BY device, channel, ts ORDER BY version DESC) AS age
    FROM readings SEMI JOIN wanted USING (device)
    WHERE ts >= make_timestamp($from_us) AND device BETWEEN $low AND $high
) WHERE age = 1 ORDER BY device, channel, ts
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far recent days and notices are, and from which UTC day on the recent days are complete."""

    epoch: str
    sequence: int
    recent_from_day: int


class SplitDays(Days):
    """Readings of many days, one behind the other in common arrays; a day is cut out when it is asked for."""

    def __init__(self, device: Int64s, channel: Int64s, rows: DayReadings) -> None:
        """Rows ordered by device, channel and ts."""
        day = rows.ts_s // DAY_S
        starts = np.ones(len(day), dtype=bool)
        starts[1:] = (day[1:] != day[:-1]) | (channel[1:] != channel[:-1]) | (device[1:] != device[:-1])
        self._rows = rows
        self._starts = np.flatnonzero(starts)
        keys = (column[self._starts].tolist() for column in (device, channel, day))
        self._places: dict[DayKey, int] = {key: place for place, key in enumerate(zip(*keys, strict=True))}

    @classmethod
    def empty(cls) -> "SplitDays":
        """No days."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(nothing, nothing, DayReadings(nothing, nothing, nothing, nothing, nothing))

    def __getitem__(self, key: DayKey) -> DayReadings:
        place = self._places[key]
        following = self._starts[place + 1] if place + 1 < len(self._starts) else len(self._rows)
        return self._rows.take(slice(int(self._starts[place]), int(following)))

    def __iter__(self) -> Iterator[DayKey]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def blobs(self) -> dict[DayKey, bytes]:
        """All days as they are stored."""
        return dict(zip(self._places, encode_days(self._starts, self._rows), strict=True)) if self._places else {}


async def load_progress(connection: AsyncConnection) -> Progress | None:
    """The writer's progress, None before its first start."""
    table = ReadingsProgress
    row = (
        await connection.execute(
            sa.select(table.epoch, table.sequence, table.recent_from_day).where(table.name == WRITER)
        )
    ).one_or_none()
    return None if row is None else Progress(epoch=row[0], sequence=row[1], recent_from_day=row[2])


async def save_progress(connection: AsyncConnection, progress: Progress) -> None:
    """Keep the progress, in the transaction of what it tells about."""
    row = {
        "name": WRITER,
        "epoch": progress.epoch,
        "sequence": progress.sequence,
        "recent_from_day": progress.recent_from_day,
    }
    await upsert(connection, ReadingsProgress, [row], keys=["name"])


def split_days(rows: pa.Table, *, from_day: int) -> SplitDays:
    """Rows (ordered by device, channel, ts, version; several versions of a reading allowed) as days, latest versions.

    Days before from_day and channels that are not kept so are left out.
    """
    device, channel = rows["device"].to_numpy(), rows["channel"].to_numpy()
    ts_s = rows["ts"].cast(pa.int64()).to_numpy() // 1_000_000
    chosen = (ts_s >= from_day * DAY_S) & _IS_RECENT[channel]
    if len(ts_s) > 1:  # of equal keys only the last row, the highest version
        chosen[:-1] &= (ts_s[1:] != ts_s[:-1]) | (channel[1:] != channel[:-1]) | (device[1:] != device[:-1])
    device, channel = device[chosen], channel[chosen]
    others = (rows[name].to_numpy()[chosen].astype(np.int64) for name in ("value", "quality", "flags", "version"))
    return SplitDays(device, channel, DayReadings(ts_s[chosen], *others))


def merge_rows(stored: DayReadings, added: DayReadings) -> DayReadings:
    """Both days' readings; where both have an instant, the higher version."""
    joined = DayReadings(
        *(
            np.concatenate((getattr(stored, name), getattr(added, name)))
            for name in ("ts_s", "value", "quality", "flags", "version")
        )
    )
    joined = joined.take(np.lexsort((joined.version, joined.ts_s)))
    last = np.concatenate((joined.ts_s[1:] != joined.ts_s[:-1], [True]))
    return joined.take(last)


async def store_rows(connection: AsyncConnection, days: SplitDays, *, may_be_stored: Collection[DayKey]) -> None:
    """Merge days into those stored; only those that may be there are looked up. Storing again changes nothing."""
    blobs = days.blobs()
    for key, stored in (await _stored(connection, list(may_be_stored))).items():
        blobs[key] = encode_day(key[2], merge_rows(decode_day(key[2], stored), days[key]))
    await _upsert(connection, blobs)


async def _upsert(connection: AsyncConnection, blobs: Mapping[DayKey, bytes]) -> None:
    rows = [
        {"device": device, "channel": channel, "day": day, "readings": blob}
        for (device, channel, day), blob in blobs.items()
    ]
    await upsert(connection, RecentDay, rows, keys=["device", "channel", "day"])


async def _stored(connection: AsyncConnection, keys: Sequence[DayKey]) -> dict[DayKey, bytes]:
    """Days already stored among the keys."""
    table = RecentDay
    found: dict[DayKey, bytes] = {}
    for start in range(0, len(keys), KEYS_PER_SELECT):
        wanted = sa.tuple_(table.device, table.channel, table.day).in_(keys[start : start + KEYS_PER_SELECT])
        result = await connection.execute(
            sa.select(table.device, table.channel, table.day, table.readings).where(wanted)
        )
        found.update({(row[0], row[1], row[2]): row[3] for row in result})
    return found


async def drop_days_before(connection: AsyncConnection, day: int) -> None:
    """Forget days that have become old."""
    await connection.execute(sa.delete(RecentDay).where(RecentDay.day < day))


async def rebuild_recent_days(
    warehouse: "Warehouse", database: Database, *, from_day: int, devices: Collection[int] | None = None
) -> int:
    """Replace recent days by what the warehouse holds, all devices or those named; gives the number of days written.

    Works some devices at a time, each group in one transaction, so that readers see a device's old or its new days.
    """
    written = 0
    if devices is None:
        async with database.transaction() as connection:
            await connection.execute(sa.delete(RecentDay))
    for group in await asyncio.to_thread(_device_groups, warehouse, from_day, devices):
        rows = await asyncio.to_thread(_latest_rows, warehouse, from_day, group)
        days = await asyncio.to_thread(split_days, rows, from_day=from_day)
        async with database.transaction() as connection:
            await connection.execute(sa.delete(RecentDay).where(RecentDay.device.in_(group)))
            await _upsert(connection, days.blobs())
        written += len(days)
    return written


def _device_groups(warehouse: "Warehouse", from_day: int, devices: Collection[int] | None) -> list[list[int]]:
    if devices is None:
        plan = warehouse.plan(None, from_day * DAY_S, None)
        devices = warehouse.query("SELECT DISTINCT device FROM readings", plan=plan)["device"].to_pylist()
    ordered = sorted(devices)
    return [ordered[start : start + DEVICES_PER_REBUILD] for start in range(0, len(ordered), DEVICES_PER_REBUILD)]


def _latest_rows(warehouse: "Warehouse", from_day: int, devices: Sequence[int]) -> pa.Table:
    plan = warehouse.plan(devices, from_day * DAY_S, None)
    bounds = {"from_us": from_day * DAY_S * 1_000_000, "low": devices[0], "high": devices[-1]}
    wanted = pa.table({"device": pa.array(devices, pa.int64())})
    return warehouse.query(_LATEST, bounds, plan=plan, relations={"wanted": wanted})


async def compare_recent_days(warehouse: "Warehouse", database: Database, *, from_day: int) -> list[DayKey]:
    """Days in which recent days and warehouse differ; empty when they tell the same."""
    different: list[DayKey] = []
    async with database.read() as connection:
        table = RecentDay
        result = await connection.execute(
            sa.select(table.device, table.channel, table.day, table.readings).where(table.day >= from_day)
        )
        stored = {(row[0], row[1], row[2]): row[3] for row in result}
    for group in await asyncio.to_thread(_device_groups, warehouse, from_day, None):
        rows = await asyncio.to_thread(_latest_rows, warehouse, from_day, group)
        for key, readings in split_days(rows, from_day=from_day).items():
            blob = stored.pop(key, None)
            if blob is None or not _equal(decode_day(key[2], blob), readings):
                different.append(key)
    return different + list(stored)


def _equal(one: DayReadings, other: DayReadings) -> bool:
    names = ("ts_s", "value", "quality", "flags", "version")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)
