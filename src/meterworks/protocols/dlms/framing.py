"""What a connection asks of the layer below it: whole APDUs out of octets, octets out of APDUs, and time.

A framing (a frozen value: wrapper, HDLC, a gateway's prefix around either) makes the link of one connection, for the
client or for the server. A link is sans-I/O: time comes in as seconds of any clock that does not go back.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

__all__ = ["ClientFraming", "ClientLink", "LineFormat", "ServerFrame", "ServerFraming", "ServerLink"]

ServerFrame: TypeAlias = tuple[int, int, bytes | None]
"""(client address, server address, APDU); None in place of an APDU says that this client's link has ended."""


@dataclass(frozen=True, slots=True)
class LineFormat:
    """How a serial line carries octets: bits/s, data bits and parity (even or none); one stop bit."""

    baud: int
    data_bits: Literal[7, 8] = 8
    parity: Literal["E", "N"] = "N"


class ClientLink(Protocol):
    """The client's side of the layer below an association."""

    def send(self, apdu: bytes, now: float) -> bytes:
        """Take an APDU; give what of it may go out at once."""

    def receive(self, data: bytes, now: float) -> None:
        """Take octets as they came."""

    def next_apdu(self) -> bytes | None:
        """Give the next whole APDU, or None until more arrives. Raises PeerError or UnreachableError."""

    def data_to_send(self) -> bytes:
        """Give what the link itself has to say, once: acknowledgements, further segments, repetitions."""

    def next_deadline(self) -> float | None:
        """Give the time at which `advance` must be called, or None where nothing waits for time."""

    def advance(self, now: float) -> None:
        """Let time pass; see then `data_to_send`. Raises UnreachableError where the other side is given up."""

    def close(self, now: float) -> bytes:
        """Give what ends the link, if anything."""

    @property
    def progress(self) -> int:
        """A number that grows with each frame that brings a transfer forward; for shells that watch it."""

    @property
    def line(self) -> LineFormat | None:
        """The format that the serial line must have from now on; None where the link does not care."""


class ServerLink(Protocol):
    """The server's side: one connection, or one line with several clients."""

    def receive(self, data: bytes, now: float) -> None:
        """Take octets as they came."""

    def next_frame(self) -> ServerFrame | None:
        """Give the next whole APDU and its addresses, or None until more arrives. Raises UnlawfulMessage."""

    def send(self, client_sap: int, server_sap: int, apdu: bytes) -> bytes:
        """Take the answer to a client; give what of it may go out at once."""

    def data_to_send(self) -> bytes:
        """Give what the link itself has to say, once."""

    def next_deadline(self) -> float | None:
        """Give the time at which `advance` must be called, or None where nothing waits for time."""

    def advance(self, now: float) -> None:
        """Let time pass; see then `next_frame` and `data_to_send`."""

    @property
    def line(self) -> LineFormat | None:
        """The format that the serial line must have from now on; None where the link does not care."""


class ClientFraming(Protocol):
    """Makes the client's side of a link."""

    def client_link(self, client_sap: int, server_sap: int, apdu_size_max: int) -> ClientLink:
        """Give a fresh link between two logical addresses."""


class ServerFraming(Protocol):
    """Makes the server's side of a link."""

    def server_link(self, server_sap: int, apdu_size_max: int) -> ServerLink:
        """Give a fresh link of a server with one logical address."""
