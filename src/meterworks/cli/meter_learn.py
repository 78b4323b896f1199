"""`meterworks meter learn`: a device model from what a meter shows."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from meterworks.cli.meter_option import Asked, asks_meter_or_file
from meterworks.cli.option import AsJson
from meterworks.cli.output import notice, print_json
from meterworks.system import ConfigurationError
from meterworks.system.meter.access import meter_session
from meterworks.system.meter.objects import book_of

__all__ = ["learn"]


@asks_meter_or_file
def learn(
    asked: Asked,
    name: Annotated[str, typer.Option(help="name of the model")] = "learnt meter",
    save: Annotated[Path | None, typer.Option(help="write the table to this file")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="read the object list anew")] = False,
    as_json: AsJson = False,
) -> None:
    """Propose a device model from a live meter or from a dump of its objects."""
    from meterworks.system.meter.model import entries_of_file, proposal_document
    from meterworks.system.meter.model import learn as propose  # all device models: not for `--help`

    if asked.file is not None:
        entries = entries_of_file(asked.file)
    else:
        with meter_session(asked.access) as meter:
            entries = book_of(meter.client, client=asked.access.client, cache=asked.cache, fresh=fresh).entries
    proposal = propose(entries, name)
    counts = ", ".join(f"{count} {source}" for source, count in sorted(proposal.sources.items()))
    notice(f"{len(proposal.rows)} objects: {counts}; {len(proposal.left_out)} left out")
    for entry in proposal.generic:
        notice(
            f"note: no row for class {entry.class_id} version {entry.version}: {entry.obis_code.text} is kept generic"
        )
    if save is not None:
        try:
            save.write_text(proposal.text, encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{save} cannot be written: {error.strerror}") from error
        notice(f"written to {save}")
    elif as_json:
        print_json(proposal_document(proposal))
    else:
        sys.stdout.write(proposal.text)
