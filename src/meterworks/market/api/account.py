"""One's own account: proof, factors, password, tokens, sessions."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import Field

from meterworks.catalogue import PERMISSIONS, is_permitted
from meterworks.market.acts import actor_of
from meterworks.market.api.body import Body
from meterworks.market.api.gate import market_of, peer_of_request, permit, thumbprint_of
from meterworks.market.api.response import OrjsonResponse
from meterworks.market.api.token import client_address
from meterworks.market.errors import RequestMalformed
from meterworks.market.principal import Principal
from meterworks.market.timestamp import format_utc
from meterworks.market.token import Grant, TokenFacts

__all__ = ["router"]

router = APIRouter()
_NO_STORE = {"Cache-Control": "no-store"}
Owner = Annotated[Principal, permit("account.manage")]
Changer = Annotated[Principal, permit("factor.change")]
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
NameText = Annotated[str, Field(min_length=1, max_length=64)]


class ProofDocument(Body):
    """Who asks, proven again: a code, or the password where the account has no second factor."""

    code: str = Field(default="", max_length=64)
    password: str = Field(default="", max_length=256, repr=False)


class CodeDocument(Body):
    """The first code of an authenticator application."""

    code: str = Field(min_length=6, max_length=16)
    name: NameText = "Authenticator"


class PasswordDocument(Body):
    """Another password."""

    password: str = Field(min_length=1, max_length=256, repr=False)


class TokenDocument(Body):
    """An API token to be made: for some of one's actions and some days."""

    name: NameText
    scopes: list[str] = Field(min_length=1, max_length=100)
    days: int = Field(default=30, ge=1, le=3660)
    bind: bool = Field(default=False, description="To the certificate of this connection (RFC 8705)")


def token_document(token: TokenFacts, *, current_hash: str) -> dict[str, object]:
    """A token or session as its owner sees it."""
    return {
        "id": token.id,
        "kind": token.kind,
        "name": token.name,
        "scopes": None if token.scopes is None else sorted(token.scopes),
        "factors": sorted(token.factors),
        "created_at": format_utc(token.created_at),
        "expires_at": format_utc(token.expires_at),
        "used_at": None if token.used_at is None else format_utc(token.used_at),
        "origin": token.origin,
        "bound": token.bound,
        "current": token.token_hash == current_hash,
    }


@router.post("/account/proofs", status_code=204, tags=["account"], summary="Prove again who asks")
async def prove(request: Request, principal: Owner, document: ProofDocument) -> Response:
    """For the next minutes this token may do what wants a fresh proof. An API token proves nothing."""
    await market_of(request).accounts.step_up(
        _person(principal), password=document.password, code=document.code, address=client_address(request)
    )
    return Response(status_code=204)


def _person(principal: Principal) -> Principal:
    if principal.scopes is not None or principal.user_id == 0:
        raise RequestMalformed("a program proves nothing anew; log in as a person", parameter="token")
    return principal


@router.get("/account/factors", tags=["account"], summary="Second factors")
async def list_factors(request: Request, principal: Owner) -> Response:
    """What is enrolled. Passkeys are enrolled in the portal, where the browser asks for them."""
    found, codes_left = await market_of(request).accounts.factors.of_user(principal.user_id)
    return OrjsonResponse(
        {
            "factors": [
                {
                    "id": factor.id,
                    "kind": factor.kind,
                    "name": factor.name,
                    "created_at": format_utc(factor.created_at),
                    "used_at": None if factor.used_at is None else format_utc(factor.used_at),
                }
                for factor in found
            ],
            "recovery_codes_left": codes_left,
        }
    )


@router.post("/account/factors/totp", status_code=201, tags=["account"], summary="Begin to enrol an authenticator")
async def offer_totp(request: Request, principal: Changer) -> Response:
    """A secret for an authenticator application, shown this once; it counts after its first code."""
    offered = await market_of(request).accounts.factors.offer_totp(_person(principal).user_id, principal.name)
    return OrjsonResponse({"secret": offered.secret, "uri": offered.uri}, status_code=201, headers=_NO_STORE)


@router.post("/account/factors/totp/confirmation", tags=["account"], summary="Enrol an authenticator by its first code")
async def confirm_totp(request: Request, principal: Changer, document: CodeDocument) -> Response:
    """The authenticator counts from now on. Recovery codes come with the first factor, shown this once."""
    market = market_of(request)
    name = actor_of(principal)
    await market.acts.record("factor.enrolled", by=name, on=name, facts={"kind": "totp"})
    codes = await market.accounts.factors.confirm_totp(principal.user_id, document.code, name=document.name)
    await market.accounts.tokens.prove(principal.token_hash, frozenset({"totp"}))
    return OrjsonResponse({"recovery_codes": list(codes)}, headers=_NO_STORE)


