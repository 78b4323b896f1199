"""Which rows of the warehouse go, and out of which files.

Rows are removed by copy on write: a file that holds some of them is written anew without them, a file that holds
nothing else is dropped. Then older snapshots are expired, so that no way back in time leads to them, and the old files
are deleted once readers that planned with them had time to finish.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa

from meterworks.runtime.warehouse_settings import RemovalRule

__all__ = ["DOOMED", "KEPT", "RemovalReport", "rule_table", "spared_table"]

_FOREVER_US = 2**62
# Relations `rules` (channel, device or null, from_us, to_us) and `spared` (device) are given to both.
_MATCH = """
EXISTS (SELECT 1 FROM rules WHERE rules.channel = readings.channel
        AND coalesce(rules.device, readings.device) = readings.device
        AND epoch_us(readings.ts) >= rules.from_us AND epoch_us(readings.ts) < rules.to_us)
AND readings.device NOT IN (SELECT device FROM spared)
"""
DOOMED = f"SELECT channel, count(*) AS count FROM readings WHERE {_MATCH} GROUP BY channel"  # noqa: S608  # of our own text only
KEPT = f"SELECT * FROM readings WHERE NOT ({_MATCH}) ORDER BY device, channel, ts, version"  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalReport:
    """What a removal did. paths: files no snapshot names any more, still on the disk for readers that use them."""

    rows: int = 0
    files_rewritten: int = 0
    files_dropped: int = 0
    snapshots_expired: int = 0
    refused: bool = False  # another commit came first; what is counted was done, the rest was not
    paths: tuple[str, ...] = ()

    def __add__(self, other: "RemovalReport") -> "RemovalReport":
        return RemovalReport(
            rows=self.rows + other.rows,
            files_rewritten=self.files_rewritten + other.files_rewritten,
            files_dropped=self.files_dropped + other.files_dropped,
            snapshots_expired=self.snapshots_expired + other.snapshots_expired,
            refused=self.refused or other.refused,
            paths=self.paths + other.paths,
        )


def rule_table(rules: Sequence[RemovalRule]) -> pa.Table:
    """The rules as a relation, one row a channel."""
    rows = [(channel, rule) for rule in rules for channel in sorted(set(rule.channels))]
    low = [-_FOREVER_US if rule.from_epoch_s is None else rule.from_epoch_s * 1_000_000 for _, rule in rows]
    high = [_FOREVER_US if rule.to_epoch_s is None else rule.to_epoch_s * 1_000_000 for _, rule in rows]
    return pa.table(
        {
            "channel": pa.array([channel for channel, _ in rows], pa.int32()),
            "device": pa.array([rule.device for _, rule in rows], pa.int64()),
            "from_us": pa.array(low, pa.int64()),
            "to_us": pa.array(high, pa.int64()),
        }
    )


def spared_table(devices: Collection[int]) -> pa.Table:
    """Devices that nothing is removed of, as a relation."""
    return pa.table({"device": pa.array(sorted(devices), pa.int64())})
