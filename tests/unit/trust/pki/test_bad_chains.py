"""Chains with one rule broken each: every one refused for its own reason, and the good one accepted.

Each row gives what differs from the good chain as arguments of `validate`; a row is made when it is asked for.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from asn1crypto import core
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from tests.unit.trust.pki.forge import (
    DEVICE,
    NOW,
    SIGNATURE_OIDS,
    Party,
    changed,
    crl,
    identifier,
    new_key,
    party,
    sequence,
    set_extension,
    sign_again,
    tagged,
    world,
)

from meterworks.trust.pki import (
    CertificateRefused,
    CertificateSubject,
    CrlStore,
    PeerRole,
    Reason,
    RevocationPolicy,
    ValidatedPeer,
    validate,
)

ONLY_END_ENTITIES = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
PEER = CertificateSubject(identity=DEVICE, role=PeerRole.DEVICE)
KEY_USAGE, ALTERNATIVE, CONSTRAINTS, POLICIES = "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.32"
AUTHORITY_KEY, SUBJECT_KEY, EXTENDED, NAMES = "2.5.29.35", "2.5.29.14", "2.5.29.37", "2.5.29.30"
PERIOD, MAPPINGS, POLICY_LIMITS = "2.5.29.16", "2.5.29.33", "2.5.29.36"


def judged(**differences: Any) -> ValidatedPeer:
    """The good chain's verdict, with what differs."""
    w = world()
    arguments: dict[str, Any] = {
        "chain": [w.leaf.der, w.sub.der],
        "profile": "dlms-1-tls",
        "trust_anchors": [w.root.certificate],
        "crls": w.crls(),
        "at": NOW,
        "identity": DEVICE,
        "role": PeerRole.DEVICE,
    }
    arguments.update(differences)
    return validate(arguments.pop("chain"), **arguments)


def leaf(change: Callable[[asn1.TbsCertificate], None], **how: Any) -> dict[str, Any]:
    """The good chain, its end entity changed and signed again by the sub-CA."""
    w = world()
    return {"chain": [changed(w.leaf.certificate, w.sub.key, change, **how), w.sub.der]}


def sub(change: Callable[[asn1.TbsCertificate], None], **how: Any) -> dict[str, Any]:
    """The good chain, its sub-CA changed and signed again by the root."""
    w = world()
    return {"chain": [w.leaf.der, changed(w.sub.certificate, w.root.key, change, **how)]}


def raw(old: bytes, new: bytes) -> dict[str, Any]:
    """The good end entity with octets replaced inside what is signed, lengths put right, signed again."""
    w = world()
    body = w.leaf.certificate.tbs_certificate_bytes
    assert body.count(old) == 1, "the octets to replace stand once"
    head = 4 if body[1] == 0x82 else 3
    return {"chain": [sign_again(tagged(0x30, body[head:].replace(old, new)), w.sub.key), w.sub.der]}


def of_profile(profile: str, subject: CertificateSubject, **more: Any) -> dict[str, Any]:
    """A certificate of another profile, where a device's for TLS is wanted."""
    w = world()
    return {"chain": [party(profile, subject, w.sub).der, w.sub.der], **more}


def with_key(public: Any) -> dict[str, Any]:
    """The end entity with a key of another kind."""
    octets = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    w = world()
    old = w.leaf.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return raw(old, octets)


def explicit_curve() -> dict[str, Any]:
    """The curve P-256 spelt out instead of named."""
    w = world()
    point = w.leaf.key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    prime = (2**256 - 2**224 + 2**192 + 2**96 - 1).to_bytes(32)
    field_ = sequence(core.ObjectIdentifier("1.2.840.10045.1.1").dump(), tagged(0x02, b"\x00" + prime))
    curve = sequence(tagged(0x04, prime), tagged(0x04, bytes(32)))
    spelt = sequence(b"\x02\x01\x01", field_, curve, tagged(0x04, point), tagged(0x02, b"\x00" + prime))
    key = sequence(identifier("1.2.840.10045.2.1", spelt), tagged(0x03, b"\x00" + point))
    old = w.leaf.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return raw(old, key)


