"""What goes over a link, for whoever wants to keep it: octets, direction, both ends, and when."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from meterworks.links.target import Transport

__all__ = ["Endpoint", "Recorder", "Tap", "Tapped"]

Endpoint: TypeAlias = tuple[str, int]
"""Address and port; of a serial line its device and 0."""


@dataclass(frozen=True, slots=True)
class Tapped:
    """Octets that went over a link. local: our end. time_s: seconds since 1970, UTC."""

    direction: Literal["sent", "received"]
    octets: bytes
    transport: Transport
    local: Endpoint
    remote: Endpoint
    time_s: float


Tap: TypeAlias = Callable[[Tapped], None]
"""Called with all octets of a link as they go out and come in; inside TLS they are plain."""


class Recorder:
    """The tap of one link, with its two ends."""

    __slots__ = ("_local", "_remote", "_tap", "_transport")

    def __init__(self, tap: Tap, transport: Transport, local: object, remote: object) -> None:
        self._tap = tap
        self._transport = transport
        self._local = _endpoint(local)
        self._remote = _endpoint(remote)

    def sent(self, octets: bytes) -> None:
        """Tell what we say."""
        self._tap(Tapped("sent", octets, self._transport, self._local, self._remote, time.time()))

    def received(self, octets: bytes) -> None:
        """Tell what we hear."""
        self._tap(Tapped("received", octets, self._transport, self._local, self._remote, time.time()))


def _endpoint(address: object) -> Endpoint:
    """Give address and port of what a socket says, which may have more or nothing."""
    match address:
        case (str(host), int(port), *_):
            return host, port
        case str(device):
            return device, 0
    return "", 0
