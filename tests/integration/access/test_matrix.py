"""Role x operation x object, through API and portal, against a table that the product does not know: no way around."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.integration.access.matrix import API, OWN_ACCOUNT, PORTAL, ROLES
from tests.integration.market.small_neighbourhood import (
    NOW,
    PASSWORD,
    START,
    Foundation,
    SmallNeighbourhood,
    lay_foundation,
    open_neighbourhood,
    prove_second_factor,
)

from meterworks.catalogue import ORGANISATION_ROLES, Role
from meterworks.market import NewUser
from meterworks.market.api import create_api
from meterworks.portal import PortalSettings, create_app
from meterworks.registry import OrganisationKind, Registration, UsagePointId

OWN = {"point": "MP0003", "device": "3"}
STRANGERS = {"point": "MP0004", "device": "4"}
CONSUMERS_OWN = {"point": "MP0001", "device": "1"}  # where `rea` lives
CONSUMERS_STRANGERS = {"point": "MP0003", "device": "3"}
REFUSED = (403, 404)
AWAY = (503, 504)  # nobody plays the head-end here


@dataclass(frozen=True)
class Person:
    """Somebody of a role, logged in, with every proof given."""

    role: Role
    organisation_id: int | None
    token: str
    client: httpx.AsyncClient


async def _party(hood: SmallNeighbourhood, number: int, role: Role) -> int:
    """An organisation that holds one role, at one metering point, admitted."""
    registry = hood.services.registry
    name, eui64 = f"Party {role.value}", f"90b3d51f3001{number:04x}"
    organisation = await registry.add_organisation(name, eui64, OrganisationKind.MARKET)
    await registry.grant_role(organisation, role, START)
    await registry.register(
        [Registration(organisation_id=organisation, usage_point_id=UsagePointId(OWN["point"]), role=role,
                      starts_at=NOW - timedelta(days=60))]
    )  # fmt: skip
    return int(organisation)


@pytest.fixture(scope="session")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foundation]:
    """What lies on disk, made once."""
    laid = asyncio.run(lay_foundation(tmp_path_factory.mktemp("foundation")))
    yield laid
    laid.warehouse.close()


@pytest.fixture
async def hood(foundation: Foundation, tmp_path: Path):
    opened = await open_neighbourhood(foundation, tmp_path)
    yield opened
    await opened.close()


PersonOf = Callable[[Role], Awaitable[Person]]


@pytest.fixture
async def person_of(hood: SmallNeighbourhood):
    """Makes a person of a role, and an app that answers them."""
    api = create_api(hood.services, replace(hood.settings, health_timeout_s=0.5))
    clients: list[httpx.AsyncClient] = []

    async def make(role: Role) -> Person:
        market = api.state.market
        organisation = None
        if role in ORGANISATION_ROLES:
            organisation = await _party(hood, ROLES.index(role), role)
            await market.admissions.admit(
                organisation, assessor="olivia", document_digest="5f" * 32, valid_until=NOW + timedelta(days=9)
            )
        name = "rea" if role is Role.CONSUMER else f"person-{role.value}"
        if role is not Role.CONSUMER:
            await market.accounts.add_user(
                NewUser(name=name, password=PASSWORD, role=role, organisation_id=organisation)
            )
        transport = httpx.ASGITransport(app=api, client=("192.0.2.9", 1234), raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://meterworks.example/api/v1")
        clients.append(client)
        token = (await client.post("/tokens", json={"user": name, "password": PASSWORD})).json()["token"]
        await prove_second_factor(market.accounts, token)
        client.headers["Authorization"] = f"Bearer {token}"
        return Person(role=role, organisation_id=organisation, token=token, client=client)

    make.api = api  # type: ignore[attr-defined]  # the test of completeness looks at its routes
    yield make
    for client in clients:
        await client.aclose()


def objects_of(role: Role) -> tuple[dict[str, str], dict[str, str]]:
    """One's own objects, and a stranger's."""
    return (CONSUMERS_OWN, CONSUMERS_STRANGERS) if role is Role.CONSUMER else (OWN, STRANGERS)


def filled(path: str, objects: dict[str, str], organisation: int | None) -> str:
    return path.format(**objects, organisation=organisation or 1)


def wrong_cells(role: Role, method: str, path: str, verdict: str, own: httpx.Response, other: httpx.Response):
    """What an operation answered that its cell does not allow."""
    where = f"{role.value}: {method} {path} ({verdict})"
    if any(answer.status_code >= 500 and answer.status_code not in AWAY for answer in (own, other)):
        yield f"{where}: server error {own.status_code}, {other.status_code}"
    if verdict == "-" and not (own.status_code in REFUSED and other.status_code in REFUSED):
        yield f"{where}: let in, {own.status_code} and {other.status_code}"
    if verdict == "A" and 403 in (own.status_code, other.status_code):
        yield f"{where}: refused, {own.status_code} and {other.status_code}"
    if verdict == "R" and own.status_code == 403:
        yield f"{where}: refused on one's own, {own.text[:120]}"
    if verdict in "Rr" and path != filled(path, {"point": "", "device": ""}, 0) and "{organisation}" not in path:
        if other.status_code not in REFUSED:
            yield f"{where}: let in on a stranger's, {other.status_code}"
    elif verdict in "Rr" and own.status_code == 200 and (strangers := foreign_names(role, own.text)):
        yield f"{where}: tells of {strangers}"


def foreign_names(role: Role, text: str) -> list[str]:
    """Metering points and parties in an answer that are not one's own."""
    known = {"MP0001", "MP0002"} if role is Role.CONSUMER else {OWN["point"]}  # `rea` moved from one to the other
    points = set(re.findall(r'"(MP000\d)"', text)) - known
    parties = {name for name in re.findall(r'"(Party [a-z_]+|Northern Power)"', text) if name != f"Party {role.value}"}
    return sorted(points | (set() if role is Role.CONSUMER else parties))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.value)
