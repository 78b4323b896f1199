"""A secret shared so that any `threshold` of the shares give it back, and fewer tell nothing about it.

The sharing of SLIP-39: polynomials over GF(256) (x^8 + x^4 + x^3 + x + 1), one for each octet; the shares are their
values at 0, 1, 2..., the secret stands at 255 and a digest of it at 254, so a wrong share is noticed. No well-kept
library for it is among our dependencies, so this is the one place where we compute ourselves. No branch and no place of
a table hangs on a secret: products are made bit by bit, and what is divided are the shares' public numbers alone.
Source: A. Shamir, How to share a secret (1979); SLIP-39, sections on the secret sharing and on the digest.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from meterworks.trust.errors import QuorumError

__all__ = ["SECRET_SIZE_MAX", "SECRET_SIZE_MIN", "SHARES_MAX", "join_shares", "split_secret"]

SHARES_MAX: Final = 16
SECRET_SIZE_MIN: Final = 16  # octets
SECRET_SIZE_MAX: Final = 64
_DIGEST_SIZE: Final = 4
_DIGEST_PLACE: Final = 254
_SECRET_PLACE: Final = 255
_POLYNOMIAL: Final = 0x11B


def split_secret(secret: bytes, threshold: int, count: int, random_bytes: Callable[[int], bytes]) -> Sequence[bytes]:
    """Give `count` shares, numbered from 0, each as long as the secret; any `threshold` of them give it back.

    random_bytes: where chance comes from. Raises QuorumError unless the secret has 16 to 64 octets and
    2 <= threshold <= count <= 16: a threshold of one would be a copy for each.
    """
    if not SECRET_SIZE_MIN <= len(secret) <= SECRET_SIZE_MAX:
        raise QuorumError(f"a secret to share has {SECRET_SIZE_MIN} to {SECRET_SIZE_MAX} octets, not {len(secret)}")
    if not 2 <= threshold <= count <= SHARES_MAX:
        raise QuorumError(
            f"{threshold} of {count} is no quorum: take at least 2 of at most {SHARES_MAX} holders", threshold=threshold
        )
    padding = random_bytes(len(secret) - _DIGEST_SIZE)
    points = {place: random_bytes(len(secret)) for place in range(threshold - 2)}
    points[_DIGEST_PLACE] = _digest(padding, secret) + padding
    points[_SECRET_PLACE] = secret
    return [points.get(place) or _value_at(place, points) for place in range(count)]


def join_shares(threshold: int, shares: Mapping[int, bytes]) -> bytes:
    """Give the secret of `threshold` shares by number. Raises QuorumError on too few, or ones that do not belong.

    More shares than the threshold are all checked against each other.
    """
    if len(shares) < threshold or threshold < 2:
        raise QuorumError(f"{len(shares)} shares are too few: {threshold} are needed", threshold=threshold)
    sizes = {len(value) for value in shares.values()}
    if len(sizes) != 1 or not SECRET_SIZE_MIN <= min(sizes) <= SECRET_SIZE_MAX:
        raise QuorumError("the shares are not of one secret: their sizes differ")
    if not all(0 <= place < SHARES_MAX for place in shares):
        raise QuorumError(f"a share's number is between 0 and {SHARES_MAX - 1}")
    points = dict(list(shares.items())[:threshold])
    secret, digest = _value_at(_SECRET_PLACE, points), _value_at(_DIGEST_PLACE, points)
    sound = hmac.compare_digest(digest[:_DIGEST_SIZE], _digest(digest[_DIGEST_SIZE:], secret))
    for place, value in list(shares.items())[threshold:]:
        sound &= hmac.compare_digest(_value_at(place, points), value)
    if not sound:
        raise QuorumError("the shares do not give a secret: one of them is false, or of another ceremony")
    return secret


def _digest(padding: bytes, secret: bytes) -> bytes:
    return hmac.digest(padding, secret, "sha256")[:_DIGEST_SIZE]


def _value_at(place: int, points: Mapping[int, bytes]) -> bytes:
    """Interpolate at a place: each point's value times a factor that the places alone decide (Lagrange)."""
    size = len(next(iter(points.values())))
    result = 0
    for own, value in points.items():
        factor = 1
        for other in points:
            if other != own:
                factor = _product(factor, _product(other ^ place, _inverse(other ^ own)))
        result ^= _scaled(factor, int.from_bytes(value, "big"), size)
    return result.to_bytes(size, "big")


def _scaled(factor: int, octets: int, size: int) -> int:
    """Multiply each octet of a number by a factor, all at once: the same eight steps whatever they are."""
    high_bits = int.from_bytes(b"\x80" * size, "big")
    result = 0
    for _ in range(8):
        result ^= -(factor & 1) & octets
        carried = (octets & high_bits) >> 7
        octets = ((octets & ~high_bits) << 1) ^ (carried * (_POLYNOMIAL & 0xFF))
        factor >>= 1
    return result


def _product(left: int, right: int) -> int:
    """Multiply two elements of GF(256)."""
    return _scaled(right, left, 1)


def _inverse(value: int) -> int:
    """The inverse in GF(256) of a difference of places: its 254th power, the product of seven squares of squares."""
    result = 1
    for _ in range(7):
        value = _product(value, value)
        result = _product(result, value)
    return result
