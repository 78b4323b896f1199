"""What the head-end meets, as acts of the audit trail."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meterworks.headend.store import Event, Incident, SessionRecord
from meterworks.trust.audit import AuditEvent, Outcome

__all__ = ["act_of_event", "act_of_incident", "act_of_session"]

ACTOR: Final = "process:headend"
TAMPER_LOG: Final = "tamper"
_SWITCHED: Final = (60, 61, 62, 63, 64, 68, 69)
_EVENT_ACTS: Final[Mapping[tuple[str, int], str]] = MappingProxyType(
    {
        ("standard", 18): "firmware.activated",
        ("standard", 51): "firmware.refused",
        ("standard", 47): "device.event",  # parameters changed
        ("standard", 48): "device.event",  # keys changed
        ("standard", 255): "device.event",  # event log cleared
    }
    | {("standard", code): "supply.changed" for code in _SWITCHED}
)
"""By log and number; every entry of the tamper log is an act as well."""

_ERROR_ACTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "association-refused": "device.refused",
        "bad-signature": "device.wrong_key",
        "bad-tag": "device.wrong_key",
        "counter": "device.replay",
        "protection": "device.wrong_key",
        "replayed-notification": "device.replay",
        "unknown-sender": "device.identity_mismatch",
        "weak-protection": "device.wrong_key",
        "wrong-suite": "device.wrong_key",
        "wrong-title": "device.identity_mismatch",
    }
)
"""By the code of the error: what a meter's session or notification ended with."""

_INCIDENT_ACTS: Final[Mapping[str, str]] = MappingProxyType(
    {"clock-set": "clock.set", "clock-off": "clock.drifted", "quarantine": "device.quarantined"}
    | {f"push-{code}": act for code, act in _ERROR_ACTS.items()}
)


def _device(device_id: int | None) -> str:
    return "device:unknown" if device_id is None else f"device:{device_id}"


def act_of_incident(incident: Incident) -> AuditEvent | None:
    """The act of an incident; None for one that is no matter of security."""
    act = _INCIDENT_ACTS.get(incident.kind)
    if act is None and incident.kind.startswith("push-"):
        act = "peer.refused"  # a notification that was refused for any other reason
    if act is None:
        return None
    settled = act == "clock.set"
    return AuditEvent(
        act=act,
        actor=ACTOR,
        object=_device(incident.device_id),
        outcome=Outcome.SUCCESS if settled else Outcome.FAILURE,
        cause=incident.detail[:500],
        facts={"kind": incident.kind} | ({"peer": incident.peer} if incident.peer else {}),
        at=incident.at,
    )


def act_of_session(record: SessionRecord) -> AuditEvent | None:
    """The act of a session that ended for a reason of security: refused, wrong key, used counter; else None."""
    act = _ERROR_ACTS.get(record.error_code or "")
    if act is None:
        return None
    return AuditEvent(
        act=act,
        actor=ACTOR,
        object=_device(record.device_id),
        outcome=Outcome.REFUSED,
        cause=record.error_code or "",
        facts={"kind": record.kind},
        at=record.ended,
    )


def act_of_event(event: Event) -> AuditEvent | None:
    """The act of an entry of a device's log, under one id however often it is read; None for one of no security."""
    act = "device.tampered" if event.log == TAMPER_LOG else _EVENT_ACTS.get((event.log, event.code))
    if act is None:
        return None
    at_s = int(event.at.timestamp())
    return AuditEvent(
        act=act,
        actor=_device(event.device_id),
        object=_device(event.device_id),
        outcome=Outcome.UNKNOWN,
        cause=f"event {event.code} of the {event.log} log",
        facts={"code": event.code, "device_time_epoch_s": at_s},
        event_id=f"{event.log}-{event.device_id}-{at_s}-{event.code}",
    )
