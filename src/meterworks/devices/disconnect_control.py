"""The supply switch of a meter (class 70) and the script that works it.

The control state has three values: disconnected, connected, and ready for reconnection, in which the supply is off and
somebody at the meter may switch it on. Eight transitions lead between them; who may trigger which depends on the
control mode. The letters are those of the standard's state diagram.  Source: class 70, attributes 3 and 4.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

from meterworks.devices.view import LOG_STANDARD, MeterView
from meterworks.protocols.dlms import ActionResult, DataAccessResult, PlainValue, encode_boolean, encode_enum

__all__ = [
    "COMMANDS", "CONTROL_MODES", "SETTINGS", "STATES", "SWITCH_SCRIPTS", "TRANSITIONS", "ControlState", "Origin",
    "SwitchOrder", "Transition", "operate",
]  # fmt: skip


class ControlState(IntEnum):
    """Attribute 3."""

    DISCONNECTED = 0
    CONNECTED = 1
    READY = 2


class Origin(Enum):
    """Who wants the switch worked."""

    REMOTE = "remote"  # a client, or a schedule that a client wrote
    MANUAL = "manual"  # a hand at the meter
    LOCAL = "local"  # the meter itself: limiter, credit


class SwitchOrder(IntEnum):
    """What is wanted; the numbers are those of the methods and of the scripts."""

    DISCONNECT = 1
    RECONNECT = 2


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow of the state diagram, and the event of the standard log that it leaves."""

    origin: Origin
    order: SwitchOrder
    before: ControlState
    after: ControlState
    event: int


_OFF, _ON, _READY = ControlState
_DISCONNECT, _RECONNECT = SwitchOrder

TRANSITIONS: Final[Mapping[str, Transition]] = {
    "a": Transition(Origin.REMOTE, _RECONNECT, _OFF, _ON, 63),
    "b": Transition(Origin.REMOTE, _DISCONNECT, _ON, _OFF, 62),
    "c": Transition(Origin.REMOTE, _DISCONNECT, _READY, _OFF, 62),
    "d": Transition(Origin.REMOTE, _RECONNECT, _OFF, _READY, 59),
    "e": Transition(Origin.MANUAL, _RECONNECT, _READY, _ON, 61),
    "f": Transition(Origin.MANUAL, _DISCONNECT, _ON, _READY, 60),
    "g": Transition(Origin.LOCAL, _DISCONNECT, _ON, _READY, 64),
    "h": Transition(Origin.LOCAL, _RECONNECT, _READY, _ON, 69),
}

#: Which arrows exist in each control mode. In mode 0 the supply is always connected.
CONTROL_MODES: Final[Mapping[int, str]] = {
    0: "", 1: "bcdefg", 2: "abcefg", 3: "bcdeg", 4: "abceg", 5: "bcdefgh", 6: "bcdegh",
}  # fmt: skip

#: Where an order has nothing left to do. Ready is off, and as far as a remote reconnection leads in some modes.
_REACHED: Final[Mapping[SwitchOrder, frozenset[ControlState]]] = {
    SwitchOrder.DISCONNECT: frozenset({ControlState.DISCONNECTED}),
    SwitchOrder.RECONNECT: frozenset({ControlState.CONNECTED}),
}
EVENT_CONNECTED_REMOTELY: Final = 63
SWITCH_SCRIPTS: Final = bytes((0, 0, 10, 0, 106, 255))


def operate(view: MeterView, origin: Origin, order: SwitchOrder, *, at_s: int | None = None) -> ActionResult:
    """Work the switch, if the control mode has such a transition from the present state.

    Denied where the mode gives this origin no such transition at all; other-reason where it has one, but not from the
    present state; success also where nothing is left to do. at_s: when it happened, where that was not now.
    """
    row = view.state.rows[view.index]
    lawful = [TRANSITIONS[letter] for letter in CONTROL_MODES[int(row["control_mode"])]]
    wanted = [arrow for arrow in lawful if arrow.origin is origin and arrow.order is order]
    if not wanted:
        return ActionResult.READ_WRITE_DENIED
    present = ControlState(int(row["control_state"]))
    for arrow in wanted:
        if arrow.before is present:
            _enter(view, arrow.after, arrow.event, at_s)
            return ActionResult.SUCCESS
    done = present in _REACHED[order] or any(arrow.after is present for arrow in wanted)
    return ActionResult.SUCCESS if done else ActionResult.OTHER_REASON


def _enter(view: MeterView, state: ControlState, event: int, at_s: int | None) -> None:
    row = view.state.rows[view.index]
    connected = state is ControlState.CONNECTED
    if bool(row["output_connected"]) != connected:
        view.switch_supply(connected=connected, at_s=at_s)
    row["control_state"] = state
    view.record(LOG_STANDARD, event, at_s=at_s)


def _set_mode(view: MeterView, value: PlainValue) -> DataAccessResult:
    if value not in CONTROL_MODES:
        return DataAccessResult.OTHER_REASON
    view.state.rows["control_mode"][view.index] = value
    if not CONTROL_MODES[value] and not view.state.rows["output_connected"][view.index]:
        _enter(view, ControlState.CONNECTED, EVENT_CONNECTED_REMOTELY, None)
    return DataAccessResult.SUCCESS


def _remote(order: SwitchOrder) -> Callable[[MeterView, PlainValue], ActionResult]:
    return lambda view, parameter: operate(view, Origin.REMOTE, order)


def _execute_script(view: MeterView, parameter: PlainValue) -> ActionResult:
    """Script 1 disconnects, script 2 reconnects."""
    if parameter not in tuple(SwitchOrder):
        return ActionResult.OTHER_REASON
    return operate(view, Origin.REMOTE, SwitchOrder(parameter))


STATES: Final[Mapping[str, Callable[[MeterView, int], bytes]]] = {
    "output_state": lambda view, client_sap: encode_boolean(bool(view.state.rows["output_connected"][view.index])),
    "control_state": lambda view, client_sap: encode_enum(int(view.state.rows["control_state"][view.index])),
    "control_mode": lambda view, client_sap: encode_enum(int(view.state.rows["control_mode"][view.index])),
}
SETTINGS: Final[Mapping[str, Callable[[MeterView, PlainValue], DataAccessResult]]] = {"control_mode": _set_mode}
COMMANDS: Final[Mapping[str, Callable[[MeterView, PlainValue], ActionResult]]] = {
    "disconnect": _remote(SwitchOrder.DISCONNECT),
    "reconnect": _remote(SwitchOrder.RECONNECT),
    "execute_switch_script": _execute_script,
}
