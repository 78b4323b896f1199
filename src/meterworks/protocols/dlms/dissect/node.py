"""The annotated tree: what stands where in some octets, and the cursor that makes it.

Decoding never fails here: a decoder that meets something unlawful raises DecodeError inside, the innermost open node
keeps what was wrong, and the octets that were not understood follow as a node of their own.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from meterworks.protocols.dlms.length import decode_length, take
from meterworks.protocols.errors import DecodeError

__all__ = ["NODES_MAX", "Node", "Walk"]

NODES_MAX: Final = 200_000  # of one tree
SHOWN_OCTETS_MAX: Final = 64  # of octets in the text of a value; the XML has them all


@dataclass(slots=True)
class Node:
    """A part of a message.

    name: as the ASN.1 or the layer's standard names it. value: for people. offset, size: octets, counted from the
    begin of `octets` of the nearest node above that has any, else of what was given. error: what is wrong here.
    xml: the value as the DLMS UA's XML form writes it, None where the form has an element with children or nothing.
    is_wire: of the encoding or of a layer below, not of the message: left out of the XML.
    octets: where the children lie in octets of their own: joined, or deciphered.
    """

    name: str
    value: str = ""
    offset: int = 0
    size: int = 0
    children: list["Node"] = field(default_factory=list)
    error: str = ""
    xml: str | None = None
    is_wire: bool = False
    octets: bytes = b""

    def walk(self) -> Iterator["Node"]:
        """Give this node and all below it, in the order of the octets."""
        pending = [self]
        while pending:
            node = pending.pop()
            yield node
            pending.extend(reversed(node.children))

    def find(self, *names: str) -> "Node | None":
        """Give the first node of the first of these names that is there."""
        return next((node for name in names for node in self.walk() if node.name == name), None)

    @property
    def errors(self) -> list["Node"]:
        """The nodes where something is wrong."""
        return [node for node in self.walk() if node.error]

    @property
    def first_error(self) -> int | None:
        """Where decoding failed first: the offset behind the last thing understood; None where nothing is wrong."""
        return next((node.offset + node.size for node in self.walk() if node.error), None)


class Walk:
    """A cursor over octets that makes nodes as it goes; the open node takes what comes next."""

    __slots__ = ("_left", "data", "end", "node", "offset")

    def __init__(self, data: bytes, root: Node, *, offset: int = 0, end: int | None = None) -> None:
        self.data = data  # not cut at the end: frames of a long stream would each copy what is before them
        self.offset = offset
        self.end = len(data) if end is None else min(end, len(data))
        self.node = root
        self._left = NODES_MAX

    @property
    def left(self) -> int:
        """Octets that are still there."""
        return self.end - self.offset

    @property
    def is_full(self) -> bool:
        """Whether no more nodes are taken."""
        return self._left < 0

    def add(self, node: Node) -> Node:
        """Put a node into the open one."""
        self._left -= 1
        if self._left < 0:
            raise DecodeError(f"more than {NODES_MAX} parts; the rest is not shown", offset=self.offset)
        self.node.children.append(node)
        return node

    @contextmanager
    def group(self, name: str, value: str = "", *, is_wire: bool = False) -> Iterator[Node]:
        """Open a node; what is made until it closes is inside. An error inside is noted once, at the innermost."""
        outer = self.node
        node = self.add(Node(name, value, self.offset, is_wire=is_wire))
        self.node = node
        try:
            yield node
        except DecodeError as error:
            note(node, error)
            raise
        finally:
            node.size = self.offset - node.offset
            self.node = outer

    def attempt(self, pull: Callable[["Walk"], object]) -> bool:
        """Run a decoder; where it fails, show the octets that are left and give False."""
        try:
            pull(self)
        except DecodeError as error:
            note(self.node, error)
            self.rest("not understood")
            return False
        return True

    # --- leaves ---

    def peek(self, ahead: int = 0) -> int:
        """Give the octet that comes next, or the one so many behind it, without taking it."""
        self._need(ahead + 1)
        return self.data[self.offset + ahead]

    def raw(self, size: int) -> bytes:
        """Take octets without a node."""
        self._need(size)
        octets = take(self.data, self.offset, size)
        self.offset += size
        return octets

    def count(self) -> int:
        """Take a length or count without a node."""
        value, offset = decode_length(self.data, self.offset)
        self.skip_to(offset)
        return value

    def skip_to(self, offset: int) -> None:
        """Move on to where another decoder ended, or refuse an offset beyond the end of this walk."""
        if offset > self.end:
            raise DecodeError(f"cut off: {offset - self.end} octets missing at octet {self.end}", offset=self.end)
        self.offset = offset

    def unsigned(
        self,
        name: str,
        size: int = 1,
        *,
        names: Mapping[int, str] | None = None,
        is_wire: bool = False,
        as_hex: bool = False,
    ) -> int:
        """Take an unsigned number. names: meanings by number, which the XML then writes in its place."""
        start = self.offset
        number = int.from_bytes(self.raw(size), "big")
        text = f"{number:0{2 * size}x}" if as_hex else str(number)
        meaning = names.get(number) if names is not None else None
        value = text if meaning is None else f"{meaning} ({text})"
        self.add(Node(name, value, start, size, xml=meaning or str(number), is_wire=is_wire))
        return number

    def octets(self, name: str, size: int, value: str | None = None, *, is_wire: bool = False) -> bytes:
        """Take octets as a leaf."""
        start = self.offset
        octets = self.raw(size)
        self.add(Node(name, shown(octets) if value is None else value, start, size, xml=upper(octets), is_wire=is_wire))
        return octets

    def counted(self, name: str, value: str | None = None, *, is_wire: bool = False) -> bytes:
        """Take a length and as many octets as a leaf that covers both."""
        start = self.offset
        length = self.count()
        octets = self.raw(length)
        text = shown(octets) if value is None else value
        self.add(Node(name, text, start, self.offset - start, xml=upper(octets), is_wire=is_wire))
        return octets

    def rest(self, name: str) -> None:
        """Show what is left, if anything is."""
        if self.left > 0:
            octets = self.data[self.offset : self.end]
            self.node.children.append(Node(name, shown(octets), self.offset, len(octets), is_wire=True))
            self.offset = self.end

    def finish(self) -> None:
        """Refuse octets behind the last part."""
        if self.left:
            raise DecodeError(f"{self.left} octets follow the message", offset=self.offset)

    def _need(self, size: int) -> None:
        if size > self.left:
            raise DecodeError(
                f"{size} octets expected at octet {self.offset}, {max(self.left, 0)} are there", offset=self.offset
            )


def note(node: Node, error: DecodeError) -> None:
    """Write an error into the node that met it first; those around it leave it at that."""
    if not error.facts.get("is_noted"):
        error.facts["is_noted"] = True
        node.error = str(error)


def shown(octets: bytes) -> str:
    """Give octets for people: hex, cut where long."""
    if len(octets) <= SHOWN_OCTETS_MAX:
        return octets.hex()
    return f"{octets[:SHOWN_OCTETS_MAX].hex()}... ({len(octets)} octets)"


def upper(octets: bytes) -> str:
    """Give octets as the XML form writes them."""
    return octets.hex().upper()
