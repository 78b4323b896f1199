"""Records of the registry as the documents the interfaces show. Keys are never part of one."""

from datetime import datetime

from meterworks.catalogue import PURPOSES
from meterworks.market.access_view import Recipient, purpose_title
from meterworks.market.audit import AccessEntry
from meterworks.market.consent import Consent
from meterworks.market.timestamp import format_utc
from meterworks.registry import Device, Installation, Organisation, PlacedDevice, Registration, UsagePoint

__all__ = [
    "access_document",
    "consent_document",
    "device_document",
    "installation_document",
    "organisation_document",
    "placed_device_document",
    "registration_document",
    "usage_point_document",
]


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_utc(moment)


def access_document(entry: AccessEntry, recipient: Recipient, *, with_person: bool) -> dict[str, object]:
    """One access to readings. with_person: whether the person who read is told as well."""
    document: dict[str, object] = {
        "at": format_utc(entry.at),
        "role": entry.role,
        "organisation": recipient.organisation,
        "organisation_id": entry.organisation_id,
        "from": format_utc(entry.range_start),
        "to": format_utc(entry.range_end),
        "channels": entry.channels.split(","),
        "purpose": entry.purpose,
        "title": purpose_title(entry.purpose),
        "consent": entry.consent_reference,
        "request_id": entry.request_id,
    }
    return {**document, "user": entry.user_name} if with_person else document


def consent_document(consent: Consent, organisation: str, now: datetime) -> dict[str, object]:
    """A consent and where it stands."""
    return {
        "reference": consent.reference,
        "state": consent.state(now).value,
        "organisation": organisation,
        "organisation_id": consent.organisation_id,
        "metering_point": consent.usage_point_id,
        "purpose": consent.purpose,
        "title": PURPOSES[consent.purpose].title,
        "detail": consent.detail.label,
        "data_from": format_utc(consent.data_from),
        "from": format_utc(consent.starts_at),
        "to": format_utc(consent.ends_at),
        "via": consent.via,
        "evidence": {"reference": consent.evidence_reference, "digest": consent.evidence_digest},
        "proposed_at": format_utc(consent.proposed_at),
        "confirmed_at": _time(consent.confirmed_at),
        "ended_at": _time(consent.ended_at),
        "ended_by": consent.ended_by,
    }


def device_document(device: Device) -> dict[str, object]:
    """A device."""
    return {
        "id": device.id,
        "identity": device.identity,
        "scheme": device.scheme,
        "serial": device.serial,
        "manufacturer": device.manufacturer,
        "model": device.model,
        "firmware": device.firmware,
        "medium": device.medium,
        "phases": device.phases,
        "interval_s": device.interval_s,
        "address": device.address,
        "connection": device.connection,
        "state": device.state,
        "created_at": _time(device.created_at),
    }


def installation_document(installation: Installation) -> dict[str, object]:
    """A device at a metering point, from until."""
    return {
        "device": installation.device_id,
        "metering_point": installation.usage_point_id,
        "from": _time(installation.starts_at),
        "to": _time(installation.ends_at),
        "multiplier": [installation.multiplier_numerator, installation.multiplier_denominator],
    }


def placed_device_document(placed: PlacedDevice) -> dict[str, object]:
    """A device and where it stands now."""
    point = placed.usage_point
    return {
        **device_document(placed.device),
        "metering_point": None if point is None else point.id,
        "metering_point_address": None if point is None else point.address,
    }


def usage_point_document(point: UsagePoint) -> dict[str, object]:
    """A metering point."""
    return {
        "id": point.id,
        "medium": point.medium,
        "name": point.name,
        "address": point.address,
        "postcode": point.postcode,
        "feeder": point.feeder,
        "transformer": point.transformer,
        "time_zone": point.time_zone,
        "created_at": _time(point.created_at),
    }


def organisation_document(organisation: Organisation) -> dict[str, object]:
    """A market party and the roles it holds."""
    return {
        "id": organisation.id,
        "name": organisation.name,
        "eui64": organisation.eui64,
        "kind": organisation.kind,
        "roles": [
            {"role": held.role, "from": _time(held.span.starts_at), "to": _time(held.span.ends_at)}
            for held in organisation.roles
        ],
    }


def registration_document(registration: Registration) -> dict[str, object]:
    """A party's right to a metering point, from until."""
    return {
        "organisation": registration.organisation_id,
        "metering_point": registration.usage_point_id,
        "role": registration.role,
        "from": _time(registration.starts_at),
        "to": _time(registration.ends_at),
    }
