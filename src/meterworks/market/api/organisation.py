"""Market parties and consumers, and their dated rights to metering points."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from meterworks.catalogue import Role
from meterworks.market.acts import actor_of
from meterworks.market.admission import Admission
from meterworks.market.api.body import Body
from meterworks.market.api.gate import market_of, permit
from meterworks.market.api.parameter import After, Limit
from meterworks.market.api.response import OrjsonResponse
from meterworks.market.document import organisation_document, registration_document
from meterworks.market.errors import NotFound, RequestMalformed
from meterworks.market.principal import Principal
from meterworks.market.role_grant import ORGANISATION_ROLE
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
OrganisationNumber = Annotated[int, Path(ge=1, le=2**63 - 1)]


class OrganisationDocument(Body):
    """A market party, and the roles it holds from a time on."""

    name: str = Field(min_length=1, max_length=200)
    eui64: str = Field(min_length=16, max_length=32, description="8 octets in hexadecimal")
    kind: OrganisationKind = OrganisationKind.MARKET
    roles: list[Role] = Field(default_factory=list, max_length=len(Role))
    from_: TimeText | None = Field(default=None, alias="from")
    reason: str = Field(default="asked for with the organisation", min_length=10, max_length=500)


class AdmissionDocument(Body):
    """An assessment that found the organisation fit."""

    document_digest: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the report")
    valid_until: TimeText
    reason: str = Field(default="", max_length=500)


class SuspensionDocument(Body):
    """Why an organisation may act no more."""

    reason: str = Field(min_length=10, max_length=500)


class RegistrationDocument(Body):
    """A party at a metering point in a role."""

    organisation: Number
    metering_point: PointText
    role: Role
    from_: TimeText = Field(alias="from")
    to: TimeText | None = None


class ConsumerDocument(Body):
    """A person or household."""

    name: str = Field(min_length=1, max_length=200)
    email: str = Field(default="", max_length=200)


class OccupancyDocument(Body):
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
    """Add a party, and ask for roles from `from` (default: now) on.

    It acts once its admission is recorded and somebody else has approved the roles: `approvals` are their numbers.
    """
    market = market_of(request)
    starts_at = _optional_time(document.from_, "from") or market.clock.now()
    await market.acts.record("organisation.created", by=actor_of(principal), on=f"organisation:{document.name}")
    number = await market.registry.add_organisation(document.name, document.eui64, document.kind)
    asked = [
        await market.approvals.ask(
            principal,
            ORGANISATION_ROLE,
            {"organisation": number, "role": role.value, "from": format_utc(starts_at), "to": None},
            reason=document.reason,
        )
        for role in dict.fromkeys(document.roles)
    ]
    facts = organisation_document(await market.registry.organisation(number))
    return OrjsonResponse({**facts, "approvals": [each.id for each in asked]}, status_code=201)


@router.get("/organisations/{number}/admissions", tags=["organisations"], summary="What was decided about a party")
async def list_admissions(
    request: Request, principal: Annotated[Principal, permit("organisation.read")], number: OrganisationNumber
) -> Response:
    """Assessments and suspensions, newest first; the first counts. A party sees its own."""
    market = market_of(request)
    if principal.organisation_id not in (None, number):
        raise NotFound(f"there is no organisation {number} in your view", id=number)
    await market.registry.organisation(OrganisationId(number))
    found = await market.admissions.history(number)
    return OrjsonResponse({"admissions": [_admission(each) for each in found]})


def _admission(admission: Admission) -> dict[str, object]:
    return {
        "at": format_utc(admission.at),
        "assessor": admission.assessor,
        "document_digest": admission.document_digest,
        "valid_until": None if admission.valid_until is None else format_utc(admission.valid_until),
        "reason": admission.reason,
    }


@router.post("/organisations/{number}/admissions", status_code=201, tags=["organisations"], summary="Admit a party")
async def admit(
    request: Request,
    principal: Annotated[Principal, permit("organisation.admit")],
    number: OrganisationNumber,
    document: AdmissionDocument,
) -> Response:
    """Record an assessment; the party may act until it lapses."""
    market = market_of(request)
    await market.registry.organisation(OrganisationId(number))
    made = await market.admissions.admit(
        number,
        assessor=principal.name,
        document_digest=document.document_digest,
        valid_until=parse_time(document.valid_until, "valid_until"),
        reason=document.reason,
    )
    return OrjsonResponse(_admission(made), status_code=201)


@router.post(
    "/organisations/{number}/suspension", status_code=204, tags=["organisations"], summary="Suspend a party at once"
)
async def suspend(
    request: Request,
    principal: Annotated[Principal, permit("organisation.admit")],
    number: OrganisationNumber,
    document: SuspensionDocument,
) -> Response:
    """It may act no more, by token or by certificate, until it is admitted again."""
    market = market_of(request)
    await market.registry.organisation(OrganisationId(number))
    await market.admissions.suspend(number, by=principal.name, reason=document.reason)
    return Response(status_code=204)


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
    market = market_of(request)
    await market.acts.record(
        "registration.changed",
        by=actor_of(principal),
        on=f"usage-point:{registration.usage_point_id}",
        facts={
            "organisation": registration.organisation_id,
            "role": registration.role.value,
            "from": document.from_,
            "to": document.to,
        },
    )
    await market.registry.register([registration], replacing=True)
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
    market = market_of(request)
    await market.acts.record("consumer.changed", by=actor_of(principal), on="consumer:new", cause="added")
    number = await market.registry.add_consumer(document.name, document.email)
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
    market = market_of(request)
    await market.acts.record(
        "consumer.changed",
        by=actor_of(principal),
        on=f"consumer:{occupancy.consumer_id}",
        cause="occupancy",
        facts={"usage_point": occupancy.usage_point_id, "from": document.from_, "to": document.to},
    )
    await market.registry.occupy([occupancy], replacing=True)
    return OrjsonResponse(
        {
            "consumer": occupancy.consumer_id,
            "metering_point": occupancy.usage_point_id,
            "from": format_utc(occupancy.starts_at),
            "to": None if occupancy.ends_at is None else format_utc(occupancy.ends_at),
        },
        status_code=201,
    )
