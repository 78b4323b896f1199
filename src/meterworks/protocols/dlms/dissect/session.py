"""What a dissector remembers from message to message: titles, the dedicated key, unfinished transfers.

Every buffer is bounded: the number of directions that are kept, and the octets of each.
"""

from typing import Final

from meterworks.protocols.dlms.acse import AssociationRequest, AssociationResponse
from meterworks.protocols.dlms.dissect.key_ring import KeyRing
from meterworks.protocols.dlms.dissect.node import Node
from meterworks.protocols.dlms.general_block import BlockReceiver
from meterworks.protocols.errors import DecodeError

__all__ = ["JOINED_SIZE_MAX", "Session", "Transfer"]

JOINED_SIZE_MAX: Final = 16 << 20
TRANSFERS_MAX: Final = 64
TITLES_MAX: Final = 64
_CLIENT_TAGS: Final = frozenset({0x21, 0x25, 0x26, 0x36, 0x41, 0x45, 0x46, 0x56, 0xC8, 0xC9, 0xCB, 0xD0, 0xD1, 0xD3})


class Transfer:
    """Octets of a message that comes in parts. number: of the last block, 0 before any. last: the last frame."""

    __slots__ = ("last", "number", "octets", "parts")

    def __init__(self) -> None:
        self.octets = bytearray()
        self.parts = 0
        self.number = 0
        self.last: tuple[int | None, bytes] | None = None

    def is_last(self, frame: tuple[int | None, bytes]) -> bool:
        """Whether a frame is the last one again."""
        return self.last == frame

    def add(self, octets: bytes) -> None:
        """Take a part. DecodeError where all of them would be too much."""
        if len(self.octets) + len(octets) > JOINED_SIZE_MAX:
            self.octets.clear()
            raise DecodeError(f"parts of more than {JOINED_SIZE_MAX} octets together")
        self.octets += octets
        self.parts += 1


class Session:
    """The state of one conversation, or of several that share a line."""

    __slots__ = ("_receivers", "_titles", "_transfers", "client_title", "dedicated_key", "ring", "server_title")

    def __init__(self, ring: KeyRing) -> None:
        self.ring = ring
        self.client_title = b""
        self.server_title = b""
        self.dedicated_key: bytes | None = None
        self._titles: dict[bytes, None] = {}
        self._transfers: dict[str, Transfer] = {}
        self._receivers: dict[str, BlockReceiver] = {}

    # --- transfers ---

    def transfer(self, name: str) -> Transfer:
        """Give the unfinished transfer of that name, or a new one."""
        if name not in self._transfers:
            while len(self._transfers) >= TRANSFERS_MAX:
                self._transfers.pop(next(iter(self._transfers)))
            self._transfers[name] = Transfer()
        return self._transfers[name]

    def is_pending(self, name: str) -> bool:
        """Whether a transfer of that name is unfinished."""
        return name in self._transfers

    def end(self, name: str) -> bytes:
        """Give what a transfer brought and forget it."""
        return bytes(self._transfers.pop(name).octets) if name in self._transfers else b""

    def receiver(self, direction: str) -> BlockReceiver:
        """Give what joins the general blocks of a direction."""
        if direction not in self._receivers:
            while len(self._receivers) >= TRANSFERS_MAX:
                self._receivers.pop(next(iter(self._receivers)))
            self._receivers[direction] = BlockReceiver()
        return self._receivers[direction]

    # --- titles ---

    def learn_title(self, title: bytes) -> None:
        """Keep a title that was seen."""
        self._titles.pop(title, None)
        self._titles[title] = None
        if len(self._titles) > TITLES_MAX:
            self._titles.pop(next(iter(self._titles)))

    def learn_association(self, apdu: bytes) -> None:
        """Keep the title in an association request or response; what cannot be read teaches nothing."""
        try:
            if apdu[:1] == b"\x60":
                title = AssociationRequest.from_bytes(apdu).calling_title
                self.client_title, self.dedicated_key = title or b"", None
            else:
                title = AssociationResponse.from_bytes(apdu).responding_title
                self.server_title = title or b""
        except DecodeError:
            return
        if title:
            self.learn_title(title)

    def learn_initiate(self, node: Node) -> None:
        """Keep the dedicated key of an initiate request."""
        key = node.find("dedicated-key")
        if key is not None and key.xml:
            self.dedicated_key = bytes.fromhex(key.xml)

    def titles_of(self, tag: int, stated: bytes = b"") -> list[bytes]:
        """Give the titles that the sender of an APDU may have, the likeliest first."""
        if stated:
            return [stated]
        is_client = tag in _CLIENT_TAGS
        likely = (self.client_title, self.server_title) if is_client else (self.server_title, self.client_title)
        return [title for title in (*likely, *reversed(self._titles), *self.ring.titles) if title]
