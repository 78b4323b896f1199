"""`meterworks process`: one process of a system, as the supervisor starts it and as a person may."""

import sys
from typing import Annotated

import typer

from meterworks.cli.option import ConfigFile, DataFolder, Settings, layout_of
from meterworks.system import ConfigurationError
from meterworks.system.serving import SERVANT_MODULES, run_until_stopped, servant_of
from meterworks.system.vault import handed_secrets

__all__ = ["MODULES", "process"]

MODULES = {**SERVANT_MODULES, "web": "meterworks.cli.web"}


def process(
    name: Annotated[str, typer.Argument(help=f"one of {', '.join(MODULES)}")],
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    behind: Annotated[
        list[str] | None, typer.Option(help="wait until this process is ready, may be repeated; `stores` for the start")
    ] = None,
    secrets_on_input: Annotated[
        bool,
        typer.Option(
            "--secrets-on-input", help="take the vault's secret from standard input, as a supervisor gives it"
        ),
    ] = False,
) -> None:
    """Run one process of a system until SIGTERM, on the settings the system was last started with."""
    if name not in MODULES:
        raise ConfigurationError(f"there is no process {name}: it is one of {', '.join(MODULES)}")
    secrets = handed_secrets(sys.stdin.buffer) if secrets_on_input else None
    layout = layout_of(data, config, settings)
    run_until_stopped(name, layout, servant_of(MODULES[name]), behind=behind or (), secrets=secrets)
