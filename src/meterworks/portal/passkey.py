"""Passkeys in the browser: to log in, to enrol one, to prove again who is there.

Each ceremony is two requests of the page's script: options with a challenge, then the device's answer. The challenge is
bound to the browser (its login cookie or session) and good once. Requests carry the page's form token in a header.
"""

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from meterworks.market import BadCredentials, Principal, RequestMalformed
from meterworks.market.api import PUBLIC, OrjsonResponse, market_of
from meterworks.portal.errors import FormForged
from meterworks.portal.login import LOGIN_COOKIE_NAME, address_of, open_session
from meterworks.portal.web_session import SessionGate, check_form, check_same_origin, signer_of
from meterworks.trust.factor import FactorRefused, RelyingParty, authentication_options, registration_options

__all__ = ["relying_party", "router"]

router = APIRouter(include_in_schema=False)
FORM_HEADER = "x-form-token"
Owner = Depends(SessionGate("account.manage"))
Changer = Depends(SessionGate("factor.change"))


class Answer(BaseModel):
    """What the browser's device answered, as `PublicKeyCredential.toJSON` writes it."""

    model_config = ConfigDict(extra="forbid")
    credential: dict[str, Any]
    name: str = Field(default="Passkey", min_length=1, max_length=64)


def relying_party(request: Request) -> RelyingParty:
    """We, by the name the page was asked for. Raises RequestMalformed where passkeys are bound to another name."""
    host = market_of(request).settings.relying_party
    asked = request.url.hostname or ""
    if asked != host and not asked.endswith(f".{host}"):
        raise RequestMalformed(f"passkeys are bound to the name {host}: open the portal by it", parameter="host")
    return RelyingParty(host=host, origin=f"{request.url.scheme}://{request.headers.get('host', '')}")


def _options(text: str) -> Response:
    return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})


def _login_nonce(request: Request) -> str:
    check_same_origin(request.headers, request.headers.get("host", ""))
    nonce = request.cookies.get(LOGIN_COOKIE_NAME, "")
    if not nonce:
        raise FormForged("the form is not valid any more; load the page again")
    signer_of(request).check_form(nonce, request.headers.get(FORM_HEADER))
    return nonce


@router.post("/login/passkey/options", dependencies=[PUBLIC])
async def login_options(request: Request) -> Response:
    """A challenge for any passkey of ours that the device holds."""
    nonce, party = _login_nonce(request), relying_party(request)
    challenge = market_of(request).accounts.challenges.begin(f"login {nonce}")
    return _options(authentication_options(party, challenge=challenge))


@router.post("/login/passkey", dependencies=[PUBLIC])
async def login_by_passkey(request: Request, answer: Answer) -> Response:
    """A session for whoever the passkey belongs to."""
    nonce, accounts = _login_nonce(request), market_of(request).accounts
    try:
        challenge = accounts.challenges.take(f"login {nonce}")
    except FactorRefused as error:
        raise BadCredentials(str(error)) from error
    login = await accounts.log_in_by_passkey(
        relying_party(request), answer.credential, challenge=challenge, address=address_of(request)
    )
    response = OrjsonResponse({"location": "/"}, headers={"Cache-Control": "no-store"})
    await open_session(request, response, login)
    return response


@router.post("/account/passkey/options")
async def enrol_options(request: Request, principal: Principal = Changer) -> Response:
    """A challenge for a new passkey of the account."""
    check_form(request, request.headers.get(FORM_HEADER, ""))
    party, accounts = relying_party(request), market_of(request).accounts
    return _options(
        registration_options(
            party,
            user_id=principal.user_id.to_bytes(8, "big"),
            user_name=principal.name,
            challenge=accounts.challenges.begin(f"enrol {principal.token_hash}"),
            known=await accounts.factors.passkeys(principal.user_id),
        )
    )


@router.post("/account/passkey")
async def enrol(request: Request, answer: Answer, principal: Principal = Changer) -> Response:
    """Take the new passkey; recovery codes come with an account's first factor."""
    check_form(request, request.headers.get(FORM_HEADER, ""))
    market, name = market_of(request), f"account:{principal.name}"
    challenge = market.accounts.challenges.take(f"enrol {principal.token_hash}")
    await market.acts.record("factor.enrolled", by=name, on=name, facts={"kind": "passkey"})
    codes = await market.accounts.factors.add_passkey(
        principal.user_id, relying_party(request), answer.credential, challenge=challenge, name=answer.name
    )
    await market.accounts.tokens.prove(principal.token_hash, frozenset({"passkey"}))
    return OrjsonResponse({"recovery_codes": list(codes)}, headers={"Cache-Control": "no-store"})


@router.post("/account/proof/passkey/options")
async def proof_options(request: Request, principal: Principal = Owner) -> Response:
    """A challenge for one of the account's passkeys."""
    check_form(request, request.headers.get(FORM_HEADER, ""))
    accounts = market_of(request).accounts
    challenge = accounts.challenges.begin(f"proof {principal.token_hash}")
    allowed = await accounts.factors.passkeys(principal.user_id)
    return _options(authentication_options(relying_party(request), challenge=challenge, allowed=allowed))


@router.post("/account/proof/passkey")
async def prove(request: Request, answer: Answer, principal: Principal = Owner) -> Response:
    """The session's proof is fresh again."""
    check_form(request, request.headers.get(FORM_HEADER, ""))
    accounts = market_of(request).accounts
    challenge = accounts.challenges.take(f"proof {principal.token_hash}")
    await accounts.step_up_by_passkey(principal, relying_party(request), answer.credential, challenge=challenge)
    return OrjsonResponse({"proven": True}, headers={"Cache-Control": "no-store"})
