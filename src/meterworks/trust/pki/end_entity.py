"""The rules of a profile on an end entity: what its key is for, how long, and whom it names.

Source: RFC 5280, 4.2.1; GBCS clause 12; BSI TR-03109-4; SECURITY fact sheet SEC-025 and SEC-026.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from meterworks.trust.pki.anatomy import Anatomy, extension_of
from meterworks.trust.pki.build import NO_END, key_identifier
from meterworks.trust.pki.errors import CertificateRefused
from meterworks.trust.pki.name import certificate_identity, certificate_role, certificate_unit
from meterworks.trust.pki.profile import CertificateProfile, KeyIdentifierForm, SubjectForm, UsageBit
from meterworks.trust.pki.reason import Reason
from meterworks.trust.pki.role import PeerRole

__all__ = ["check_end_entity"]

_ROUNDING: Final = timedelta(seconds=1)  # an end that names the last second of the lifetime, or the first after it
_ALTERNATIVE_NAME: Final = "2.5.29.17"
_POLICIES: Final = "2.5.29.32"
_KEY_USAGE: Final = "2.5.29.15"
Named = tuple[str, PeerRole | None, int | None]


def check_end_entity(
    entry: Anatomy,
    profile: CertificateProfile,
    *,
    identity: str | None,
    role: PeerRole | int | Collection[PeerRole] | None,
    warnings: list[str],
) -> Named:
    """Judge an end entity by its profile; gives identity, role of a peer, and remote party role.

    Raises CertificateRefused.
    """
    _check_size(entry, profile)
    _check_kind(entry, profile)
    _check_usage(entry, profile)
    _check_lifetime(entry, profile)
    _check_critical(entry, profile)
    _check_identifiers(entry, profile, warnings)
    _SUBJECTS[profile.subject](entry, profile)
    return _check_named(entry, identity, role)


def _check_size(entry: Anatomy, profile: CertificateProfile) -> None:
    if len(entry.der) > profile.size_max:
        raise _refusal(entry, f"has {len(entry.der)} octets, more than the {profile.size_max}", profile, Reason.SIZE)
    if profile.serial_size is not None and entry.serial_size != profile.serial_size:
        raise _refusal(
            entry,
            f"has a serial number of {entry.serial_size} octets, not the {profile.serial_size}",
            profile,
            Reason.SERIAL_NUMBER,
        )
    if entry.curve not in profile.curves:
        raise _refusal(entry, f"has a key on {entry.curve}, not {profile.curves[0]}", profile, Reason.WRONG_CURVE)


def _check_kind(entry: Anatomy, profile: CertificateProfile) -> None:
    constraints = extension_of(entry.certificate, x509.BasicConstraints)
    is_authority = constraints is not None and constraints.ca
    if is_authority and not profile.is_authority:
        raise _refusal(entry, "is an authority, not an end entity", profile, Reason.AUTHORITY_AS_END_ENTITY)
    if profile.is_authority and not is_authority:
        raise _refusal(entry, "is an end entity, not an authority", profile, Reason.NOT_AN_AUTHORITY)


def _check_usage(entry: Anatomy, profile: CertificateProfile) -> None:
    usage = extension_of(entry.certificate, x509.KeyUsage)
    bits = frozenset(bit for bit in UsageBit if usage is not None and getattr(usage, bit.value))
    other = usage is not None and usage.data_encipherment
    if bits != profile.usage or other:
        found = ", ".join(sorted(bits)) or "nothing it says"
        raise _refusal(
            entry, f"has a key for {found}, not for {', '.join(sorted(profile.usage))}", profile, Reason.KEY_USAGE
        )
    extended = extension_of(entry.certificate, x509.ExtendedKeyUsage)
    purposes = {purpose.dotted_string for purpose in extended or ()}
    if not purposes.issuperset(profile.extended_usage) or (purposes and not profile.extended_usage):
        found = ", ".join(sorted(purposes)) or "none"
        raise _refusal(entry, f"names the purposes {found}", profile, Reason.EXTENDED_KEY_USAGE)


def _check_lifetime(entry: Anatomy, profile: CertificateProfile) -> None:
    if not profile.checks_lifetime:
        return
    ends_at = entry.certificate.not_valid_after_utc
    if profile.lifetime is None:
        if ends_at != NO_END:
            raise _refusal(entry, f"ends on {ends_at:%Y-%m-%d}, and has no end", profile, Reason.LIFETIME)
        return
    lives = ends_at - entry.certificate.not_valid_before_utc
    if lives > profile.lifetime + _ROUNDING:
        raise _refusal(
            entry, f"is valid for {lives.days} days, more than the {profile.lifetime.days}", profile, Reason.LIFETIME
        )


def _check_critical(entry: Anatomy, profile: CertificateProfile) -> None:
    wanted = {_KEY_USAGE}
    if profile.policies and profile.policies_critical:
        wanted.add(_POLICIES)
    if not list(entry.certificate.subject):
        wanted.add(_ALTERNATIVE_NAME)
    missing = sorted(wanted - entry.critical)
    if missing:
        raise _refusal(entry, f"has the extension {missing[0]} not as critical", profile, Reason.CRITICALITY)


def _check_identifiers(entry: Anatomy, profile: CertificateProfile, warnings: list[str]) -> None:
    own = extension_of(entry.certificate, x509.SubjectKeyIdentifier)
    strict = profile.key_identifier is KeyIdentifierForm.SHA1_60_BITS
    if own is None or (strict and own.digest != key_identifier(entry.key, profile.key_identifier)):
        found = own.digest.hex() if own else "nothing"
        raise _refusal(entry, f"identifies its key by {found}", profile, Reason.KEY_IDENTIFIER)
    if extension_of(entry.certificate, x509.AuthorityKeyIdentifier) is None:
        warnings.append(f"{entry.subject_text} does not identify its issuer's key")


def _check_named(entry: Anatomy, identity: str | None, role: PeerRole | int | Collection[PeerRole] | None) -> Named:
    found = certificate_identity(entry.certificate)
    peer_role, unit = certificate_role(entry.certificate), certificate_unit(entry.certificate)
    if identity is not None and found != identity:
        raise CertificateRefused(
            f"the certificate is for {found or 'nobody'}, the peer says that it is {identity}",
            reason=Reason.IDENTITY,
            identity=found,
            claimed=identity,
        )
    if role is not None and not _fits(role, peer_role, unit):
        held = peer_role.value if peer_role else "no role" if unit is None else f"{unit:02x}"
        raise CertificateRefused(
            f"the certificate of {found or 'nobody'} speaks as {held}, which is not whom this interface hears",
            reason=Reason.ROLE,
            identity=found,
            role=held,
        )
    return found, peer_role, unit


def _fits(wanted: PeerRole | int | Collection[PeerRole], role: PeerRole | None, unit: int | None) -> bool:
    if isinstance(wanted, PeerRole):
        return role is wanted
    if isinstance(wanted, int):
        return unit == wanted
    return role in wanted


def _check_peer_subject(entry: Anatomy, profile: CertificateProfile) -> None:
    """Name and URI say the same, so that whoever looks at only one of them is not told something else."""
    certificate = entry.certificate
    names = extension_of(certificate, x509.SubjectAlternativeName)
    if names is None or certificate_role(certificate) is None:
        raise _refusal(entry, "names not one peer of the system", profile, Reason.ALTERNATIVE_NAME)
    found = _values(certificate, NameOID.COMMON_NAME)
    if found != [certificate_identity(certificate)]:
        raise _refusal(
            entry, f"is for {certificate_identity(certificate)} and is named otherwise", profile, Reason.SUBJECT
        )


def _check_gb_device_subject(entry: Anatomy, profile: CertificateProfile) -> None:
    if list(entry.certificate.subject):
        raise _refusal(entry, "has a subject, where a device's is empty", profile, Reason.SUBJECT)
    if not certificate_identity(entry.certificate):
        raise _refusal(entry, "names no hardware module", profile, Reason.ALTERNATIVE_NAME)


def _check_gb_organisation_subject(entry: Anatomy, profile: CertificateProfile) -> None:
    identifiers = _values(entry.certificate, NameOID.X500_UNIQUE_IDENTIFIER)
    if certificate_unit(entry.certificate) is None or len(identifiers) != 1 or len(identifiers[0]) != 9:
        raise _refusal(entry, "names not one remote party role and one identifier of 8 octets", profile, Reason.SUBJECT)


def _check_sm_pki_subject(entry: Anatomy, profile: CertificateProfile) -> None:
    common = _values(entry.certificate, NameOID.COMMON_NAME)
    organisation = _values(entry.certificate, NameOID.ORGANIZATION_NAME)
    if organisation != ["SM-PKI-DE"] or len(common) != 1 or not str(common[0]).endswith(f".{profile.subject_kind}"):
        raise _refusal(entry, f"is not named as a {profile.subject_kind} of the SM-PKI", profile, Reason.SUBJECT)


def _check_authority_subject(entry: Anatomy, profile: CertificateProfile) -> None:
    if not _values(entry.certificate, NameOID.COMMON_NAME):
        raise _refusal(entry, "has no common name", profile, Reason.SUBJECT)


def _values(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> list[str | bytes]:
    return [attribute.value for attribute in certificate.subject.get_attributes_for_oid(oid)]


def _refusal(entry: Anatomy, what: str, profile: CertificateProfile, reason: Reason) -> CertificateRefused:
    return CertificateRefused(
        f"{entry.subject_text} {what} (profile {profile.name})", reason=reason, profile=profile.name
    )


_SUBJECTS: Final[Mapping[SubjectForm, Callable[[Anatomy, CertificateProfile], None]]] = MappingProxyType(
    {
        SubjectForm.AUTHORITY: _check_authority_subject,
        SubjectForm.PEER: _check_peer_subject,
        SubjectForm.GB_AUTHORITY: _check_authority_subject,
        SubjectForm.GB_ORGANISATION: _check_gb_organisation_subject,
        SubjectForm.GB_DEVICE: _check_gb_device_subject,
        SubjectForm.SM_PKI: _check_sm_pki_subject,
    }
)
