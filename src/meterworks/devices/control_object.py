"""The supply switch and the limiter of a meter (classes 70 and 71), and the script that works the switch."""

from collections.abc import Callable, Mapping
from typing import Final

from meterworks.devices.view import LOG_STANDARD, MeterView
from meterworks.protocols.dlms import (
    ActionResult,
    DataAccessResult,
    PlainValue,
    encode_boolean,
    encode_double_long_unsigned,
    encode_enum,
)

__all__ = ["COMMANDS", "SETTINGS", "STATES"]

DISCONNECTED: Final = 0
CONNECTED: Final = 1
READY: Final = 2

EVENT_READY: Final = 59
EVENT_DISCONNECTED: Final = 62
EVENT_CONNECTED: Final = 63
EVENT_THRESHOLD_CHANGED: Final = 67

CONTROL_MODE_MAX: Final = 6
LIMIT_MAX_W: Final = 2**32 - 1
NO_REMOTE_CONTROL: Final = 0
#: What a remote reconnect makes of a disconnected supply, by control mode.  Source: class 70, attribute 4.
RECONNECT_STATE: Final[Mapping[int, int]] = {1: READY, 2: CONNECTED, 3: READY, 4: CONNECTED, 5: READY, 6: READY}

SCRIPT_DISCONNECT: Final = 1
SCRIPT_RECONNECT: Final = 2


def _switch(view: MeterView, control_state: int, event: int) -> ActionResult:
    row = view.state.rows[view.index]
    if int(row["control_state"]) != control_state:
        row["control_state"] = control_state
        row["output_connected"] = control_state == CONNECTED
        view.record(LOG_STANDARD, event)
    return ActionResult.SUCCESS


def _disconnect(view: MeterView, parameter: PlainValue) -> ActionResult:
    del parameter
    if int(view.state.rows["control_mode"][view.index]) == NO_REMOTE_CONTROL:
        return ActionResult.READ_WRITE_DENIED
    return _switch(view, DISCONNECTED, EVENT_DISCONNECTED)


def _reconnect(view: MeterView, parameter: PlainValue) -> ActionResult:
    del parameter
    row = view.state.rows[view.index]
    reached = RECONNECT_STATE.get(int(row["control_mode"]))
    if reached is None:
        return ActionResult.READ_WRITE_DENIED
    if int(row["control_state"]) == CONNECTED:
        return ActionResult.SUCCESS
    return _switch(view, reached, EVENT_CONNECTED if reached == CONNECTED else EVENT_READY)


def _execute_switch_script(view: MeterView, parameter: PlainValue) -> ActionResult:
    executor = {SCRIPT_DISCONNECT: _disconnect, SCRIPT_RECONNECT: _reconnect}.get(parameter)
    return ActionResult.OTHER_REASON if executor is None else executor(view, None)


def _set_mode(view: MeterView, value: PlainValue) -> DataAccessResult:
    if not 0 <= value <= CONTROL_MODE_MAX:
        return DataAccessResult.OTHER_REASON
    view.state.rows["control_mode"][view.index] = value
    return DataAccessResult.SUCCESS


def _number(column: str) -> Callable[[MeterView, int], bytes]:
    return lambda view, client_sap: encode_double_long_unsigned(int(view.state.rows[column][view.index]))


def _set_number(column: str) -> Callable[[MeterView, PlainValue], DataAccessResult]:
    def change(view: MeterView, value: PlainValue) -> DataAccessResult:
        if not isinstance(value, int) or not 0 <= value <= LIMIT_MAX_W:
            return DataAccessResult.TYPE_UNMATCHED
        view.state.rows[column][view.index] = value
        view.record(LOG_STANDARD, EVENT_THRESHOLD_CHANGED)
        return DataAccessResult.SUCCESS

    return change


_NUMBERS: Final = {
    "limit_normal": "limit_normal_w",
    "limit_emergency": "limit_emergency_w",
    "limit_over": "limit_over_s",
    "limit_under": "limit_under_s",
}

STATES: Final[Mapping[str, Callable[[MeterView, int], bytes]]] = {
    "output_state": lambda view, client_sap: encode_boolean(bool(view.state.rows["output_connected"][view.index])),
    "control_state": lambda view, client_sap: encode_enum(int(view.state.rows["control_state"][view.index])),
    "control_mode": lambda view, client_sap: encode_enum(int(view.state.rows["control_mode"][view.index])),
    **{name: _number(column) for name, column in _NUMBERS.items()},
}
SETTINGS: Final[Mapping[str, Callable[[MeterView, PlainValue], DataAccessResult]]] = {
    "control_mode": _set_mode,
    **{name: _set_number(column) for name, column in _NUMBERS.items()},
}
COMMANDS: Final[Mapping[str, Callable[[MeterView, PlainValue], ActionResult]]] = {
    "disconnect": _disconnect,
    "reconnect": _reconnect,
    "execute_switch_script": _execute_switch_script,
}
