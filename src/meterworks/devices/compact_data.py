"""Compact data (class 62): the values of some attributes in one octet string, without their types.

The types stand once in the template description; the template's number is usually the first captured value, so that
a receiver knows by it how to take the others apart. Values are captured when somebody reads, or when somebody asks.
Source: COSEM interface classes, Compact data (class 62); compact-array of A-XDR for types and contents.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from meterworks.devices.access import Audience
from meterworks.devices.model import Entry, Place, deed, derived, entry, kept
from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import (
    ActionResult,
    DataAccessResult,
    DataValue,
    ObisCode,
    PlainValue,
    Tag,
    decode_all,
    decode_typed,
    encode,
    encode_array,
    encode_enum,
    encode_integer,
    encode_long_unsigned,
    encode_null,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import CLASSES

__all__ = ["CompactColumn", "compact_data", "contents_of", "template_of"]

CompactColumn = tuple[int, str, int]  # class, logical name, attribute

CAPTURE_OBJECTS: Final = 3
TEMPLATE: Final = 5
CAPTURE_METHOD: Final = 6
BUFFER_KEY: Final = 0x100  # beside the attributes: what was captured last
COLUMNS_MAX: Final = 64


class CaptureMethod(IntEnum):
    """Attribute 6."""

    INVOKED = 0
    IMPLICIT = 1  # each reading captures


def template_of(value: DataValue) -> bytes:
    """Give the type description of a value; of an array that of its first element."""
    items: Sequence[DataValue] = value.value if value.tag in (Tag.ARRAY, Tag.STRUCTURE) else ()
    if value.tag == Tag.STRUCTURE:
        return bytes((Tag.STRUCTURE, len(items))) + b"".join(map(template_of, items))
    if value.tag == Tag.ARRAY:
        element = template_of(items[0]) if items else bytes((Tag.NULL,))
        return bytes((Tag.ARRAY,)) + len(items).to_bytes(2, "big") + element
    return bytes((value.tag,))


def contents_of(value: DataValue) -> bytes:
    """Give the octets of a value without its types; strings keep their length."""
    if value.tag in (Tag.ARRAY, Tag.STRUCTURE):
        return b"".join(map(contents_of, value.value))
    return encode(value)[1:]


def compact_data(obis_code: str, template_id: int, columns: Sequence[CompactColumn]) -> Entry:
    """Give the row of a model for an object that captures its own template id, then these attributes."""
    own = ((62, obis_code, 4), *columns)
    return entry(
        obis_code, CLASSES[62, 1], Audience.READERS, compact_buffer=derived(_buffer),
        capture_objects=kept(encode_array(_column(*column) for column in own), _judge),
        template_id=encode_unsigned(template_id), template_description=derived(_template),
        capture_method=kept(encode_enum(CaptureMethod.IMPLICIT), _judge_method), reset=deed(_reset),
        capture=deed(_capture),
    )  # fmt: skip


def _column(class_id: int, obis_code: str, attribute: int) -> bytes:
    return encode_structure(
        encode_long_unsigned(class_id), encode_octet_string(ObisCode(obis_code)), encode_integer(attribute),
        encode_long_unsigned(0), encode_structure(encode_enum(0), encode_null()),
    )  # fmt: skip


def _values(view: MeterView, place: Place) -> list[DataValue]:
    """Give the captured attributes as they are now; null-data for one that has no value."""
    listed = view.objects[place.obis_code].attributes[CAPTURE_OBJECTS - 1].value(view) or b"\x01\x00"
    values = []
    for _, name, attribute, data_index, *_restriction in decode_all(listed):
        encoded = view.objects[name].attributes[attribute - 1].value(view)
        value = decode_typed(encoded or encode_null())[0]
        part = value.value if value.tag in (Tag.ARRAY, Tag.STRUCTURE) else ()
        values.append(part[data_index - 1] if 0 < data_index <= len(part) else value)
    return values


def _is_implicit(view: MeterView, place: Place) -> bool:
    method = view.objects[place.obis_code].attributes[CAPTURE_METHOD - 1].value(view)
    return method == encode_enum(CaptureMethod.IMPLICIT)


def _buffer(view: MeterView, place: Place, client_sap: int) -> bytes:
    del client_sap
    if _is_implicit(view, place):
        return encode_octet_string(b"".join(map(contents_of, _values(view, place))))
    return encode_octet_string(view.written((place.obis_code, BUFFER_KEY)) or b"")


def _template(view: MeterView, place: Place, client_sap: int) -> bytes:
    del client_sap
    types = [template_of(value) for value in _values(view, place)]
    return encode_octet_string(bytes((Tag.STRUCTURE, len(types))) + b"".join(types))


def _capture(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    del parameter
    if _is_implicit(view, place):
        return ActionResult.OTHER_REASON
    view.write((place.obis_code, BUFFER_KEY), b"".join(map(contents_of, _values(view, place))))
    return ActionResult.SUCCESS


def _reset(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    del parameter
    view.state.overlay.remove(view.index, (place.obis_code, BUFFER_KEY))
    return ActionResult.SUCCESS


def _judge(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    """Take attributes that the meter has; never its own buffer and template, which are made of them."""
    if len(value) > COLUMNS_MAX:
        return DataAccessResult.OTHER_REASON
    for class_id, name, attribute, *_ in value:
        served = view.objects.get(name)
        if served is None or served.interface_class.class_id != class_id:
            return DataAccessResult.OBJECT_UNDEFINED
        if not 1 <= attribute <= len(served.attributes) or (name == place.obis_code and attribute in (2, TEMPLATE)):
            return DataAccessResult.OBJECT_UNDEFINED
    view.state.overlay.remove(view.index, (place.obis_code, BUFFER_KEY))
    return DataAccessResult.SUCCESS


def _judge_method(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    del view, place
    return DataAccessResult.SUCCESS if value in tuple(CaptureMethod) else DataAccessResult.OTHER_REASON
