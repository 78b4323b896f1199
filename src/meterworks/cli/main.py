"""The `meterworks` command: `meterworks <noun> <verb>`, and `meterworks up`.

Exit codes: 0 done, 1 failed, 2 misused, 3 refused, 4 unreachable, 5 outcome unknown: the error tree in numbers.
"""

import typer

from meterworks import __version__
from meterworks.cli import config, device, doctor, meter, process, readings, up
from meterworks.cli.output import fail
from meterworks.errors import MeterworksError

__all__ = ["app", "run"]

app = typer.Typer(
    name="meterworks",
    help="An open, complete smart metering system.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(name="up")(up.up)
app.command(name="doctor")(doctor.doctor)
app.command(name="process")(process.process)
app.add_typer(meter.app, name="meter")
app.add_typer(readings.app, name="readings")
app.add_typer(device.app, name="device")
app.add_typer(config.app, name="config")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def run() -> None:
    """Run the command and leave with the exit code of what happened."""
    try:
        app()
    except MeterworksError as error:
        fail(error)


if __name__ == "__main__":
    run()
