"""The one gate every route passes: it names the action it performs, and the catalogue says who may do that.

A route without a gate is a defect that a test finds by walking all routes; `PUBLIC` marks the few that anyone may ask.
"""

from fastapi import Depends, Request

from meterworks.catalogue import PERMISSIONS, is_permitted
from meterworks.market.errors import NotAuthenticated, NotPermitted
from meterworks.market.market import Market
from meterworks.market.principal import Principal

__all__ = ["PUBLIC", "Gate", "Public", "market_of", "permit", "request_id_of"]


def market_of(request: Request) -> Market:
    """What the application was made with."""
    market = request.app.state.market
    assert isinstance(market, Market)
    return market


def request_id_of(request: Request) -> str:
    """The number the shell gave this request."""
    return str(request.scope["state"]["request_id"])


def bearer_token(request: Request) -> str:
    """The token of the Authorization header. Raises NotAuthenticated. Source: RFC 6750 section 2.1."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("this needs a token; get one by POST /api/v1/tokens and send it as a bearer token")
    return token.strip()


class Gate:
    """Lets a request through if its token is good and its role may do the action."""

    def __init__(self, action: str) -> None:
        assert action in PERMISSIONS, f"action {action!r} has no row in the catalogue's permissions"
        self.action = action

    async def __call__(self, request: Request) -> Principal:
        """Who asks, if they may. Raises NotAuthenticated or NotPermitted."""
        principal = await market_of(request).accounts.resolve(bearer_token(request), kind="bearer")
        return self.admit(principal)

    def admit(self, principal: Principal) -> Principal:
        """The principal, if the role may do the action. Raises NotPermitted."""
        if not is_permitted(principal.role, self.action):
            raise NotPermitted(f"the role {principal.role} may not do {self.action}", action=self.action)
        return principal


class Public:
    """Marks a route that needs no token."""

    async def __call__(self) -> None:
        """Let everyone through."""


PUBLIC = Depends(Public())


def permit(action: str) -> Principal:
    """The gate of an action, for a route's signature: `principal: Annotated[Principal, permit("device.read")]`."""
    gate: Principal = Depends(Gate(action))
    return gate
