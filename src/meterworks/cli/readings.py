"""`meterworks readings`: readings out of the system on this machine."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.csv as pa_csv
import typer

from meterworks.catalogue import channel_by_code
from meterworks.cli.option import ConfigFile, DataFolder, Settings, layout_of
from meterworks.cli.output import notice
from meterworks.registry import DeviceId, UsagePointId
from meterworks.system import ConfigurationError
from meterworks.system.meter.profile import save_table
from meterworks.system.records import open_records

__all__ = ["app"]

app = typer.Typer(help="Readings of the warehouse.", no_args_is_help=True)


def instant(name: str, text: str | None) -> datetime | None:
    """An instant as people write it; without an offset it is UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"--{name} {text}: write it as 2026-01-31 or 2026-01-31T12:00+00:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@app.command()
def export(
    device: Annotated[int | None, typer.Option(help="number of a device")] = None,
    metering_point: Annotated[
        str | None, typer.Option(help="a metering point: its devices stitched to one series")
    ] = None,
    channel: Annotated[list[str] | None, typer.Option(help="channel code, may be repeated")] = None,
    from_: Annotated[str, typer.Option("--from", help="first instant, UTC unless it has an offset")] = "1970-01-01",
    to: Annotated[str | None, typer.Option(help="end, not included; now if absent")] = None,
    as_of: Annotated[str | None, typer.Option(help="what was known at this instant")] = None,
    output: Annotated[Path | None, typer.Option(help=".csv or .parquet file; CSV to standard output if absent")] = None,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Write the readings of a device or of a metering point."""
    if (device is None) == (metering_point is None):
        raise ConfigurationError("name either --device or --metering-point")
    channels = [channel_by_code(code).id for code in channel or ["electricity.import.active.30min"]]
    first, known = instant("from", from_), instant("as-of", as_of)
    assert first is not None

    async def find() -> pa.Table:
        async with open_records(layout_of(data, config, settings)) as records:
            last = instant("to", to) or records.clock.now()
            if device is not None:
                found = await records.registry.device(DeviceId(device))
                return await records.readings.by_device(found.id, channels, first, last, as_of=known)
            point = await records.registry.usage_point(UsagePointId(str(metering_point)))
            installed = await records.installed_at(point.id, first, last)
            return await records.readings.by_usage_point(installed, channels, first, last, as_of=known)

    table = asyncio.run(find())
    if output is not None:
        save_table(table, output)
        notice(f"{table.num_rows} readings written to {output}")
    else:
        pa_csv.write_csv(table, sys.stdout.buffer)
