"""Pages of the carrier's people: market parties and their admission, what waits for a second person, emergencies."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from meterworks.catalogue import PERMISSIONS, is_permitted
from meterworks.market import Principal, parse_time
from meterworks.market.api import market_of
from meterworks.portal.page import page
from meterworks.portal.web_session import SessionGate, check_form, session_token, signer_of
from meterworks.registry import OrganisationId

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
FormText = Annotated[str, Form(max_length=500)]
FormNumber = Annotated[int, Form(ge=1, le=2**63 - 1)]
Reader = Annotated[Principal, Depends(SessionGate("approval.read"))]
Admitter = Annotated[Principal, Depends(SessionGate("organisation.admit"))]
Decider = Annotated[Principal, Depends(SessionGate("approval.decide"))]
Asker = Annotated[Principal, Depends(SessionGate("break-glass.ask"))]
_PARTIES, _APPROVALS = "/parties", "/approvals"


def _form_token(request: Request) -> str:
    return signer_of(request).form_token(session_token(request))


@router.get(_PARTIES)
async def parties(request: Request, principal: Reader) -> Response:
    """Market parties, the roles they hold, and until when they are admitted."""
    market = market_of(request)
    now = market.clock.now()
    rows = []
    for organisation in await market.registry.organisations():
        history = await market.admissions.history(organisation.id)
        rows.append(
            {
                "id": organisation.id,
                "name": organisation.name,
                "roles": ", ".join(sorted({h.role.value for h in organisation.roles if h.span.contains(now)})),
                "admission": history[0] if history else None,
                "admitted": bool(history) and history[0].holds(now),
            }
        )
    return page(
        "parties.html",
        user=principal.name,
        form_token=_form_token(request),
        parties=rows,
        may_admit=is_permitted(principal.role, "organisation.admit"),
    )


@router.post("/parties/admit")
async def admit(
    request: Request,
    principal: Admitter,
    organisation: FormNumber,
    document_digest: FormText = "",
    valid_until: FormText = "",
    form_token: FormText = "",
) -> Response:
    """Record an assessment. valid_until: a date; its day counts in UTC."""
    check_form(request, form_token)
    market = market_of(request)
    await market.registry.organisation(OrganisationId(organisation))
    await market.admissions.admit(
        organisation,
        assessor=principal.name,
        document_digest=document_digest.strip().lower(),
        valid_until=parse_time(f"{valid_until}T00:00:00Z", "valid_until"),
    )
    return RedirectResponse(_PARTIES, 303)


@router.post("/parties/suspend")
async def suspend(
    request: Request, principal: Admitter, organisation: FormNumber, reason: FormText = "", form_token: FormText = ""
) -> Response:
    """The party may act no more, from now on."""
    check_form(request, form_token)
    market = market_of(request)
    await market.registry.organisation(OrganisationId(organisation))
    await market.admissions.suspend(organisation, by=principal.name, reason=reason)
    return RedirectResponse(_PARTIES, 303)


@router.get(_APPROVALS)
async def approvals(request: Request, principal: Reader) -> Response:
    """What was asked for; emergency accesses that are open stand first."""
    market = market_of(request)
    return page(
        "approvals.html",
        user=principal.name,
        user_id=principal.user_id,
        form_token=_form_token(request),
        glasses=await market.approvals.open_glasses(),
        waiting=await market.approvals.listed(state="asked"),
        may_decide=is_permitted(principal.role, "approval.decide"),
        actions=[action for action in PERMISSIONS if not is_permitted(principal.role, action)],
    )


@router.post("/approvals/decide")
async def decide(
    request: Request,
    principal: Decider,
    number: FormNumber,
    verdict: Annotated[Literal["approve", "refuse", "end"], Form()],
    form_token: FormText = "",
) -> Response:
    """Approve what somebody else asked for, refuse it, or end an emergency access."""
    check_form(request, form_token)
    found = market_of(request).approvals
    act = {"approve": found.approve, "refuse": found.refuse, "end": found.end_glass}[verdict]
    await act(principal, number)
    return RedirectResponse(_APPROVALS, 303)


@router.post("/approvals/break-glass")
async def ask_for_glass(
    request: Request,
    principal: Asker,
    action: Annotated[list[str] | None, Form(max_length=20)] = None,
    reason: FormText = "",
    form_token: FormText = "",
) -> Response:
    """Ask for an emergency access; somebody else opens it."""
    check_form(request, form_token)
    await market_of(request).approvals.ask(principal, "break-glass", {"actions": action or []}, reason=reason)
    return RedirectResponse(_APPROVALS, 303)
