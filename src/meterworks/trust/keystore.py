"""The key store: one master key in a file only its owner can read, and device keys wrapped under it.

The database holds wrapped keys only, so a copy of the database without the key file opens no meter.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

from meterworks.trust.errors import KeyFileError
from meterworks.trust.keywrap import unwrap_key, wrap_key

__all__ = ["MASTER_KEY_SIZE", "KeyStore"]

MASTER_KEY_SIZE = 32  # AES-256
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_CONTENT_SIZE_MAX = 2 * MASTER_KEY_SIZE + 2  # hexadecimal and a line end


class KeyStore:
    """Wraps and unwraps keys under a master key (AES-256, RFC 3394). Holds the key in memory; never prints it."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != MASTER_KEY_SIZE:
            raise KeyFileError(f"a master key has {MASTER_KEY_SIZE} octets, this one has {len(master_key)}")
        self._master_key = master_key

    def __repr__(self) -> str:
        return "KeyStore(...)"

    @classmethod
    def open(cls, path: Path, *, may_create: bool = True) -> "KeyStore":
        """Open the store of a key file, made with a fresh key if absent.

        may_create: say no where keys are wrapped already, for a fresh master key opens none of them. Two processes that
        start together end with the same key: the file appears whole and only once. Raises KeyFileError when others than
        the owner can read the file, when it is not ours, holds no key, or is absent and may not be created.
        """
        if not os.path.lexists(path):
            if not may_create:
                raise KeyFileError(
                    f"the master key {path} is gone, and keys are kept that only it opens: put the saved copy back",
                    path=str(path),
                )
            _create(path)
        return cls(_read(path))

    def wrap(self, key: bytes) -> bytes:
        """Wrap a key of 16, 24 or 32 octets. Raises KeyMaterialError."""
        return wrap_key(self._master_key, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Give the key of a wrapped one. Raises KeyUnwrapError when it is another store's, or changed."""
        return unwrap_key(self._master_key, wrapped)

    def wrap_many(self, keys: Sequence[bytes]) -> list[bytes]:
        """Wrap keys, in order."""
        return [self.wrap(key) for key in keys]

    def unwrap_many(self, wrapped: Sequence[bytes]) -> list[bytes]:
        """Unwrap keys, in order. Raises KeyUnwrapError at the first that does not open."""
        return [self.unwrap(entry) for entry in wrapped]


def _create(path: Path) -> None:
    try:
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        _write_once(path, secrets.token_bytes(MASTER_KEY_SIZE).hex().encode() + b"\n")
        _sync_folder(path.parent)
    except OSError as error:
        raise KeyFileError(
            f"cannot write the master key to {path}: {error.strerror}; choose another folder for keys", path=str(path)
        ) from error


def _write_once(path: Path, content: bytes) -> None:
    """Write the file under another name and link it: a link is refused where a file is, so the first one stays."""
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key is the one to use
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """The new name is durable only after its folder is synced, and a lost master key takes every device key along."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise KeyFileError(f"cannot read the master key in {path}: {error.strerror}", path=str(path)) from error
    try:
        _check_file(path, os.fstat(descriptor))
        content = os.read(descriptor, _CONTENT_SIZE_MAX + 1)
    finally:
        os.close(descriptor)
    return _parse(path, content)


def _check_file(path: Path, state: os.stat_result) -> None:
    """Refuse a file others could have read or written, before its key is used."""
    if not stat.S_ISREG(state.st_mode):
        raise KeyFileError(
            f"the master key {path} is not a regular file: put the key file itself there", path=str(path)
        )
    mode = stat.S_IMODE(state.st_mode)
    if mode & _OTHERS:
        raise KeyFileError(
            f"the master key {path} has mode {mode:04o}, so others than its owner can reach it: if nobody has read "
            f"it, run chmod 600 {path}",
            path=str(path),
            mode=mode,
        )
    if state.st_uid not in (os.geteuid(), 0):
        raise KeyFileError(
            f"the master key {path} belongs to user {state.st_uid}: run as that user, or give it to this one",
            path=str(path),
            owner=state.st_uid,
        )


def _parse(path: Path, content: bytes) -> bytes:
    try:
        key = bytes.fromhex(content.decode("ascii"))
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise KeyFileError(
            f"the master key {path} is not hexadecimal: put the saved copy back", path=str(path)
        ) from error
    if len(key) != MASTER_KEY_SIZE:
        raise KeyFileError(
            f"the master key {path} holds {len(key)} octets, not {MASTER_KEY_SIZE}: put the saved copy back",
            path=str(path),
        )
    return key
