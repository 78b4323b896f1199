"""Algorithms and curves of certificates as data: what is accepted, what is too weak, what is not yet ours.

A new algorithm is a row here; a validator that meets an unknown one refuses that certificate and reads on.
Source: RFC 5758; RFC 5480; RFC 5639; RFC 9881 (ML-DSA); SECURITY fact sheet SEC-131.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

__all__ = ["CURVE_OIDS", "SIGNATURE_ALGORITHMS", "SignatureAlgorithm", "Standing", "oid_text"]


class Standing(Enum):
    """Whether an algorithm is accepted."""

    ACCEPTED = "accepted"
    WEAK = "weak"  # its hash can be collided with, or is shorter than any profile's
    NOT_OURS = "not ours"  # sound or to come, but in no profile


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """A row: name, standing, bits of its hash."""

    name: str
    standing: Standing
    hash_bits: int = 0


SIGNATURE_ALGORITHMS: Final[Mapping[str, SignatureAlgorithm]] = MappingProxyType(
    {
        "1.2.840.10045.4.3.2": SignatureAlgorithm("ecdsa-with-SHA256", Standing.ACCEPTED, 256),
        "1.2.840.10045.4.3.3": SignatureAlgorithm("ecdsa-with-SHA384", Standing.ACCEPTED, 384),
        "1.2.840.10045.4.3.4": SignatureAlgorithm("ecdsa-with-SHA512", Standing.ACCEPTED, 512),
        "1.2.840.10045.4.1": SignatureAlgorithm("ecdsa-with-SHA1", Standing.WEAK, 160),
        "1.2.840.10045.4.3.1": SignatureAlgorithm("ecdsa-with-SHA224", Standing.WEAK, 224),
        "1.2.840.113549.1.1.4": SignatureAlgorithm("md5WithRSAEncryption", Standing.WEAK, 128),
        "1.2.840.113549.1.1.5": SignatureAlgorithm("sha1WithRSAEncryption", Standing.WEAK, 160),
        "1.2.840.113549.1.1.11": SignatureAlgorithm("sha256WithRSAEncryption", Standing.NOT_OURS, 256),
        "1.3.101.112": SignatureAlgorithm("Ed25519", Standing.NOT_OURS),
        "1.3.101.113": SignatureAlgorithm("Ed448", Standing.NOT_OURS),
        "2.16.840.1.101.3.4.3.17": SignatureAlgorithm("ML-DSA-44", Standing.NOT_OURS),
        "2.16.840.1.101.3.4.3.18": SignatureAlgorithm("ML-DSA-65", Standing.NOT_OURS),
        "2.16.840.1.101.3.4.3.19": SignatureAlgorithm("ML-DSA-87", Standing.NOT_OURS),
    }
)
CURVE_OIDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "1.2.840.10045.3.1.7": "P-256",
        "1.3.132.0.34": "P-384",
        "1.3.132.0.35": "P-521",
        "1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1",
        "1.3.36.3.3.2.8.1.1.11": "brainpoolP384r1",
    }
)


def oid_text(content: bytes) -> str:
    """An object identifier's octets as dotted numbers; octets that end within a number give what was whole."""
    numbers: list[int] = []
    value = 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            numbers.append(value)
            value = 0
    if not numbers:
        return ""
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))
