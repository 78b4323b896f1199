"""Logging in and out: tokens, their end, guessing, and accounts."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from tests.integration.market.conftest import ClientOf
from tests.integration.market.small_neighbourhood import NOW, PASSWORD, START, SmallNeighbourhood

from meterworks.catalogue import Role
from meterworks.market import (
    Accounts,
    BadCredentials,
    NewUser,
    NotAuthenticated,
    RequestMalformed,
    TooManyAttempts,
    ensure_demo_accounts,
    ensure_operator,
)
from meterworks.market.attempt import Attempts


class Time:
    """Wall and monotonic time that only moves when told."""

    seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def accounts(neighbourhood: SmallNeighbourhood, time: Time) -> Accounts:
    return Accounts(neighbourhood.database, now=time.now, monotonic=time.monotonic)


@pytest.mark.parametrize("field", ["user", "username"])
async def test_a_token_is_given_for_a_password_under_either_usual_field(client_of: ClientOf, field: str) -> None:
    client = await client_of(None)
    answer = await client.post("/tokens", json={field: "olivia", "password": PASSWORD})
    assert answer.status_code == 201
    assert answer.json()["token"]


async def test_a_token_tells_whose_it_is_and_when_it_ends(client_of: ClientOf) -> None:
    client = await client_of("sam")
    answer = (await client.get("/tokens/current")).json()
    assert (answer["user"], answer["role"]) == ("sam", "supplier")
    assert datetime.fromisoformat(answer["expires_at"]) > datetime.now(UTC)


async def test_a_revoked_token_is_refused_at_once(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    assert (await client.get("/devices")).status_code == 200
    assert (await client.delete("/tokens/current")).status_code == 204
    assert (await client.get("/devices")).status_code == 401


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic b2xpdmlhOnB3", "Bearer x", "Bearer " + "x" * 5000, "bearer \x00"]
)
async def test_anything_that_is_no_token_is_refused(client_of: ClientOf, header: str) -> None:
    client = await client_of(None)
    assert (await client.get("/devices", headers={"Authorization": header})).status_code == 401


async def test_an_expired_token_is_refused_even_from_the_cache(accounts: Accounts, time: Time) -> None:
    user = await accounts.verify("olivia", PASSWORD, address="a")
    issued = await accounts.issue(user, kind="bearer", lifetime_s=10)
    assert (await accounts.resolve(issued.token)).name == "olivia"
    time.seconds = 9.0
    assert (await accounts.resolve(issued.token)).name == "olivia"
    time.seconds = 10.0
    with pytest.raises(NotAuthenticated, match="expired"):
        await accounts.resolve(issued.token)


async def test_a_session_token_is_no_bearer_token(accounts: Accounts) -> None:
    user = await accounts.verify("olivia", PASSWORD, address="a")
    issued = await accounts.issue(user, kind="session", lifetime_s=10)
    assert (await accounts.resolve(issued.token, kind="session")).name == "olivia"
    with pytest.raises(NotAuthenticated):
        await accounts.resolve(issued.token, kind="bearer")


async def test_another_process_honours_a_revoked_token_no_longer_than_its_cache(
    neighbourhood: SmallNeighbourhood, accounts: Accounts, time: Time
) -> None:
    elsewhere = Accounts(neighbourhood.database, now=time.now, monotonic=time.monotonic)
    issued = await accounts.issue(await accounts.verify("sam", PASSWORD, address="a"), kind="bearer", lifetime_s=100)
    principal = await elsewhere.resolve(issued.token)
    await accounts.revoke(principal.token_hash)
    with pytest.raises(NotAuthenticated):
        await accounts.resolve(issued.token)
    time.seconds = 6.0
    with pytest.raises(NotAuthenticated):
        await elsewhere.resolve(issued.token)


async def test_guessing_a_password_is_slowed_down_and_the_owner_elsewhere_is_not(
    accounts: Accounts, time: Time
) -> None:
    for _ in range(5):
        with pytest.raises(BadCredentials):
            await accounts.verify("olivia", "wrong password", address="192.0.2.9")
    with pytest.raises(TooManyAttempts) as caught:
        await accounts.verify("olivia", PASSWORD, address="192.0.2.9")
    assert caught.value.facts["retry_after_s"] == 21
    assert (await accounts.verify("olivia", PASSWORD, address="192.0.2.10")).name == "olivia"
    time.seconds = 21.0
    assert (await accounts.verify("olivia", PASSWORD, address="192.0.2.9")).name == "olivia"


async def test_trying_many_names_from_one_address_is_slowed_down_too(accounts: Accounts) -> None:
    outcomes = await asyncio.gather(
        *(accounts.verify(f"user{n}", "wrong password", address="192.0.2.9") for n in range(31)), return_exceptions=True
    )
    assert isinstance(outcomes[-1], TooManyAttempts)


async def test_too_many_attempts_are_429_with_retry_after(client_of: ClientOf, api: FastAPI) -> None:
    api.state.market.accounts.attempts = Attempts(monotonic=lambda: 0.0)  # nothing is regained on a slow machine
    client = await client_of(None)
    for _ in range(5):
        answer = await client.post("/tokens", json={"user": "rea", "password": "wrong password"})
        assert (answer.status_code, answer.json()["code"]) == (401, "bad-credentials")
    answer = await client.post("/tokens", json={"user": "rea", "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-attempts")
    assert 1 <= int(answer.headers["retry-after"]) <= 21


async def test_an_unknown_name_reads_like_a_wrong_password(client_of: ClientOf) -> None:
    client = await client_of(None)
    known = await client.post("/tokens", json={"user": "ben", "password": "wrong password"})
    unknown = await client.post("/tokens", json={"user": "nobody", "password": "wrong password"})
    assert known.json()["detail"] == unknown.json()["detail"]


async def test_an_account_of_the_carrier_stays_closed_until_somebody_else_approves(
    client_of: ClientOf, api: FastAPI
) -> None:
    client = await client_of("olivia")
    document = {"name": "nora", "password": "a long password", "role": "operator"}
    made = (await client.post("/users", json=document)).json()
    assert made["active"] is False
    refused = await client.post(f"/approvals/{made['approval']}/approval")
    assert (refused.status_code, refused.json()["code"]) == (403, "same-person")
    nobody = await client_of(None)
    credentials = {"user": "nora", "password": "a long password"}
    assert (await nobody.post("/tokens", json=credentials)).status_code == 401
    accounts = api.state.market.accounts
    await accounts.add_user(NewUser(name="otto", password=PASSWORD, role=Role.OPERATOR))
    other = await client_of("otto")
    approved = await other.post(f"/approvals/{made['approval']}/approval")
    assert approved.json()["state"] == "approved"
    assert (await nobody.post("/tokens", json=credentials)).status_code == 201


async def test_the_operator_makes_and_closes_accounts(client_of: ClientOf, api: FastAPI) -> None:
    client = await client_of("olivia")
    document = {"name": "nora", "password": "a long password", "role": "consumer", "consumer_id": 1}
    assert (await client.post("/users", json=document)).status_code == 201
    again = await client.post("/users", json=document)
    assert (again.status_code, again.json()["code"]) == (409, "account-exists")
    names = [user["name"] for user in (await client.get("/users")).json()["users"]]
    assert "nora" in names
    transport = httpx.ASGITransport(app=api)
    async with httpx.AsyncClient(transport=transport, base_url="http://m.example/api/v1") as nora:
        token = (await nora.post("/tokens", json={"user": "nora", "password": "a long password"})).json()["token"]
        nora.headers["Authorization"] = f"Bearer {token}"
        assert (await nora.get("/devices")).status_code == 200
        assert (await client.delete("/users/nora")).status_code == 204
        assert (await nora.get("/devices")).status_code == 401
        refused = await nora.post("/tokens", json={"user": "nora", "password": "a long password"})
        assert refused.status_code == 401
    assert (await client.delete("/users/nobody")).status_code == 404


@pytest.mark.parametrize(
    "values",
    [
        {"name": "", "password": "long enough pw", "role": Role.OPERATOR},
        {"name": "a\x00", "password": "long enough pw", "role": Role.OPERATOR},
        {"name": "\ud800", "password": "long enough pw", "role": Role.OPERATOR},
        {"name": "a", "password": "short", "role": Role.OPERATOR},
        {"name": "a", "password": "long enough pw", "role": Role.SUPPLIER},
        {"name": "a", "password": "long enough pw", "role": Role.CONSUMER},
        {"name": "a", "password": "long enough pw", "role": Role.OPERATOR, "organisation_id": 1},
    ],
)
def test_an_account_that_makes_no_sense_cannot_be_built(values: dict[str, object]) -> None:
    with pytest.raises(RequestMalformed):
        NewUser(**values)  # type: ignore[arg-type]


async def test_users_come_in_pages(accounts: Accounts) -> None:
    assert [user.name for user in await accounts.users(limit=2)] == ["ben", "olivia"]
    assert [user.name for user in await accounts.users(after="olivia", limit=5)] == ["rea", "sam"]


async def test_first_start_makes_the_operator_once(neighbourhood: SmallNeighbourhood) -> None:
    assert await ensure_operator(neighbourhood.database) is None
    async with neighbourhood.database.transaction() as connection:
        await connection.exec_driver_sql("DELETE FROM market_user")
    password = await ensure_operator(neighbourhood.database)
    assert password is not None
    assert await ensure_operator(neighbourhood.database) is None
    user = await Accounts(neighbourhood.database).verify("operator", password, address="a")
    assert user.role is Role.OPERATOR


async def test_demo_accounts_are_made_once_with_their_rights(neighbourhood: SmallNeighbourhood) -> None:
    registry = neighbourhood.services.registry
    assert await ensure_demo_accounts(neighbourhood.database, registry, now=NOW, since=START) == []
    async with neighbourhood.database.transaction() as connection:
        for table in ("market_user", "registry_registration", "registry_occupancy"):
            await connection.exec_driver_sql(f"DELETE FROM {table}")
    made = await ensure_demo_accounts(neighbourhood.database, registry, now=NOW, since=START)
    assert [credential.role for credential in made] == [Role.SUPPLIER, Role.CONSUMER]
    assert await ensure_demo_accounts(neighbourhood.database, registry, now=NOW, since=START) == []
    registrations = await registry.registrations()
    assert {entry.usage_point_id for entry in registrations} == {"MP0001", "MP0003"}
    assert [entry.usage_point_id for entry in await registry.occupancies()] == ["MP0001"]
