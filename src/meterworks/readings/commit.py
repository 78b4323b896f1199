"""From a batch of messages to a committed snapshot: the writer's work without its waiting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pyarrow as pa

from meterworks.readings.day_blob import DAY_S
from meterworks.readings.errors import ReadingSetError
from meterworks.readings.hull import CommittedHull
from meterworks.readings.origin import OriginBook, lines_of
from meterworks.readings.reading_set import DecodedSet, decode_reading_set
from meterworks.readings.recent import DayKey, SplitDays, split_days
from meterworks.readings.trim import Observations, join_sets, trim_observations
from meterworks.runtime import Message, StreamPosition

if TYPE_CHECKING:
    from meterworks.runtime.warehouse import Warehouse  # whoever gives one has loaded it

__all__ = ["Commit", "Committer", "RejectedMessage", "WriterBatch"]

REJECTED_DATA_SIZE_MAX = 64 * 1024
_COMMITTED = """
SELECT device, channel, epoch(ts)::BIGINT AS ts_s, value, quality, flags, version, source,
       epoch_us(received_at) AS received_us
FROM readings JOIN wanted USING (device, channel, ts)
WHERE ts BETWEEN make_timestamp($low_us) AND make_timestamp($high_us) AND device BETWEEN $low AND $high
ORDER BY device, channel, ts, version
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedMessage:
    """A message that is no reading set we can take."""

    sequence: int
    subject: str
    set_id: str
    reason: str
    headers: Mapping[str, str]
    data: bytes

    def row(self, epoch: str, now: datetime) -> dict[str, object]:
        """As the table of rejected sets keeps it."""
        return {
            "epoch": epoch,
            "sequence": self.sequence,
            "subject": self.subject,
            "set_id": self.set_id,
            "reason": self.reason,
            "headers": orjson.dumps(dict(self.headers)).decode(),
            "size_bytes": len(self.data),
            "data": self.data[:REJECTED_DATA_SIZE_MAX],
            "rejected_at": now,
        }


@dataclass(kw_only=True)
class WriterBatch:
    """Messages gathered for one commit, in stream order."""

    epoch: str
    last_sequence: int  # the last one taken, or the position before the first
    messages: int = 0
    rows: int = 0
    sets: list[DecodedSet] = field(default_factory=list)
    rejected: list[RejectedMessage] = field(default_factory=list)

    def take(self, message: Message) -> None:
        """Add a message: as a set, or among the rejected; a bad one never stops the others."""
        self.messages += 1
        self.last_sequence = message.sequence
        try:
            decoded = decode_reading_set(message.sequence, message.headers, message.data)
        except ReadingSetError as error:
            self.rejected.append(
                RejectedMessage(
                    sequence=message.sequence,
                    subject=message.subject,
                    set_id=message.headers.get("set_id", "")[:200],
                    reason=str(error),
                    headers=message.headers,
                    data=message.data,
                )
            )
            return
        self.sets.append(decoded)
        self.rows += decoded.rows


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What a batch brought."""

    rows_seen: int
    rows_new: int
    days: SplitDays = field(default_factory=SplitDays.empty)  # the new rows of recent days
    days_to_merge: list[DayKey] = field(default_factory=list)  # those that may be stored already


class Committer:
    """Trims batches and appends them. Blocking; one call at a time."""

    def __init__(self, warehouse: "Warehouse", origins: OriginBook | None = None) -> None:
        """origins: where it is written which message brought which rows, before they are appended."""
        self._warehouse = warehouse
        self._origins = origins
        self._hull = CommittedHull()
        self.position = StreamPosition()

    @property
    def series(self) -> int:
        """Number of series known."""
        return len(self._hull)

    def reload(self) -> StreamPosition:
        """Read position and bounds of all series from the warehouse."""
        self.position = self._warehouse.stream_position()
        self._hull = CommittedHull.of(self._warehouse.query(CommittedHull.QUERY))
        return self.position

    def commit(self, batch: WriterBatch, *, recent_from_day: int) -> Commit:
        """Append what is new in the batch; nothing is appended, and the position stays, when nothing is.

        Raises CommitConflict, WarehouseUnreachableError or CommitOutcomeUnknown: after any of them `reload` first.
        """
        if not batch.sets:
            return Commit(rows_seen=0, rows_new=0)
        rows = join_sets(batch.sets)
        fresh = trim_observations(rows, self._hull.overlapping(rows), self._committed)
        if not len(fresh):
            return Commit(rows_seen=batch.rows, rows_new=0)
        if self._origins is not None:
            self._origins.write(lines_of(batch.sets, fresh))
        table = fresh.to_table()
        reached = StreamPosition(batch.epoch, batch.last_sequence)
        self._warehouse.append(table, position=reached.sequence, epoch=reached.epoch, expected=self.position)
        self.position = reached
        days = split_days(table, from_day=recent_from_day)
        to_merge = [key for key in days if self._hull.touches(key[0], key[1], key[2] * DAY_S, (key[2] + 1) * DAY_S - 1)]
        self._hull.extend(fresh)
        return Commit(rows_seen=batch.rows, rows_new=len(fresh), days=days, days_to_merge=to_merge)

    def _committed(self, wanted: Observations) -> Observations:
        """All committed versions of the keys."""
        low, high = int(wanted.ts_s.min()), int(wanted.ts_s.max())
        devices = np.unique(wanted.device).tolist()
        plan = self._warehouse.plan(devices, low, high + 1)
        keys = wanted.to_table().select(["device", "channel", "ts"])
        bounds = {"low_us": low * 1_000_000, "high_us": high * 1_000_000, "low": devices[0], "high": devices[-1]}
        found = self._warehouse.query(_COMMITTED, bounds, plan=plan, relations={"wanted": keys})
        return _observations(found)


def _observations(table: pa.Table) -> Observations:
    return Observations(**{name: table[name].to_numpy().astype(np.int64, copy=False) for name in table.column_names})
