"""The dissector: any octets to an annotated tree, message after message."""

from collections.abc import Callable
from typing import Final

from meterworks.protocols.dlms.data import end_of
from meterworks.protocols.dlms.dissect.association import INITIATE, association_pulls
from meterworks.protocols.dlms.dissect.ciphered import pull_ciphered, pull_general_ciphering, pull_general_signing
from meterworks.protocols.dlms.dissect.data import pull_value
from meterworks.protocols.dlms.dissect.key_ring import KeyRing
from meterworks.protocols.dlms.dissect.layer import (
    Carried,
    is_hdlc,
    is_mbus,
    is_wrapper,
    pull_hdlc_frame,
    pull_llc,
    pull_mbus_frame,
    pull_wrapper,
)
from meterworks.protocols.dlms.dissect.name import APDU_NAMES, TYPE_NAMES
from meterworks.protocols.dlms.dissect.node import Node, Walk, shown
from meterworks.protocols.dlms.dissect.part import pull_list
from meterworks.protocols.dlms.dissect.service import SERVICES, Pull, pull_get_result, pull_outcome
from meterworks.protocols.dlms.dissect.session import Session
from meterworks.protocols.dlms.dissect.short_service import SHORT_SERVICES
from meterworks.protocols.dlms.general_block import GeneralBlock
from meterworks.protocols.dlms.length import decode_length
from meterworks.protocols.dlms.tag import FORM_OF
from meterworks.protocols.errors import DecodeError, UnlawfulMessage

__all__ = ["Dissector", "dissect"]

NESTING_MAX: Final = 8  # of APDUs inside APDUs
_LLC: Final = (b"\xe6\xe6\x00", b"\xe6\xe7\x00")
_ASSOCIATION_TAGS: Final = frozenset({0x60, 0x61})
_INITIATE_REQUEST: Final = 0x01
_GATEWAY_TAGS: Final = (0xE6, 0xE7)
_TELEGRAM_START: Final = 0x2F  # a slash
_GENERAL_BLOCK: Final = 0xE0
_GENERAL_CIPHERING: Final = 0xDD
_GENERAL_SIGNING: Final = 0xDF
_BLOCK_TAGS: Final[dict[int, Callable[[Walk], object]]] = {
    0xC1: pull_value, 0xC3: pull_value, 0xC4: pull_get_result, 0xC7: pull_outcome,
}  # fmt: skip


def dissect(octets: bytes, *, keys: KeyRing | None = None) -> Node:
    """Give the annotated tree of any octets: frames, APDUs or plain data. Never raises; errors are in the tree."""
    return Dissector(keys).dissect(octets)


