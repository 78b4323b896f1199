"""The one gate every route passes: it names the action it performs, and the catalogue says who may do that.

A route without a gate is a defect that a test finds by walking all routes; `PUBLIC` marks the few that anyone may ask.
"""

import base64
import hashlib

from fastapi import Depends, Request

from meterworks.catalogue import PERMISSIONS
from meterworks.market.certificate import principal_of_certificate
from meterworks.market.errors import NotAuthenticated
from meterworks.market.market import Market
from meterworks.market.principal import Principal
from meterworks.market.request_evidence import SAFE_METHODS
from meterworks.trust.tls import Peer

__all__ = ["PUBLIC", "Gate", "Public", "market_of", "peer_of_request", "permit", "request_id_of", "thumbprint_of"]

PEER_EXTENSION = "meterworks.peer"  # in an ASGI scope's extensions, put there by the listener that took the certificate


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


def peer_of_request(request: Request) -> Peer | None:
    """Who is at the other end of the request's connection, where a certificate told so."""
    peer = request.scope.get("extensions", {}).get(PEER_EXTENSION)
    return peer if isinstance(peer, Peer) else None


def thumbprint_of(peer: Peer | None) -> str | None:
    """The certificate's thumbprint as tokens name it: SHA-256, base64url without padding. Source: RFC 8705 3.1."""
    if peer is None:
        return None
    return base64.urlsafe_b64encode(hashlib.sha256(peer.certificate_der).digest()).decode().rstrip("=")


class Gate:
    """Lets a request through if its token or certificate is good and its holder may do the action."""

    def __init__(self, action: str) -> None:
        assert action in PERMISSIONS, f"action {action!r} has no row in the catalogue's permissions"
        self.action = action

    async def __call__(self, request: Request) -> Principal:
        """Who asks, if they may. Raises what `Authoriser.admit` raises, and TooManyRequests.

        What an organisation's own certificate brought, and is more than a look, is kept as evidence before it is done.
        """
        principal = await self.admit(request, await self.principal(request))
        peer = peer_of_request(request)
        if peer is not None and request.method not in SAFE_METHODS:
            await _keep(request, principal, peer)
        return principal

    async def principal(self, request: Request) -> Principal:
        """Who asks: by bearer token, or without one by an organisation's certificate. Raises NotAuthenticated."""
        market, peer = market_of(request), peer_of_request(request)
        if peer is not None and "authorization" not in request.headers:
            return await principal_of_certificate(market, peer, role=request.headers.get("meterworks-role"))
        return await market.accounts.resolve(bearer_token(request), kind="bearer")

    async def admit(self, request: Request, principal: Principal) -> Principal:
        """The principal, counted against its share, if it may do the action."""
        market = market_of(request)
        client = f"organisation:{principal.organisation_id}" if principal.user_id == 0 else f"user:{principal.user_id}"
        state = request.scope["state"]
        state["client"] = client
        allowance = market.limits.take(client)
        state["limit_headers"] = allowance.headers()
        return await market.authoriser.admit(principal, self.action, thumbprint=thumbprint_of(peer_of_request(request)))


async def _keep(request: Request, principal: Principal, peer: Peer) -> None:
    scope = request.scope
    query = scope.get("query_string", b"").decode("latin-1")
    await market_of(request).request_evidence.keep(
        principal,
        peer,
        request_id=request_id_of(request),
        line=f"{request.method} {scope['path']}{'?' if query else ''}{query}",
        headers=scope["headers"],
        body=await request.body(),
    )


class Public:
    """Marks a route that needs no token."""

    async def __call__(self) -> None:
        """Let everyone through."""


PUBLIC = Depends(Public())


def permit(action: str) -> Principal:
    """The gate of an action, for a route's signature: `principal: Annotated[Principal, permit("device.read")]`."""
    gate: Principal = Depends(Gate(action))
    return gate
