"""The `meterworks` command: `meterworks <noun> <verb>`, and `meterworks up`.

Exit codes: 0 done, 1 failed, 2 misused, 3 refused, 4 unreachable, 5 outcome unknown: the error tree in numbers.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import typer

from meterworks import __version__
from meterworks.cli.late import LateGroup, Row
from meterworks.errors import MeterworksError

__all__ = ["Commands", "app", "run"]


class Commands(LateGroup):
    """The command's verbs and nouns, each loaded when it is called."""

    table: ClassVar[Mapping[str, Row]] = MappingProxyType(
        {
            "up": Row(
                module="meterworks.cli.up",
                help="Start the system: bus, meters, head-end, writer, API and portal."
                " The first start makes a neighbourhood.",
            ),
            "doctor": Row(
                module="meterworks.cli.doctor",
                help="Check versions, ports, loopback addresses, disk, clock and the limits of this machine.",
            ),
            "process": Row(
                module="meterworks.cli.process",
                help="Run one process of a system until SIGTERM, on the settings the system was last started with.",
            ),
            "meter": Row(module="meterworks.cli.meter", help="Meters: read one, or be one."),
            "readings": Row(module="meterworks.cli.readings", help="Readings of the warehouse."),
            "account": Row(
                module="meterworks.cli.account",
                help="Accounts: list, make one for an operator or auditor, close, reset factors.",
            ),
            "device": Row(module="meterworks.cli.device", help="Devices of the registry."),
            "keys": Row(
                module="meterworks.cli.key",
                help="Keys of meters: rotate them, watch campaigns, see states; never a key.",
            ),
            "decode": Row(
                module="meterworks.cli.decode",
                help="Decode octets, a file or a packet capture into an annotated tree; exit code 1 where something is"
                " malformed.",
            ),
            "conformance": Row(
                module="meterworks.cli.conformance", help="Conformance of DLMS/COSEM: vectors, servers, clients."
            ),
            "gb": Row(module="meterworks.cli.gb", help="Service requests of the GB system: commands, checks, forms."),
            "audit": Row(module="meterworks.cli.audit", help="The audit trail: verify, show, prove, export."),
            "pki": Row(
                module="meterworks.cli.pki", help="Certificates: authorities, issuing, revocation, verification."
            ),
            "keystore": Row(
                module="meterworks.cli.keystore",
                help="Vaults of private keys; ceremonies of keys under k of n holders.",
            ),
            "backup": Row(module="meterworks.cli.backup", help="Sealed backups of the system's data folder, and back."),
            "privacy": Row(
                module="meterworks.cli.privacy",
                help="Personal data: export, erase, consents, retention, holds, register of flows.",
            ),
            "config": Row(module="meterworks.cli.config", help="The system's settings."),
        }
    )


app = typer.Typer(
    name="meterworks",
    cls=Commands,
    help="An open, complete smart metering system.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """An open, complete smart metering system."""


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def run() -> None:
    """Run the command and leave with the exit code of what happened."""
    try:
        app()
    except MeterworksError as error:
        from meterworks.cli.output import fail  # the terminal's library: not before there is something to say

        fail(error)


if __name__ == "__main__":
    run()
