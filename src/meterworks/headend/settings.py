"""Everything an operator may set at the head-end."""

from dataclasses import dataclass

__all__ = ["HeadendSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadendSettings:
    """Settings of the head-end. Times on a network are real seconds, all others are of the system's clock."""

    system_title: str = "4d57520000000001"
    """Our own system title in hex, 8 octets. Meters keep one invocation counter for it."""
    sessions_max: int = 64
    """Sessions open at once, all kinds together. 1 to 10,000."""
    on_demand_share: float = 0.3
    """Share of `sessions_max` that scheduled collection leaves to on-demand reads."""
    on_demand_queue_max: int = 2000
    """On-demand requests that may wait; one more is refused."""
    on_demand_s_max: float = 60.0
    """How long an on-demand read may take, waiting included."""
    on_demand_answer_timeout_s: float = 10.0
    """How long a device may take for one answer while a person waits."""
    sessions_per_address_max: int = 1
    """Sessions open at once to one address (a hub or modem shared by several devices)."""
    connects_per_s_max: float = 1000.0
    """New connections a second, steady."""
    connects_burst_max: int = 200
    """New connections at once after a quiet time."""
    connect_timeout_s: float = 10.0
    """How long a connection may take to be accepted."""
    answer_timeout_s: float = 30.0
    """How long a device may take for one answer (one block of a long one)."""
    session_s_max: float = 900.0
    """How long one session may hold its device; then its lease ends and it is cut."""
    cycle_s: int = 1800
    """How often each device is visited when nothing else asks for it."""
    window_s: int = 900
    """Visits of one cycle are spread over this long by a hash of the device number."""
    grace_s: int = 60
    """An interval is expected this long after its end."""
    unconfirmed_s_max: float = 120.0
    """A set the writer has passed over, unconfirmed after this long, is read again."""
    unconfirmed_stale_s_max: float = 3600.0
    """A set is read again after this long without confirmation, whatever the writer does."""
    unconfirmed_rows_max: int = 20_000_000
    """Rows published and not yet confirmed, beyond which scheduled collection waits for the writer."""
    set_rows_max: int = 60_000
    """Rows in one reading set. A longer range is read in several."""
    publish_bytes_max: int = 64_000_000
    """Bytes of reading sets being published at once."""
    quarantine_failures: int = 3
    """Failed authentications in a row after which a device is left alone."""
    clock_tolerance_s: float = 1.0
    """A clock this near is left alone."""
    clock_shift_s_max: float = 60.0
    """A clock further off than this is set, not shifted, and readings since the last good contact become suspect."""
    clock_guard_s: float = 60.0
    """A clock is never touched this near to an interval boundary."""
    clock_adjust: bool = True
    """Whether clocks are corrected at all."""
    events_every_s: int = 900
    """How often event logs are read, at most."""
    registers_every_s: int = 900
    """How often instantaneous values are read, at most."""
    counter_block: int = 1024
    """Invocation counters reserved ahead in the database, so that a restart never repeats one."""
    directory_refresh_s: float = 60.0
    """How often the registry is asked for new or changed devices."""
    flush_s: float = 1.0
    """How often the expectation table and the logs are written behind. Lost on a crash: it only means reading again."""
    push_host: str = "127.0.0.1"
    """Address of the port devices push to and call in on."""
    push_port: int = 4060
    """Port devices push to and call in on; 0 takes a free one."""
    push_connections_max: int = 10_000
    """Connections open at once on the push port."""
    push_idle_s_max: float = 120.0
    """How long a caller may stay silent."""
    log_days: int = 7
    """Days the session log is kept."""
    personalise: bool = True
    """Whether keys of the maker are replaced at the first contact, before anything is collected."""
    key_age_days_max: int = 365
    """Age at which keys are rotated by themselves; 0 for never."""
    key_pace_per_minute: int = 600
    """Key jobs begun in a minute by such a rotation."""
    key_emergency_s: float = 14_400.0
    """Within how long an emergency rotation is to be through."""
    key_retry_s: float = 60.0
    """A key job that broke off is tried again after this long, or at the device's next contact if that is sooner."""
    counter_low_mark: int = 2**24
    """Invocation counters left under a key at which its rotation begins by itself."""
