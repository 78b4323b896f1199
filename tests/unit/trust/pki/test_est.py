"""The enrolment core without a socket: what it answers to whom, and that it refuses without falling over."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from tests.unit.trust.pki.forge import new_key

from meterworks.trust.pki import (
    EnrolmentPlan,
    EstRequest,
    EstResponse,
    EstService,
    PeerRole,
    Provisioning,
    certificate_identity,
    certificates_of,
    certification_request,
    make_device_credentials,
)


def now():
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def service(pki):
    return EstService(pki, Provisioning(pki.ledger), maker_anchors=pki.maker_anchors)


def asked(operation: str, *, method: str = "POST", csr: bytes = b"", **more) -> EstRequest:
    fields = {"body": base64.encodebytes(csr), "content_type": "application/pkcs10", **more}
    return EstRequest(method=method, path=f"/.well-known/est/{operation}", **fields)


def refused(service: EstService, request: EstRequest) -> EstResponse:
    answer = service.prepare(request, now=now())
    assert isinstance(answer, EstResponse)
    assert answer.status >= 400
    return answer


def test_the_authorities_are_for_everybody(service, pki):
    answer = service.prepare(asked("cacerts", method="GET"), now=now())
    found = certificates_of(answer.body)
    assert set(pki.anchors) <= set(found)
    assert not set(pki.maker_anchors) & set(found)


@pytest.mark.parametrize(("label", "curve"), [("", "P-256"), ("dlms-2-tls/", "P-384")])
def test_a_client_is_told_which_key_to_make(service, label, curve):
    answer = service.prepare(asked(f"{label}csrattrs", method="GET"), now=now())
    oid = {"P-256": "06082a8648ce3d030107", "P-384": "06052b81040022"}[curve]
    assert bytes.fromhex(oid) in base64.b64decode(answer.body)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (asked("serverkeygen"), 403),
        (asked("simpleenroll", method="GET"), 405),
        (asked("nothing"), 404),
        (EstRequest(method="GET", path="/"), 404),
        (asked("simpleenroll", body=bytes(20_000)), 413),
        (asked("simpleenroll", content_type="text/plain"), 400),
        (asked("simpleenroll", body=b"!"), 400),
        (asked("simpleenroll", csr=b"\x30\x00"), 400),
        (asked("simpleenroll", csr=certification_request(new_key())), 401),
        (asked("simplereenroll", csr=certification_request(new_key())), 401),
        (asked("root/simpleenroll", csr=certification_request(new_key())), 400),
        (asked("tls-service/simpleenroll", csr=certification_request(new_key()), authorization="Basic !"), 400),
        (asked("simpleenroll", csr=certification_request(new_key()), authorization="Bearer x"), 400),
        (asked("simpleenroll", csr=certification_request(new_key()), authorization="Basic eDp5"), 403),
        (asked("simplereenroll", csr=certification_request(new_key()), peer=(b"no certificate",)), 403),
    ],
)
def test_a_request_that_is_wrong_is_answered_by_what_is_wrong(service, request_, status):
    assert refused(service, request_).status == status


def test_a_certificate_of_another_pki_renews_nothing(service):
    from tests.unit.trust.pki.forge import world

    request = asked(
        "simplereenroll", csr=certification_request(new_key(), world().leaf.certificate), peer=(world().leaf.der,)
    )
    answer = refused(service, request)
    assert answer.status == 403


def test_a_service_is_planned_first_and_certified_then(service, pki):
    held = pki.issue_service(PeerRole.WRITER).certificate
    before = len(pki.ledger.certificates(identity="writer"))
    key = new_key()
    request = asked("simplereenroll", csr=certification_request(key, held), peer=(held.public_bytes(Encoding.DER),))
    plan = service.prepare(request, now=now())
    assert isinstance(plan, EnrolmentPlan)
    assert (plan.identity, plan.profile, plan.first) == ("writer", "tls-service", False)
    assert len(pki.ledger.certificates(identity="writer")) == before
    answer = service.complete(plan, now=now())
    made = next(entry for entry in certificates_of(answer.body) if entry.public_key() == key.public_key())
    assert certificate_identity(made) == "writer"
    assert made.subject == held.subject


def test_an_organisation_enrols_with_its_token_once(service, pki):
    identity = "90b3d51f30020000"
    token = Provisioning(pki.ledger).new_token(identity)
    basic = "Basic " + base64.b64encode(f"{identity}:{token}".encode()).decode()
    request = asked("tls-client/simpleenroll", csr=certification_request(new_key(), name=identity), authorization=basic)
    plan = service.prepare(request, now=now())
    assert isinstance(plan, EnrolmentPlan)
    assert plan.subject.role is PeerRole.ORGANISATION
    assert service.complete(plan, now=now()).status == 200
    again = service.prepare(request, now=now())
    assert isinstance(again, EnrolmentPlan)
    answer = service.complete(again, now=now())
    assert (answer.status, answer.identity) == (403, identity)


def test_a_makers_certificate_of_an_unknown_device_opens_nothing(service, pki):
    made = make_device_credentials(pki.authority("maker"), ["4d575200000000aa"])[0]
    request = asked("simpleenroll", csr=certification_request(new_key()), peer=(made.certificates["dlms-1-tls"],))
    answer = refused(service, request)
    assert "no shipment" in answer.cause


def test_a_shipment_of_devices_has_a_key_each(pki):
    identities = [f"4d5752000001{place:04x}" for place in range(40)]
    made = make_device_credentials(pki.authority("maker"), identities, profiles=("dlms-1-signature", "dlms-1-tls"))
    keys = [key for entry in made for key in entry.keys.values()]
    assert len(set(keys)) == 80
    assert [entry.identity for entry in made] == identities
    assert isinstance(load_der_private_key(keys[0], None), ec.EllipticCurvePrivateKey)
    assert keys[0].hex() not in repr(made[0])
