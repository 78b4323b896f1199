"""Names in certificates: who a certificate is for, written and read by the form its profile prescribes.

Role and identity of a peer of the system stand in a URI of the subject alternative name,
`urn:meterworks:<role>:<identity>`; GB devices carry a hardware module name, GB organisations a unique identifier.
Source: RFC 5280, 4.1.2.6 and 4.2.1.6; RFC 4108, 5; GBCS clause 12.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, unquote

from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from meterworks.trust.pki.errors import PkiUsageError
from meterworks.trust.pki.profile import CertificateProfile, SubjectForm
from meterworks.trust.pki.role import PeerRole

__all__ = [
    "CertificateSubject",
    "alternative_names",
    "certificate_identity",
    "certificate_role",
    "certificate_unit",
    "distinguished_name",
    "peer_uri",
]

HARDWARE_MODULE_NAME: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4")
_HARDWARE_TYPE: Final = bytes.fromhex("060d2a863a0001848fb90f01020201")  # the type of published samples
_URI_PREFIX: Final = "urn:meterworks:"
_SYSTEM_TITLE: Final = re.compile(r"[0-9a-f]{16}")
_ROLES: Final = {role.value: role for role in PeerRole}
_IDENTITY_LENGTH_MAX = 64  # characters of a common name (RFC 5280, appendix A.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSubject:
    """Who a certificate is for.

    identity: 16 lower-case hex digits of equipment and GB parties, else a name of 1 to 64 characters. unit: the GB
    remote party role, 0..255. common_name: a GB organisation's name, where it has one. sequence: which of the
    successive certificates of an SM-PKI party this is.
    """

    identity: str
    role: PeerRole | None = None
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    unit: int | None = None
    common_name: str | None = None
    sequence: int = 1

    def __post_init__(self) -> None:
        if not 1 <= len(self.identity) <= _IDENTITY_LENGTH_MAX or not self.identity.isprintable():
            raise PkiUsageError(
                f"the identity {self.identity!r} has not 1 to {_IDENTITY_LENGTH_MAX} printable characters",
                identity=self.identity,
            )
        if self.role is not None and self.role.is_equipment and not _SYSTEM_TITLE.fullmatch(self.identity):
            raise PkiUsageError(
                f"the identity {self.identity!r} of a {self.role} is not 16 lower-case hex digits",
                identity=self.identity,
            )


def peer_uri(role: PeerRole, identity: str) -> str:
    """The URI that names role and identity; signs that a URI reserves are escaped."""
    return f"{_URI_PREFIX}{role.value}:{quote(identity, safe='')}"


def certificate_role(certificate: x509.Certificate) -> PeerRole | None:
    """The role a certificate speaks in; None where it names none, two, or one we do not know."""
    named = _peer(certificate)
    return named[0] if named else None


def certificate_identity(certificate: x509.Certificate) -> str:
    """Who a certificate is for: the identity of its URI, hardware module name, unique identifier or common name.

    Equipment and GB parties give 16 lower-case hex digits. An empty text where it names nobody.
    """
    named = _peer(certificate)
    if named:
        return named[1]
    for find in (_hardware_serial, _unique_identifier, _common_name):
        found = find(certificate)
        if found:
            return found
    return ""


def certificate_unit(certificate: x509.Certificate) -> int | None:
    """The remote party role of a GB organisation: its organisational unit as two hex digits; None without one."""
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    text = units[0].value if len(units) == 1 else ""
    return int(text, 16) if isinstance(text, str) and re.fullmatch("[0-9A-Fa-f]{2}", text) else None


def distinguished_name(profile: CertificateProfile, subject: CertificateSubject) -> x509.Name:
    """The subject field that the profile prescribes. Raises PkiUsageError where the subject lacks what it takes."""
    return _NAMES[profile.subject](profile, subject)


def alternative_names(profile: CertificateProfile, subject: CertificateSubject) -> list[x509.GeneralName]:
    """The subject alternative names that the profile prescribes, none for forms without."""
    if profile.subject is SubjectForm.GB_DEVICE:
        return [x509.OtherName(HARDWARE_MODULE_NAME, _hardware_module_name(_entity_id(subject)))]
    names: list[x509.GeneralName] = []
    if profile.subject is SubjectForm.PEER:
        if subject.role is None:
            raise PkiUsageError(f"a certificate of profile {profile.name} names a role: give one", profile=profile.name)
        names.append(x509.UniformResourceIdentifier(peer_uri(subject.role, subject.identity)))
    names += [x509.DNSName(name) for name in subject.dns_names]
    names += [x509.IPAddress(ip_address(address)) for address in subject.ip_addresses]
    return names


def _peer(certificate: x509.Certificate) -> tuple[PeerRole, str] | None:
    names = _alternative_names_of(certificate)
    if names is None:
        return None
    texts = [text for text in names.get_values_for_type(x509.UniformResourceIdentifier) if text.startswith(_URI_PREFIX)]
    if len(texts) != 1:  # two would let a peer choose who it is
        return None
    role, separator, identity = texts[0].removeprefix(_URI_PREFIX).partition(":")
    if not separator or not identity or role not in _ROLES:
        return None
    return _ROLES[role], unquote(identity)


def _alternative_names_of(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None


def _hardware_serial(certificate: x509.Certificate) -> str | None:
    names = _alternative_names_of(certificate)
    if names is None:
        return None
    found = [name for name in names.get_values_for_type(x509.OtherName) if name.type_id == HARDWARE_MODULE_NAME]
    if len(found) != 1:
        return None
    value = found[0].value
    # SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTET STRING of 8 }: the serial number ends it.
    return value[-8:].hex() if value[:1] == b"\x30" and value[-10:-8] == b"\x04\x08" else None


def _hardware_module_name(serial: bytes) -> bytes:
    content = _HARDWARE_TYPE + b"\x04\x08" + serial
    return bytes((0x30, len(content))) + content


def _unique_identifier(certificate: x509.Certificate) -> str | None:
    found = certificate.subject.get_attributes_for_oid(NameOID.X500_UNIQUE_IDENTIFIER)
    value = found[0].value if len(found) == 1 else b""
    return value[1:].hex() if isinstance(value, bytes) and len(value) == 9 and value[0] == 0 else None


def _common_name(certificate: x509.Certificate) -> str | None:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    value = found[0].value if len(found) == 1 else ""
    return value if isinstance(value, str) else None


def _entity_id(subject: CertificateSubject) -> bytes:
    if not _SYSTEM_TITLE.fullmatch(subject.identity):
        raise PkiUsageError(
            f"the identity {subject.identity!r} is not 16 lower-case hex digits, which this profile needs",
            identity=subject.identity,
        )
    return bytes.fromhex(subject.identity)


def _authority_name(_profile: CertificateProfile, subject: CertificateSubject) -> x509.Name:
    return x509.Name([_common(subject.identity), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Meterworks")])


def _peer_name(_profile: CertificateProfile, subject: CertificateSubject) -> x509.Name:
    unit = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, subject.role.value)] if subject.role else []
    return x509.Name([*unit, _common(subject.identity)])


def _gb_authority_name(profile: CertificateProfile, subject: CertificateSubject) -> x509.Name:
    unit = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, profile.subject_kind)
    return x509.Name([unit, _common(subject.identity)])


def _gb_organisation_name(_profile: CertificateProfile, subject: CertificateSubject) -> x509.Name:
    if subject.unit is None or not 0 <= subject.unit <= 255:
        raise PkiUsageError("a GB organisation has a remote party role of 0 to 255: give it as unit", unit=subject.unit)
    identifier = x509.NameAttribute(
        NameOID.X500_UNIQUE_IDENTIFIER, b"\x00" + _entity_id(subject), _type=_ASN1Type.BitString
    )
    named = [_common(subject.common_name)] if subject.common_name else []
    unit = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{subject.unit:02X}")
    return x509.Name([*named, unit, identifier])


def _gb_device_name(_profile: CertificateProfile, _subject: CertificateSubject) -> x509.Name:
    return x509.Name([])


def _sm_pki_name(profile: CertificateProfile, subject: CertificateSubject) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SM-PKI-DE"),
            _common(f"{subject.identity}.{profile.subject_kind}"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, str(subject.sequence)),
        ]
    )


def _common(text: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, text)


_NAMES: Final[Mapping[SubjectForm, Callable[[CertificateProfile, CertificateSubject], x509.Name]]] = MappingProxyType(
    {
        SubjectForm.AUTHORITY: _authority_name,
        SubjectForm.PEER: _peer_name,
        SubjectForm.GB_AUTHORITY: _gb_authority_name,
        SubjectForm.GB_ORGANISATION: _gb_organisation_name,
        SubjectForm.GB_DEVICE: _gb_device_name,
        SubjectForm.SM_PKI: _sm_pki_name,
    }
)
