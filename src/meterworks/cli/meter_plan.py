"""Changes of a meter are shown before they are made: what `meterworks meter write` and `act` have in common."""

from meterworks.cli.meter_option import confirm
from meterworks.cli.output import notice, print_json
from meterworks.system.meter.change import PlannedAction, PlannedWrite, change_document

__all__ = ["goes_ahead"]


def goes_ahead(plan: PlannedAction | PlannedWrite, *, dry_run: bool, yes: bool, as_json: bool) -> bool:
    """Show what a change would do and ask for it; False when it was only to be shown.

    Raises ConfigurationError where nobody is there to ask, Abort for a no.
    """
    question, undone = ("Write it?", "written") if isinstance(plan, PlannedWrite) else ("Invoke it?", "sent")
    notice(plan.text)
    for doubt in plan.doubts:
        notice(f"note: {doubt}")
    if not dry_run:
        confirm(question, yes=yes)
        return True
    notice(f"nothing was {undone}")
    if as_json:
        print_json(change_document(plan, done=False))
    return False
