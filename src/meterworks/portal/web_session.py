"""From a request's cookie to a principal, and the headers every page of ours carries."""

from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import Headers

from meterworks.catalogue import Role
from meterworks.market import NotAuthenticated, NotPermitted, Principal
from meterworks.market.api import Gate, market_of
from meterworks.portal.errors import FormForged
from meterworks.portal.session import COOKIE_NAME, SessionSigner

__all__ = [
    "PAGE_HEADERS",
    "SessionGate",
    "check_form",
    "check_same_origin",
    "end_session",
    "session_token",
    "signer_of",
    "start_session",
]

PAGE_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def signer_of(request: Request) -> SessionSigner:
    """The signer the application was made with."""
    signer = request.app.state.signer
    assert isinstance(signer, SessionSigner)
    return signer


def session_token(request: Request) -> str:
    """The session token of the request's cookie. Raises NotAuthenticated."""
    token = signer_of(request).token(request.cookies.get(COOKIE_NAME))
    if token is None:
        raise NotAuthenticated("log in first")
    return token


def check_same_origin(headers: Headers, host: str) -> None:
    """Raises FormForged for a request another site's page makes.

    SameSite=Strict keeps the cookie from such requests already; this is the second lock, and the only one at login.
    """
    origin = headers.get("origin")
    foreign = origin is not None and origin.partition("://")[2].lower() != host.lower()
    if foreign or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise FormForged("this came from another site's page; load the page again")


class SessionGate(Gate):
    """The gate of a page: the principal comes from the session cookie, never from a header a page could set.

    role: the only one the page is for; None: for everybody who may do the action.
    """

    def __init__(self, action: str, *, role: Role | None = None) -> None:
        super().__init__(action)
        self._role = role

    async def principal(self, request: Request) -> Principal:
        """Who asks. Raises NotAuthenticated or NotPermitted."""
        principal = await market_of(request).accounts.resolve(session_token(request), kind="session")
        if self._role is not None and principal.role is not self._role:
            raise NotPermitted(f"this page is for the role {self._role.value}", role=self._role.value)
        return principal


def check_form(request: Request, form_token: str) -> None:
    """Raises FormForged unless the request comes from a form we made for this session."""
    check_same_origin(request.headers, request.headers.get("host", ""))
    signer_of(request).check_form(session_token(request), form_token)


def start_session(response: Response, signer: SessionSigner, token: str, *, lifetime_s: int, secure: bool) -> None:
    """Put the session cookie into an answer."""
    response.set_cookie(
        COOKIE_NAME, signer.cookie(token), max_age=lifetime_s, httponly=True, samesite="strict", secure=secure, path="/"
    )


def end_session(response: Response) -> None:
    """Take the session cookie away."""
    response.delete_cookie(COOKIE_NAME, httponly=True, samesite="strict", path="/")
