"""Trimming: from reading sets as they came to the rows that are new, each with its version.

What the table holds is a function of the sets in the order of their first arrival; sets that come again, at any time
and any number of times, in one batch or in many, add nothing. The rules:

1. Rows of one set with the same (device, channel, ts) become one row first. On interval channels the values are added
   (the meter wrote two parts of one interval, as happens when its clock is set back); on others the last row counts.
   The flags of all are joined and MERGED_DUPLICATE is set.
2. An observation that a version of the same reading already tells vanishes: same value, same quality, same status octet
   of the meter (low eight flag bits), and no flag bit above them that this version lacks. Any version counts, not only
   the latest: an old set delivered once more after a correction must not bring the old value back.
3. Every other observation becomes the next version, counted from 1. Flag bits above the octet are our own judgement
   (suspect clock, short or merged interval). They only accumulate: a value that is later found suspect gets one more
   version that says so, and reading the same value again without the suspicion adds none.

So a set read twice because a process died in between leaves no trace, and `received_at` and `source` tell of the
observation that made the version.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from meterworks.catalogue import CHANNELS, Quality, ReadingFlag
from meterworks.readings.reading_set import DecodedSet

__all__ = ["Observations", "join_sets", "trim_observations"]

STATUS_OCTET = 0xFF
VERSION_FIRST = 1
_KEY_CHANNEL_BITS = 10
_KEY_TS_BITS = 33
_IS_INTERVAL = np.zeros(1 << _KEY_CHANNEL_BITS, dtype=bool)
_IS_INTERVAL[[number for number, channel in CHANNELS.items() if channel.kind == "interval"]] = True
Int64s = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Observations:
    """Rows as arrays of one length, ordered by device, channel, ts and then arrival."""

    device: Int64s
    channel: Int64s
    ts_s: Int64s
    value: Int64s
    quality: Int64s
    flags: Int64s
    version: Int64s
    source: Int64s
    received_us: Int64s

    def __len__(self) -> int:
        return len(self.ts_s)

    def take(self, chosen: npt.NDArray[np.intp] | Mask | slice) -> "Observations":
        """The chosen rows."""
        return Observations(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    def to_table(self) -> pa.Table:
        """As the warehouse takes them."""
        return pa.table(
            {
                "device": self.device,
                "channel": self.channel.astype(np.int32),
                "ts": pa.array(self.ts_s * 1_000_000).view(pa.timestamp("us")),
                "value": self.value,
                "quality": self.quality.astype(np.int32),
                "flags": self.flags.astype(np.int32),
                "version": self.version.astype(np.int32),
                "source": self.source.astype(np.int32),
                "received_at": pa.array(self.received_us).view(pa.timestamp("us")),
            }
        )


# Given the keys (device, channel, ts) that may be committed, all their committed versions in order of version.
Lookup = Callable[[Observations], Observations]


def join_sets(sets: Sequence[DecodedSet]) -> Observations:
    """All rows of the sets, ordered, rows of one set with one key merged (rule 1). Sets in stream order."""
    devices = np.array([one.device for one in sets], dtype=np.int64)
    order = _arrangement(sets)
    arranged = [sets[place] for place in order]
    lengths = np.array([one.rows for one in arranged], dtype=np.intp)
    columns = {
        name: np.concatenate([getattr(one, name) for one in arranged]) for name in ("channel", "ts_s", "value", "flags")
    }
    known, rank = np.unique(devices[order], return_inverse=True)
    key = (
        (np.repeat(rank, lengths) << (_KEY_CHANNEL_BITS + _KEY_TS_BITS))
        | (columns["channel"] << _KEY_TS_BITS)
        | columns["ts_s"]
    )
    place = np.repeat(order, lengths)  # which set a row came in, in stream order
    clean = len(key) < 2 or bool(np.all(key[1:] > key[:-1]))
    if not clean:
        sorting = np.argsort(key, kind="stable")
        if bool(np.any(np.diff(key[sorting]) == 0)):
            sorting = np.lexsort((np.arange(len(key)), place, key))
        columns = {name: column[sorting] for name, column in columns.items()}
        key, place = key[sorting], place[sorting]
    rows = Observations(
        device=known[key >> (_KEY_CHANNEL_BITS + _KEY_TS_BITS)],
        quality=np.full(len(key), int(Quality.RAW), dtype=np.int64),
        version=np.zeros(len(key), dtype=np.int64),
        source=np.array([int(one.source) for one in sets], dtype=np.int64)[place],
        received_us=np.array([one.received_us for one in sets], dtype=np.int64)[place],
        **columns,
    )
    return rows if clean else _merged(rows, key, place)


def _arrangement(sets: Sequence[DecodedSet]) -> npt.NDArray[np.intp]:
    """Sets by device, first channel and first instant: mostly that alone puts all rows in order."""
    starts = [
        (one.device, int(one.channel[0]) if one.rows else 0, int(one.ts_s[0]) if one.rows else 0, place)
        for place, one in enumerate(sets)
    ]
    starts.sort()
    return np.array([start[3] for start in starts], dtype=np.intp)


def _merged(rows: Observations, key: Int64s, place: npt.NDArray[np.intp]) -> Observations:
    """Rule 1: adjacent rows of one key and one set become one."""
    again = np.concatenate(([False], (key[1:] == key[:-1]) & (place[1:] == place[:-1])))
    if not again.any():
        return rows
    firsts = np.flatnonzero(~again)
    lasts = np.append(firsts[1:], len(key)) - 1
    several = lasts > firsts
    summed = _IS_INTERVAL[rows.channel[firsts]]
    value = np.where(summed, np.add.reduceat(rows.value, firsts), rows.value[lasts])
    merged = np.where(several, np.int64(ReadingFlag.MERGED_DUPLICATE), np.int64(0))
    flags = np.asarray(np.bitwise_or.reduceat(rows.flags, firsts), dtype=np.int64) | merged
    return replace(rows.take(firsts), value=value, flags=flags)


def trim_observations(rows: Observations, overlapping: Mask, lookup: Lookup) -> Observations:
    """The rows that are new, with their versions (rules 2 and 3), in order of device, channel, ts, version.

    overlapping: for each row, whether its key may be committed already; `lookup` is called at most once, with the
    distinct keys of those rows.
    """
    rows, overlapping = _without_repeats(rows, overlapping)
    same = _same_key(rows)
    shared = np.zeros(len(rows), dtype=bool)
    shared[1:] |= same
    shared[:-1] |= same
    contested = shared | overlapping
    # Keys stay together: an overlapping row has all rows of its key overlapping too.
    fresh = replace(rows, version=np.full(len(rows), VERSION_FIRST, dtype=np.int64))
    if not contested.any():
        return fresh
    disputed = rows.take(contested)
    committed = _committed(disputed.take(overlapping[contested]), lookup)
    settled = _settle(disputed, committed)
    return _in_order([fresh.take(~contested), settled])


def _same_key(rows: Observations) -> Mask:
    """For each row but the first, whether it has the key of the row before."""
    return np.asarray(
        (rows.ts_s[1:] == rows.ts_s[:-1])
        & (rows.channel[1:] == rows.channel[:-1])
        & (rows.device[1:] == rows.device[:-1])
    )


def _tells_the_same(rows: Observations) -> Mask:
    """For each row but the first, whether the row before has the same key and says all that it says."""
    return np.asarray(
        _same_key(rows)
        & (rows.value[1:] == rows.value[:-1])
        & (rows.quality[1:] == rows.quality[:-1])
        & (rows.flags[1:] == rows.flags[:-1])
    )


def _without_repeats(rows: Observations, overlapping: Mask) -> tuple[Observations, Mask]:
    if len(rows) < 2:
        return rows, overlapping
    repeated = _tells_the_same(rows)
    if not repeated.any():
        return rows, overlapping
    keep = np.concatenate(([True], ~repeated))
    return rows.take(keep), overlapping[keep]


def _committed(wanted: Observations, lookup: Lookup) -> Observations:
    if not len(wanted):
        return wanted
    first = np.concatenate(([True], ~_same_key(wanted)))
    return lookup(wanted.take(first))


def _in_order(parts: Sequence[Observations]) -> Observations:
    joined = Observations(
        **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Observations)}
    )
    return joined.take(np.lexsort((joined.version, joined.ts_s, joined.channel, joined.device)))


def _settle(disputed: Observations, committed: Observations) -> Observations:
    """Rules 2 and 3 for keys with several observations or with committed versions."""
    # Committed versions first within each key, then the observations in order of arrival.
    joined = Observations(
        **{
            field.name: np.concatenate([getattr(committed, field.name), getattr(disputed, field.name)])
            for field in fields(Observations)
        }
    )
    is_new = np.arange(len(joined)) >= len(committed)
    order = np.lexsort((np.arange(len(joined)), is_new, joined.ts_s, joined.channel, joined.device))
    joined, is_new = joined.take(order), is_new[order]
    # Most of what is read again says what the latest version says: that goes without a look at each row.
    repeated = np.concatenate(([False], _tells_the_same(joined))) & is_new
    joined, is_new = joined.take(~repeated), is_new[~repeated]
    starts = np.flatnonzero(np.concatenate(([True], ~_same_key(joined))))
    ends = np.append(starts[1:], len(joined))
    changed = np.add.reduceat(is_new.astype(np.int64), starts) > 0
    version, flags = joined.version.copy(), joined.flags.copy()
    keep = np.zeros(len(joined), dtype=bool)
    for start, end in zip(starts[changed].tolist(), ends[changed].tolist(), strict=True):
        _settle_key(joined, is_new, range(start, end), version, flags, keep)
    return replace(joined, version=version, flags=flags).take(keep)


def _settle_key(rows: Observations, is_new: Mask, places: range, version: Int64s, flags: Int64s, keep: Mask) -> None:
    """Number the versions of one key; writes into version, flags and keep."""
    told: dict[tuple[int, int, int], int] = {}  # value, quality, status octet -> judgement bits told so far
    latest = VERSION_FIRST - 1
    for place in places:
        bits = int(rows.flags[place])
        known = (int(rows.value[place]), int(rows.quality[place]), bits & STATUS_OCTET)
        judgement = bits & ~STATUS_OCTET
        before = told.get(known)
        told[known] = judgement | (before or 0)
        if not is_new[place]:
            latest = max(latest, int(rows.version[place]))
        elif before is None or judgement & ~before:
            latest += 1
            version[place], flags[place], keep[place] = latest, bits | told[known], True
