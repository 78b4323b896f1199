"""Key pairs of suites 1 and 2: signatures (ECDSA) and key agreement (ECDH) on P-256 and P-384.

A key may live in hardware: whoever holds it implements `Signer` or `KeyAgreement`. The software ones here keep the
private key in memory. Public keys are x || y without the leading 04, signatures r || s of fixed length, never DER.
Chance is handed in: an ephemeral key is made of octets that the caller drew, and signatures are deterministic
(RFC 6979), so that none needs chance of its own.
Source: Green Book 9.2.3.4; FIPS 186-5 (A.2.1 for keys from random octets); fact sheet section 6.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm

from meterworks.protocols.dlms.security.suite import SUITES, SecuritySuite
from meterworks.protocols.errors import SignatureError, StateError

__all__ = ["KeyAgreement", "Signer", "SoftwareKeyAgreement", "SoftwareSigner", "draw_ephemeral_key", "verify_signature"]

_POINTS_MAX: Final = 256  # public keys kept decoded: reading one costs nearly what using it does
_EXTRA_OCTETS: Final = 8  # beyond the size of a scalar, so that the remainder of the division is as good as even
_CURVES: Final[dict[SecuritySuite, tuple[ec.EllipticCurve, HashAlgorithm]]] = {
    SecuritySuite.SUITE_1: (ec.SECP256R1(), SHA256()),
    SecuritySuite.SUITE_2: (ec.SECP384R1(), SHA384()),
}


class Signer(Protocol):
    """A signing key pair."""

    @property
    def public_key(self) -> bytes:
        """The public key, x || y."""

    def sign(self, message: bytes) -> bytes:
        """Give the signature r || s over the message."""


class KeyAgreement(Protocol):
    """A key pair for key agreement, static or ephemeral."""

    @property
    def public_key(self) -> bytes:
        """The public key, x || y."""

    def agree(self, peer_public_key: bytes) -> bytes:
        """Give the shared secret, the x coordinate. Raises SignatureError for what is no point of the curve."""


class _KeyPair:
    """A private key in memory, and its public key."""

    __slots__ = ("_key", "_suite", "public_key")

    def __init__(self, suite: SecuritySuite, private_key: bytes) -> None:
        curve, _ = _curve_of(suite)
        if len(private_key) != SUITES[suite].scalar_size:
            raise StateError(f"private key of {len(private_key)} octets; suite {int(suite)} takes {curve.name}")
        try:
            self._key = ec.derive_private_key(int.from_bytes(private_key, "big"), curve)
        except ValueError as error:
            raise StateError(f"private key is not a number of {curve.name}") from error
        self._suite = suite
        self.public_key = _encode_point(suite, self._key.public_key())

    def __eq__(self, other: object) -> bool:
        """Whether both are the same key pair."""
        return type(other) is type(self) and isinstance(other, _KeyPair) and other.public_key == self.public_key

    def __hash__(self) -> int:
        """Give a hash by the public key."""
        return hash(self.public_key)

    @classmethod
    def draw(cls, suite: SecuritySuite, random_bytes: Callable[[int], bytes]) -> Self:
        """Make a key pair of octets that `random_bytes` draws."""
        size = SUITES[suite].scalar_size
        curve, _ = _curve_of(suite)
        drawn = int.from_bytes(random_bytes(size + _EXTRA_OCTETS), "big")
        return cls(suite, (drawn % (curve.group_order - 1) + 1).to_bytes(size, "big"))


class SoftwareSigner(_KeyPair):
    """A `Signer` whose private key (32 or 48 octets) is in memory."""

    __slots__ = ()

    def sign(self, message: bytes) -> bytes:
        """Give the signature r || s over the message."""
        _, algorithm = _CURVES[self._suite]
        signature = self._key.sign(message, ec.ECDSA(algorithm, deterministic_signing=True))
        size = SUITES[self._suite].scalar_size
        return b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(signature))


class SoftwareKeyAgreement(_KeyPair):
    """A `KeyAgreement` whose private key (32 or 48 octets) is in memory."""

    __slots__ = ()

    def agree(self, peer_public_key: bytes) -> bytes:
        """Give the shared secret, the x coordinate. Raises SignatureError for what is no point of the curve."""
        return self._key.exchange(ec.ECDH(), _decode_point(self._suite, peer_public_key))


def draw_ephemeral_key(suite: SecuritySuite, random_bytes: Callable[[int], bytes]) -> SoftwareKeyAgreement:
    """Make a key pair for one message."""
    return SoftwareKeyAgreement.draw(suite, random_bytes)


def verify_signature(suite: SecuritySuite, public_key: bytes, message: bytes, signature: bytes) -> None:
    """Raise SignatureError where the signature over the message was not made with the key."""
    _, algorithm = _curve_of(suite)
    key = _decode_point(suite, public_key)
    size = SUITES[suite].scalar_size
    if len(signature) != 2 * size:
        raise SignatureError(f"signature of {len(signature)} octets; {2 * size} expected")
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(algorithm))
    except InvalidSignature as error:
        raise SignatureError("signature is false: another key made it, or the message was altered") from error


def _curve_of(suite: SecuritySuite) -> tuple[ec.EllipticCurve, HashAlgorithm]:
    row = _CURVES.get(suite)
    if row is None:
        raise StateError("suite 0 has neither signatures nor key agreement")
    return row


def _encode_point(suite: SecuritySuite, key: ec.EllipticCurvePublicKey) -> bytes:
    size = SUITES[suite].scalar_size
    numbers = key.public_numbers()
    return numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


@lru_cache(maxsize=_POINTS_MAX)
def _decode_point(suite: SecuritySuite, octets: bytes) -> ec.EllipticCurvePublicKey:
    curve, _ = _curve_of(suite)
    try:
        # The library refuses what is not on the curve, which would give the private key away bit by bit.
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + octets)
    except ValueError as error:
        raise SignatureError(f"public key of {len(octets)} octets is no point of {curve.name}") from error
