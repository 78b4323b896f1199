"""Tokens and users."""

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import AliasChoices, BaseModel, Field

from meterworks.catalogue import Role
from meterworks.market.account import NewUser, User
from meterworks.market.api.gate import PUBLIC, market_of, permit
from meterworks.market.api.parameter import After, Limit
from meterworks.market.api.response import OrjsonResponse
from meterworks.market.principal import Principal
from meterworks.market.timestamp import format_utc

__all__ = ["router"]

router = APIRouter()


class Credentials(BaseModel):
    """A user's name and password."""

    user: str = Field(min_length=1, max_length=128, validation_alias=AliasChoices("user", "username"))
    password: str = Field(min_length=1, max_length=256)


class UserDocument(BaseModel):
    """An account to be made."""

    name: str = Field(min_length=1, max_length=128)
    password: str = Field(min_length=1, max_length=256)
    role: Role
    organisation_id: int | None = Field(default=None, ge=1, le=2**63 - 1)
    consumer_id: int | None = Field(default=None, ge=1, le=2**63 - 1)


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
    """A bearer token with its end. After a few wrong passwords further attempts have to wait."""
    market = market_of(request)
    user = await market.accounts.verify(credentials.user, credentials.password, address=client_address(request))
    issued = await market.accounts.issue(user, kind="bearer", lifetime_s=market.settings.token_lifetime_s)
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
        }
    )


@router.delete("/tokens/current", status_code=204, tags=["tokens"], summary="Log out: end this token")
async def revoke_token(request: Request, principal: Annotated[Principal, permit("token.manage")]) -> Response:
    """End the token used."""
    await market_of(request).accounts.revoke(principal.token_hash)
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
    """Make an account. Suppliers and network operators belong to an organisation, consumers to a consumer record."""
    user = await market_of(request).accounts.add_user(
        NewUser(
            name=document.name,
            password=document.password,
            role=document.role,
            organisation_id=document.organisation_id,
            consumer_id=document.consumer_id,
        )
    )
    return OrjsonResponse(user_facts(user), status_code=201)


@router.delete("/users/{name}", status_code=204, tags=["users"], summary="Close an account and end its tokens")
async def close_user(request: Request, principal: Annotated[Principal, permit("user.manage")], name: str) -> Response:
    """Close an account. It stays in the records, but no token of it works any more."""
    await market_of(request).accounts.set_active(name, active=False)
    return Response(status_code=204)
