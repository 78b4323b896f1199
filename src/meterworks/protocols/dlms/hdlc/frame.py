"""Frames of type 3, and their way out of a stream of octets.  Source: IEC 62056-46, 6.4; fact sheet section 5.

There is no octet stuffing: a flag (7E) may stand anywhere inside a frame, so a frame is found by its length. A flag
opens a frame only if format, addresses and the header's sum fit; all else is noise and is passed over up to the next
flag. Because the header has its own sum, noise holds a true frame up for no more than a dozen octets.
"""

from dataclasses import dataclass
from typing import Final

from meterworks.protocols.dlms.hdlc.address import HdlcAddress
from meterworks.protocols.dlms.hdlc.checksum import CHECK_SIZE, check_octets, is_intact
from meterworks.protocols.errors import DecodeError, EncodeError

__all__ = ["FRAME_SIZE_MAX", "INFORMATION_SIZE_MAX", "HdlcFrame", "HdlcReader"]

FLAG: Final = 0x7E
_FLAG: Final = b"\x7e"
FORMAT: Final = 0xA
SEGMENTED: Final = 0x0800
FRAME_SIZE_MAX: Final = 0x7FF  # between the flags
ADDRESS_SIZE_MAX: Final = 4
HEADER_SIZE_MIN: Final = 5  # format, two addresses of one octet, control
HEADER_SIZE_MAX: Final = 2 + 2 * ADDRESS_SIZE_MAX + 1
INFORMATION_SIZE_MAX: Final = FRAME_SIZE_MAX - HEADER_SIZE_MAX - 2 * CHECK_SIZE


@dataclass(frozen=True, slots=True)
class HdlcFrame:
    """One frame. control: its octet, see `control`. segmented: the message goes on in the next frame.

    intact: False for a frame whose sum is wrong, which a reader gives only if told to.
    """

    destination: HdlcAddress
    source: HdlcAddress
    control: int
    information: bytes = b""
    segmented: bool = False
    intact: bool = True

    def to_bytes(self) -> bytes:
        """Give the octets, with both flags. Raises EncodeError where the information is too long."""
        header = b"".join((self.destination.to_bytes(), self.source.to_bytes(), bytes((self.control,))))
        information = self.information
        size = 2 + len(header) + CHECK_SIZE + (len(information) + CHECK_SIZE if information else 0)
        if size > FRAME_SIZE_MAX:
            raise EncodeError(f"{len(information)} octets of information do not fit into a frame", size=size)
        kind = FORMAT << 12 | (SEGMENTED if self.segmented else 0) | size
        body = kind.to_bytes(2, "big") + header
        if information:
            body = b"".join((body, check_octets(body), information))
        return b"".join((_FLAG, body, check_octets(body), _FLAG))

    @classmethod
    def from_bytes(cls, octets: bytes) -> "HdlcFrame":
        """Read exactly one frame with its flags. Raises DecodeError."""
        reader = HdlcReader()
        reader.feed(octets)
        frame = reader.next_frame()
        if frame is None or reader.dropped or reader.size > 1:
            raise DecodeError(f"{len(octets)} octets are not one frame", expected="HDLC frame type 3")
        return frame


