"""What the market's interfaces stand on, handed in by whoever wires the process."""

from dataclasses import dataclass, field

from meterworks.headend import HeadendQueries, HeadendSettings
from meterworks.readings import ReadingStore
from meterworks.registry import Registry
from meterworks.runtime import Bus, Clock, Database
from meterworks.trust.audit import AuditSink, MemoryAuditSink

__all__ = ["MarketServices", "MarketSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSettings:
    """Everything an operator may set at the market's interfaces."""

    token_lifetime_s: int = 12 * 3600
    """How long a bearer token lives, in real seconds."""
    session_lifetime_s: int = 8 * 3600
    """How long a browser session lives, in real seconds."""
    page_rows_max: int = 100_000
    """Rows of one page of readings in JSON or CSV."""
    answer_rows_max: int = 2_000_000
    """Rows of one answer in Arrow or Parquet, and rows one question may touch."""
    read_timeout_s: float = 30.0
    """How long an on-demand read may take, in real seconds."""
    health_timeout_s: float = 2.0
    """How long a part may take to say that it is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketServices:
    """The stores and queries behind the API and the portal."""

    database: Database
    bus: Bus
    clock: Clock
    registry: Registry
    readings: ReadingStore
    collection: HeadendQueries
    headend_settings: HeadendSettings
    audit: AuditSink = field(default_factory=MemoryAuditSink)
    """Takes security-relevant acts. The system hands in its own; without one they end with the process."""
