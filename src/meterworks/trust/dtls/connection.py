"""One DTLS 1.2 association without a socket: datagrams in, datagrams and application data out.

States: SHAKING until both sides have proved themselves, then OPEN, then CLOSED for good. A datagram that does not
verify changes nothing, whatever the state (RFC 6347, 4.1.2.7). Lost flights are repeated after 1 s, doubled each time:
OpenSSL keeps that time by the machine's clock and cannot be told another, so `next_deadline` counts from the caller's
`now`.
"""

from enum import Enum
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from meterworks.trust.dtls.record import datagrams_of
from meterworks.trust.tls import Peer, peer_of_certificate

__all__ = ["MTU", "DtlsConnection", "DtlsState"]

MTU: Final = 1200  # octets of a datagram: what IPv6 and most tunnels carry, headers included
READ_SIZE_MAX: Final = 65_536
PLAINTEXT_SIZE_MAX: Final = 16_384  # of one record


class DtlsState(Enum):
    """Where an association stands."""

    SHAKING = "shaking"
    OPEN = "open"
    CLOSED = "closed"


class DtlsConnection:
    """One association. Take `datagrams()` after every call, and call `advance` at `next_deadline`."""

    def __init__(self, context: SSL.Context, *, is_server: bool, mtu: int = MTU) -> None:
        """mtu: of a datagram, without headers of IP and UDP. A client has its first hello ready."""
        self.state = DtlsState.SHAKING
        self.reason = ""
        self.peer: Peer | None = None
        self._mtu = mtu
        self._ssl = SSL.Connection(context, None)
        self._output = b""
        if is_server:
            self._ssl.set_accept_state()
        else:
            self._ssl.set_connect_state()
        self._ssl.set_ciphertext_mtu(mtu)
        if not is_server:
            self._shake()

    def listen(self, hello: bytes) -> bool:
        """Begin as server with a hello whose cookie was checked; False where OpenSSL does not take it."""
        self._ssl.bio_write(hello)
        try:
            self._ssl.DTLSv1_listen()
        except (SSL.WantReadError, SSL.Error):
            self._close("malformed")
            return False
        self._shake()
        return self.state is not DtlsState.CLOSED

    def receive(self, datagram: bytes) -> list[bytes]:
        """Take a datagram; give the application data in it, one item for each record."""
        if self.state is DtlsState.CLOSED:
            return []
        self._ssl.bio_write(datagram)
        if self.state is DtlsState.SHAKING:
            self._shake()
        return self._read() if self.state is DtlsState.OPEN else []

    def send(self, octets: bytes) -> bool:
        """Protect application data for one record; False where the association is not open or it is too long."""
        if self.state is not DtlsState.OPEN or len(octets) > PLAINTEXT_SIZE_MAX:
            return False
        try:
            self._ssl.send(octets)
        except SSL.Error:
            return False
        return True

    def datagrams(self) -> list[bytes]:
        """Give what is to be sent now."""
        while True:  # bounded: the buffer empties
            try:
                self._output += self._ssl.bio_read(READ_SIZE_MAX)
            except SSL.WantReadError:
                break
        flight, self._output = self._output, b""
        return datagrams_of(flight, self._mtu)

    def next_deadline(self, now: float) -> float | None:
        """Give when a flight is to be repeated, or None while none is under way."""
        if self.state is not DtlsState.SHAKING:
            return None
        left_s = self._ssl.DTLSv1_get_timeout()
        return None if left_s is None else now + left_s

    def advance(self) -> None:
        """Repeat the flight under way where its time is over; after many repeats the association ends."""
        if self.state is not DtlsState.SHAKING:
            return
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error:
            self._close("silence")

    def close(self) -> None:
        """Tell the other side that it is over, and end it."""
        if self.state is DtlsState.OPEN:
            try:
                self._ssl.shutdown()
            except SSL.Error:
                pass  # it ends all the same
        self._close("closed")

    def _close(self, reason: str) -> None:
        self.state, self.reason = DtlsState.CLOSED, self.reason or reason

    def _shake(self) -> None:
        try:
            self._ssl.do_handshake()
        except (SSL.WantReadError, SSL.SysCallError):
            return  # more is to come
        except SSL.Error as error:
            self._close(_reason_of(error))
            return
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            self._close("no-certificate")
            return
        self.peer = peer_of_certificate(certificate.public_bytes(Encoding.DER))
        self.state = DtlsState.OPEN

    def _read(self) -> list[bytes]:
        found = []
        while True:  # bounded: by the records of one datagram
            try:
                found.append(self._ssl.recv(PLAINTEXT_SIZE_MAX))
            except SSL.ZeroReturnError:
                self._close("closed")
                return found
            except SSL.Error:  # nothing more, or nothing that verifies
                return found


def _reason_of(error: SSL.Error) -> str:
    """Give OpenSSL's reason in its own words."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return str(queue[-1][-1]) if queue else "refused"
