"""Certificate profiles as a table: what a certificate of each kind holds, for how long, and who may sign it.

One builder makes certificates from a row and one validator judges them by it. Lifetimes that the texts leave open are
ours and marked so.  Source: RFC 5280; RFC 5759; GBCS clause 12; BSI TR-03109-4; DLMS/COSEM certificate profile.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from meterworks.trust.pki.errors import PkiUsageError

__all__ = [
    "CLIENT_AUTHENTICATION",
    "PROFILES",
    "SERVER_AUTHENTICATION",
    "CertificateProfile",
    "KeyIdentifierForm",
    "KeyPurpose",
    "SubjectForm",
    "UsageBit",
    "profile_of",
]

SERVER_AUTHENTICATION: Final = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTHENTICATION: Final = "1.3.6.1.5.5.7.3.2"
GB_ORGANISATION_POLICY: Final = "1.2.826.0.1.8641679.1.2.1.4"  # as in published samples of organisations
GB_DEVICE_POLICY: Final = "1.2.826.0.1.1800000.1.2.1.4"  # as in published samples of devices
SM_PKI_POLICY: Final = "0.4.0.127.0.7.3.4.1.1.1"


class UsageBit(StrEnum):
    """A bit of the extension keyUsage, by the name the `cryptography` library gives it.  Source: RFC 5280, 4.2.1.3."""

    DIGITAL_SIGNATURE = "digital_signature"
    CONTENT_COMMITMENT = "content_commitment"
    KEY_ENCIPHERMENT = "key_encipherment"
    KEY_AGREEMENT = "key_agreement"
    KEY_CERT_SIGN = "key_cert_sign"
    CRL_SIGN = "crl_sign"


class KeyPurpose(StrEnum):
    """What a key pair is for. A key serves one purpose of one identity: the authority refuses it for another."""

    AUTHORITY = "authority"
    SIGNATURE = "signature"
    AGREEMENT = "agreement"
    TLS = "tls"
    SEAL = "seal"  # a maker's statement about devices


class SubjectForm(StrEnum):
    """Where a certificate carries who it is for."""

    AUTHORITY = "authority"  # common name
    PEER = "peer"  # common name = identity, unit = role; URI urn:meterworks:<role>:<identity>
    GB_AUTHORITY = "gb-authority"  # unit 07 or 00, common name
    GB_ORGANISATION = "gb-organisation"  # unit = remote party role, unique identifier = entity id
    GB_DEVICE = "gb-device"  # empty; critical otherName HardwareModuleName
    SM_PKI = "sm-pki"  # country, organisation SM-PKI-DE, common name <name>.<kind>, serial number


class KeyIdentifierForm(StrEnum):
    """How a key identifier is made of a public key.  Source: RFC 5280, 4.2.1.2."""

    SHA1_160_BITS = "method-1"  # 20 octets
    SHA1_60_BITS = "method-2"  # 8 octets: 0100 and the low 60 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateProfile:
    """One kind of certificate.

    lifetime: None is "no well-defined end", 99991231235959Z. key_use: how long the private key signs, of that lifetime
    (extension privateKeyUsagePeriod). checks_time: no where relying devices have no trustworthy clock. policies: the
    certificate asserts the first, any one of them is accepted. size_max: octets of DER.
    """

    name: str
    purpose: KeyPurpose
    subject: SubjectForm
    curves: tuple[str, ...]
    usage: frozenset[UsageBit]
    lifetime: timedelta | None
    extended_usage: tuple[str, ...] = ()
    key_use: timedelta | None = None
    path_curves: tuple[str, ...] = ("P-256", "P-384", "brainpoolP256r1")  # of the authorities above, too
    path_length: int | None = None  # of authorities; None there is unlimited
    policies: tuple[str, ...] = ()
    policies_critical: bool = True
    key_identifier: KeyIdentifierForm = KeyIdentifierForm.SHA1_160_BITS
    checks_time: bool = True
    subject_kind: str = ""  # the ending of an SM-PKI common name, or the unit of a GB authority
    checks_lifetime: bool = True  # no where published certificates live longer than those we issue
    serial_size: int | None = None  # octets a serial number must have; None is 1 to 20
    size_max: int = 2048

    @property
    def is_authority(self) -> bool:
        """Whether certificates of this kind sign others."""
        return self.purpose is KeyPurpose.AUTHORITY

    def __post_init__(self) -> None:
        if not self.curves or not self.usage:
            raise PkiUsageError(f"profile {self.name}: names no curve or no key usage")
        if self.is_authority != (UsageBit.KEY_CERT_SIGN in self.usage):
            raise PkiUsageError(f"profile {self.name}: authorities, and only they, sign certificates")
        if self.key_use and self.lifetime and self.key_use > self.lifetime:
            raise PkiUsageError(f"profile {self.name}: the key would be used longer than its certificate is valid")


_YEAR = timedelta(days=365)
_P256, _P384, _BRAINPOOL = "P-256", "P-384", "brainpoolP256r1"
_SIGNS_CERTIFICATES = frozenset({UsageBit.KEY_CERT_SIGN, UsageBit.CRL_SIGN})
_SIGNS = frozenset({UsageBit.DIGITAL_SIGNATURE})
_AGREES = frozenset({UsageBit.KEY_AGREEMENT})
_BOTH_SIDES = (SERVER_AUTHENTICATION, CLIENT_AUTHENTICATION)


def _authority(
    name: str, years: float, *, curves: tuple[str, ...] = (_P256, _P384), **more: object
) -> CertificateProfile:
    fields: dict[str, object] = {
        "name": name,
        "purpose": KeyPurpose.AUTHORITY,
        "subject": SubjectForm.AUTHORITY,
        "curves": curves,
        "usage": _SIGNS_CERTIFICATES,
        "lifetime": years * _YEAR,
    }
    return CertificateProfile(**{**fields, **more})  # type: ignore[arg-type]  # a row's fields, checked by its own type


def _gb(name: str, purpose: KeyPurpose, *, device: bool) -> CertificateProfile:
    """GB: one curve, one usage, 8-octet key identifiers, critical policies, 600 octets as working limit."""
    return CertificateProfile(
        name=name,
        purpose=purpose,
        subject=SubjectForm.GB_DEVICE if device else SubjectForm.GB_ORGANISATION,
        curves=(_P256,),
        usage=_AGREES if purpose is KeyPurpose.AGREEMENT else _SIGNS,
        lifetime=None if device else 10 * _YEAR,
        policies=(GB_DEVICE_POLICY,) if device else (GB_ORGANISATION_POLICY,),
        key_identifier=KeyIdentifierForm.SHA1_60_BITS,
        checks_time=not device,
        checks_lifetime=device,
        path_curves=(_P256,),
        serial_size=16,
        size_max=600,
    )


def _gb_authority(name: str, unit: str, years: int, path_length: int) -> CertificateProfile:
    return _authority(
        name,
        years,
        curves=(_P256,),
        subject=SubjectForm.GB_AUTHORITY,
        subject_kind=unit,
        path_length=path_length,
        policies=(GB_ORGANISATION_POLICY, GB_DEVICE_POLICY),
        key_identifier=KeyIdentifierForm.SHA1_60_BITS,
        size_max=600,
    )


def _sm_triplet(kind: str) -> tuple[CertificateProfile, ...]:
    """TLS, ENC and SIG of one kind of SM-PKI participant: 2 years each."""
    return tuple(
        CertificateProfile(
            name=f"sm-{kind.lower()}-{suffix}",
            purpose=purpose,
            subject=SubjectForm.SM_PKI,
            curves=(_BRAINPOOL, _P256),
            usage=usage,
            extended_usage=extended,
            lifetime=2 * _YEAR,
            key_use=2 * _YEAR,
            policies=(SM_PKI_POLICY,),
            policies_critical=False,
            subject_kind=kind,
        )
        for suffix, purpose, usage, extended in (
            ("tls", KeyPurpose.TLS, _SIGNS, _BOTH_SIDES),
            ("enc", KeyPurpose.AGREEMENT, _AGREES | {UsageBit.KEY_ENCIPHERMENT}, ()),
            ("sig", KeyPurpose.SIGNATURE, _SIGNS, ()),
        )
    )


def _sm_authority(name: str, years: int, key_use_years: int, path_length: int, kind: str) -> CertificateProfile:
    return _authority(
        name,
        years,
        curves=(_BRAINPOOL, _P256, _P384),
        subject=SubjectForm.SM_PKI,
        subject_kind=kind,
        key_use=key_use_years * _YEAR,
        path_length=path_length,
        policies=(SM_PKI_POLICY,),
        policies_critical=False,
    )


def _dlms(suite: int, curve: str) -> tuple[CertificateProfile, ...]:
    """Signature, agreement and TLS of one DLMS suite; lifetimes are a companion's, these are ours."""
    return tuple(
        CertificateProfile(
            name=f"dlms-{suite}-{suffix}",
            purpose=purpose,
            subject=SubjectForm.PEER,
            curves=(curve,),
            usage=usage,
            extended_usage=extended,
            lifetime=10 * _YEAR,
        )
        for suffix, purpose, usage, extended in (
            ("signature", KeyPurpose.SIGNATURE, _SIGNS, ()),
            ("agreement", KeyPurpose.AGREEMENT, _AGREES, ()),
            ("tls", KeyPurpose.TLS, _SIGNS, _BOTH_SIDES),
        )
    )