class HdlcReader:
    """Octets in, frames out, at any fragmentation and after any noise. Keeps less than one frame between calls.

    check_sum: False gives frames whose sum over the whole is wrong, marked as not intact: a visible choice for meters
    that compute it wrongly. dropped: octets passed over so far, flags apart. damaged: frames with a wrong sum so far.
    """

    __slots__ = ("_buffer", "_check_sum", "_start", "damaged", "dropped")

    def __init__(self, *, check_sum: bool = True) -> None:
        self._buffer = b""
        self._start = 0
        self._check_sum = check_sum
        self.damaged = 0
        self.dropped = 0

    @property
    def size(self) -> int:
        """Octets kept of what may become a frame; a single one is the flag that ended the last."""
        return len(self._buffer) - self._start

    def feed(self, data: bytes) -> None:
        """Store what arrived."""
        self._buffer = self._buffer[self._start :] + data
        self._start = 0

    def next_frame(self) -> HdlcFrame | None:
        """Give the next frame, or None until more arrives."""
        buffer = self._buffer
        while (start := buffer.find(_FLAG, self._start)) >= 0:
            self.dropped += start - self._start
            self._start = start
            try:
                frame, end = self._frame_at(start + 1)
            except DecodeError:
                self._start = start + 1
                continue
            if frame is not None:
                self._start = end  # the flag that ends this frame may open the next
            return frame
        self.dropped += len(buffer) - self._start
        self._start = len(buffer)
        return None

    def give_up(self) -> None:
        """Take it that the rest of a frame will not come: look for another one within it."""
        if self.size > 1:
            self._start += 1

    def _frame_at(self, start: int) -> tuple[HdlcFrame | None, int]:
        """Give the frame whose format field is at `start` and where its last flag is, or None where octets miss.

        Raises DecodeError where there is no frame.
        """
        buffer = self._buffer
        available = len(buffer) - start
        if available < 2:
            if available and buffer[start] >> 4 != FORMAT:
                raise DecodeError("not a frame of type 3", offset=start)
            return None, 0
        kind = buffer[start] << 8 | buffer[start + 1]
        size = kind & FRAME_SIZE_MAX
        if kind >> 12 != FORMAT or size < HEADER_SIZE_MIN + CHECK_SIZE:
            raise DecodeError("not a frame of type 3", offset=start)
        if available < HEADER_SIZE_MIN:
            return None, 0
        middle = self._address_end(start + 2)
        control = None if middle is None else self._address_end(middle)
        if control is None or middle is None or len(buffer) <= control:
            return None, 0
        has_information = self._check_header(start, control + 1, size)
        end = start + size
        if len(buffer) <= end:
            return None, 0
        intact = self._check_end(start, end)
        return HdlcFrame(
            HdlcAddress.from_bytes(buffer[start + 2 : middle]),
            HdlcAddress.from_bytes(buffer[middle:control]),
            buffer[control],
            buffer[control + 1 + CHECK_SIZE : end - CHECK_SIZE] if has_information else b"",
            bool(kind & SEGMENTED),
            intact,
        ), end

    def _address_end(self, start: int) -> int | None:
        """Give where an address ends, or None where its last octet has not come."""
        buffer = self._buffer
        for index in range(start, min(start + ADDRESS_SIZE_MAX, len(buffer))):
            if buffer[index] & 1:
                if index - start == 2:
                    break  # three octets are no size of an address
                return index + 1
        else:
            if len(buffer) < start + ADDRESS_SIZE_MAX:
                return None
        raise DecodeError("no address of 1, 2 or 4 octets", offset=start)

    def _check_header(self, start: int, end: int, size: int) -> bool:
        """Give whether information follows the header; its sum is checked as soon as it is there."""
        rest = size - (end - start)
        if rest == CHECK_SIZE:
            return False
        if rest < 2 * CHECK_SIZE:
            raise DecodeError(f"a frame of {size} octets ends within its header", offset=start)
        if len(self._buffer) >= end + CHECK_SIZE and not is_intact(self._buffer[start : end + CHECK_SIZE]):
            raise DecodeError("the sum over the header is wrong", offset=start)
        return True

    def _check_end(self, start: int, end: int) -> bool:
        """Give whether the sum over the whole frame is right, if that does not matter; refuse it otherwise."""
        buffer = self._buffer
        if buffer[end] != FLAG:
            raise DecodeError("no flag after the frame", offset=end)
        intact = is_intact(buffer[start:end])
        if not intact:
            self.damaged += 1
            if self._check_sum:
                raise DecodeError("the sum over the frame is wrong", offset=start)
        return intact
