"""The vault: where private keys and wrapping keys live, whichever medium holds them.

A key has one usage for life. Signing keys only sign, agreement keys only agree, wrapping keys only wrap; nobody gets
the octets of one. TLS keys are in no vault, since Python's TLS reads them from a file: `new_tls_key` makes those.
Source: SECURITY fact sheet SEC-027 and SEC-038.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal, Protocol, get_args

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm

from meterworks.trust.errors import KeyMaterialError, KeyNameError, KeyUsageError

__all__ = [
    "CURVES",
    "CurveName",
    "CurveRow",
    "KeyUsage",
    "KeyVault",
    "PrivateKey",
    "SecretSource",
    "WrappingKey",
    "check_generation",
    "check_label",
    "curve_name",
]

CurveName = Literal["P-256", "P-384", "brainpoolP256r1"]
SecretSource = Callable[[], bytes]
"""Gives a secret when it is asked for: a passphrase or a PIN, read from a file or typed, never kept in settings."""

_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class KeyUsage(Enum):
    """What a key may do."""

    SIGN = "sign"
    AGREE = "agree"
    WRAP = "wrap"
    TLS = "tls"


class CurveRow:
    """A curve: its object for `cryptography`, the hash its signatures take, and the octets of a scalar."""

    __slots__ = ("curve", "digest", "scalar_size")

    def __init__(self, curve: ec.EllipticCurve, digest: SHA256 | SHA384) -> None:
        self.curve = curve
        self.digest = digest
        self.scalar_size = (curve.key_size + 7) // 8


CURVES: Final[Mapping[CurveName, CurveRow]] = MappingProxyType(
    {
        "P-256": CurveRow(ec.SECP256R1(), SHA256()),
        "P-384": CurveRow(ec.SECP384R1(), SHA384()),
        "brainpoolP256r1": CurveRow(ec.BrainpoolP256R1(), SHA256()),
    }
)


class PrivateKey(Protocol):
    """A key pair whose private half stays where it is. Safe to use from several threads."""

    @property
    def label(self) -> str:
        """Its name in the vault."""

    @property
    def usage(self) -> KeyUsage:
        """What it may do: SIGN or AGREE."""

    @property
    def curve(self) -> CurveName:
        """The curve it lies on."""

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half."""

    def sign(self, message: bytes) -> bytes:
        """Give the signature r || s of fixed length over the message, under the curve's hash.

        Raises KeyUsageError on an agreement key, KeyNotFoundError once it is destroyed, TokenLostError.
        """

    def sign_der(self, message: bytes, algorithm: HashAlgorithm | None = None) -> bytes:
        """Give the signature as X.509 and CMS carry it (DER); the curve's hash if none is named. Raises as `sign`."""

    def agree(self, peer: ec.EllipticCurvePublicKey) -> bytes:
        """Give the shared secret, the x coordinate of ECDH.

        Raises KeyUsageError on a signing key, KeyMaterialError for a key of another curve, TokenLostError.
        """

    def for_x509(self) -> ec.EllipticCurvePrivateKey:
        """Give an object that the builders of `cryptography` sign certificates, lists and requests with.

        It signs and gives the public key; it never gives the private one. Raises KeyUsageError on an agreement key.
        """


class WrappingKey(Protocol):
    """A key that wraps other keys (AES-256, RFC 3394)."""

    def wrap(self, key: bytes) -> bytes:
        """Wrap a key of 16, 24 or 32 octets. Raises KeyMaterialError."""

    def unwrap(self, wrapped: bytes) -> bytes:
        """Give the key of a wrapped one. Raises KeyUnwrapError when another key wrapped it, or it was changed."""


class KeyVault(Protocol):
    """Keys by label. Labels are unique in a vault, whatever the usage."""

    def generate(self, label: str, usage: KeyUsage, curve: CurveName) -> PrivateKey:
        """Make a key pair for SIGN or AGREE; durable when this returns.

        Raises KeyExistsError, KeyNameError, KeyUsageError (WRAP, TLS), EntropyError when the random source is ill.
        """

    def generate_wrapping_key(self, label: str) -> WrappingKey:
        """Make a key of usage WRAP (AES-256). Raises as `generate`."""

    def key(self, label: str) -> PrivateKey:
        """Give a key pair. Raises KeyNotFoundError; KeyUsageError where the label is a wrapping key's."""

    def wrapping_key(self, label: str) -> WrappingKey:
        """Give a wrapping key. Raises KeyNotFoundError; KeyUsageError where the label is a key pair's."""

    def labels(self) -> Mapping[str, KeyUsage]:
        """Every key's label and usage, sorted by label."""

    def destroy(self, label: str) -> None:
        """Remove a key for good; who still holds it cannot use it. Raises KeyNotFoundError."""


def check_label(label: str) -> None:
    """Raise KeyNameError unless it has 1 to 64 letters, digits, dots, hyphens or underscores."""
    if not _LABEL.fullmatch(label):
        raise KeyNameError(
            "a key's label has 1 to 64 letters, digits, dots, hyphens or underscores, the first a letter or a digit"
        )


def check_generation(label: str, usage: KeyUsage, curve: str) -> CurveRow:
    """Raise unless a vault may make such a key pair; gives the row of its curve."""
    check_label(label)
    if usage is KeyUsage.WRAP:
        raise KeyUsageError(f"key {label}: a wrapping key has no curve: ask for it with generate_wrapping_key")
    if usage is KeyUsage.TLS:
        raise KeyUsageError(f"key {label}: TLS keys live in files of mode 0600: make it with new_tls_key")
    row = CURVES.get(curve)  # type: ignore[call-overload]  # any text may come from a command line
    if row is None:
        raise KeyMaterialError(f"key {label}: no curve {curve}: take one of {', '.join(get_args(CurveName))}")
    found: CurveRow = row
    return found


def curve_name(public_key: ec.EllipticCurvePublicKey) -> CurveName:
    """The name of a public key's curve. Raises KeyMaterialError for one no vault knows."""
    for name, row in CURVES.items():
        if row.curve.name == public_key.curve.name:
            return name
    raise KeyMaterialError(f"no curve {public_key.curve.name}: take one of {', '.join(CURVES)}")
