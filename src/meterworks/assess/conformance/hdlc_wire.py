"""The tester's end of an HDLC line: frames made and read by hand, one outstanding at a time.

Written apart from the protocol core, like the rest of the tester. A window of one is enough to judge numbers, sizes,
segments and repetition, and it is what every server must be able to do.
Source: IEC 62056-46; fact sheet section 5.
"""

import socket
import struct
import time
from dataclasses import dataclass
from typing import Final

from meterworks.assess.conformance.row import CheckFailed, expect
from meterworks.assess.conformance.wire import Octets, Trace

__all__ = [
    "CONTROL_DISC",
    "CONTROL_DM",
    "CONTROL_RR",
    "CONTROL_SNRM",
    "CONTROL_UA",
    "Frame",
    "HdlcWire",
    "LinkAddress",
    "frame_check",
]

CONTROL_SNRM: Final = 0x93
CONTROL_UA: Final = 0x73
CONTROL_DISC: Final = 0x53
CONTROL_DM: Final = 0x1F
CONTROL_RR: Final = 0x11
POLL: Final = 0x10
FLAG: Final = 0x7E
SEGMENTED: Final = 0x0800
FORMAT: Final = 0xA000
COMMAND: Final = b"\xe6\xe6\x00"
RESPONSE: Final = b"\xe6\xe7\x00"
DEFAULT_SIZE: Final = 128
PROPOSED_SIZE: Final = 400
SEGMENTS_MAX: Final = 4096
SMALL_ADDRESS_MAX: Final = 0x7F


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ 0x8408 if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


_TABLE: Final = _crc_table()


def frame_check(octets: bytes) -> bytes:
    """Give the check sequence: CRC-16/X-25, low octet first."""
    crc = 0xFFFF
    for octet in octets:
        crc = crc >> 8 ^ _TABLE[(crc ^ octet) & 0xFF]
    return struct.pack("<H", crc ^ 0xFFFF)


