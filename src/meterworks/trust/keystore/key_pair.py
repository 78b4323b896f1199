"""What every key pair of a vault does alike: keep to its usage, and sign for X.509 without giving itself away."""

import copy
from abc import ABC, abstractmethod
from typing import NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.utils import Buffer

from meterworks.trust.errors import KeyMaterialError, KeyUsageError
from meterworks.trust.keystore.vault import CURVES, CurveName, KeyUsage

__all__ = ["VaultKeyPair", "der_of_signature", "signature_of_der"]


class VaultKeyPair(ABC):
    """A `PrivateKey`: checks the usage and the peer's curve; a subclass does the operation where its key lies."""

    def __init__(self, label: str, usage: KeyUsage, public_key: ec.EllipticCurvePublicKey, curve: CurveName) -> None:
        self.label = label
        self.usage = usage
        self.public_key = public_key
        self.curve: CurveName = curve

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label!r}, {self.usage.value}, {self.curve})"

    def sign(self, message: bytes) -> bytes:
        """Give the signature r || s of fixed length over the message, under the curve's hash."""
        self.check_usage(KeyUsage.SIGN)
        return self._sign_plain(message, CURVES[self.curve].digest)

    def sign_der(self, message: bytes, algorithm: HashAlgorithm | None = None) -> bytes:
        """Give the signature in DER; the curve's hash if none is named."""
        self.check_usage(KeyUsage.SIGN)
        return self._sign_der(message, algorithm or CURVES[self.curve].digest)

    def agree(self, peer: ec.EllipticCurvePublicKey) -> bytes:
        """Give the shared secret, the x coordinate of ECDH. Raises KeyMaterialError for a key of another curve."""
        self.check_usage(KeyUsage.AGREE)
        if peer.curve.name != self.public_key.curve.name:
            raise KeyMaterialError(
                f"key {self.label} lies on {self.curve}, the peer's on {peer.curve.name}: take a key of the same curve"
            )
        return self._agree(peer)

    def for_x509(self) -> ec.EllipticCurvePrivateKey:
        """Give an object that certificate builders sign with. Raises KeyUsageError unless it is a signing key."""
        self.check_usage(KeyUsage.SIGN)
        return _X509Key(self)

    def check_usage(self, wanted: KeyUsage) -> None:
        """Raise KeyUsageError unless the key is for that."""
        if self.usage is not wanted:
            raise KeyUsageError(
                f"key {self.label} is a key of usage {self.usage.value} and does not {wanted.value}: "
                f"take one made for that",
                label=self.label,
            )

    @abstractmethod
    def _sign_plain(self, message: bytes, algorithm: HashAlgorithm) -> bytes: ...

    @abstractmethod
    def _sign_der(self, message: bytes, algorithm: HashAlgorithm) -> bytes: ...

    @abstractmethod
    def _agree(self, peer: ec.EllipticCurvePublicKey) -> bytes: ...


class _X509Key(ec.EllipticCurvePrivateKey):
    """What `cryptography`'s builders ask of a private key: to sign, and its public half. It gives nothing else."""

    def __init__(self, key: VaultKeyPair) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"_X509Key({self._key.label!r})"

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._key.public_key.curve

    @property
    def key_size(self) -> int:
        return self._key.public_key.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._key.public_key

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed):
            raise UnsupportedAlgorithm("a key of a vault hashes the message itself")
        return self._key.sign_der(bytes(data), algorithm)

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        self._refuse("agree")

    def private_numbers(self) -> NoReturn:
        self._refuse("leave its vault")

    def private_bytes(
        self,
        encoding: serialization.Encoding,
        format: serialization.PrivateFormat,
        encryption_algorithm: serialization.KeySerializationEncryption,
    ) -> NoReturn:
        self._refuse("leave its vault")

    def __copy__(self) -> "_X509Key":
        return _X509Key(self._key)

    def __deepcopy__(self, memo: dict[int, object]) -> "_X509Key":
        return copy.copy(self)

    def _refuse(self, act: str) -> NoReturn:
        raise KeyUsageError(f"key {self._key.label} signs certificates and does not {act}", label=self._key.label)


def signature_of_der(encoded: bytes, curve: CurveName) -> bytes:
    """Give r || s of fixed length for a signature in DER."""
    size = CURVES[curve].scalar_size
    return b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(encoded))


def der_of_signature(plain: bytes) -> bytes:
    """Give the DER form of a signature r || s."""
    size = len(plain) // 2
    return encode_dss_signature(int.from_bytes(plain[:size], "big"), int.from_bytes(plain[size:], "big"))
