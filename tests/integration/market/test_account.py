"""One's own account through the API: enrolling, proving again, API tokens, and what each opens."""

import httpx
import pyotp
import pytest
from fastapi import FastAPI
from tests.integration.market.conftest import ClientOf
from tests.integration.market.small_neighbourhood import PASSWORD

from meterworks.market.api.gate import PEER_EXTENSION
from meterworks.trust.pki import PeerRole
from meterworks.trust.tls import Peer

DEVICE = {
    "identity": "4d57450000000077",
    "serial": "S0077",
    "manufacturer": "MWE",
    "model": "MW-1P",
    "firmware": "1.0.0",
    "address": "127.16.9.9:4059",
    "phases": 1,
}


async def password_only(client_of: ClientOf, user: str = "olivia") -> httpx.AsyncClient:
    """A client that has proven a password."""
    client = await client_of(None)
    answer = await client.post("/tokens", json={"user": user, "password": PASSWORD})
    client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    return client


async def test_an_operator_looks_by_password_and_acts_after_enrolling(client_of: ClientOf) -> None:
    client = await password_only(client_of)
    assert (await client.get("/devices")).status_code == 200
    refused = await client.post("/devices", json=DEVICE)
    assert (refused.status_code, refused.json()["code"]) == (403, "second-factor-needed")
    offered = (await client.post("/account/factors/totp")).json()
    otp = pyotp.TOTP(offered["secret"])
    wrong = await client.post("/account/factors/totp/confirmation", json={"code": "000000"})
    assert wrong.json()["code"] == "factor-refused"
    confirmed = await client.post("/account/factors/totp/confirmation", json={"code": otp.now()})
    codes = confirmed.json()["recovery_codes"]
    assert len(codes) == 8
    assert (await client.post("/devices", json=DEVICE)).status_code == 201
    nobody = await client_of(None)
    by_password = await nobody.post("/tokens", json={"user": "olivia", "password": PASSWORD})
    again = await nobody.post("/tokens", json={"user": "olivia", "password": PASSWORD, "code": otp.now()})
    assert (by_password.status_code, again.status_code) == (401, 401), "no factor, and a code that was taken"
    by_code = {"user": "olivia", "password": PASSWORD, "code": codes[0]}
    assert (await nobody.post("/tokens", json=by_code)).status_code == 201
    assert (await nobody.post("/tokens", json=by_code)).status_code == 401, "a recovery code opens once"
    shown = (await client.get("/account/factors")).json()
    assert [factor["kind"] for factor in shown["factors"]] == ["totp"]
    assert shown["recovery_codes_left"] == 7


async def test_an_api_token_does_its_scopes_and_proves_nothing(client_of: ClientOf) -> None:
    owner = await client_of("olivia")
    wanted = {"name": "nightly", "scopes": ["device.read", "meter.read-now"]}
    made = await owner.post("/account/tokens", json=wanted)
    assert made.status_code == 201, made.text
    program = await client_of(None)
    program.headers["Authorization"] = f"Bearer {made.json()['token']}"
    assert (await program.get("/devices")).status_code == 200
    assert (await program.post("/devices/1/reads")).status_code == 200
    for path, body in (("/devices", DEVICE), ("/account/tokens", wanted), ("/account/proofs", {"code": "000000"})):
        assert (await program.post(path, json=body)).status_code == 403, path
    listed = (await owner.get("/account/tokens")).json()["tokens"]
    (entry,) = [token for token in listed if token["kind"] == "api"]
    assert (entry["name"], entry["scopes"], entry["bound"]) == ("nightly", ["device.read", "meter.read-now"], False)
    assert "token" not in entry
    assert (await owner.delete(f"/account/tokens/{entry['id']}")).status_code == 204
    assert (await program.get("/devices")).status_code == 401
    assert (await owner.delete(f"/account/tokens/{entry['id']}")).status_code == 404


