"""A wrapping key made of a passphrase by Argon2id.  Source: RFC 9106; the second recommended choice."""

import contextlib
import secrets
from collections.abc import Mapping
from typing import Final, Self

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from meterworks.trust.errors import KeyFileError, VaultSettingsError
from meterworks.trust.keywrap import unwrap_key, wrap_key

__all__ = ["PASSPHRASE_SIZE_MIN", "PassphraseLock"]

PASSPHRASE_SIZE_MIN: Final = 12  # octets
_SALT_SIZE: Final = 16
_KEY_SIZE: Final = 32
_PASSES: Final = 3
_LANES: Final = 4
_MEMORY_KIB: Final = 65_536
_MEMORY_KIB_MAX: Final = 1_048_576  # a file may ask for no more: it could stop this machine
_PASSES_MAX: Final = 64
_LANES_MAX: Final = 64


class PassphraseLock:
    """Wraps and unwraps under a passphrase. `facts`: the parameters to keep beside what was wrapped."""

    def __init__(self, passphrase: bytes, facts: Mapping[str, object]) -> None:
        self.facts = facts
        passes, lanes, memory_kib, salt = _checked(facts)
        function = Argon2id(salt=salt, length=_KEY_SIZE, iterations=passes, lanes=lanes, memory_cost=memory_kib)
        self._key = function.derive(passphrase)

    @classmethod
    def new(cls, passphrase: bytes) -> Self:
        """Make a lock with a fresh salt. Raises VaultSettingsError on a passphrase that is too short."""
        if len(passphrase) < PASSPHRASE_SIZE_MIN:
            raise VaultSettingsError(
                f"a passphrase has at least {PASSPHRASE_SIZE_MIN} characters, this one has {len(passphrase)}"
            )
        salt = secrets.token_bytes(_SALT_SIZE).hex()
        return cls(
            passphrase,
            {"kind": "argon2id", "passes": _PASSES, "lanes": _LANES, "memory_kib": _MEMORY_KIB, "salt": salt},
        )

    @classmethod
    def read(cls, facts: Mapping[str, object], passphrase: bytes) -> Self:
        """Give the lock of parameters that were kept. Raises KeyFileError where they are none."""
        return cls(passphrase, facts)

    def wrap(self, key: bytes) -> bytes:
        """Wrap a key of 16, 24 or 32 octets."""
        return wrap_key(self._key, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Give the key of a wrapped one. Raises KeyUnwrapError under another passphrase."""
        return unwrap_key(self._key, wrapped)


def _checked(facts: Mapping[str, object]) -> tuple[int, int, int, bytes]:
    """Passes, lanes, memory and salt, each in its bounds."""
    limits = (("passes", 1, _PASSES_MAX), ("lanes", 1, _LANES_MAX), ("memory_kib", 8 * _LANES_MAX, _MEMORY_KIB_MAX))
    numbers = []
    for name, low, high in limits:
        value = facts.get(name)
        if facts.get("kind") != "argon2id" or not isinstance(value, int) or not low <= value <= high:
            raise KeyFileError(f"the parameter {name} of a passphrase is out of its bounds: put the saved copy back")
        numbers.append(value)
    salt = facts.get("salt")
    with contextlib.suppress(ValueError):
        if isinstance(salt, str) and len(bytes.fromhex(salt)) >= _SALT_SIZE // 2:
            return numbers[0], numbers[1], numbers[2], bytes.fromhex(salt)
    raise KeyFileError("the salt of a passphrase cannot be read: put the saved copy back")
