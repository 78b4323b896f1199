"""The consumer's page: the right sums and costs, only their own, and who has read their data."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from tests.integration.market.small_neighbourhood import NOW, PASSWORD, SmallNeighbourhood, value_of
from tests.integration.portal.conftest import BrowserOf

from meterworks.catalogue import Role
from meterworks.market import Accounts, NewUser
from meterworks.market.api import Gate, Public
from meterworks.portal import SimpleTariff

LONDON = ZoneInfo("Europe/London")


def _energy_wh(device: int, from_: datetime) -> int:
    starts = np.arange(int(from_.timestamp()), int(NOW.timestamp()), 1800, dtype=np.int64)
    return int(value_of(device, starts).sum())


def _midnight(*day: int) -> datetime:
    return datetime(*day, tzinfo=LONDON)  # type: ignore[arg-type,misc]  # year, month, day


async def test_usage_and_cost_of_today_week_and_year(browser_of: BrowserOf) -> None:
    page = (await (await browser_of("rea")).get("/home")).text
    tariff = SimpleTariff(unit_price_per_kwh=2469, standing_charge_per_day=5121)
    for from_, days in ((_midnight(2026, 11, 21), 1), (_midnight(2026, 11, 15), 7)):
        energy_wh = _energy_wh(1, from_)
        cost = tariff.cost(energy_wh, days).total
        assert f"{energy_wh / 1000:,.{1 if energy_wh >= 100_000 else 2}f} kWh" in page
        assert f"£{cost // 100:,}.{cost % 100:02d}" in page
    # The year begins when the consumer moved in: what the one before used is not theirs.
    since_the_move = _energy_wh(1, datetime(2026, 3, 1, tzinfo=UTC))
    correction = 5000 - int(value_of(1, np.array([int(datetime(2026, 6, 15, 12, tzinfo=UTC).timestamp())]))[0])
    assert f"{(since_the_move + correction) / 1000:,.1f} kWh" in page


@pytest.mark.parametrize(("period", "count"), [("today", 24), ("week", 7), ("year", 9)])
async def test_the_chart_gets_half_hours_days_or_months(browser_of: BrowserOf, period: str, count: int) -> None:
    browser = await browser_of("rea")
    answer = (await browser.get("/home/series", params={"metering_point": "MP0001", "period": period})).json()
    assert len(answer["starts"]) == len(answer["values_wh"]) == count
    assert answer["starts"] == sorted(answer["starts"])
    if period != "year":
        days = {"today": (2026, 11, 21), "week": (2026, 11, 15)}[period]
        assert sum(answer["values_wh"]) == _energy_wh(1, _midnight(*days))


async def test_others_points_are_not_there(browser_of: BrowserOf) -> None:
    browser = await browser_of("rea")
    for point in ("MP0002", "MP0003", "MP0777", "'; --"):
        assert (await browser.get("/home", params={"metering_point": point})).status_code == 404
        series = await browser.get("/home/series", params={"metering_point": point, "period": "week"})
        assert series.status_code == 404
    assert "MP0001" not in (await (await browser_of("ben")).get("/home")).text


async def test_the_page_is_for_consumers_only(browser_of: BrowserOf) -> None:
    assert (await (await browser_of(None)).get("/home")).headers["location"] == "/login"
    for user in ("olivia", "sam"):
        browser = await browser_of(user)
        assert (await browser.get("/home")).status_code == 403
        answer = await browser.get(
            "/home/series",
            params={"metering_point": "MP0001", "period": "week"},
            headers={"Accept": "application/json"},
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted")


async def test_who_has_read_the_data_is_shown_but_not_the_consumers_own_looks(
    browser_of: BrowserOf, app: FastAPI
) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://m.example/api/v1") as supplier:
        token = (await supplier.post("/tokens", json={"user": "sam", "password": PASSWORD})).json()["token"]
        supplier.headers["Authorization"] = f"Bearer {token}"
        await supplier.get("/metering-points/MP0001/readings", params={"purpose": "complaint"})
        consumer = await browser_of("rea")
        await consumer.get("/home")
        page = (await consumer.get("/home")).text
        assert "Northern Power" in page
        assert "answering a question or complaint" in page
        assert "sam" not in page, "the person is not shown"
        assert "looking at one" not in page
        # Their own looks are in the log nevertheless.
        log = (await supplier.get("/metering-points/MP0001/accesses")).status_code
        assert log == 403


async def test_someone_who_lives_nowhere_is_told_so(neighbourhood: SmallNeighbourhood, browser_of: BrowserOf) -> None:
    number = await neighbourhood.services.registry.add_consumer("D. Mover")
    await Accounts(neighbourhood.database).add_user(
        NewUser(name="dan <i>", password=PASSWORD, role=Role.CONSUMER, consumer_id=number)
    )
    page = (await (await browser_of("dan <i>")).get("/home")).text
    assert "No metering point is yours" in page
    assert "dan &lt;i&gt;" in page


async def test_pages_carry_their_policy_and_no_script_of_their_own(browser_of: BrowserOf) -> None:
    browser = await browser_of("rea")
    for path in ("/home", "/login?x=1"):
        answer = await browser.get(path)
        if answer.status_code == 303:
            answer = await (await browser_of(None)).get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "<script>" not in answer.text
        assert "://" not in answer.text.replace("http://www.w3.org/", ""), "a page names no other host"


@pytest.mark.parametrize(
    "path", ["/assets/portal.css", "/assets/home.js", "/assets/favicon.svg", "/assets/echarts/index.js"]
)
async def test_assets_come_from_ourselves(browser_of: BrowserOf, path: str) -> None:
    assert (await (await browser_of(None)).get(path)).status_code == 200


async def test_assets_lead_nowhere_else(browser_of: BrowserOf) -> None:
    browser = await browser_of(None)
    for path in ("/assets/../app.py", "/assets/%2e%2e/app.py", "/assets/echarts/..%2f..%2fechart.py", "/assets/"):
        assert (await browser.get(path)).status_code in (404, 405)


def test_every_page_has_a_gate_or_is_public(app: FastAPI) -> None:
    open_pages = set()
    for route in iter_route_contexts(app.routes):
        if not isinstance(route.original_route, APIRoute) or str(route.path).startswith("/api/"):
            continue
        calls = [dependency.call for dependency in route.dependant.dependencies]
        gated = any(isinstance(call, Gate) for call in calls)
        public = any(isinstance(call, Public) for call in calls)
        assert gated != public, route.path
        if public:
            open_pages.add(route.path)
    doors = {"/login/passkey", "/login/passkey/options", "/login/provider", "/login/provider/callback"}
    assert open_pages == {"/", "/login", "/logout"} | doors


@pytest.mark.parametrize(
    "path", ["/home/series?period=decade&metering_point=MP0001", "/home/series", "/home?metering_point=" + "x" * 500]
)
async def test_a_question_that_makes_no_sense_is_refused(browser_of: BrowserOf, path: str) -> None:
    assert (await (await browser_of("rea")).get(path)).status_code in (404, 422)


def test_now_is_where_the_tests_think_it_is() -> None:
    assert NOW - _midnight(2026, 11, 21) == timedelta(hours=12)
