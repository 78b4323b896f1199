"""Commands with one thing altered: what an error or a fraud in their making would look like.

`altered_values` changes one decoded value at a time: each leaf of a DLMS value or selection, each octet of a ZigBee
frame's fields, each element of an ASN.1 payload. `altered_items` leaves items out, doubles or swaps them, and changes
what names them. `altered_envelopes` changes who a message is from, to whom, and under which counter and code.
`altered_octets` changes each octet of a payload, whatever it is.

Run as a module, it does all of that to every command of a set and prints what share is refused, which takes a minute:
python -m tests.conformance.gbcs.altered FOLDER
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from asn1crypto import parser

from meterworks.companions.errors import RequestMismatchError
from meterworks.companions.gb.correlate import correlate
from meterworks.protocols.dlms import (
    AccessRequest,
    AccessSpecification,
    BitString,
    DataValue,
    Tag,
    decode_typed,
    encode,
)
from meterworks.protocols.gbcs import Component, GbzMessage, Message, MessageKind, OtherInformation

Altered = Iterator[tuple[str, Message]]  # what was altered, and the message
WIDTHS = {Tag.UNSIGNED: 8, Tag.LONG_UNSIGNED: 16, Tag.DOUBLE_LONG_UNSIGNED: 32, Tag.ENUM: 8}
SIGNED = {Tag.INTEGER: 8, Tag.LONG: 16, Tag.DOUBLE_LONG: 32}


def altered_values(message: Message, ways: int | None = None) -> Altered:
    """One decoded value at a time. ways: in how many ways each is altered; None: in all we know."""
    if message.payload[:1] == b"\xd9":
        yield from _altered_access(message, ways)
    elif message.payload[:2] == b"\x01\x09":
        yield from _altered_fields(message)
    else:
        yield from _altered_elements(message)


def altered_items(message: Message) -> Altered:
    """One item at a time: missing, doubled, swapped, named otherwise."""
    if message.payload[:1] == b"\xd9":
        request = AccessRequest.from_bytes(message.payload)
        items = list(zip(request.specifications, request.values, strict=True))
        for what, others in _rearranged(items):
            yield what, _with_items(message, request, others)
        for place, (specification, value) in enumerate(items):
            for other in _named_otherwise(specification):
                changed = [*items[:place], (other, value), *items[place + 1 :]]
                yield f"item {place} named otherwise", _with_items(message, request, changed)
    elif message.payload[:2] == b"\x01\x09":
        components = list(GbzMessage.from_bytes(message.payload).components)
        for what, rest in _rearranged(components):
            if rest:
                yield what, _with_components(message, rest)
        for place, component in enumerate(components):
            for named in _component_otherwise(component):
                whole = [*components[:place], named, *components[place + 1 :]]
                yield f"component {place} named otherwise", _with_components(message, whole)


def altered_envelopes(message: Message) -> Altered:
    """One field of the envelope at a time."""
    yield "recipient", replace(message, recipient=_flipped(message.recipient))
    yield "originator", replace(message, originator=_flipped(message.originator))
    yield "counter", replace(message, counter=message.counter + 1)
    yield "kind", replace(message, kind=MessageKind.RESPONSE)
    yield "time", replace(message, date_time=bytes(12))
    other = message.other
    code = replace(other, message_code=other.message_code ^ 1)
    yield "message code", replace(message, other=code)
    party = OtherInformation(message_code=other.message_code, supplementary_party=bytes(8), supplementary_counter=1)
    yield "supplementary party", replace(message, other=party)
    if other.supplementary_counter is not None:
        counter = replace(other, supplementary_counter=other.supplementary_counter + 1)
        yield "supplementary counter", replace(message, other=counter)
        yield "certificate", replace(message, other=replace(other, certificate=other.certificate + bytes(20)))


def altered_octets(message: Message) -> Altered:
    """Each octet of the payload, one higher; of short payloads also with its top bit flipped."""
    payload = message.payload
    for place, octet in enumerate(payload):
        others = {(octet + 1) & 0xFF, octet ^ 0x80} if len(payload) < 400 else {(octet + 1) & 0xFF}
        for other in sorted(others):
            yield f"octet {place}", replace(message, payload=payload[:place] + bytes((other,)) + payload[place + 1 :])


# --- DLMS -----------------------------------------------------------------------------------------------------------


def _altered_access(message: Message, ways: int | None) -> Altered:
    request = AccessRequest.from_bytes(message.payload)
    yield "invoke id", replace(message, payload=replace(request, long_invoke=request.long_invoke ^ 1).to_bytes())
    items = list(zip(request.specifications, request.values, strict=True))
    for place, (specification, value) in enumerate(items):
        for other in _altered_data(decode_typed(value)[0], ways):
            changed = [*items[:place], (specification, encode(other)), *items[place + 1 :]]
            yield f"value {place}", _with_items(message, request, changed)
        if specification.selection is not None:
            head, selection = specification.selection[:1], decode_typed(specification.selection, 1)[0]
            for other in _altered_data(selection, ways):
                selected = replace(specification, selection=head + encode(other))
                changed = [*items[:place], (selected, value), *items[place + 1 :]]
                yield f"selection {place}", _with_items(message, request, changed)


def _altered_data(value: DataValue, ways: int | None) -> Iterator[DataValue]:
    """The value with one leaf altered, or one part more or less in it."""
    if value.tag in (Tag.ARRAY, Tag.STRUCTURE):
        parts = value.value
        for place, part in enumerate(parts):
            for other in _altered_data(part, ways):
                yield DataValue(value.tag, (*parts[:place], other, *parts[place + 1 :]))
        yield DataValue(value.tag, (*parts, DataValue(Tag.UNSIGNED, 1)))
        if parts:
            yield DataValue(value.tag, parts[:-1])
    else:
        yield from islice(_altered_leaf(value), ways)


def _altered_leaf(value: DataValue) -> Iterator[DataValue]:
    content = value.value
    if value.tag in WIDTHS or value.tag in SIGNED:
        for other in _altered_number(value.tag, content):
            yield DataValue(value.tag, other)
        yield DataValue(Tag.NULL)
    elif value.tag == Tag.NULL:
        yield DataValue(Tag.INTEGER, 0)
    elif value.tag == Tag.BOOLEAN:
        yield DataValue(Tag.BOOLEAN, not content)
    elif value.tag == Tag.OCTET_STRING:
        yield from (DataValue(value.tag, other) for other in _altered_octets_of(content))
    elif value.tag == Tag.VISIBLE_STRING:
        yield from (DataValue(value.tag, other.decode("latin-1")) for other in _altered_octets_of(content.encode()))
    elif value.tag == Tag.BIT_STRING:
        yield from (DataValue(value.tag, BitString.from_text(other)) for other in _altered_bits(str(content)))


def _altered_number(tag: Tag, number: int) -> Iterator[int]:
    low, high = (0, 2 ** WIDTHS[tag] - 1) if tag in WIDTHS else (-(2 ** (SIGNED[tag] - 1)), 2 ** (SIGNED[tag] - 1) - 1)
    for other in {number + 1, number - 1, number * 10} - {number}:
        if low <= other <= high:
            yield other


def _altered_octets_of(octets: bytes) -> Iterator[bytes]:
    yield octets + b"\x00"
    if octets:
        yield octets[:-1]
        for place in range(len(octets)):
            yield octets[:place] + bytes((octets[place] ^ 1,)) + octets[place + 1 :]


def _altered_bits(bits: str) -> Iterator[str]:
    yield bits + "0"
    for place in range(0, len(bits), max(1, len(bits) // 16)):
        yield bits[:place] + ("0" if bits[place] == "1" else "1") + bits[place + 1 :]


def _with_items(message: Message, request: AccessRequest, items: list[tuple[AccessSpecification, bytes]]) -> Message:
    specifications = tuple(specification for specification, _ in items)
    values = tuple(value for _, value in items)
    return replace(message, payload=replace(request, specifications=specifications, values=values).to_bytes())


def _named_otherwise(specification: AccessSpecification) -> Iterator[AccessSpecification]:
    """Another class, each other group of the logical name, another attribute or method."""
    octets = specification.address.to_bytes()
    for place in range(len(octets)):
        other = octets[:place] + bytes((octets[place] ^ 1,)) + octets[place + 1 :]
        yield replace(specification, address=type(specification.address).from_bytes(other))


# --- ZigBee and ASN.1 -----------------------------------------------------------------------------------------------


def _altered_fields(message: Message) -> Altered:
    components = list(GbzMessage.from_bytes(message.payload).components)
    for place, component in enumerate(components):
        frame = component.frame
        for other in _altered_octets_of(frame.payload):
            changed = replace(component, frame=replace(frame, payload=other))
            yield f"fields {place}", _with_components(message, [*components[:place], changed, *components[place + 1 :]])


def _component_otherwise(component: Component) -> Iterator[Component]:
    frame = component.frame
    yield replace(component, cluster=component.cluster ^ 1)
    yield replace(component, time_s=0 if component.time_s is None else component.time_s ^ 1)
    yield replace(component, frame=replace(frame, command=frame.command ^ 1))
    yield replace(component, frame=replace(frame, control=frame.control ^ 1))
    yield replace(component, frame=replace(frame, sequence=frame.sequence ^ 1))


def _with_components(message: Message, components: list[Component]) -> Message:
    return replace(message, payload=GbzMessage(tuple(components)).to_bytes())


def _altered_elements(message: Message) -> Altered:
    """Each primitive element with its first and its last octet altered."""
    for start, end in _primitives(message.payload, 0, len(message.payload)):
        for place in {start, end - 1} if start < end else ():
            octet = bytes((message.payload[place] ^ 1,))
            yield (
                f"element at {start}",
                replace(message, payload=message.payload[:place] + octet + message.payload[place + 1 :]),
            )


def _primitives(octets: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the contents of primitive elements stand."""
    while start < end:
        _, is_constructed, _, header, contents, _ = parser.parse(octets[start:end])
        content = start + len(header)
        start = content + len(contents)
        if is_constructed:
            yield from _primitives(octets, content, start)
        else:
            yield content, start


