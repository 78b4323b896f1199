"""Reading any DLMS/COSEM meter: attributes with their units, whatever they hold, and profiles as tables.

Nothing here knows our own meters: what a meter offers is asked of it. The class's row says how a value is shown:
structures by the names of their members, octets as the date-times they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from meterworks.errors import MeterworksError
from meterworks.protocols import DecodeError, ServiceRefused
from meterworks.protocols.dlms import (
    AttributeAddress,
    Conformance,
    DataAccessResult,
    GetResult,
    PlainValue,
    ScalerUnit,
    decode_all,
)
from meterworks.protocols.dlms.cosem import Shape, interface_class
from meterworks.system.meter.link import AskedMeter
from meterworks.system.meter.objects import ObjectBook, Wanted
from meterworks.system.meter.value import plain_json, typed_json

__all__ = ["ReadValue", "attributes_of", "read_values", "shaped_json", "value_document", "value_row"]

LIST_MAX: Final = 10  # attributes asked for in one request
DATE_NAMES: Final = frozenset({"dt", "date", "time"})
DECIMAL_EXPONENT_MAX: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadValue:
    """What reading an attribute gave. encoded: None where the meter refused; error then says why."""

    wanted: Wanted
    encoded: bytes | None = None
    scaler: ScalerUnit | None = None
    error: str = ""

    @property
    def number(self) -> Decimal | None:
        """The value in its unit, exactly; None where it is no number with a unit."""
        if self.encoded is None or self.scaler is None:
            return None
        try:
            raw = decode_all(self.encoded)
        except DecodeError:
            return None
        if isinstance(raw, bool) or not isinstance(raw, int | float) or abs(self.scaler.scaler) > DECIMAL_EXPONENT_MAX:
            return None
        return self.scaler.apply(raw)


def attributes_of(wanted: Wanted, book: ObjectBook) -> list[Wanted]:
    """All attributes of the object that this client may read; all of the class where its rights are unknown."""
    entry = book.entry(wanted.address.obis_code, wanted.address.class_id)
    if entry is not None and entry.attributes:
        numbers = [number for number, rights in sorted(entry.attributes.items()) if rights.readable]
    else:
        numbers = [attribute.number for attribute in wanted.interface_class.attributes]
    address = wanted.address
    return [
        Wanted(AttributeAddress(address.class_id, address.obis_code, number), wanted.version, wanted.name)
        for number in numbers
    ]


def read_values(
    meter: AskedMeter,
    items: Sequence[Wanted],
    book: ObjectBook | None,
    *,
    conformance: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[ReadValue]:
    """Read attributes; what the meter refuses is told in its place. Raises UnreachableError, PeerError, SecurityError.

    conformance: what was agreed; with multiple references several attributes are asked for at once.
    """
    results: list[GetResult | str] = []
    listed = bool(conformance & Conformance.MULTIPLE_REFERENCES)
    for start in range(0, len(items), LIST_MAX if listed else 1):
        part = [item.address for item in items[start : start + (LIST_MAX if listed else 1)]]
        results += _some(meter, part, progress)
    return [_value(meter, item, result, book) for item, result in zip(items, results, strict=True)]


def _some(
    meter: AskedMeter, addresses: list[AttributeAddress], progress: Callable[[int, int], None] | None
) -> list[GetResult | str]:
    if len(addresses) > 1:
        try:
            together = meter.get_list(addresses)
        except ServiceRefused:
            together = []  # too long an answer, or lists are not as supported as they were said to be: one by one
        if len(together) == len(addresses):
            return list(together)
    single: list[GetResult | str] = []
    for address in addresses:
        try:
            single.append(meter.get(address, progress=progress))
        except ServiceRefused as refused:
            single.append(str(refused))
    return single


def _value(meter: AskedMeter, item: Wanted, result: GetResult | str, book: ObjectBook | None) -> ReadValue:
    if isinstance(result, DataAccessResult):
        name = result.name.lower().replace("_", " ")
        return ReadValue(wanted=item, error=f"the meter answered with result {int(result)}, {name}")
    if isinstance(result, str):
        return ReadValue(wanted=item, error=result)
    try:
        decode_all(result)
    except DecodeError as error:
        return ReadValue(wanted=item, encoded=result, error=f"no A-XDR value: {error}")
    scaler = None if book is None else book.scaler(meter, item.address)
    return ReadValue(wanted=item, encoded=result, scaler=scaler)


# --- showing --------------------------------------------------------------------------------------------------------


def shaped_json(value: PlainValue, shape: Shape | None) -> object:
    """A decoded value for JSON as its class describes it: members by name, dates as dates."""
    if shape is None:
        return plain_json(value)
    if shape.choices:
        for choice in shape.choices:
            if _is_alike(value, choice):
                return shaped_json(value, choice)
        return plain_json(value)
    if isinstance(value, tuple) and shape.members is not None and len(value) == len(shape.members):
        return {name: shaped_json(inner, member) for inner, (name, member) in zip(value, shape.members, strict=True)}
    if isinstance(value, list) and shape.element is not None:
        return [shaped_json(inner, shape.element) for inner in value]
    if isinstance(value, bytes) and shape.text == "ln" and len(value) == 6:
        return f"{value[0]}-{value[1]}:{'.'.join(map(str, value[2:]))}"
    return plain_json(value, date_times=shape.text in DATE_NAMES)


def _is_alike(value: PlainValue, shape: Shape) -> bool:
    """Whether a plain value may be of a shape; tags are gone by now, so by what they leave behind."""
    if value is None:
        return shape.text == "null"
    if isinstance(value, tuple):
        return shape.members is not None and len(shape.members) == len(value)
    if isinstance(value, list):
        return shape.element is not None
    if isinstance(value, bytes):
        return 9 in shape.tags and (not shape.sizes or len(value) in shape.sizes)
    return shape.members is None and shape.element is None and shape.text != "null"


def _shape_of(wanted: Wanted) -> Shape | None:
    rows = interface_class(wanted.address.class_id, wanted.version).attributes
    number = wanted.address.attribute
    return rows[number - 1].shape if 0 < number <= len(rows) else None


def _shown(read: ReadValue) -> object:
    if read.encoded is None:
        return None
    number = read.number
    if number is not None:
        return int(number) if number == number.to_integral_value() else str(number)
    try:
        return shaped_json(decode_all(read.encoded), _shape_of(read.wanted))
    except MeterworksError:
        return read.encoded.hex()


def value_document(read: ReadValue) -> dict[str, object]:
    """One value for JSON. `value` is in `unit`; `typed` is what the meter sent, and what `meter write` takes."""
    wanted = read.wanted
    document: dict[str, object] = {
        "obis_code": wanted.address.obis_code.text,
        "name": wanted.name,
        "class": wanted.address.class_id,
        "attribute": wanted.address.attribute,
        "attribute_name": wanted.attribute_name,
        "value": _shown(read),
        "unit": read.scaler.symbol if read.scaler is not None and read.number is not None else None,
    }
    if read.encoded is not None and not read.error:
        document["typed"] = typed_json(read.encoded)
    if read.error:
        document["error"] = read.error
    return document


def value_row(read: ReadValue) -> dict[str, object]:
    """One value as a row for people."""
    document = value_document(read)
    value = document["value"]
    if isinstance(value, list | dict):
        count = len(value)
        value = f"{count} elements; see --json" if count > 6 else _brief(value)
    return {
        "object": document["obis_code"],
        "name": document["name"],
        "attribute": f"{document['attribute']} {document['attribute_name']}",
        "value": read.error or value,
        "unit": document["unit"] or "",
    }


def _brief(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_brief(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(map(_brief, value)) + "]"
    return "-" if value is None else str(value)
