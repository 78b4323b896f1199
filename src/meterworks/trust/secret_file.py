"""Files that hold secrets: only their owner reaches them, they appear whole, and only once where that matters."""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from meterworks.runtime import write_atomically
from meterworks.trust.errors import KeyFileError

__all__ = [
    "FILE_MODE",
    "FOLDER_MODE",
    "read_secret_file",
    "remove_secret_file",
    "replace_secret_file",
    "write_secret_once",
]

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_secret_file(path: Path, what: str, *, size_max: int) -> bytes:
    """Read a file that nobody but its owner could have read or written. Gives at most size_max + 1 octets.

    what: what the file is, for the errors' texts. A link is not followed. Raises KeyFileError where the file is absent,
    others can reach it, or it is another user's.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise KeyFileError(f"cannot read {what} in {path}: {error.strerror}", path=str(path)) from error
    try:
        _check_file(path, what, os.fstat(descriptor))
        return os.read(descriptor, size_max + 1)
    finally:
        os.close(descriptor)


def write_secret_once(path: Path, content: bytes, what: str) -> bool:
    """Write a file of mode 0600 that is not there yet; tell whether it was this call that made it.

    The file appears whole and durable under its name, or not at all; where one stands already, it stays as it is.
    Raises KeyFileError where the folder cannot be written.
    """
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        made = _link_once(path, content)
        _sync_folder(path.parent)
    except OSError as error:
        raise KeyFileError(
            f"cannot write {what} to {path}: {error.strerror}; choose another folder for keys", path=str(path)
        ) from error
    return made


def replace_secret_file(path: Path, content: bytes, what: str) -> None:
    """Put a file of mode 0600 in place of the one before: after a crash it is the old one or the new, never a mix."""
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        write_atomically(path, content, mode=FILE_MODE)
    except OSError as error:
        raise KeyFileError(
            f"cannot write {what} to {path}: {error.strerror}; choose another folder for keys", path=str(path)
        ) from error


def remove_secret_file(path: Path, what: str) -> None:
    """Remove a file for good: its folder is synced. Raises KeyFileError where it cannot be removed."""
    try:
        path.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        raise KeyFileError(f"cannot remove {what} {path}: {error.strerror}", path=str(path)) from error


def _link_once(path: Path, content: bytes) -> bool:
    """Write the file under another name and link it: a link is refused where a file is, so the first one stays."""
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its content is the one to use
            os.link(temporary, path)
            return True
    finally:
        temporary.unlink(missing_ok=True)
    return False


def _sync_folder(folder: Path) -> None:
    """The new name is durable only after its folder is synced, and a lost key takes all it protects along."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_file(path: Path, what: str, state: os.stat_result) -> None:
    """Refuse a file others could have read or written, before its content is used."""
    if not stat.S_ISREG(state.st_mode):
        raise KeyFileError(f"{what} {path} is not a regular file: put the file itself there", path=str(path))
    mode = stat.S_IMODE(state.st_mode)
    if mode & _OTHERS:
        raise KeyFileError(
            f"{what} {path} has mode {mode:04o}, so others than its owner can reach it: if nobody has read "
            f"it, run chmod 600 {path}",
            path=str(path),
            mode=mode,
        )
    if state.st_uid not in (os.geteuid(), 0):
        raise KeyFileError(
            f"{what} {path} belongs to user {state.st_uid}: run as that user, or give it to this one",
            path=str(path),
            owner=state.st_uid,
        )
