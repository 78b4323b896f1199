"""The whole APDUs in a tree: what remains when frames, segments and blocks are taken away."""

from collections.abc import Iterator
from typing import Final

from meterworks.protocols.dlms.dissect.name import APDU_NAMES
from meterworks.protocols.dlms.dissect.node import Node

__all__ = ["messages_of"]

_NAMES: Final = frozenset(APDU_NAMES.values())
_CARRIERS: Final = frozenset({"general-block-transfer", "gateway-request", "gateway-response"})


def messages_of(tree: Node) -> Iterator[tuple[Node, bytes]]:
    """Give each whole APDU with its node: joined, still ciphered, in the order in which they were complete.

    A block of a general block transfer is none, the APDU that the blocks are together is one.
    """
    pending = [(tree, tree.octets)]
    while pending:
        node, octets = pending.pop()
        octets = node.octets or octets
        if node.name in _NAMES and node.name not in _CARRIERS:
            yield node, octets[node.offset : node.offset + node.size]
            continue
        pending.extend((child, octets) for child in reversed(node.children))
