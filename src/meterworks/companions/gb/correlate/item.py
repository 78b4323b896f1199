"""Items of a payload beside the rows of its use case: in what order they stand, and what each of them says.

Source: fact sheet gb/GBCS.md sections 7 and 8.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from meterworks.companions.gb.correlate.fact import Fact
from meterworks.companions.gb.correlate.pattern import asked, read_fields, read_value
from meterworks.companions.gb.correlate.scope import Scope
from meterworks.companions.gb.correlate.table import Row, UseCaseRows, all_met
from meterworks.companions.gb.correlate.zcl_reader import FieldCursor
from meterworks.protocols import DecodeError
from meterworks.protocols.dlms import AccessRequest, AccessSpecification, DataValue, Tag, decode_typed, encode
from meterworks.protocols.gbcs import Component, GbzMessage

__all__ = ["MessageItem", "asked_facts", "items_of", "planned", "read_item"]

INVOKE_ID = 0x2000_0000  # a long invoke id without options carries the low 24 bits of the counter
INVOKE_MASK = 0x00FF_FFFF


@dataclass(frozen=True, slots=True)
class MessageItem:
    """An item as it stands in a message. key: as in `Item`; content: what the row reads."""

    key: bytes
    label: str
    has_time: bool
    content: tuple[AccessSpecification, bytes] | Component


def items_of(protocol: str, payload: bytes, counter: int) -> list[MessageItem]:
    """The items of a payload, which ends behind the last one. Raises DecodeError."""
    return _dlms_items(payload, counter) if protocol == "dlms" else _gbz_items(payload)


def _dlms_items(payload: bytes, counter: int) -> list[MessageItem]:
    request = AccessRequest.from_bytes(payload)
    if request.to_bytes() != payload:
        raise DecodeError("the access request is not in its only form", offset=0)
    if request.long_invoke != INVOKE_ID | (counter & INVOKE_MASK) or request.date_time:
        raise DecodeError("the access request carries another invoke id than its counter's, or a time", offset=0)
    items = []
    for specification, value in zip(request.specifications, request.values, strict=True):
        key = bytes((specification.kind,)) + specification.address.to_bytes()
        label = f"{specification.kind} {key[1:].hex()}"
        items.append(MessageItem(key, label, False, (specification, value)))
    return items


def _gbz_items(payload: bytes) -> list[MessageItem]:
    items = []
    for place, component in enumerate(GbzMessage.from_bytes(payload).components):
        frame = component.frame
        if component.sealed is not None or frame.sequence != place:
            raise DecodeError(f"component {place} is encrypted, or out of sequence", offset=0)
        key = component.cluster.to_bytes(2, "big") + bytes((frame.command, frame.control))
        label = f"zcl {component.cluster:04x} {frame.command:02x}"
        items.append(MessageItem(key, label, component.time_s is not None, component))
    return items


def planned(use_case: UseCaseRows, scope: Scope) -> list[tuple[Row, Scope]]:
    """The items that a request wants, each with the place in the request that it comes from."""
    plan = []
    for row in use_case.rows:
        if all_met(row.conditions, scope):
            places = [scope] if row.repeated is None else list(scope.below(row.repeated))
            plan += [(row, place) for place in places]
    return plan


def asked_facts(row: Row, scope: Scope) -> Iterator[Fact]:
    """What a request wants of one item."""
    name = row.item.label
    if row.selection is not None:
        yield from asked(row.selection, scope, f"{name} selection")
    if row.time is not None:
        yield from asked(row.time, scope, f"{name} time.0")
    if row.item.label.startswith("zcl"):
        for place, pattern in enumerate(row.patterns):
            yield from asked(pattern, scope, f"{name}.{place}")
    else:
        yield from asked(row.patterns[0], scope, name)


def read_item(row: Row, item: MessageItem) -> list[Fact]:
    """What a message says in one item. Raises DecodeError where it is built otherwise."""
    if isinstance(item.content, Component):
        return list(_read_component(row, item.content))
    return list(_read_access(row, *item.content))


def _read_access(row: Row, specification: AccessSpecification, value: bytes) -> Iterator[Fact]:
    name = row.item.label
    if row.selection is not None:
        selection = specification.selection or b"\x00"
        if selection[0] != row.selector:
            raise DecodeError(f"{name}: selector {selection[0]}, {row.selector} is expected", offset=0)
        selected = _decoded(name, selection[1:])
        yield from read_value(row.selection, selected, f"{name} selection")
    yield from read_value(row.patterns[0], _decoded(name, value), name)


def _decoded(name: str, octets: bytes) -> DataValue:
    """The value, in the form that its octets have to have: lengths as short as can be, truth as 00, 01 or FF."""
    value, end = decode_typed(octets)
    if end != len(octets) or not _is_same(encode(value), octets):
        raise DecodeError(f"{name}: octets behind the value, or a value in another form than its only one", offset=end)
    return value


def _is_same(encoded: bytes, octets: bytes) -> bool:
    """Whether octets are what we would write; devices take FF for true as well as 01."""
    if encoded == octets or len(encoded) != len(octets):
        return encoded == octets
    truths = zip(encoded, octets, b"\x00" + encoded, strict=False)
    return all(ours == theirs or (ours, theirs, tag) == (1, 0xFF, Tag.BOOLEAN) for ours, theirs, tag in truths)


def _read_component(row: Row, component: Component) -> Iterator[Fact]:
    name = row.item.label
    if row.time is not None and component.time_s is not None:
        cursor = FieldCursor(component.time_s.to_bytes(4, "little"))
        yield from read_fields((row.time,), cursor, f"{name} time")
    yield from read_fields(row.patterns, FieldCursor(component.frame.payload), name)
