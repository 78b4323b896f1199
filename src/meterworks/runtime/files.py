"""Files that must be whole or absent, and folders that one process holds at a time."""

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from meterworks.runtime.errors import FolderInUseError

__all__ = ["FolderLock", "write_atomically"]

LOCK_FILE_NAME = "in-use.lock"


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace the file by the data: after a crash at any moment it holds the old bytes or the new ones, never a mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary_name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(temporary_name)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """The rename itself is durable only after its folder is synced."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FolderLock:
    """Holds a folder for this process until released or until the process ends, however it ends.

    The kernel drops the lock of a killed process, so there is no stale lock to clean away. The lock file
    tells who holds it.
    """

    def __init__(self, folder: Path, *, purpose: str) -> None:
        self._path = folder / LOCK_FILE_NAME
        self._purpose = purpose
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the folder."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the folder (made if absent). Raises FolderInUseError, naming the holder, when another process has it."""
        if self._descriptor is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            folder = self._path.parent
            raise FolderInUseError(
                f"the folder {folder} is in use by {holder}: stop that one, or give this one another folder",
                folder=str(folder),
                holder=holder,
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{self._purpose}, process {os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the folder back. Releasing what is not held changes nothing."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
