"""Checking what was signed long ago: the signature, and the chain of certificates as it stood at that time."""

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from meterworks.trust.audit.errors import AuditFormatError

__all__ = ["check_chain", "check_signature"]

_Crl = x509.CertificateRevocationList
_HASHES: dict[int, hashes.HashAlgorithm] = {256: hashes.SHA256(), 384: hashes.SHA384()}  # by the size of the curve


def check_signature(certificate_der: bytes, content: bytes, signature: bytes, *, form: str) -> None:
    """Whether the certificate's key signed the content, with the curve's own hash; DER must be strict.

    Raises AuditFormatError.
    """
    key = _certificate(certificate_der).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.key_size not in _HASHES:
        raise AuditFormatError("the signer's key is on no curve of this system")
    if form == "raw":
        size = key.key_size // 8
        if len(signature) != 2 * size:
            raise AuditFormatError(f"a signature r||s of this curve has {2 * size} octets")
        signature = encode_dss_signature(int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))
    try:
        if encode_dss_signature(*decode_dss_signature(signature)) != signature:
            raise AuditFormatError("the signature is not in strict DER")
        key.verify(signature, content, ec.ECDSA(_HASHES[key.key_size]))
    except (InvalidSignature, ValueError) as error:
        raise AuditFormatError("the signature does not fit the content and the signer's certificate") from error


def check_chain(certificates: Sequence[bytes], revocation: Sequence[bytes], *, at: datetime) -> None:
    """Whether each certificate is issued by the next, was valid at that time, and not revoked by the lists kept.

    The last one is the anchor and must be self-signed. Each issuer below the anchor's own certificate needs a list that
    was current at the time. Raises AuditFormatError.
    """
    chain = [_certificate(entry) for entry in certificates]
    lists = [_list(entry) for entry in revocation]
    for place, certificate in enumerate(chain):
        issuer = chain[min(place + 1, len(chain) - 1)]
        name = certificate.subject.rfc4514_string()
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            raise AuditFormatError(f"the certificate of {name} was not valid at {at.isoformat()}")
        if place and not _is_authority(certificate):
            raise AuditFormatError(f"the certificate of {name} is no authority's")
        try:
            certificate.verify_directly_issued_by(issuer)
        except (InvalidSignature, ValueError, TypeError) as error:
            raise AuditFormatError(f"the certificate of {name} is not issued by the next of the chain") from error
        if place + 1 < len(chain):
            _check_revocation(certificate, issuer, lists, at)


def _check_revocation(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    lists: Sequence[x509.CertificateRevocationList],
    at: datetime,
) -> None:
    key = issuer.public_key()
    current = [
        entry
        for entry in lists
        if entry.issuer == issuer.subject
        and isinstance(key, ec.EllipticCurvePublicKey)
        and entry.is_signature_valid(key)
        and entry.last_update_utc <= at
        and (entry.next_update_utc is None or at <= entry.next_update_utc)
    ]
    if not current:
        raise AuditFormatError(f"no revocation list of {issuer.subject.rfc4514_string()} of that time was kept")
    for entry in current:
        revoked = entry.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if revoked is not None and revoked.revocation_date_utc <= at:
            raise AuditFormatError(f"the certificate of {certificate.subject.rfc4514_string()} was revoked by then")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _certificate(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise AuditFormatError(f"not a certificate: {error}") from error


def _list(der: bytes) -> _Crl:
    try:
        return x509.load_der_x509_crl(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AuditFormatError(f"not a revocation list: {error}") from error
