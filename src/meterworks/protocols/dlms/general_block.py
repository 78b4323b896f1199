"""General block transfer: any APDU, ciphered or not, cut into numbered blocks, with windows and recovery of lost ones.

Both ends number what they send from 1 and say in each block which number of the other's they received last in order.

    sender                                     receiver
    1, 2, 3 (streaming), the third without ──▶ takes them in order; where one is missing, those behind it are dropped
                                           ◀── an empty block: "3 received" (or "1", when 2 was lost)
    4, 5, 6 (or 2, 3, 4 again)             ──▶ ...
    the last one says so                   ──▶ the joined octets are the APDU

The receiver's window (how many blocks it takes without being asked) is in each block that it sends. A block without the
streaming bit ends a window, and so does the last one. A sender that has no back channel (window 0, always streaming)
never waits; there a new block number 1 means that whatever was pending is lost, and so does a gap.
An acknowledgement that reports a loss has a number of its own, one that is only repeated keeps its number: so a sender
tells them apart, and a line that repeats blocks does not make it send each window twice for ever after.
Nothing here knows the time: whoever waits calls `timed_out` when nothing came for too long, and sends what it gives.
Source: IEC 62056-5-3, 4.2.3 and 9.4.6.13 of the Green Book; fact sheet section 4.
"""

from dataclasses import dataclass
from typing import Final, Self

from meterworks.protocols.dlms.length import decode_length, encode_length, take, unsigned_at
from meterworks.protocols.errors import DecodeError, EncodeError, StateError, UnlawfulMessage

__all__ = [
    "BLOCK_ROOM",
    "JOINED_SIZE_MAX",
    "WINDOW_MAX",
    "BlockReceiver",
    "BlockTransfer",
    "GeneralBlock",
    "cut_stream",
]

WINDOW_MAX: Final = 63
NUMBER_MAX: Final = 0xFFFF
JOINED_SIZE_MAX: Final = 1024 * 1024  # octets of one joined APDU that is taken
TIMEOUTS_MAX: Final = 4  # repetitions without anything heard, before the transfer is given up
BLOCK_ROOM: Final = 1 + 1 + 2 + 2 + 3  # tag, control, both numbers, length
_LAST: Final = 0x80
_STREAMING: Final = 0x40


@dataclass(frozen=True, slots=True)
class GeneralBlock:
    """One block. window: how many blocks its sender takes at once. number: from 1. acknowledged: last received."""

    last: bool
    streaming: bool
    window: int
    number: int
    acknowledged: int
    octets: bytes

    def to_bytes(self) -> bytes:
        """Encode the APDU. EncodeError for numbers that do not fit."""
        if not (0 <= self.window <= WINDOW_MAX and self.number <= NUMBER_MAX and self.acknowledged <= NUMBER_MAX):
            raise EncodeError(f"block {self.number} with window {self.window} does not fit its fields")
        control = (_LAST if self.last else 0) | (_STREAMING if self.streaming else 0) | self.window
        numbers = (self.number << 16 | self.acknowledged).to_bytes(4, "big")
        return b"".join((bytes((0xE0, control)), numbers, encode_length(len(self.octets)), self.octets))

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        if take(apdu, 0, 1) != b"\xe0":
            raise DecodeError(f"general block expected, got {apdu[:1].hex()}", offset=0)
        control = unsigned_at(apdu, 1, 1)
        number, acknowledged = unsigned_at(apdu, 2, 2), unsigned_at(apdu, 4, 2)
        length, offset = decode_length(apdu, 6)
        if length != len(apdu) - offset:
            raise DecodeError(f"block of {length} octets in {len(apdu) - offset}", offset=offset)
        last, streaming = control & _LAST != 0, control & _STREAMING != 0
        return cls(last, streaming, control & WINDOW_MAX, number, acknowledged, apdu[offset:])


