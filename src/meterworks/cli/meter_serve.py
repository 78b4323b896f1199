"""`meterworks meter serve`: one emulated meter for other people's clients."""

from pathlib import Path
from typing import Annotated

import typer

from meterworks.cli.output import notice

__all__ = ["serve"]


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
    """Be one emulated meter, until Ctrl-C."""
    from meterworks.system.lone_meter import LoneMeter, serve_lone_meter  # a fleet, which reading a meter needs not

    serve_lone_meter(
        LoneMeter(host=host, port=port, phases=phases, seed=seed, keys_file=keys, state_folder=state), announce=notice
    )
