"""A meter on a serial line: HDLC as it is, or behind the sign-on of an optical port."""

import asyncio
import secrets
from typing import cast

from meterworks.errors import MeterworksError
from meterworks.links.carrier import SerialCarrier
from meterworks.links.serial_port import SerialPort
from meterworks.links.target import DEFAULT_LINE
from meterworks.protocols.dlms import LineFormat, LogicalDevice, ServerConnection, ServerFraming
from meterworks.protocols.dlms.hdlc import HDLC

__all__ = ["SerialMeter", "serve_serial"]


class _SerialProtocol(asyncio.Protocol):
    """The meter's side of the line. A line has no end: what would close a connection begins a new one."""

    def __init__(self, device: LogicalDevice, framing: ServerFraming) -> None:
        self._device = device
        self._framing = framing
        self._loop = asyncio.get_running_loop()
        self._core = self._new_core()
        self._timer: asyncio.TimerHandle | None = None
        self.carrier: SerialCarrier | None = None
        self.line: LineFormat | None = None
        self.is_lost = False

    def _new_core(self) -> ServerConnection:
        return ServerConnection(self._device, secrets.token_bytes, framing=self._framing)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.carrier = cast(SerialCarrier, transport)
        self._see_to_link()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._write(self._core.receive(data, self._loop.time()))

    def _advance(self) -> None:
        self._timer = None
        if not self.is_lost:
            self._write(self._core.advance(self._loop.time()))

    def _write(self, answer: bytes) -> None:
        while self._core.has_more:
            answer += self._core.receive(b"", self._loop.time())
        if answer and self.carrier is not None:
            self.carrier.write(answer)
        if self._core.closed:
            self._core = self._new_core()
        self._see_to_link()

    def _see_to_link(self) -> None:
        """Set line and timer as the link wants them."""
        line = self._core.line
        if line is not None and line != self.line and self.carrier is not None:
            self.line = line
            try:
                self.carrier.set_line(line)
            except MeterworksError:
                self.carrier.close()  # the port is gone, or cannot do what it said it could
                return
        if self._timer is not None:
            self._timer.cancel()
        due_s = self._core.next_deadline()
        self._timer = None if due_s is None else self._loop.call_at(due_s, self._advance)


class SerialMeter:
    """A meter that is served on a serial port; `close` ends it."""

    def __init__(self, protocol: _SerialProtocol, carrier: SerialCarrier) -> None:
        """Use `serve_serial`."""
        self._protocol = protocol
        self._carrier = carrier

    @property
    def is_open(self) -> bool:
        """Whether the port still stands."""
        return not self._carrier.is_closing()

    @property
    def line(self) -> LineFormat | None:
        """The format that the link set last; None where it does not care."""
        return self._protocol.line

    def close(self) -> None:
        """Close the port."""
        self._carrier.close()


def serve_serial(
    device: LogicalDevice, port: str, *, line: LineFormat = DEFAULT_LINE, framing: ServerFraming = HDLC
) -> SerialMeter:
    """Serve a meter on a serial port, within a running loop. Raises ConnectFailed, or BadTarget for a wrong line.

    line: how the port is set at first. framing: HDLC, or `ModeEServerFraming`, which then sets the line itself.
    """
    protocol = _SerialProtocol(device, framing)
    carrier = SerialCarrier(asyncio.get_running_loop(), SerialPort(port, line), protocol)
    return SerialMeter(protocol, carrier)
