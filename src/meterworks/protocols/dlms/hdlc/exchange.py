"""Numbered information, the same for both ends: windows, segments, and repetition from the first frame not received.

Each frame with the poll or final bit hands the turn over, and its N(R) tells what arrived. So when an end has the turn,
whatever it sent and is not acknowledged was lost: it begins its next window with just that. Nothing else is needed to
recover lost or repeated frames, in either direction.  Source: ISO/IEC 13239, checkpoint recovery; IEC 62056-46, 6.4.
"""

from collections import deque
from typing import Final

from meterworks.protocols.dlms.hdlc.address import HdlcAddress
from meterworks.protocols.dlms.hdlc.control import MODULUS, RR, information_control, supervisory_control
from meterworks.protocols.dlms.hdlc.frame import HdlcFrame
from meterworks.protocols.dlms.hdlc.parameter import LinkParameters
from meterworks.protocols.errors import UnlawfulMessage

__all__ = ["NumberedExchange"]

WAITING_SEGMENTS_MAX: Final = 4096  # an APDU of 65,535 octets in segments of 32 makes 2,048


class NumberedExchange:
    """Both directions of a link that stands, between `own` and `peer`.

    parameters: as agreed. message_size_max: octets of a message in segments. taken: frames taken in order so far.
    """

    __slots__ = (
        "_first_unacknowledged",
        "_message_size_max",
        "_next_received",
        "_own",
        "_parameters",
        "_parts",
        "_peer",
        "_size",
        "_unacknowledged",
        "_waiting",
        "taken",
    )

    def __init__(self, own: HdlcAddress, peer: HdlcAddress, parameters: LinkParameters, message_size_max: int) -> None:
        self._own = own
        self._peer = peer
        self._parameters = parameters
        self._message_size_max = message_size_max
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._unacknowledged: deque[tuple[bytes, bool]] = deque()
        self._first_unacknowledged = 0
        self._next_received = 0
        self._parts: list[bytes] = []
        self._size = 0
        self.taken = 0

    @property
    def has_output(self) -> bool:
        """Whether something is left to send, or to send again."""
        return bool(self._waiting or self._unacknowledged)

    @property
    def unacknowledged(self) -> int:
        """Frames sent that are not acknowledged."""
        return len(self._unacknowledged)

    @property
    def is_receiving(self) -> bool:
        """Whether a message has begun to arrive and its end has not come."""
        return bool(self._parts)

    @property
    def has_room(self) -> bool:
        """Whether one more message may be kept for sending."""
        return len(self._waiting) < WAITING_SEGMENTS_MAX

    @property
    def window_receive(self) -> int:
        """Frames that the other end may send in one turn."""
        return self._parameters.window_receive

    @property
    def information_receive_max(self) -> int:
        """Octets of information that a frame of the other end may hold."""
        return self._parameters.information_receive_max

    def enqueue(self, message: bytes) -> None:
        """Keep a message for sending, in segments."""
        size = self._parameters.information_transmit_max
        last = (len(message) - 1) // size * size
        for start in range(0, last, size):
            self._waiting.append((message[start : start + size], True))
        self._waiting.append((message[last:], False))

    def turn(self) -> bytes:
        """Give the frames of our turn: what was lost, then what is new, up to the window; or that we are ready."""
        sent = self._unacknowledged
        window = self._parameters.window_transmit
        while self._waiting and len(sent) < window:
            sent.append(self._waiting.popleft())
        if not sent:
            return self.ready(RR)
        number = self._first_unacknowledged
        frames = []
        for index, (information, segmented) in enumerate(sent, 1):
            control = information_control(number, self._next_received, poll=index == len(sent))
            frames.append(HdlcFrame(self._peer, self._own, control, information, segmented).to_bytes())
            number = (number + 1) % MODULUS
        return b"".join(frames)

    def ready(self, kind: int) -> bytes:
        """Give the frame that says only whether we can receive, and what has arrived."""
        return HdlcFrame(self._peer, self._own, supervisory_control(kind, self._next_received)).to_bytes()

    def acknowledge(self, number: int) -> bool:
        """Take the other end's N(R); give whether it acknowledges anything new.

        Raises UnlawfulMessage where it acknowledges what was never sent.
        """
        count = (number - self._first_unacknowledged) % MODULUS
        if count > len(self._unacknowledged):
            raise UnlawfulMessage(f"frame {number} is acknowledged, which was not sent", number=number)
        for _ in range(count):
            self._unacknowledged.popleft()
        self._first_unacknowledged = number
        return count > 0

    def is_repeated(self, number: int) -> bool:
        """Whether an information frame of this number was taken before, rather than lies behind a lost one."""
        return (number - self._next_received) % MODULUS >= self._parameters.window_receive

    def take(self, number: int, frame: HdlcFrame) -> bytes | None:
        """Take an information frame; give the message that it ends. A lost or repeated frame changes nothing.

        Raises UnlawfulMessage where the message becomes too long.
        """
        if number != self._next_received:
            return None
        self._next_received = (number + 1) % MODULUS
        self.taken += 1
        self._size += len(frame.information)
        if self._size > self._message_size_max:
            raise UnlawfulMessage(f"a message of more than {self._message_size_max} octets", size=self._size)
        self._parts.append(frame.information)
        if frame.segmented:
            return None
        message = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        self._size = 0
        return message