def compressed_point() -> dict[str, Any]:
    w = world()
    public = w.leaf.key.public_key()
    point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    key = sequence(
        identifier("1.2.840.10045.2.1", core.ObjectIdentifier("1.2.840.10045.3.1.7").dump()),
        tagged(0x03, b"\x00" + point),
    )
    old = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return raw(old, key)


def signed_by_other(digest: str, outside: bytes) -> dict[str, Any]:
    """Another algorithm named inside and outside alike."""
    w = world()
    old, new = identifier(SIGNATURE_OIDS["sha256"]), outside
    body = w.leaf.certificate.tbs_certificate_bytes
    head = 4 if body[1] == 0x82 else 3
    tbs = tagged(0x30, body[head:].replace(old, new, 1))
    return {"chain": [sign_again(tbs, w.sub.key, digest=digest, outside=outside), w.sub.der]}


def twice(oid: str) -> Callable[[asn1.TbsCertificate], None]:
    def change(tbs: asn1.TbsCertificate) -> None:
        entries = list(tbs["extensions"])
        tbs["extensions"] = asn1.Extensions([*entries, *(e for e in entries if e["extn_id"].dotted == oid)])

    return change


def under(change: Callable[[asn1.TbsCertificate], None], *, profile: str = "sub-ca") -> dict[str, Any]:
    """A sub-CA of its own whose certificate is changed, and a good device below it."""
    w = world()
    authority = party(profile, CertificateSubject(identity="devices 9"), w.root, now=NOW - timedelta(days=200))
    der = changed(authority.certificate, w.root.key, change)
    signer = Party(x509.load_der_x509_certificate(der), authority.key)
    device = party("dlms-1-tls", PEER, signer)
    return {"chain": [device.der, der], "crls": None}


def below_the_leaf() -> dict[str, Any]:
    """A device that signs for another."""
    w = world()
    second = party("dlms-1-tls", PEER, w.leaf)
    return {"chain": [second.der, w.leaf.der, w.sub.der], "crls": None}


def three_levels() -> dict[str, Any]:
    """A sub-CA below a sub-CA, which neither it nor the root allows."""
    w = world()
    lower = party("sub-ca", CertificateSubject(identity="lower"), w.sub)
    device = party("dlms-1-tls", PEER, lower)
    return {"chain": [device.der, lower.der, w.sub.der], "crls": None}


def imitated(kind: str) -> dict[str, Any]:
    """Another root or sub-CA under the same name."""
    w = world()
    if kind == "root":
        fake = party("root", CertificateSubject(identity="root 1"))
        authority = party("sub-ca", CertificateSubject(identity="devices 1"), fake)
    else:
        authority = party("sub-ca", CertificateSubject(identity="devices 1"), w.root)
    if kind == "signature":
        return {
            "chain": [
                w.leaf.der,
                _with_identifier_of(authority, w.sub),
            ],
            "crls": None,
        }
    device = party("dlms-1-tls", PEER, authority)
    return {"chain": [device.der, authority.der if kind == "root" else w.sub.der], "crls": None}


def _with_identifier_of(fake: Party, true: Party) -> bytes:
    value = true.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.public_bytes()
    return changed(fake.certificate, world().root.key, set_extension(SUBJECT_KEY, value))


def other_name() -> dict[str, Any]:
    """The key of the issuer is there, under another name."""
    w = world()
    renamed = party("sub-ca", CertificateSubject(identity="other"), w.root, key=w.sub.key)
    return {"chain": [w.leaf.der, renamed.der], "crls": None}


def names(
    *, permitted: list[x509.GeneralName] | None = None, excluded: list[x509.GeneralName] | None = None
) -> dict[str, Any]:
    value = x509.NameConstraints(permitted, excluded).public_bytes()
    return under(set_extension(NAMES, value, critical=True))


def lists(**how: Any) -> dict[str, Any]:
    """Revocation lists judged as they are fetched, and then the good chain with them."""
    w = world()
    store = w.crls()
    issuer = how.pop("issuer", w.sub)
    store.accept(crl(issuer, **how), w.sub.certificate, at=how.pop("judged_at", NOW))
    return {"crls": store}


def revoked(entry: Party) -> dict[str, Any]:
    return {"crls": world().crls(revoked=(entry.certificate.serial_number,))}


def stale(policy: RevocationPolicy | None = None, days: int = 8) -> dict[str, Any]:
    return {"crls": world().crls(at=NOW), "at": NOW + timedelta(days=days), "revocation": policy}


