"""A tree as text: one line a node, with its offset, indented by depth, with or without colours."""

from collections.abc import Iterator
from typing import Final

from meterworks.protocols.dlms.dissect.node import Node

__all__ = ["render_text"]

_RESET: Final = "\x1b[0m"
_OFFSET: Final = "\x1b[2m"
_NAME: Final = "\x1b[36m"
_WIRE: Final = "\x1b[34m"
_ERROR: Final = "\x1b[1;31m"
_VALUE_SIZE_MAX: Final = 400


def render_text(node: Node, *, colour: bool = False) -> str:
    """Give the tree as lines of `offset  name: value`, errors behind `!`."""
    return "\n".join(_lines(node, 0, colour)) + "\n"


def _lines(node: Node, depth: int, colour: bool) -> Iterator[str]:
    pending = [(node, depth)]
    while pending:
        current, level = pending.pop()
        yield _line(current, level, colour)
        pending.extend((child, level + 1) for child in reversed(current.children))


def _line(node: Node, depth: int, colour: bool) -> str:
    value = _printable(node.value)
    if not colour:
        told = f": {value}" if value else ""
        wrong = f"  ! {_printable(node.error)}" if node.error else ""
        return f"{node.offset:04x}  {'  ' * depth}{node.name}{told}{wrong}"
    name = f"{_WIRE if node.is_wire else _NAME}{node.name}{_RESET}"
    told = f": {value}" if value else ""
    wrong = f"  {_ERROR}! {_printable(node.error)}{_RESET}" if node.error else ""
    return f"{_OFFSET}{node.offset:04x}{_RESET}  {'  ' * depth}{name}{told}{wrong}"


def _printable(text: str) -> str:
    """Give a text that cannot steer a terminal."""
    clean = "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)
    return clean if len(clean) <= _VALUE_SIZE_MAX else f"{clean[:_VALUE_SIZE_MAX]}..."