async def test_no_role_does_through_the_api_what_its_cell_refuses(person_of: PersonOf, role: Role) -> None:
    person = await person_of(role)
    own, strangers = objects_of(role)
    wrong: list[str] = []
    for method, path, verdicts in API:
        first, second = [
            await person.client.request(method, filled(path, objects, person.organisation_id))
            for objects in (own, strangers)
        ]
        wrong += wrong_cells(role, method, path, verdicts[role], first, second)
    assert wrong == []


async def test_the_table_has_a_row_for_every_operation(person_of) -> None:
    """A route that nobody thought of in the table would be checked by nobody."""
    listed = {(method, shape(path)) for method, path, _ in API}
    found = set()
    for path, operations in person_of.api.openapi()["paths"].items():
        short = path.removeprefix("/api/v1")
        if not short.startswith(OWN_ACCOUNT):
            found |= {(method.upper(), shape(short)) for method in operations}
    assert found - listed == set()
    assert listed - found == set()


def shape(path: str) -> str:
    """A path with every variable part as a star."""
    fixed = re.sub(r"\{[^}]*\}", "*", path)
    return re.sub(r"(?<=/)(nobody|none|999|1)(?=/|$)", "*", fixed)


# --- portal -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def app(hood: SmallNeighbourhood) -> FastAPI:
    return create_app(
        hood.services, hood.settings, portal_settings=PortalSettings(), session_secret=b"s" * 32, console=False
    )


def form_token(text: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', text)
    assert found is not None
    return found.group(1)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.value)
async def test_no_role_sees_a_page_that_its_cell_refuses(app: FastAPI, person_of: PersonOf, role: Role) -> None:
    person = await person_of(role)
    name = "rea" if role is Role.CONSUMER else f"person-{role.value}"
    transport = httpx.ASGITransport(app=app, client=("192.0.2.9", 1234), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://meterworks.example") as browser:
        form = {"user": name, "password": PASSWORD, "form_token": form_token((await browser.get("/login")).text)}
        assert (await browser.post("/login", data=form)).status_code == 303
        token, _, _ = browser.cookies["meterworks_session"].rpartition(".")
        await prove_second_factor(app.state.market.accounts, token)
        for method, path, verdicts in PORTAL:
            answer = await browser.request(method, path)
            verdict = verdicts[role]
            where = f"{person.role.value}: {path} ({verdict}): {answer.status_code}"
            assert answer.status_code < 500, where
            if verdict == "-":
                assert answer.status_code in (303, 307, *REFUSED), where
            elif verdict in "AR":
                assert answer.status_code == 200, where
            if verdict in "Rr" and answer.status_code == 200:
                assert not re.search("MP000[34]" if role is Role.CONSUMER else "MP000[124]", answer.text), where
