"""`meterworks meter discover`: what a meter offers to whom."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from meterworks.cli.option import AsJson
from meterworks.cli.output import notice, print_json, print_rows
from meterworks.links import MeterTarget
from meterworks.system import ConfigurationError
from meterworks.system.meter.discovery import CLIENTS, discovery_document, discovery_rows
from meterworks.system.meter.discovery import discover as find
from meterworks.system.meter.trace import TraceFile

__all__ = ["discover"]

ADDRESSES_MAX = 256


def _numbers(option: str, text: str) -> list[int]:
    """Read `16,1,2` and `1-10`. Raises ConfigurationError."""
    found: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.partition("-")
            found += range(int(first), int(last if dash else first) + 1)
    except ValueError as error:
        raise ConfigurationError(f"{option} {text}: write numbers and ranges, as 16,1-3") from error
    if not found or len(found) > ADDRESSES_MAX or min(found) < 0 or max(found) > 0xFFFF:
        raise ConfigurationError(f"{option} {text}: 1 to {ADDRESSES_MAX} addresses between 0 and 65535")
    return found


def discover(
    target: Annotated[
        str, typer.Argument(help="HOST, HOST:PORT, udp://HOST, hdlc+tcp://HOST:PORT or serial:///dev/ttyUSB0")
    ],
    clients: Annotated[str, typer.Option(help="client addresses to try, as 16,1-3")] = ",".join(map(str, CLIENTS)),
    servers: Annotated[str, typer.Option(help="server addresses (logical devices) to try")] = "1",
    trace: Annotated[Path | None, typer.Option(help="write the session to this .pcap file")] = None,
    timeout_s: Annotated[float, typer.Option(help="longest wait for one answer, seconds")] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Find out, without any key, which associations a meter offers."""
    where = MeterTarget.from_text(target)
    client_saps, server_saps = _numbers("--clients", clients), _numbers("--servers", servers)
    with TraceFile(trace) if trace else nullcontext() as tap:
        found = find(
            where, clients=client_saps, servers=server_saps, timeout_s=timeout_s,
            tell=lambda text: notice(f"... {text}"), tap=tap,
        )  # fmt: skip
    if as_json:
        print_json(discovery_document(found))
        return
    for line in found.notes:
        notice(f"note: {line}")
    print_rows(discovery_rows(found), as_json=False)
