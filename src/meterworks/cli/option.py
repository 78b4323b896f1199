"""Options that several commands share, and the configuration they add up to."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterworks.system import ConfigurationError

if TYPE_CHECKING:  # the sections of a configuration are all our folders' settings; not every command needs them
    from meterworks.system.configuration import Configuration, Layout
    from meterworks.system.settings import Resolved

__all__ = ["AsJson", "ConfigFile", "DataFolder", "Settings", "layout_of", "resolved_configuration"]

DataFolder = Annotated[Path | None, typer.Option("--data", help="Folder of everything the system keeps; var if absent")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file with settings, a section per folder")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="section.name=value, may be repeated; see `meterworks config show`"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]


def resolved_configuration(
    data: Path | None, config: Path | None, settings: list[str] | None, **more: object
) -> "Resolved[Configuration]":
    """Defaults, then the file, the environment, these options. `more`: section__name=value, None is not given."""
    from meterworks.system.configuration import load_configuration

    given: dict[str, object] = {}
    for text in settings or []:
        key, separator, value = text.partition("=")
        if not separator:
            raise ConfigurationError(f"--set {text}: write it as section.name=value")
        given[key.strip()] = value
    given |= {name.replace("__", "."): value for name, value in more.items() if value is not None}
    if data is not None:
        given["system.data"] = data
    return load_configuration(file=config, environment=os.environ, command_line=given)


def layout_of(data: Path | None, config: Path | None, settings: list[str] | None) -> "Layout":
    """Where the configured system keeps its things; a running system's own settings where none are given."""
    from meterworks.system.configuration import Layout

    if config is None and data is None and not settings:
        config = running_settings(Path("var"))
    elif config is None and data is not None:
        config = running_settings(data)
    return Layout(resolved_configuration(data, config, settings).configuration)


def running_settings(data: Path) -> Path | None:
    """The settings a system on this data folder was last started with, if any."""
    path = data / "run" / "settings.toml"
    return path if path.exists() else None
