"""`meterworks conformance`: judge decoders, servers and clients of DLMS/COSEM; each verb is loaded when called."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import typer

from meterworks.cli.late import LateGroup, Row

__all__ = ["Verbs", "app"]


class Verbs(LateGroup):
    """The verbs of the group."""

    table: ClassVar[Mapping[str, Row]] = MappingProxyType(
        {
            "vectors": Row(
                module="meterworks.cli.conformance_vectors",
                help="Run every vector of a folder with the code that talks to meters; exit code 1 if any failed.",
            ),
            "run": Row(
                module="meterworks.cli.conformance_run",
                help="Test a server: numbered tests of association, services, blocks, security, classes, data link,"
                " robustness.",
            ),
            "serve": Row(
                module="meterworks.cli.conformance_serve",
                help="Judge a client: let it connect again and again, read and leave; each connection meets another"
                " scenario.",
            ),
        }
    )


app = typer.Typer(cls=Verbs, help="Conformance of DLMS/COSEM: vectors, servers, clients.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Conformance of DLMS/COSEM: vectors, servers, clients."""