def _rearranged(items: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    for place in range(len(items)):
        yield f"without item {place}", items[:place] + items[place + 1 :]
        yield f"item {place} twice", [*items[: place + 1], *items[place:]]
        if place and items[place] != items[place - 1]:
            yield (
                f"item {place} one earlier",
                [*items[: place - 1], items[place], items[place - 1], *items[place + 1 :]],
            )


def _flipped(octets: bytes) -> bytes:
    return octets[:-1] + bytes((octets[-1] ^ 1,))


def main(folder: Path) -> int:
    """Alter every command of a set in every way; give the number of altered ones that are accepted."""
    from tests.conformance.gbcs.correlated import asked

    survived = 0
    for alter in (altered_values, altered_items, altered_envelopes, altered_octets):
        refused, accepted = 0, []
        for one in asked(folder):
            for what, other in alter(Message.from_bytes(one.octets)):
                try:
                    correlate(one.request, other.to_bytes(), one.situation)
                    accepted.append(f"{one.name}: {what}")
                except RequestMismatchError:
                    refused += 1
        sys.stdout.write("\n".join([f"{alter.__name__}: {refused} refused, {len(accepted)} accepted", *accepted, ""]))
        survived += len(accepted)
    return survived


if __name__ == "__main__":
    sys.exit(min(main(Path(sys.argv[1])), 1))
