"""What stands above a certificate in this system now: issuers up to the anchor, and their revocation lists."""

from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.market import CertificatesAbove
from meterworks.system.authorities import known_authorities

__all__ = ["certificates_above"]

DEPTH_MAX: Final = 6


def certificates_above(public: Path, der: bytes) -> CertificatesAbove:
    """Read it from the folder in which the authorities publish; a certificate of nobody known has nothing above it."""
    known = known_authorities(public)
    chain: list[x509.Certificate] = []
    current = x509.load_der_x509_certificate(der)
    for _ in range(DEPTH_MAX):
        above = next((entry for entry in known if _issued(entry, current)), None)
        if above is None:
            break
        chain.append(above)
        if above.subject == above.issuer:
            break
        current = above
    issuers = {entry.subject for entry in chain}
    lists = [path.read_bytes() for path in sorted(public.glob("*.crl"))]
    return CertificatesAbove(
        chain=[entry.public_bytes(Encoding.DER) for entry in chain],
        revocation=[each for each in lists if x509.load_der_x509_crl(each).issuer in issuers],
    )


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
