"""A record of the trail: an event with its place, the appender's own time, and the hash of the record before it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from meterworks.errors import UsageError
from meterworks.trust.audit.canonical import canonical, from_canonical, from_instant, instant
from meterworks.trust.audit.errors import AuditFormatError
from meterworks.trust.audit.event import AuditEvent, Outcome

__all__ = ["GENESIS", "AuditRecord", "decode_record", "encode_record"]

VERSION = 1
GENESIS = bytes(32)  # what stands as the hash before the first record
_FIELDS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """sequence: place in the trail, from 0. recorded_at: the appender's machine clock, which no sender sets.

    source: the process that handed the event in. previous: the leaf hash of the record before. The event has its
    sender's two times in it: system clock and machine clock.
    """

    sequence: int
    event: AuditEvent
    recorded_at: datetime
    source: str
    previous: bytes


def encode_record(record: AuditRecord) -> bytes:
    """The record's octets, which are hashed. Raises AuditFormatError for an event without times."""
    event = record.event
    if event.at is None or event.machine_at is None:
        raise AuditFormatError("an event is recorded with both its times")
    return canonical(
        {
            "act": event.act,
            "actor": event.actor,
            "at": instant(event.at),
            "cause": event.cause,
            "event": event.event_id,
            "facts": dict(event.facts),
            "machine_at": instant(event.machine_at),
            "object": event.object,
            "outcome": event.outcome.value,
            "previous": record.previous.hex(),
            "recorded_at": instant(record.recorded_at),
            "sequence": record.sequence,
            "source": record.source,
            "version": VERSION,
        }
    )


def decode_record(body: bytes) -> AuditRecord:
    """The record of its octets. Raises AuditFormatError for anything but the one encoding of a record."""
    fields = from_canonical(body)
    if len(fields) != _FIELDS or fields.get("version") != VERSION:
        raise AuditFormatError(f"not a record of version {VERSION}")
    try:
        return AuditRecord(
            sequence=_sequence(fields["sequence"]),
            event=_event(fields),
            recorded_at=from_instant(fields["recorded_at"]),
            source=str(fields["source"]),
            previous=bytes.fromhex(fields["previous"]),
        )
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise AuditFormatError(f"not a record: {error}") from error


def _sequence(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise AuditFormatError(f"{value!r} is no place in a trail")
    return value


def _event(fields: dict[str, Any]) -> AuditEvent:
    return AuditEvent(
        act=fields["act"],
        actor=fields["actor"],
        object=fields["object"],
        outcome=Outcome(fields["outcome"]),
        cause=fields["cause"],
        facts=fields["facts"],
        event_id=fields["event"],
        at=from_instant(fields["at"]),
        machine_at=from_instant(fields["machine_at"]),
    )
