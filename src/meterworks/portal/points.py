"""Pages of market parties: what the organisation may do, and the metering points it is registered at now."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from meterworks.catalogue import PERMISSIONS, is_permitted
from meterworks.market import Principal, viewer_of
from meterworks.market.api import market_of
from meterworks.portal.page import page
from meterworks.portal.web_session import SessionGate, session_token, signer_of
from meterworks.registry import OrganisationId, UsagePointFilter

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
PAGE_ROWS = 50
Visitor = Annotated[Principal, Depends(SessionGate("usage-point.read"))]


@router.get("/points")
async def points(
    request: Request,
    principal: Visitor,
    search: Annotated[str, Query(max_length=200)] = "",
    after: Annotated[str | None, Query(max_length=256)] = None,
) -> Response:
    """The organisation, until when it is admitted, and its metering points by identifier."""
    market = market_of(request)
    found = await market.registry.usage_points(
        UsagePointFilter(search=search, visible_to=viewer_of(principal), visible_from=market.clock.now()),
        after=after,
        limit=PAGE_ROWS,
    )
    organisation, admitted_until = None, None
    if principal.organisation_id is not None:
        organisation = (await market.registry.organisation(OrganisationId(principal.organisation_id))).name
        history = await market.admissions.history(principal.organisation_id)
        admitted_until = history[0].valid_until if history else None
    return page(
        "points.html",
        user=principal.name,
        role=principal.role.value.replace("_", " "),
        organisation=organisation,
        admitted_until=admitted_until,
        actions=[action for action in PERMISSIONS if is_permitted(principal.role, action)],
        points=found.items,
        following=found.next_cursor,
        search=search,
        form_token=signer_of(request).form_token(session_token(request)),
    )
