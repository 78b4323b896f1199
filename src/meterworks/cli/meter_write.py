"""`meterworks meter write`: change an attribute, after showing what will change."""

from typing import Annotated

import typer

from meterworks.cli.meter_option import Asked, Confirmed, DryRun, asks_meter
from meterworks.cli.meter_plan import goes_ahead
from meterworks.cli.option import AsJson
from meterworks.cli.output import notice, print_json
from meterworks.system.meter.access import meter_session
from meterworks.system.meter.change import change_document, plan_write
from meterworks.system.meter.change import write as carry_out
from meterworks.system.meter.objects import ObjectBook, book_of, explicit_attribute
from meterworks.system.meter.value import change_text

__all__ = ["write"]


@asks_meter
def write(
    asked: Asked,
    code: Annotated[str, typer.Argument(help="OBIS code, short code or name, with /ATTRIBUTE; or CLASS/OBIS/NUMBER")],
    value: Annotated[str, typer.Argument(help="uint16:5, octets:0aff, text:hi, datetime:2026-01-31T12:00+00:00, JSON")],
    dry_run: DryRun = False,
    yes: Confirmed = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="read the object list anew")] = False,
    as_json: AsJson = False,
) -> None:
    """Write an attribute, after showing what changes."""
    with meter_session(asked.access) as meter:
        book = ObjectBook(identity="", entries=())
        if explicit_attribute(code) is None:
            book = book_of(meter.client, client=asked.access.client, cache=asked.cache, fresh=fresh)
        plan = plan_write(meter.client, book, code, value)
        if not goes_ahead(plan, dry_run=dry_run, yes=yes, as_json=as_json):
            return
        after = carry_out(meter.client, plan)
    if as_json:
        print_json(change_document(plan, done=True, result=after))
    elif after is None:
        notice("written; the meter does not let it be read back")
    else:
        notice(f"written; the meter now says {change_text(None, after).removeprefix('? → ')}")