@pytest.mark.parametrize("scopes", [["device.import"], ["collection.read"], ["nothing.at-all"], []])
async def test_a_token_is_made_for_what_its_owner_may_do_and_nothing_dangerous(
    client_of: ClientOf, scopes: list[str]
) -> None:
    owner = await client_of("sam")
    assert (await owner.post("/account/tokens", json={"name": "x", "scopes": scopes})).status_code == 422


async def test_a_suspended_party_is_refused_at_once_and_admitted_again(client_of: ClientOf) -> None:
    operator, supplier = await client_of("olivia"), await client_of("sam")
    assert (await supplier.get("/devices")).status_code == 200
    assert (await operator.post("/organisations/1/suspension", json={"reason": "keys were lost"})).status_code == 204
    refused = await supplier.get("/devices")
    assert (refused.status_code, refused.json()["code"]) == (403, "organisation-suspended")
    assessment = {"document_digest": "5f" * 32, "valid_until": "2027-01-01T00:00:00Z"}
    assert (await operator.post("/organisations/1/admissions", json=assessment)).status_code == 201
    assert (await supplier.get("/devices")).status_code == 200
    history = (await supplier.get("/organisations/1/admissions")).json()["admissions"]
    assert [each["valid_until"] is None for each in history] == [False, True, False]
    assert (await supplier.get("/organisations/2/admissions")).status_code == 404


# --- certificates -------------------------------------------------------------------------------------------------


def _peer(identity: str, role: PeerRole = PeerRole.ORGANISATION, der: bytes = b"certificate") -> Peer:
    return Peer(role=role, identity=identity, serial_number=1, issuer=b"", certificate_der=der)


def _connected(api: FastAPI, peer: Peer) -> httpx.AsyncClient:
    """A client whose connection's certificate the listener took."""

    async def app(scope, receive, send):
        if scope["type"] == "http":
            scope = {**scope, "extensions": {PEER_EXTENSION: peer}}
        await api(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://meterworks.example/api/v1")


async def test_a_certificate_speaks_for_its_organisation_and_no_other(api: FastAPI) -> None:
    async with _connected(api, _peer("90b3d51f30000042")) as party:
        listed = (await party.get("/devices")).json()["devices"]
        assert [device["id"] for device in listed] == [1, 2]
        assert (await party.get("/devices", headers={"Meterworks-Role": "network_operator"})).status_code == 401
        assert (await party.get("/users")).status_code == 403
    for stranger in (_peer("90b3d51f30000099"), _peer("90b3d51f30000042", PeerRole.DEVICE)):
        async with _connected(api, stranger) as party:
            assert (await party.get("/devices")).status_code == 401


async def test_a_bound_token_works_over_its_own_certificate_only(api: FastAPI, client_of: ClientOf) -> None:
    owner = await client_of("sam")
    authorization = {"Authorization": owner.headers["Authorization"]}
    document = {"name": "bound", "scopes": ["device.read"], "bind": True}
    assert (await owner.post("/account/tokens", json=document)).status_code == 422, "no certificate here"
    async with _connected(api, _peer("90b3d51f30000042")) as party:
        made = (await party.post("/account/tokens", json=document, headers=authorization)).json()
        bearer = {"Authorization": f"Bearer {made['token']}"}
        assert (await party.get("/devices", headers=bearer)).status_code == 200
    assert (await (await client_of(None)).get("/devices", headers=bearer)).status_code == 401
    async with _connected(api, _peer("90b3d51f30000042", der=b"another")) as party:
        assert (await party.get("/devices", headers=bearer)).status_code == 401


async def test_what_is_left_of_a_clients_share_stands_in_each_answer(client_of: ClientOf) -> None:
    answer = await (await client_of("sam")).get("/devices")
    assert answer.headers["ratelimit-policy"] == '"requests";q=5000;w=25'
    assert answer.headers["ratelimit"].startswith('"requests";r=49')
