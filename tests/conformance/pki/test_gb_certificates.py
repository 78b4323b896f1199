"""Published GB certificates: all are read, identified and chained, though nobody published their authorities.

An ECDSA signature allows a handful of public keys; over several signatures of one authority a single key is left, and
its identifier is the one that the certificates name. That key then serves as a bare trust anchor, as a device keeps it.
"""

from collections import defaultdict
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding
from tests.unit.trust.pki import forge

from meterworks.trust.pki import (
    CertificateRefused,
    Reason,
    TrustAnchor,
    certificate_identity,
    certificate_unit,
    import_leniently,
    validate,
)
from meterworks.trust.pki.build import key_identifier
from meterworks.trust.pki.profile import KeyIdentifierForm

PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
SAMPLE_DAY = datetime(2018, 6, 1, tzinfo=UTC)
OTHERWISE_SIGNED = ("00db123456789023-ka", "00db12345678909b-ds", "90b3d51f30010008-ds", "90b3d51f30010008-ka")
Point = tuple[int, int] | None


def add(left: Point, right: Point) -> Point:
    if left is None or right is None:
        return left or right
    if left[0] == right[0] and (left[1] + right[1]) % PRIME == 0:
        return None
    if left == right:
        slope = 3 * (left[0] ** 2 - 1) * pow(2 * left[1], -1, PRIME)
    else:
        slope = (right[1] - left[1]) * pow(right[0] - left[0], -1, PRIME)
    x = (slope * slope - left[0] - right[0]) % PRIME
    return x, (slope * (left[0] - x) - left[1]) % PRIME


def times(factor: int, point: Point) -> Point:
    total: Point = None
    while factor:
        if factor & 1:
            total = add(total, point)
        point = add(point, point)
        factor >>= 1
    return total


def candidates(certificate: x509.Certificate) -> set[Point]:
    """The public keys that the signature allows.  Source: SEC 1, 4.1.6."""
    r, s = decode_dss_signature(certificate.signature)
    digest = Hash(SHA256())
    digest.update(certificate.tbs_certificate_bytes)
    e = int.from_bytes(digest.finalize())
    y = pow(r**3 - 3 * r + B, (PRIME + 1) // 4, PRIME)
    inverse = pow(r, -1, ORDER)
    points = [(r, y), (r, PRIME - y)]
    return {add(times(s * inverse % ORDER, point), times(-e * inverse % ORDER, BASE)) for point in points}


def public_key(point: Point) -> ec.EllipticCurvePublicKey:
    assert point is not None
    return ec.EllipticCurvePublicNumbers(point[0], point[1], ec.SECP256R1()).public_key()


@pytest.fixture(scope="module")
def samples(shared_folder) -> dict[str, x509.Certificate]:
    paths = sorted((shared_folder / "vectors" / "gb" / "keystore").glob("*-*.pem"))
    texts = {path.stem: path.read_bytes() for path in paths}
    return {name: x509.load_pem_x509_certificate(text) for name, text in texts.items() if b"CERTIFICATE" in text}


@pytest.fixture(scope="module")
def anchors(samples) -> list[TrustAnchor]:
    """Each authority's key, found from two of its signatures."""
    by_issuer = defaultdict(list)
    for certificate in samples.values():
        by_issuer[certificate.issuer, authority_key(certificate)].append(certificate)
    found = []
    for (issuer, _), certificates in by_issuer.items():
        if len(certificates) > 1:
            common = candidates(certificates[0]) & candidates(certificates[1])
            found += [TrustAnchor(name=issuer, key=public_key(point)) for point in common]
    return found


def authority_key(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None


def profile_of_sample(name: str) -> str:
    kind = "device" if name.startswith("00db") else "organisation"
    return f"gb-{kind}-{'signature' if name.endswith('-ds') else 'agreement'}"


def test_the_keys_found_have_the_identifiers_that_certificates_name(samples, anchors):
    named = {authority_key(certificate) for certificate in samples.values()} - {None}
    found = {key_identifier(anchor.key, KeyIdentifierForm.SHA1_60_BITS) for anchor in anchors}
    assert named
    assert named <= found


def test_every_published_certificate_chains_and_keeps_its_profile(samples, anchors):
    """412 of 416; the other four name an authority whose key did not sign them, which is the set's own fault."""
    refused = {}
    for name, certificate in samples.items():
        try:
            peer = validate(
                [certificate], profile=profile_of_sample(name), trust_anchors=anchors, crls=None, at=SAMPLE_DAY
            )
        except CertificateRefused as error:
            refused[name] = error.reason
        else:
            assert len(peer.path) == 1
    assert len(samples) >= 400
    assert refused == dict.fromkeys(OTHERWISE_SIGNED, Reason.BAD_SIGNATURE)


def test_every_published_certificate_names_whose_it_is(samples):
    for name, certificate in samples.items():
        owner = "90b3d51f30030000" if name == "90b3d51f30000007-ka" else name[:16]  # that file holds another party's
        assert certificate_identity(certificate) == owner
        assert (certificate_unit(certificate) is None) == name.startswith("00db")


def test_a_certificate_with_null_is_imported_leniently_only(samples):
    """Made from a published one: its algorithm gets the NULL that two other published ones have."""
    key = forge.new_key()
    certificate = samples["90b3d51f30010000-ds"]
    algorithm, spoilt = (forge.identifier("1.2.840.10045.4.3.2", end) for end in (b"", b"\x05\x00"))
    body = certificate.tbs_certificate_bytes
    tbs = forge.tagged(0x30, body[4:].replace(algorithm, spoilt, 1))
    der = forge.sign_again(tbs, key, outside=spoilt)
    with pytest.raises(CertificateRefused) as refused:
        validate([der], profile="gb-organisation-signature", trust_anchors=[], crls=None, at=SAMPLE_DAY)
    assert refused.value.reason is Reason.NULL_PARAMETERS
    taken = import_leniently(der)
    assert (taken.identity, taken.unit) == ("90b3d51f30010000", 2)
    assert taken.warnings
    assert taken.is_signed_by(key.public_key())
    assert not taken.is_signed_by(forge.new_key().public_key())
    assert import_leniently(certificate.public_bytes(Encoding.DER)).warnings == ()
