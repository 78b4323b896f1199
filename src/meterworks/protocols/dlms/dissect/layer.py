"""The layers below the APDU as nodes: wrapper, HDLC, M-Bus long frames, LLC.  Facts: reference sheet DLMS, 5."""

from dataclasses import dataclass
from typing import Final

from meterworks.protocols.dlms.dissect.node import Node, Walk, shown
from meterworks.protocols.dlms.hdlc.checksum import check_octets
from meterworks.protocols.dlms.hdlc.control import (
    DISC,
    DM,
    FRMR,
    POLL,
    RNR,
    RR,
    SNRM,
    SUPERVISORY,
    UA,
    UI,
    is_information,
    receive_number,
    send_number,
)
from meterworks.protocols.errors import DecodeError

__all__ = [
    "Carried",
    "is_hdlc",
    "is_mbus",
    "is_wrapper",
    "pull_hdlc_frame",
    "pull_llc",
    "pull_mbus_frame",
    "pull_wrapper",
]

FLAG: Final = 0x7E
MBUS_START: Final = 0x68
MBUS_END: Final = 0x16
_FORMAT: Final = 0xA
_SEGMENTED: Final = 0x0800
_SIZE_MASK: Final = 0x07FF
_FRAME_SIZE_MIN: Final = 7  # format, two addresses, control, one check
_WRAPPER_HEADER: Final = 8
_MBUS_FINAL: Final = 0x10
_UNNUMBERED: Final = {SNRM: "SNRM", UA: "UA", DISC: "DISC", DM: "DM", FRMR: "FRMR", UI: "UI"}
_SUPERVISORY: Final = {RR: "RR", RNR: "RNR", 0x09: "REJ"}
_PARAMETERS: Final = {
    5: "max-info-transmit", 6: "max-info-receive", 7: "window-transmit", 8: "window-receive",
}  # fmt: skip


@dataclass(slots=True)
class Carried:
    """What a frame carries. node: where it goes. direction: from whom to whom. is_last: of the message's frames.

    number: repeated frames have the same; None where the link has none.
    """

    node: Node
    direction: str
    offset: int
    size: int
    is_last: bool = True
    number: int | None = None
    is_intact: bool = True


# --- wrapper --------------------------------------------------------------------------------------------------------


def is_wrapper(octets: bytes) -> bool:
    """Whether octets begin with a wrapper header."""
    return (
        len(octets) >= _WRAPPER_HEADER and octets[:2] == b"\x00\x01" and int.from_bytes(octets[6:8], "big") > 0
        and int.from_bytes(octets[6:8], "big") <= len(octets)
    )  # fmt: skip


def pull_wrapper(walk: Walk) -> Carried:
    """Take the header of a frame; the APDU is left to the caller."""
    with walk.group("wrapper", is_wire=True) as node:
        walk.unsigned("version", 2, is_wire=True)
        source = walk.unsigned("source", 2, is_wire=True)
        destination = walk.unsigned("destination", 2, is_wire=True)
        length = walk.unsigned("length", 2, is_wire=True)
        node.value = f"{source} -> {destination}, {length} octets"
    return Carried(node, f"{source}>{destination}", walk.offset, length)


def pull_llc(walk: Walk) -> None:
    """Take the three octets of the LLC header."""
    kind = "command" if walk.peek(1) == 0xE6 else "response"
    walk.octets("llc", 3, kind, is_wire=True)


# --- HDLC -----------------------------------------------------------------------------------------------------------


def is_hdlc(octets: bytes) -> bool:
    """Whether octets begin with a frame of type 3, with or without its flag."""
    if octets[:1] == b"\x7e":
        return len(octets) > 1 and octets[1] >> 4 == _FORMAT
    size = int.from_bytes(octets[:2], "big")
    return size >> 12 == _FORMAT and size & _SIZE_MASK in (len(octets), len(octets) - 1)


def _address(walk: Walk, name: str) -> str:
    start = walk.offset
    octets = bytearray(walk.raw(1))
    while not octets[-1] & 1:
        if len(octets) >= 4:
            raise DecodeError(f"address without an end at octet {start}", offset=start)
        octets += walk.raw(1)
    bits = [octet >> 1 for octet in octets]
    if len(bits) == 4:
        text = f"{bits[0] << 7 | bits[1]}/{bits[2] << 7 | bits[3]}"
    else:
        text = "/".join(map(str, bits))
    walk.add(Node(name, f"{text} ({octets.hex()})", start, len(octets), is_wire=True))
    return text


def _control_text(control: int) -> str:
    poll = ", poll/final" if control & POLL else ""
    if is_information(control):
        return f"I, N(S) {send_number(control)}, N(R) {receive_number(control)}{poll}"
    if control & SUPERVISORY in _SUPERVISORY:
        return f"{_SUPERVISORY[control & SUPERVISORY]}, N(R) {receive_number(control)}{poll}"
    return _UNNUMBERED.get(control & ~POLL & 0xFF, f"control {control:02x}") + poll


def _check(walk: Walk, name: str, start: int) -> bool:
    """Take a check sum over what stands from `start`; whether it is right."""
    right = check_octets(walk.data[start : walk.offset])
    octets = walk.octets(name, 2, is_wire=True)
    leaf = walk.node.children[-1]
    leaf.value = f"{octets.hex()} ({'right' if octets == right else 'wrong'})"
    if octets != right:
        leaf.error = f"check sum is {octets.hex()}, should be {right.hex()}"
    return octets == right


