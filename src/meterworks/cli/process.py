"""`meterworks process`: one process of a system, as the supervisor starts it and as a person may."""

from typing import Annotated

import typer

from meterworks.cli.option import ConfigFile, DataFolder, Settings, layout_of
from meterworks.system import ConfigurationError
from meterworks.system.serving import PROCESS_NAMES, SERVANT_MODULES, run_until_stopped, servant_of

__all__ = ["process"]

MODULES = {**SERVANT_MODULES, "web": "meterworks.cli.web"}


def process(
    name: Annotated[str, typer.Argument(help=f"one of {', '.join(PROCESS_NAMES)}")],
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Run one process of a system until SIGTERM, on the settings the system was last started with."""
    if name not in PROCESS_NAMES:
        raise ConfigurationError(f"there is no process {name}: it is one of {', '.join(PROCESS_NAMES)}")
    run_until_stopped(name, layout_of(data, config, settings), servant_of(MODULES[name]))
