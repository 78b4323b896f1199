"""A reading set on the bus: what one collection of one device and profile brought, checked before anything uses it.

Headers: schema "reading-set", version "1", device, profile, set_id, range_start, range_end (epoch s), received_at
(epoch s, decimals), source; where the message that brought it was proved, origin (its SHA-256) and title (system title
of the device). Body: Arrow IPC stream with the columns channel, ts (timestamp[s], UTC without zone: the start of an
interval, or a register's instant), value, flags; further headers and columns are ignored. A null value is no reading.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterworks.catalogue import CHANNELS
from meterworks.readings.errors import ReadingSetError

__all__ = ["COMMITTED_STREAM", "COMMITTED_SUBJECT", "READINGS_STREAM", "READINGS_SUBJECTS", "DecodedSet", "Source"]

READINGS_STREAM = "READINGS"
READINGS_SUBJECTS = "readings.set.>"
COMMITTED_STREAM = "COMMITTED"
COMMITTED_SUBJECT = "readings.committed"

SCHEMA = "reading-set"
VERSION = "1"
ROWS_MAX = 1_000_000  # in one set: a year of minutes and more
TS_MIN_EPOCH_S = 946_684_800  # 2000-01-01
TS_MAX_EPOCH_S = 4_102_444_800  # 2100-01-01
SET_ID_SIZE_MAX = 200
ORIGIN_DIGITS, TITLE_DIGITS = 64, 16
_HEX_DIGITS = frozenset("0123456789abcdef")

Int64s = npt.NDArray[np.int64]


class Source(IntEnum):
    """How a reading came, as stored."""

    PULL = 1
    PUSH = 2
    ON_DEMAND = 3


_SOURCES: Mapping[str, Source] = {"pull": Source.PULL, "push": Source.PUSH, "on-demand": Source.ON_DEMAND}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedSet:
    """A checked set: its headers, and its rows in the order they were sent."""

    sequence: int  # place in the stream
    set_id: str
    device: int
    profile: str
    range_start: int
    range_end: int
    received_us: int
    source: Source
    channel: Int64s
    ts_s: Int64s
    value: Int64s
    flags: Int64s
    origin: str = ""  # SHA-256 (hex) of the device's message; empty where the sender proved none
    title: str = ""  # system title of the device that proved it, hex

    @property
    def rows(self) -> int:
        """Number of readings."""
        return len(self.ts_s)

    def notice(self) -> dict[str, object]:
        """What the sender is told once the set is durable."""
        return {
            "set_id": self.set_id,
            "device": self.device,
            "profile": self.profile,
            "start": self.range_start,
            "end": self.range_end,
            "rows": self.rows,
        }


def decode_reading_set(sequence: int, headers: Mapping[str, str], data: bytes) -> DecodedSet:
    """Check and decode a message. Raises ReadingSetError, whose text says what is wrong; never anything else."""
    if headers.get("schema") != SCHEMA or headers.get("version") != VERSION:
        raise ReadingSetError(
            f"not a {SCHEMA} of version {VERSION} but {headers.get('schema')!r} version {headers.get('version')!r}"
        )
    set_id = headers.get("set_id", "")
    if not 0 < len(set_id) <= SET_ID_SIZE_MAX:
        raise ReadingSetError(f"header set_id has {len(set_id)} characters, 1 to {SET_ID_SIZE_MAX} expected")
    source = _SOURCES.get(headers.get("source", ""))
    if source is None:
        raise ReadingSetError(f"header source is {headers.get('source')!r}, one of {', '.join(_SOURCES)} expected")
    channel, ts_s, value, flags = _columns(data)
    return DecodedSet(
        sequence=sequence,
        set_id=set_id,
        device=_integer(headers, "device", 1, 2**62),
        profile=headers.get("profile", ""),
        range_start=_integer(headers, "range_start", 0, 2**40),
        range_end=_integer(headers, "range_end", 0, 2**40),
        received_us=_received_us(headers),
        source=source,
        channel=channel,
        ts_s=ts_s,
        value=value,
        flags=flags,
        origin=_hex(headers, "origin", ORIGIN_DIGITS),
        title=_hex(headers, "title", TITLE_DIGITS),
    )


def _hex(headers: Mapping[str, str], name: str, digits: int) -> str:
    """A header that may be absent, of so many hex digits."""
    text = headers.get(name, "")
    if text and not (len(text) == digits and set(text) <= _HEX_DIGITS):
        raise ReadingSetError(f"header {name} is {text[:40]!r}, {digits} lower-case hex digits expected")
    return text


def _integer(headers: Mapping[str, str], name: str, minimum: int, maximum: int) -> int:
    text = headers.get(name, "")
    try:
        number = int(text)
    except ValueError as error:
        raise ReadingSetError(f"header {name} is {text[:40]!r}, a whole number expected") from error
    if not minimum <= number <= maximum:
        raise ReadingSetError(f"header {name} is {number}, {minimum} to {maximum} expected")
    return number


def _received_us(headers: Mapping[str, str]) -> int:
    text = headers.get("received_at", "")
    try:
        received_s = float(text)
    except ValueError as error:
        raise ReadingSetError(f"header received_at is {text[:40]!r}, seconds since 1970 expected") from error
    if not TS_MIN_EPOCH_S <= received_s < TS_MAX_EPOCH_S:  # also refuses not-a-number
        raise ReadingSetError(f"header received_at is {received_s}, an instant of 2000 to 2099 expected")
    return round(received_s * 1_000_000)


def _columns(data: bytes) -> tuple[Int64s, Int64s, Int64s, Int64s]:
    try:
        table = _read_table(data)
        channel = _numbers(table, "channel", pa.int32())
        ts_s = _numbers(table, "ts", pa.timestamp("s"))
        value = _numbers(table, "value", pa.int64())
        flags = _numbers(table, "flags", pa.int32())
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise ReadingSetError(f"body is no Arrow stream of a reading set: {str(error)[:200]}") from error
    if len(ts_s) and (ts_s.min() < TS_MIN_EPOCH_S or ts_s.max() >= TS_MAX_EPOCH_S):
        raise ReadingSetError("column ts holds an instant before 2000 or after 2099")
    if len(channel):
        kinds = np.unique(channel) if channel[0] != channel[-1] or np.any(channel != channel[0]) else channel[:1]
        if unknown := sorted(set(kinds.tolist()) - CHANNELS.keys()):
            raise ReadingSetError(f"column channel holds {unknown[:5]}, which the catalogue does not know")
    return channel, ts_s, value, flags


def _read_table(data: bytes) -> pa.Table:
    """Batch by batch, so that a small message that unpacks to more than the limit is left before it fills memory."""
    batches: list[Any] = []
    rows = 0
    with pa.ipc.open_stream(data) as reader:
        for batch in reader:
            rows += batch.num_rows
            if rows > ROWS_MAX:
                raise ValueError(f"more than {ROWS_MAX} rows")
            batches.append(batch)
        table = pa.Table.from_batches(batches, schema=reader.schema)
    table.validate()
    if table["value"].null_count:
        table = table.filter(table["value"].is_valid())
    return table


def _numbers(table: pa.Table, name: str, kind: Any) -> Int64s:
    column = table[name]
    if column.type != kind:
        column = column.cast(kind)
    if column.null_count:
        if name != "flags":
            raise ValueError(f"column {name} holds nulls")
        column = column.fill_null(0)
    numbers = column.to_numpy()
    if numbers.dtype.kind == "M":
        return np.asarray(numbers.view(np.int64))
    return np.asarray(numbers, dtype=np.int64)