def policy_value(*oids: str) -> bytes:
    return x509.CertificatePolicies(
        [x509.PolicyInformation(x509.ObjectIdentifier(o), None) for o in oids]
    ).public_bytes()


def gb(change: Callable[[asn1.TbsCertificate], None] | None = None, **more: Any) -> dict[str, Any]:
    """A GB device under its own root, its certificate changed."""
    root = party("gb-root", CertificateSubject(identity="Z0"), now=NOW - timedelta(days=30))
    issuing = party("gb-issuing-ca", CertificateSubject(identity="Z1"), root, now=NOW - timedelta(days=20))
    device = party("gb-device-signature", CertificateSubject(identity="00db123456789001"), issuing)
    der = changed(device.certificate, issuing.key, change) if change else device.der
    return {
        "chain": [der, issuing.der],
        "trust_anchors": [root.certificate],
        "crls": None,
        "profile": "gb-device-signature",
        "identity": "00db123456789001",
        "role": None,
        **more,
    }


def gb_organisation(unit: int = 2, **more: Any) -> dict[str, Any]:
    root = party("gb-root", CertificateSubject(identity="Z0"))
    issuing = party("gb-issuing-ca", CertificateSubject(identity="Z1"), root)
    subject = CertificateSubject(identity="90b3d51f30010000", unit=unit)
    made = party("gb-organisation-signature", subject, issuing)
    return {
        "chain": [made.der, issuing.der],
        "trust_anchors": [root.certificate],
        "crls": None,
        "profile": "gb-organisation-signature",
        "identity": "90b3d51f30010000",
        "role": unit,
        **more,
    }


def sm(kind: str = "sm-emt-tls", *, late: bool = False, **more: Any) -> dict[str, Any]:
    curve = ec.BrainpoolP256R1()
    then = NOW - timedelta(days=3 * 365 if late else 30)
    root = party("sm-root", CertificateSubject(identity="Root"), key=new_key(curve), now=then)
    ca = party("sm-sub-ca", CertificateSubject(identity="Sub"), root, key=new_key(curve), now=then)
    made = party(kind, CertificateSubject(identity="Stadtwerk"), ca, key=new_key(curve))
    return {
        "chain": [made.der, ca.der],
        "trust_anchors": [root.certificate],
        "crls": None,
        "profile": "sm-emt-tls",
        "identity": None,
        "role": None,
        **more,
    }


def set_field(name: str, value: Any) -> Callable[[asn1.TbsCertificate], None]:
    def change(tbs: asn1.TbsCertificate) -> None:
        tbs[name] = value

    return change


def valid(starts_at: datetime, ends_at: datetime) -> Callable[[asn1.TbsCertificate], None]:
    times = {"not_before": asn1.Time({"utc_time": starts_at}), "not_after": asn1.Time({"utc_time": ends_at})}
    return set_field("validity", asn1.Validity(times))


def subject_of(**fields: str) -> asn1.Name:
    return asn1.Name.build(fields)


def uris(*texts: str) -> bytes:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(text) for text in texts]).public_bytes()


def hashed_with_sha1() -> dict[str, Any]:
    return signed_by_other("sha1", identifier(SIGNATURE_OIDS["sha1"]))


def suite_2_under_sha_256() -> dict[str, Any]:
    """A P-384 authority that signs over too short a hash."""
    w = world()
    authority = party("sub-ca", CertificateSubject(identity="wide"), w.root, key=new_key(ec.SECP384R1()))
    device = party("dlms-1-tls", PEER, authority)
    weak = changed(device.certificate, authority.key, set_field("signature", {"algorithm": SIGNATURE_OIDS["sha256"]}))
    return {"chain": [weak, authority.der], "crls": None}


def flipped() -> dict[str, Any]:
    der = bytearray(world().leaf.der)
    der[-4] ^= 1
    return {"chain": [bytes(der), world().sub.der]}


def long_form_length() -> dict[str, Any]:
    der = world().leaf.der
    assert der[1] == 0x82
    return {"chain": [b"\x30\x83\x00" + der[2:], world().sub.der]}


def indefinite() -> dict[str, Any]:
    der = world().leaf.der
    return {"chain": [b"\x30\x80" + der[4:] + b"\x00\x00", world().sub.der]}


