"""Both days of changing clocks, from meters that keep local time to the consumer's page: 46 and 50 half-hours."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from tests.integration.scenario.controlled_load import STEP
from tests.integration.scenario.scene import PASSWORD, epoch, load_from, raw, utc

from meterworks.catalogue import Role
from meterworks.market import Accounts, MarketSettings, NewUser
from meterworks.portal import PortalSettings, create_app
from meterworks.registry import Occupancy, UsagePointId

LONDON = ZoneInfo("Europe/London")
PLACE = "MP0001"


@dataclass(frozen=True)
class Change:
    """A day of changing clocks and how many half-hours it has."""

    day: date
    half_hours: int

    def midnight(self, days=0):
        local = datetime(self.day.year, self.day.month, self.day.day, tzinfo=LONDON) + timedelta(days=days)
        return int(local.timestamp())


CHANGES = pytest.mark.parametrize(
    "change",
    [
        Change(date(2026, 3, 29), 46),
        Change(date(2025, 10, 26), 50),
    ],
    ids=lambda change: str(change.day),
)


async def two_days_later(scene_at, change):
    """A scene at noon two days after the change, with a meter that hangs there since two days before it."""
    scene = scene_at(datetime.fromtimestamp(change.midnight(2), UTC) + timedelta(hours=12, minutes=2))
    began = change.midnight(-2)
    number = scene.add_meter(load_from(began, 7))
    scene.install(number, PLACE, datetime.fromtimestamp(began, UTC))
    await scene.start()
    return scene, number, began


@CHANGES
async def test_a_day_of_changing_clocks_has_all_its_half_hours(scene_at, change):
    scene, number, began = await two_days_later(scene_at, change)
    load = scene.load(number)
    first, last = change.midnight(), change.midnight(1)
    assert (last - first) // STEP == change.half_hours
    assert await scene.series(PLACE, first, last) == raw(load, first, last)
    end = change.midnight(2)
    days = await scene.ask(f"/metering-points/{PLACE}/readings", **span(began, end), resolution="day")
    starts = [change.midnight(days) for days in range(-2, 3)]
    assert [(day["count"], day["expected"], day["value"]) for day in days] == [
        (length, length, load.between(starts[place], starts[place + 1]))
        for place, length in enumerate((48, 48, change.half_hours, 48))
    ]
    # In UTC each day has 48 half-hours, and none is lost or there twice.
    noon = epoch(change.day.year, change.day.month, change.day.day, 12)
    whole = span(noon - 129_600, noon + 43_200)  # midnight of the day before until midnight after
    days = await scene.ask(f"/metering-points/{PLACE}/readings", **whole, resolution="day", tz="UTC")
    assert [(day["count"], day["expected"]) for day in days] == [(48, 48)] * len(days)
    rows = scene.rows(number)
    assert [row[:2] for row in rows] == [(at, value) for at, value, _ in raw(load, began, rows[-1][0] + STEP)]
    assert await scene.gaps(number, "missing") == []
    assert await scene.gaps(number, "absent") == []
    assert scene.doubles() == []


def span(first, last):
    return {name: datetime.fromtimestamp(at, UTC).isoformat() for name, at in (("from", first), ("to", last))}


@CHANGES
async def test_the_consumers_page_sums_the_same(scene_at, change):
    scene, number, began = await two_days_later(scene_at, change)
    consumer = await scene.registry.add_consumer("A. Reader")
    stays = Occupancy(consumer_id=consumer, usage_point_id=UsagePointId(PLACE), starts_at=utc(2020, 1, 1))
    await scene.registry.occupy([stays])
    user = NewUser(name="rea", password=PASSWORD, role=Role.CONSUMER, consumer_id=consumer)
    await Accounts(scene.database).add_user(user)
    app = create_app(
        scene.services, MarketSettings(), portal_settings=PortalSettings(), session_secret=b"s" * 32, console=False
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://meterworks.example", headers={"Accept": "text/html"}
    ) as browser:
        token = re.search(r'name="form_token" value="([0-9a-f]{64})"', (await browser.get("/login")).text)
        form = {"user": "rea", "password": PASSWORD, "form_token": token.group(1)}
        assert (await browser.post("/login", data=form)).status_code == 303
        answer = await browser.get("/home/series", params={"metering_point": PLACE, "period": "week"})
        page = (await browser.get("/home")).text
    load = scene.load(number)
    now = int(scene.clock.epoch_s()) // STEP * STEP
    midnights = [change.midnight(days) for days in range(-2, 3)]
    ends = [*midnights[1:], now]
    assert answer.json()["values_wh"] == [load.between(*day) for day in zip(midnights, ends, strict=True)]
    total_wh = load.between(began, now)
    assert f"{total_wh / 1000:,.{1 if total_wh >= 100_000 else 2}f} kWh" in page
