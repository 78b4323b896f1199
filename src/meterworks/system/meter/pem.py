"""Keys and certificates of elliptic curves out of PEM files; loaded only where a keys file names some."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from meterworks.system.errors import ConfigurationError

__all__ = ["certificate_octets", "private_scalar", "public_point"]


def private_scalar(pem: bytes, size: int) -> bytes:
    """The private number of a key, `size` octets. Raises ConfigurationError for another curve or no key."""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError("no private key in PEM without a pass phrase") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.key_size != size * 8:
        raise ConfigurationError(f"a key of a curve of {size * 8} bits is expected")
    return key.private_numbers().private_value.to_bytes(size, "big")


def public_point(pem: bytes, size: int) -> bytes:
    """The public key x || y of a key or certificate, `size` octets each. Raises ConfigurationError as above."""
    try:
        is_certificate = b"BEGIN CERTIFICATE" in pem
        key = load_pem_x509_certificate(pem).public_key() if is_certificate else load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError("no public key or certificate in PEM") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.key_size != size * 8:
        raise ConfigurationError(f"a key of a curve of {size * 8} bits is expected")
    numbers = key.public_numbers()
    return numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


def certificate_octets(pem: bytes) -> bytes:
    """The DER octets of a certificate. Raises ConfigurationError."""
    try:
        return load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    except ValueError as error:
        raise ConfigurationError("no certificate in PEM") from error
