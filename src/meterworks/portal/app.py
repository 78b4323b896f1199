"""The web process's application: market API, operator's console and consumer's page on one port."""

from pathlib import Path
from urllib.parse import quote

import nicegui
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from meterworks.errors import MeterworksError
from meterworks.market import (
    Market,
    MarketServices,
    MarketSettings,
    NotAuthenticated,
    OidcClient,
    OidcSettings,
    SecondFactorNeeded,
    StepUpNeeded,
    problem_of,
    status_of,
)
from meterworks.market.api import API_PREFIX, create_api, request_id_of
from meterworks.portal import account, consumer, login, organisation, passkey, points, privacy, provider, trail
from meterworks.portal.console import mount_console
from meterworks.portal.page import STATIC_FOLDER, refusal
from meterworks.portal.provider import ProviderLogins
from meterworks.portal.session import SessionSigner
from meterworks.portal.settings import PortalSettings

__all__ = ["create_app"]

# ECharts as NiceGUI's wheel brings it: one copy serves console and consumer page.
_ECHARTS_FOLDER = Path(nicegui.__file__).parent / "elements" / "echart" / "dist"


def create_app(
    services: MarketServices,
    settings: MarketSettings,
    *,
    portal_settings: PortalSettings,
    session_secret: bytes,
    console: bool = True,
    oidc: OidcSettings | None = None,
) -> FastAPI:
    """The whole web application, to be run by one uvicorn worker (the console's state lives in its process).

    session_secret: at least 32 bytes, see `load_session_secret`. console: whether to mount the operator's console.
    oidc: the identity provider of the carrier's people, if there is one.
    """
    app = create_api(services, settings)
    market = app.state.market
    assert isinstance(market, Market)
    app.state.signer = SessionSigner(session_secret)
    app.state.portal_settings = portal_settings
    has_provider = oidc is not None and bool(oidc.issuer)
    app.state.provider = oidc.label if oidc is not None and has_provider else None
    app.state.provider_logins = ProviderLogins(OidcClient(oidc)) if oidc is not None and has_provider else None
    app.include_router(login.router)
    app.include_router(account.router)
    app.include_router(passkey.router)
    app.include_router(points.router)
    app.include_router(organisation.router)
    app.include_router(provider.router)
    app.include_router(consumer.router)
    app.include_router(privacy.router)
    app.include_router(trail.router)
    app.mount("/assets/echarts", StaticFiles(directory=_ECHARTS_FOLDER), name="echarts")
    app.mount("/assets", StaticFiles(directory=STATIC_FOLDER), name="assets")
    app.add_exception_handler(MeterworksError, _problem)
    if console:
        mount_console(app, market=market, settings=portal_settings, signer=app.state.signer)
    return app


async def _problem(request: Request, error: Exception) -> Response:
    """A document for programs; for people a page, or the way to the login."""
    assert isinstance(error, MeterworksError)
    if request.url.path.startswith(f"{API_PREFIX}/") or "text/html" not in request.headers.get("accept", ""):
        return problem_of(error, request_id_of(request))
    if isinstance(error, NotAuthenticated) and request.method in ("GET", "HEAD"):
        return RedirectResponse("/login", 303)
    if isinstance(error, StepUpNeeded):
        target = request.url.path if request.method == "GET" else f"/{request.url.path.split('/')[1]}"
        return RedirectResponse(f"/account/proof?target={quote(account.safe_target(target))}", 303)
    if isinstance(error, SecondFactorNeeded):
        return RedirectResponse("/account?needed=1", 303)
    text = str(error)
    title = {403: "Not for you", 404: "Not here", 429: "Too many attempts"}.get(status_of(error), "That did not work")
    return refusal(status_of(error), title, f"{text[:1].upper()}{text[1:]}.", request_id_of(request))