def _address(parts: list[int], size: int) -> bytes:
    """Encode logical and physical address in so many octets in all, the last one marked."""
    width = size // len(parts) or 1
    octets = b"".join(bytes(part >> 7 * place & 0x7F for place in range(width - 1, -1, -1)) for part in parts)
    shifted = bytes(octet << 1 for octet in octets)
    return shifted[:-1] + bytes((shifted[-1] | 1,))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAddress:
    """Where the server is on the line. size: octets of its address, 1, 2 or 4. physical: None where there is none."""

    logical: int
    physical: int | None = None
    size: int | None = None

    def to_bytes(self) -> bytes:
        """Encode the address."""
        parts = [self.logical] if self.physical is None else [self.logical, self.physical]
        size = self.size or (len(parts) if max(parts) <= SMALL_ADDRESS_MAX else 2 * len(parts))
        return _address(parts, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame as it came. whole: both check sequences fit."""

    destination: bytes
    source: bytes
    control: int
    information: bytes
    segmented: bool
    whole: bool

    @property
    def is_information(self) -> bool:
        """Whether it is an I frame."""
        return self.control & 1 == 0

    @property
    def sequence(self) -> int:
        """N(S) of an I frame."""
        return self.control >> 1 & 7

    @property
    def expected(self) -> int:
        """N(R): the number of the next frame that the sender waits for."""
        return self.control >> 5


class HdlcWire:
    """APDUs in HDLC frames over TCP. sent_sequence, received_sequence: numbers of the next I frame each way."""

    def __init__(
        self, link: socket.socket, trace: Trace, *, client_sap: int, server: LinkAddress, timeout_s: float
    ) -> None:
        self._octets = Octets(link)
        self._trace = trace
        self._timeout_s = timeout_s
        self.client_address = bytes((client_sap << 1 | 1,))
        self.server_address = server.to_bytes()
        self.sent_sequence = 0
        self.received_sequence = 0
        self.transmit_size = DEFAULT_SIZE
        self.receive_size = PROPOSED_SIZE
        self.largest_received = 0

    @property
    def closed(self) -> bool:
        """Whether the peer ended the connection."""
        return self._octets.closed

    # --- frames -----------------------------------------------------------------------------------------------------

    def frame(
        self, control: int, information: bytes = b"", *, segmented: bool = False, to: bytes | None = None
    ) -> bytes:
        """Encode a frame to the server, or to another address."""
        head = (self.server_address if to is None else to) + self.client_address + bytes((control,))
        size = 2 + len(head) + 2 + (len(information) + 2 if information else 0)
        octets = struct.pack(">H", FORMAT | (SEGMENTED if segmented else 0) | size) + head
        octets += frame_check(octets)
        if information:
            octets += information
            octets += frame_check(octets)
        return bytes((FLAG,)) + octets + bytes((FLAG,))

    def send_octets(self, octets: bytes, note: str = "") -> None:
        """Send octets as they are."""
        self._trace.add(sent=True, octets=octets, note=note or "a frame")
        self._octets.send(octets, self._timeout_s)

    def next_frame(self, timeout_s: float) -> Frame | None:
        """Give the next frame, whole or not; None where none came in time."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            octets = self._take()
            if octets is not None:
                self._trace.add(sent=False, octets=octets, note="a frame")
                return _read_frame(octets)
            if not self._octets.more(deadline_s):
                self._trace.add(sent=False, octets=b"", note="connection closed" if self.closed else "no answer")
                return None

    def _take(self) -> bytes | None:
        """Take a frame off the octets that came, without its flags."""
        buffer = self._octets.buffer
        while buffer and buffer[0] == FLAG:
            del buffer[0]
        if len(buffer) < 2:
            return None
        expect(buffer[0] & 0xF0 == FORMAT >> 8, f"octets that begin no frame came: {bytes(buffer[:16]).hex()}")
        size = (buffer[0] & 0x07) << 8 | buffer[1]
        if len(buffer) < size + 1:
            return None
        octets = self._octets.take(size)
        expect(buffer[0] == FLAG, f"the frame is not closed by a flag: {octets[:16].hex()}")
        return octets

    def ask(self, control: int, information: bytes = b"", timeout_s: float | None = None) -> Frame | None:
        """Send a frame and give the next one that comes."""
        self.send_octets(self.frame(control, information))
        return self.next_frame(self._timeout_s if timeout_s is None else timeout_s)

    # --- the link as others use it ------------------------------------------------------------------------------------

    def open(self) -> None:
        """Bring up the link; the suite's failure where the server does not."""
        proposal = bytes.fromhex("818014050201900602019007040000000108040000 0001".replace(" ", ""))
        answer = self.ask(CONTROL_SNRM, proposal)
        if answer is None or answer.control != CONTROL_UA:
            raise CheckFailed(f"SNRM was answered by {'nothing' if answer is None else f'{answer.control:#04x}'}")
        self.sent_sequence = self.received_sequence = 0
        self.transmit_size, self.receive_size = read_sizes(answer.information)

    def send(self, apdu: bytes, *, plain: bytes | None = None) -> None:
        """Send an APDU, in segments where it is longer than the server takes."""
        self._trace.add(sent=True, octets=apdu, plain=plain)
        rest = COMMAND + apdu
        while True:
            piece, rest = rest[: self.transmit_size], rest[self.transmit_size :]
            self._octets.send(self.frame(self.information_control(), piece, segmented=bool(rest)), self._timeout_s)
            self.sent_sequence = self.sent_sequence + 1 & 7
            if not rest:
                return
            frame = self.next_frame(self._timeout_s)
            if frame is None or frame.is_information or frame.expected != self.sent_sequence:
                return  # not acknowledged: what comes of it is for the reader to see

    def information_control(self, *, sequence: int | None = None) -> int:
        """Give the control octet of the next I frame."""
        number = self.sent_sequence if sequence is None else sequence
        return self.received_sequence << 5 | POLL | number << 1

    def receive(self, timeout_s: float) -> bytes | None:
        """Give the next APDU, its segments joined, each of them acknowledged."""
        octets = b""
        for _ in range(SEGMENTS_MAX):
            frame = self._next_quiet(timeout_s)
            if frame is None:
                return None
            if not frame.is_information or not frame.whole:
                if frame.control & 0x0F == 1:
                    continue  # an acknowledgement
                self._trace.add(sent=False, octets=bytes((frame.control,)), note="a frame that carries no APDU")
                return None
            self.largest_received = max(self.largest_received, len(frame.information))
            self.received_sequence = frame.sequence + 1 & 7
            octets += frame.information
            if not frame.segmented:
                apdu = octets[3:] if octets.startswith(RESPONSE) else octets
                self._trace.add(sent=False, octets=apdu)
                return apdu
            if frame.control & POLL:
                self._octets.send(self.frame(self.received_sequence << 5 | CONTROL_RR), self._timeout_s)
        return None

    def _next_quiet(self, timeout_s: float) -> Frame | None:
        """Give the next frame without a place in the evidence: the APDU that it is part of will have one."""
        deadline_s = time.monotonic() + timeout_s
        while (octets := self._take()) is None:
            if not self._octets.more(deadline_s):
                self._trace.add(sent=False, octets=b"", note="connection closed" if self.closed else "no answer")
                return None
        return _read_frame(octets)

    def close(self) -> None:
        """End the connection; a server on a line of its own learns of it by the end of the octets."""
        self._octets.close()

    def explain(self, plain: bytes) -> None:
        """Say what the last APDU held."""
        self._trace.explain(plain)


def _read_address(octets: bytes, start: int) -> tuple[bytes, int]:
    end = start
    while end < min(len(octets), start + 4) and not octets[end] & 1:
        end += 1
    return octets[start : end + 1], end + 1


def _read_frame(octets: bytes) -> Frame:
    destination, offset = _read_address(octets, 2)
    source, offset = _read_address(octets, offset)
    expect(offset + 3 <= len(octets), f"a frame of {len(octets)} octets has no room for its parts")
    has_information = len(octets) > offset + 3
    whole = frame_check(octets[:-2]) == octets[-2:]
    if has_information:
        whole = whole and frame_check(octets[: offset + 1]) == octets[offset + 1 : offset + 3]
    return Frame(
        destination=destination,
        source=source,
        control=octets[offset],
        information=octets[offset + 3 : -2] if has_information else b"",
        segmented=bool(octets[0] & SEGMENTED >> 8),
        whole=whole,
    )


def read_sizes(information: bytes) -> tuple[int, int]:
    """Give what we may send and what the server sends, in octets, of the parameters in a UA; the defaults where none.

    The suite's failure where they are malformed or beyond what we proposed.
    """
    found = read_parameters(information)
    # What the server receives is what we may send, and the other way round.
    return found.get(6, DEFAULT_SIZE), found.get(5, DEFAULT_SIZE)


def read_parameters(information: bytes) -> dict[int, int]:
    """Give the parameters of a UA by number; the suite's failure where they are malformed."""
    if not information:
        return {}
    expect(information[:2] == b"\x81\x80", f"the parameters of a UA begin {information[:2].hex()}, not 8180")
    size, offset, found = information[2], 3, dict[int, int]()
    expect(size == len(information) - 3, f"the parameters say {size} octets and have {len(information) - 3}")
    while offset < len(information):
        length = information[offset + 1]
        found[information[offset]] = int.from_bytes(information[offset + 2 : offset + 2 + length], "big")
        offset += 2 + length
    expect(offset == len(information), f"the parameters are cut off: {information.hex()}")
    return found
