"""The ports a system needs for itself on this machine, checked before anything starts.

A port taken by another process shows up late and far from its cause. So all are checked first, at once, and the answer
names what is in use and what to do.
"""

import contextlib
import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from meterworks.system.errors import ConfigurationError, InUseError
from meterworks.trust.tls import Interface

__all__ = ["Endpoint", "occupied", "refuse_occupied"]

SO_BINDTODEVICE = getattr(socket, "SO_BINDTODEVICE", 25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A TCP endpoint the system is about to listen on.

    device: network device it is bound to, if any. process: who listens. interface: the row of the TLS policy that holds
    there; None where it talks plainly, and then `plain_because` says why.
    """

    purpose: str
    host: str
    port: int
    setting: str
    device: str | None = None
    process: str = ""
    interface: Interface | None = None
    plain_because: str = ""


def _is_free(endpoint: Endpoint) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if endpoint.device is not None:
            with contextlib.suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, endpoint.device.encode())
        try:
            probe.bind((endpoint.host, endpoint.port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise ConfigurationError(
                f"{endpoint.purpose} cannot listen on {endpoint.host}:{endpoint.port}: {error.strerror};"
                f" change {endpoint.setting}",
                setting=endpoint.setting,
            ) from error
        return True


def occupied(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Those of the endpoints on which another process listens already. Port 0 (any free port) is never occupied."""
    return [endpoint for endpoint in endpoints if endpoint.port and not _is_free(endpoint)]


def refuse_occupied(endpoints: Iterable[Endpoint]) -> None:
    """Raise one InUseError that names every occupied endpoint and the way round."""
    taken = occupied(endpoints)
    if not taken:
        return
    rows = "; ".join(f"{row.host}:{row.port} ({row.purpose}, setting {row.setting})" for row in taken)
    raise InUseError(
        f"in use by another process: {rows}. Is another meterworks running? Stop it, or move all ports of this one"
        " with --port-offset 100",
        ports=[row.port for row in taken],
    )