def rows() -> Mapping[str, tuple[Reason, Callable[[], dict[str, Any]]]]:
    w = world
    serial = w().leaf.certificate.serial_number.to_bytes(16)
    usage = x509.KeyUsage(False, False, False, False, True, False, False, False, False).public_bytes()
    signs_all = x509.KeyUsage(True, False, False, False, False, True, True, False, False).public_bytes()
    no_crl_sign = x509.KeyUsage(True, False, False, False, False, False, True, False, False).public_bytes()
    ca = x509.BasicConstraints(ca=True, path_length=None).public_bytes()
    web = x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.4")]).public_bytes()
    past = NOW - timedelta(days=2)
    warned = RevocationPolicy(grace=timedelta(days=1))
    return {
        # What its octets are.
        "no certificate at all": (Reason.EMPTY_CHAIN, lambda: {"chain": []}),
        "nine certificates": (Reason.CHAIN_TOO_LONG, lambda: {"chain": [w().leaf.der] * 9}),
        "garbage": (Reason.MALFORMED, lambda: {"chain": [b"\x30\x03\x02\x01\x05"]}),
        "octets missing": (Reason.MALFORMED, lambda: {"chain": [w().leaf.der[:-1]]}),
        "a certificate of 9,000 octets": (Reason.SIZE, lambda: {"chain": [b"\x30\x82\x23\x28" + bytes(9000)]}),
        "larger than the profile allows": (Reason.SIZE, lambda: leaf(set_extension("1.2.3.4", bytes(2000)))),
        "an octet behind it": (Reason.NOT_CANONICAL, lambda: {"chain": [w().leaf.der + b"\x00"]}),
        "a length in long form": (Reason.NOT_CANONICAL, long_form_length),
        "an indefinite length": (Reason.NOT_CANONICAL, indefinite),
        "a serial number with a leading zero": (
            Reason.NOT_CANONICAL,
            lambda: raw(b"\x02\x10" + serial, b"\x02\x11\x00" + serial),
        ),
        "FALSE spelt out in an extension": (
            Reason.NOT_CANONICAL,
            lambda: raw(bytes.fromhex("0603551d0f0101ff"), bytes.fromhex("0603551d0f010100")),
        ),
        "a true that is not ff": (
            Reason.NOT_CANONICAL,
            lambda: raw(bytes.fromhex("0603551d0f0101ff"), bytes.fromhex("0603551d0f010101")),
        ),
        "version 1": (Reason.VERSION, lambda: raw(bytes.fromhex("a003020102"), b"")),
        "version 2": (Reason.VERSION, lambda: raw(bytes.fromhex("a003020102"), bytes.fromhex("a003020101"))),
        "serial number zero": (Reason.SERIAL_NUMBER, lambda: raw(b"\x02\x10" + serial, b"\x02\x01\x00")),
        "a negative serial number": (Reason.SERIAL_NUMBER, lambda: raw(b"\x02\x10" + serial, b"\x02\x01\x81")),
        "a serial number of 21 octets": (
            Reason.SERIAL_NUMBER,
            lambda: raw(b"\x02\x10" + serial, b"\x02\x15\x01" + bytes(20)),
        ),
        "an extension twice": (Reason.DUPLICATE_EXTENSION, lambda: leaf(twice(KEY_USAGE))),
        "an unknown critical extension": (
            Reason.UNKNOWN_CRITICAL_EXTENSION,
            lambda: leaf(set_extension("1.2.3.4", b"\x05\x00", critical=True)),
        ),
        "an unknown critical extension of the sub-CA": (
            Reason.UNKNOWN_CRITICAL_EXTENSION,
            lambda: sub(set_extension("1.2.3.4", b"\x05\x00", critical=True)),
        ),
        "key usage not critical": (Reason.CRITICALITY, lambda: leaf(set_extension(KEY_USAGE, None, critical=False))),
        "basic constraints of the sub-CA not critical": (
            Reason.CRITICALITY,
            lambda: under(set_extension(CONSTRAINTS, None, critical=False)),
        ),
        "GB policies not critical": (Reason.CRITICALITY, lambda: gb(set_extension(POLICIES, None, critical=False))),
        "a GB name not critical under an empty subject": (
            Reason.CRITICALITY,
            lambda: gb(set_extension(ALTERNATIVE, None, critical=False)),
        ),
        # Its key and signature.
        "an RSA key": (Reason.KEY_ALGORITHM, lambda: with_key(rsa.generate_private_key(65537, 2048).public_key())),
        "an Ed25519 key": (Reason.KEY_ALGORITHM, lambda: with_key(ed25519.Ed25519PrivateKey.generate().public_key())),
        "a post-quantum key": (Reason.KEY_ALGORITHM, lambda: with_key(mldsa.MLDSA44PrivateKey.generate().public_key())),
        "curve parameters spelt out": (Reason.EXPLICIT_CURVE, explicit_curve),
        "a curve of no profile": (Reason.WRONG_CURVE, lambda: with_key(new_key(ec.SECP256K1()).public_key())),
        "a curve of another profile": (Reason.WRONG_CURVE, lambda: with_key(new_key(ec.SECP384R1()).public_key())),
        "a curve that GB has not": (Reason.WRONG_CURVE, lambda: gb_brainpool()),
        "a compressed point": (Reason.POINT_FORM, compressed_point),
        "another algorithm outside": (
            Reason.ALGORITHM_MISMATCH,
            lambda: leaf(lambda tbs: None, outside=identifier(SIGNATURE_OIDS["sha384"])),
        ),
        "an RSA signature": (
            Reason.SIGNATURE_ALGORITHM,
            lambda: signed_by_other("sha256", identifier("1.2.840.113549.1.1.11", b"\x05\x00")),
        ),
        "a post-quantum signature": (
            Reason.SIGNATURE_ALGORITHM,
            lambda: signed_by_other("sha256", identifier("2.16.840.1.101.3.4.3.17")),
        ),
        "an unknown signature algorithm": (
            Reason.SIGNATURE_ALGORITHM,
            lambda: signed_by_other("sha256", identifier("1.2.3.4")),
        ),
        "SHA-1": (Reason.WEAK_HASH, hashed_with_sha1),
        "SHA-224": (Reason.WEAK_HASH, lambda: signed_by_other("sha256", identifier("1.2.840.10045.4.3.1"))),
        "SHA-256 under a P-384 key": (Reason.WEAK_HASH, suite_2_under_sha_256),
        "NULL behind the algorithm": (
            Reason.NULL_PARAMETERS,
            lambda: signed_by_other("sha256", identifier(SIGNATURE_OIDS["sha256"], b"\x05\x00")),
        ),
        "a bit of the signature flipped": (Reason.BAD_SIGNATURE, flipped),
        "a subject changed, not signed again": (
            Reason.BAD_SIGNATURE,
            lambda: {
                "chain": [w().leaf.der.replace(DEVICE.encode(), b"4d5752000000002b"), w().sub.der],
                "identity": None,
            },
        ),
        "signed by a namesake of the sub-CA": (Reason.BAD_SIGNATURE, lambda: imitated("signature")),
        # Its place in the path.
        "self-signed": (
            Reason.UNKNOWN_ISSUER,
            lambda: {"chain": [party("dlms-1-tls", PEER).der]},
        ),
        "the sub-CA left out": (Reason.UNKNOWN_ISSUER, lambda: {"chain": [w().leaf.der]}),
        "no anchors": (Reason.UNKNOWN_ISSUER, lambda: {"trust_anchors": []}),
        "another root": (
            Reason.UNKNOWN_ISSUER,
            lambda: {"trust_anchors": [party("root", CertificateSubject(identity="else")).certificate]},
        ),
        "the issuer's key under another name": (Reason.NAME_CHAINING, other_name),
        "a namesake of the root": (Reason.KEY_IDENTIFIER, lambda: imitated("root")),
        "a namesake of the sub-CA": (Reason.KEY_IDENTIFIER, lambda: imitated("sub")),
        "no key identifier": (Reason.KEY_IDENTIFIER, lambda: leaf(set_extension(SUBJECT_KEY, None))),
        "a GB key identifier of another key": (
            Reason.KEY_IDENTIFIER,
            lambda: gb(set_extension(SUBJECT_KEY, b"\x04\x08" + bytes(8))),
        ),
        "a device signs for another": (Reason.NOT_AN_AUTHORITY, below_the_leaf),
        "a sub-CA without the flag": (Reason.NOT_AN_AUTHORITY, lambda: under(set_extension(CONSTRAINTS, None))),
        "a sub-CA whose key is for lists only": (
            Reason.AUTHORITY_KEY_USAGE,
            lambda: under(set_extension(KEY_USAGE, no_crl_sign, critical=True)),
        ),
        "a sub-CA below a sub-CA": (Reason.PATH_LENGTH, three_levels),
        "a name out of what is permitted": (
            Reason.NAME_CONSTRAINTS,
            lambda: names(permitted=[x509.DirectoryName(x509.Name.from_rfc4514_string("O=else"))]),
        ),
        "an excluded name": (
            Reason.NAME_CONSTRAINTS,
            lambda: names(
                excluded=[x509.DirectoryName(x509.Name.from_rfc4514_string("OU=device"))],
                permitted=[x509.IPAddress(ip_network("10.0.0.0/8"))],
            ),
        ),
        "no policy where GB wants one": (Reason.POLICY, lambda: gb(set_extension(POLICIES, None))),
        "another policy than GB's": (
            Reason.POLICY,
            lambda: gb(set_extension(POLICIES, policy_value("1.2.3"), critical=True)),
        ),
        "no policy where the sub-CA demands one": (
            Reason.POLICY,
            lambda: under(set_extension(POLICY_LIMITS, x509.PolicyConstraints(0, None).public_bytes(), critical=True)),
        ),
        "policies mapped": (
            Reason.POLICY_MAPPING,
            lambda: under(set_extension(MAPPINGS, sequence(sequence(*[core.ObjectIdentifier("1.2.3").dump()] * 2)))),
        ),
        # Its time.
        "not yet valid": (Reason.NOT_YET_VALID, lambda: {"at": NOW - timedelta(hours=1), "crls": None}),
        "expired": (Reason.EXPIRED, lambda: {"at": NOW + timedelta(days=3651), "crls": None}),
        "the sub-CA expired": (
            Reason.EXPIRED,
            lambda: sub(valid(NOW - timedelta(days=99), past)),
        ),
        "valid for longer than the profile": (
            Reason.LIFETIME,
            lambda: leaf(valid(past, NOW + timedelta(days=3700))),
        ),
        "a GB device certificate that ends": (
            Reason.LIFETIME,
            lambda: gb(valid(past, NOW + timedelta(days=3700))),
        ),
        "signed when the key was out of use": (Reason.KEY_USAGE_PERIOD, lambda: sm(late=True)),
        # What it may be used for, and by whom.
        "a sub-CA as the peer": (Reason.AUTHORITY_AS_END_ENTITY, lambda: {"chain": [w().sub.der], "identity": None}),
        "a device with the flag": (
            Reason.AUTHORITY_AS_END_ENTITY,
            lambda: leaf(set_extension(CONSTRAINTS, ca, critical=True)),
        ),
        "a key for agreement": (Reason.KEY_USAGE, lambda: leaf(set_extension(KEY_USAGE, usage, critical=True))),
        "a key for everything": (Reason.KEY_USAGE, lambda: leaf(set_extension(KEY_USAGE, signs_all, critical=True))),
        "no key usage": (Reason.KEY_USAGE, lambda: leaf(set_extension(KEY_USAGE, None))),
        "an agreement certificate": (
            Reason.KEY_USAGE,
            lambda: of_profile("dlms-1-agreement", PEER, crls=None),
        ),
        "an SM-PKI ENC certificate for TLS": (Reason.KEY_USAGE, lambda: sm("sm-emt-enc")),
        "a purpose of mail": (Reason.EXTENDED_KEY_USAGE, lambda: leaf(set_extension(EXTENDED, web))),
        "no purpose": (Reason.EXTENDED_KEY_USAGE, lambda: leaf(set_extension(EXTENDED, None))),
        "another common name than identity": (
            Reason.SUBJECT,
            lambda: leaf(set_field("subject", subject_of(organizational_unit_name="device", common_name="else"))),
        ),
        "a GB device with a subject": (
            Reason.SUBJECT,
            lambda: gb(set_field("subject", subject_of(common_name="x"))),
        ),
        "a gateway's certificate as a participant's": (Reason.SUBJECT, lambda: sm("sm-smgw-tls")),
        "no alternative name": (Reason.ALTERNATIVE_NAME, lambda: leaf(set_extension(ALTERNATIVE, None))),
        "two peers in one certificate": (
            Reason.ALTERNATIVE_NAME,
            lambda: leaf(set_extension(ALTERNATIVE, uris("urn:meterworks:device:a", "urn:meterworks:hub:b"))),
        ),
        "a GB device with a bare name": (
            Reason.ALTERNATIVE_NAME,
            lambda: gb(set_extension(ALTERNATIVE, uris("x:y"), critical=True)),
        ),
        "another device": (Reason.IDENTITY, lambda: {"identity": "4d5752000000002b"}),
        "another GB device": (Reason.IDENTITY, lambda: gb(identity="00db123456789002")),
        "another GB organisation": (Reason.IDENTITY, lambda: gb_organisation(identity="90b3d51f30020000")),
        "a device as a head-end": (Reason.ROLE, lambda: {"role": PeerRole.HEADEND}),
        "a hub as one of two others": (Reason.ROLE, lambda: {"role": (PeerRole.HUB, PeerRole.GATEWAY)}),
        "a supplier as a network operator": (Reason.ROLE, lambda: gb_organisation(role=3)),
        # Revocation.
        "the device revoked": (
            Reason.REVOKED,
            lambda: revoked(w().leaf),
        ),
        "the sub-CA revoked": (Reason.REVOKED, lambda: revoked(w().sub)),
        "no list at all": (Reason.CRL_MISSING, lambda: {"crls": CrlStore()}),
        "a list that ended": (Reason.CRL_EXPIRED, stale),
        "a list that ended before the grace": (Reason.CRL_EXPIRED, lambda: stale(warned, days=9)),
        "a stale list fetched": (Reason.CRL_EXPIRED, lambda: lists(number=2, at=NOW - timedelta(days=30))),
        "a list from tomorrow": (Reason.CRL_NOT_YET_VALID, lambda: lists(number=2, at=NOW + timedelta(days=1))),
        "a forged list": (Reason.CRL_FORGED, lambda: lists(number=2, key=new_key())),
        "another authority's list": (Reason.CRL_FORGED, lambda: lists(number=2, issuer=w().root)),
        "a list rolled back": (Reason.CRL_ROLLED_BACK, lambda: lists(number=0)),
        "another list under the same number": (Reason.CRL_ROLLED_BACK, lambda: lists(number=1, revoked=(5,))),
        "a list without number": (Reason.CRL_MALFORMED, lambda: lists(number=None)),
        "a list of part of the certificates": (
            Reason.CRL_MALFORMED,
            lambda: lists(number=2, extensions=((ONLY_END_ENTITIES, True),)),
        ),
    }  # fmt: skip


