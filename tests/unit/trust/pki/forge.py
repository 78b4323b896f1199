"""Chains made on purpose: a good one, and what changes single fields of a certificate and signs it again."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from asn1crypto import core
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.trust.pki import PROFILES, CertificateSubject, CrlStore, PeerRole
from meterworks.trust.pki.build import CertificateIssuer, build_certificate, new_serial_number

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DEVICE = "4d5752000000002a"
HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha1": hashes.SHA1()}
SIGNATURE_OIDS = {
    "sha256": "1.2.840.10045.4.3.2",
    "sha384": "1.2.840.10045.4.3.3",
    "sha1": "1.2.840.10045.4.1",
}
Change = Callable[[asn1.TbsCertificate], None]


def new_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


@dataclass
class Party:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def party(
    profile: str,
    subject: CertificateSubject,
    issuer: Party | None = None,
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
    now: datetime = NOW,
) -> Party:
    own = key or new_key()
    signer = CertificateIssuer(issuer.certificate, issuer.key) if issuer else CertificateIssuer(None, own)
    made = build_certificate(
        PROFILES[profile], subject, own.public_key(), signer, now=now, serial_number=new_serial_number()
    )
    return Party(made, own)


@dataclass
class World:
    """A root, a sub-CA and a device with a TLS certificate, all good at NOW."""

    root: Party
    sub: Party
    leaf: Party
    others: dict[str, Party] = field(default_factory=dict)

    def crls(self, *, revoked: tuple[int, ...] = (), at: datetime = NOW, **numbers: int) -> CrlStore:
        store = CrlStore()
        for name in ("root", "sub"):
            authority = getattr(self, name)
            store.accept(
                crl(authority, revoked=revoked, number=numbers.get(name, 1), at=at), authority.certificate, at=at
            )
        return store


@cache
def world() -> World:
    root = party("root", CertificateSubject(identity="root 1"), now=NOW - timedelta(days=400))
    sub = party("sub-ca", CertificateSubject(identity="devices 1"), root, now=NOW - timedelta(days=300))
    leaf = party("dlms-1-tls", CertificateSubject(identity=DEVICE, role=PeerRole.DEVICE), sub)
    return World(root, sub, leaf)


def crl(
    authority: Party,
    *,
    revoked: tuple[int, ...] = (),
    number: int | None = 1,
    at: datetime = NOW,
    lifetime: timedelta | None = timedelta(days=7),
    key: ec.EllipticCurvePrivateKey | None = None,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(at - timedelta(minutes=1))
        .next_update(at + (lifetime or timedelta(days=1)))
    )
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at - timedelta(minutes=1))
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key or authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


def sign_again(
    tbs: bytes,
    key: ec.EllipticCurvePrivateKey,
    *,
    digest: str = "sha256",
    outside: bytes | None = None,
) -> bytes:
    """A certificate of these octets to be signed; `outside`: another algorithm identifier than the digest's."""
    signature = key.sign(tbs, ec.ECDSA(HASHES[digest]))
    algorithm = outside or identifier(SIGNATURE_OIDS[digest])
    return sequence(tbs, algorithm, bit_string(signature))


def changed(
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    change: Change,
    *,
    digest: str = "sha256",
    outside: bytes | None = None,
) -> bytes:
    """The certificate with something in it changed, signed again by its issuer's key."""
    tbs = asn1.Certificate.load(certificate.public_bytes(Encoding.DER))["tbs_certificate"].copy()
    if digest != "sha256":
        tbs["signature"] = {"algorithm": SIGNATURE_OIDS[digest]}
    change(tbs)
    return sign_again(tbs.dump(force=True), key, digest=digest, outside=outside)


def sequence(*parts: bytes) -> bytes:
    return tagged(0x30, b"".join(parts))


def bit_string(content: bytes) -> bytes:
    return tagged(0x03, b"\x00" + content)


def identifier(oid: str, parameters: bytes = b"") -> bytes:
    return sequence(core.ObjectIdentifier(oid).dump(), parameters)


def tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content


def set_extension(oid: str, value: bytes | None, *, critical: bool | None = None) -> Change:
    """Replace, add or (value None, critical None) remove an extension; value None keeps the one that is there."""

    def change(tbs: asn1.TbsCertificate) -> None:
        kept = []
        found = False
        for entry in tbs["extensions"]:
            if entry["extn_id"].dotted != oid:
                kept.append(entry)
                continue
            found = True
            if value is None and critical is None:
                continue
            octets = value if value is not None else bytes(entry["extn_value"].contents)
            flag = critical if critical is not None else bool(entry["critical"].native)
            kept.append(extension(oid, octets, critical=flag))
        if not found and value is not None:
            kept.append(extension(oid, value, critical=bool(critical)))
        tbs["extensions"] = asn1.Extensions(kept)

    return change


def extension(oid: str, value: bytes, *, critical: bool = False) -> asn1.Extension:
    flag = b"\x01\x01\xff" if critical else b""
    return asn1.Extension.load(sequence(core.ObjectIdentifier(oid).dump(), flag, tagged(0x04, value)))


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
