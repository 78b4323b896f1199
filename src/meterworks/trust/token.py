"""Tokens for the API: the holder has 32 random octets as text, we keep their SHA-256 only."""

import hashlib
import hmac
import secrets

__all__ = ["TOKEN_SIZE", "constant_time_equal", "hash_token", "new_token", "token_matches"]

TOKEN_SIZE = 32  # octets of chance in a token
_TOKEN_LENGTH_MAX = 256  # characters hashed at most


def new_token() -> str:
    """Make a token: 32 random octets as 43 URL-safe characters. Shown once, never stored."""
    return secrets.token_urlsafe(TOKEN_SIZE)


def hash_token(token: str) -> str:
    """Give what is stored for a token: SHA-256 as 64 hexadecimal digits.

    A plain hash is enough, since a token has 256 bits of chance; and it can be looked up by index.
    """
    return hashlib.sha256(token[:_TOKEN_LENGTH_MAX].encode(errors="surrogatepass")).hexdigest()


def token_matches(stored: str, token: str) -> bool:
    """Tell whether a token is the one whose hash is stored, in constant time."""
    return len(token) <= _TOKEN_LENGTH_MAX and constant_time_equal(stored.encode(), hash_token(token).encode())


def constant_time_equal(left: bytes, right: bytes) -> bool:
    """Compare secrets without telling by the time taken where they differ."""
    return hmac.compare_digest(left, right)