def gb_brainpool() -> dict[str, Any]:
    """A GB device whose issuing authority has a key on a Brainpool curve."""
    root = party("gb-root", CertificateSubject(identity="Z0"))
    issuing = party("sm-sub-ca", CertificateSubject(identity="Z1"), root, key=new_key(ec.BrainpoolP256R1()))
    device = party("gb-device-signature", CertificateSubject(identity="00db123456789001"), issuing)
    return gb() | {"chain": [device.der, issuing.der], "trust_anchors": [root.certificate]}


ROWS = rows()


def test_the_good_chain_is_accepted():
    peer = judged()
    assert (peer.identity, peer.role, peer.profile) == (DEVICE, PeerRole.DEVICE, "dlms-1-tls")
    assert peer.warnings == ()
    assert len(peer.path) == 2


@pytest.mark.parametrize("name", ROWS)
def test_a_bad_chain_is_refused_for_its_own_reason(name):
    reason, made = ROWS[name]
    with pytest.raises(CertificateRefused) as refused:
        judged(**made())
    assert refused.value.reason is reason, str(refused.value)
    assert refused.value.facts["reason"] == reason.value


def test_there_is_a_bad_chain_for_every_reason():
    assert {reason for reason, _ in ROWS.values()} == set(Reason)
    assert len(ROWS) >= 60


@pytest.mark.parametrize("made", [gb, gb_organisation, sm], ids=["GB device", "GB organisation", "SM-PKI participant"])
def test_the_good_chains_of_other_profiles_are_accepted(made):
    assert judged(**made()).identity
