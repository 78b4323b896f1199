"""The client's end of an optical port: it calls the meter, agrees to a speed, and goes on with HDLC."""

from dataclasses import dataclass
from typing import Final

from meterworks.protocols.dlms.framing import ClientFraming, ClientLink, LineFormat
from meterworks.protocols.dlms.hdlc import HDLC
from meterworks.protocols.dlms.mode_e.sign_on import (
    ACKNOWLEDGE,
    BAUD_OF,
    REACTION_S,
    SIGN_ON_LINE,
    Identification,
    Stage,
    TextLines,
    duration_s,
)
from meterworks.protocols.errors import DecodeError, EncodeError, LinkLost

__all__ = ["ModeEFraming"]

ADDRESS_SIZE_MAX: Final = 32
RESPONSE_S_MAX: Final = 1.5  # from the last octet of a message to the first of its answer
OCTET_S_MAX: Final = 1.5  # between two octets of one message
SIGN_ONS_MAX: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeEFraming:
    """HDLC behind the opening of an optical port, for a client.

    address: of the meter on a shared line (empty: whichever is there). baud_max: the highest speed to agree to.
    """

    inner: ClientFraming = HDLC
    address: str = ""
    baud_max: int = 19200

    def __post_init__(self) -> None:
        """Refuse what cannot be sent."""
        if len(self.address) > ADDRESS_SIZE_MAX or (not self.address.isalnum() and self.address) or self.baud_max < 300:
            raise EncodeError(f"{self.address!r} is no address for a sign-on, or {self.baud_max} too slow")

    def client_link(self, client_sap: int, server_sap: int, apdu_size_max: int) -> ClientLink:
        """Give a fresh link."""
        return _ModeEClientLink(self, self.inner.client_link(client_sap, server_sap, apdu_size_max))


class _ModeEClientLink:
    """A client's link that begins with the sign-on; identification: what the meter said."""

    __slots__ = (
        "_deadline",
        "_framing",
        "_lines",
        "_link",
        "_now",
        "_output",
        "_sign_ons",
        "_stage",
        "_waiting",
        "identification",
        "line",
    )

    def __init__(self, framing: ModeEFraming, link: ClientLink) -> None:
        self._framing = framing
        self._link = link
        self._stage = Stage.IDLE
        self._lines = TextLines()
        self._output = b""
        self._waiting: list[bytes] = []
        self._deadline: float | None = None
        self._now = 0.0
        self._sign_ons = 0
        self.identification: Identification | None = None
        self.line: LineFormat | None = SIGN_ON_LINE

    def send(self, apdu: bytes, now: float) -> bytes:
        """Take an APDU; it waits until the opening is done."""
        self._now = now
        if self._stage is Stage.OPEN:
            return self._link.send(apdu, now)
        self._waiting.append(apdu)
        if self._stage is Stage.IDLE:
            self._sign_on()
        return b""

    def _sign_on(self) -> None:
        self._stage = Stage.CALLING
        self._sign_ons += 1
        self._lines = TextLines()
        self._output = f"/?{self._framing.address}!\r\n".encode("ascii")
        self._deadline = self._now + duration_s(self._output) + RESPONSE_S_MAX

    def receive(self, data: bytes, now: float) -> None:
        """Take octets as they came. Raises LinkLost where the meter does not speak mode E."""
        self._now = now
        if self._stage is Stage.OPEN:
            self._link.receive(data, now)
        elif self._stage in (Stage.CALLING, Stage.CHANGING) and data:
            self._lines.feed(data)
            while (text := self._lines.next_line()) is not None:
                self._take_text(text)
            if self._stage is Stage.CALLING:
                self._deadline = now + OCTET_S_MAX

    def _take_text(self, text: str) -> None:
        """Take a line of the meter; our own one comes back from some optical heads."""
        if self._stage is Stage.CHANGING and text[:1] == chr(ACKNOWLEDGE):
            self._change_line()
            return
        if self._stage is not Stage.CALLING or text[:2] == "/?":
            return
        try:
            identification = Identification.from_text(text)
        except DecodeError:
            return  # altered on its way: it is asked for again
        if not identification.has_mode_e:
            raise LinkLost(f"the meter {text!r} does not speak HDLC here (mode E)", identification=text)
        self.identification = identification
        self._acknowledge(identification)

    def _acknowledge(self, identification: Identification) -> None:
        offered = [letter for letter, baud in BAUD_OF.items() if baud <= self._framing.baud_max]
        letter = min(identification.baud_letter, max(offered))
        self._output = b"\x06" + f"2{letter}2\r\n".encode("ascii")
        self.identification = Identification(identification.manufacturer, letter, identification.name, True)
        self._stage = Stage.CHANGING
        self._lines = TextLines()
        # Some meters say the same back, at the old speed, and some do not: it is awaited for as long as it takes.
        self._deadline = self._now + 2 * duration_s(self._output) + REACTION_S

    def _change_line(self) -> None:
        assert self.identification is not None  # there is no way here without one
        self.line = LineFormat(self.identification.baud)
        self._stage = Stage.SETTLING
        self._deadline = self._now + REACTION_S

    def next_apdu(self) -> bytes | None:
        """Give the next whole APDU."""
        return self._link.next_apdu() if self._stage is Stage.OPEN else None

    def data_to_send(self) -> bytes:
        """Give what is to be sent, once."""
        if self._stage is Stage.OPEN:
            return self._link.data_to_send()
        output, self._output = self._output, b""
        return output

    def next_deadline(self) -> float | None:
        """Give the time at which `advance` must be called."""
        return self._link.next_deadline() if self._stage is Stage.OPEN else self._deadline

    def advance(self, now: float) -> None:
        """Call again, change the line, or let HDLC begin. Raises LinkLost where no meter answers."""
        self._now = now
        if self._stage is Stage.OPEN:
            self._link.advance(now)
        elif self._deadline is None or now < self._deadline:
            return
        elif self._stage is Stage.CHANGING:
            self._change_line()
        elif self._stage is Stage.SETTLING:
            self._stage = Stage.OPEN
            for apdu in self._waiting:
                self._link.send(apdu, now)
            self._waiting.clear()
        elif self._sign_ons < SIGN_ONS_MAX:
            self._sign_on()
        else:
            raise LinkLost(f"no meter answered {self._sign_ons} sign-ons")

    def close(self, now: float) -> bytes:
        """Give what ends the link."""
        return self._link.close(now) if self._stage is Stage.OPEN else b""

    @property
    def progress(self) -> int:
        """Grows with each stage of the opening, and then with HDLC."""
        return self._link.progress + (self._stage in (Stage.SETTLING, Stage.OPEN)) + (self._stage is Stage.OPEN)
