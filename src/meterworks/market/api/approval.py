"""What needs two people: role grants and emergency accesses, asked for here and approved by somebody else."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from meterworks.catalogue import Role
from meterworks.market.api.body import Body
from meterworks.market.api.gate import market_of, permit
from meterworks.market.api.response import OrjsonResponse
from meterworks.market.approval import BREAK_GLASS, Approval
from meterworks.market.errors import RequestMalformed
from meterworks.market.principal import Principal
from meterworks.market.role_grant import ACCOUNT_ROLE, ORGANISATION_ROLE
from meterworks.market.timestamp import format_utc, parse_time
from meterworks.registry import OrganisationId

__all__ = ["approval_document", "router"]

router = APIRouter()
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
Reason = Annotated[str, Field(min_length=10, max_length=500)]


class RoleGrantDocument(Body):
    """A role for an organisation, or one of the carrier's for an account."""

    role: Role
    reason: Reason
    organisation: int | None = Field(default=None, ge=1, le=2**63 - 1)
    user: str | None = Field(default=None, min_length=1, max_length=128)
    from_: str | None = Field(default=None, alias="from", max_length=40)
    to: str | None = Field(default=None, max_length=40)


class BreakGlassDocument(Body):
    """Actions beyond one's role, for an emergency."""

    actions: list[str] = Field(min_length=1, max_length=20)
    reason: Reason


def approval_document(approval: Approval) -> dict[str, object]:
    """Something asked for, as people see it."""
    return {
        "id": approval.id,
        "kind": approval.kind,
        "content": dict(approval.content),
        "reason": approval.reason,
        "asked_by": approval.asker,
        "asked_at": format_utc(approval.asked_at),
        "expires_at": format_utc(approval.expires_at),
        "decided_at": None if approval.decided_at is None else format_utc(approval.decided_at),
        "state": approval.state,
    }


@router.get("/approvals", tags=["approvals"], summary="What was asked for")
async def list_approvals(
    request: Request,
    principal: Annotated[Principal, permit("approval.read")],
    state: Annotated[Literal["asked", "approved", "refused", "ended"] | None, Query()] = None,
) -> Response:
    """Newest first."""
    found = await market_of(request).approvals.listed(state=state)
    return OrjsonResponse({"approvals": [approval_document(each) for each in found]})


@router.post("/role-grants", status_code=202, tags=["approvals"], summary="Ask for a role")
async def ask_for_role(
    request: Request, principal: Annotated[Principal, permit("role.ask")], document: RoleGrantDocument
) -> Response:
    """For an organisation, `from` (default: now) `to`, or for an account. Nothing happens before the approval."""
    market = market_of(request)
    if (document.organisation is None) == (document.user is None):
        raise RequestMalformed("say for whom: `organisation` or `user`", parameter="organisation")
    if document.organisation is not None:
        await market.registry.organisation(OrganisationId(document.organisation))
        for name, text in (("from", document.from_), ("to", document.to)):
            if text is not None:
                parse_time(text, name)
        starts = document.from_ or format_utc(market.clock.now())
        content: dict[str, object] = {
            "organisation": document.organisation,
            "role": document.role.value,
            "from": starts,
            "to": document.to,
        }
        asked = await market.approvals.ask(principal, ORGANISATION_ROLE, content, reason=document.reason)
    else:
        user = await market.accounts.user_named(document.user or "")
        content = {"name": user.name, "role": document.role.value}
        asked = await market.approvals.ask(principal, ACCOUNT_ROLE, content, reason=document.reason)
    return OrjsonResponse(approval_document(asked), status_code=202)


@router.post("/break-glass", status_code=202, tags=["approvals"], summary="Ask for an emergency access")
async def ask_for_glass(
    request: Request, principal: Annotated[Principal, permit("break-glass.ask")], document: BreakGlassDocument
) -> Response:
    """For named actions beyond the role. It opens with somebody else's approval, is shown to everybody, and ends."""
    market = market_of(request)
    asked = await market.approvals.ask(
        principal, BREAK_GLASS, {"actions": sorted(set(document.actions))}, reason=document.reason
    )
    return OrjsonResponse(approval_document(asked), status_code=202)


@router.post("/approvals/{number}/approval", tags=["approvals"], summary="Approve what somebody else asked for")
async def approve(
    request: Request, principal: Annotated[Principal, permit("approval.decide")], number: Number
) -> Response:
    """It is done with this. Whoever asked is refused."""
    return OrjsonResponse(approval_document(await market_of(request).approvals.approve(principal, number)))


@router.post("/approvals/{number}/refusal", tags=["approvals"], summary="Refuse, or take back")
async def refuse(
    request: Request, principal: Annotated[Principal, permit("approval.decide")], number: Number
) -> Response:
    """It will not be done."""
    return OrjsonResponse(approval_document(await market_of(request).approvals.refuse(principal, number)))


@router.post("/approvals/{number}/end", status_code=204, tags=["approvals"], summary="End an emergency access")
async def end_glass(
    request: Request, principal: Annotated[Principal, permit("approval.decide")], number: Number
) -> Response:
    """Before its time."""
    await market_of(request).approvals.end_glass(principal, number)
    return Response(status_code=204)
