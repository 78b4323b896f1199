"""Logging in at an identity provider: there and back through the browser.

The way back comes from another site, so a strict cookie does not come along: what was begun is bound to the browser by
a lax cookie of its own, good once and for ten minutes. The session begins on a page of ours, which leads on.
"""

import time
from collections import OrderedDict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from meterworks.errors import MeterworksError
from meterworks.market import BadCredentials, Begun, Login, NotFound, OidcClient
from meterworks.market.api import PUBLIC, market_of
from meterworks.portal.login import address_of, is_secure, open_session
from meterworks.portal.page import page
from meterworks.trust import constant_time_equal
from meterworks.trust.audit import NOBODY, Outcome

__all__ = ["ProviderLogins", "router"]

router = APIRouter(include_in_schema=False)
COOKIE_NAME = "meterworks_provider"
BEGUN_S = 600
_BEGUN_COUNT_MAX = 1_000
ReturnedText = Annotated[str, Query(max_length=4096)]


class ProviderLogins:
    """Logins on their way, by state; the web process keeps them."""

    def __init__(self, client: OidcClient) -> None:
        self.client = client
        self._begun: OrderedDict[str, tuple[Begun, float]] = OrderedDict()

    def keep(self, begun: Begun) -> None:
        """Remember what the answer has to match."""
        self._begun[begun.state] = (begun, time.monotonic() + BEGUN_S)
        while len(self._begun) > _BEGUN_COUNT_MAX:
            self._begun.popitem(last=False)

    def take(self, state: str, cookie: str) -> Begun:
        """What was begun by this browser under this state; it ends with this. Raises BadCredentials."""
        begun, ends = self._begun.pop(state, (None, 0.0))
        bound = constant_time_equal(state.encode(), cookie.encode())
        if begun is None or not bound or ends <= time.monotonic():
            raise BadCredentials("this login was not begun here, or too long ago; begin again")
        return begun


def _logins(request: Request) -> ProviderLogins:
    logins = request.app.state.provider_logins
    if not isinstance(logins, ProviderLogins):
        raise NotFound("there is no identity provider here")
    return logins


@router.get("/login/provider", dependencies=[PUBLIC])
async def leave(request: Request) -> Response:
    """To the provider."""
    logins = _logins(request)
    begun = await logins.client.begin(f"{request.url.scheme}://{request.url.netloc}/login/provider/callback")
    logins.keep(begun)
    response = RedirectResponse(begun.url, 303)
    response.set_cookie(
        COOKIE_NAME,
        begun.state,
        max_age=BEGUN_S,
        httponly=True,
        samesite="lax",
        secure=is_secure(request),
        path="/login/provider",
    )
    return response


@router.get("/login/provider/callback", dependencies=[PUBLIC])
async def come_back(
    request: Request, state: ReturnedText = "", code: ReturnedText = "", iss: ReturnedText | None = None
) -> Response:
    """From the provider, with a code."""
    logins, market = _logins(request), market_of(request)
    attempt = market.accounts.attempts.take("", address=address_of(request))
    begun = logins.take(state, request.cookies.get(COOKIE_NAME, ""))
    try:
        if not code:
            raise BadCredentials("the identity provider did not let you in")
        found = await logins.client.finish(begun, code=code, issuer=iss)
    except MeterworksError as error:
        market.acts.tell("login.failed", by=NOBODY, on="account:?", outcome=Outcome.FAILURE, cause=error.code)
        raise
    user = await market.accounts.user_of_provider(found.issuer, found.subject, name=found.name, role=found.role)
    if not user.active:
        raise BadCredentials("the account is closed")
    attempt.succeeded()
    market.acts.tell(
        "login.succeeded",
        by=f"account:{user.name}",
        on=f"account:{user.name}",
        facts={"factors": " ".join(sorted(found.factors))},
    )
    response = page("onward.html", user=user.name)
    response.delete_cookie(COOKIE_NAME, path="/login/provider")
    await open_session(request, response, Login(user=user, factors=found.factors))
    return response
