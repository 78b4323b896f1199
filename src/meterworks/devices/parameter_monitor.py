"""The parameter monitor (class 65): which of the watched settings was changed last, to what, and when.

Source: COSEM interface classes, Parameter monitor (class 65 version 0).
"""

from typing import Final

from meterworks.devices.access import Audience
from meterworks.devices.model import Entry, Place, deed, derived, entry, kept
from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import (
    ActionResult,
    AttributeAddress,
    CosemDateTime,
    DataAccessResult,
    ObisCode,
    PlainValue,
    decode_all,
    encode_array,
    encode_date_time,
    encode_integer,
    encode_long_unsigned,
    encode_null,
    encode_octet_string,
    encode_structure,
)
from meterworks.protocols.dlms.cosem import CLASSES

__all__ = ["MONITOR_NAME", "note_parameter", "parameter_monitor"]

MONITOR_NAME: Final = ObisCode("0.0.16.2.0.255")
CHANGED, CAPTURE_TIME, LIST = 2, 3, 4
PARAMETERS_MAX: Final = 64
VALUE_SIZE_MAX: Final = 1024  # a longer value is shown as null-data
Parameter = tuple[int, bytes, int]


def parameter_monitor() -> Entry:
    """Give the row of a model: nothing is watched as it leaves the factory."""
    return entry(
        str(MONITOR_NAME), CLASSES[65, 0], Audience.MANAGERS,
        changed_parameter=derived(_show_changed), capture_time=derived(_show_capture_time),
        parameter_list=kept(encode_array([]), _judge), add_parameter=deed(_add), delete_parameter=deed(_delete),
    )  # fmt: skip


def note_parameter(view: MeterView, address: AttributeAddress, value: bytes) -> None:
    """Remember a setting that a client has just written, if the meter watches it."""
    if MONITOR_NAME not in view.objects or (address.class_id, address.obis_code, address.attribute) not in _list(view):
        return
    shown = value if len(value) <= VALUE_SIZE_MAX else encode_null()
    changed = _changed(address.class_id, address.obis_code, address.attribute, shown)
    view.write((MONITOR_NAME, CHANGED), changed)
    view.write((MONITOR_NAME, CAPTURE_TIME), encode_date_time(view.zone.local_time(view.now_epoch_s())))


def _changed(class_id: int, name: bytes, attribute: int, value: bytes) -> bytes:
    return encode_structure(encode_long_unsigned(class_id), encode_octet_string(name), encode_integer(attribute), value)


def _list(view: MeterView) -> list[Parameter]:
    encoded = view.objects[MONITOR_NAME].attributes[LIST - 1].value(view)
    rows: list[Parameter] = [] if encoded is None else decode_all(encoded)
    return rows


def _keep(view: MeterView, rows: list[Parameter]) -> ActionResult:
    view.write(
        (MONITOR_NAME, LIST),
        encode_array(
            encode_structure(encode_long_unsigned(class_id), encode_octet_string(name), encode_integer(attribute))
            for class_id, name, attribute in rows
        ),
    )
    return ActionResult.SUCCESS


def _parameter(view: MeterView, parameter: PlainValue) -> Parameter | None:
    """Give a parameter that the meter has; None for any other."""
    match parameter:
        case (int(class_id), bytes(name), int(attribute)):
            served = view.objects.get(name)
            known = served is not None and served.interface_class.class_id == class_id
            if served is not None and known and 1 <= attribute <= len(served.attributes):
                return class_id, name, attribute
    return None


def _add(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    del place
    wanted, rows = _parameter(view, parameter), _list(view)
    if wanted is None:
        return ActionResult.OBJECT_UNDEFINED
    if wanted in rows:
        return ActionResult.SUCCESS
    return _keep(view, [*rows, wanted]) if len(rows) < PARAMETERS_MAX else ActionResult.OTHER_REASON


def _delete(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    del place
    wanted, rows = _parameter(view, parameter), _list(view)
    if wanted is None or wanted not in rows:
        return ActionResult.OBJECT_UNDEFINED
    return _keep(view, [row for row in rows if row != wanted])


def _judge(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    del place
    if len(value) > PARAMETERS_MAX:
        return DataAccessResult.OTHER_REASON
    known = all(_parameter(view, row) is not None for row in value)
    return DataAccessResult.SUCCESS if known else DataAccessResult.OBJECT_UNDEFINED


def _show_changed(view: MeterView, place: Place, client_sap: int) -> bytes:
    del place, client_sap
    found = view.written((MONITOR_NAME, CHANGED))
    return _changed(0, bytes(6), 0, encode_null()) if found is None else found


def _show_capture_time(view: MeterView, place: Place, client_sap: int) -> bytes:
    del place, client_sap
    found = view.written((MONITOR_NAME, CAPTURE_TIME))
    return encode_octet_string(CosemDateTime().to_bytes()) if found is None else found
