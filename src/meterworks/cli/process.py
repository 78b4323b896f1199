"""`meterworks process`: one process of a system, as the supervisor starts it and as a person may."""

from typing import Annotated

import typer

from meterworks.cli.option import ConfigFile, DataFolder, Settings, layout_of
from meterworks.system import PROCESS_ORDER, SERVANTS, ConfigurationError, Servant, run_until_stopped

__all__ = ["process"]


def process(
    name: Annotated[str, typer.Argument(help=f"one of {', '.join(PROCESS_ORDER)}")],
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Run one process of a system until SIGTERM, on the settings the system was last started with."""
    if name not in PROCESS_ORDER:
        raise ConfigurationError(f"there is no process {name}: it is one of {', '.join(PROCESS_ORDER)}")
    serve = SERVANTS.get(name) or web_servant()
    run_until_stopped(name, layout_of(data, config, settings), serve)


def web_servant() -> Servant:
    """The web process's work; a second of imports that no other process needs."""
    from meterworks.cli.web import serve_web

    return serve_web
