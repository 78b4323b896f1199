"""A certificate's octets taken apart far enough to judge their form, before any library reads a meaning into them.

Libraries differ in what they let pass: NULL behind an ECDSA identifier, curve parameters in full, an algorithm named
differently inside and outside the signature. Each is refused here for its own reason.
Source: RFC 5280, 4.1; RFC 5480, 2.1.1.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.trust.pki.algorithm import CURVE_OIDS, SIGNATURE_ALGORITHMS, Standing, oid_text
from meterworks.trust.pki.der import (
    BIT_STRING,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    Element,
    check_canonical,
)
from meterworks.trust.pki.errors import CertificateRefused
from meterworks.trust.pki.reason import Reason

__all__ = ["CERTIFICATE_SIZE_MAX", "Anatomy", "examine", "extension_of", "load_certificate"]

CERTIFICATE_SIZE_MAX: Final = 8192  # octets; the profiles' own limits are far lower
Value = TypeVar("Value", bound=x509.ExtensionType)
_EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"
_VERSION_3: Final = bytes.fromhex("a003020102")
_UNCOMPRESSED: Final = 0x04
_SERIAL_SIZE_MAX: Final = 20  # RFC 5280, 4.1.2.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """A certificate whose form is lawful.

    curve: name of its key's curve. hash_bits: of the hash its issuer signed with. serial_size: octets of its number.
    """

    certificate: x509.Certificate
    der: bytes
    key: ec.EllipticCurvePublicKey
    curve: str
    algorithm: str
    hash_bits: int
    serial_size: int
    critical: frozenset[str]
    extensions: x509.Extensions

    @property
    def subject_text(self) -> str:
        """Its subject for messages; equipment with an empty one by its number."""
        return self.certificate.subject.rfc4514_string() or f"number {self.certificate.serial_number:x}"


def extension_of(certificate: x509.Certificate, kind: type[Value]) -> Value | None:
    """The value of an extension; None without it."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def load_certificate(data: bytes) -> Anatomy:
    """Read a certificate (DER or PEM), judging its form. Raises CertificateRefused."""
    if data.lstrip()[:10] == b"-----BEGIN":
        try:
            data = x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)
        except ValueError as error:
            raise CertificateRefused(f"this is no certificate in PEM ({error})", reason=Reason.MALFORMED) from error
    return examine(data)


def examine(der: bytes) -> Anatomy:
    """Judge the form of a certificate's octets. Raises CertificateRefused, with the rule that was broken."""
    if len(der) > CERTIFICATE_SIZE_MAX:
        raise CertificateRefused(
            f"a certificate of {len(der)} octets is longer than {CERTIFICATE_SIZE_MAX}", reason=Reason.SIZE
        )
    fields, algorithm, serial_size = _shape(der)
    algorithm_oid = _check_algorithm(algorithm, fields[2])
    curve = _check_key(fields[6])
    critical = _check_extensions(fields[-1])
    certificate, extensions = _read(der)
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateRefused("its key lies on no elliptic curve", reason=Reason.KEY_ALGORITHM)
    return Anatomy(
        certificate=certificate,
        der=der,
        key=key,
        curve=curve,
        algorithm=algorithm_oid,
        hash_bits=SIGNATURE_ALGORITHMS[algorithm_oid].hash_bits,
        serial_size=serial_size,
        critical=critical,
        extensions=extensions,
    )


def _shape(der: bytes) -> tuple[list[Element], Element, int]:
    """The fields inside the signature, the algorithm outside, and the octets of the serial number."""
    parts = check_canonical(der).children()
    if [part.tag for part in parts] != [SEQUENCE, SEQUENCE, BIT_STRING]:
        raise _malformed("it has not the three parts of a certificate")
    fields = parts[0].children()
    if not fields or fields[0].octets != _VERSION_3:
        raise CertificateRefused("it is no certificate of version 3", reason=Reason.VERSION)
    shape = [field.tag for field in fields[1:7]]
    if shape != [INTEGER, *[SEQUENCE] * 5] or len(fields) < 8 or fields[-1].tag != 0xA3:
        raise _malformed("it has not the fields of a certificate of version 3 with extensions")
    serial = fields[1].content
    size = len(serial)
    if serial[0] & 0x80 or not any(serial) or size > _SERIAL_SIZE_MAX:
        raise CertificateRefused(
            f"its serial number {serial.hex()} is not a positive one of at most {_SERIAL_SIZE_MAX} octets",
            reason=Reason.SERIAL_NUMBER,
        )
    return fields, parts[1], size