class BlockReceiver:
    """Joins the blocks of one APDU after the other.

    size_max: octets of a joined APDU; more are refused with UnlawfulMessage. received: the last number in order, 0
    while there is none. dropped: octets that could not be used: of unfinished APDUs that a fresh block 1 displaced,
    and of blocks behind a gap.
    """

    __slots__ = ("_first_size", "_octets", "_size_max", "dropped", "received")

    def __init__(self, size_max: int = JOINED_SIZE_MAX) -> None:
        self._size_max = size_max
        self._octets = bytearray()
        self._first_size = 0
        self.received = 0
        self.dropped = 0

    @property
    def is_pending(self) -> bool:
        """Whether blocks of an unfinished APDU are kept."""
        return bool(self._octets)

    def abandon(self) -> None:
        """Forget the unfinished APDU; numbers start at 1 again."""
        self.dropped += len(self._octets)
        self._octets.clear()
        self.received = 0

    def receive(self, block: GeneralBlock) -> bytes | None:
        """Take a block; give the whole APDU with its last one. A block that is not the next is dropped."""
        if not block.octets:
            if not self.is_pending:  # an acknowledgement: it has a number, too
                self.received = max(self.received, block.number)
            return None
        if self.begins(block):
            self.abandon()
        elif block.number != self.received + 1:
            self.dropped += len(block.octets) if block.number > self.received else 0
            if _is_one_way(block):
                self.abandon()
            return None
        if len(self._octets) + len(block.octets) > self._size_max:
            self.abandon()
            raise UnlawfulMessage(f"blocks of more than {self._size_max} octets together", number=block.number)
        if not self._octets:
            self._first_size = len(block.octets)
        self._octets += block.octets
        self.received = block.number
        if not block.last:
            return None
        apdu = bytes(self._octets)
        self._octets.clear()
        return apdu

    def begins(self, block: GeneralBlock) -> bool:
        """Whether a block 1 begins anew, and does not merely repeat the one that we have."""
        if block.number != 1:
            return False
        can_be_repeated = self.is_pending and not _is_one_way(block)
        return not (can_be_repeated and len(block.octets) == self._first_size and self._octets.startswith(block.octets))


def _is_one_way(block: GeneralBlock) -> bool:
    """Whether the sender has no back channel: it sends nothing twice, and asks for nothing."""
    return block.streaming and not block.window


