"""What carries octets for a client that blocks: TCP, TLS and UDP sockets, and serial ports, with the same verbs."""

import socket
import ssl
from typing import Final, Protocol

from meterworks.errors import MeterworksError
from meterworks.links.carrier import require_tls
from meterworks.links.datagram import datagram_frames
from meterworks.links.errors import ConnectFailed
from meterworks.links.secure import ClientTls, TlsDemand, context_of, server_name
from meterworks.links.serial_port import SerialPort
from meterworks.links.target import MeterTarget, Transport
from meterworks.protocols.dlms import LineFormat
from meterworks.trust.tls import PeerRefused

__all__ = ["BlockingLink", "open_link"]

READ_SIZE_MAX: Final = 128 * 1024


class BlockingLink(Protocol):
    """One connection or line. Times are in seconds; TimeoutError tells that they are over, OSError all else."""

    def send(self, octets: bytes, timeout_s: float) -> None:
        """Send all octets."""

    def receive(self, timeout_s: float) -> bytes:
        """Give what arrives next."""

    def set_line(self, line: LineFormat) -> None:
        """Change the format of a serial line; others have none."""

    def close(self) -> None:
        """Close it; may be called more than once."""

    @property
    def ends(self) -> tuple[object, object]:
        """Our end and the other."""


class _StreamLink:
    """TCP, with TLS or without."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self.ends: tuple[object, object] = (link.getsockname(), link.getpeername())

    def send(self, octets: bytes, timeout_s: float) -> None:
        self._link.settimeout(timeout_s)
        self._link.sendall(octets)

    def receive(self, timeout_s: float) -> bytes:
        self._link.settimeout(timeout_s)
        data = self._link.recv(READ_SIZE_MAX)
        if not data:
            raise ConnectionResetError("the meter closed it")
        return data

    def set_line(self, line: LineFormat) -> None:
        """Nothing to change."""

    def close(self) -> None:
        self._link.close()


class _DatagramLink(_StreamLink):
    """UDP: each frame goes in a datagram of its own, and datagrams that are not whole frames are dropped."""

    def send(self, octets: bytes, timeout_s: float) -> None:
        for frame in datagram_frames(octets) or []:
            super().send(frame, timeout_s)

    def receive(self, timeout_s: float) -> bytes:
        self._link.settimeout(timeout_s)
        data = self._link.recv(READ_SIZE_MAX)
        return data if datagram_frames(data) else b""


class _SerialLink:
    """A serial port."""

    def __init__(self, port: SerialPort) -> None:
        self._port = port
        self.ends: tuple[object, object] = (port.device, "")

    def send(self, octets: bytes, timeout_s: float) -> None:
        self._port.write_all(octets, timeout_s)

    def receive(self, timeout_s: float) -> bytes:
        if not self._port.wait_readable(timeout_s):
            raise TimeoutError
        return self._port.read()

    def set_line(self, line: LineFormat) -> None:
        self._port.set_line(line)

    def close(self) -> None:
        self._port.close()


def open_link(
    target: MeterTarget, *, timeout_s: float, local_address: str | None = None, tls: ClientTls | None = None
) -> BlockingLink:
    """Connect to a target. Raises ConnectFailed, or BadTarget where a line cannot be set as asked; PeerRefused."""
    require_tls(target, tls)
    source = None if local_address is None else (local_address, 0)
    try:
        if target.transport is Transport.SERIAL:
            return _SerialLink(SerialPort(target.device, target.line))
        if target.transport is Transport.UDP and target.is_secured:
            return _secured_datagrams(target, source, timeout_s, tls)
        if target.transport is Transport.UDP:
            return _DatagramLink(_datagram_socket(target, source))
        link = socket.create_connection((target.host, target.port), timeout_s, source)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _StreamLink(_secured(link, target, tls))
    except OSError as error:
        raise ConnectFailed(f"cannot connect to {target}: {error}", target=str(target)) from error


def _secured(link: socket.socket, target: MeterTarget, tls: ClientTls | None) -> socket.socket:
    """Give the socket with TLS on it, its peer judged."""
    context = context_of(tls)
    if context is None:
        return link
    where = f"{target.host}:{target.port}"
    try:
        secured = context.wrap_socket(link, server_hostname=server_name(tls, target.host, target.port))
        if isinstance(tls, TlsDemand):
            tls.judge(secured, where)
    except ssl.SSLCertVerificationError as error:
        link.close()
        if isinstance(tls, TlsDemand):
            raise tls.refused(error, where) from error
        raise
    except PeerRefused:
        secured.close()
        raise
    except OSError:
        link.close()
        raise
    return secured


def _secured_datagrams(
    target: MeterTarget, source: tuple[str, int] | None, timeout_s: float, tls: ClientTls | None
) -> BlockingLink:
    from meterworks.links.secure_datagram import SecuredDatagramLink  # loads pyOpenSSL

    link = _datagram_socket(target, source)
    try:
        return SecuredDatagramLink.open(link, target, timeout_s=timeout_s, tls=tls)
    except (OSError, MeterworksError):
        link.close()
        raise


def _datagram_socket(target: MeterTarget, source: tuple[str, int] | None) -> socket.socket:
    """Give a socket that talks to one peer only."""
    family, kind, _, _, address = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)[0]
    link = socket.socket(family, kind)
    try:
        if source is not None:
            link.bind(source)
        link.connect(address)
    except OSError:
        link.close()
        raise
    return link
