"""What a meter does by itself as time passes: limits, schedules, credits that run out.

Nothing runs per meter. A behaviour says when it would act next, as a pure function of the load and of what was written
into the meter, and is brought up to date when the meter is addressed or when the fleet looks at it: the instant at
which it acted, its events and the registers after it are the same however late somebody looks. Acts of several
behaviours happen in the order of their instants, because each may change what the others see.

Only meters into which something was written are looked at; a behaviour at its factory setting costs nothing.
"""

import struct
from collections.abc import Sequence
from typing import Final, Protocol

from meterworks.devices.view import MeterView

__all__ = ["ACTS_MAX", "REACH_S", "Watch", "catch_up", "note_change"]

REACH_S: Final = 40 * 86_400  # how far back what was missed is made up for
ACTS_MAX: Final = 4096  # in one go: a behaviour that switches every minute of three days
_LOOKED_KEY: Final = (bytes(6), 0x100)
_EPOCH: Final = struct.Struct("<q")


class Watch(Protocol):
    """One behaviour. All times are whole seconds of the meter's clock."""

    def is_active(self, view: MeterView) -> bool:
        """Tell whether it could act at all; cheap."""

    def due(self, view: MeterView, after_s: int, until_s: int) -> int | None:
        """Give the first instant in (after, until] at which it acts; None where there is none."""

    def act(self, view: MeterView, at_s: int) -> None:
        """Act as it would have at that instant."""


def catch_up(view: MeterView, watches: Sequence[Watch]) -> None:
    """Let everything happen that was due until now.

    A clock that was set back makes nothing happen twice.
    """
    now_s = int(view.now_epoch_s())
    if now_s == view.caught_up_s:  # nothing is due twice in one second: of many reads only the first looks
        return
    view.caught_up_s = now_s
    active = [watch for watch in watches if watch.is_active(view)]
    if not active:
        return
    after_s = _looked(view)
    if after_s is None or after_s > now_s:
        note_change(view)
        return
    if after_s == now_s:
        return  # somebody looked in this very second
    after = dict.fromkeys(range(len(active)), max(after_s, now_s - REACH_S))
    for _ in range(ACTS_MAX):
        pending = [
            (at_s, number)
            for number, watch in enumerate(active)
            if (at_s := watch.due(view, after[number], now_s)) is not None
        ]
        if not pending:
            view.looked_s = now_s
            return
        at_s, number = min(pending)
        # What is due at the same instant still has to come, in the order of the table.
        after = {other: max(since, at_s - 1) for other, since in after.items()} | {number: at_s}
        active[number].act(view, at_s)
        _remember(view, at_s)  # where ever so much is due, the next look goes on from here


def note_change(view: MeterView) -> None:
    """Begin to look from now on: for whoever writes the setting of a behaviour, after bringing it up to date."""
    _remember(view, int(view.now_epoch_s()))


def _looked(view: MeterView) -> int | None:
    """Give until when everything has happened; after a restart the last act or change, None before the first."""
    if view.looked_s is None:
        kept = view.written(_LOOKED_KEY)
        if kept is not None:
            (view.looked_s,) = _EPOCH.unpack(kept)
    return view.looked_s


def _remember(view: MeterView, at_s: int) -> None:
    view.looked_s = at_s
    view.write(_LOOKED_KEY, _EPOCH.pack(at_s))
