"""What both ends of an optical port say before HDLC begins.  Source: IEC 62056-21, 6; IEC 62056-46, annex A."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from meterworks.protocols.dlms.framing import LineFormat
from meterworks.protocols.errors import DecodeError

__all__ = ["ACKNOWLEDGE", "BAUD_OF", "REACTION_S", "SIGN_ON_LINE", "Identification", "Stage", "TextLines", "duration_s"]

SIGN_ON_LINE: Final = LineFormat(300, 7, "E")
BAUD_OF: Final = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
BITS_PER_OCTET: Final = 10
TEXT_SIZE_MAX: Final = 256  # octets of a line of text before its end
PARITY_MASK: Final = bytes(octet & 0x7F for octet in range(256))  # lines without parity hardware give it as data
ACKNOWLEDGE: Final = 0x06
REACTION_S: Final = 0.3  # the longest that a meter takes to change its line, and the least that we wait for that


@dataclass(frozen=True, slots=True)
class Identification:
    """What a meter says when called. manufacturer: three letters. baud: the speed it offers. has_mode_e: HDLC too."""

    manufacturer: str
    baud_letter: str
    name: str
    has_mode_e: bool

    @property
    def baud(self) -> int:
        """Bits per second that the letter stands for."""
        return BAUD_OF[self.baud_letter]

    @classmethod
    def from_text(cls, text: str) -> "Identification":
        """Read the line without its end. Raises DecodeError."""
        if len(text) < 5 or text[0] != "/" or text[4] not in BAUD_OF:
            raise DecodeError(f"{text!r} is no identification of a meter", expected="/MMMz")
        name = text[5:]
        features = ""
        while name[:1] == "\\" and len(name) > 1:
            features += name[1]
            name = name[2:]
        return cls(text[1:4], text[4], name, "2" in features)

    def to_text(self) -> str:
        """Give the line without its end."""
        return f"/{self.manufacturer}{self.baud_letter}{chr(92) + '2' if self.has_mode_e else ''}{self.name}"


class Stage(Enum):
    """Where an opening is."""

    IDLE = "idle"
    CALLING = "calling"
    CHANGING = "changing"
    SETTLING = "settling"
    OPEN = "open"


def duration_s(octets: bytes) -> float:
    """Give how long octets take at the speed of the sign-on."""
    return len(octets) * BITS_PER_OCTET / SIGN_ON_LINE.baud


class TextLines:
    """Octets in, lines of text out; what is before a `/` or an acknowledgement is noise."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        self._buffer = (self._buffer + data.translate(PARITY_MASK))[-TEXT_SIZE_MAX:]

    def next_line(self) -> str | None:
        """Give the next line from its beginning, without its end."""
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return None
        self._buffer = rest
        start = max(line.rfind(b"/"), line.rfind(ACKNOWLEDGE))
        return line[max(start, 0) :].decode("ascii")
