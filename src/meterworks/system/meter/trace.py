"""What goes over the links of a command, as a capture file: any packet analyser opens it, and so does `decode`.

Packets are made up around the octets that were sent and received, with the true ends and times. A serial line is shown
as a TCP connection between two loopback addresses.
"""

import ipaddress
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from meterworks.links import Tapped, Transport
from meterworks.protocols.capture import CaptureWriter
from meterworks.protocols.capture import Endpoint as CaptureEndpoint
from meterworks.protocols.capture import Transport as CaptureTransport
from meterworks.system.errors import ConfigurationError

__all__ = ["TraceFile"]

NANOSECONDS: Final = 1_000_000_000
LINE_CLIENT: Final = CaptureEndpoint("127.0.0.1", 49_152)
LINE_METER: Final = CaptureEndpoint("127.0.0.2", 4059)


class TraceFile:
    """A tap that writes a pcap file. Use it as `with TraceFile(path) as tap`, which ends the file.

    Raises ConfigurationError where the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connections: dict[object, CaptureWriter] = {}
        try:
            self._file = path.open("wb")
            self._file.write(CaptureWriter.header())
        except OSError as error:
            raise ConfigurationError(f"trace {path} cannot be written: {error.strerror}", path=str(path)) from error

    def __enter__(self) -> Self:
        """Give the tap."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the file."""
        self.close()

    def __call__(self, tapped: Tapped) -> None:
        """Write what went over a link."""
        key = (tapped.transport, tapped.local, tapped.remote)
        writer = self._connections.get(key)
        if writer is None:
            writer = self._connections[key] = _writer(tapped)
        self._write(
            writer.write(
                int(tapped.time_s * NANOSECONDS), from_client=tapped.direction == "sent", octets=tapped.octets
            )
        )  # fmt: skip

    def close(self) -> None:
        """Close the connections that were traced, and the file; may be called more than once."""
        if self._file.closed:
            return
        now = time.time_ns()
        for writer in self._connections.values():
            self._write(writer.close(now))
        self._file.close()

    def _write(self, octets: bytes) -> None:
        try:
            self._file.write(octets)
        except OSError as error:
            raise ConfigurationError(f"trace {self._path} cannot be written: {error.strerror}") from error


def _writer(tapped: Tapped) -> CaptureWriter:
    transport = CaptureTransport.UDP if tapped.transport is Transport.UDP else CaptureTransport.TCP
    try:
        families = {ipaddress.ip_address(host).version for host, _ in (tapped.local, tapped.remote)}
    except ValueError:
        return CaptureWriter(LINE_CLIENT, LINE_METER, transport)
    if len(families) != 1:
        return CaptureWriter(LINE_CLIENT, LINE_METER, transport)
    return CaptureWriter(CaptureEndpoint(*tapped.local), CaptureEndpoint(*tapped.remote), transport)
