"""An authority: it certifies public keys, revokes certificates and publishes lists of the revoked.

Times are the machine's clock, not the system's: OpenSSL judges by it.  Source: RFC 5280; RFC 2986 (requests).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.trust.pki.build import (
    CertificateIssuer,
    build_certificate,
    key_digest,
    new_serial_number,
    signature_hash,
)
from meterworks.trust.pki.errors import CertificateRequestError, EnrolmentRefused, PkiUsageError
from meterworks.trust.pki.ledger import Ledger, Reservation
from meterworks.trust.pki.name import CertificateSubject
from meterworks.trust.pki.profile import CertificateProfile, profile_of
from meterworks.trust.pki.renewal import signing_end

__all__ = ["CRL_LIFETIME", "REASONS", "REQUEST_SIZE_MAX", "Authority", "Enrolment", "read_request"]

CRL_LIFETIME: Final = timedelta(days=7)  # from one list to the latest time of the next
REQUEST_SIZE_MAX: Final = 4096  # octets of a request in DER
BATCH_MAX: Final = 2_000  # certificates signed between two commits of the ledger
REASONS: Final = tuple(sorted(flag.value for flag in x509.ReasonFlags if flag.value not in {"removeFromCRL"}))


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One key to certify: for whom, and the public key."""

    subject: CertificateSubject
    public_key: ec.EllipticCurvePublicKey


