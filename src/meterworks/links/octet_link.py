"""Octets over TCP as they are, blocking and bounded: for playing recorded sessions, from either side."""

import socket
import time
from collections.abc import Callable
from typing import Final, TypeVar

from meterworks.links.errors import BadTarget, ConnectFailed, ConnectionLost, NoAnswer
from meterworks.links.tap import Recorder, Tap
from meterworks.links.target import MeterTarget, Transport

__all__ = ["OctetLink", "OctetListener"]

READ_SIZE_MAX: Final = 64 * 1024

_Given = TypeVar("_Given")


class OctetLink:
    """A TCP connection. Use it as `with ... as link`, which closes it; every wait ends after `timeout_s`."""

    def __init__(self, link: socket.socket, timeout_s: float, tap: Tap | None = None) -> None:
        """Use `open`, or `OctetListener.accept`."""
        self._socket = link
        self._timeout_s = timeout_s
        self._recorder: Recorder | None = None
        if tap is not None:
            local, remote = _guarded(lambda: (link.getsockname(), link.getpeername()))
            self._recorder = Recorder(tap, Transport.TCP, local, remote)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @classmethod
    def open(cls, target: MeterTarget, *, timeout_s: float = 10.0, tap: Tap | None = None) -> "OctetLink":
        """Connect. tap: is shown all octets. Raises ConnectFailed, BadTarget where the target is not TCP."""
        if target.transport is not Transport.TCP or target.is_secured:
            raise BadTarget(f"{target}: octets are played over TCP only, without TLS")
        try:
            link = socket.create_connection((target.host, target.port), timeout_s)
        except OSError as error:
            raise ConnectFailed(f"cannot connect to {target}: {error}") from error
        return cls(link, timeout_s, tap)

    def __enter__(self) -> "OctetLink":
        """Give the link."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; may be called more than once."""
        self._socket.close()

    def send(self, octets: bytes) -> None:
        """Send octets. Raises ConnectionLost."""

        def work() -> None:
            self._socket.settimeout(self._timeout_s)
            self._socket.sendall(octets)

        _guarded(work)
        if self._recorder is not None:
            self._recorder.sent(octets)

    def receive(self, until_s: float | None = None) -> bytes:
        """Give octets as they come; empty where the other side closed. until_s: of `time.monotonic()`.

        Raises NoAnswer where none come in time, ConnectionLost.
        """
        left_s = self._timeout_s if until_s is None else until_s - time.monotonic()
        if left_s <= 0:
            raise NoAnswer("no octets came in time")

        def work() -> bytes:
            self._socket.settimeout(left_s)
            return self._socket.recv(READ_SIZE_MAX)

        octets = _guarded(work)
        if self._recorder is not None and octets:
            self._recorder.received(octets)
        return octets


class OctetListener:
    """Takes connections one after the other. port: where it listens. Use it as `with ... as listener`."""

    def __init__(self, host: str, port: int, *, timeout_s: float = 10.0) -> None:
        """Listen on host and port (0 for any free one). Raises ConnectFailed."""
        try:
            self._socket = socket.create_server((host, port))
        except OSError as error:
            raise ConnectFailed(f"cannot listen on {host}:{port}: {error}", host=host, port=port) from error
        self._timeout_s = timeout_s
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> "OctetListener":
        """Give the listener."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Stop listening."""
        self._socket.close()

    def accept(self, *, wait_s: float, tap: Tap | None = None) -> OctetLink:
        """Wait for a connection and give it. tap: is shown its octets. Raises NoAnswer where none comes in time."""
        self._socket.settimeout(wait_s)
        try:
            link, _ = self._socket.accept()
        except TimeoutError as error:
            raise NoAnswer(f"nobody connected within {wait_s:g} s") from error
        except OSError as error:
            raise ConnectFailed(f"cannot accept a connection: {error}") from error
        return OctetLink(link, self._timeout_s, tap)


def _guarded(work: Callable[[], _Given]) -> _Given:
    try:
        return work()
    except TimeoutError as error:
        raise NoAnswer("no octets came in time") from error
    except OSError as error:
        raise ConnectionLost(f"the connection broke: {error}") from error
