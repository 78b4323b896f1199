"""Purposes and consents: what may be read why, and who agreed to what."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from meterworks.catalogue import PURPOSES, Detail, Role
from meterworks.market.acts import actor_of
from meterworks.market.api.body import Body
from meterworks.market.api.gate import market_of, permit
from meterworks.market.api.response import OrjsonResponse
from meterworks.market.consent import Consent, ConsentTerms, Evidence
from meterworks.market.document import consent_document
from meterworks.market.errors import RequestMalformed
from meterworks.market.market import Market
from meterworks.market.principal import Principal
from meterworks.market.timestamp import parse_time
from meterworks.registry import OrganisationId, UnknownRecordError

__all__ = ["router"]

router = APIRouter()
Number = Annotated[int, Field(ge=1, le=2**63 - 1)]
TimeText = Annotated[str | None, Field(max_length=40, description="RFC 3339 with offset")]
Reference = Annotated[str, Path(min_length=1, max_length=36, description="The consent's reference")]
DetailName = Literal["month", "day", "interval", "instant"]


class EvidenceDocument(Body):
    """What an organisation holds of a consent given to it."""

    reference: str = Field(min_length=1, max_length=200, description="Where it is filed")
    digest: str = Field(min_length=64, max_length=64, description="SHA-256 of it in hexadecimal")


class ConsentDocument(Body):
    """Terms of a consent. A consumer gives it; an organisation records it with its evidence and it waits for them."""

    organisation: Number | None = Field(default=None, description="To whom; an organisation's own when it records one")
    metering_point: str = Field(min_length=1, max_length=128)
    purpose: str = Field(min_length=1, max_length=32, description="One of `GET /purposes` that rests on consent")
    detail: DetailName = "interval"
    data_from: TimeText = Field(default=None, description="Readings from here on; default: from its start on")
    from_: TimeText = Field(default=None, alias="from", description="May be used from here on; default: now")
    to: TimeText = Field(default=None, description="And not from here on; default: a year later, at most two")
    evidence: EvidenceDocument | None = None


def _terms(document: ConsentDocument, organisation_id: int) -> ConsentTerms:
    times = {"data_from": document.data_from, "from": document.from_, "to": document.to}
    parsed = {name: None if text is None else parse_time(text, name) for name, text in times.items()}
    return ConsentTerms(
        organisation_id=organisation_id,
        usage_point_id=document.metering_point,
        purpose=document.purpose,
        detail=Detail[document.detail.upper()],
        data_from=parsed["data_from"],
        starts_at=parsed["from"],
        ends_at=parsed["to"],
    )


async def _shown(market: Market, consent: Consent) -> dict[str, object]:
    try:
        name = (await market.registry.organisation(OrganisationId(consent.organisation_id))).name
    except UnknownRecordError:
        name = f"organisation {consent.organisation_id}"
    return consent_document(consent, name, market.clock.now())


@router.get("/purposes", tags=["consents"], summary="What data may be read for")
async def list_purposes(principal: Annotated[Principal, permit("consent.read")]) -> Response:
    """All purposes: legal basis, roles that may claim it, and the finest detail by group of channels."""
    return OrjsonResponse(
        {
            "purposes": [
                {
                    "purpose": purpose.name,
                    "title": purpose.title,
                    "basis": purpose.basis.value,
                    "roles": sorted(role.value for role in purpose.roles),
                    "sees": {group.value: detail.label for group, detail in purpose.sees.items()},
                }
                for purpose in PURPOSES.values()
            ]
        }
    )


@router.get("/consents", tags=["consents"], summary="Consents")
async def list_consents(
    request: Request,
    principal: Annotated[Principal, permit("consent.read")],
    metering_point: Annotated[str | None, Query(min_length=1, max_length=128)] = None,
) -> Response:
    """A consumer's own, an organisation's own, or all of a metering point for operator and auditor; newest first."""
    market = market_of(request)
    if principal.consumer_id is None and principal.organisation_id is None and metering_point is None:
        raise RequestMalformed("say whose: give `metering_point`", parameter="metering_point")
    found = await market.consents.of(
        consumer_id=principal.consumer_id, organisation_id=principal.organisation_id, usage_point_id=metering_point
    )
    return OrjsonResponse({"consents": [await _shown(market, consent) for consent in found]})


@router.post("/consents", status_code=201, tags=["consents"], summary="Give a consent")
async def give_consent(
    request: Request, principal: Annotated[Principal, permit("consent.give")], document: ConsentDocument
) -> Response:
    """Let an organisation read your data for a purpose. In force from `from` until `to`, or until you withdraw it."""
    market = market_of(request)
    assert principal.consumer_id is not None
    if document.organisation is None or document.evidence is not None:
        raise RequestMalformed("name the organisation, and no evidence: it is you who agrees", parameter="organisation")
    terms = _terms(document, document.organisation)
    consent = await market.consents.give(principal.consumer_id, terms, via="api", actor=actor_of(principal))
    return OrjsonResponse(await _shown(market, consent), status_code=201)


@router.post("/consent-proposals", status_code=201, tags=["consents"], summary="Record a consent given elsewhere")
async def propose_consent(
    request: Request, principal: Annotated[Principal, permit("consent.record")], document: ConsentDocument
) -> Response:
    """Tell that a consumer agreed, and what evidence you hold; it allows nothing until they confirm it here.

    The answer is the same whether or not the metering point exists.
    """
    market = market_of(request)
    assert principal.organisation_id is not None
    if document.evidence is None:
        raise RequestMalformed("give the evidence you hold", parameter="evidence")
    terms = _terms(document, document.organisation or principal.organisation_id)
    evidence = Evidence(reference=document.evidence.reference, digest=document.evidence.digest.lower())
    consent = await market.consents.propose(principal, terms, evidence)
    return OrjsonResponse(await _shown(market, consent), status_code=201)


@router.post("/consents/{reference}/confirmation", tags=["consents"], summary="Confirm a recorded consent")
async def confirm_consent(
    request: Request, principal: Annotated[Principal, permit("consent.give")], reference: Reference
) -> Response:
    """Agree to what an organisation recorded; in force from now on."""
    market = market_of(request)
    assert principal.consumer_id is not None
    consent = await market.consents.confirm(principal.consumer_id, reference, actor=actor_of(principal))
    return OrjsonResponse(await _shown(market, consent))


@router.delete("/consents/{reference}", tags=["consents"], summary="Withdraw or decline a consent")
async def end_consent(
    request: Request, principal: Annotated[Principal, permit("consent.withdraw")], reference: Reference
) -> Response:
    """End it from the next access on. The organisation may give up its own, the operator acts for a consumer."""
    market = market_of(request)
    by: Literal["consumer", "organisation", "operator"] = "organisation"
    if principal.role in (Role.CONSUMER, Role.OPERATOR):
        by = "consumer" if principal.role is Role.CONSUMER else "operator"
    consent = await market.consents.end(
        reference,
        by=by,
        actor=actor_of(principal),
        consumer_id=principal.consumer_id,
        organisation_id=principal.organisation_id,
    )
    return OrjsonResponse(await _shown(market, consent))
