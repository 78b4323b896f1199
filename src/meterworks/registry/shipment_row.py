"""One row of a shipment: text by column made into a device to add, with all that is wrong with it told at once."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from meterworks.catalogue import Medium
from meterworks.errors import MeterworksError
from meterworks.registry.device import ConnectionKind, DeviceKeys, IdentityScheme, NewDevice
from meterworks.registry.errors import InvalidValueError
from meterworks.registry.key_version import KeyOrigin
from meterworks.registry.shipment_file import REQUIRED_COLUMNS
from meterworks.registry.value import UsagePointId, checked_time, checked_usage_point_id
from meterworks.trust import KeyUnwrapError, unwrap_key

__all__ = ["ShipmentDevice", "shipment_device"]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_WRAPPED = re.compile(r"(?:[0-9a-fA-F]{48}|[0-9a-fA-F]{80})")
_KEY_COLUMNS = ("guek", "gak", "kek", "gbek", "hls")
_DLMS_KEYS = ("guek", "gak")

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentDevice:
    """A device of a shipment, its keys in clear, and where it stands if the shipment says so."""

    device: NewDevice
    usage_point_id: UsagePointId | None
    installed_at: datetime | None


def shipment_device(values: Mapping[str, str], transport_key: bytes, *, sealed_by: str = "") -> ShipmentDevice:
    """Build the device of a row. Raises InvalidValueError that names everything wrong with the row; never a key.

    sealed_by: the maker whose seal the shipment has.
    """
    problems: list[str] = []

    def read(column: str, convert: Callable[[str], _Value], default: _Value) -> _Value:
        text = values.get(column, "")
        if not text:
            return default
        try:
            return convert(text)
        except MeterworksError as error:
            problems.append(str(error))
            return default

    problems.extend(f"{column} is missing" for column in _missing(values))
    scheme = read("scheme", _one_of("scheme", IdentityScheme), IdentityScheme.DLMS)
    medium = read("medium", _one_of("medium", Medium), Medium.ELECTRICITY)
    connection = read("connection", _one_of("connection", ConnectionKind), ConnectionKind.HEAD_END)
    phases = read("phases", _number("phases"), 0)
    interval_s = read("interval_s", _number("interval_s"), 1800)
    suite = read("suite", _number("suite"), 0)
    keys = {name: read(name, _key(name, transport_key), None) for name in _KEY_COLUMNS}
    usage_point_id = read("usage_point", checked_usage_point_id, None)
    installed_at = read("installed_at", _instant, None)
    if problems:  # what follows would only repeat them
        raise InvalidValueError("; ".join(problems))
    device = NewDevice(
        identity=values["identity"],
        serial=values["serial"],
        manufacturer=values["manufacturer"],
        model=values["model"],
        firmware=values["firmware"],
        medium=medium,
        phases=phases,
        address=values.get("address", ""),
        connection=connection,
        scheme=scheme,
        interval_s=interval_s,
        suite=suite,
        keys=DeviceKeys(**keys),
        key_origin=KeyOrigin.TRANSPORT,
        sealed_by=sealed_by,
    )
    return ShipmentDevice(device=device, usage_point_id=usage_point_id, installed_at=installed_at)


def _missing(values: Mapping[str, str]) -> list[str]:
    wanted = list(REQUIRED_COLUMNS)
    if values.get("scheme", "") in ("", IdentityScheme.DLMS):
        wanted += _DLMS_KEYS
    if values.get("usage_point") and not values.get("installed_at"):
        wanted.append("installed_at")
    if values.get("installed_at") and not values.get("usage_point"):
        wanted.append("usage_point")
    return [column for column in wanted if not values.get(column)]


def _one_of(column: str, kind: Callable[[str], _Value]) -> Callable[[str], _Value]:
    def convert(text: str) -> _Value:
        try:
            return kind(text)
        except ValueError as error:
            lawful = ", ".join(str(member) for member in kind)  # type: ignore[attr-defined]  # an Enum class
            raise InvalidValueError(f"{column} is {text[:40]!r}: give one of {lawful}") from error

    return convert


def _number(column: str) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 6):
            raise InvalidValueError(f"{column} is {text[:40]!r}: give a whole number")
        return int(text)

    return convert


def _key(column: str, transport_key: bytes) -> Callable[[str], bytes | None]:
    def convert(text: str) -> bytes:
        if _WRAPPED.fullmatch(text) is None:
            raise InvalidValueError(
                f"{column} has {len(text)} characters: a wrapped key has 48 or 80 hexadecimal digits"
            )
        try:
            return unwrap_key(transport_key, bytes.fromhex(text))
        except KeyUnwrapError as error:
            raise InvalidValueError(
                f"{column} does not open under this transport key: check that key belongs to this shipment"
            ) from error

    return convert


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        if _DATE.fullmatch(text):
            instant = instant.replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidValueError(
            f"installed_at is {text[:40]!r}: give a date such as 2026-03-01 or a time with offset"
        ) from error
    return checked_time("installed_at", instant)