def _tls(name: str, extended: tuple[str, ...], days: int) -> CertificateProfile:
    return CertificateProfile(
        name=name,
        purpose=KeyPurpose.TLS,
        subject=SubjectForm.PEER,
        curves=(_P256, _P384),
        usage=_SIGNS,
        extended_usage=extended,
        lifetime=timedelta(days=days),
    )


_ROWS: Final = (
    _authority("root", 20, path_length=2),  # a link certificate of the next root, and a sub-CA
    _authority("sub-ca", 10, path_length=0),
    _authority("maker-ca", 20, path_length=0),
    _tls("tls-service", _BOTH_SIDES, 90),  # a process of the system is server and client alike
    _tls("tls-server", (SERVER_AUTHENTICATION,), 90),
    _tls("tls-client", (CLIENT_AUTHENTICATION,), 365),
    *_dlms(1, _P256),
    *_dlms(2, _P384),
    CertificateProfile(
        name="maker-seal",
        purpose=KeyPurpose.SEAL,
        subject=SubjectForm.PEER,
        curves=(_P256, _P384),
        usage=_SIGNS | {UsageBit.CONTENT_COMMITMENT},
        lifetime=5 * _YEAR,
    ),
    _gb_authority("gb-root", "00", 25, 2),
    _gb_authority("gb-issuing-ca", "07", 25, 0),
    _gb("gb-organisation-signature", KeyPurpose.SIGNATURE, device=False),
    _gb("gb-organisation-agreement", KeyPurpose.AGREEMENT, device=False),
    _gb("gb-device-signature", KeyPurpose.SIGNATURE, device=True),
    _gb("gb-device-agreement", KeyPurpose.AGREEMENT, device=True),
    _sm_authority("sm-root", 8, 4, 2, "CA"),
    _sm_authority("sm-sub-ca", 5, 2, 0, "CA"),
    *(row for kind in ("SMGW", "GWA", "EMT", "GWH") for row in _sm_triplet(kind)),
)
PROFILES: Final[Mapping[str, CertificateProfile]] = MappingProxyType({row.name: row for row in _ROWS})


def profile_of(name: str) -> CertificateProfile:
    """The row of that name. Raises PkiUsageError, which names those there are."""
    if name not in PROFILES:
        raise PkiUsageError(f"there is no certificate profile {name}: it is one of {', '.join(PROFILES)}", name=name)
    return PROFILES[name]
