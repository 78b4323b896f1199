"""Key pairs and certificates of a meter in suite 1 or 2: made, requested, imported, shown, removed.

A key pair that was just made waits until a certificate for it is imported; the old pair serves until then. A
certificate is taken when it can be read, is of the suite's curve, valid today, has a usage, and is signed by an
authority whose certificate the meter holds. A meter that holds none yet takes the first on the word of the management
client that proved itself.  Source: Security setup (class 64), attribute 6 and methods 4 to 8; fact sheet section 6.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.devices.errors import CertificateRefused
from meterworks.devices.meter_key import SECURITY_NAME, suite_of
from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import SUITES, SecuritySuite

__all__ = [
    "CERTIFICATES_MAX", "CERTIFICATE_SIZE_MAX", "CertificateEntity", "HeldCertificate", "KeyPairUse", "certificates",
    "find_certificate", "import_certificate", "key_pair", "make_key_pair", "public_key_of", "remove_certificate",
    "request_certificate",
]  # fmt: skip

_Kind = TypeVar("_Kind", bound=x509.ExtensionType)

CERTIFICATES_MAX: Final = 16
CERTIFICATE_SIZE_MAX: Final = 4096
_PAIR: Final = 0x140  # numbers beside the object's attributes: private keys by use
_WAITING_PAIR: Final = 0x148
_CERTIFICATE: Final = 0x160
_CURVES: Final[dict[SecuritySuite, tuple[ec.EllipticCurve, hashes.SHA256 | hashes.SHA384]]] = {
    SecuritySuite.SUITE_1: (ec.SECP256R1(), hashes.SHA256()),
    SecuritySuite.SUITE_2: (ec.SECP384R1(), hashes.SHA384()),
}


class KeyPairUse(IntEnum):
    """What a key pair is for."""

    SIGNING = 0
    AGREEMENT = 1
    TLS = 2


class CertificateEntity(IntEnum):
    """Whose certificate it is."""

    SERVER = 0
    CLIENT = 1
    AUTHORITY = 2
    OTHER = 3


@dataclass(frozen=True, slots=True)
class HeldCertificate:
    """A certificate in the meter: its place, its octets and what it says of itself."""

    place: int
    octets: bytes
    certificate: x509.Certificate
    entity: CertificateEntity
    use: KeyPairUse
    title: bytes

    @property
    def serial(self) -> bytes:
        """Serial number, big-endian without leading zeros."""
        number = self.certificate.serial_number
        return number.to_bytes(max(1, -(-number.bit_length() // 8)), "big")

    @property
    def issuer(self) -> bytes:
        """Distinguished name of the issuer in DER."""
        return self.certificate.issuer.public_bytes()

    @property
    def subject(self) -> bytes:
        """Distinguished name of the subject in DER."""
        return self.certificate.subject.public_bytes()


# --- key pairs -------------------------------------------------------------------------------------------------------


def _curve(view: MeterView) -> tuple[ec.EllipticCurve, hashes.SHA256 | hashes.SHA384]:
    row = _CURVES.get(suite_of(view))
    if row is None:
        raise CertificateRefused("suite 0 has no key pairs")
    return row


def make_key_pair(view: MeterView, use: KeyPairUse) -> None:
    """Make a fresh pair; it waits for its certificate. Raises CertificateRefused in suite 0."""
    key = ec.generate_private_key(_curve(view)[0])
    scalar = key.private_numbers().private_value.to_bytes(SUITES[suite_of(view)].scalar_size, "big")
    view.write((SECURITY_NAME, _WAITING_PAIR + use), scalar)


def key_pair(view: MeterView, use: KeyPairUse) -> bytes | None:
    """Give the private key in force, as a number in octets; None for a meter that has none of its suite's curve."""
    return _scalar(view, _PAIR + use)


def _scalar(view: MeterView, number: int) -> bytes | None:
    """Give a private key; None where there is none, or one from before the meter was raised to its suite."""
    scalar = view.written((SECURITY_NAME, number))
    return scalar if scalar is not None and len(scalar) == SUITES[suite_of(view)].scalar_size else None


def request_certificate(view: MeterView, use: KeyPairUse) -> bytes:
    """Give a PKCS#10 request (DER) for the pair that waits, else for the one in force.

    Its subject's common name is the system title in hexadecimal. Raises CertificateRefused where there is no pair.
    """
    curve, algorithm = _curve(view)
    scalar = _scalar(view, _WAITING_PAIR + use) or key_pair(view, use)
    if scalar is None:
        raise CertificateRefused("make a key pair first")
    key = ec.derive_private_key(int.from_bytes(scalar, "big"), curve)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, view.specification.system_title.hex().upper())])
    request = x509.CertificateSigningRequestBuilder(subject_name=name).sign(key, algorithm)
    return request.public_bytes(Encoding.DER)


# --- certificates ----------------------------------------------------------------------------------------------------


def certificates(view: MeterView) -> Iterator[HeldCertificate]:
    """Give the certificates the meter holds; those of the suite it had before are none any more."""
    for place in range(CERTIFICATES_MAX):
        octets = view.written((SECURITY_NAME, _CERTIFICATE + place))
        if octets is not None:
            with contextlib.suppress(CertificateRefused):
                yield _read(view, place, octets)


