"""Reading readings: by device, by usage point, over many devices; recent days first, then the warehouse.

Tables given back hold the latest version of each reading, ordered by channel and ts. `ts` is UTC without zone: the
start of an interval, or the instant of a register.
"""

import asyncio
import time
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from meterworks.catalogue import channel_by_id
from meterworks.readings.day_blob import DAY_S, DayReadings, decode_day
from meterworks.readings.errors import ReadingsUsageError
from meterworks.readings.installation import InstalledDevice, device_range, share_by_time, stitch
from meterworks.readings.local_period import LocalPeriod, sum_by_local_period
from meterworks.readings.model import RecentDay
from meterworks.readings.recent import RECENT_CHANNELS, load_progress
from meterworks.runtime import Database, together

if TYPE_CHECKING:
    from meterworks.runtime.warehouse import Warehouse  # whoever gives one has loaded it

__all__ = ["READING_RESULT", "ReadingStore"]

READING_RESULT = pa.schema(
    [
        ("channel", pa.int32()),
        ("ts", pa.timestamp("us")),
        ("value", pa.int64()),
        ("quality", pa.int16()),
        ("flags", pa.int32()),
        ("version", pa.int32()),
    ]
)
CHANGED_RESULT = pa.schema([("device", pa.int64()), *READING_RESULT, ("received_at", pa.timestamp("us"))])
LOAD_RESULT = pa.schema([("ts", pa.timestamp("us")), ("value_sum", pa.int64()), ("count", pa.int64())])
PROMISE_KEPT_S = 300.0  # how long the first complete recent day is remembered; the writer keeps one day more
CHANGED_ROWS_MAX = 1_000_000
_NO_RECENT_DAYS = 2**31 - 1

_SERIES = """
SELECT channel, ts, value, quality::SMALLINT AS quality, flags, version FROM readings
WHERE device = $device AND channel IN ({channels})
  AND ts >= make_timestamp($from_us) AND ts < make_timestamp($to_us) {known}
ORDER BY channel, ts, version
"""
_CHANGED = """
SELECT device, channel, ts, value, quality::SMALLINT AS quality, flags, version, received_at FROM readings
WHERE received_at >= make_timestamp($since_us) {devices}
ORDER BY received_at, device, channel, ts, version LIMIT $limit
"""
_LOAD = """
SELECT ts, sum(value)::BIGINT AS value_sum, count(*) AS count FROM {source}
GROUP BY ts ORDER BY ts
"""
_CHOSEN = """
SELECT device, ts, value, version FROM readings
WHERE channel = $channel AND ts >= make_timestamp($from_us) AND ts < make_timestamp($to_us) {devices}
"""
_ONE_PER_KEY = "(SELECT device, ts, arg_max(value, version) AS value FROM ({chosen}) GROUP BY device, ts)"
# Made once: making it costs twice as much as asking it.
_DAYS = (
    sa.select(RecentDay.channel, RecentDay.day, RecentDay.readings)
    .where(
        RecentDay.device == sa.bindparam("device"),
        RecentDay.channel.in_(sa.bindparam("channels", expanding=True)),
        RecentDay.day.between(sa.bindparam("first"), sa.bindparam("last")),
    )
    .order_by(RecentDay.channel, RecentDay.day)
)
_ONLY_WANTED = "AND device IN (SELECT device FROM wanted)"


