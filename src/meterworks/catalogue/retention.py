"""How long each class of data is kept, and the register of who gets what, why, how fine and for how long.

A limit on readings counts from the end of the calendar month (UTC) a reading lies in, and whole months go: so books of
a month are never torn, and deletion is the warehouse's own partition. A limit on records counts from their own time.

Source: smart-metering requirement base, SEC-140 (13 months of import intervals, 3 of export and reactive on the device)
and SEC-143 (data-flow register); GDPR articles 5 (1) e and 30.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from meterworks.catalogue._table import keyed, rows, unfolded
from meterworks.catalogue.channel import CHANNELS, Channel, Period
from meterworks.catalogue.purpose import PURPOSES, ChannelGroup, Detail, Purpose, channel_group, detail_of

__all__ = [
    "DATA_CLASSES",
    "READING_CLASSES",
    "DataClass",
    "DataFlow",
    "data_class_of",
    "data_flows",
    "months_before",
    "unregistered_tables",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataClass:
    """Data that is kept equally long. None in a limit: it is not kept there, or its own rules keep it (see `where`)."""

    name: str
    device_months: int | None  # how long a meter may remember it
    store_months: int | None  # how long the system may; None: no limit of time
    where: tuple[str, ...]  # tables and files that hold it
    why: str

    def cutoff(self, now: datetime) -> datetime | None:
        """Readings that start before this instant are past their limit; None: there is none."""
        return None if self.store_months is None else months_before(now, self.store_months)


def months_before(now: datetime, months: int) -> datetime:
    """The beginning of the month (UTC) that lies so many months before the one `now` is in."""
    count = now.astimezone(UTC).year * 12 + now.astimezone(UTC).month - 1 - months
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)


# Kept per channel: readings, in the warehouse and in recent days.
#   class              | device | store | where                       | why so long
_READINGS = """
    usage-interval     | 14     | 13    | warehouse, recent days      | a month can be compared with the year before
    export-interval    | 4      | 13    | warehouse, recent days      | as usage, for what is fed in
    reactive-interval  | 4      | 3     | warehouse, recent days      | network questions arise within a quarter
    daily-register     | 14     | 25    | warehouse, recent days      | two years of bills can be checked by day
    monthly-register   | 14     | 72    | warehouse, recent days      | books: bills and taxes
    spot-register      | -      | 13    | warehouse                   | final readings of a change of supplier
    instant            | -      | 3     | warehouse                   | questions of load arise within a quarter
"""
#   class              | device | store | where                                  | why so long
_RECORDS = """
    access-log         | -      | 24    | market_access_log                      | who read what, for the consumer
    consent            | -      | 72    | market_consent                         | proof of what was agreed
    deletion-record    | -      | 72    | market_deletion                        | proof that data went
    erasure            | -      | -     | market_erasure, market_erased_total, market_erased_range
                                                                                | tombstones and totals of the books
    hold               | -      | 72    | market_hold                            | why data stayed
    consumer           | -      | 72    | registry_consumer, registry_occupancy  | books, after the last occupancy
    account            | -      | -     | market_user, market_factor, market_external_identity
                                                                                | until the person is erased
    token              | -      | 1     | market_token                           | after it ended
    session-log        | -      | 3     | headend_session, headend_run           | faults of collection
    device-event       | 14     | 13    | headend_event, headend_incident        | tampering shows within a year
    rejected-set       | -      | 1     | readings_rejected                      | a person looks, or it goes
    process-log        | -      | 1     | log files                              | faults of the system
"""


def _months(cell: str) -> int | None:
    return None if cell == "-" else int(cell)


def _class(cells: tuple[str, ...]) -> DataClass:
    name, device, store, where, why = cells
    places = tuple(place.strip() for place in where.split(","))
    return DataClass(name=name, device_months=_months(device), store_months=_months(store), where=places, why=why)


READING_CLASSES: Mapping[str, DataClass] = keyed(
    "data class", map(_class, rows(_READINGS, 5)), key=lambda row: row.name
)
"""Classes of readings."""
DATA_CLASSES: Mapping[str, DataClass] = keyed(
    "data class",
    (*READING_CLASSES.values(), *map(_class, rows(unfolded(_RECORDS), 5))),
    key=lambda row: row.name,
)
"""All classes of data that say something about a person or a home."""

_CLASS_BY_GROUP = {
    ChannelGroup.USAGE: "usage-interval",
    ChannelGroup.EXPORT: "export-interval",
    ChannelGroup.REACTIVE: "reactive-interval",
}
_CLASS_BY_PERIOD = {
    Period.DAILY: "daily-register",
    Period.MONTHLY: "monthly-register",
    Period.REGISTER: "spot-register",
    Period.INSTANT: "instant",
}


def data_class_of(channel: Channel) -> DataClass:
    """The class a channel's readings belong to."""
    name = _CLASS_BY_PERIOD.get(channel.period)
    return READING_CLASSES[name or _CLASS_BY_GROUP[channel_group(channel)]]


# --- the register -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFlow:
    """One line of the register: a role gets a class of data for a purpose."""

    role: str
    purpose: str
    basis: str
    data_class: str
    detail: str  # the finest it is given out
    kept_months: int | None
    where: tuple[str, ...]


def _flows_of(purpose: Purpose) -> Iterable[tuple[DataClass, Detail]]:
    """The classes a purpose sees, each with the finest detail it is given out in; intervals may be given as sums."""
    finest: dict[str, Detail] = {}
    for channel in CHANNELS.values():
        allowed, own = purpose.detail(channel), detail_of(channel)
        if allowed is not None and (allowed >= own or channel.interval_s is not None):
            name = data_class_of(channel).name
            finest[name] = max(min(allowed, own), finest.get(name, Detail.MONTH))
    return ((READING_CLASSES[name], detail) for name, detail in finest.items())


def data_flows() -> Sequence[DataFlow]:
    """Who gets what, why, how fine, how long and where it lies, generated from the tables.  Source: GDPR article 30."""
    return [
        DataFlow(
            role=role.value,
            purpose=purpose.name,
            basis=purpose.basis.value,
            data_class=kind.name,
            detail=detail.label,
            kept_months=kind.store_months,
            where=kind.where,
        )
        for purpose in PURPOSES.values()
        for role in sorted(purpose.roles)
        for kind, detail in sorted(_flows_of(purpose), key=lambda pair: pair[0].name)
    ]


# Tables that say nothing about a person or a home beyond what equipment stands where; each prefix with its reason.
_IMPERSONAL: Mapping[str, str] = {
    "alembic_": "the version of the tables",
    "audit_": "numbers and references only; kept whole, because a chain with a hole proves nothing",
    "headend_": "equipment: counters, schedules, models",
    "keys_": "keys of equipment, wrapped",
    "pki_": "certificates of equipment and parties",
    "readings_progress": "a position in a stream",
    "registry_": "equipment, places and parties; persons stand in the tables named above",
    "market_admission": "parties and their assessments",
    "market_approval": "acts of operators",
}


def unregistered_tables(names: Iterable[str]) -> list[str]:
    """Tables of the database that the register does not know: each is a flow somebody forgot to register."""
    known = {place for kind in DATA_CLASSES.values() for place in kind.where} | {"readings_recent_day"}
    return sorted(name for name in names if name not in known and not name.startswith(tuple(_IMPERSONAL)))
