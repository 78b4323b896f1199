"""Random and mutated requests never make the API fail: every answer is below 500 and every refusal a problem."""

import asyncio
import json
import string
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.market.small_neighbourhood import PASSWORD, Foundation, open_neighbourhood, prove_second_factor

from meterworks.market.api import create_api

pytestmark = pytest.mark.filterwarnings("error")

ROUTES = [
    "/api/v1/account/factors", "/api/v1/account/factors/totp", "/api/v1/account/factors/totp/confirmation",
    "/api/v1/account/factors/{factor_id}", "/api/v1/account/password", "/api/v1/account/proofs",
    "/api/v1/account/recovery-codes", "/api/v1/account/tokens", "/api/v1/account/tokens/{token_id}",
    "/api/v1/approvals", "/api/v1/approvals/{number}/approval", "/api/v1/approvals/{number}/end",
    "/api/v1/approvals/{number}/refusal", "/api/v1/audit/hours", "/api/v1/audit/records",
    "/api/v1/audit/records/{record}/proof", "/api/v1/break-glass", "/api/v1/channels", "/api/v1/collection/missing",
    "/api/v1/collection/runs", "/api/v1/collection/sessions", "/api/v1/collection/summary",
    "/api/v1/consent-proposals", "/api/v1/consents", "/api/v1/consents/{reference}",
    "/api/v1/consents/{reference}/confirmation", "/api/v1/consumers", "/api/v1/consumers/{consumer}/data",
    "/api/v1/consumers/{consumer}/erasure", "/api/v1/devices", "/api/v1/devices/{device_id}",
    "/api/v1/devices/{device_id}/events", "/api/v1/devices/{device_id}/keys", "/api/v1/devices/{device_id}/last",
    "/api/v1/devices/{device_id}/readings", "/api/v1/devices/{device_id}/reads",
    "/api/v1/devices/{device_id}/release", "/api/v1/devices/{device_id}/sessions", "/api/v1/events", "/api/v1/health",
    "/api/v1/installations", "/api/v1/key-campaigns", "/api/v1/key-campaigns/{campaign_id}", "/api/v1/load",
    "/api/v1/metering-points", "/api/v1/metering-points/{metering_point:path}",
    "/api/v1/metering-points/{metering_point:path}/accesses", "/api/v1/metering-points/{metering_point:path}/last",
    "/api/v1/metering-points/{metering_point:path}/readings", "/api/v1/occupancies", "/api/v1/openapi.json",
    "/api/v1/organisations", "/api/v1/organisations/{number}/admissions", "/api/v1/organisations/{number}/suspension",
    "/api/v1/own-data", "/api/v1/own-data/erasure", "/api/v1/privacy/deletions", "/api/v1/privacy/erasures",
    "/api/v1/privacy/holds", "/api/v1/privacy/holds/{hold}", "/api/v1/privacy/register", "/api/v1/purposes",
    "/api/v1/registrations", "/api/v1/role-grants", "/api/v1/shipments", "/api/v1/tokens", "/api/v1/tokens/current",
    "/api/v1/users", "/api/v1/users/{name}", "/api/v1/users/{name}/factors", "/metrics",
]  # fmt: skip

nasty = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", "0", "-1", "1", "MP0001", "12", "9" * 30, "1e9", "NaN", "null", "true", "\x00", "%00", "../..",
                     "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", "day", "month", "Europe/London", "' OR 1=1 --"]),
)  # fmt: skip
names = st.sampled_from(
    ["from", "to", "as_of", "channel", "resolution", "tz", "limit", "cursor", "purpose", "after", "before", "search",
     "state", "device", "metering_point", "severity", "interval", "organisation", "medium"]
)  # fmt: skip
header_text = st.text(alphabet=string.ascii_letters + string.digits + string.punctuation + " ", max_size=60)
keys = st.sampled_from(["name", "user", "password", "role", "from", "to", "keys", "identity", "metering_point"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)
bodies = st.one_of(st.binary(max_size=200), json_values.map(lambda value: json.dumps(value).encode()))


def check_answer(answer: httpx.Response) -> None:
    assert answer.status_code < 500 or answer.status_code == 504, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"code", "detail", "request_id", "status"} <= set(answer.json())


@pytest.fixture(scope="module")
def anyone(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the neighbourhoods of this module."""
    return tmp_path_factory.mktemp("hostile")


class Arena:
    """One application in one loop, kept for all examples."""

    def __init__(self, foundation: Foundation, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.neighbourhood = self.runner.run(open_neighbourhood(foundation, folder))
        self.app: FastAPI = create_api(self.neighbourhood.services, self.neighbourhood.settings)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://m.example")
        self.headers = {}
        for user in ("olivia", "sam", "rea"):
            answer = self.ask("POST", "/api/v1/tokens", json={"user": user, "password": PASSWORD})
            self.headers[user] = f"Bearer {answer.json()['token']}"
            self.runner.run(prove_second_factor(self.app.state.market.accounts, answer.json()["token"]))

    def ask(self, method: str, url: str, **options: object) -> httpx.Response:
        return self.runner.run(self.client.request(method, url, **options))  # type: ignore[arg-type]  # passed on

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.run(self.neighbourhood.close())
        self.runner.close()


@pytest.fixture(scope="module")
def arena(foundation: Foundation, anyone: Path) -> AsyncIterator[Arena]:
    made = Arena(foundation, anyone)
    yield made  # type: ignore[misc]  # a plain generator fixture
    made.close()


def test_the_list_of_routes_is_whole(arena: Arena) -> None:
    assert set(ROUTES) == {route.path for route in iter_route_contexts(arena.app.routes)}


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "GET", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]),
    route=st.sampled_from(ROUTES),
    parts=st.tuples(nasty, nasty, nasty),
    query=st.lists(st.tuples(names, nasty), max_size=4),
    user=st.sampled_from([None, "olivia", "sam", "rea"]),
    accept=header_text,
    body=bodies,
)
def test_mutated_requests_are_answered(
    arena: Arena,
    method: str,
    route: str,
    parts: tuple[str, str, str],
    query: list[tuple[str, str]],
    user: str | None,
    accept: str,
    body: bytes,
) -> None:
    path = route
    for name, part in zip(("{name}", "{device_id}", "{metering_point:path}"), parts, strict=True):
        path = path.replace(name, quote(part))
    headers = {"Accept": accept.encode(), "Content-Type": b"application/json"}
    ends_itself = route.endswith(
        ("/current", "/account/tokens/{token_id}", "/users/{name}", "/suspension", "/password")
    )
    if user is not None and not ends_itself:
        headers["Authorization"] = arena.headers[user].encode()
    answer = arena.ask(method, path, params=query, headers=headers, content=body)
    if method != "HEAD":
        check_answer(answer)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.text(max_size=80), header=header_text, token=st.text(alphabet=string.printable[:94], max_size=80))
def test_random_paths_and_headers_are_answered(arena: Arena, path: str, header: str, token: str) -> None:
    url = f"http://m.example/{quote(path)}"
    headers = {
        "Authorization": f"Bearer {token}".encode(),
        "X-Request-ID": header.encode(),
        "Accept-Encoding": header.encode(),
    }
    check_answer(arena.ask("GET", url, headers=headers))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), form=st.sampled_from(["text/csv", "application/json", "application/xml"]))
def test_random_shipments_are_answered(arena: Arena, content: bytes, form: str) -> None:
    headers = {"Authorization": arena.headers["olivia"], "Content-Type": form, "X-Transport-Key": "00" * 16}
    check_answer(arena.ask("POST", "/api/v1/shipments", headers=headers, content=content))
