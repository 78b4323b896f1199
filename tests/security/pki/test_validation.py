"""Certificates: paths, names, canonical form, algorithms."""

import ast
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.trust.pki import forge
from tests.unit.trust.pki.forge import NOW

import meterworks
from meterworks.trust.pki import CertificateRefused, CertificateSubject, CrlStore, PeerRole, Reason, validate
from meterworks.trust.pki.algorithm import SIGNATURE_ALGORITHMS

UNKNOWN = forge.set_extension("1.2.3.4", b"\x05\x00", critical=True)
AGREEMENT = bytes.fromhex("03020308")


def verdict(chain, **more):
    """The reason of the refusal, or None."""
    w = forge.world()
    arguments = {
        "profile": "dlms-1-tls",
        "trust_anchors": [w.root.certificate],
        "crls": None,
        "at": NOW,
        "identity": forge.DEVICE,
        "role": PeerRole.DEVICE,
        **more,
    }
    try:
        validate(chain, **arguments)
    except CertificateRefused as refusal:
        return refusal.reason
    return None


def below(change):
    """The good chain with the end entity changed and signed again."""
    w = forge.world()
    return [forge.changed(w.leaf.certificate, w.sub.key, change), w.sub.der]


@pytest.mark.requirement("SEC-025")
def test_a_path_is_judged_by_every_rule():
    w = forge.world()
    flipped = bytearray(w.leaf.der)
    flipped[-3] ^= 1
    forged = forge.party("dlms-1-tls", CertificateSubject(identity=forge.DEVICE, role=PeerRole.DEVICE), w.leaf)
    found = {
        "good": verdict([w.leaf.der, w.sub.der]),
        "signature": verdict([bytes(flipped), w.sub.der]),
        "expired": verdict([w.leaf.der, w.sub.der], at=NOW + timedelta(days=3651)),
        "usage": verdict(below(forge.set_extension("2.5.29.15", AGREEMENT, critical=True))),
        "critical": verdict(below(UNKNOWN)),
        "issuer": verdict([w.leaf.der]),
        "no authority": verdict([forged.der, w.leaf.der, w.sub.der]),
    }
    assert found == {
        "good": None,
        "signature": Reason.BAD_SIGNATURE,
        "expired": Reason.EXPIRED,
        "usage": Reason.KEY_USAGE,
        "critical": Reason.UNKNOWN_CRITICAL_EXTENSION,
        "issuer": Reason.UNKNOWN_ISSUER,
        "no authority": Reason.NOT_AN_AUTHORITY,
    }


@pytest.mark.requirement("SEC-026")
def test_a_certificate_serves_its_own_identity_and_role_only():
    w = forge.world()
    chain = [w.leaf.der, w.sub.der]
    other = "4d5752000000002b"
    with pytest.raises(CertificateRefused) as refused:
        validate(chain, profile="dlms-1-tls", trust_anchors=[w.root.certificate], crls=None, at=NOW, identity=other)
    assert refused.value.reason is Reason.IDENTITY
    assert {forge.DEVICE, other} <= set(refused.value.facts.values())
    assert verdict(chain, role=PeerRole.HEADEND) is Reason.ROLE


@pytest.mark.requirement("SEC-011")
def test_what_is_signed_is_accepted_in_its_canonical_form_only():
    w = forge.world()
    der = w.leaf.der
    variants = {
        "trailing octet": der + b"\x00",
        "long length": b"\x30\x83\x00" + der[2:],
        "indefinite length": b"\x30\x80" + der[4:] + b"\x00\x00",
        "a true of 01": der.replace(bytes.fromhex("0603551d0f0101ff"), bytes.fromhex("0603551d0f010101")),
    }
    found = {name: verdict([octets, w.sub.der]) for name, octets in variants.items()}
    assert found == dict.fromkeys(variants, Reason.NOT_CANONICAL)


@pytest.mark.requirement("SEC-131")
def test_algorithms_are_rows_and_unknown_ones_are_read_over():
    w = forge.world()

    def signed_with(oid):
        def change(tbs: asn1.TbsCertificate) -> None:
            tbs["signature"] = asn1.SignedDigestAlgorithm.load(forge.identifier(oid))

        return [
            forge.changed(w.leaf.certificate, w.sub.key, change, outside=forge.identifier(oid)),
            w.sub.der,
        ]

    assert "2.16.840.1.101.3.4.3.17" in SIGNATURE_ALGORITHMS
    assert verdict(signed_with("2.16.840.1.101.3.4.3.17")) is Reason.SIGNATURE_ALGORITHM
    assert verdict(signed_with("1.2.840.10045.4.1")) is Reason.WEAK_HASH
    wide = forge.party("sub-ca", CertificateSubject(identity="wide"), w.root, key=forge.new_key(ec.SECP384R1()))
    higher = forge.party(
        "dlms-2-tls",
        CertificateSubject(identity=forge.DEVICE, role=PeerRole.DEVICE),
        wide,
        key=forge.new_key(ec.SECP384R1()),
    )
    assert verdict([higher.der, wide.der], profile="dlms-2-tls") is None
    assert verdict([w.leaf.der, w.sub.der], profile="dlms-2-tls") is Reason.WRONG_CURVE


def uses_of_random(folder: Path) -> list[str]:
    """Modules that import a generator which is no cryptographic one, where security is made."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if "random" in names or "numpy.random" in names:
                found.append(path.relative_to(folder).as_posix())
    return found


@pytest.mark.requirement("SEC-021")
def test_security_code_uses_the_systems_generator_only():
    root = Path(meterworks.__file__).parent
    assert uses_of_random(root / "trust") == []
    assert uses_of_random(root / "market") == []
    assert uses_of_random(root / "protocols") == []


@pytest.mark.requirement("SEC-126")
def test_revoked_stale_forged_and_rolled_back_is_refused():
    w = forge.world()
    chain = [w.leaf.der, w.sub.der]
    revoked = w.crls(revoked=(w.leaf.certificate.serial_number,))
    found = {
        "revoked": verdict(chain, crls=revoked),
        "missing": verdict(chain, crls=CrlStore()),
        "stale": verdict(chain, crls=w.crls(), at=NOW + timedelta(days=8)),
        "good": verdict(chain, crls=w.crls()),
    }
    assert found == {
        "revoked": Reason.REVOKED,
        "missing": Reason.CRL_MISSING,
        "stale": Reason.CRL_EXPIRED,
        "good": None,
    }
    store = w.crls()
    for octets, reason in (
        (forge.crl(w.sub, number=2, key=forge.new_key()), Reason.CRL_FORGED),
        (forge.crl(w.sub, number=0), Reason.CRL_ROLLED_BACK),
    ):
        with pytest.raises(CertificateRefused) as refused:
            store.accept(octets, w.sub.certificate, at=NOW)
        assert refused.value.reason is reason
