"""`meterworks meter serve`: one emulated meter for other people's clients."""

from pathlib import Path
from typing import Annotated

import typer

from meterworks.cli.output import notice
from meterworks.system import ConfigurationError

__all__ = ["serve"]


def serve(
    host: Annotated[
        str, typer.Option(help="address to listen on; any other than loopback is reachable from outside")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on")] = 4059,
    framing: Annotated[str, typer.Option(help="wrapper or hdlc")] = "wrapper",
    model: Annotated[
        str, typer.Option(help="style of device model: meterworks, idis or dsmr; -1 or -3 behind it for the phases")
    ] = "meterworks",
    phases: Annotated[int, typer.Option(help="1 or 3")] = 1,
    seed: Annotated[int, typer.Option(help="which household stands behind it")] = 1,
    suite: Annotated[int, typer.Option(help="security suite: 0, 1 or 2")] = 0,
    mechanism: Annotated[
        str, typer.Option(help="how reader and management client prove themselves: low, md5, sha1, gmac, sha256, ecdsa")
    ] = "gmac",
    short_names: Annotated[bool, typer.Option("--short-names", help="be addressed by short names")] = False,
    keys: Annotated[
        Path | None, typer.Option(help="keys file: used if it exists, else written with fresh keys")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="folder that keeps counters and switches between runs")] = None,
) -> None:
    """Be one emulated meter, until Ctrl-C."""
    from meterworks.system.meter.lone import (  # a fleet, which reading a meter needs not
        SERVED_MECHANISMS,
        LoneMeter,
        serve_lone_meter,
    )

    if mechanism not in SERVED_MECHANISMS:
        raise ConfigurationError(f"--mechanism {mechanism}: it is one of {', '.join(SERVED_MECHANISMS)}")
    if framing not in ("wrapper", "hdlc"):
        raise ConfigurationError(f"--framing {framing}: it is wrapper or hdlc")
    meter = LoneMeter(
        host=host, port=port, phases=phases, seed=seed, keys_file=keys, state_folder=state, model=model, suite=suite,
        short_names=short_names,
        framing="hdlc" if framing == "hdlc" else "wrapper", mechanism=SERVED_MECHANISMS[mechanism],
    )  # fmt: skip
    serve_lone_meter(meter, announce=notice)
