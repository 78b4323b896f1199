"""Metering points: find, look at, and who read their data."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from meterworks.catalogue import UNBOUND_ROLES, Medium
from meterworks.market.acts import actor_of
from meterworks.market.api.body import Body
from meterworks.market.api.gate import market_of, permit, request_id_of
from meterworks.market.api.parameter import After, Limit, MeteringPointId, PurposeText
from meterworks.market.api.response import OrjsonResponse
from meterworks.market.document import access_document, installation_document, usage_point_document
from meterworks.market.principal import Principal
from meterworks.market.purpose import parse_purpose, purpose_of
from meterworks.market.scope import instant, viewer_of
from meterworks.registry import UsagePoint, UsagePointFilter, UsagePointId

__all__ = ["router"]

router = APIRouter()
FilterText = Annotated[str | None, Query(max_length=200)]


@router.get("/metering-points", tags=["metering points"], summary="Find metering points")
async def list_metering_points(
    request: Request,
    principal: Annotated[Principal, permit("usage-point.read")],
    search: Annotated[str, Query(max_length=200, description="Part of identifier, name, address or postcode")] = "",
    medium: Medium | None = None,
    feeder: FilterText = None,
    transformer: FilterText = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Metering points in order of their identifier; only those in the asker's view now."""
    page = await market_of(request).registry.usage_points(
        UsagePointFilter(
            search=search, medium=medium, feeder=feeder, transformer=transformer, visible_to=viewer_of(principal)
        ),
        after=after,
        limit=limit,
    )
    return OrjsonResponse(
        {"metering_points": [usage_point_document(point) for point in page.items], "next": page.next_cursor}
    )


class MeteringPointDocument(Body):
    """A metering point to be added."""

    id: str = Field(min_length=1, max_length=128)
    medium: Medium = Medium.ELECTRICITY
    name: str = Field(default="", max_length=200)
    address: str = Field(default="", max_length=200)
    postcode: str = Field(default="", max_length=16)
    feeder: str = Field(default="", max_length=64)
    transformer: str = Field(default="", max_length=64)
    time_zone: str = Field(default="UTC", max_length=64, description="IANA name")


@router.post("/metering-points", status_code=201, tags=["metering points"], summary="Add a metering point")
async def add_metering_point(
    request: Request, principal: Annotated[Principal, permit("usage-point.add")], document: MeteringPointDocument
) -> Response:
    """Add a metering point, without a meter yet."""
    fields = document.model_dump()
    point = UsagePoint(**{**fields, "id": UsagePointId(fields["id"])})
    market = market_of(request)
    await market.acts.record("usage_point.added", by=actor_of(principal), on=f"usage-point:{point.id}")
    registry = market.registry
    await registry.add_usage_points([point])
    return OrjsonResponse(usage_point_document(await registry.usage_point(point.id)), status_code=201)


@router.get("/metering-points/{metering_point:path}/last", tags=["metering points"], summary="Latest values")
async def last_values(
    request: Request,
    principal: Annotated[Principal, permit("reading.read")],
    metering_point: MeteringPointId,
    purpose: PurposeText = None,
) -> Response:
    """The latest value of each channel of the meters that hang there now."""
    market = market_of(request)
    claimed = purpose_of(principal.role, parse_purpose(purpose))
    now = instant(market.clock.now())
    view = await market.scope.usage_point(principal, metering_point, now, purpose=claimed)
    values = [
        {"device": entry.device_id, **value.document()}
        for entry in view.installations
        for value in await market.device_access.last_values(
            principal,
            entry.device_id,
            purpose=claimed.name,
            request_id=request_id_of(request),
        )
    ]
    return OrjsonResponse({"metering_point": metering_point, "values": values})


@router.get(
    "/metering-points/{metering_point:path}/accesses", tags=["metering points"], summary="Who has read these readings"
)
async def list_accesses(
    request: Request,
    principal: Annotated[Principal, permit("access-log.read")],
    metering_point: MeteringPointId,
    limit: Limit = 100,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="`next` of the page before")] = None,
) -> Response:
    """Accesses to the readings, newest first. A consumer sees those made to the time they live there.

    The person who read is shown to the operator and the auditor only.
    """
    market = market_of(request)
    entries, following = await market.access_view.of_usage_point(
        principal, metering_point, before_id=before, limit=limit
    )
    recipients = await market.access_view.recipients(entries)
    with_person = principal.role in UNBOUND_ROLES
    documents = [
        access_document(entry, recipients[entry.role, entry.organisation_id], with_person=with_person)
        for entry in entries
    ]
    return OrjsonResponse({"metering_point": metering_point, "accesses": documents, "next": following})


@router.get("/metering-points/{metering_point:path}", tags=["metering points"], summary="Look at a metering point")
async def show_metering_point(
    request: Request, principal: Annotated[Principal, permit("usage-point.read")], metering_point: MeteringPointId
) -> Response:
    """A metering point and the devices that hang there; the operator sees those that did before, too."""
    market = market_of(request)
    view = await market.scope.usage_point(principal, metering_point, instant(market.clock.now()))
    return OrjsonResponse(
        {
            **usage_point_document(view.usage_point),
            "installations": [installation_document(entry) for entry in view.installations],
        }
    )
