"""The audit trail, for auditors: records, proofs, acts per hour. Each look is itself a record."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from meterworks.market.api.gate import market_of, permit
from meterworks.market.api.parameter import FromText, Limit, ToText
from meterworks.market.api.response import OrjsonResponse
from meterworks.market.principal import Principal
from meterworks.market.timestamp import parse_time
from meterworks.market.trail_view import record_document
from meterworks.trust.audit import AuditQuestion, Outcome

__all__ = ["router"]

router = APIRouter()
Filter = Annotated[str | None, Query(max_length=200, description="Whole, or with a last `*` for any rest")]
RecordNumber = Annotated[int, Path(ge=0, le=2**63 - 1, description="The record's place in the trail")]


@router.get("/audit/records", tags=["audit"], summary="Records of the audit trail")
async def records(
    request: Request,
    principal: Annotated[Principal, permit("audit.read")],
    act: Filter = None,
    actor: Filter = None,
    on: Annotated[str | None, Query(alias="object", max_length=200, description="On what; a last `*` as above")] = None,
    outcome: Outcome | None = None,
    from_: FromText = None,
    to: ToText = None,
    before: Annotated[int | None, Query(ge=0, le=2**63 - 1, description="`next` of the page before")] = None,
    limit: Limit = 100,
) -> Response:
    """Acts, newest first: who, on what, how it ended and why. `sealed` records are covered by a signed tree head."""
    question = AuditQuestion(
        act=act,
        actor=actor,
        object=on,
        outcome=None if outcome is None else outcome.value,
        since=None if from_ is None else parse_time(from_, "from"),
        until=None if to is None else parse_time(to, "to"),
        before=before,
        limit=limit,
    )
    page = await market_of(request).trail_view.page(principal, question)
    return OrjsonResponse(
        {"records": [record_document(record) for record in page.records], "sealed": page.sealed, "next": page.next}
    )


@router.get("/audit/records/{record}/proof", tags=["audit"], summary="Proof of a record")
async def proof(
    request: Request, principal: Annotated[Principal, permit("audit.read")], record: RecordNumber
) -> Response:
    """A file that shows the record to be in the trail; `meterworks audit check-proof` checks it with a public key."""
    return Response(await market_of(request).trail_view.proof(principal, record), media_type="application/json")


@router.get("/audit/hours", tags=["audit"], summary="Acts per hour")
async def hours(request: Request, principal: Annotated[Principal, permit("audit.read")]) -> Response:
    """How many acts fell into each hour of the last week that had any."""
    found = await market_of(request).trail_view.per_hour()
    return OrjsonResponse({"hours": [{"hour": f"{hour}:00:00Z", "acts": count} for hour, count in found.items()]})
