"""The one builder: a certificate as its profile's row says.

Times are the machine's clock: OpenSSL judges certificates by it, whatever a system's own clock shows.
Source: RFC 5280, 4.1 and 4.2.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from meterworks.trust.pki.errors import PkiUsageError
from meterworks.trust.pki.name import CertificateSubject, alternative_names, distinguished_name
from meterworks.trust.pki.profile import CertificateProfile, KeyIdentifierForm, UsageBit

__all__ = [
    "CURVE_NAMES",
    "NO_END",
    "CertificateIssuer",
    "build_certificate",
    "key_digest",
    "key_identifier",
    "new_serial_number",
    "signature_hash",
]

NO_END: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # RFC 5280, 4.1.2.5: no well-defined end
BACKDATED: Final = timedelta(minutes=5)  # so that a peer whose clock is a little slow accepts a fresh certificate
SERIAL_NUMBER_SIZE: Final = 16  # octets: 126 bits of chance, and the size GB certificates must have
CURVE_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"secp256r1": "P-256", "secp384r1": "P-384", "brainpoolP256r1": "brainpoolP256r1"}
)


@dataclass(frozen=True, slots=True)
class CertificateIssuer:
    """Who signs: the issuer's certificate (None: the new certificate signs itself) and key."""

    certificate: x509.Certificate | None
    key: ec.EllipticCurvePrivateKey


def signature_hash(key: ec.EllipticCurvePublicKey) -> SHA256 | SHA384:
    """The hash a key of this curve signs with.  Source: RFC 5480, 4; RFC 5759, 3."""
    return SHA384() if key.curve.key_size > 256 else SHA256()


def key_digest(key: ec.EllipticCurvePublicKey) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo: how a public key is known in ledgers, tokens and manifests."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def key_identifier(key: ec.EllipticCurvePublicKey, form: KeyIdentifierForm) -> bytes:
    """The identifier of a public key.  Source: RFC 5280, 4.2.1.2, methods 1 and 2."""
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    digest = hashlib.sha1(point, usedforsecurity=False).digest()
    if form is KeyIdentifierForm.SHA1_160_BITS:
        return digest
    return bytes((0x40 | digest[12] & 0x0F,)) + digest[13:]


def new_serial_number() -> int:
    """A fresh serial number of exactly 16 octets, positive."""
    return (1 << (8 * SERIAL_NUMBER_SIZE - 2)) | secrets.randbits(8 * SERIAL_NUMBER_SIZE - 2)


def build_certificate(
    profile: CertificateProfile,
    subject: CertificateSubject,
    public_key: ec.EllipticCurvePublicKey,
    issuer: CertificateIssuer,
    *,
    now: datetime,
    serial_number: int,
    lifetime: timedelta | None = None,
) -> x509.Certificate:
    """Make and sign a certificate of the profile.

    lifetime: shorter than the profile's; longer ones are cut to it. The certificate ends with its issuer's at the
    latest, where the profile has an end. Raises PkiUsageError for a curve or subject that the profile has not.
    """
    curve = CURVE_NAMES.get(public_key.curve.name, public_key.curve.name)
    if curve not in profile.curves:
        raise PkiUsageError(
            f"profile {profile.name} has keys on {' or '.join(profile.curves)}, not {curve}", profile=profile.name
        )
    starts_at = (now - BACKDATED).replace(microsecond=0)
    ends_at = _end(profile, issuer.certificate, starts_at, lifetime)
    name = distinguished_name(profile, subject)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer.certificate else name)
        .public_key(public_key)
        .serial_number(serial_number)
        .not_valid_before(starts_at)
        .not_valid_after(ends_at)
    )
    for extension, critical in _extensions(profile, subject, public_key, issuer, (starts_at, ends_at)):
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer.key, signature_hash(issuer.key.public_key()))


def _end(
    profile: CertificateProfile, issuer: x509.Certificate | None, starts_at: datetime, lifetime: timedelta | None
) -> datetime:
    if profile.lifetime is None:
        return NO_END
    end = starts_at + min(profile.lifetime, lifetime or profile.lifetime)
    if issuer is None:
        return end
    if issuer.not_valid_after_utc <= starts_at:
        raise PkiUsageError(
            f"the authority {issuer.subject.rfc4514_string()} ended on {issuer.not_valid_after_utc:%Y-%m-%d}: "
            "found its next generation with `meterworks pki renew`"
        )
    return min(end, issuer.not_valid_after_utc)


def _extensions(
    profile: CertificateProfile,
    subject: CertificateSubject,
    public_key: ec.EllipticCurvePublicKey,
    issuer: CertificateIssuer,
    period: tuple[datetime, datetime],
) -> list[tuple[x509.ExtensionType, bool]]:
    """Extensions and whether each is critical, in the order published certificates have."""
    found: list[tuple[x509.ExtensionType, bool]] = [(_key_usage(profile.usage), True)]
    if profile.is_authority:
        found.append((x509.BasicConstraints(ca=True, path_length=profile.path_length), True))
    if profile.extended_usage:
        found.append((x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in profile.extended_usage]), False))
    found.append((x509.SubjectKeyIdentifier(key_identifier(public_key, profile.key_identifier)), False))
    names = alternative_names(profile, subject)
    if names:
        found.append((x509.SubjectAlternativeName(names), not list(distinguished_name(profile, subject))))
    if profile.policies:
        asserted = profile.policies if profile.is_authority else profile.policies[:1]
        policies = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in asserted]
        found.append((x509.CertificatePolicies(policies), profile.policies_critical))
    if profile.key_use:
        found.append((x509.PrivateKeyUsagePeriod(period[0], min(period[1], period[0] + profile.key_use)), False))
    found.append((x509.AuthorityKeyIdentifier(_issuer_key_identifier(profile, issuer), None, None), False))
    return found


def _issuer_key_identifier(profile: CertificateProfile, issuer: CertificateIssuer) -> bytes:
    if issuer.certificate is not None:
        return issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    return key_identifier(issuer.key.public_key(), profile.key_identifier)


def _key_usage(bits: frozenset[UsageBit]) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=UsageBit.DIGITAL_SIGNATURE in bits,
        content_commitment=UsageBit.CONTENT_COMMITMENT in bits,
        key_encipherment=UsageBit.KEY_ENCIPHERMENT in bits,
        data_encipherment=False,
        key_agreement=UsageBit.KEY_AGREEMENT in bits,
        key_cert_sign=UsageBit.KEY_CERT_SIGN in bits,
        crl_sign=UsageBit.CRL_SIGN in bits,
        encipher_only=False,
        decipher_only=False,
    )
