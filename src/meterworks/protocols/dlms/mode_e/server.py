"""A meter's end of an optical port: it answers a sign-on, changes its line, and goes on with HDLC."""

from dataclasses import dataclass

from meterworks.protocols.dlms.framing import LineFormat, ServerFrame, ServerLink
from meterworks.protocols.dlms.hdlc import HDLC, HdlcFraming, HdlcServerLink
from meterworks.protocols.dlms.mode_e.sign_on import (
    BAUD_OF,
    REACTION_S,
    SIGN_ON_LINE,
    Identification,
    Stage,
    TextLines,
    duration_s,
)

__all__ = ["ModeEServerFraming"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeEServerFraming:
    """HDLC behind the opening of an optical port, for a meter.

    identification: what the meter says when called. address: the one that it answers besides the empty one.
    """

    identification: Identification
    inner: HdlcFraming = HDLC
    address: str = ""

    def server_link(self, server_sap: int, apdu_size_max: int) -> ServerLink:
        """Give the meter's end of a line."""
        return _ModeEServerLink(self, self.inner.server_link(server_sap, apdu_size_max))


class _ModeEServerLink:
    """A meter's end: it listens for the sign-on, and again once HDLC has ended or fallen silent."""

    __slots__ = (
        "_agreed_line",
        "_deadline",
        "_framing",
        "_had_link",
        "_lines",
        "_link",
        "_now",
        "_output",
        "_stage",
        "line",
    )

    def __init__(self, framing: ModeEServerFraming, link: HdlcServerLink) -> None:
        self._framing = framing
        self._link = link
        self._lines = TextLines()
        self._stage = Stage.IDLE
        self._output = b""
        self._deadline: float | None = None
        self._now = 0.0
        self._had_link = False
        self._agreed_line = SIGN_ON_LINE
        self.line: LineFormat | None = SIGN_ON_LINE

    def receive(self, data: bytes, now: float) -> None:
        """Take octets as they came."""
        self._now = now
        if self._stage is Stage.OPEN:
            self._link.receive(data, now)
        elif self._stage is Stage.IDLE and data:
            self._lines.feed(data)
            while (text := self._lines.next_line()) is not None:
                self._take_text(text)

    def _take_text(self, text: str) -> None:
        identification = self._framing.identification
        if text in ("/?!", f"/?{self._framing.address}!"):
            self._output += f"{identification.to_text()}\r\n".encode("ascii")
        elif text[:2] == "\x062" and text[3:] == "2" and "0" <= text[2:3] <= identification.baud_letter:
            said = f"{text}\r\n".encode("ascii")
            self._output += said
            self._stage = Stage.CHANGING
            self._agreed_line = LineFormat(BAUD_OF[text[2]])
            self._deadline = self._now + duration_s(said)

    def next_frame(self) -> ServerFrame | None:
        """Give the next whole APDU and its addresses."""
        frame = self._link.next_frame() if self._stage is Stage.OPEN else None
        if frame is None and self._stage is Stage.OPEN:
            self._look_for_end()
        return frame

    def _look_for_end(self) -> None:
        """Go back to listening for a sign-on once the link that stood has ended, when its last frame is out."""
        if self._link.has_link:
            self._had_link = True
            self._deadline = None
        elif self._had_link and self._deadline is None:
            self._deadline = self._now + REACTION_S

    def send(self, client_sap: int, server_sap: int, apdu: bytes) -> bytes:
        """Take the answer to a client."""
        return self._link.send(client_sap, server_sap, apdu)

    def data_to_send(self) -> bytes:
        """Give what is to be sent, once."""
        if self._stage is Stage.OPEN:
            return self._link.data_to_send()
        output, self._output = self._output, b""
        return output

    def next_deadline(self) -> float | None:
        """Give the time at which `advance` must be called."""
        times = [self._deadline, self._link.next_deadline() if self._stage is Stage.OPEN else None]
        return min((time for time in times if time is not None), default=None)

    def advance(self, now: float) -> None:
        """Change the line, or let HDLC's own time pass."""
        self._now = now
        if self._stage is Stage.OPEN:
            self._link.advance(now)
        if self._deadline is None or now < self._deadline:
            return
        self._deadline = None
        if self._stage is Stage.CHANGING:
            self._stage = Stage.OPEN
            self.line = self._agreed_line
            self._deadline = now + self._framing.inner.settings.inactivity_s_max
            self._had_link = False
        elif self._stage is Stage.OPEN and not self._link.has_link:
            self._stage = Stage.IDLE
            self._lines = TextLines()
            self.line = SIGN_ON_LINE
