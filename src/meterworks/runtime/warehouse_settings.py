"""What is said of the warehouse without opening it: where it lies, and how far the stream is in it.

They stand outside the warehouse's package because every process knows them and few open a warehouse, which brings
Iceberg and the query engine along.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from meterworks.runtime.errors import WarehouseUsageError

__all__ = ["RemovalRule", "StreamPosition", "WarehouseSettings"]

SHARDS_MAX = 4096


@dataclass(frozen=True, kw_only=True)
class WarehouseSettings:
    """Where the readings are kept and how they are read.

    location: a folder, or an object store address such as `s3://bucket/readings`. catalog_url: an SQLAlchemy address
    of the Iceberg catalogue (SQLite or PostgreSQL). shards: fixed when the table is created; a month of one shard
    should stay under 15 million rows. properties: for the catalogue and the object store (`s3.endpoint`, ...).
    """

    location: str
    catalog_url: str
    shards: int = 4
    properties: Mapping[str, str] = field(default_factory=dict)
    query_threads: int = 2
    query_memory_mb: int = 1024  # what needs more goes to temporary files
    compact_files_min: int = 2  # files of like size in a piece of a finished month before they are merged
    compact_open_files_min: int = 16  # the same for the month still running, and for every month while data streams in
    compact_rows_max: int = 4_000_000  # rows one merging commit holds in memory; larger files are left as they are
    snapshots_keep: int = 20
    orphan_keep_s: float = 3600.0  # how long a file that no snapshot names stays for readers that still use it

    def __post_init__(self) -> None:
        if not 1 <= self.shards <= SHARDS_MAX:
            raise WarehouseUsageError(f"the warehouse's shards {self.shards} is not in 1..{SHARDS_MAX}")
        if not self.location:
            raise WarehouseUsageError("the warehouse has no location: give a folder or an object store address")


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """How far the stream is committed. The epoch names one life of the stream: sequences of two do not compare."""

    epoch: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalRule:
    """Rows of channels with from <= ts < to; of one device, or of all. None: without bound on that side."""

    channels: Collection[int]
    device: int | None = None
    from_epoch_s: int | None = None
    to_epoch_s: int | None = None

    def __post_init__(self) -> None:
        if not self.channels:
            raise WarehouseUsageError("a rule of removal names no channel")
