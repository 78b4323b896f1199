"""Keys wrapped under a key-encryption key, as key transfer and general-ciphering carry them.  Source: RFC 3394."""

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from meterworks.protocols.errors import StateError, TagError

__all__ = ["unwrap_key", "wrap_key"]


def wrap_key(kek: bytes, key: bytes) -> bytes:
    """Give the wrapped key, 8 octets longer than the key. Both have 16 or 32 octets."""
    try:
        return aes_key_wrap(kek, key)
    except ValueError as error:
        raise StateError(f"a key of {len(kek)} octets does not wrap one of {len(key)}") from error


def unwrap_key(kek: bytes, wrapped: bytes) -> bytes:
    """Give the key. Raises TagError where it was altered or wrapped under another key."""
    try:
        return aes_key_unwrap(kek, wrapped)
    except (InvalidUnwrap, ValueError) as error:
        raise TagError(f"{len(wrapped)} octets are not a key wrapped under our key-encryption key") from error
