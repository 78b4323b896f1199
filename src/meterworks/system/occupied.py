"""What a system needs for itself on this machine, found out before anything starts: its data folder and its ports.

Two systems on one data folder would both write it, and a port taken by another process shows up late and far from its
cause. So both are checked first, all at once, and the answer names what is in use, by whom, and what to do.
"""

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from meterworks.system.errors import ConfigurationError, InUseError

__all__ = ["Endpoint", "hold_folder", "occupied", "refuse_occupied"]

SO_BINDTODEVICE = getattr(socket, "SO_BINDTODEVICE", 25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A TCP endpoint the system is about to listen on. `device`: network device it is bound to, if any."""

    purpose: str
    host: str
    port: int
    setting: str
    device: str | None = None


@contextlib.contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Hold the data folder for this process; the lock goes with the process, however it ends.

    Raises InUseError, naming the holder's process, when another system runs on it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "in-use.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ConfigurationError(
            f"data folder {folder} cannot be written: {error}; choose another with --data"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(handle, 64, 0).decode(errors="replace").strip() or "unknown"
            raise InUseError(
                f"data folder {folder} is in use by the meterworks process {holder}: stop it, or choose another folder"
                " with --data",
                folder=str(folder),
                holder=holder,
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


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
