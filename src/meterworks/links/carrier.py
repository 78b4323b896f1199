"""What carries octets under asyncio: TCP and TLS as they are, datagrams and serial ports made to look alike."""

import asyncio
from typing import Final, Protocol, cast

from meterworks.links.datagram import datagram_frames
from meterworks.links.errors import BadTarget, ConnectFailed
from meterworks.links.secure import ClientTls, open_stream
from meterworks.links.serial_port import SerialPort
from meterworks.links.target import MeterTarget, Transport
from meterworks.protocols.dlms import LineFormat

__all__ = ["Carrier", "SerialCarrier", "datagram_frames", "open_carrier"]

BUFFER_SIZE_MAX: Final = 1024 * 1024  # octets that wait for a slow line


class Carrier(Protocol):
    """What a protocol does with its transport."""

    def write(self, data: bytes) -> None:
        """Send octets, now or when there is room."""

    def close(self) -> None:
        """End the connection when all is sent."""

    def abort(self) -> None:
        """End the connection at once."""

    def is_closing(self) -> bool:
        """Whether it has ended or is about to."""

    def get_write_buffer_size(self) -> int:
        """Give the octets that wait to be sent."""

    def get_extra_info(self, name: str) -> object:
        """Give `sockname` or `peername`."""


class _DatagramCarrier:
    """A UDP socket as a carrier: each frame goes in a datagram of its own."""

    def __init__(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport
        self.close = transport.close
        self.abort = transport.abort
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info

    def write(self, data: bytes) -> None:
        """Send the frames."""
        for frame in datagram_frames(data) or []:
            self._transport.sendto(frame)

    def get_write_buffer_size(self) -> int:
        """Give 0: what waits does not keep us."""
        return 0


class _DatagramProtocol(asyncio.DatagramProtocol):
    """Passes whole datagrams on to a stream protocol, and drops others."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        self._carrier: _DatagramCarrier | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._carrier = _DatagramCarrier(cast(asyncio.DatagramTransport, transport))
        self._protocol.connection_made(cast(asyncio.BaseTransport, self._carrier))

    def datagram_received(self, data: bytes, addr: object) -> None:
        if datagram_frames(data):
            self._protocol.data_received(data)

    def error_received(self, exc: Exception) -> None:
        if self._carrier is not None:
            self._carrier.abort()  # nobody listens there

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)


class SerialCarrier:
    """A serial port under asyncio: the port's octets go to a stream protocol, its line can be changed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: SerialPort, protocol: asyncio.Protocol) -> None:
        self._loop = loop
        self._port = port
        self._protocol = protocol
        self._buffer = b""
        self._is_closed = False
        loop.add_reader(port.descriptor, self._readable)
        protocol.connection_made(cast(asyncio.BaseTransport, self))

    def _readable(self) -> None:
        try:
            data = self._port.read()
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        self._protocol.data_received(data)

    def write(self, data: bytes) -> None:
        """Send octets; what the port does not take at once waits, up to a limit at which the line is given up."""
        if self._is_closed:
            return
        if not self._buffer:
            data = data[self._take(data) :]
            if not data or self._is_closed:
                return
            self._loop.add_writer(self._port.descriptor, self._writable)
        self._buffer += data
        if len(self._buffer) > BUFFER_SIZE_MAX:
            self.abort()

    def _take(self, data: bytes) -> int:
        try:
            return self._port.write(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._end(error)
            return 0

    def _writable(self) -> None:
        self._buffer = self._buffer[self._take(self._buffer) :]
        if not self._buffer and not self._is_closed:
            self._loop.remove_writer(self._port.descriptor)

    def set_line(self, line: LineFormat) -> None:
        """Change speed and format. What was written is out by then: the link waits for it."""
        self._port.set_line(line)

    def close(self) -> None:
        """Close the port."""
        self._end(None)

    abort = close

    def _end(self, error: Exception | None) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._buffer = b""
        self._loop.remove_reader(self._port.descriptor)
        self._loop.remove_writer(self._port.descriptor)
        self._port.close()
        self._loop.call_soon(self._protocol.connection_lost, error)

    def is_closing(self) -> bool:
        """Whether the port is closed."""
        return self._is_closed

    def get_write_buffer_size(self) -> int:
        """Give the octets that wait."""
        return len(self._buffer)

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Give the device as the name of our end."""
        return self._port.device if name == "sockname" else default


async def open_carrier(
    protocol: asyncio.Protocol,
    target: MeterTarget,
    *,
    timeout_s: float,
    local_address: str | None = None,
    tls: ClientTls | None = None,
) -> None:
    """Connect a protocol to a target. Raises ConnectFailed; PeerRefused where the server is not who must be there."""
    require_tls(target, tls)
    loop = asyncio.get_running_loop()
    local = None if local_address is None else (local_address, 0)
    address = (target.host, target.port)
    try:
        async with asyncio.timeout(timeout_s):
            if target.transport is Transport.SERIAL:
                SerialCarrier(loop, SerialPort(target.device, target.line), protocol)
            elif target.transport is Transport.UDP and target.is_secured:
                from meterworks.links.secure_datagram import open_secured_carrier  # loads pyOpenSSL

                await open_secured_carrier(protocol, target, local=local, tls=tls)
            elif target.transport is Transport.UDP:
                await loop.create_datagram_endpoint(
                    lambda: _DatagramProtocol(protocol), local_addr=local, remote_addr=address
                )
            else:
                await open_stream(protocol, *address, local=local, tls=tls)
    except TimeoutError as error:
        raise ConnectFailed(f"{target} did not answer within {timeout_s:g} s", target=str(target)) from error
    except OSError as error:
        raise ConnectFailed(f"cannot connect to {target}: {error}", target=str(target)) from error


def require_tls(target: MeterTarget, tls: ClientTls | None) -> None:
    """Raise BadTarget where a target asks for TLS and there is nothing to speak it with."""
    if target.is_secured and tls is None:
        raise BadTarget(f"{target}: give a certificate, key and trust anchors to connect with")
