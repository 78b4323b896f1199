"""Scripts (class 9): lists of writes and method calls that schedules, monitors and clients have a meter do.

A script acts with the meter's own rights: what it may do was decided when somebody wrote it into the table. The actions
of a script run in order; one that fails ends it. Scripts may call scripts, a few deep.
Source: COSEM interface classes, Script table (class 9).
"""

from typing import Final

from meterworks.devices.model import Place
from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import (
    ActionResult,
    DataValue,
    PlainValue,
    decode_all,
    decode_typed,
    encode,
)

__all__ = ["NO_SCRIPT", "execute_script", "run_script", "scripts_in"]

SCRIPT_TABLE_CLASS: Final = 9
EXECUTE: Final = 1  # method
DEPTH_MAX: Final = 4
SERVICE_WRITE: Final = 1
SERVICE_EXECUTE: Final = 2
NO_SCRIPT: Final = bytes(6)  # the logical name of a script table that means: do nothing
ACTIONS_MAX: Final = 64  # of one script


def run_script(view: MeterView, table: bytes, selector: int) -> ActionResult:
    """Run a script of the meter by the name of its table and its number; the empty name does nothing."""
    if table == NO_SCRIPT:
        return ActionResult.SUCCESS
    found = view.objects.get(table)
    if found is None or found.interface_class.class_id != SCRIPT_TABLE_CLASS or EXECUTE not in found.methods:
        return ActionResult.OBJECT_UNDEFINED
    if view.script_depth >= DEPTH_MAX:
        return ActionResult.OTHER_REASON
    view.script_depth += 1
    try:
        outcome = found.methods[EXECUTE](view, selector)
    finally:
        view.script_depth -= 1
    return outcome[0] if isinstance(outcome, tuple) else outcome


def execute_script(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Run a script of the table it is bound to: method 1, `parameter` is the script's number."""
    if not isinstance(parameter, int):
        return ActionResult.TYPE_UNMATCHED
    table = view.objects[place.obis_code].attributes[1].value(view)
    actions = scripts_in(table or b"\x01\x00").get(parameter)
    if actions is None:
        return ActionResult.OTHER_REASON
    if view.script_depth >= DEPTH_MAX:
        return ActionResult.OTHER_REASON
    view.script_depth += 1
    try:
        for action in actions[:ACTIONS_MAX]:
            result = _act(view, action)
            if result is not ActionResult.SUCCESS:
                return result
    finally:
        view.script_depth -= 1
    return ActionResult.SUCCESS


def scripts_in(table: bytes) -> dict[int, tuple[DataValue, ...]]:
    """Give the actions of each script of an encoded table, whose shape was checked."""
    rows, _ = decode_typed(table)
    found: dict[int, tuple[DataValue, ...]] = {}
    for row in _items(rows):
        number, actions = _items(row)
        if isinstance(number.value, int):
            found[number.value] = _items(actions)
    return found


def _items(value: DataValue) -> tuple[DataValue, ...]:
    return value.value if isinstance(value.value, tuple) else ()


def _act(view: MeterView, action: DataValue) -> ActionResult:
    service, _, name, index, parameter = _items(action)
    found = view.objects.get(name.value if isinstance(name.value, bytes) else b"")
    if found is None or not isinstance(index.value, int):
        return ActionResult.OBJECT_UNDEFINED
    if service.value == SERVICE_WRITE:
        if not 1 <= index.value <= len(found.attributes):
            return ActionResult.OBJECT_UNDEFINED
        return found.attributes[index.value - 1].write(view, encode(parameter))
    if service.value != SERVICE_EXECUTE or index.value not in found.methods:
        return ActionResult.OBJECT_UNDEFINED
    outcome = found.methods[index.value](view, decode_all(encode(parameter)))
    return outcome[0] if isinstance(outcome, tuple) else outcome
