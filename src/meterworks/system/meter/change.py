"""Changing a meter: what a write or a method would do, told before it is done; done once, and read back.

Nothing here is tried twice: a write without an answer may have been carried out (OutcomeUnknown).
Source: IEC 62056-5-3 (SET, ACTION).
"""

from dataclasses import dataclass
from typing import Final

from meterworks.protocols import DecodeError, ServiceRefused
from meterworks.protocols.dlms import AttributeAddress, MethodAddress
from meterworks.protocols.dlms.cosem import ObjectListEntry, Shape, describe, interface_class
from meterworks.system.errors import ConfigurationError
from meterworks.system.meter.link import AskedMeter
from meterworks.system.meter.objects import ObjectBook, Wanted, small_number
from meterworks.system.meter.value import change_text, typed_json, value_from_text

__all__ = ["PlannedAction", "PlannedWrite", "act", "change_document", "plan_action", "plan_write", "write"]

NOTHING: Final = "int8:0"  # the parameter of a method that has none


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWrite:
    """An attribute and what is to be written to it. present: its value now, None where it cannot be read.

    doubts: why the meter may refuse, or the person may have meant something else.
    """

    wanted: Wanted
    value: bytes
    present: bytes | None
    doubts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The change in one line."""
        address = self.wanted.address
        return (
            f"{address.obis_code.text} {self.wanted.name}, attribute {address.attribute} {self.wanted.attribute_name}:"
            f" {change_text(self.present, self.value)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAction:
    """A method and its parameter."""

    address: MethodAddress
    name: str
    parameter: bytes
    doubts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What will be invoked, in one line."""
        code = self.address.obis_code
        told = change_text(None, self.parameter).removeprefix("? → ")
        return f"{code.text} {describe(code)}, method {self.address.method} {self.name} with {told}"


def plan_write(meter: AskedMeter, book: ObjectBook, subject: str, text: str) -> PlannedWrite:
    """See what a write would change. Raises ConfigurationError for what is no object and no value."""
    wanted = book.find(subject)
    try:
        present = meter.get(wanted.address)
    except ServiceRefused:
        present = None
    value = value_from_text(text, present=present)
    doubts = []
    entry = book.entry(wanted.address.obis_code, wanted.address.class_id)
    if entry is not None and entry.attributes and not entry.attribute_rights(wanted.address.attribute).writable:
        doubts.append("the object list says that this client may not write it")
    if present == value:
        doubts.append("it holds this value already")
    if present is not None and value[:1] != present[:1]:
        doubts.append("the value is of another type than the present one")
    elif not _takes(_attribute_shape(wanted), value):
        doubts.append("the class describes another type for this attribute")
    return PlannedWrite(wanted=wanted, value=value, present=present, doubts=tuple(doubts))


def _attribute_shape(wanted: Wanted) -> Shape | None:
    rows = wanted.interface_class.attributes
    number = wanted.address.attribute
    return rows[number - 1].shape if 0 < number <= len(rows) else None


def _takes(shape: Shape | None, value: bytes) -> bool:
    return shape is None or shape.takes(value)


def plan_action(book: ObjectBook, subject: str, text: str | None) -> PlannedAction:
    """See what would be invoked: `CODE/METHOD` by number or name, `CLASS/OBIS/NUMBER`. Raises ConfigurationError."""
    code, separator, which = subject.rpartition("/")
    if not separator:
        raise ConfigurationError(f"{subject}: name the method behind the object, as {subject}/1 or {subject}/reset")
    found = book.find(f"{code}/{which}" if "/" in code else code)
    address = found.address
    entry = book.entry(address.obis_code, address.class_id)
    if "/" in code:
        number = address.attribute
    else:
        number = _method_number(found, which)
    method = MethodAddress(address.class_id, address.obis_code, number)
    rows = interface_class(address.class_id, found.version).methods
    row = rows[number - 1] if 0 < number <= len(rows) else None
    parameter = value_from_text(NOTHING if text is None else text, present=None)
    return PlannedAction(
        address=method, name="" if row is None else row.name, parameter=parameter,
        doubts=_action_doubts(entry, number, row.parameter if row else None, parameter, given=text is not None),
    )  # fmt: skip


def _action_doubts(
    entry: ObjectListEntry | None, number: int, shape: Shape | None, parameter: bytes, *, given: bool
) -> tuple[str, ...]:
    doubts = []
    if entry is not None and entry.methods and not entry.method_rights(number).executable:
        doubts.append("the object list says that this client may not invoke it")
    if not _takes(shape, parameter):
        doubts.append(f"the class describes the parameter as {shape}" + ("" if given else "; none was given"))
    return tuple(doubts)


def _method_number(found: Wanted, which: str) -> int:
    if (number := small_number(which)) is not None:
        return number
    rows = found.interface_class.methods
    for row in rows:
        if row.name == which:
            return row.number
    names = ", ".join(f"{row.number} {row.name}" for row in rows) or "none that we know by name: give its number"
    raise ConfigurationError(f"{found.address.obis_code.text} has no method {which}; it has {names}")


def write(meter: AskedMeter, plan: PlannedWrite) -> bytes | None:
    """Write, and give what the meter says the value is now; None where it cannot be read.

    Raises RefusedError, OutcomeUnknown.
    """
    meter.set(plan.wanted.address, plan.value)
    try:
        return meter.get(plan.wanted.address)
    except ServiceRefused:
        return None


def act(meter: AskedMeter, plan: PlannedAction) -> bytes | None:
    """Invoke, and give what the method returned, encoded. Raises RefusedError, OutcomeUnknown."""
    return meter.action(plan.address, plan.parameter)


def change_document(
    plan: PlannedWrite | PlannedAction, *, done: bool, result: bytes | None = None
) -> dict[str, object]:
    """A planned or finished change for JSON."""
    if isinstance(plan, PlannedWrite):
        return _document(plan.wanted.address, plan.doubts, done) | {
            "name": plan.wanted.name,
            "attribute": plan.wanted.address.attribute,
            "attribute_name": plan.wanted.attribute_name,
            "before": _typed(plan.present),
            "written": _typed(plan.value),
            "after": _typed(result),
            "as_written": result == plan.value if done and result is not None else None,
        }
    return _document(plan.address, plan.doubts, done) | {
        "name": describe(plan.address.obis_code),
        "method": plan.address.method,
        "method_name": plan.name,
        "parameter": _typed(plan.parameter),
        "returned": _typed(result),
    }


def _document(address: AttributeAddress | MethodAddress, doubts: tuple[str, ...], done: bool) -> dict[str, object]:
    return {
        "class": address.class_id,
        "obis_code": address.obis_code.text,
        "done": done,
        "doubts": list(doubts),
    }


def _typed(encoded: bytes | None) -> object:
    if encoded is None:
        return None
    try:
        return typed_json(encoded)
    except DecodeError:
        return {"raw": encoded.hex()}