def find_certificate(view: MeterView, entity: int, use: int, title: bytes) -> HeldCertificate | None:
    """Give the certificate of an entity for a use and a system title; an authority's is found under any title."""
    for held in certificates(view):
        anyone = entity == CertificateEntity.AUTHORITY
        if (held.entity, held.use) == (entity, use) and (anyone or held.title == title):
            return held
    return None


def remove_certificate(view: MeterView, held: HeldCertificate) -> None:
    """Forget a certificate."""
    view.state.overlay.remove(view.index, (SECURITY_NAME, _CERTIFICATE + held.place))


def import_certificate(view: MeterView, octets: bytes) -> HeldCertificate:
    """Keep a certificate (DER) after checking it; one of the same entity, use and subject is replaced.

    Raises CertificateRefused for one that is not trusted, not for us, or not readable, and where there is no room.
    """
    fresh = _read(view, 0, octets)
    held = list(certificates(view))
    _check_dates(view, fresh.certificate)
    _check_issuer(fresh, held)
    if fresh.entity is CertificateEntity.SERVER:
        _take_pair(view, fresh)
    same = [row.place for row in held if (row.entity, row.use, row.subject) == (fresh.entity, fresh.use, fresh.subject)]
    taken = {row.place for row in held}
    place = next(iter([*same, *(number for number in range(CERTIFICATES_MAX) if number not in taken)]), None)
    if place is None:
        raise CertificateRefused(f"the meter holds {CERTIFICATES_MAX} certificates: remove one first")
    view.write((SECURITY_NAME, _CERTIFICATE + place), octets)
    return fresh


def public_key_of(certificate: x509.Certificate) -> bytes:
    """Give the certified key as x || y."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateRefused("the certified key is on no elliptic curve")
    size = -(-key.curve.key_size // 8)
    numbers = key.public_numbers()
    return numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


def _read(view: MeterView, place: int, octets: bytes) -> HeldCertificate:
    if len(octets) > CERTIFICATE_SIZE_MAX:
        raise CertificateRefused(f"a certificate of {len(octets)} octets is more than {CERTIFICATE_SIZE_MAX}")
    try:
        certificate = x509.load_der_x509_certificate(octets)
        key = certificate.public_key()
        constraints = _extension(certificate, x509.BasicConstraints)
        usage = _extension(certificate, x509.KeyUsage)
        extended = _extension(certificate, x509.ExtendedKeyUsage)
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType, x509.DuplicateExtension) as error:
        raise CertificateRefused("these octets are no certificate we can read") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != _curve(view)[0].name:
        raise CertificateRefused(f"the certified key is not on {_curve(view)[0].name}")
    if constraints is not None and constraints.ca:
        return HeldCertificate(place, octets, certificate, CertificateEntity.AUTHORITY, KeyPairUse.SIGNING, b"")
    title = _title(certificate)
    own = title == view.specification.system_title
    entity = CertificateEntity.SERVER if own else CertificateEntity.CLIENT if title else CertificateEntity.OTHER
    return HeldCertificate(place, octets, certificate, entity, _use(usage, tls=extended is not None), title)


def _extension(certificate: x509.Certificate, kind: type[_Kind]) -> _Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _use(usage: x509.KeyUsage | None, *, tls: bool) -> KeyPairUse:
    if tls:
        return KeyPairUse.TLS
    if usage is not None and usage.digital_signature:
        return KeyPairUse.SIGNING
    if usage is not None and usage.key_agreement:
        return KeyPairUse.AGREEMENT
    raise CertificateRefused("the certificate's usage is neither signing nor key agreement")


def _title(certificate: x509.Certificate) -> bytes:
    """Give the system title in the subject's common name; empty where it holds none."""
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    text = str(names[0].value) if names else ""
    try:
        title = bytes.fromhex(text)
    except ValueError:
        return b""
    return title if len(title) == 8 else b""


def _check_dates(view: MeterView, certificate: x509.Certificate) -> None:
    now = datetime.fromtimestamp(view.now_epoch_s(), UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise CertificateRefused("the certificate is not valid today")


def _check_issuer(fresh: HeldCertificate, held: list[HeldCertificate]) -> None:
    """Refuse what no known authority signed; who knows none takes what comes, an authority only if it signed itself."""
    authorities = [row.certificate for row in held if row.entity is CertificateEntity.AUTHORITY]
    if not authorities:
        if fresh.entity is not CertificateEntity.AUTHORITY:
            return
        authorities = [fresh.certificate]
    for authority in authorities:
        try:
            fresh.certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return
    raise CertificateRefused("no authority that the meter knows signed this certificate")


def _take_pair(view: MeterView, fresh: HeldCertificate) -> None:
    """Put the pair that waited for this certificate in force; refuse one for a key the meter never had."""
    certified = public_key_of(fresh.certificate)
    for number in (_WAITING_PAIR, _PAIR):
        scalar = _scalar(view, number + fresh.use)
        if scalar is not None and _public_key(view, scalar) == certified:
            view.write((SECURITY_NAME, _PAIR + fresh.use), scalar)
            if number == _WAITING_PAIR:
                view.state.overlay.remove(view.index, (SECURITY_NAME, _WAITING_PAIR + fresh.use))
            return
    raise CertificateRefused("the certificate is for a key that this meter did not make")


def _public_key(view: MeterView, scalar: bytes) -> bytes:
    numbers = ec.derive_private_key(int.from_bytes(scalar, "big"), _curve(view)[0]).public_key().public_numbers()
    size = SUITES[suite_of(view)].scalar_size
    return numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")
