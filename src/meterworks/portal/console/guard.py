"""The guard in front of the console: no page, script or socket of it reaches anyone but a logged-in operator."""

from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterworks.catalogue import Role
from meterworks.market import Market, NotAuthenticated, NotPermitted, Principal
from meterworks.portal.console.visit import VISIT_KEY, Visit
from meterworks.portal.errors import FormForged
from meterworks.portal.page import refusal
from meterworks.portal.session import COOKIE_NAME, SessionSigner
from meterworks.portal.settings import PortalSettings
from meterworks.portal.web_session import check_same_origin

__all__ = ["CONSOLE_PATH", "ConsoleGuard"]

CONSOLE_PATH = "/console"
_PAGES_METHODS = ("GET", "HEAD")
_INNER_PATH = f"{CONSOLE_PATH}/_nicegui"  # scripts, files and the socket's long polling: nothing that a link leads to
# NiceGUI's pages carry inline scripts and compile templates in the browser; nothing may come from another host.
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; object-src 'none'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class ConsoleGuard:
    """Lets requests and sockets under CONSOLE_PATH through for an operator's session; everything else passes by."""

    def __init__(self, app: ASGIApp, *, market: Market, settings: PortalSettings, signer: SessionSigner) -> None:
        self._app = app
        self._market = market
        self._settings = settings
        self._signer = signer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, redirect or refuse."""
        path = scope.get("path", "")
        guarded = scope["type"] in ("http", "websocket") and (
            path == CONSOLE_PATH or path.startswith(f"{CONSOLE_PATH}/")
        )
        if not guarded:
            await self._app(scope, receive, send)
            return
        try:
            principal, token = await self._admit(scope)
        except (NotAuthenticated, NotPermitted, FormForged) as error:
            await self._turn_away(error, scope, receive, send)
            return
        scope[VISIT_KEY] = Visit(
            market=self._market,
            settings=self._settings,
            principal=principal,
            session_token=token,
            form_token=self._signer.form_token(token),
            request_id=str(scope.get("state", {}).get("request_id", "socket")),
            alarms=await self._alarms(scope),
        )
        await self._app(scope, receive, _with_headers(send))

    async def _alarms(self, scope: Scope) -> tuple[str, ...]:
        """Emergency accesses that are open: a page says so to everybody."""
        if scope["type"] != "http" or scope["path"].startswith(_INNER_PATH):
            return ()
        return tuple(
            f"Emergency access of {glass.asker} until {glass.expires_at:%H:%M} UTC: {glass.reason}"
            for glass in await self._market.approvals.open_glasses()
        )

    async def _admit(self, scope: Scope) -> tuple[Principal, str]:
        headers = Headers(scope=scope)
        # A page may be reached by a link from anywhere; what acts or listens is asked for by our own pages only. The
        # socket's library would let any origin in, and cookies go to all ports of this host alike.
        is_page = scope["type"] == "http" and scope["method"] in _PAGES_METHODS
        if not is_page or scope["path"].startswith(_INNER_PATH):
            check_same_origin(headers, headers.get("host", ""))
        cookies = Request({**scope, "type": "http"}).cookies
        token = self._signer.token(cookies.get(COOKIE_NAME))
        if token is None:
            raise NotAuthenticated("log in first")
        principal = await self._market.accounts.resolve(token, kind="session")
        if principal.role is not Role.OPERATOR:
            raise NotPermitted("the console is for operators")
        return principal, token

    async def _turn_away(
        self, error: NotAuthenticated | NotPermitted | FormForged, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        response: Response
        if isinstance(error, NotAuthenticated) and scope["method"] in ("GET", "HEAD"):
            response = RedirectResponse("/login", 303)
        else:
            request_id = str(scope.get("state", {}).get("request_id", ""))
            response = refusal(403, "Not for you", str(error).capitalize() + ".", request_id)
        await response(scope, receive, send)


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_HEADERS)
        await send(message)

    return send_with_headers
