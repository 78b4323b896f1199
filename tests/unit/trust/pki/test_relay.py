"""What the head-end may have certified for meters, and what it may not."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.trust.pki import (
    EnrolmentPlan,
    EstRequest,
    EstResponse,
    EstService,
    PeerRole,
    Provisioning,
    certificate_role,
    certificates_of,
    peer_uri,
)

METER, OURS = "4d57530000000007", "4d57520000000001"


def now():
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def service(pki):
    return EstService(pki, Provisioning(pki.ledger), maker_anchors=pki.maker_anchors)


@pytest.fixture(scope="module")
def headend(pki):
    """The head-end's own certificate, as its TLS shows it."""
    return pki.issue_service(PeerRole.HEADEND).certificate


def request_for(name, key=None, *, uri=None):
    builder = x509.CertificateSigningRequestBuilder(
        subject_name=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)] if name else [])
    )
    if uri is not None:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False
        )
    return builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)


def asked(service, csr, peer, *, profile="dlms-1-signature"):
    return service.prepare(
        EstRequest(
            method="POST", path=f"/.well-known/est/{profile}/simpleenroll", body=base64.encodebytes(csr),
            content_type="application/pkcs10", peer=(peer.public_bytes(Encoding.DER),),
        ),
        now=now(),
    )  # fmt: skip


def certified(service, plan):
    assert isinstance(plan, EnrolmentPlan)
    answer = service.complete(plan, now=now())
    assert answer.status == 200
    (made,) = [each for each in certificates_of(answer.body) if each.public_key() == plan.key]
    return made


@pytest.mark.parametrize("profile", ["dlms-1-signature", "dlms-1-agreement", "dlms-1-tls"])
def test_the_head_end_has_keys_of_meters_certified(service, headend, profile):
    key = ec.generate_private_key(ec.SECP256R1())
    made = certified(service, asked(service, request_for(METER.upper(), key), headend, profile=profile))
    assert certificate_role(made) is PeerRole.DEVICE
    assert made.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == METER


def test_the_same_request_again_gives_the_same_certificate(service, headend):
    csr = request_for(METER)
    first, second = (certified(service, asked(service, csr, headend)) for _ in range(2))
    assert first == second
    other = certified(service, asked(service, request_for(METER), headend))
    assert other.public_key() != first.public_key()


def test_a_key_of_one_meter_is_not_certified_for_another(service, headend):
    key = ec.generate_private_key(ec.SECP256R1())
    certified(service, asked(service, request_for(METER, key), headend))
    plan = asked(service, request_for("4d57530000000008", key), headend)
    assert isinstance(plan, EnrolmentPlan)
    assert service.complete(plan, now=now()).status == 403


def test_the_head_end_may_sign_in_its_own_name(service, headend):
    csr = request_for(OURS, uri=peer_uri(PeerRole.HEADEND, OURS))
    assert certificate_role(certified(service, asked(service, csr, headend))) is PeerRole.HEADEND


@pytest.mark.parametrize(
    ("csr", "profile"),
    [
        (request_for(OURS, uri=peer_uri(PeerRole.HEADEND, OURS)), "dlms-1-tls"),
        (request_for(OURS, uri=peer_uri(PeerRole.PKI, OURS)), "dlms-1-signature"),
        (request_for(METER, uri=peer_uri(PeerRole.ORGANISATION, METER)), "dlms-1-signature"),
        (request_for(METER), "tls-client"),
        (request_for("headend"), "dlms-1-signature"),
        (request_for(""), "dlms-1-signature"),
    ],
    ids=["own-tls", "another-process", "a-party", "a-partys-profile", "no-title", "no-name"],
)
def test_it_may_ask_for_nobody_else(service, headend, csr, profile):
    answer = asked(service, csr, headend, profile=profile)
    assert isinstance(answer, EstResponse)
    assert answer.status == 403


@pytest.mark.parametrize("role", [PeerRole.WRITER, PeerRole.WEB, PeerRole.FLEET])
def test_no_other_process_may_ask_for_meters(service, pki, role):
    answer = asked(service, request_for(METER), pki.issue_service(role).certificate)
    assert isinstance(answer, EstResponse)
    assert answer.status == 403


def test_a_certificate_that_only_names_the_head_end_opens_nothing(service, pki):
    from meterworks.trust.pki import CertificateSubject

    key = ec.generate_private_key(ec.SECP256R1())
    subject = CertificateSubject(identity="headend", role=PeerRole.HEADEND)
    false = pki.authority("organisations").issue("tls-client", subject, key.public_key())
    answer = asked(service, request_for(METER), false)
    assert isinstance(answer, EstResponse)
    assert answer.status == 403


def test_a_revoked_head_end_opens_nothing(service, pki):
    revoked = pki.issue_service(PeerRole.HEADEND).certificate
    pki.authority("services").revoke(revoked, "keyCompromise")
    answer = asked(service, request_for(METER), revoked)
    assert isinstance(answer, EstResponse)
    assert answer.status == 403
