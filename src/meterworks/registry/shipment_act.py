"""Shipments as acts of the audit trail: taken in, recorded before, or refused as a whole."""

import hashlib
from datetime import datetime

from meterworks.errors import MeterworksError
from meterworks.registry.shipment import ShipmentNotice
from meterworks.trust.audit import AuditEvent, Outcome

__all__ = ["shipment_accepted", "shipment_refused"]


def shipment_accepted(notice: ShipmentNotice, *, actor: str, at: datetime | None = None) -> AuditEvent:
    """The act of taking a shipment in; to be recorded before it is. at: system time, where no sink will set it."""
    return AuditEvent(
        act="shipment.accepted",
        actor=actor,
        object=f"shipment:{notice.number or notice.digest[:16]}"[:200],
        facts={"maker": notice.maker, "devices": notice.devices, "sha256": notice.digest},
        at=at,
    )


def shipment_refused(data: bytes, error: MeterworksError, *, actor: str) -> AuditEvent:
    """The act of refusing a shipment as a whole. data: all its octets."""
    digest = hashlib.sha256(data).hexdigest()
    return AuditEvent(
        act="shipment.refused",
        actor=actor,
        object=f"shipment:{digest[:16]}",
        outcome=Outcome.REFUSED,
        cause=error.code,
        facts={"sha256": digest},
    )
