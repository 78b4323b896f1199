"""Keys of a vault as the DLMS/COSEM cores want them: public keys as x || y, signatures as r || s.

They fit `Signer` and `KeyAgreement` of the DLMS security cores, so a core never sees a key's octets.
Source: Green Book 9.2.3.4.
"""

from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from meterworks.protocols.errors import SignatureError
from meterworks.trust.errors import KeyUsageError
from meterworks.trust.keystore.vault import CURVES, CurveName, KeyUsage, PrivateKey

__all__ = ["VaultKeyAgreement", "VaultSigner"]

_SUITE_CURVES: Final[tuple[CurveName, ...]] = ("P-256", "P-384")  # suites 1 and 2


class VaultSigner:
    """A `Signer` whose key stays in a vault."""

    __slots__ = ("_key", "public_key")

    def __init__(self, key: PrivateKey) -> None:
        """key: of usage SIGN, on P-256 or P-384. Raises KeyUsageError."""
        _check(key, KeyUsage.SIGN)
        self._key = key
        self.public_key = _point(key.public_key)

    def sign(self, message: bytes) -> bytes:
        """Give the signature r || s over the message."""
        return self._key.sign(message)


class VaultKeyAgreement:
    """A `KeyAgreement` whose key stays in a vault."""

    __slots__ = ("_key", "public_key")

    def __init__(self, key: PrivateKey) -> None:
        """key: of usage AGREE, on P-256 or P-384. Raises KeyUsageError."""
        _check(key, KeyUsage.AGREE)
        self._key = key
        self.public_key = _point(key.public_key)

    def agree(self, peer_public_key: bytes) -> bytes:
        """Give the shared secret, the x coordinate. Raises SignatureError for what is no point of the curve."""
        curve = CURVES[self._key.curve].curve
        try:
            peer = ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + peer_public_key)
        except ValueError as error:
            raise SignatureError(f"public key of {len(peer_public_key)} octets is no point of {curve.name}") from error
        return self._key.agree(peer)


def _check(key: PrivateKey, usage: KeyUsage) -> None:
    if key.usage is not usage or key.curve not in _SUITE_CURVES:
        raise KeyUsageError(
            f"key {key.label} ({key.usage.value}, {key.curve}) cannot {usage.value} for a meter: "
            f"take one of usage {usage.value} on P-256 or P-384",
            label=key.label,
        )


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    encoded = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return encoded[1:]
