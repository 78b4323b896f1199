"""`meterworks config`: what is set, and where each value came from."""

import typer

from meterworks.cli.option import AsJson, ConfigFile, DataFolder, Settings, resolved_configuration
from meterworks.cli.output import print_rows

__all__ = ["app"]

app = typer.Typer(help="The system's settings.", no_args_is_help=True)
_HIDDEN = ("password", "secret", "key")


@app.command()
def show(
    data: DataFolder = None, config: ConfigFile = None, settings: Settings = None, as_json: AsJson = False
) -> None:
    """Print each setting with its value and its origin: default, file, environment variable or command line."""
    resolved = resolved_configuration(data, config, settings)
    rows = [{"setting": row.key, "value": shown(row.key, row.value), "origin": row.source} for row in resolved.origins]
    print_rows(rows, as_json=as_json)


def shown(key: str, value: object) -> object:
    """A value as it may be shown: passwords inside addresses are not."""
    if isinstance(value, str) and "@" in value and "://" in value:
        scheme, _, rest = value.partition("://")
        return f"{scheme}://...@{rest.rpartition('@')[2]}"
    name = key.rpartition(".")[2]
    if value and any(part in name.split("_") for part in _HIDDEN) and not name.endswith("reference"):
        return "(set)"
    return value if isinstance(value, int | float | bool | None) else str(value)
