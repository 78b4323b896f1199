"""Market parties and consumers, and their dated rights to metering points."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from meterworks.catalogue import Role
from meterworks.market.api.gate import market_of, permit
from meterworks.market.api.parameter import After, Limit
from meterworks.market.api.response import OrjsonResponse
from meterworks.market.document import organisation_document, registration_document
from meterworks.market.errors import RequestMalformed
from meterworks.market.principal import Principal
from meterworks.market.timestamp import format_utc, parse_time
from meterworks.registry import (
    ConsumerId,
    Occupancy,
    OrganisationId,
    OrganisationKind,
    Registration,
    UsagePointId,
)

__all__ = ["router"]

router = APIRouter()
Number = Annotated[int, Field(ge=1, le=2**63 - 1)]
TimeText = Annotated[str, Field(max_length=40, description="RFC 3339 with offset")]
PointText = Annotated[str, Field(min_length=1, max_length=128)]


class OrganisationDocument(BaseModel):
    """A market party, and the roles it holds from a time on."""

    name: str = Field(min_length=1, max_length=200)
    eui64: str = Field(min_length=16, max_length=32, description="8 octets in hexadecimal")
    kind: OrganisationKind = OrganisationKind.MARKET
    roles: list[Role] = Field(default_factory=list, max_length=len(Role))
    from_: TimeText | None = Field(default=None, alias="from")


class RegistrationDocument(BaseModel):
    """A party at a metering point in a role."""

    organisation: Number
    metering_point: PointText
    role: Role
    from_: TimeText = Field(alias="from")
    to: TimeText | None = None


class ConsumerDocument(BaseModel):
    """A person or household."""

    name: str = Field(min_length=1, max_length=200)
    email: str = Field(default="", max_length=200)


class OccupancyDocument(BaseModel):
    """A consumer at a metering point."""

    consumer: Number
    metering_point: PointText
    from_: TimeText = Field(alias="from")
    to: TimeText | None = None


def _optional_time(text: str | None, name: str) -> datetime | None:
    return None if text is None else parse_time(text, name)


@router.get("/organisations", tags=["organisations"], summary="Market parties")
async def list_organisations(
    request: Request, principal: Annotated[Principal, permit("organisation.read")]
) -> Response:
    """All parties for the operator, their own for everyone else."""
    registry = market_of(request).registry
    if principal.organisation_id is None:
        found = await registry.organisations()
    else:
        found = (await registry.organisation(OrganisationId(principal.organisation_id)),)
    return OrjsonResponse({"organisations": [organisation_document(each) for each in found]})


@router.post("/organisations", status_code=201, tags=["organisations"], summary="Add a market party")
async def add_organisation(
    request: Request, principal: Annotated[Principal, permit("organisation.manage")], document: OrganisationDocument
) -> Response:
    """Add a party and the roles it holds from `from` (default: now) on."""
    market = market_of(request)
    starts_at = _optional_time(document.from_, "from") or market.clock.now()
    number = await market.registry.add_organisation(document.name, document.eui64, document.kind)
    for role in dict.fromkeys(document.roles):
        await market.registry.grant_role(number, role, starts_at)
    return OrjsonResponse(organisation_document(await market.registry.organisation(number)), status_code=201)


@router.get("/registrations", tags=["organisations"], summary="Who is registered where")
async def list_registrations(
    request: Request,
    principal: Annotated[Principal, permit("registration.read")],
    organisation: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    metering_point: Annotated[str | None, Query(min_length=1, max_length=128)] = None,
) -> Response:
    """Registrations by metering point and time; others than the operator see their own."""
    chosen = organisation if principal.organisation_id is None else principal.organisation_id
    if chosen is None and metering_point is None:
        raise RequestMalformed("say whose: give `organisation` or `metering_point`", parameter="organisation")
    found = await market_of(request).registry.registrations(
        usage_point_id=None if metering_point is None else UsagePointId(metering_point),
        organisation_id=None if chosen is None else OrganisationId(chosen),
    )
    return OrjsonResponse({"registrations": [registration_document(each) for each in found]})


@router.post("/registrations", status_code=201, tags=["organisations"], summary="Register a party")
async def add_registration(
    request: Request, principal: Annotated[Principal, permit("registration.change")], document: RegistrationDocument
) -> Response:
    """Register a party; a registration of the same role that would go on ends where this one begins."""
    registration = Registration(
        organisation_id=OrganisationId(document.organisation),
        usage_point_id=UsagePointId(document.metering_point),
        role=document.role,
        starts_at=parse_time(document.from_, "from"),
        ends_at=_optional_time(document.to, "to"),
    )
    await market_of(request).registry.register([registration], replacing=True)
    return OrjsonResponse(registration_document(registration), status_code=201)


@router.get("/consumers", tags=["organisations"], summary="Consumers")
async def list_consumers(
    request: Request,
    principal: Annotated[Principal, permit("consumer.read")],
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """All consumers for the operator, themselves for a consumer."""
    registry = market_of(request).registry
    following = None
    if principal.consumer_id is None:
        page = await registry.consumers(after=after, limit=limit)
        found, following = page.items, page.next_cursor
    else:
        found = (await registry.consumer(ConsumerId(principal.consumer_id)),)
    documents = [{"id": each.id, "name": each.name, "email": each.email} for each in found]
    return OrjsonResponse({"consumers": documents, "next": following})


@router.post("/consumers", status_code=201, tags=["organisations"], summary="Add a consumer")
async def add_consumer(
    request: Request, principal: Annotated[Principal, permit("consumer.manage")], document: ConsumerDocument
) -> Response:
    """Add a consumer; `POST /occupancies` says where they live."""
    number = await market_of(request).registry.add_consumer(document.name, document.email)
    return OrjsonResponse({"id": number, "name": document.name, "email": document.email}, status_code=201)


@router.post("/occupancies", status_code=201, tags=["organisations"], summary="Let a consumer live at a metering point")
async def add_occupancy(
    request: Request, principal: Annotated[Principal, permit("consumer.manage")], document: OccupancyDocument
) -> Response:
    """Note that a consumer lives at a metering point; an occupancy that would go on ends where this one begins."""
    occupancy = Occupancy(
        consumer_id=ConsumerId(document.consumer),
        usage_point_id=UsagePointId(document.metering_point),
        starts_at=parse_time(document.from_, "from"),
        ends_at=_optional_time(document.to, "to"),
    )
    await market_of(request).registry.occupy([occupancy], replacing=True)
    return OrjsonResponse(
        {
            "consumer": occupancy.consumer_id,
            "metering_point": occupancy.usage_point_id,
            "from": format_utc(occupancy.starts_at),
            "to": None if occupancy.ends_at is None else format_utc(occupancy.ends_at),
        },
        status_code=201,
    )
