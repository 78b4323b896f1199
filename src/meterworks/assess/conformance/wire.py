"""The tester's end of a connection: octets out, APDUs in, everything kept as evidence.

It is written apart from the protocol cores, for two reasons: a judge must not share the mistakes of what it judges, and
it must be able to write what no lawful peer writes.
"""

import socket
import struct
import time
from typing import Final, Protocol

from meterworks.assess.conformance.row import Exchanged
from meterworks.errors import UnreachableError

__all__ = ["CHUNK_SIZE", "Trace", "Wire", "WrapperWire", "connect", "wrapped"]

CHUNK_SIZE: Final = 64 * 1024
TRACE_SIZE_MAX: Final = 400  # exchanges kept of one test
WRAPPER_VERSION: Final = 1
_HEADER: Final = struct.Struct(">HHHH")


class Trace:
    """What was exchanged in one test, in order; the first so many of it."""

    __slots__ = ("dropped", "exchanges")

    def __init__(self) -> None:
        self.exchanges: list[Exchanged] = []
        self.dropped = 0

    def add(self, *, sent: bool, octets: bytes, plain: bytes | None = None, note: str = "") -> None:
        """Keep an exchange."""
        if len(self.exchanges) < TRACE_SIZE_MAX:
            self.exchanges.append(Exchanged(sent, octets, plain, note))
        else:
            self.dropped += 1

    def explain(self, plain: bytes) -> None:
        """Say what the last exchange held when it was deciphered."""
        if self.exchanges and not self.dropped:
            self.exchanges[-1].plain = plain


class Wire(Protocol):
    """A connection that carries APDUs between one client address and one server address."""

    @property
    def closed(self) -> bool:
        """Whether the peer ended the connection."""

    def open(self) -> None:
        """Bring the link to where APDUs may flow."""

    def send(self, apdu: bytes, *, plain: bytes | None = None) -> None:
        """Send an APDU. plain: what is inside, for the evidence."""

    def receive(self, timeout_s: float) -> bytes | None:
        """Give the next APDU; None where none came in time or the peer closed (`closed` tells)."""

    def send_octets(self, octets: bytes, note: str = "") -> None:
        """Send octets as they are."""

    def close(self) -> None:
        """End the connection."""

    def explain(self, plain: bytes) -> None:
        """Say what the last APDU held when it was deciphered."""


def connect(host: str, port: int, timeout_s: float) -> socket.socket:
    """Connect. Raises UnreachableError."""
    try:
        link = socket.create_connection((host, port), timeout_s)
    except OSError as error:
        raise UnreachableError(f"cannot connect to {host}:{port}: {error}", host=host, port=port) from error
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def wrapped(source: int, destination: int, apdu: bytes, *, version: int = WRAPPER_VERSION) -> bytes:
    """Put a wrapper header before an APDU; nothing is checked."""
    return _HEADER.pack(version, source, destination, len(apdu) & 0xFFFF) + apdu


class Octets:
    """A socket read to deadlines, which a peer's end of the connection does not surprise."""

    __slots__ = ("_link", "buffer", "closed")

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self.buffer = bytearray()
        self.closed = False

    def more(self, deadline_s: float) -> bool:
        """Wait for more octets until the deadline; give whether any came."""
        left_s = deadline_s - time.monotonic()
        if self.closed or left_s <= 0:
            return False
        self._link.settimeout(left_s)
        try:
            octets = self._link.recv(CHUNK_SIZE)
        except TimeoutError:
            return False
        except OSError:
            octets = b""
        if not octets:
            self.closed = True
            return False
        self.buffer += octets
        return True

    def take(self, size: int) -> bytes:
        """Take octets off the front."""
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    def send(self, octets: bytes, timeout_s: float) -> None:
        """Send; a peer that closed is noted, not raised."""
        self._link.settimeout(timeout_s)
        try:
            self._link.sendall(octets)
        except OSError:
            self.closed = True

    def close(self) -> None:
        """Close the socket."""
        self._link.close()


class WrapperWire:
    """APDUs behind the wrapper header over TCP.  Source: IEC 62056-4-7.

    source, destination: of the last frame received, for checks of the data link.
    """

    def __init__(
        self, link: socket.socket, trace: Trace, *, client_sap: int, server_sap: int, timeout_s: float
    ) -> None:
        self._octets = Octets(link)
        self._trace = trace
        self._timeout_s = timeout_s
        self.client_sap = client_sap
        self.server_sap = server_sap
        self.source = 0
        self.destination = 0
        self.version = WRAPPER_VERSION

    @property
    def closed(self) -> bool:
        """Whether the peer ended the connection."""
        return self._octets.closed

    def open(self) -> None:
        """Nothing is negotiated below the wrapper."""

    def send(self, apdu: bytes, *, plain: bytes | None = None) -> None:
        """Send an APDU in a frame."""
        self._trace.add(sent=True, octets=apdu, plain=plain)
        self._octets.send(wrapped(self.client_sap, self.server_sap, apdu), self._timeout_s)

    def send_octets(self, octets: bytes, note: str = "") -> None:
        """Send octets as they are, header included."""
        self._trace.add(sent=True, octets=octets, note=note or "octets of the data link, as they are")
        self._octets.send(octets, self._timeout_s)

    def receive(self, timeout_s: float) -> bytes | None:
        """Give the APDU of the next frame."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            apdu = self._next()
            if apdu is not None:
                self._trace.add(sent=False, octets=apdu)
                return apdu
            if not self._octets.more(deadline_s):
                self._trace.add(sent=False, octets=b"", note="connection closed" if self.closed else "no answer")
                return None

    def _next(self) -> bytes | None:
        buffer = self._octets.buffer
        if len(buffer) < _HEADER.size:
            return None
        version, source, destination, length = _HEADER.unpack_from(buffer)
        if len(buffer) < _HEADER.size + length:
            return None
        self.version, self.source, self.destination = version, source, destination
        return self._octets.take(_HEADER.size + length)[_HEADER.size :]

    def close(self) -> None:
        """End the connection."""
        self._octets.close()

    def explain(self, plain: bytes) -> None:
        """Say what the last APDU held."""
        self._trace.explain(plain)
