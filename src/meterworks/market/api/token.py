"""Logging in and out by the API, and the accounts of others. One's own account is in `account`."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import AliasChoices, Field

from meterworks.catalogue import UNBOUND_ROLES, Role
from meterworks.market.account import NewUser, User
from meterworks.market.acts import actor_of
from meterworks.market.api.body import Body
from meterworks.market.api.gate import PUBLIC, market_of, permit
from meterworks.market.api.parameter import After, Limit
from meterworks.market.api.response import OrjsonResponse
from meterworks.market.principal import Principal
from meterworks.market.role_grant import ACCOUNT_ROLE
from meterworks.market.timestamp import format_utc

__all__ = ["router"]

router = APIRouter()


class Credentials(Body):
    """A user's name and password."""

    user: str = Field(min_length=1, max_length=128, validation_alias=AliasChoices("user", "username"))
    password: str = Field(min_length=1, max_length=256)
    code: str = Field(default="", max_length=64, description="One-time or recovery code, where a factor is enrolled")


UserName = Annotated[str, Path(min_length=1, max_length=128)]


class UserDocument(Body):
    """An account to be made."""

    name: str = Field(min_length=1, max_length=128)
    password: str = Field(min_length=1, max_length=256)
    role: Role
    organisation_id: int | None = Field(default=None, ge=1, le=2**63 - 1)
    consumer_id: int | None = Field(default=None, ge=1, le=2**63 - 1)
    reason: str = Field(default="asked for with the account", min_length=10, max_length=500)


def client_address(request: Request) -> str:
    """The address attempts are counted by."""
    return "unknown" if request.client is None else request.client.host


def user_facts(user: User) -> dict[str, object]:
    """A user as a document."""
    return {
        "name": user.name,
        "role": user.role.value,
        "organisation_id": user.organisation_id,
        "consumer_id": user.consumer_id,
        "active": user.active,
        "created_at": format_utc(user.created_at),
    }


@router.post("/tokens", status_code=201, tags=["tokens"], dependencies=[PUBLIC], summary="Log in: password for token")
async def issue_token(request: Request, credentials: Credentials) -> Response:
    """A bearer token with its end. An account with a second factor needs a code; a wrong part is not named.

    After a few wrong attempts further ones have to wait.
    """
    market, address = market_of(request), client_address(request)
    login = await market.accounts.log_in(credentials.user, credentials.password, code=credentials.code, address=address)
    issued = await market.accounts.open(
        login, kind="bearer", lifetime_s=market.settings.token_lifetime_s, origin=address
    )
    user = login.user
    document = {
        "token": issued.token,
        "token_type": "bearer",
        "expires_at": format_utc(issued.expires_at),
        "user": user.name,
        "role": user.role.value,
    }
    return OrjsonResponse(document, status_code=201, headers={"Cache-Control": "no-store"})


@router.get("/tokens/current", tags=["tokens"], summary="Whose token this is")
async def show_token(principal: Annotated[Principal, permit("token.manage")]) -> Response:
    """The holder of the token used, and when it ends."""
    return OrjsonResponse(
        {
            "user": principal.name,
            "role": principal.role.value,
            "organisation_id": principal.organisation_id,
            "consumer_id": principal.consumer_id,
            "expires_at": format_utc(principal.expires_at),
            "scopes": None if principal.scopes is None else sorted(principal.scopes),
            "factors": sorted(principal.factors),
            "fresh_until": None if principal.stepped_up_until is None else format_utc(principal.stepped_up_until),
        }
    )


@router.delete("/tokens/current", status_code=204, tags=["tokens"], summary="Log out: end this token")
async def revoke_token(request: Request, principal: Annotated[Principal, permit("token.manage")]) -> Response:
    """End the token used."""
    market = market_of(request)
    await market.accounts.revoke(principal.token_hash)
    market.acts.tell("logout.done", by=actor_of(principal), on=actor_of(principal))
    return Response(status_code=204)


@router.get("/users", tags=["users"], summary="Accounts")
async def list_users(
    request: Request,
    principal: Annotated[Principal, permit("user.read")],
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Accounts by name."""
    users = await market_of(request).accounts.users(after=after or "", limit=limit + 1)
    page = users[:limit]
    following = page[-1].name if len(users) > limit else None
    return OrjsonResponse({"users": [user_facts(user) for user in page], "next": following})


@router.post("/users", status_code=201, tags=["users"], summary="Make an account")
async def add_user(
    request: Request, principal: Annotated[Principal, permit("user.manage")], document: UserDocument
) -> Response:
    """Make an account. Users of market parties belong to an organisation, consumers to a consumer record.

    An account of the carrier's own (operator, auditor) stays closed until somebody else approves it.
    """
    market = market_of(request)
    new = NewUser(
        name=document.name,
        password=document.password,
        role=document.role,
        organisation_id=document.organisation_id,
        consumer_id=document.consumer_id,
    )
    by_two = document.role in UNBOUND_ROLES
    on = f"account:{document.name}"
    await market.acts.record("account.created", by=actor_of(principal), on=on, facts={"role": document.role.value})
    user = await market.accounts.add_user(new, active=not by_two)
    facts = user_facts(user)
    if by_two:
        content = {"name": user.name, "role": user.role.value}
        asked = await market.approvals.ask(principal, ACCOUNT_ROLE, content, reason=document.reason)
        facts["approval"] = asked.id
    return OrjsonResponse(facts, status_code=201)


@router.delete("/users/{name}", status_code=204, tags=["users"], summary="Close an account and end its tokens")
async def close_user(
    request: Request, principal: Annotated[Principal, permit("user.manage")], name: UserName
) -> Response:
    """Close an account. It stays in the records, but no token of it works any more."""
    market = market_of(request)
    await market.accounts.user_named(name)
    await market.acts.record("account.changed", by=actor_of(principal), on=f"account:{name}", facts={"active": False})
    await market.accounts.set_active(name, active=False)
    return Response(status_code=204)


@router.delete(
    "/users/{name}/factors", status_code=204, tags=["users"], summary="Take all factors from an account that lost them"
)
async def reset_factors(
    request: Request, principal: Annotated[Principal, permit("user.manage")], name: UserName
) -> Response:
    """Its owner logs in by password then, and enrols anew. All tokens and sessions of the account end."""
    market = market_of(request)
    user = await market.accounts.user_named(name)
    await market.acts.record("factor.removed", by=actor_of(principal), on=f"account:{name}", facts={"all": True})
    await market.accounts.factors.remove_all(user.id)
    await market.accounts.tokens.revoke_all(user.id)
    return Response(status_code=204)
