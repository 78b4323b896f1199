"""Alerts: what devices report, and what the carrier reports about them.

Source: GBCS event and alert codes and DUIS schema, as collected in the fact tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb.service_request import DeviceKind
from meterworks.catalogue.gb.table_file import Cells, load_table, truth, words

__all__ = ["AlertKind", "CarrierAlert", "DeviceAlert", "load_carrier_alerts", "load_device_alerts"]

DEVICE_COLUMNS = (
    *("code", "name", "kind", "verified", "devices", "wide_area", "always_on", "sensitive", "recipients"),
)
CARRIER_COLUMNS = ("body", "name", "code", "verified")
RECIPIENTS = frozenset({"supplier", "network_operator", "broker", "wan_provider"})


class AlertKind(StrEnum):
    """How an alert is protected, if it is sent at all."""

    CRITICAL = "critical"
    NON_CRITICAL = "non-critical"
    EVENT = "event"  # only logged
    EVENT_OR_CRITICAL = "event-or-critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAlert:
    """One event or alert code of devices. None: no source says. verified: its kind was read, not inferred."""

    code: int
    name: str
    kind: AlertKind
    verified: bool
    devices: frozenset[DeviceKind]
    wide_area: bool | None
    always_on: bool | None
    sensitive: bool | None
    recipients: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierAlert:
    """One alert of the carrier. body: name of its element in DUIS. code: empty where no source says."""

    body: str
    name: str
    code: str
    verified: bool


def load_device_alerts(additions: Sequence[Path] = ()) -> Mapping[int, DeviceAlert]:
    """Device alerts by code. additions: folders of makers. Raises CatalogueError."""
    table = load_table("device_alerts.csv", DEVICE_COLUMNS, _read_device, lambda row: f"{row.code:04X}", additions)
    return {row.code: row for row in table.values()}


def load_carrier_alerts(additions: Sequence[Path] = ()) -> Mapping[str, CarrierAlert]:
    """Carrier's alerts by the name of their body. Raises CatalogueError."""
    return load_table("carrier_alerts.csv", CARRIER_COLUMNS, _read_carrier, lambda row: row.body, additions)


def _read_device(cells: Cells) -> DeviceAlert:
    recipients = frozenset(words(cells["recipients"]))
    if unknown := recipients - RECIPIENTS:
        raise CatalogueError(f"recipient {sorted(unknown)[0]!r} is none of {', '.join(sorted(RECIPIENTS))}")
    return DeviceAlert(
        code=int(cells["code"], 16),
        name=_named(cells),
        kind=AlertKind(cells["kind"]),
        verified=bool(truth(cells["verified"])),
        devices=frozenset(map(DeviceKind, words(cells["devices"]))),
        wide_area=truth(cells["wide_area"]),
        always_on=truth(cells["always_on"]),
        sensitive=truth(cells["sensitive"]),
        recipients=recipients,
    )


def _read_carrier(cells: Cells) -> CarrierAlert:
    return CarrierAlert(
        body=cells["body"], name=_named(cells), code=cells["code"], verified=bool(truth(cells["verified"]))
    )


def _named(cells: Cells) -> str:
    if not cells["name"]:
        raise CatalogueError("a name is never empty")
    return cells["name"]
