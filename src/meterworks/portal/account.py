"""One's own account: second factors, password, sessions and API tokens. Plain forms; only passkeys need scripts."""

import re
from typing import Annotated

import segno
from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from meterworks.catalogue import PERMISSIONS, is_permitted
from meterworks.market import BadCredentials, Grant, Market, Principal, TooManyAttempts
from meterworks.market.api import checked_scopes, market_of
from meterworks.portal.login import HOME_BY_ROLE, address_of
from meterworks.portal.page import page
from meterworks.portal.web_session import SessionGate, check_form, session_token, signer_of
from meterworks.trust.factor import FactorRefused

__all__ = ["router", "safe_target"]

router = APIRouter(include_in_schema=False)
FormText = Annotated[str, Form(max_length=256)]
FormNumber = Annotated[int, Form(ge=1, le=2**63 - 1)]
Owner = Annotated[Principal, Depends(SessionGate("account.manage"))]
Changer = Annotated[Principal, Depends(SessionGate("factor.change"))]
Issuer = Annotated[Principal, Depends(SessionGate("token.issue"))]
NextText = Annotated[str, Query(max_length=200)]
_TARGET = re.compile(r"/[a-z0-9][a-z0-9/_-]*")
_ACCOUNT = "/account"


def safe_target(target: str) -> str:
    """A page of ours to go on to; the account where the text leads elsewhere."""
    return target if _TARGET.fullmatch(target) else _ACCOUNT


def _form_token(request: Request) -> str:
    return signer_of(request).form_token(session_token(request))


async def _account(
    request: Request, principal: Principal, *, message: str = "", made_token: str = "", status: int = 200
) -> Response:
    accounts = market_of(request).accounts
    factors, codes_left = await accounts.factors.of_user(principal.user_id)
    tokens = await accounts.tokens.of_user(principal.user_id)
    return page(
        "account.html",
        status=status,
        user=principal.name,
        role=principal.role.value.replace("_", " "),
        home=HOME_BY_ROLE[principal.role],
        form_token=_form_token(request),
        message=message,
        made_token=made_token,
        factors=factors,
        codes_left=codes_left,
        sessions=[token for token in tokens if token.kind != "api"],
        tokens=[token for token in tokens if token.kind == "api"],
        current=principal.token_hash,
        scopes=_scopes_on_offer(principal),
        welcome="welcome" in request.query_params and not factors,
    )


def _scopes_on_offer(principal: Principal) -> list[str]:
    return [
        action
        for action, row in PERMISSIONS.items()
        if is_permitted(principal.role, action)
        and not row.step_up
        and (principal.has_second_factor or not row.second_factor)
    ]


@router.get("/account")
async def account(request: Request, principal: Owner) -> Response:
    """What belongs to the account."""
    message = "That needs a second factor: enrol one first." if "needed" in request.query_params else ""
    return await _account(request, principal, message=message)


# --- factors ------------------------------------------------------------------------------------------------------


@router.post("/account/totp")
async def offer_totp(request: Request, principal: Changer, form_token: FormText = "") -> Response:
    """A secret as a picture to scan and as text to type."""
    check_form(request, form_token)
    offered = await market_of(request).accounts.factors.offer_totp(principal.user_id, principal.name)
    picture = segno.make(offered.uri, error="m").svg_data_uri(scale=5, border=2)
    return _offer(request, offered.secret, picture)


def _offer(request: Request, secret: str, picture: str) -> Response:
    spaced = " ".join(secret[place : place + 4] for place in range(0, len(secret), 4))
    return page("totp.html", form_token=_form_token(request), secret=spaced, picture=picture)


@router.post("/account/totp/confirm")
async def confirm_totp(
    request: Request, principal: Changer, code: FormText = "", form_token: FormText = ""
) -> Response:
    """Take the authenticator into use, and show recovery codes with a first factor."""
    check_form(request, form_token)
    market, name = market_of(request), f"account:{principal.name}"
    await market.acts.record("factor.enrolled", by=name, on=name, facts={"kind": "totp"})
    try:
        codes = await market.accounts.factors.confirm_totp(principal.user_id, code)
    except FactorRefused as error:
        return await _account(request, principal, message=f"{str(error).capitalize()}.", status=401)
    await market.accounts.tokens.prove(principal.token_hash, frozenset({"totp"}))
    return _codes(codes) if codes else RedirectResponse(_ACCOUNT, 303)


def _codes(codes: tuple[str, ...]) -> Response:
    return page("codes.html", codes=codes)


@router.post("/account/recovery")
async def renew_codes(request: Request, principal: Changer, form_token: FormText = "") -> Response:
    """New recovery codes; those of before are void."""
    check_form(request, form_token)
    market, name = market_of(request), f"account:{principal.name}"
    if not await market.accounts.factors.kinds(principal.user_id):
        return await _account(request, principal, message="Enrol a factor first.", status=422)
    await market.acts.record("factor.enrolled", by=name, on=name, facts={"kind": "recovery"})
    return _codes(await market.accounts.factors.renew_recovery_codes(principal.user_id))


