"""`meterworks device`: the devices of the registry of the system on this machine."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from meterworks.cli.option import AsJson, ConfigFile, DataFolder, Settings, layout_of
from meterworks.cli.output import notice, print_json, print_rows
from meterworks.registry import DeviceFilter, DeviceId, PlacedDevice, RowOutcome, ShipmentFormat
from meterworks.system import ConfigurationError
from meterworks.system.records import import_shipment, open_records

__all__ = ["app"]

app = typer.Typer(help="Devices of the registry.", no_args_is_help=True)
PAGE = 500


def described(entry: PlacedDevice) -> dict[str, object]:
    """One device as a row for people."""
    device = entry.device
    return {
        "id": device.id,
        "serial": device.serial,
        "identity": device.identity,
        "model": device.model,
        "firmware": device.firmware,
        "state": device.state.value,
        "connection": device.connection.value,
        "address": device.address,
        "usage_point": entry.usage_point.id if entry.usage_point else None,
    }


@app.command(name="list")
def list_devices(
    search: Annotated[str, typer.Option(help="part of serial, identity, usage point, name or address")] = "",
    limit: Annotated[int, typer.Option(help="rows at most")] = 100,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """List devices and where they stand."""

    async def find() -> list[PlacedDevice]:
        found: list[PlacedDevice] = []
        async with open_records(layout_of(data, config, settings)) as records:
            after: str | None = None
            while len(found) < limit:
                page = await records.registry.devices(
                    DeviceFilter(search=search), after=after, limit=min(PAGE, limit - len(found))
                )
                found += page.items
                after = page.next_cursor
                if after is None:
                    break
        return found

    print_rows([described(entry) for entry in asyncio.run(find())], as_json=as_json)


@app.command()
def show(
    device: Annotated[int, typer.Argument(help="number of the device")],
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Print all that the registry knows of a device, its installations included."""

    async def find() -> dict[str, object]:
        async with open_records(layout_of(data, config, settings)) as records:
            found = await records.registry.device(DeviceId(device))
            installations = await records.registry.installations(device_id=DeviceId(device))
        return {
            "id": found.id,
            "serial": found.serial,
            "identity": found.identity,
            "scheme": found.scheme.value,
            "manufacturer": found.manufacturer,
            "model": found.model,
            "firmware": found.firmware,
            "medium": found.medium.value,
            "phases": found.phases,
            "address": found.address,
            "connection": found.connection.value,
            "interval_s": found.interval_s,
            "state": found.state.value,
            "sealed_by": found.sealed_by or None,
            "installations": [
                {"usage_point": row.usage_point_id, "from": row.starts_at, "to": row.ends_at} for row in installations
            ],
        }

    print_json(asyncio.run(find()))


def _form_of(path: Path) -> ShipmentFormat:
    forms: dict[str, ShipmentFormat] = {".csv": "csv", ".json": "json", ".xml": "xml"}
    if path.suffix.lower() not in forms:
        raise ConfigurationError(f"{path}: a shipment is named .csv, .json or .xml")
    return forms[path.suffix.lower()]


@app.command()
def add(
    shipment: Annotated[
        Path, typer.Argument(help="shipment file, also sealed: .csv, .json or .xml (docs/shipment.md)")
    ],
    transport_key: Annotated[Path, typer.Option(help="file that holds the transport key, hex digits")],
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Add the devices of a shipment file, keys and all; one bad row never stops the others."""
    try:
        content = shipment.read_bytes()
        key = bytes.fromhex(transport_key.read_text().strip())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"shipment {shipment} with key file {transport_key}: {error}") from error

    form = _form_of(shipment)

    async def load() -> list[dict[str, object]]:
        result = await import_shipment(layout_of(data, config, settings), content, form, transport_key=key)
        if result.sealed_by:
            notice(f"sealed by {result.sealed_by}")
        return [
            {"line": row.line, "identity": row.identity, "outcome": row.outcome.value, "message": row.message}
            for row in result.rows
        ]

    rows = asyncio.run(load())
    print_rows(rows, as_json=as_json)
    failed = sum(row["outcome"] == RowOutcome.REFUSED.value for row in rows)
    notice(f"{len(rows) - failed} rows taken, {failed} refused")
    if failed:
        raise typer.Exit(1)
