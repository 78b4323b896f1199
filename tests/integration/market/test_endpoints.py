"""The other endpoints: health, devices, shipments, latest values, reads, events, collection, load, metrics, OpenAPI."""

from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import orjson
import pytest
from fastapi import FastAPI
from tests.integration.market.api_reference import PAGE, written
from tests.integration.market.conftest import ClientOf
from tests.integration.market.small_neighbourhood import NOW, PASSWORD, SmallNeighbourhood, value_of

from meterworks.catalogue import CHANNELS, Role
from meterworks.errors import SecurityError, UnreachableError
from meterworks.headend.models import EventRow, ExpectationRecord, RunRow, SessionRow
from meterworks.market import NewUser
from meterworks.runtime import insert_many

TODAY = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp())


# --- health -------------------------------------------------------------------------------------------------------


async def test_health_is_ok_when_all_parts_answer(client_of: ClientOf) -> None:
    answer = await (await client_of(None)).get("/health")
    assert answer.status_code == 200
    document = answer.json()
    assert document["status"] == "ok"
    assert document["parts"] == {"database": "ok", "headend": "ok", "writer": "ok"}


async def test_health_is_degraded_when_a_part_is_gone(neighbourhood: SmallNeighbourhood, client_of: ClientOf) -> None:
    await neighbourhood.bus.close()
    answer = await (await client_of(None)).get("/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "degraded"
    assert answer.json()["parts"]["database"] == "ok"
    assert answer.json()["parts"]["headend"] != "ok"


# --- devices ------------------------------------------------------------------------------------------------------


async def test_devices_are_found_by_text_and_filter_and_come_in_pages(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    assert [d["id"] for d in (await client.get("/devices", params={"search": "3 meadow"})).json()["devices"]] == [3]
    assert [d["id"] for d in (await client.get("/devices", params={"feeder": "F1"})).json()["devices"]] == [2, 4]
    first = (await client.get("/devices", params={"limit": "3"})).json()
    second = (await client.get("/devices", params={"limit": "3", "after": first["next"]})).json()
    assert [d["id"] for d in first["devices"] + second["devices"]] == [1, 2, 3, 4, 5]
    assert second["next"] is None
    assert (await client.get("/devices", params={"after": "nonsense"})).status_code == 422


async def test_a_device_shows_where_it_stands_and_never_its_keys(client_of: ClientOf) -> None:
    document = (await (await client_of("olivia")).get("/devices/1")).json()
    assert document["metering_point"]["address"] == "1 Meadow Lane"
    assert document["installations"][0]["from"] == "2025-11-01T00:00:00Z"
    assert 12 in {channel["channel_id"] for channel in document["channels"]}
    assert not {"keys", "guek", "gak", "keys_ref"} & set(document)


DEVICE = {
    "identity": "4d-57-45-00-00-00-00-77",
    "serial": "S0077",
    "manufacturer": "MWE",
    "model": "MW-1P",
    "firmware": "1.0.0",
    "address": "127.16.0.77:4059",
    "keys": {"guek": "00" * 16, "gak": "11" * 16},
}


async def test_a_device_is_added_with_its_keys_and_installed(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    answer = await client.post("/devices", json=DEVICE)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/api/v1/devices/{answer.json()['id']}"
    assert "11111111" not in answer.text
    again = await client.post("/devices", json=DEVICE)
    assert (again.status_code, again.json()["code"]) == (409, "already-there")
    bad = await client.post("/devices", json={**DEVICE, "identity": "4d57", "keys": {}})
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid-value")


async def test_a_device_is_installed_and_exchanged(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    spare = (await client.post("/devices", json=DEVICE)).json()["id"]
    place = {"device": spare, "metering_point": "MP0001", "at": "2026-11-20T00:00:00Z"}
    taken = await client.post("/installations", json=place)
    assert (taken.status_code, taken.json()["code"]) == (409, "overlap")
    made = await client.post("/installations", json={**place, "replaces": 1})
    assert (made.status_code, made.json()["from"]) == (201, "2026-11-20T00:00:00Z")
    point = (await client.get("/metering-points/MP0001")).json()
    assert [entry["device"] for entry in point["installations"]] == [spare]
    assert (await client.post("/installations", json={**place, "device": 777})).status_code == 404


async def test_a_metering_point_is_added_once(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    document = {"id": "MP0100", "address": "100 Meadow Lane", "time_zone": "Europe/London"}
    assert (await client.post("/metering-points", json=document)).status_code == 201
    assert (await client.post("/metering-points", json=document)).status_code == 409
    assert (await client.post("/metering-points", json={"id": "X", "time_zone": "Mars"})).status_code == 422


async def test_a_shipment_has_a_result_for_each_row(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    headers = {"Content-Type": "text/csv", "X-Transport-Key": "00" * 16}
    content = (
        "identity,serial,manufacturer,model,firmware,medium,phases,address\n"
        "4d57450000000099,S0099,MWE,MW-1P,1.0.0,electricity,1,127.16.0.99:4059\n"
        "nonsense,S0098,MWE,MW-1P,1.0.0,electricity,1,127.16.0.98:4059\n"
    )
    answer = await client.post("/shipments", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert len(document["rows"]) == 2
    assert document["rows"][1]["outcome"] == "refused"
    assert document["counts"]["refused"] >= 1
    unknown = await client.post("/shipments", content=b"x", headers={**headers, "Content-Type": "text/plain"})
    assert unknown.status_code == 422


async def test_metering_points_are_found_and_shown(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    page = (await client.get("/metering-points", params={"search": "house 4"})).json()
    assert [point["id"] for point in page["metering_points"]] == ["MP0004"]
    shown = (await client.get("/metering-points/MP0004")).json()
    assert [entry["device"] for entry in shown["installations"]] == [4]


async def test_an_identifier_may_hold_a_slash(neighbourhood: SmallNeighbourhood, client_of: ClientOf) -> None:
    async with neighbourhood.database.transaction() as connection:
        await connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        await connection.exec_driver_sql(
            "INSERT INTO registry_usage_point SELECT 'HH/7 (a)', name, address, postcode, feeder, transformer, "
            "time_zone, medium, created_at FROM registry_usage_point WHERE id = 'MP0001'"
        )
    client = await client_of("olivia")
    assert (await client.get("/metering-points/HH%2F7%20%28a%29")).json()["id"] == "HH/7 (a)"
    readings = await client.get("/metering-points/HH%2F7%20%28a%29/readings", params={"channel": "12"})
    assert readings.json()["series"][0]["readings"] == []


# --- latest values and reads --------------------------------------------------------------------------------------


async def test_latest_values_name_channel_unit_and_time(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    values = (await client.get("/devices/1/last")).json()["values"]
    assert [(v["channel"], v["value"], v["at"]) for v in values] == [
        ("electricity.import.active.register", 999, "2026-11-21T11:59:00Z"),
        ("electricity.voltage.l1", 231_000, "2026-11-21T11:59:00Z"),
    ]
    assert (await client.get("/devices/2/last")).json()["values"] == []
    at_point = (await client.get("/metering-points/MP0001/last")).json()["values"]
    assert {value["device"] for value in at_point} == {1}


async def test_a_read_now_gives_the_meters_answer(client_of: ClientOf) -> None:
    answer = await (await client_of("olivia")).post("/devices/3/reads")
    assert answer.status_code == 200
    assert answer.json()["values"][0] == {
        "channel": "electricity.import.active.register",
        "channel_id": 16,
        "unit": "Wh",
        "scaler": 0,
        "at": "2026-11-21T12:00:00Z",
        "value": 1_000_003,
    }


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnreachableError("no route to the meter"), 504, "read-timeout"),
        (SecurityError("the meter refused our keys"), 502, "read-failed"),
    ],
)
async def test_a_read_that_fails_is_a_problem(
    without_head_end: SmallNeighbourhood, client_of: ClientOf, error: Exception, status: int, code: str
) -> None:
    async def fail(_: bytes) -> bytes:
        raise error

    await without_head_end.bus.respond("headend.read", fail)
    answer = await (await client_of("olivia")).post("/devices/1/reads")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert str(error) in answer.json()["detail"]


async def test_a_read_without_a_head_end_times_out(without_head_end: SmallNeighbourhood, client_of: ClientOf) -> None:
    answer = await (await client_of("olivia")).post("/devices/1/reads")
    assert (answer.status_code, answer.json()["code"], answer.json()["retry"]) == (504, "read-timeout", "safe")


async def test_a_refused_device_is_released_by_the_operator(
    without_head_end: SmallNeighbourhood, client_of: ClientOf
) -> None:
    asked: list[bytes] = []

    async def release(question: bytes) -> bytes:
        asked.append(question)
        return b'{"device": 1, "released": true}'

    await without_head_end.bus.respond("headend.release", release)
    answer = await (await client_of("olivia")).post("/devices/1/release")
    assert (answer.status_code, answer.json()) == (200, {"device": 1, "released": True})
    assert [orjson.loads(question) for question in asked] == [{"device": 1}]
    refused = await (await client_of("sam")).post("/devices/1/release")
    assert (refused.status_code, refused.json()["code"]) == (403, "not-permitted")
    assert len(asked) == 1


async def test_a_release_without_a_head_end_is_told(without_head_end: SmallNeighbourhood, client_of: ClientOf) -> None:
    answer = await (await client_of("olivia")).post("/devices/1/release")
    assert (answer.status_code, answer.json()["retry"]) == (503, "safe")
    unknown = await (await client_of("olivia")).post("/devices/999/release")
    assert unknown.status_code == 404


# --- collection ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def collected(neighbourhood: SmallNeighbourhood) -> SmallNeighbourhood:
    """Four meters expected over two days; meter 2 misses two hours of today, meter 3 all of it and is silent."""
    start = TODAY - 86_400
    ranges = [(device, "expected", start, TODAY + 43_200) for device in (1, 2, 3, 4)]
    ranges += [(2, "missing", TODAY, TODAY + 7200), (3, "missing", TODAY, TODAY + 43_200)]
    async with neighbourhood.database.transaction() as connection:
        await insert_many(
            connection,
            ExpectationRecord,
            [
                {
                    "device_id": device,
                    "profile": "load_import",
                    "state": state,
                    "start_epoch_s": from_,
                    "end_epoch_s": to,
                    "set_id": "",
                    "sent_at_epoch_s": None,
                    "sequence": 0,
                }
                for device, state, from_, to in ranges
            ],
        )
        await insert_many(
            connection,
            RunRow,
            [{"id": "r1", "kind": "gap", "started": NOW, "ended": None, "planned": 4, "done": 2, "failed": 1}],
        )
        session = {"kind": "scheduled", "started": NOW, "ended": NOW, "outcome": "ok", "bytes_in": 5, "bytes_out": 6}
        await insert_many(
            connection, SessionRow, [{**session, "device_id": device, "rows": 48} for device in (1, 2, 2)]
        )
        events = [(1, "standard", 1), (2, "tamper", 40), (4, "standard", 999)]
        await insert_many(
            connection,
            EventRow,
            [
                {"device_id": device, "log": log, "at": NOW - timedelta(hours=device), "code": code, "seen_at": NOW}
                for device, log, code in events
            ],
        )
    return neighbourhood


async def test_the_summary_counts_rates_late_and_silent(collected: SmallNeighbourhood, client_of: ClientOf) -> None:
    document = (await (await client_of("olivia")).get("/collection/summary")).json()
    assert document["devices"]["total"] == 5
    hours = {hour["start"]: hour["rate"] for hour in document["read_rate_hours"]}
    assert len(hours) == 24
    assert hours["2026-11-21T00:00:00Z"] == 0.5
    assert hours["2026-11-21T05:00:00Z"] == 0.75
    assert hours["2026-11-20T20:00:00Z"] == 1.0
    assert document["read_rate_day"] == pytest.approx(1 - 14 / 96)
    assert document["late_devices"] == [2, 3]
    assert document["first_fill"] == pytest.approx(1 - 14 / 144)
    assert document["progress"][0]["profile"] == "load_import"


async def test_runs_missing_ranges_and_sessions_are_listed(collected: SmallNeighbourhood, client_of: ClientOf) -> None:
    client = await client_of("olivia")
    (run,) = (await client.get("/collection/runs")).json()["runs"]
    assert (run["planned"], run["done"], run["failed"], run["ended"]) == (4, 2, 1, None)
    ranges = (await client.get("/collection/missing", params={"device": "2"})).json()["ranges"]
    assert [(r["from"], r["to"], r["state"]) for r in ranges] == [
        ("2026-11-21T00:00:00Z", "2026-11-21T02:00:00Z", "missing")
    ]
    assert (await client.get("/collection/missing", params={"state": "lost"})).status_code == 422
    page = (await client.get("/collection/sessions", params={"limit": "2"})).json()
    rest = (await client.get("/collection/sessions", params={"limit": "2", "before": page["next"]})).json()
    assert [s["device"] for s in page["sessions"] + rest["sessions"]] == [2, 2, 1]
    assert len((await client.get("/devices/2/sessions")).json()["sessions"]) == 2


async def test_events_carry_their_meaning_and_stay_within_view(
    collected: SmallNeighbourhood, client_of: ClientOf
) -> None:
    operator, supplier = await client_of("olivia"), await client_of("sam")
    events = (await operator.get("/events")).json()["events"]
    assert (events[0]["device"], events[0]["name"]) == (1, "power down")
    assert events[2]["severity"] == "unknown"
    assert [e["device"] for e in (await supplier.get("/events")).json()["events"]] == [1, 2]
    assert len((await operator.get("/devices/2/events")).json()["events"]) == 1
    assert (await supplier.get("/devices/4/events")).status_code == 404
    assert (await operator.get("/events", params={"after": "nonsense"})).status_code == 422
    pages = (await operator.get("/events", params={"limit": "2"})).json()
    assert len((await operator.get("/events", params={"limit": "2", "after": pages["next"]})).json()["events"]) == 1


async def test_the_load_is_the_sum_of_all_meters(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    query = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-20T02:00:00Z"}
    document = (await client.get("/load", params=query)).json()
    assert document["starts"] == [f"2026-11-20T0{n // 2}:{'30' if n % 2 else '00'}:00Z" for n in range(4)]
    assert document["meters"] == [4, 4, 4, 4]
    start = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp())
    starts = np.arange(start, start + 7200, 1800, dtype=np.int64)
    assert document["import"] == [int(2 * total) for total in sum(value_of(n, starts) for n in (1, 2, 3, 4))]
    assert (await client.get("/load", params={"from": "2020-01-01T00:00:00Z"})).status_code == 422


# --- the rest -----------------------------------------------------------------------------------------------------


async def test_organisations_consumers_and_their_rights_are_managed(api: FastAPI, client_of: ClientOf) -> None:
    client = await client_of("olivia")
    made = await client.post(
        "/organisations",
        json={
            "name": "Net Co",
            "eui64": "90b3d51f30000099",
            "roles": ["network_operator"],
            "from": "2026-01-01T00:00:00Z",
        },
    )
    assert made.status_code == 201, made.text
    number, asked = made.json()["id"], made.json()["approvals"][0]
    assessment = {"document_digest": "5f" * 32, "valid_until": "2027-11-01T00:00:00Z"}
    accounts = api.state.market.accounts
    await accounts.add_user(NewUser(name="otto", password=PASSWORD, role=Role.OPERATOR))
    other = await client_of("otto")
    early = await other.post(f"/approvals/{asked}/approval")
    assert early.json()["code"] == "organisation-suspended", "roles come after the assessment"
    assert (await client.post(f"/organisations/{number}/admissions", json=assessment)).status_code == 201
    assert (await client.post(f"/approvals/{asked}/approval")).json()["code"] == "same-person"
    assert (await other.post(f"/approvals/{asked}/approval")).status_code == 200
    registration = {
        "organisation": made.json()["id"],
        "metering_point": "MP0001",
        "role": "network_operator",
        "from": "2026-02-01T00:00:00Z",
    }
    assert (await client.post("/registrations", json=registration)).status_code == 201
    assert (await client.post("/registrations", json={**registration, "metering_point": "MP9"})).status_code == 404
    early = await client.post("/registrations", json={**registration, "from": "2020-01-01T00:00:00Z"})
    assert early.status_code in (409, 422)
    consumer = (await client.post("/consumers", json={"name": "C. Mover"})).json()
    occupancy = {"consumer": consumer["id"], "metering_point": "MP0003", "from": "2026-02-01T00:00:00Z"}
    assert (await client.post("/occupancies", json=occupancy)).status_code == 201
    assert (await client.get("/registrations")).status_code == 422
    assert len((await client.get("/consumers")).json()["consumers"]) == 3


async def test_channels_are_all_listed(client_of: ClientOf) -> None:
    channels = (await (await client_of("rea")).get("/channels")).json()["channels"]
    assert {channel["channel_id"] for channel in channels} == set(CHANNELS)


async def test_metrics_are_for_the_operator_or_this_machine(api: FastAPI, client_of: ClientOf) -> None:
    url = "http://meterworks.example/metrics"
    assert (await (await client_of(None)).get(url)).status_code == 401
    assert (await (await client_of("sam")).get(url)).status_code == 403
    found = await (await client_of("olivia")).get(url)
    assert b"meterworks_api_requests_total" in found.content
    transport = httpx.ASGITransport(app=api, client=("127.0.0.1", 99))
    async with httpx.AsyncClient(transport=transport) as local:
        assert (await local.get(url)).status_code == 200
        assert (await local.get(url, headers={"X-Forwarded-For": "192.0.2.1"})).status_code == 401


async def test_openapi_describes_every_route_with_its_problems(client_of: ClientOf) -> None:
    document = (await (await client_of(None)).get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    operations = [(path, op) for path, methods in document["paths"].items() for op in methods.values()]
    assert len(operations) > 30
    for path, operation in operations:
        assert operation["tags"] and operation["summary"] and operation["description"], path
        assert "application/problem+json" in operation["responses"]["default"]["content"]
    assert document["security"] == [{"bearer": []}]
    assert document["paths"]["/api/v1/health"]["get"]["security"] == []
    references = {text.split('"')[0] for text in orjson.dumps(document).decode().split("#/components/schemas/")[1:]}
    assert references <= set(document["components"]["schemas"])


async def test_a_path_that_is_not_there_and_a_wrong_method_are_problems(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    for answer, status, code in (
        (await client.get("/nowhere"), 404, "not-found"),
        (await client.put("/devices"), 405, "method-not-allowed"),
    ):
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_body_beyond_the_limit_is_refused(client_of: ClientOf) -> None:
    client = await client_of("olivia")
    declared = await client.post("/tokens", content=b"x" * (2**20 + 1))
    assert (declared.status_code, declared.json()["code"]) == (413, "body-too-large")

    async def endless() -> object:
        for _ in range(40):
            yield b"x" * 2**16

    streamed = await client.post("/tokens", content=endless())  # type: ignore[arg-type]  # an async iterator of bytes
    assert streamed.status_code == 413


async def test_a_request_keeps_its_number_from_request_to_answer(client_of: ClientOf) -> None:
    client = await client_of(None)
    given = await client.get("/devices", headers={"X-Request-ID": "my-request.1"})
    assert given.headers["x-request-id"] == given.json()["request_id"] == "my-request.1"
    forged = await client.get("/devices", headers={"X-Request-ID": "a b\x01"})
    assert len(forged.json()["request_id"]) == 32


async def test_the_reference_page_says_what_the_api_does(api: FastAPI) -> None:
    page = PAGE.read_text(encoding="utf-8")
    fresh = written(page, api.openapi())
    assert page == fresh, "docs/api.md lags behind: python -m tests.integration.market.api_reference"
    assert page.count("| `GET /") > 20