class ReadingStore:
    """Queries over recent days and warehouse. Safe for concurrent use; holds nothing but a few cached facts."""

    def __init__(self, *, warehouse: "Warehouse", database: Database) -> None:
        self._warehouse = warehouse
        self._database = database
        self._recent_from_day = _NO_RECENT_DAYS
        self._promise_until_s = 0.0

    async def by_device(
        self,
        device_id: int,
        channel_ids: Sequence[int],
        from_: datetime,
        to: datetime,
        *,
        as_of: datetime | None = None,
    ) -> pa.Table:
        """Readings of one device with from <= ts < to (READING_RESULT).

        as_of: only what had been received by then, the latest version of that; such questions go to the warehouse.
        """
        from_s, to_s = _checked_range(from_, to)
        channels = sorted({channel_by_id(channel).id for channel in channel_ids})
        return await self._series(device_id, channels, from_s, to_s, as_of)

    async def by_usage_point(
        self,
        installations: Sequence[InstalledDevice],
        channel_ids: Sequence[int],
        from_: datetime,
        to: datetime,
        *,
        as_of: datetime | None = None,
        elsewhere: Sequence[InstalledDevice] = (),
    ) -> pa.Table:
        """Readings of a usage point, stitched from its devices: each device counts while it was installed.

        An interval in which a device came or went is the sum of the parts and has quality 8 (derived). Installations
        of one usage point may come in any order. elsewhere: those of the same devices at other usage points; an
        interval that a device spent at several is shared among them by time.
        """
        from_s, to_s = _checked_range(from_, to)
        channels = [channel_by_id(channel) for channel in sorted(set(channel_ids))]
        wanted = [
            (installation, channel, span)
            for installation in installations
            for channel in channels
            if (span := device_range(installation, channel, from_s, to_s)) is not None
        ]
        parts = await together(
            *(
                self._series(installation.device_id, [channel.id], span[0], span[1], as_of)
                for installation, channel, span in wanted
            )
        )
        stays: dict[int, list[InstalledDevice]] = {}
        for each in (*installations, *elsewhere):
            stays.setdefault(each.device_id, []).append(each)
        pieces = [
            (installation, channel, share_by_time(part, installation, channel, stays[installation.device_id]))
            for (installation, channel, _), part in zip(wanted, parts, strict=True)
        ]
        return await asyncio.to_thread(stitch, pieces, installations, READING_RESULT)

    async def load(
        self, channel_id: int, from_: datetime, to: datetime, device_ids: Collection[int] | None = None
    ) -> pa.Table:
        """Sum over devices (None: all) at each instant, and how many readings it is the sum of (LOAD_RESULT)."""
        from_s, to_s = _checked_range(from_, to)
        channel = channel_by_id(channel_id).id
        return await asyncio.to_thread(self._load, channel, from_s, to_s, device_ids)

    async def by_local_period(
        self,
        installations: Sequence[InstalledDevice],
        channel_id: int,
        from_: datetime,
        to: datetime,
        *,
        zone: str,
        period: LocalPeriod,
    ) -> pa.Table:
        """Sums of an interval channel by local day, month or year of the zone, whole periods that touch the range.

        Gives start and end (UTC), label, value_sum, count and expected (intervals that fit: 46, 48 or 50 half-hours).
        """
        channel = channel_by_id(channel_id)
        if channel.interval_s is None:
            raise ReadingsUsageError(f"channel {channel.code} has no intervals to sum up", channel=channel.id)
        from_s, to_s = _checked_range(from_, to)
        return await sum_by_local_period(
            lambda start, end: self.by_usage_point(installations, [channel.id], start, end),
            from_s,
            to_s,
            zone=zone,
            period=period,
            interval_s=channel.interval_s,
        )

    async def changed_since(
        self, since: datetime, *, device_ids: Collection[int] | None = None, limit: int = 100_000
    ) -> pa.Table:
        """All versions received at or after an instant, oldest first (CHANGED_RESULT), at most `limit`.

        A set may be committed some minutes after it was received: a follower asks again from a little before the last
        `received_at` it saw, and knows what it has by device, channel, ts and version.
        """
        if not 1 <= limit <= CHANGED_ROWS_MAX:
            raise ReadingsUsageError(f"limit is {limit}, 1 to {CHANGED_ROWS_MAX} expected", limit=limit)
        plan = self._warehouse.plan(device_ids, None, None, received_from_us=_micros(since))
        relations = {} if device_ids is None else {"wanted": _device_table(device_ids)}
        found = await asyncio.to_thread(
            self._warehouse.query,
            _CHANGED.format(devices="" if device_ids is None else _ONLY_WANTED),
            {"since_us": _micros(since), "limit": limit},
            plan=plan,
            relations=relations,
        )
        return found.cast(CHANGED_RESULT)

    async def recent_from(self) -> int:
        """The UTC day from which recent days are complete."""
        if time.monotonic() >= self._promise_until_s:
            async with self._database.read() as connection:
                progress = await load_progress(connection)
            self._recent_from_day = _NO_RECENT_DAYS if progress is None else progress.recent_from_day
            self._promise_until_s = time.monotonic() + (PROMISE_KEPT_S if progress is not None else 0.0)
        return self._recent_from_day

    async def _series(
        self, device_id: int, channels: Sequence[int], from_s: int, to_s: int, as_of: datetime | None
    ) -> pa.Table:
        recent_from_s = await self.recent_from() * DAY_S if as_of is None else to_s
        near = [channel for channel in channels if channel in RECENT_CHANNELS] if to_s > recent_from_s else []
        far = [channel for channel in channels if channel not in near]
        tables = []
        if far:
            tables.append(await asyncio.to_thread(self._from_warehouse, device_id, far, from_s, to_s, as_of))
        if near and from_s < recent_from_s:
            tables.append(await asyncio.to_thread(self._from_warehouse, device_id, near, from_s, recent_from_s, None))
        if near:
            tables.append(await self._from_days(device_id, near, max(from_s, recent_from_s), to_s))
        if len(tables) < 2:
            return tables[0] if tables else READING_RESULT.empty_table()
        return pa.concat_tables(tables).sort_by([("channel", "ascending"), ("ts", "ascending")])

    def _from_warehouse(
        self, device_id: int, channels: Sequence[int], from_s: int, to_s: int, as_of: datetime | None
    ) -> pa.Table:
        plan = self._warehouse.plan({device_id}, from_s, to_s)
        parameters: dict[str, object] = {"device": device_id, "from_us": from_s * 1_000_000, "to_us": to_s * 1_000_000}
        known = ""
        if as_of is not None:
            known = "AND received_at <= make_timestamp($as_of_us)"
            parameters["as_of_us"] = _micros(as_of)
        numbers = {f"channel{place}": channel for place, channel in enumerate(channels)}
        sql = _SERIES.format(channels=", ".join(f"${name}" for name in numbers), known=known)
        found = self._warehouse.query(sql, {**parameters, **numbers}, plan=plan).cast(READING_RESULT)
        return found if plan.version_max == 1 else _latest(found)

    async def _from_days(self, device_id: int, channels: Sequence[int], from_s: int, to_s: int) -> pa.Table:
        wanted = {"device": device_id, "channels": channels, "first": from_s // DAY_S, "last": (to_s - 1) // DAY_S}
        async with self._database.read() as connection:
            rows = (await connection.execute(_DAYS, wanted)).all()
        return _result([(row[0], decode_day(row[1], row[2])) for row in rows], from_s, to_s)

    def _load(self, channel: int, from_s: int, to_s: int, device_ids: Collection[int] | None) -> pa.Table:
        plan = self._warehouse.plan(device_ids, from_s, to_s)
        chosen = _CHOSEN.format(devices="" if device_ids is None else _ONLY_WANTED)
        source = f"({chosen})" if plan.version_max == 1 else _ONE_PER_KEY.format(chosen=chosen)
        found = self._warehouse.query(
            _LOAD.format(source=source),
            {"channel": channel, "from_us": from_s * 1_000_000, "to_us": to_s * 1_000_000},
            plan=plan,
            relations={} if device_ids is None else {"wanted": _device_table(device_ids)},
        )
        return found.cast(LOAD_RESULT)


def _result(days: Sequence[tuple[int, DayReadings]], from_s: int, to_s: int) -> pa.Table:
    """Days (ordered by channel and day) as one table, cut to the range."""
    if not days:
        return READING_RESULT.empty_table()
    channel = np.repeat(
        np.array([number for number, _ in days], dtype=np.int32), [len(readings) for _, readings in days]
    )
    columns = {
        name: np.concatenate([getattr(readings, name) for _, readings in days])
        for name in ("ts_s", "value", "quality", "flags", "version")
    }
    inside = (columns["ts_s"] >= from_s) & (columns["ts_s"] < to_s)
    if not inside.all():
        channel = channel[inside]
        columns = {name: column[inside] for name, column in columns.items()}
    return pa.table(
        [
            pa.array(channel),
            pa.array(columns["ts_s"] * 1_000_000).view(pa.timestamp("us")),
            pa.array(columns["value"]),
            pa.array(columns["quality"].astype(np.int16)),
            pa.array(columns["flags"].astype(np.int32)),
            pa.array(columns["version"].astype(np.int32)),
        ],
        schema=READING_RESULT,
    )


def _latest(rows: pa.Table) -> pa.Table:
    """Of rows ordered by channel, ts and version, the last of each channel and ts."""
    if rows.num_rows < 2:
        return rows
    channel, ts = rows["channel"].to_numpy(), rows["ts"].to_numpy()
    last = np.append((channel[1:] != channel[:-1]) | (ts[1:] != ts[:-1]), True)
    return rows if last.all() else rows.filter(pa.array(last))


def _device_table(device_ids: Collection[int]) -> pa.Table:
    return pa.table({"device": pa.array(sorted(device_ids), pa.int64())})


def _micros(instant: datetime) -> int:
    if instant.tzinfo is None:
        raise ReadingsUsageError(f"the instant {instant.isoformat()} has no zone: give an aware one")
    return round(instant.timestamp() * 1_000_000)


def _checked_range(from_: datetime, to: datetime) -> tuple[int, int]:
    """The range in whole seconds: from rounded up, to rounded up, so that from <= ts < to holds for whole-second ts."""
    from_s, to_s = -(-_micros(from_) // 1_000_000), -(-_micros(to) // 1_000_000)
    if from_s > to_s:
        raise ReadingsUsageError(f"the range from {from_.isoformat()} to {to.isoformat()} ends before it starts")
    return from_s, to_s
