"""Who may do what, and see whose: every route has a gate, every role its reach, every access its entry in the log."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from tests.integration.market.conftest import ClientOf
from tests.integration.market.small_neighbourhood import MOVED_AT, NOW, SmallNeighbourhood

from meterworks.catalogue import PERMISSIONS
from meterworks.market.api import Gate, Public

PUBLIC_ROUTES = {("GET", "/api/v1/health"), ("POST", "/api/v1/tokens"), ("GET", "/api/v1/openapi.json")}


def _dependencies(dependant: Dependant) -> list[object]:
    found: list[object] = []
    for inner in dependant.dependencies:
        found += [inner.call, *_dependencies(inner)]
    return found


def _routes(api: FastAPI) -> list[RouteContext]:
    routes = list(iter_route_contexts(api.routes))
    assert len(routes) > 30
    assert all(isinstance(route.original_route, APIRoute) for route in routes), "any other kind would pass no gate"
    return routes


def _filled(path: str | None) -> str:
    assert path is not None
    return path.replace("{metering_point:path}", "MP0001").replace("{device_id}", "1").replace("{name}", "nobody")


async def test_every_route_has_exactly_one_gate(api: FastAPI) -> None:
    for route in _routes(api):
        calls = _dependencies(route.dependant)
        gates = [call for call in calls if isinstance(call, Gate)]
        public = any(isinstance(call, Public) for call in calls)
        methods = [(method, route.path) for method in route.methods or ()]
        assert public == all(entry in PUBLIC_ROUTES for entry in methods), route.path
        assert len(gates) == (0 if public else 1), route.path
        assert all(gate.action in PERMISSIONS for gate in gates)


async def test_no_route_but_the_public_ones_answers_without_a_token(api: FastAPI, client_of: ClientOf) -> None:
    client = await client_of(None)
    for route in _routes(api):
        for method in route.methods or ():
            if (method, route.path) in PUBLIC_ROUTES:
                continue
            answer = await client.request(method, f"http://meterworks.example{_filled(route.path)}")
            assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated"), route.path
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("user", ["sam", "rea"])
async def test_a_role_is_refused_what_its_row_does_not_grant(api: FastAPI, client_of: ClientOf, user: str) -> None:
    client = await client_of(user)
    role = {"sam": "supplier", "rea": "consumer"}[user]
    for route in _routes(api):
        gate = next((call for call in _dependencies(route.dependant) if isinstance(call, Gate)), None)
        if gate is None or route.path == "/api/v1/tokens/current":
            continue
        for method in route.methods or ():
            answer = await client.request(method, f"http://meterworks.example{_filled(route.path)}")
            granted = any(each.value == role for each in PERMISSIONS[gate.action].reaches)
            assert (answer.status_code == 403) == (not granted), (method, route.path, answer.text)


# --- data scope ---------------------------------------------------------------------------------------------------


def _span(answer: httpx.Response) -> tuple[str, str] | None:
    readings = answer.json()["series"][0]["readings"]
    return (readings[0]["start"], readings[-1]["start"]) if readings else None


def _year(point: str) -> tuple[str, dict[str, str]]:
    query = {"channel": "12", "from": "2025-11-01T00:00:00Z", "to": "2026-11-21T12:00:00Z"}
    return f"/metering-points/{point}/readings", query


async def test_a_supplier_sees_only_what_it_is_registered_for_while_it_is(client_of: ClientOf) -> None:
    client = await client_of("sam")
    expected = {
        "MP0001": ("2025-11-01T00:00:00Z", "2026-11-21T11:30:00Z"),
        "MP0003": ("2026-06-01T00:00:00Z", "2026-06-30T23:30:00Z"),
    }
    for point, span in expected.items():
        path, query = _year(point)
        assert _span(await client.get(path, params=query)) == span
    path, query = _year("MP0004")
    assert (await client.get(path, params=query)).status_code == 404


async def test_what_lies_outside_a_registration_is_not_found_at_all(client_of: ClientOf) -> None:
    client = await client_of("sam")
    answer = await client.get(
        "/metering-points/MP0003/readings", params={"from": "2026-07-01T00:00:00Z", "to": "2026-08-01T00:00:00Z"}
    )
    unknown = await client.get("/metering-points/MP0777/readings")
    assert (
        (answer.status_code, answer.json()["code"])
        == (unknown.status_code, unknown.json()["code"])
        == (404, "not-found")
    )


async def test_a_device_is_seen_through_its_metering_point(client_of: ClientOf) -> None:
    client = await client_of("sam")
    query = {"channel": "12", "from": "2025-11-01T00:00:00Z", "to": "2026-11-21T12:00:00Z"}
    answer = await client.get("/devices/3/readings", params=query)
    assert _span(answer) == ("2026-06-01T00:00:00Z", "2026-06-30T23:30:00Z")
    assert (await client.get("/devices/4/readings", params=query)).status_code == 404
    assert (await client.get("/devices/3")).status_code == 404, "the registration is over"
    listed = (await client.get("/devices")).json()["devices"]
    assert [device["id"] for device in listed] == [1, 2]


@pytest.mark.parametrize(
    ("user", "point", "first", "last"),
    [
        ("rea", "MP0001", "2026-03-01T00:00:00Z", "2026-11-21T11:30:00Z"),
        ("rea", "MP0002", "2025-11-01T00:00:00Z", "2026-02-28T23:30:00Z"),
        ("ben", "MP0001", "2025-11-01T00:00:00Z", "2026-02-28T23:30:00Z"),
    ],
)
async def test_a_consumer_sees_only_the_time_they_lived_there(
    client_of: ClientOf, user: str, point: str, first: str, last: str
) -> None:
    path, query = _year(point)
    client = await client_of(user)
    assert _span(await client.get(path, params=query)) == (first, last)
    assert (await client.get("/metering-points/MP0003/readings", params=query)).status_code == 404


async def test_a_consumer_lists_only_where_they_live_now(client_of: ClientOf) -> None:
    client = await client_of("rea")
    assert [p["id"] for p in (await client.get("/metering-points")).json()["metering_points"]] == ["MP0001"]
    assert [d["id"] for d in (await client.get("/devices")).json()["devices"]] == [1]
    assert (await client.get("/metering-points/MP0002")).status_code == 404
    assert (await client.get("/devices/2/last")).status_code == 404
    assert (await client.get("/consumers")).json()["consumers"][0]["name"] == "A. Reader"


async def test_a_page_of_a_clipped_series_never_leads_outside(client_of: ClientOf) -> None:
    client = await client_of("rea")
    _, query = _year("MP0001")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = {**query, "limit": "5000"} | ({"cursor": cursor} if cursor else {})
        answer = (await client.get("/metering-points/MP0001/readings", params=page)).json()
        seen += [reading["start"] for reading in answer["series"][0]["readings"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert seen[0] == MOVED_AT.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(seen) == len(set(seen)) == int((NOW - MOVED_AT) / timedelta(minutes=30))


async def test_sums_by_day_hold_nothing_from_outside(client_of: ClientOf) -> None:
    client = await client_of("ben")
    query = {
        "channel": "12",
        "resolution": "month",
        "tz": "UTC",
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-06-01T00:00:00Z",
    }
    rows = (await client.get("/metering-points/MP0001/readings", params=query)).json()["series"][0]["readings"]
    assert [row["local_date"] for row in rows] == ["2026-01-01", "2026-02-01"]


async def test_an_organisation_sees_itself_and_its_registrations(client_of: ClientOf) -> None:
    client = await client_of("sam")
    assert [o["name"] for o in (await client.get("/organisations")).json()["organisations"]] == ["Northern Power"]
    found = (await client.get("/registrations", params={"organisation": "77"})).json()["registrations"]
    assert {entry["metering_point"] for entry in found} == {"MP0001", "MP0002", "MP0003"}


# --- the access log -----------------------------------------------------------------------------------------------


async def test_every_access_is_logged_and_the_consumer_can_see_it(client_of: ClientOf) -> None:
    supplier, consumer, operator = await client_of("sam"), await client_of("rea"), await client_of("olivia")
    query = {"channel": "12", "from": "2026-02-01T00:00:00Z", "to": "2026-05-01T00:00:00Z", "purpose": "settlement"}
    await supplier.get("/metering-points/MP0001/readings", params=query)
    await operator.get("/devices/1/readings", params={"from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z"})
    await operator.post("/devices/1/reads", params={"purpose": "complaint"})
    entries = (await consumer.get("/metering-points/MP0001/accesses")).json()["accesses"]
    assert [(e["organisation"], e["role"], e["purpose"]) for e in entries] == [
        (None, "operator", "complaint"),
        (None, "operator", "metering"),
        ("Northern Power", "supplier", "settlement"),
    ]
    assert all("user" not in entry for entry in entries), "organisation and role are shown, the person is not"
    assert entries[2]["title"] == "settling the energy market"
    seen = (await operator.get("/metering-points/MP0001/accesses")).json()["accesses"]
    assert [entry["user"] for entry in seen] == ["olivia", "olivia", "sam"]
    assert (entries[2]["from"], entries[2]["to"]) == ("2026-02-01T00:00:00Z", "2026-05-01T00:00:00Z")
    assert entries[2]["channels"] == ["electricity.import.active.30min"]


async def test_a_consumer_does_not_see_who_read_of_the_time_of_others(client_of: ClientOf) -> None:
    operator, consumer = await client_of("olivia"), await client_of("rea")
    await operator.get(
        "/metering-points/MP0001/readings", params={"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    )
    assert (await consumer.get("/metering-points/MP0001/accesses")).json()["accesses"] == []
    assert (await consumer.get("/metering-points/MP0003/accesses")).status_code == 404


async def test_accesses_come_in_pages(client_of: ClientOf) -> None:
    operator = await client_of("olivia")
    for day in range(5):
        await operator.get("/metering-points/MP0003/readings", params={"from": f"2026-05-0{day + 1}T00:00:00Z"})
    first = (await operator.get("/metering-points/MP0003/accesses", params={"limit": "3"})).json()
    second = (
        await operator.get("/metering-points/MP0003/accesses", params={"limit": "3", "before": str(first["next"])})
    ).json()
    assert (len(first["accesses"]), len(second["accesses"]), second["next"]) == (3, 2, None)


async def test_nothing_is_given_out_when_the_access_cannot_be_logged(
    neighbourhood: SmallNeighbourhood, client_of: ClientOf
) -> None:
    client = await client_of("olivia")
    async with neighbourhood.database.transaction() as connection:
        await connection.exec_driver_sql("DROP TABLE market_access_log")
    answer = await client.get("/metering-points/MP0001/readings")
    assert answer.status_code >= 400
    assert "series" not in answer.json()


def test_the_move_is_where_the_tests_think_it_is() -> None:
    assert datetime(2026, 3, 1, tzinfo=UTC) == MOVED_AT
