"""`meterworks meter act`: invoke a method, after showing what will be sent."""

from typing import Annotated

import typer

from meterworks.cli.meter_option import Asked, Confirmed, DryRun, asks_meter
from meterworks.cli.meter_plan import goes_ahead
from meterworks.cli.option import AsJson
from meterworks.cli.output import notice, print_json
from meterworks.system.meter.access import meter_session
from meterworks.system.meter.change import act as carry_out
from meterworks.system.meter.change import change_document, plan_action
from meterworks.system.meter.objects import ObjectBook, book_of
from meterworks.system.meter.value import change_text

__all__ = ["act"]


@asks_meter
def act(
    asked: Asked,
    method: Annotated[str, typer.Argument(help="CODE/METHOD, as 0-0:96.3.10.255/remote_disconnect; CLASS/OBIS/NUMBER")],
    parameter: Annotated[str | None, typer.Argument(help="as in `meter write`; int8:0 if left out")] = None,
    dry_run: DryRun = False,
    yes: Confirmed = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="read the object list anew")] = False,
    as_json: AsJson = False,
) -> None:
    """Invoke a method, after showing what will be sent."""
    with meter_session(asked.access) as meter:
        book = ObjectBook(identity="", entries=())
        if method.count("/") < 2:
            book = book_of(meter.client, client=asked.access.client, cache=asked.cache, fresh=fresh)
        plan = plan_action(book, method, parameter)
        if not goes_ahead(plan, dry_run=dry_run, yes=yes, as_json=as_json):
            return
        returned = carry_out(meter.client, plan)
    if as_json:
        print_json(change_document(plan, done=True, result=returned))
    else:
        notice("done" if returned is None else f"done; it returned {change_text(None, returned).removeprefix('? → ')}")