class Dissector:
    """Dissects the messages of a conversation one after the other; what was learnt from one serves the next."""

    def __init__(self, keys: KeyRing | None = None) -> None:
        self._ring = keys or KeyRing()
        self._session = Session(self._ring)
        self._nesting = 0
        self._direction = ""
        self._pulls: dict[int, Pull] = {
            **SERVICES,
            **SHORT_SERVICES,
            **INITIATE,
            **association_pulls(self._pull_apdu),
            _GENERAL_CIPHERING: lambda walk: pull_general_ciphering(walk, self._session, self._pull_whole),
            _GENERAL_SIGNING: lambda walk: pull_general_signing(walk, self._session, self._pull_whole),
            _GENERAL_BLOCK: self._pull_general_block,
            **dict.fromkeys(_GATEWAY_TAGS, self._pull_gateway),
        }

    def dissect(self, octets: bytes, *, direction: str = "") -> Node:
        """Give the tree of one message or of several joined. direction: names who speaks, where the octets do not."""
        root = Node("octets", f"{len(octets)} octets", 0, len(octets), octets=octets)
        self._direction = direction
        if octets:
            Walk(octets, root).attempt(self._recognise(octets))
        else:
            root.error = "no octets"
        return root

    # --- what it is ---

    def _recognise(self, octets: bytes) -> Pull:
        """Choose how to go on by the look of the first octets, or by which reading is understood furthest."""
        if is_hdlc(octets):
            return self._pull_hdlc
        if is_wrapper(octets):
            return self._pull_wrapped
        if is_mbus(octets):
            return self._pull_mbus
        if octets[:3] in _LLC:
            return self._pull_message
        readings: list[Pull] = []
        if octets[0] in APDU_NAMES:
            readings.append(self._pull_apdus)
        if octets[0] in TYPE_NAMES:
            readings.append(_pull_data)
        if len(readings) == 1:
            return readings[0]
        if readings:
            return max(readings, key=lambda reading: _understood(octets, reading))
        return self._pull_hdlc if b"\x7e\xa0" in octets or b"\x7e\xa8" in octets else self._pull_apdus

    # --- layers ---

    def _pull_wrapped(self, walk: Walk) -> None:
        while walk.left:
            carried = pull_wrapper(walk)
            size = min(carried.size, walk.left)
            if size < carried.size:
                carried.node.error = f"{carried.size} octets announced, {size} are there"
            self._dissect_inside(walk, carried, size)
            walk.offset += size
            carried.node.size += size

    def _pull_hdlc(self, walk: Walk) -> None:
        while walk.left:
            start = walk.offset
            begin = walk.data.find(b"\x7e", start) if not is_hdlc(walk.data[start : start + 2]) else start
            if begin != start and not (start == 0 and is_hdlc(walk.data)):
                walk.offset = walk.end if begin < 0 else begin
                _show_skipped(walk, start)
                continue
            try:
                carried = pull_hdlc_frame(walk)
            except DecodeError:
                if walk.is_full:
                    raise
                following = walk.data.find(b"\x7e", start + 1)
                walk.offset = walk.end if following < 0 else following
                continue
            if carried is not None:
                self._carry(walk, carried)

    def _pull_mbus(self, walk: Walk) -> None:
        while walk.left:
            start = walk.offset
            if not is_mbus(walk.data[start : start + 9]):
                walk.offset = walk.end
                _show_skipped(walk, start)
                return
            self._carry(walk, pull_mbus_frame(walk))

    def _carry(self, walk: Walk, carried: Carried) -> None:
        """Dissect what a frame carries, or join it to what the frames before it brought."""
        self._direction = carried.direction
        name = f"frames {carried.direction}"
        octets = walk.data[carried.offset : carried.offset + carried.size]
        is_pending = self._session.is_pending(name)
        # A repeated frame has the number of the one before it and its content; some senders number none of theirs.
        if is_pending and carried.number is not None and self._session.transfer(name).is_last((carried.number, octets)):
            carried.node.value += ", repeated"
            return
        if is_pending and octets[:3] in _LLC:
            lost = len(self._session.end(name))
            carried.node.error = f"a message begins while {lost} octets of another lack their end: those are dropped"
        if carried.is_last and not self._session.is_pending(name):
            self._dissect_inside(walk, carried, carried.size)
            return
        transfer = self._session.transfer(name)
        transfer.last = (carried.number, octets)
        transfer.add(octets)
        if carried.is_last:
            parts = transfer.parts
            joined = self._session.end(name)
            self._dissect_joined(carried.node, "message", f"{len(joined)} octets of {parts} frames", joined)

    def _dissect_inside(self, walk: Walk, carried: Carried, size: int) -> None:
        self._direction = carried.direction
        inner = Walk(walk.data, carried.node, offset=carried.offset, end=carried.offset + size)
        inner.attempt(self._pull_message)

    def _dissect_joined(self, into: Node, name: str, value: str, octets: bytes) -> None:
        node = Node(name, value, 0, len(octets), is_wire=True, octets=octets)
        into.children.append(node)
        Walk(octets, node).attempt(self._pull_message)

    def _pull_message(self, walk: Walk) -> None:
        """Take an APDU with or without the LLC header."""
        if walk.data[walk.offset : walk.offset + 3] in _LLC:
            pull_llc(walk)
        self._pull_whole(walk)

    # --- APDUs ---

    def _pull_apdus(self, walk: Walk) -> None:
        while walk.left:
            self._pull_apdu(walk)

    def _pull_whole(self, walk: Walk) -> None:
        if walk.left and walk.peek() == _TELEGRAM_START:
            _pull_telegram(walk)
        else:
            self._pull_apdu(walk)
        walk.finish()

    def _pull_apdu(self, walk: Walk) -> None:
        start = walk.offset
        tag = walk.peek()
        pull = self._pulls.get(tag)
        if pull is None and tag not in FORM_OF:
            raise DecodeError(f"APDU of tag {tag:02x} at octet {start} is none that we know", offset=start)
        if self._nesting >= NESTING_MAX:
            raise DecodeError(f"more than {NESTING_MAX} APDUs inside each other at octet {start}", offset=start)
        if tag in _ASSOCIATION_TAGS:
            self._session.learn_association(_alone(walk, start))
        self._nesting += 1
        try:
            with walk.group(APDU_NAMES[tag]) as node:
                walk.raw(1)
                if pull is None:
                    pull_ciphered(walk, tag, self._session, self._pull_whole)
                else:
                    pull(walk)
        finally:
            self._nesting -= 1
        if tag == _INITIATE_REQUEST:
            self._session.learn_initiate(node)
        elif tag in _BLOCK_TAGS:
            self._join_block(tag, node)

    def _pull_gateway(self, walk: Walk) -> None:
        walk.unsigned("network-id")
        walk.counted("physical-device-address")
        self._pull_apdu(walk)

    # --- transfers in blocks ---

    def _pull_general_block(self, walk: Walk) -> None:
        start = walk.offset - 1
        control = walk.unsigned("block-control")
        flags = [text for bit, text in ((0x80, "last"), (0x40, "streaming")) if control & bit]
        walk.node.children[-1].value = ", ".join([*flags, f"window {control & 0x3F}"])
        number = walk.unsigned("block-number", 2)
        acknowledged = walk.unsigned("block-number-ack", 2)
        walk.counted("block-data")
        walk.node.value = f"block {number}{', the last' if control & 0x80 else ''}, {acknowledged} acknowledged"
        block = GeneralBlock.from_bytes(walk.data[start : walk.offset])
        receiver = self._session.receiver(self._direction)
        dropped = receiver.dropped
        try:
            joined = receiver.receive(block)
        except UnlawfulMessage as error:
            raise DecodeError(str(error), offset=start) from error
        if receiver.dropped > dropped:
            walk.node.error = f"{receiver.dropped - dropped} octets dropped: blocks before or between them are missing"
        if joined is not None:
            self._dissect_joined(walk.node, "apdu", f"{len(joined)} octets of {block.number} blocks", joined)

    def _join_block(self, tag: int, node: Node) -> None:
        """Collect the blocks of a long GET, SET or ACTION; the last one shows what they are together."""
        raw, number_node, last = node.find("raw-data"), node.find("block-number"), node.find("last-block")
        if raw is None or number_node is None or last is None:
            return
        number = int(number_node.xml or 0)
        name = f"blocks {self._direction} {tag:02x}"
        if number <= 1:
            self._session.end(name)
        elif not self._session.is_pending(name):
            return  # a block out of the midst of a transfer, which is not known
        transfer = self._session.transfer(name)
        if number != transfer.number + 1:
            if number != transfer.number:
                raw.error = f"block {number} follows block {transfer.number}: the value cannot be joined"
                self._session.end(name)
            return
        transfer.number = number
        transfer.add(bytes.fromhex(raw.xml or ""))
        if last.xml != "0":
            joined = self._session.end(name)
            value = Node("joined", f"{len(joined)} octets of {number} blocks", size=len(joined), is_wire=True)
            value.octets = joined
            node.children.append(value)
            Walk(joined, value).attempt(lambda walk: _pull_joined(walk, _BLOCK_TAGS[tag]))


