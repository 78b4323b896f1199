"""Lenient import: certificates of known parties that our validation refuses for their form, taken in with a warning.

Some published organisation certificates carry NULL behind ecdsa-with-SHA256, which RFC 5758 leaves out. They may be
kept as anchors or party keys of a back end, by an explicit act of a person; a device never does this.
Source: RFC 5758, 3.2; PKI fact sheet, part 3.
"""

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from meterworks.trust.pki.anatomy import CERTIFICATE_SIZE_MAX
from meterworks.trust.pki.der import check_canonical
from meterworks.trust.pki.errors import CertificateRefused
from meterworks.trust.pki.reason import Reason

__all__ = ["ImportedCertificate", "import_leniently"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedCertificate:
    """What a leniently read certificate says. identity: its unique identifier in hex digits, or its common name.

    unit: the remote party role. signed, signature: the octets under the signature, and the signature (DER).
    """

    identity: str
    unit: int | None
    key: ec.EllipticCurvePublicKey
    signed: bytes
    signature: bytes
    warnings: tuple[str, ...]

    def is_signed_by(self, key: ec.EllipticCurvePublicKey) -> bool:
        """Whether this key signed it: leniency is about form, never about proof."""
        try:
            key.verify(self.signature, self.signed, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


def import_leniently(der: bytes) -> ImportedCertificate:
    """Read a certificate whose only fault is parameters behind its ECDSA identifier; the warnings say so.

    It is canonical DER, has a key on a named curve and is signed with ECDSA over SHA-256, or CertificateRefused is
    raised. Nothing is said about its path, time or revocation.
    """
    from asn1crypto import x509 as asn1  # few processes need it

    if len(der) > CERTIFICATE_SIZE_MAX:
        raise CertificateRefused(f"a certificate of {len(der)} octets is too long", reason=Reason.SIZE)
    parts = check_canonical(der).children()
    try:
        read = asn1.Certificate.load(der, strict=True)
        algorithm = read["signature_algorithm"]
        name = algorithm.signature_algo, algorithm.hash_algo
        key = load_der_public_key(read.public_key.dump())
        subject = dict(read.subject.native)
        signature = bytes(read["signature_value"].native)
    except (ValueError, TypeError, KeyError, UnsupportedAlgorithm) as error:
        raise CertificateRefused(f"this certificate cannot be read: {error}", reason=Reason.MALFORMED) from error
    if name != ("ecdsa", "sha256") or not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateRefused(
            "only certificates signed with ECDSA over SHA-256 are imported leniently", reason=Reason.SIGNATURE_ALGORITHM
        )
    warned = "its signature algorithm has parameters, which RFC 5758 forbids: keep it off devices"
    warnings = (warned,) if len(parts[1].children()) > 1 else ()
    identifier = subject.get("unique_identifier")
    unit = str(subject.get("organizational_unit_name", ""))
    return ImportedCertificate(
        identity=identifier.hex() if isinstance(identifier, bytes) else str(subject.get("common_name", "")),
        unit=int(unit, 16) if len(unit) == 2 and set(unit.lower()) <= set("0123456789abcdef") else None,
        key=key,
        signed=parts[0].octets,
        signature=signature,
        warnings=warnings,
    )
