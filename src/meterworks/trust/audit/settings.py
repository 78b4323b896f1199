"""What an operator may set of the trail."""

from dataclasses import dataclass

from meterworks.trust.audit.errors import AuditUsageError

__all__ = ["AuditSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """Where heads lie, how often the trail is sealed, and how much it may hold."""

    heads: str = ""
    """Folder of the signed tree heads; empty: `heads` in the data folder. Better on another disk or machine."""
    further_heads: tuple[str, ...] = ()
    """Further folders that take every head as well; one the operators cannot write back is the best anchor."""
    head_records: int = 256
    """A head is signed at the latest after so many records."""
    head_interval_s: float = 10.0
    """And at the latest so long after a record, machine seconds. A privileged act is sealed before it is answered."""
    records_max: int = 20_000_000
    """Records in the database; beyond it the oldest go whose acts do not keep, and that is recorded."""
    warning_share: float = 0.8
    """Share of `records_max` at which a warning is recorded."""
    spool_bytes_max: int = 64 * 2**20
    """What one process keeps of acts while the appender is away."""

    def __post_init__(self) -> None:
        if self.head_records < 1 or self.head_interval_s <= 0 or self.records_max < 1024:
            raise AuditUsageError("audit.head_records, head_interval_s or records_max is too small")
        if not 0 < self.warning_share <= 1:
            raise AuditUsageError(f"audit.warning_share {self.warning_share} is not in 0..1")