def pull_hdlc_frame(walk: Walk) -> Carried | None:
    """Take a frame with the flags around it; give what it carries, None where it carries no part of a message."""
    with walk.group("hdlc", is_wire=True) as node:
        if walk.peek() == FLAG:
            walk.raw(1)
        start = walk.offset
        head = walk.unsigned("format", 2, is_wire=True, as_hex=True)
        size = head & _SIZE_MASK
        if head >> 12 != _FORMAT or size < _FRAME_SIZE_MIN:
            raise DecodeError(f"format {head:04x} at octet {start} is not of frame type 3", offset=start)
        is_segmented = bool(head & _SEGMENTED)
        destination, source = _address(walk, "destination"), _address(walk, "source")
        control = walk.unsigned("control", is_wire=True, as_hex=True)
        walk.node.children[-1].value = _control_text(control)
        node.value = f"{source} -> {destination}, {_control_text(control)}{', segmented' if is_segmented else ''}"
        end = start + size
        if walk.end < end:
            raise DecodeError(f"frame of {size} octets, {walk.end - start} are there", offset=start)
        carried: Carried | None = None
        is_intact = True
        if end - walk.offset > 2:
            is_intact = _check(walk, "HCS", start)
            carried = _information(walk, end - 2, control)
        is_intact = _check(walk, "FCS", start) and is_intact
        if walk.left and walk.peek() == FLAG:
            # The flag may open the next frame as well, which then has none of its own.
            shared = walk.left > 1 and walk.peek(1) >> 4 == _FORMAT
            walk.raw(0 if shared else 1)
    if carried is not None:
        carried.direction, carried.is_last, carried.is_intact = f"{source}>{destination}", not is_segmented, is_intact
        carried.number = control if is_information(control) else None
    return carried


def _information(walk: Walk, end: int, control: int) -> Carried | None:
    start, size = walk.offset, end - walk.offset
    if is_information(control) or control & ~POLL & 0xFF == UI:
        walk.octets("information", size, f"{size} octets", is_wire=True)
        return Carried(walk.node.children[-1], "", start, size)
    if control & ~POLL & 0xFF in (SNRM, UA) and walk.data[start : start + 2] == b"\x81\x80":
        inner = Walk(walk.data, walk.node, offset=start, end=end)
        with inner.group("parameters", is_wire=True):
            inner.attempt(_pull_parameters)
    else:
        walk.add(Node("information", shown(walk.data[start:end]), start, size, is_wire=True))
    walk.offset = end
    return None


def _pull_parameters(walk: Walk) -> None:
    walk.raw(2)
    walk.raw(1)
    while walk.left:
        start = walk.offset
        name, size = walk.raw(2)
        value = int.from_bytes(walk.raw(size), "big")
        walk.add(Node(_PARAMETERS.get(name, f"parameter-{name}"), str(value), start, 2 + size, is_wire=True))


# --- M-Bus ----------------------------------------------------------------------------------------------------------


def is_mbus(octets: bytes) -> bool:
    """Whether octets begin with a long frame of M-Bus that carries a part of an APDU."""
    return len(octets) >= 9 and octets[0] == octets[3] == MBUS_START and octets[1] == octets[2] >= 5


def pull_mbus_frame(walk: Walk) -> Carried:
    """Take a long frame: 68 L L 68, C, A, CI, the two addresses of the transport layer, data, sum, 16."""
    with walk.group("m-bus", is_wire=True) as node:
        walk.octets("start", 1, is_wire=True)
        length = walk.unsigned("length", is_wire=True)
        if walk.raw(2) != bytes((length, MBUS_START)):
            raise DecodeError(f"no second length and start at octet {walk.offset - 2}", offset=walk.offset - 2)
        start = walk.offset
        if walk.left < length + 2:
            raise DecodeError(f"frame of {length} octets, {walk.left} are there", offset=start)
        for name in ("control", "address"):
            walk.unsigned(name, is_wire=True, as_hex=True)
        information = walk.unsigned("control-information", is_wire=True, as_hex=True)
        is_last = bool(information & _MBUS_FINAL)
        walk.node.children[-1].value = f"segment {information & 0x0F}{', the last' if is_last else ''}"
        source = walk.unsigned("source", is_wire=True)
        destination = walk.unsigned("destination", is_wire=True)
        node.value = f"{source} -> {destination}, segment {information & 0x0F}{', the last' if is_last else ''}"
        size = length - 5
        carried = Carried(node, f"{source}>{destination}", walk.offset, size, is_last)
        walk.octets("data", size, f"{size} octets", is_wire=True)
        carried.node = walk.node.children[-1]
        right = sum(walk.data[start : walk.offset]) & 0xFF
        found = walk.unsigned("checksum", is_wire=True, as_hex=True)
        carried.is_intact = found == right
        if found != right:
            walk.node.children[-1].error = f"check sum is {found:02x}, should be {right:02x}"
        if walk.raw(1) != bytes((MBUS_END,)):
            raise DecodeError(f"no end of the frame at octet {walk.offset - 1}", offset=walk.offset - 1)
    return carried
