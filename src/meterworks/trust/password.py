"""Passwords: hashed with argon2id, so that a stolen table opens no account.  Source: RFC 9106."""

import secrets
from functools import cache

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

from meterworks.trust.errors import PasswordError

__all__ = [
    "PASSWORD_LENGTH_MAX",
    "PASSWORD_LENGTH_MIN",
    "hash_password",
    "new_password",
    "password_matches",
    "password_needs_rehash",
]

PASSWORD_LENGTH_MIN = 10
PASSWORD_LENGTH_MAX = 256  # characters; longer input would only cost time

# RFC 9106's second recommended choice, with fewer lanes: 64 MiB and three passes, some 100 ms on one core.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that are mistaken for one another
_GROUP_COUNT = 4
_GROUP_SIZE = 5  # 4 x 5 letters of 31: 99 bits


def new_password() -> str:
    """Make a password a person can type: four groups of five letters and digits, 99 bits of chance."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_SIZE)) for _ in range(_GROUP_COUNT))
    return "-".join(groups)


def hash_password(password: str) -> str:
    """Give the text to store for a password. Raises PasswordError on its length.

    Takes some 100 ms on purpose: call it in a thread.
    """
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise PasswordError(
            f"a password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters, this one has {len(password)}"
        )
    return _HASHER.hash(password.encode(errors="surrogatepass"))


def password_matches(stored: str | None, password: str) -> bool:
    """Tell whether a password is the one hashed. Takes as long for a user who does not exist (stored None).

    Takes some 100 ms on purpose: call it in a thread. A stored text that is no hash matches nothing.
    """
    if len(password) > PASSWORD_LENGTH_MAX:
        return False
    try:
        matches = _HASHER.verify(stored or _nobody(), password.encode(errors="surrogatepass"))
    except (Argon2Error, InvalidHashError):
        return False
    return matches and stored is not None


def password_needs_rehash(stored: str) -> bool:
    """Tell whether a stored hash was made with weaker parameters than today's: hash again at the next login."""
    try:
        return _HASHER.check_needs_rehash(stored)
    except InvalidHashError:
        return True


@cache
def _nobody() -> str:
    """Give the hash of a password nobody knows."""
    return _HASHER.hash(secrets.token_bytes(32))