class BlockTransfer:
    """The blocks that one end of an association sends and receives.

    size_max: octets of the largest APDU that the other end takes. window: blocks that this end takes at once.
    peer_window: what the other end takes before it has said so itself.
    """

    __slots__ = (
        "_acknowledged",
        "_acted_on",
        "_block_size",
        "_blocks",
        "_last_sent",
        "_number",
        "_peer_window",
        "_receiver",
        "_timeouts",
        "_window",
    )

    def __init__(
        self, size_max: int, *, window: int = 1, peer_window: int = 1, joined_size_max: int = JOINED_SIZE_MAX
    ) -> None:
        if size_max <= BLOCK_ROOM or not 1 <= window <= WINDOW_MAX:
            raise StateError(f"no blocks of at most {size_max} octets with a window of {window}")
        self._block_size = size_max - BLOCK_ROOM
        self._window = window
        self._peer_window = min(max(peer_window, 1), WINDOW_MAX)
        self._receiver = BlockReceiver(joined_size_max)
        self._blocks: list[bytes] = []  # of the APDU that goes out, until a new exchange begins
        self._acknowledged = 0  # of ours, by the other end
        self._acted_on = 0  # the number of the last acknowledgement of theirs that made us send
        self._number = 0  # of ours, given out last
        self._last_sent: list[bytes] = []
        self._timeouts = 0

    @property
    def is_receiving(self) -> bool:
        """Whether an APDU has begun to come and is not whole yet."""
        return self._receiver.is_pending

    @property
    def is_sending(self) -> bool:
        """Whether blocks of ours are not acknowledged yet."""
        return self._acknowledged < len(self._blocks)

    def begin(self) -> None:
        """Forget what was before: numbers start at 1 again. A client calls it for each request."""
        self._receiver.abandon()
        self._blocks = []
        self._acknowledged = self._acted_on = self._number = self._timeouts = 0
        self._last_sent = []

    def send(self, apdu: bytes) -> list[bytes]:
        """Cut an APDU into blocks and give those of the first window."""
        size = self._block_size
        blocks = [apdu[start : start + size] for start in range(0, len(apdu), size)]
        if self._number + len(blocks) > NUMBER_MAX:
            raise StateError(f"{len(apdu)} octets are more than {NUMBER_MAX} blocks of {size}")
        self._blocks = [b""] * self._number + blocks  # empty ones stand for acknowledgements given before
        self._acknowledged = self._number
        return self._send_window()

    def receive(self, apdu: bytes) -> tuple[bytes | None, list[bytes]]:
        """Take a block; give the whole APDU when it was the last one, and the blocks that must go out now.

        Raises DecodeError, or UnlawfulMessage where the other end gives up, acknowledges what was never sent, or sends
        more than is taken.
        """
        block = GeneralBlock.from_bytes(apdu)
        self._timeouts = 0
        if block.last and not (block.number or block.acknowledged or block.octets):
            self.begin()
            raise UnlawfulMessage("the other end gave the block transfer up")
        if block.window:
            self._peer_window = block.window
        if block.octets and not block.acknowledged and self._receiver.begins(block):
            self.begin()  # who has heard nothing of us begins an exchange
        is_old = block.number <= self._receiver.received
        whole = self._receiver.receive(block)
        output = self._continue(block, is_old)
        if block.octets and whole is None and not output and not block.streaming:
            output = [self._acknowledgement(is_repeated=is_old)]
        if output:
            self._last_sent = output
        return whole, output

    def acknowledge(self) -> bytes:
        """Give the empty block that acknowledges what came, where no answer will do it."""
        block = self._acknowledgement()
        self._last_sent = [block]
        return block

    def abort(self) -> bytes:
        """Give the block that tells the other end that the transfer is given up, and forget it."""
        self.begin()
        return GeneralBlock(True, False, self._window, 0, 0, b"").to_bytes()

    def timed_out(self) -> list[bytes]:
        """Give what must be sent again when nothing came for too long: our window, or our acknowledgement.

        StateError when nothing is going on; UnlawfulMessage when it has been repeated often enough.
        """
        self._timeouts += 1
        if self._timeouts > TIMEOUTS_MAX:
            self.begin()
            raise UnlawfulMessage(f"block transfer without an answer to {TIMEOUTS_MAX} repetitions")
        if self._receiver.is_pending:
            return [self._acknowledgement()]
        if not self._last_sent:
            raise StateError("no block transfer is going on")
        return self._last_sent

    def _continue(self, block: GeneralBlock, is_old: bool) -> list[bytes]:
        """Go on with what we send, from where the other end is."""
        if block.streaming or not self._blocks:
            return []
        if block.acknowledged > self._number:
            raise UnlawfulMessage(f"block {block.acknowledged} acknowledged, {self._number} were sent")
        if block.acknowledged <= self._acknowledged:
            if block.octets:  # sent again: so what we sent since did not arrive
                return self._last_sent if is_old and self.is_sending else []
            if block.number <= self._acted_on:
                return []
        self._acknowledged = block.acknowledged
        if not block.octets:
            self._acted_on = max(self._acted_on, block.number)
        return self._send_window() if self.is_sending else []

    def _send_window(self) -> list[bytes]:
        """Give the blocks behind the last one acknowledged, as many as the other end takes."""
        first, count = self._acknowledged, len(self._blocks)
        end = min(first + self._peer_window, count)
        self._number = max(self._number, end)
        self._last_sent = [
            GeneralBlock(
                index + 1 == count,
                index + 1 < end,
                self._window,
                index + 1,
                self._receiver.received,
                self._blocks[index],
            ).to_bytes()
            for index in range(first, end)
        ]
        return self._last_sent

    def _acknowledgement(self, *, is_repeated: bool = False) -> bytes:
        if not is_repeated or not self._number:
            self._number += 1
        return GeneralBlock(True, False, self._window, self._number, self._receiver.received, b"").to_bytes()


def cut_stream(apdu: bytes, size_max: int) -> list[bytes]:
    """Cut an APDU into blocks for a receiver that cannot answer (a push without a back channel).

    size_max: octets of the largest APDU that the carrier takes. The blocks stream, with window 0.
    """
    size = size_max - BLOCK_ROOM
    count = -(-len(apdu) // size) if size > 0 else NUMBER_MAX + 1
    if count > NUMBER_MAX:
        raise StateError(f"{len(apdu)} octets do not go into {NUMBER_MAX} blocks of {size}")
    return [
        GeneralBlock(index + 1 == count, True, 0, index + 1, 0, apdu[index * size : (index + 1) * size]).to_bytes()
        for index in range(count)
    ]
