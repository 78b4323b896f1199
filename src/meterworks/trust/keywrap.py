"""Keys wrapped under keys.  Source: RFC 3394; a 16 octet key wraps to 24 octets, a 32 octet one to 40."""

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from meterworks.trust.errors import KeyMaterialError, KeyUnwrapError

__all__ = ["KEY_SIZES", "OVERHEAD_SIZE", "unwrap_key", "wrap_key"]

KEY_SIZES = (16, 24, 32)  # of AES
OVERHEAD_SIZE = 8  # the integrity check value of RFC 3394


def wrap_key(wrapping_key: bytes, key: bytes) -> bytes:
    """Wrap a key of 16, 24 or 32 octets; gives 8 octets more. Raises KeyMaterialError on any other size."""
    _check_size("a wrapping key", len(wrapping_key), KEY_SIZES)
    _check_size("a key to wrap", len(key), KEY_SIZES)
    return aes_key_wrap(wrapping_key, key)


def unwrap_key(wrapping_key: bytes, wrapped: bytes) -> bytes:
    """Give back the key that `wrap_key` wrapped.

    Raises KeyUnwrapError when it was wrapped under another key or changed since, KeyMaterialError on a wrong size.
    """
    _check_size("a wrapping key", len(wrapping_key), KEY_SIZES)
    _check_size("a wrapped key", len(wrapped), tuple(size + OVERHEAD_SIZE for size in KEY_SIZES))
    try:
        return aes_key_unwrap(wrapping_key, wrapped)
    except InvalidUnwrap as error:
        raise KeyUnwrapError("the wrapped key does not open: it was wrapped under another key, or changed") from error


def _check_size(what: str, size: int, sizes: tuple[int, ...]) -> None:
    if size not in sizes:
        raise KeyMaterialError(f"{what} has {', '.join(map(str, sizes))} octets, this one has {size}", size=size)
