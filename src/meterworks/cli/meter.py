"""`meterworks meter`: read any DLMS/COSEM meter, change it, update it, and serve an emulated one."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import typer

from meterworks.cli.late import LateGroup, Row

__all__ = ["MeterCommands", "app"]


class MeterCommands(LateGroup):
    """The verbs of a meter, each loaded when it is called: most need no tables, and none needs them all."""

    table: ClassVar[Mapping[str, Row]] = MappingProxyType(
        {
            "discover": Row(
                module="meterworks.cli.meter_discover",
                help="Find out, without any key, which associations a meter offers.",
            ),
            "objects": Row(
                module="meterworks.cli.meter_objects",
                help="Show what a meter has, as a tree with names and rights.",
            ),
            "learn": Row(
                module="meterworks.cli.meter_learn",
                help="Propose a device model from a live meter or from a dump of its objects.",
            ),
            "read": Row(
                module="meterworks.cli.meter_read",
                help="Read anything by OBIS code, short code or name; a profile as a table.",
            ),
            "write": Row(module="meterworks.cli.meter_write", help="Write an attribute, after showing what changes."),
            "act": Row(module="meterworks.cli.meter_act", help="Invoke a method, after showing what will be sent."),
            "update": Row(
                module="meterworks.cli.meter_update",
                help="Transfer an image to a meter or to an M-Bus device behind it, verify and activate it.",
            ),
            "replay": Row(
                module="meterworks.cli.meter_replay",
                help="Play one side of a recorded session against the other, and report what differs.",
            ),
            "serve": Row(module="meterworks.cli.meter_serve", help="Be one emulated meter, until Ctrl-C."),
        }
    )


app = typer.Typer(cls=MeterCommands, help="Meters: read one, or be one.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Meters: read one, or be one."""
