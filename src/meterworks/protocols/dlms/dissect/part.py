"""Parts that several services share: descriptors, selections, blocks, results."""

from collections.abc import Callable
from typing import Final

from meterworks.protocols.dlms.dissect.data import pull_value
from meterworks.protocols.dlms.dissect.name import ACCESS_RESULTS
from meterworks.protocols.dlms.dissect.node import Node, Walk
from meterworks.protocols.dlms.dissect.object_name import attribute_name, class_name, describe_name, method_name
from meterworks.protocols.errors import DecodeError

__all__ = [
    "pull_block",
    "pull_choice",
    "pull_data",
    "pull_descriptor",
    "pull_invoke",
    "pull_item",
    "pull_list",
    "pull_long_invoke",
    "pull_optional",
    "pull_result",
    "pull_short_name",
]

_LONG_FLAGS: Final = ((28, "self-descriptive"), (29, "break on error"), (30, "confirmed"), (31, "high priority"))
_SHORT_FLAGS: Final = ((4, "self-descriptive"), (5, "break on error"), (6, "confirmed"), (7, "high priority"))


def _pull_invocation(walk: Walk, name: str, size: int, id_bits: int, flags: tuple[tuple[int, str], ...]) -> None:
    number = walk.unsigned(name, size)
    told = [text for bit, text in flags if number >> bit & 1]
    walk.node.children[-1].value = ", ".join([f"id {number & (1 << id_bits) - 1}", *told])


def pull_invoke(walk: Walk) -> None:
    """Take invoke-id and priority."""
    _pull_invocation(walk, "invoke-id-and-priority", 1, 4, _SHORT_FLAGS)


def pull_long_invoke(walk: Walk) -> None:
    """Take the long form of invoke-id and priority."""
    _pull_invocation(walk, "long-invoke-id-and-priority", 4, 24, _LONG_FLAGS)


def pull_descriptor(walk: Walk, kind: str = "attribute") -> Node:
    """Take the descriptor of an attribute or method."""
    with walk.group(f"cosem-{kind}-descriptor") as node:
        class_id = walk.unsigned("class-id", 2)
        walk.node.children[-1].value = f"{class_name(class_id)} ({class_id})".strip()
        name = walk.octets("instance-id", 6)
        walk.node.children[-1].value = describe_name(name)
        start = walk.offset
        number = int.from_bytes(walk.raw(1), "big", signed=True)
        known = attribute_name(class_id, number) if kind == "attribute" else method_name(class_id, number)
        text = f"{known} ({number})" if known else str(number)
        walk.add(Node(f"{kind}-id", text, start, 1, xml=str(number)))
        node.value = f"{describe_name(name)} {known or number}"
    return node


def pull_item(walk: Walk) -> None:
    """Take an attribute descriptor with its optional selective access."""
    pull_descriptor(walk)
    pull_optional(walk, _pull_selection)


def _pull_selection(walk: Walk) -> None:
    with walk.group("access-selection"):
        walk.unsigned("access-selector")
        with walk.group("access-parameters"):
            pull_value(walk)


def pull_optional(walk: Walk, pull: Callable[[Walk], object]) -> bool:
    """Take the octet that says whether a part follows, and the part."""
    flag = walk.peek()
    if flag > 1:
        raise DecodeError(f"presence flag {flag:#04x} at octet {walk.offset}", offset=walk.offset)
    walk.raw(1)
    if flag:
        pull(walk)
    return bool(flag)


def pull_choice(walk: Walk, *pulls: Callable[[Walk], object]) -> None:
    """Take the octet that chooses among alternatives, and the one chosen."""
    choice = walk.peek()
    if choice >= len(pulls):
        raise DecodeError(f"choice {choice:#04x} at octet {walk.offset}; 0 to {len(pulls) - 1} are", offset=walk.offset)
    walk.raw(1)
    pulls[choice](walk)


def pull_list(walk: Walk, name: str, pull: Callable[[Walk], object], item: str = "", *, is_wire: bool = False) -> int:
    """Take a counted list; `item` names an element around each entry. is_wire: the list itself has no element."""
    with walk.group(name, is_wire=is_wire) as node:
        count = walk.count()
        node.value = f"{count} entr{'y' if count == 1 else 'ies'}"
        if count > walk.left:
            raise DecodeError(f"{count} entries at octet {walk.offset} in {walk.left} octets", offset=walk.offset)
        for _ in range(count):
            if item:
                with walk.group(item):
                    pull(walk)
            else:
                pull(walk)
    return count


def pull_data(walk: Walk, name: str = "data") -> None:
    """Take a value inside an element."""
    with walk.group(name):
        pull_value(walk)


def pull_result(walk: Walk, name: str = "data-access-result") -> None:
    """Take a data access or action result."""
    walk.unsigned(name, names=ACCESS_RESULTS)


def pull_block(walk: Walk, name: str = "datablock") -> Node:
    """Take a data block: last, number, octets."""
    with walk.group(name) as node:
        last = walk.unsigned("last-block")
        number = walk.unsigned("block-number", 4)
        walk.counted("raw-data")
        node.value = f"block {number}{', the last' if last else ''}"
    return node


def pull_short_name(walk: Walk, name: str) -> int:
    """Take a base name; the ASN.1 has it signed, people write it as four hex digits."""
    number = walk.unsigned(name, 2)
    leaf = walk.node.children[-1]
    leaf.value, leaf.xml = f"{number:04x}", str(number - 0x10000 if number & 0x8000 else number)
    return number