@router.delete("/account/factors/{factor_id}", status_code=204, tags=["account"], summary="Remove a factor")
async def remove_factor(request: Request, principal: Changer, factor_id: Number) -> Response:
    """Without any factor left the account logs in by password, and does nothing that administers or commands."""
    market = market_of(request)
    await market.acts.record(
        "factor.removed", by=actor_of(principal), on=actor_of(principal), facts={"factor": factor_id}
    )
    await market.accounts.factors.remove(principal.user_id, factor_id)
    await market.accounts.tokens.revoke_all(principal.user_id, but_hash=principal.token_hash)
    return Response(status_code=204)


@router.post("/account/recovery-codes", status_code=201, tags=["account"], summary="New recovery codes")
async def renew_codes(request: Request, principal: Changer) -> Response:
    """The codes of before are void."""
    market = market_of(request)
    if not await market.accounts.factors.kinds(principal.user_id):
        raise RequestMalformed("enrol a factor first; recovery codes stand in for one", parameter="factor")
    await market.acts.record(
        "factor.enrolled", by=actor_of(principal), on=actor_of(principal), facts={"kind": "recovery"}
    )
    codes = await market.accounts.factors.renew_recovery_codes(principal.user_id)
    return OrjsonResponse({"recovery_codes": list(codes)}, status_code=201, headers=_NO_STORE)


@router.post("/account/password", status_code=204, tags=["account"], summary="Change the password")
async def change_password(request: Request, principal: Changer, document: PasswordDocument) -> Response:
    """All other tokens and sessions of the account end."""
    await market_of(request).accounts.change_password(_person(principal), document.password)
    return Response(status_code=204)


# --- tokens and sessions ------------------------------------------------------------------------------------------


@router.get("/account/tokens", tags=["account"], summary="One's living tokens and sessions")
async def list_tokens(request: Request, principal: Owner) -> Response:
    """Newest first, with last use, to the minute."""
    found = await market_of(request).accounts.tokens.of_user(principal.user_id)
    return OrjsonResponse({"tokens": [token_document(token, current_hash=principal.token_hash) for token in found]})


@router.post("/account/tokens", status_code=201, tags=["account"], summary="Make an API token for a program")
async def make_token(
    request: Request, principal: Annotated[Principal, permit("token.issue")], document: TokenDocument
) -> Response:
    """Shown this once. Its scopes are actions of one's role, none of those that want a fresh proof."""
    market = market_of(request)
    scopes = checked_scopes(principal, document.scopes)
    if document.days > market.settings.api_token_days_max:
        raise RequestMalformed(
            f"an API token lives at most {market.settings.api_token_days_max} days", parameter="days"
        )
    thumbprint = thumbprint_of(peer_of_request(request)) if document.bind else None
    if document.bind and thumbprint is None:
        raise RequestMalformed("this connection has no certificate to bind to", parameter="bind")
    await market.acts.record(
        "token.issued",
        by=actor_of(principal),
        on=actor_of(principal),
        facts={"name": document.name, "scopes": " ".join(sorted(scopes))[:1000], "bound": document.bind},
    )
    grant = Grant(
        kind="api",
        lifetime_s=document.days * 86_400,
        factors=principal.factors,
        name=document.name,
        scopes=scopes,
        thumbprint=thumbprint,
        origin=client_address(request),
    )
    token, expires_at = await market.accounts.tokens.issue(principal.user_id, grant)
    return OrjsonResponse(
        {"token": token, "token_type": "bearer", "name": document.name, "expires_at": format_utc(expires_at)},
        status_code=201,
        headers=_NO_STORE,
    )


def checked_scopes(principal: Principal, scopes: list[str]) -> frozenset[str]:
    """The scopes, if a token may have them. Raises RequestMalformed."""
    for scope in scopes:
        permission = PERMISSIONS.get(scope)
        if permission is None or not is_permitted(principal.role, scope) or permission.step_up:
            raise RequestMalformed(f"{scope[:60]!r} is nothing a token of yours can be made for", parameter="scopes")
        if permission.second_factor and not principal.has_second_factor:
            raise RequestMalformed(f"{scope!r} needs a second factor; log in with it first", parameter="scopes")
    return frozenset(scopes)


@router.delete("/account/tokens", tags=["account"], summary="End all of one's other tokens and sessions")
async def end_all(request: Request, principal: Owner) -> Response:
    """All but the one used."""
    market = market_of(request)
    ended = await market.accounts.tokens.revoke_all(principal.user_id, but_hash=principal.token_hash)
    market.acts.tell("token.revoked", by=actor_of(principal), on=actor_of(principal), facts={"count": ended})
    return OrjsonResponse({"ended": ended})


@router.delete("/account/tokens/{token_id}", status_code=204, tags=["account"], summary="End a token or session")
async def end_token(request: Request, principal: Owner, token_id: Number) -> Response:
    """One of one's own."""
    market = market_of(request)
    await market.accounts.tokens.revoke_one(principal.user_id, token_id)
    market.acts.tell("token.revoked", by=actor_of(principal), on=actor_of(principal), facts={"token": token_id})
    return Response(status_code=204)
