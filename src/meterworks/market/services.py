"""What the market's interfaces stand on, handed in by whoever wires the process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from meterworks.headend import HeadendQueries, HeadendSettings
from meterworks.market.acts import LoggedActs
from meterworks.readings import ReadingStore
from meterworks.registry import Registry
from meterworks.runtime import Bus, Clock, Database
from meterworks.trust import KeyStore
from meterworks.trust.audit import AuditSink

__all__ = ["CertificatesAbove", "MarketServices", "MarketSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSettings:
    """Everything an operator may set at the market's interfaces."""

    token_lifetime_s: int = 12 * 3600
    """How long a bearer token lives, in real seconds."""
    session_lifetime_s: int = 8 * 3600
    """How long a browser session lives, in real seconds."""
    session_idle_s: int = 1800
    """How long a browser session lives without anybody doing something, in real seconds."""
    step_up_s: int = 300
    """How long a proof counts as fresh for acts that want one, in real seconds."""
    api_token_days_max: int = 366
    """How long an API token may live at most, in real days."""
    break_glass_s: int = 3600
    """How long an emergency access lasts at most, in real seconds."""
    approval_s: int = 7 * 86_400
    """How long something asked for waits for a second person, in real seconds."""
    requests_burst: int = 5_000
    """Requests a client may make at once; a request for something not found counts ten."""
    requests_per_s: float = 200.0
    """Requests a client regains in a real second."""
    export_rows_per_hour: int = 50_000_000
    """Rows of readings a client may take in a real hour."""
    relying_party: str = "localhost"
    """The host name passkeys are bound to: the portal's, without scheme and port."""
    page_rows_max: int = 100_000
    """Rows of one page of readings in JSON or CSV."""
    answer_rows_max: int = 2_000_000
    """Rows of one answer in Arrow or Parquet, and rows one question may touch."""
    read_timeout_s: float = 30.0
    """How long an on-demand read may take, in real seconds."""
    health_timeout_s: float = 2.0
    """How long a part may take to say that it is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificatesAbove:
    """The chain above a certificate, the anchor last, and the revocation lists of its issuers now; all DER."""

    chain: Sequence[bytes] = ()
    revocation: Sequence[bytes] = ()


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
    keystore: KeyStore
    """Wraps the secrets of one-time codes."""
    audit: AuditSink = field(default_factory=LoggedActs)
    """Where acts go. A process that has the trail hands it in; without it acts go to the log."""
    certificates_above: Callable[[bytes], CertificatesAbove] | None = None
    """Gives what stands above a certificate (DER) now: kept with requests as evidence."""
    audit_heads: tuple[Path, ...] = ()
    """Folders of the signed heads of the audit trail."""
