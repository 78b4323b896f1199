"""The auditor's page: acts by filter, whether a signed head covers them, and a picture of acts per hour. No scripts."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from meterworks.catalogue import Role
from meterworks.market import Principal
from meterworks.market.api import market_of
from meterworks.portal.page import page
from meterworks.portal.web_session import SessionGate, session_token, signer_of
from meterworks.trust.audit import ACTS, AuditQuestion, AuditRecord

__all__ = ["bars_of", "router", "row_of"]

router = APIRouter(include_in_schema=False)
ROWS_SHOWN = 50
HOURS_SHOWN = 48
BAR_HEIGHT = 48  # pixels
FilterText = Annotated[str, Query(max_length=200)]
_AUDITOR: Principal = Depends(SessionGate("audit.read", role=Role.AUDITOR))


def bars_of(hours: Mapping[str, int], now: datetime) -> list[dict[str, object]]:
    """A bar for each of the last hours, oldest first; the number stands in its title."""
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS_SHOWN - 1)
    names = [(first + timedelta(hours=hour)).strftime("%Y-%m-%dT%H") for hour in range(HOURS_SHOWN)]
    most = max((hours.get(name, 0) for name in names), default=0) or 1
    return [
        {
            "hour": f"{name[:10]} {name[11:]}:00",
            "count": hours.get(name, 0),
            "height": max(2, round(BAR_HEIGHT * hours[name] / most)) if hours.get(name) else 0,
        }
        for name in names
    ]


def row_of(record: AuditRecord, sealed: int) -> dict[str, object]:
    """A record as the table shows it."""
    event = record.event
    return {
        "record": record.sequence,
        "at": "" if event.at is None else f"{event.at:%d %b %Y %H:%M:%S}",
        "act": event.act,
        "meaning": ACTS[event.act].meaning,
        "actor": event.actor,
        "object": event.object,
        "outcome": event.outcome.value,
        "cause": event.cause,
        "sealed": record.sequence < sealed,
    }


@router.get("/audit")
async def trail(
    request: Request,
    principal: Annotated[Principal, _AUDITOR],
    act: FilterText = "",
    actor: FilterText = "",
    on: Annotated[str, Query(alias="object", max_length=200)] = "",
    before: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
) -> Response:
    """The newest acts that fit. That the auditor looked is one of them the next time."""
    market = market_of(request)
    question = AuditQuestion(act=act or None, actor=actor or None, object=on or None, before=before, limit=ROWS_SHOWN)
    found = await market.trail_view.page(principal, question)
    hours = await market.trail_view.per_hour()
    return page(
        "audit.html",
        user=principal.name,
        form_token=signer_of(request).form_token(session_token(request)),
        act=act,
        actor=actor,
        on=on,
        rows=[row_of(record, found.sealed) for record in found.records],
        sealed=found.sealed,
        next=found.next,
        bars=bars_of(hours, market.services.clock.now()),
        bar_height=BAR_HEIGHT,
    )
