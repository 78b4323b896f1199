"""Requests that came with an organisation's certificate are kept as evidence, and shown with what proves them."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import FastAPI
from tests.integration.market.small_neighbourhood import PASSWORD, SmallNeighbourhood
from tests.integration.market.test_account import _connected
from tests.integration.system.authorities import organisation, quick_pki

from meterworks.errors import UnreachableError
from meterworks.market.api import create_api
from meterworks.system.evidence_chain import certificates_above
from meterworks.trust.audit import Evidence, MemoryAuditSink
from meterworks.trust.audit.canonical import from_canonical
from meterworks.trust.audit.evidence import EvidenceItem
from meterworks.trust.pki import PeerRole
from meterworks.trust.tls import Peer, peer_of_certificate

PARTY = "90b3d51f30000042"


@pytest.fixture
def party(tmp_path: Path) -> tuple[Peer, Path]:
    """The organisation of the neighbourhood as a listener sees it, and the folder its authorities publish in."""
    pki = quick_pki(tmp_path)
    given = organisation(pki, PARTY)
    pki.close()
    return peer_of_certificate(given.certificate.public_bytes(Encoding.DER)), tmp_path / "public"


@pytest.fixture
def api(neighbourhood: SmallNeighbourhood, party: tuple[Peer, Path]) -> FastAPI:
    """The application of a system whose authorities publish."""
    services = replace(neighbourhood.services, certificates_above=lambda der: certificates_above(party[1], der))
    return create_api(services, neighbourhood.settings)


async def kept(neighbourhood: SmallNeighbourhood, request_id: str) -> list[EvidenceItem]:
    """What the archive holds of a request."""
    archive = Evidence(neighbourhood.database, MemoryAuditSink(), clock=neighbourhood.clock)
    names = await archive.of_subject(f"request:{request_id}")
    documents = [await archive._stored(name) for name in names]
    return [EvidenceItem.from_fields(from_canonical(each)) for each in documents if each is not None]


async def test_a_request_is_kept_with_the_certificates_of_its_time(
    neighbourhood: SmallNeighbourhood, api: FastAPI, party: tuple[Peer, Path]
) -> None:
    peer, _ = party
    async with _connected(api, peer) as client:
        answer = await client.post("/devices/1/reads?purpose=settlement", json={"what": "registers"})
        looked = await client.get("/devices")
    assert (answer.status_code, looked.status_code) == (200, 200)
    (item,) = await kept(neighbourhood, answer.headers["x-request-id"])
    assert (item.kind, item.sender, item.proved_by) == ("request", "organisation:1", "mutual TLS")
    assert item.content.startswith(b"POST /api/v1/devices/1/reads?purpose=settlement\r\n")
    assert item.content.endswith(b'\r\n\r\n{"what":"registers"}')
    names = [x509.load_der_x509_certificate(each).subject.rfc4514_string() for each in item.certificates]
    wanted = [f"CN={PARTY}", "CN=organisations 1", "CN=root 1"]
    assert [any(part == each for part in name.split(",")) for name, each in zip(names, wanted, strict=True)] == [
        True
    ] * 3
    assert len(item.revocation) == 2
    assert await kept(neighbourhood, looked.headers["x-request-id"]) == [], "what is looked at is in the access log"
    audit = neighbourhood.services.audit
    assert isinstance(audit, MemoryAuditSink)
    assert audit.acts().count("evidence.kept") == 1
    assert audit.acts().index("evidence.kept") < audit.acts().index("meter.read")


async def test_nothing_is_done_of_a_request_that_cannot_be_kept(
    neighbourhood: SmallNeighbourhood, api: FastAPI, party: tuple[Peer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_arguments: object) -> None:
        raise UnreachableError("the archive does not answer")

    monkeypatch.setattr(Evidence, "keep", away)
    async with _connected(api, party[0]) as client:
        answer = await client.post("/devices/1/reads")
    assert answer.status_code == 503
    audit = neighbourhood.services.audit
    assert isinstance(audit, MemoryAuditSink)
    assert "meter.read" not in audit.acts()


async def test_a_token_that_comes_over_the_connection_is_not_kept_itself(
    neighbourhood: SmallNeighbourhood, api: FastAPI, party: tuple[Peer, Path]
) -> None:
    async with _connected(api, party[0]) as client:
        answer = await client.post("/devices/1/reads", headers={"Authorization": "Bearer secret-of-somebody"})
        assert answer.status_code == 401
        login = await client.post("/tokens", json={"user": "sam", "password": PASSWORD})
        bearer = {"Authorization": f"Bearer {login.json()['token']}"}
        answer = await client.delete("/tokens/current", headers=bearer)
    (item,) = await kept(neighbourhood, answer.headers["x-request-id"])
    assert b"authorization: ...\r\n" in item.content
    assert login.json()["token"].encode() not in item.content


def test_a_certificate_of_nobody_has_nothing_above_it(party: tuple[Peer, Path], tmp_path: Path) -> None:
    other = quick_pki(tmp_path / "other")
    stranger = other.issue_service(PeerRole.WEB).certificate.public_bytes(Encoding.DER)
    other.close()
    above = certificates_above(party[1], stranger)
    assert (list(above.chain), list(above.revocation)) == ([], [])
