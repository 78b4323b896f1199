"""`meterworks meter`: read any DLMS/COSEM meter, and serve an emulated one for other people's clients."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn

from meterworks.cli.option import AsJson
from meterworks.cli.output import notice, print_json, print_rows
from meterworks.links import BlockingDlmsClient
from meterworks.protocols.dlms import AttributeAddress, ObisCode, decode_all
from meterworks.system import ConfigurationError
from meterworks.system.meter_reading import (
    OWN_SYSTEM_TITLE,
    MeterAccess,
    load_keys,
    object_list,
    open_meter,
    read_profile,
    save_table,
)

__all__ = ["app"]

app = typer.Typer(help="Meters: read one, or be one.", no_args_is_help=True)

Hex = Annotated[str | None, typer.Option(help="hex digits")]


def _octets(name: str, text: str | None, size: int) -> bytes | None:
    if text is None:
        return None
    try:
        octets = bytes.fromhex(text)
    except ValueError as error:
        raise ConfigurationError(f"--{name} {text}: hex digits expected") from error
    if len(octets) != size:
        raise ConfigurationError(f"--{name} has {len(octets)} octets, {size} expected")
    return octets


def _instant(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"--{name} {text}: write it as 2026-01-31 or 2026-01-31T12:00+00:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _host_and_port(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator:
        return text, 4059
    try:
        return host.strip("[]"), int(port)
    except ValueError as error:
        raise ConfigurationError(f"{text}: write the meter's address as HOST or HOST:PORT") from error


@app.command()
def read(
    address: Annotated[str, typer.Argument(help="HOST or HOST:PORT of the meter (TCP wrapper)")],
    client: Annotated[int, typer.Option(help="client address: 16 public, 2 reader, 1 management")] = 16,
    server: Annotated[int, typer.Option(help="server address (logical device)")] = 1,
    keys: Annotated[Path | None, typer.Option(help="file with the meter's keys, as `meter serve` writes it")] = None,
    system_title: Annotated[str | None, typer.Option(help="our own system title, 16 hex digits")] = None,
    counter: Annotated[
        int | None, typer.Option(help="our first invocation counter; asked of the meter if absent")
    ] = None,
    attribute: Annotated[
        str | None, typer.Option(help="read one attribute: CLASS/OBIS/NUMBER, as 3/1.0.1.8.0.255/2")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="read a profile, as 1.0.99.1.0.255")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="first row's time, UTC unless it has an offset")] = None,
    to: Annotated[str | None, typer.Option("--to", help="last row's time")] = None,
    output: Annotated[Path | None, typer.Option(help="write the profile to this .csv or .parquet file")] = None,
    timeout_s: Annotated[float, typer.Option(help="longest wait for one answer, seconds")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Associate with a meter and read it: its object list, one attribute, or a profile as a table."""
    host, port = _host_and_port(address)
    secrets = load_keys(keys) if keys else {}
    own_title = _octets("system-title", system_title, 8)
    access = MeterAccess(
        host=host, port=port, client=client, server=server, counter=counter, timeout_s=timeout_s,
        guek=secrets.get("guek"), gak=secrets.get("gak"), password=secrets.get("password"),
        system_title=own_title or OWN_SYSTEM_TITLE,
    )  # fmt: skip
    first, last = _instant("from", from_), _instant("to", to)
    with open_meter(access) as meter:
        if attribute is not None:
            _print_attribute(meter, attribute)
        elif profile is not None:
            _print_profile(meter, ObisCode(profile), first, last, output)
        else:
            entries = object_list(meter)
            rows = [{"class": row.class_id, "version": row.version, "obis_code": row.obis_code.text} for row in entries]
            print_rows(rows, as_json=as_json)
        meter.release()


def _print_attribute(meter: BlockingDlmsClient, text: str) -> None:
    try:
        class_id, name, number = text.split("/")
        address = AttributeAddress(int(class_id), ObisCode(name), int(number))
    except ValueError as error:
        raise ConfigurationError(f"--attribute {text}: write it as CLASS/OBIS/NUMBER, as 3/1.0.1.8.0.255/2") from error
    print_json(_plain(decode_all(meter.get(address))))


def _plain(value: object) -> object:
    """A decoded value as JSON can say it."""
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, int | float | str | bool | None) else str(value)


def _print_profile(
    meter: BlockingDlmsClient, profile: ObisCode, first: datetime | None, last: datetime | None, output: Path | None
) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"reading {profile.text}", total=None)
        table = read_profile(meter, profile, first, last, lambda _block, size: bar.update(task, completed=size))
    if output is not None:
        save_table(table, output)
        notice(f"{table.num_rows} rows written to {output}")
        return
    print_rows([{name: str(value) for name, value in row.items()} for row in table.to_pylist()], as_json=False)


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="address to listen on; any other than loopback is reachable from outside")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on")] = 4059,
    phases: Annotated[int, typer.Option(help="1 or 3")] = 1,
    seed: Annotated[int, typer.Option(help="which household stands behind it")] = 1,
    keys: Annotated[
        Path | None, typer.Option(help="keys file: used if it exists, else written with fresh keys")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="folder that keeps counters and switches between runs")] = None,
) -> None:
    """Be one emulated electricity meter with 13 months of history, until Ctrl-C."""
    from meterworks.system.lone_meter import LoneMeter, serve_lone_meter  # a fleet, which reading a meter needs not

    serve_lone_meter(
        LoneMeter(host=host, port=port, phases=phases, seed=seed, keys_file=keys, state_folder=state), announce=notice
    )