def _alone(walk: Walk, start: int) -> bytes:
    """Give the association APDU at `start` without what may follow it."""
    try:
        length, offset = decode_length(walk.data, start + 1)
    except DecodeError:
        return b""
    return walk.data[start : min(offset + length, walk.end)]


def _pull_joined(walk: Walk, pull_entry: Callable[[Walk], object]) -> None:
    """Take what blocks were together: one value, or a list of values or results."""
    try:
        is_value = end_of(walk.data) == len(walk.data)
    except DecodeError:
        is_value = False
    if is_value:
        pull_value(walk)
    else:
        pull_list(walk, "list", pull_entry)
    walk.finish()


def _pull_telegram(walk: Walk) -> None:
    """Take the text that customer ports of some countries put in place of an APDU (P1)."""
    with walk.group("p1-telegram") as node:
        octets = walk.data[walk.offset : walk.end]
        node.value = f"{len(octets)} octets"
        node.xml = octets.decode("latin-1")
        for line in octets.splitlines(keepends=True):
            text = line.strip().decode("latin-1")
            if text:
                walk.add(Node("line", text, walk.offset, len(line), is_wire=True))
            walk.raw(len(line))


def _pull_data(walk: Walk) -> None:
    while walk.left:
        pull_value(walk)


def _understood(octets: bytes, reading: Pull) -> tuple[bool, int]:
    """Try a reading on a dissector of its own; whether all was understood, and how far it came."""
    reader: Pull = reading if reading is _pull_data else Dissector()._pull_apdus
    root = Node("trial", octets=octets)
    walk = Walk(octets, root)
    is_whole = walk.attempt(reader) and not root.errors
    return is_whole, len(octets) if is_whole else root.first_error or 0


def _show_skipped(walk: Walk, start: int) -> None:
    octets = walk.data[start : walk.offset]
    walk.add(Node("skipped", shown(octets), start, len(octets), error="octets that belong to no frame", is_wire=True))
