"""The key store: one master key in a file only its owner can read, and device keys wrapped under it.

The database holds wrapped keys only, so a copy of the database without the master key opens no meter. The master key is
in a file of mode 0600, or in a token that never gives it out (`KeyStore.under`).
"""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from meterworks.trust.errors import KeyFileError
from meterworks.trust.keystore.vault import WrappingKey
from meterworks.trust.keywrap import unwrap_key, wrap_key
from meterworks.trust.secret_file import read_secret_file, write_secret_once

__all__ = ["MASTER_KEY_SIZE", "KeyStore"]

MASTER_KEY_SIZE = 32  # AES-256
_CONTENT_SIZE_MAX = 2 * MASTER_KEY_SIZE + 2  # hexadecimal and a line end
_WHAT = "the master key"


class KeyStore:
    """Wraps and unwraps keys under a master key (AES-256, RFC 3394). Holds the key in memory; never prints it."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != MASTER_KEY_SIZE:
            raise KeyFileError(f"a master key has {MASTER_KEY_SIZE} octets, this one has {len(master_key)}")
        self._master: WrappingKey = _KeyInMemory(master_key)

    def __repr__(self) -> str:
        return "KeyStore(...)"

    @classmethod
    def under(cls, master: WrappingKey) -> "KeyStore":
        """Give a store whose master key is a wrapping key held elsewhere: in a vault, or in a token of it."""
        store = cls.__new__(cls)
        store._master = master
        return store

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
            write_secret_once(path, secrets.token_bytes(MASTER_KEY_SIZE).hex().encode() + b"\n", _WHAT)
        return cls(_parse(path, read_secret_file(path, _WHAT, size_max=_CONTENT_SIZE_MAX)))

    def wrap(self, key: bytes) -> bytes:
        """Wrap a key of 16, 24 or 32 octets. Raises KeyMaterialError."""
        return self._master.wrap(key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Give the key of a wrapped one. Raises KeyUnwrapError when it is another store's, or changed."""
        return self._master.unwrap(wrapped)

    def wrap_many(self, keys: Sequence[bytes]) -> list[bytes]:
        """Wrap keys, in order."""
        return [self.wrap(key) for key in keys]

    def unwrap_many(self, wrapped: Sequence[bytes]) -> list[bytes]:
        """Unwrap keys, in order. Raises KeyUnwrapError at the first that does not open."""
        return [self.unwrap(entry) for entry in wrapped]


class _KeyInMemory:
    """A wrapping key in this process's memory."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def wrap(self, key: bytes) -> bytes:
        return wrap_key(self._key, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        return unwrap_key(self._key, wrapped)


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
