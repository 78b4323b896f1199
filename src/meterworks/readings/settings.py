"""Settings of the readings writer."""

from dataclasses import dataclass

from meterworks.readings.errors import ReadingsUsageError

__all__ = ["WriterSettings"]


@dataclass(frozen=True, kw_only=True)
class WriterSettings:
    """How much the writer commits at once and what it keeps near at hand. Seconds are machine time."""

    batch_rows_max: int = 2_000_000  # a batch of this size is committed at once; some 150 bytes of memory a row
    batch_messages_max: int = 100_000
    batch_age_max_s: float = 5.0  # no set waits longer than this for its commit
    quiet_s: float = 1.0  # nor for longer than this after the stream ran dry
    fetch_messages_max: int = 2_000
    fetch_bytes_max: int = 2 * 2**20  # some 500,000 rows of a fill: a batch gets that much beyond its limit
    recent_days: int = 100  # days kept as rows of the database of record
    busy_rows: int = 50_000  # a batch of this many rows means that much data streams in
    upkeep_idle_s: float = 15.0  # how long after such a batch all files worth it are merged
    upkeep_busy_s: float = 30.0  # until then: time between merges of badly scattered pieces
    retry_min_s: float = 0.5
    retry_max_s: float = 30.0

    def __post_init__(self) -> None:
        if self.batch_rows_max < 1 or self.fetch_messages_max < 1 or self.fetch_bytes_max < 1:
            raise ReadingsUsageError("the writer's batch and fetch limits must be at least 1")
        if not 0 <= self.recent_days <= 3660:
            raise ReadingsUsageError(f"recent_days is {self.recent_days}, 0 to 3660 expected")