def _check_algorithm(outside: Element, inside: Element) -> str:
    parts = outside.children()
    oid = oid_text(parts[0].content) if parts and parts[0].tag == OBJECT_IDENTIFIER else ""
    row = SIGNATURE_ALGORITHMS.get(oid)
    if row is not None and row.standing is Standing.WEAK:
        raise CertificateRefused(f"it is signed with {row.name}, which is too weak", reason=Reason.WEAK_HASH)
    if row is None or row.standing is not Standing.ACCEPTED:
        name = row.name if row else oid or "no algorithm"
        raise CertificateRefused(f"it is signed with {name}, which no profile has", reason=Reason.SIGNATURE_ALGORITHM)
    if len(parts) > 1:
        raise CertificateRefused(
            f"{row.name} has parameters, where RFC 5758 leaves them out: import it leniently if its maker is known",
            reason=Reason.NULL_PARAMETERS,
        )
    if outside.octets != inside.octets:
        raise CertificateRefused(
            "it names one signature algorithm inside what is signed and another outside (RFC 5280, 4.1.1.2)",
            reason=Reason.ALGORITHM_MISMATCH,
        )
    return oid


def _check_key(field: Element) -> str:
    parts = field.children()
    if [part.tag for part in parts] != [SEQUENCE, BIT_STRING]:
        raise _malformed("its public key has not two parts")
    names = parts[0].children()
    if not names or oid_text(names[0].content) != _EC_PUBLIC_KEY or len(names) != 2:
        raise CertificateRefused("its key lies on no named elliptic curve", reason=Reason.KEY_ALGORITHM)
    if names[1].tag != OBJECT_IDENTIFIER:
        raise CertificateRefused(
            "it spells out the parameters of its curve instead of naming one (RFC 5480, 2.1.1)",
            reason=Reason.EXPLICIT_CURVE,
        )
    curve = CURVE_OIDS.get(oid_text(names[1].content))
    if curve is None:
        raise CertificateRefused(f"its curve {oid_text(names[1].content)} is in no profile", reason=Reason.WRONG_CURVE)
    if parts[1].content[1:2] != bytes((_UNCOMPRESSED,)):
        raise CertificateRefused("its public key is no uncompressed point", reason=Reason.POINT_FORM)
    return curve


def _check_extensions(field: Element) -> frozenset[str]:
    """The critical ones, by number, each known and each value canonical."""
    lists = field.children()
    if len(lists) != 1 or lists[0].tag != SEQUENCE:
        raise _malformed("its extensions are no list")
    seen: set[str] = set()
    critical: set[str] = set()
    for entry in lists[0].children():
        parts = entry.children()
        if len(parts) not in {2, 3} or parts[0].tag != OBJECT_IDENTIFIER or parts[-1].tag != OCTET_STRING:
            raise _malformed("an extension has not the parts of one")
        oid = oid_text(parts[0].content)
        if oid in seen:
            raise CertificateRefused(f"it has the extension {oid} twice", reason=Reason.DUPLICATE_EXTENSION, oid=oid)
        seen.add(oid)
        if len(parts) == 3:
            critical.add(oid)
        if oid in _PROCESSED:
            check_canonical(parts[-1].content)
    unknown = sorted(critical - _PROCESSED)
    if unknown:
        raise CertificateRefused(
            f"it has the critical extension {unknown[0]}, which is not understood here (RFC 5280, 4.2)",
            reason=Reason.UNKNOWN_CRITICAL_EXTENSION,
            oid=unknown[0],
        )
    return frozenset(critical)


def _read(der: bytes) -> tuple[x509.Certificate, x509.Extensions]:
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key()
        extensions = certificate.extensions
        # The library reads these only when they are asked for, and would complain in the middle of a judgement.
        _ = (certificate.issuer, certificate.subject, certificate.signature, certificate.tbs_certificate_bytes)
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _malformed(str(error)) from error
    return certificate, extensions


def _malformed(what: str) -> CertificateRefused:
    return CertificateRefused(f"this is no certificate that can be read: {what}", reason=Reason.MALFORMED)


# What validation takes account of; any other extension must not be critical.
_PROCESSED: Final = frozenset(
    {
        "2.5.29.14",  # subjectKeyIdentifier
        "2.5.29.15",  # keyUsage
        "2.5.29.16",  # privateKeyUsagePeriod
        "2.5.29.17",  # subjectAltName
        "2.5.29.19",  # basicConstraints
        "2.5.29.30",  # nameConstraints
        "2.5.29.32",  # certificatePolicies
        "2.5.29.33",  # policyMappings
        "2.5.29.35",  # authorityKeyIdentifier
        "2.5.29.36",  # policyConstraints
        "2.5.29.37",  # extendedKeyUsage
        "2.5.29.54",  # inhibitAnyPolicy
    }
)
