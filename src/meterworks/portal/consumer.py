"""The consumer's page: usage, cost, and who has read the data. Stateless; only the chart needs scripts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from meterworks.catalogue import Role
from meterworks.market import (
    AccessEntry,
    Market,
    NotFound,
    Principal,
    Recipient,
    format_utc,
    purpose_title,
    viewer_of,
)
from meterworks.market.api import OrjsonResponse, market_of, request_id_of
from meterworks.portal.page import page
from meterworks.portal.settings import PortalSettings
from meterworks.portal.usage import PeriodName, PeriodUsage, UsageOfConsumer
from meterworks.portal.web_session import SessionGate, session_token, signer_of
from meterworks.registry import UsagePoint, UsagePointFilter

__all__ = ["PointText", "access_rows", "chosen_point", "own_points", "router"]

router = APIRouter(include_in_schema=False)
POINT_COUNT_MAX = 50
ACCESS_COUNT = 20
_LABELS = {"today": "Today", "week": "Last 7 days", "year": "This year"}

Consumer = Annotated[Principal, Depends(SessionGate("reading.read", role=Role.CONSUMER))]
PointText = Annotated[str | None, Query(max_length=128)]


def _settings(request: Request) -> PortalSettings:
    settings = request.app.state.portal_settings
    assert isinstance(settings, PortalSettings)
    return settings


def _money(minor: int, symbol: str) -> str:
    return f"{symbol}{minor // 100:,}.{minor % 100:02d}"


def _price(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d} p"


def _tile(usage: PeriodUsage, settings: PortalSettings) -> dict[str, str]:
    cost = settings.tariff.cost(usage.energy_wh, usage.days)
    standing = _money(cost.standing, settings.currency_symbol)
    return {
        "period": usage.period,
        "label": _LABELS[usage.period],
        "energy": f"{usage.energy_wh / 1000:,.{1 if usage.energy_wh >= 100_000 else 2}f} kWh",
        "cost": _money(cost.total, settings.currency_symbol),
        "note": f"with {standing} standing charge",
    }


def access_rows(
    entries: Sequence[AccessEntry], recipients: Mapping[tuple[str, int | None], Recipient], zone: ZoneInfo
) -> list[dict[str, str]]:
    """Accesses as a table shows them: who by organisation and role, never by person."""

    def local(moment: datetime) -> str:
        return f"{moment.astimezone(zone):%d %b %Y %H:%M}"

    return [
        {
            "at": local(entry.at),
            "who": recipients[entry.role, entry.organisation_id].title,
            "from_": local(entry.range_start),
            "to": local(entry.range_end),
            "purpose": purpose_title(entry.purpose),
            "consent": "with my consent" if entry.consent_reference else "",
        }
        for entry in entries
    ]


async def own_points(market: Market, principal: Principal) -> Sequence[UsagePoint]:
    """Where the consumer lives now."""
    found = await market.registry.usage_points(
        UsagePointFilter(visible_to=viewer_of(principal), visible_from=market.clock.now()), limit=POINT_COUNT_MAX
    )
    return found.items


def chosen_point(points: Sequence[UsagePoint], asked: str | None) -> UsagePoint | None:
    """The metering point asked for, or the first. Raises NotFound for one that is not the consumer's."""
    if asked is None:
        return points[0] if points else None
    for point in points:
        if point.id == asked:
            return point
    raise NotFound(f"there is no metering point {asked!r} in your view", id=asked)


@router.get("/home")
async def home(request: Request, principal: Consumer, metering_point: PointText = None) -> Response:
    """Usage of today, week and year, its cost, and who has read the data."""
    market, settings = market_of(request), _settings(request)
    points = await own_points(market, principal)
    chosen = chosen_point(points, metering_point)
    tiles: list[dict[str, str]] = []
    accesses: list[dict[str, str]] = []
    if chosen is not None:
        zone = ZoneInfo(chosen.time_zone)
        usage = await UsageOfConsumer(market, principal, request_id_of(request)).totals(chosen.id, zone)
        tiles = [_tile(period, settings) for period in usage]
        entries, _ = await market.access_view.of_usage_point(principal, chosen.id, limit=ACCESS_COUNT, but_own=True)
        accesses = access_rows(entries, await market.access_view.recipients(entries), zone)
    return page(
        "home.html",
        user=principal.name,
        form_token=signer_of(request).form_token(session_token(request)),
        points=points,
        chosen=chosen,
        tiles=tiles,
        accesses=accesses,
        unit_price=_price(settings.unit_price_hundredths_per_kwh),
        standing_charge=_price(settings.standing_charge_hundredths_per_day),
    )


@router.get("/home/series")
async def home_series(
    request: Request,
    principal: Consumer,
    period: PeriodName,
    metering_point: Annotated[str, Query(min_length=1, max_length=128)],
) -> Response:
    """What the chart of a period shows."""
    market = market_of(request)
    chosen = chosen_point(await own_points(market, principal), metering_point)
    assert chosen is not None, "a point was asked for by name"
    usage = UsageOfConsumer(market, principal, request_id_of(request))
    series = await usage.series(chosen.id, period, ZoneInfo(chosen.time_zone))
    return OrjsonResponse(
        {
            "period": series.period,
            "starts": [format_utc(datetime.fromtimestamp(start, UTC)) for start in series.start_epoch_s],
            "values_wh": series.value_wh,
        },
        headers={"Cache-Control": "no-store"},
    )
