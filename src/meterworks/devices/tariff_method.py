"""Methods that change lists a meter keeps: entries of schedules and special days, masks of register activations.

Each takes the list as it is, changes it, and keeps it as a write would. Source: COSEM interface classes 6, 10 and 11.
"""

from collections.abc import Callable
from typing import Final

from meterworks.devices.model import Place
from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import (
    ActionResult,
    DataAccessResult,
    DataValue,
    PlainValue,
    Tag,
    decode_typed,
    encode,
)

__all__ = [
    "add_mask", "add_register", "delete_day", "delete_entries", "delete_mask", "enable_disable", "insert_day",
    "insert_entry", "judge_mask", "keep_rows", "kept_rows",
]  # fmt: skip

ROWS_MAX: Final = 256
ENTRIES: Final = 2
REGISTERS: Final = 2
MASKS: Final = 3
ACTIVE_MASK: Final = 4
ENABLE: Final = 1  # place of the flag in an entry of a schedule

Row = tuple[DataValue, ...]


def kept_rows(view: MeterView, name: bytes, number: int) -> list[Row]:
    """Give the rows (structures) of an attribute that is an array of them."""
    encoded = view.objects[name].attributes[number - 1].value(view)
    array = decode_typed(encoded)[0].value if encoded else ()
    return [row.value for row in array if isinstance(row.value, tuple)] if isinstance(array, tuple) else []


def keep_rows(view: MeterView, name: bytes, number: int, rows: list[Row]) -> ActionResult:
    """Keep rows as the new value of an attribute; refused where it does not take them."""
    if len(rows) > ROWS_MAX:
        return ActionResult.OTHER_REASON
    array = DataValue(Tag.ARRAY, tuple(DataValue(Tag.STRUCTURE, row) for row in rows))
    return view.objects[name].attributes[number - 1].write(view, encode(array))


def _row(view: MeterView, place: Place, parameter: PlainValue) -> Row:
    """Give a structure that came as a method's parameter with the types the class says."""
    members = place.interface_class.methods[place.number - 1].parameter.members or ()
    return tuple(DataValue(Tag(min(shape.tags)), value) for (_, shape), value in zip(members, parameter, strict=True))


def _fits(place: Place, parameter: PlainValue) -> bool:
    members = place.interface_class.methods[place.number - 1].parameter.members or ()
    return isinstance(parameter, tuple) and len(parameter) == len(members)


def _insert(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Put an entry in by its index; one of the same index is replaced."""
    if not _fits(place, parameter):
        return ActionResult.TYPE_UNMATCHED
    rows = [row for row in kept_rows(view, place.obis_code, ENTRIES) if row[0].value != parameter[0]]
    rows.append(_row(view, place, parameter))
    rows.sort(key=lambda row: row[0].value)
    return keep_rows(view, place.obis_code, ENTRIES, rows)


insert_entry = _insert
insert_day = _insert


def _delete_where(view: MeterView, place: Place, number: int, is_meant: Callable[[Row], bool]) -> ActionResult:
    rows = kept_rows(view, place.obis_code, number)
    left = [row for row in rows if not is_meant(row)]
    if len(left) == len(rows):
        return ActionResult.OTHER_REASON
    return keep_rows(view, place.obis_code, number, left)


def delete_entries(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Take the entries of a range of indices out of a schedule."""
    match parameter:
        case (int(first), int(last)):
            return _delete_where(view, place, ENTRIES, lambda row: bool(first <= row[0].value <= last))
        case _:
            return ActionResult.TYPE_UNMATCHED


def delete_day(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Take a special day out by its index."""
    if not isinstance(parameter, int):
        return ActionResult.TYPE_UNMATCHED
    return _delete_where(view, place, ENTRIES, lambda row: bool(row[0].value == parameter))


def enable_disable(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Disable the entries of one range of indices, then enable those of another; 0 and 0 is no range."""
    match parameter:
        case (int(first_off), int(last_off), int(first_on), int(last_on)):
            pass
        case _:
            return ActionResult.TYPE_UNMATCHED
    rows = []
    for row in kept_rows(view, place.obis_code, ENTRIES):
        index, flag = row[0].value, row[ENABLE].value
        if first_off <= index <= last_off:
            flag = False
        if first_on <= index <= last_on:
            flag = True
        rows.append((row[0], DataValue(Tag.BOOLEAN, flag), *row[ENABLE + 1 :]))
    return keep_rows(view, place.obis_code, ENTRIES, rows)


# --- register activation ---------------------------------------------------------------------------------------------


def add_register(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Assign a register: it must be one of the meter's."""
    match parameter:
        case (int(class_id), bytes(name)):
            pass
        case _:
            return ActionResult.TYPE_UNMATCHED
    found = view.objects.get(name)
    if found is None or found.interface_class.class_id != class_id:
        return ActionResult.OBJECT_UNDEFINED
    rows = kept_rows(view, place.obis_code, REGISTERS)
    rows.append((DataValue(Tag.LONG_UNSIGNED, class_id), DataValue(Tag.OCTET_STRING, name)))
    return keep_rows(view, place.obis_code, REGISTERS, rows)


def add_mask(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Put a mask in by its name; its indices count the assigned registers from 1."""
    match parameter:
        case (bytes(name), list(indices)):
            pass
        case _:
            return ActionResult.TYPE_UNMATCHED
    registers = len(kept_rows(view, place.obis_code, REGISTERS))
    if not all(isinstance(index, int) and 1 <= index <= registers for index in indices):
        return ActionResult.SCOPE_OF_ACCESS_VIOLATED
    rows = [row for row in kept_rows(view, place.obis_code, MASKS) if row[0].value != name]
    listed = DataValue(Tag.ARRAY, tuple(DataValue(Tag.UNSIGNED, index) for index in indices))
    return keep_rows(view, place.obis_code, MASKS, [*rows, (DataValue(Tag.OCTET_STRING, name), listed)])


def delete_mask(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Take a mask out by its name; the active one stays."""
    active = view.objects[place.obis_code].attributes[ACTIVE_MASK - 1].value(view)
    if not isinstance(parameter, bytes) or (active and decode_typed(active)[0].value == parameter):
        return ActionResult.OTHER_REASON
    return _delete_where(view, place, MASKS, lambda row: bool(row[0].value == parameter))


def judge_mask(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    """Let only a mask that exists become the active one."""
    names = {row[0].value for row in kept_rows(view, place.obis_code, MASKS)}
    return DataAccessResult.SUCCESS if value in names else DataAccessResult.OTHER_REASON