@router.post("/account/factors/remove")
async def remove_factor(
    request: Request, principal: Changer, factor: FormNumber, form_token: FormText = ""
) -> Response:
    """Remove a factor; all other sessions end."""
    check_form(request, form_token)
    market, name = market_of(request), f"account:{principal.name}"
    await market.acts.record("factor.removed", by=name, on=name, facts={"factor": factor})
    await market.accounts.factors.remove(principal.user_id, factor)
    await market.accounts.tokens.revoke_all(principal.user_id, but_hash=principal.token_hash)
    return RedirectResponse(_ACCOUNT, 303)


@router.post("/account/password")
async def change_password(
    request: Request, principal: Changer, password: FormText = "", form_token: FormText = ""
) -> Response:
    """Another password; all other sessions and tokens end."""
    check_form(request, form_token)
    await market_of(request).accounts.change_password(principal, password)
    return await _account(request, principal, message="The password is changed, and all other sessions have ended.")


# --- sessions and tokens ------------------------------------------------------------------------------------------


@router.post("/account/tokens")
async def make_token(
    request: Request,
    principal: Issuer,
    name: FormText = "",
    days: Annotated[int, Form(ge=1, le=3660)] = 30,
    scope: Annotated[list[str] | None, Form(max_length=100)] = None,
    form_token: FormText = "",
) -> Response:
    """An API token, shown once."""
    check_form(request, form_token)
    market, owner = market_of(request), f"account:{principal.name}"
    if not name or not scope or days > market.settings.api_token_days_max:
        return await _account(request, principal, message="Give the token a name and something to do.", status=422)
    scopes = checked_scopes(principal, scope)
    facts: dict[str, str | int | bool | None] = {
        "name": name[:64],
        "scopes": " ".join(sorted(scopes))[:1000],
        "bound": False,
    }
    await market.acts.record("token.issued", by=owner, on=owner, facts=facts)
    token, _ = await market.accounts.tokens.issue(
        principal.user_id, _grant(principal, name, days, scopes, address_of(request))
    )
    return await _account(request, principal, made_token=token)


def _grant(principal: Principal, name: str, days: int, scopes: frozenset[str], origin: str) -> Grant:
    return Grant(
        kind="api",
        lifetime_s=days * 86_400,
        factors=principal.factors,
        name=name[:64],
        scopes=scopes,
        origin=origin,
    )


@router.post("/account/tokens/end")
async def end_token(request: Request, principal: Owner, token: FormNumber, form_token: FormText = "") -> Response:
    """End a session or token of one's own."""
    check_form(request, form_token)
    market, name = market_of(request), f"account:{principal.name}"
    await market.accounts.tokens.revoke_one(principal.user_id, token)
    market.acts.tell("token.revoked", by=name, on=name, facts={"token": token})
    return RedirectResponse(_ACCOUNT, 303)


@router.post("/account/sessions/end")
async def end_sessions(request: Request, principal: Owner, form_token: FormText = "") -> Response:
    """End all sessions but this one."""
    check_form(request, form_token)
    await _end_others(market_of(request), principal)
    return RedirectResponse(_ACCOUNT, 303)


async def _end_others(market: Market, principal: Principal) -> None:
    name = f"account:{principal.name}"
    ended = await market.accounts.tokens.revoke_all(
        principal.user_id, kinds=("session", "bearer"), but_hash=principal.token_hash
    )
    market.acts.tell("token.revoked", by=name, on=name, facts={"count": ended})


# --- proof --------------------------------------------------------------------------------------------------------


async def _proof(
    request: Request, principal: Principal, target: str, *, message: str = "", status: int = 200
) -> Response:
    kinds = await market_of(request).accounts.factors.kinds(principal.user_id)
    return page(
        "proof.html", status=status, form_token=_form_token(request), target=target, kinds=kinds, message=message
    )


@router.get("/account/proof")
async def proof_form(request: Request, principal: Owner, target: NextText = _ACCOUNT) -> Response:
    """Ask again who is there."""
    return await _proof(request, principal, safe_target(target))


@router.post("/account/proof")
async def prove(
    request: Request,
    principal: Owner,
    code: FormText = "",
    password: FormText = "",
    target: FormText = _ACCOUNT,
    form_token: FormText = "",
) -> Response:
    """Take the proof and go on."""
    check_form(request, form_token)
    try:
        await market_of(request).accounts.step_up(principal, password=password, code=code, address=address_of(request))
    except (BadCredentials, TooManyAttempts) as error:
        status = 429 if isinstance(error, TooManyAttempts) else 401
        return await _proof(
            request, principal, safe_target(target), message=f"{str(error).capitalize()}.", status=status
        )
    return RedirectResponse(safe_target(target), 303)
