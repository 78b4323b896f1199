"""Records of the registry as the documents the interfaces show. Keys are never part of one."""

from datetime import datetime

from meterworks.market.timestamp import format_utc
from meterworks.registry import Device, Installation, Organisation, PlacedDevice, Registration, UsagePoint

__all__ = [
    "device_document",
    "installation_document",
    "organisation_document",
    "placed_device_document",
    "registration_document",
    "usage_point_document",
]


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_utc(moment)


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
