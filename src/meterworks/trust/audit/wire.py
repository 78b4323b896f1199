"""How acts travel from the processes to the appender, and lie in a spool meanwhile."""

from collections.abc import Sequence
from typing import Any

from meterworks.errors import UsageError
from meterworks.trust.audit.canonical import canonical, from_canonical, from_instant, instant
from meterworks.trust.audit.errors import AuditFormatError
from meterworks.trust.audit.event import AuditEvent, Outcome
from meterworks.trust.audit.trail import Receipt

__all__ = [
    "APPEND_SUBJECT",
    "decode_event",
    "decode_events",
    "decode_receipts",
    "encode_event",
    "encode_events",
    "encode_receipts",
]

APPEND_SUBJECT = "audit.append"
"""Joined by a dot and the name of the process that sends: the bus lets each process use its own one only."""


def _fields(event: AuditEvent) -> dict[str, Any]:
    return {
        "act": event.act,
        "actor": event.actor,
        "at": None if event.at is None else instant(event.at),
        "cause": event.cause,
        "event": event.event_id,
        "facts": dict(event.facts),
        "machine_at": None if event.machine_at is None else instant(event.machine_at),
        "object": event.object,
        "outcome": event.outcome.value,
    }


def _event(fields: dict[str, Any]) -> AuditEvent:
    try:
        return AuditEvent(
            act=fields["act"],
            actor=fields["actor"],
            object=fields["object"],
            outcome=Outcome(fields["outcome"]),
            cause=fields["cause"],
            facts=fields["facts"],
            event_id=fields["event"],
            at=None if fields["at"] is None else from_instant(fields["at"]),
            machine_at=None if fields["machine_at"] is None else from_instant(fields["machine_at"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        raise AuditFormatError(f"not an event: {error}") from error


def encode_event(event: AuditEvent) -> bytes:
    """One event as a line of a spool, without the line's end."""
    return canonical(_fields(event))


def decode_event(line: bytes) -> AuditEvent:
    """Read it. Raises AuditFormatError."""
    return _event(from_canonical(line))


def encode_events(events: Sequence[AuditEvent]) -> bytes:
    """What is asked at the appender's subject."""
    return canonical({"events": [_fields(event) for event in events]})


def decode_events(data: bytes) -> list[AuditEvent]:
    """Read it. Raises AuditFormatError."""
    events = from_canonical(data).get("events")
    if not isinstance(events, list) or not all(isinstance(entry, dict) for entry in events):
        raise AuditFormatError("not a list of events")
    return [_event(fields) for fields in events]


def encode_receipts(receipts: Sequence[Receipt]) -> bytes:
    """What the appender answers."""
    return canonical({"receipts": [[receipt.event_id, receipt.sequence] for receipt in receipts]})


def decode_receipts(data: bytes) -> list[Receipt]:
    """Read it. Raises AuditFormatError."""
    try:
        return [Receipt(event_id=str(event), sequence=int(place)) for event, place in from_canonical(data)["receipts"]]
    except (KeyError, TypeError, ValueError) as error:
        raise AuditFormatError(f"not a list of receipts: {error}") from error
