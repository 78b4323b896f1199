"""General block transfer as a client's association uses it: around its requests, their answers, and pushes.

Requests that exceed what the server takes in one APDU go in blocks, if that was agreed; answers come so whenever the
server likes. Pushes that stream without a back channel may come at any time, between the blocks of an answer as well,
so they are joined by themselves. Source: IEC 62056-5-3, 4.2.3; fact sheet sections 4 and 9.
"""

from typing import Final

from meterworks.protocols.dlms.conformance import Conformance
from meterworks.protocols.dlms.general_block import JOINED_SIZE_MAX, BlockReceiver, BlockTransfer, GeneralBlock
from meterworks.protocols.errors import StateError, UnlawfulMessage

__all__ = ["ClientBlocks"]

PUSH_SIZE_MAX: Final = 64 * 1024  # octets of a push in blocks
ANSWER_SIZE_MAX: Final = 32 * 1024 * 1024  # octets of an answer in blocks
_GENERAL_BLOCKS: Final = int(Conformance.GENERAL_BLOCK_TRANSFER)


class ClientBlocks:
    """The blocks of one association. window: how many we take without acknowledging them."""

    __slots__ = ("_pushes", "_size_max", "_transfer", "_window")

    def __init__(self, window: int) -> None:
        self._window = window
        self._size_max = 0
        self._transfer: BlockTransfer | None = None
        self._pushes: BlockReceiver | None = None  # made when the first push in blocks comes

    def open(self, agreed: int, server_pdu: int, request_size_max: int) -> int:
        """Take what was agreed; give the octets that a plain request may have.

        server_pdu: octets of the largest APDU that the server takes. request_size_max: what of it is left beside the
        protection.
        """
        self._transfer = None
        self._size_max = server_pdu
        if not agreed & _GENERAL_BLOCKS:
            return request_size_max
        self._transfer = BlockTransfer(server_pdu, window=self._window, joined_size_max=ANSWER_SIZE_MAX)
        return JOINED_SIZE_MAX - server_pdu + request_size_max

    def send(self, apdu: bytes) -> list[bytes]:
        """Give an APDU as it goes out: whole where it fits, else the blocks of the first window."""
        transfer = self._transfer
        if transfer is None:
            return [apdu]
        transfer.begin()
        return [apdu] if len(apdu) <= self._size_max else transfer.send(apdu)

    def receive(self, apdu: bytes) -> tuple[bytes | None, list[bytes]]:
        """Take a block; give the whole APDU when it was the last one, and the blocks that must go out now."""
        block = GeneralBlock.from_bytes(apdu)
        if block.streaming and not block.window:
            self._pushes = self._pushes or BlockReceiver(PUSH_SIZE_MAX)
            return self._pushes.receive(block), []
        if self._transfer is None:
            raise UnlawfulMessage("a general block came where none were agreed on")
        return self._transfer.receive(apdu)

    def timed_out(self) -> list[bytes]:
        """Give what must be sent again when nothing came for too long. StateError where nothing is going on."""
        if self._transfer is None:
            raise StateError("no block transfer is going on")
        return self._transfer.timed_out()
