"""What meters say over HDLC without being asked: APDUs out of frames that belong to no link, and into them.

Senders write unnumbered or numbered frames, with addresses that no association ever used; they put a long APDU into
several frames with the segmentation bit, or each block of a general block transfer into a frame of its own, with the
LLC header in the first only.  Source: fact sheet sections 5 and 9.
"""

from dataclasses import dataclass
from typing import Final

from meterworks.protocols.dlms.hdlc import control
from meterworks.protocols.dlms.hdlc.address import HdlcAddress
from meterworks.protocols.dlms.hdlc.frame import HdlcFrame, HdlcReader
from meterworks.protocols.dlms.hdlc.llc import LLC_SIZE, RESPONSE, begins_message, without_llc
from meterworks.protocols.dlms.hdlc.parameter import DEFAULT_PARAMETERS

__all__ = ["HdlcPush", "HdlcPushReader", "encode_push"]

SENDERS_MAX: Final = 16  # messages in segments that are put together at one time


@dataclass(frozen=True, slots=True)
class HdlcPush:
    """An APDU, or a block of one, that a server sent unasked."""

    source: HdlcAddress
    destination: HdlcAddress
    apdu: bytes


class HdlcPushReader:
    """Octets in, APDUs out. abandoned: messages of which a part was lost, so far.

    check_sum: see `HdlcReader`. apdu_size_max: a longer message in segments is dropped.
    """

    __slots__ = ("_parts", "_reader", "_size_max", "abandoned")

    def __init__(self, apdu_size_max: int = 0xFFFF, *, check_sum: bool = True) -> None:
        self._reader = HdlcReader(check_sum=check_sum)
        self._size_max = apdu_size_max + LLC_SIZE
        self._parts: dict[tuple[HdlcAddress, HdlcAddress], bytearray] = {}
        self.abandoned = 0

    @property
    def size(self) -> int:
        """Octets kept of what is not finished."""
        return self._reader.size + sum(map(len, self._parts.values()))

    @property
    def dropped(self) -> int:
        """Octets so far that belong to no frame."""
        return self._reader.dropped

    def feed(self, data: bytes) -> None:
        """Store what arrived."""
        self._reader.feed(data)

    def next_push(self) -> HdlcPush | None:
        """Give the next APDU, or None until more arrives."""
        while (frame := self._reader.next_frame()) is not None:
            carries = control.is_information(frame.control) or frame.control & ~control.POLL == control.UI
            if carries and frame.information:
                message = self._joined(frame)
                if message is not None and len(message) > LLC_SIZE:
                    return HdlcPush(frame.source, frame.destination, without_llc(message))
        return None

    def next_frame(self) -> tuple[int, int, bytes] | None:
        """Give the next APDU as the wrapper's reader does: with the logical addresses of source and destination."""
        push = self.next_push()
        return None if push is None else (push.source.upper, push.destination.upper, push.apdu)

    def _joined(self, frame: HdlcFrame) -> bytes | None:
        """Give the message that a frame ends."""
        key = (frame.source, frame.destination)
        begun = self._parts.pop(key, None)
        if begun is not None and begins_message(frame.information):
            self.abandoned += 1
            begun = None
        if not frame.segmented:
            return frame.information if begun is None else bytes(begun) + frame.information
        parts = bytearray() if begun is None else begun
        parts += frame.information
        if len(parts) > self._size_max:
            self.abandoned += 1
            return None
        if len(self._parts) >= SENDERS_MAX:
            del self._parts[next(iter(self._parts))]
            self.abandoned += 1
        self._parts[key] = parts
        return None


def encode_push(
    apdu: bytes,
    source: HdlcAddress,
    destination: HdlcAddress,
    *,
    information_max: int = DEFAULT_PARAMETERS.information_transmit_max,
) -> bytes:
    """Give the unnumbered frames of a push, the last with the poll bit. Raises EncodeError for too large frames."""
    message = RESPONSE + apdu
    last = (len(message) - 1) // information_max * information_max
    frames = [
        HdlcFrame(destination, source, control.UI, message[start : start + information_max], segmented=True).to_bytes()
        for start in range(0, last, information_max)
    ]
    frames.append(HdlcFrame(destination, source, control.UI | control.POLL, message[last:]).to_bytes())
    return b"".join(frames)
