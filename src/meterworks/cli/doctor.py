"""`meterworks doctor`: what a system would need of this machine, and whether it has it."""

import typer

from meterworks.cli.option import AsJson, ConfigFile, DataFolder, Settings, resolved_configuration
from meterworks.cli.output import print_rows
from meterworks.system.configuration import Layout
from meterworks.system.examination import examine

__all__ = ["doctor"]


def doctor(
    data: DataFolder = None, config: ConfigFile = None, settings: Settings = None, as_json: AsJson = False
) -> None:
    """Check versions, ports, loopback addresses, disk, clock and the limits of this machine."""
    findings = examine(Layout(resolved_configuration(data, config, settings).configuration))
    rows = [{"check": row.check, "state": row.state, "found": row.found, "advice": row.advice} for row in findings]
    print_rows(rows, as_json=as_json)
    if any(row.state == "bad" for row in findings):
        raise typer.Exit(1)