class Authority:
    """One generation of an authority: its name, certificate, key and the ledger that remembers what it did."""

    def __init__(
        self,
        name: str,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        ledger: Ledger,
        *,
        generation: int = 1,
        profiles: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.certificate = certificate
        self.generation = generation
        self.profiles = tuple(profiles)
        self._key = key
        self._ledger = ledger

    @property
    def file_name(self) -> str:
        """How its public files are named: the authority's name, with its generation from the second on."""
        return self.name if self.generation == 1 else f"{self.name}-{self.generation}"

    def issue(
        self,
        profile: str,
        subject: CertificateSubject,
        public_key: ec.EllipticCurvePublicKey,
        *,
        now: datetime | None = None,
        lifetime: timedelta | None = None,
    ) -> x509.Certificate:
        """Certify a key that was made here, so that its possession needs no proof; durable when this returns.

        lifetime: shorter than the profile's. Raises EnrolmentRefused for a key bound to another identity or purpose,
        PkiUsageError for a profile that this authority does not issue, or a subject or curve the profile does not have.
        """
        return self.issue_many(profile, [Enrolment(subject, public_key)], now=now, lifetime=lifetime)[0]

    def issue_many(
        self,
        profile: str,
        enrolments: Sequence[Enrolment],
        *,
        now: datetime | None = None,
        lifetime: timedelta | None = None,
    ) -> list[x509.Certificate]:
        """Certify keys, in order; raises as `issue`. A refused one refuses its batch of BATCH_MAX, unsigned."""
        row = self._issued_here(profile)
        at = now or datetime.now(UTC)
        self._check_key_in_use(at)
        made: list[x509.Certificate] = []
        for start in range(0, len(enrolments), BATCH_MAX):
            made += self._issue_batch(row, enrolments[start : start + BATCH_MAX], at, lifetime)
        return made

    def sign_request(
        self,
        profile: str,
        subject: CertificateSubject,
        request: bytes,
        *,
        now: datetime | None = None,
        lifetime: timedelta | None = None,
    ) -> x509.Certificate:
        """Certify the key of a certification request (DER or PEM) for the subject, whom the caller has authenticated.

        Names in the request are not taken over. Raises CertificateRequestError where it is malformed or proves no
        possession of the key; otherwise as `issue`.
        """
        return self.issue(profile, subject, read_request(request), now=now, lifetime=lifetime)

    def revoke(
        self, certificate: x509.Certificate | int, reason: str | None = None, *, now: datetime | None = None
    ) -> None:
        """Revoke a certificate, given itself or by serial number; it stands in the next list.

        reason: one of REASONS. Raises PkiUsageError for an unknown number or reason.
        """
        if reason is not None and reason not in REASONS:
            raise PkiUsageError(
                f"{reason} is no reason of a revocation: take one of {', '.join(REASONS)}", reason=reason
            )
        number = certificate if isinstance(certificate, int) else certificate.serial_number
        self._ledger.revoke(self.name, number, reason, now or datetime.now(UTC))

    def crl(self, *, now: datetime | None = None, lifetime: timedelta = CRL_LIFETIME) -> x509.CertificateRevocationList:
        """Make a new list of everything revoked, with the next number; kept in the ledger when this returns."""
        at = (now or datetime.now(UTC)).replace(microsecond=0)
        number = self._ledger.next_crl_number(self.name)
        identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(at)
            .next_update(at + lifetime)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for entry in self._ledger.revocations(self.name, at):
            revoked = (
                x509.RevokedCertificateBuilder().serial_number(entry.serial_number).revocation_date(entry.revoked_at)
            )
            if entry.reason:
                revoked = revoked.add_extension(x509.CRLReason(x509.ReasonFlags(entry.reason)), critical=False)
            builder = builder.add_revoked_certificate(revoked.build())
        made = builder.sign(self._key, signature_hash(self._key.public_key()))
        self._ledger.save_crl(self.name, self.generation, number, at + lifetime, made.public_bytes(Encoding.DER))
        return made

    def current_crl(self, *, now: datetime | None = None) -> x509.CertificateRevocationList:
        """The newest list made; a new one where there is none, more is revoked, or half of its time is over."""
        at = now or datetime.now(UTC)
        kept = self._ledger.crl(self.name, self.generation)
        if kept is not None:
            found = x509.load_der_x509_crl(kept)
            end = found.next_update_utc
            listed = {entry.serial_number for entry in found}
            wanted = {entry.serial_number for entry in self._ledger.revocations(self.name, at)}
            if end and at < found.last_update_utc + (end - found.last_update_utc) / 2 and wanted == listed:
                return found
        return self.crl(now=at)

    def cross_sign(
        self, other: x509.Certificate, profile: str, subject: CertificateSubject, *, now: datetime | None = None
    ) -> x509.Certificate:
        """Certify another authority's key under its own name: a link certificate, by which who anchors in this one
        trusts what the other one issues.

        profile, subject: how the other authority's name was made; its certificate's subject must come out the same.
        Raises PkiUsageError where it does not.
        """
        key = other.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise PkiUsageError("a link certificate is for a key on an elliptic curve, this authority has another")
        made = self.issue(profile, subject, key, now=now)
        if made.subject != other.subject:
            raise PkiUsageError(
                f"the other authority is named {other.subject.rfc4514_string()}, the link certificate "
                f"{made.subject.rfc4514_string()}: give its own subject"
            )
        return made

    def _check_key_in_use(self, now: datetime) -> None:
        """A private key signs for a part of its certificate's time only, where the profile says so (TR-03109-4)."""
        ends_at = signing_end(self.certificate)
        if now > ends_at:
            raise PkiUsageError(
                f"the key of the authority {self.name} signs no certificates since {ends_at:%Y-%m-%d}: found its next "
                "generation with `meterworks pki renew`",
                authority=self.name,
            )

    def _issued_here(self, profile: str) -> CertificateProfile:
        row = profile_of(profile)
        if self.profiles and profile not in self.profiles:
            raise PkiUsageError(
                f"the authority {self.name} does not issue {profile}, but {', '.join(self.profiles)}", profile=profile
            )
        return row

    def _issue_batch(
        self, profile: CertificateProfile, batch: Sequence[Enrolment], now: datetime, lifetime: timedelta | None
    ) -> list[x509.Certificate]:
        numbers = [new_serial_number() for _ in batch]
        self._ledger.reserve(
            self.name,
            [
                Reservation(
                    serial_number=number,
                    profile=profile.name,
                    purpose=profile.purpose,
                    identity=entry.subject.identity,
                    role=_role_text(entry.subject),
                    key_digest=key_digest(entry.public_key),
                )
                for number, entry in zip(numbers, batch, strict=True)
            ],
            now,
        )
        issuer = CertificateIssuer(self.certificate, self._key)
        made = [
            build_certificate(
                profile, entry.subject, entry.public_key, issuer, now=now, serial_number=number, lifetime=lifetime
            )
            for number, entry in zip(numbers, batch, strict=True)
        ]
        self._ledger.record(
            self.name,
            [
                (number, certificate.public_bytes(Encoding.DER), certificate.not_valid_after_utc)
                for number, certificate in zip(numbers, made, strict=True)
            ],
        )
        return made


def _role_text(subject: CertificateSubject) -> str:
    if subject.role is not None:
        return subject.role.value
    return "" if subject.unit is None else f"{subject.unit:02x}"


def read_request(request: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a certification request (DER or PEM) that proves possession of it.

    Raises CertificateRequestError: it is too long, malformed, of another kind of key, or not signed with its own key.
    """
    if len(request) > 2 * REQUEST_SIZE_MAX:
        raise CertificateRequestError(f"the request has {len(request)} octets, more than {2 * REQUEST_SIZE_MAX}")
    try:
        loaded = (
            x509.load_pem_x509_csr(request) if request.lstrip()[:5] == b"-----" else x509.load_der_x509_csr(request)
        )
        key = loaded.public_key()
        proven = loaded.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CertificateRequestError(f"this is no certification request of PKCS #10 ({error})") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateRequestError("the request is for a key that is on no elliptic curve: make one on P-256")
    if not proven:
        raise EnrolmentRefused("the request is not signed with the key it asks for: it proves no possession")
    return key
