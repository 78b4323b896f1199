"""The way in and out: a form, a password, a session cookie."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from meterworks.catalogue import Role
from meterworks.market import BadCredentials, NotAuthenticated, Principal, TooManyAttempts
from meterworks.market.api import PUBLIC, market_of, request_id_of
from meterworks.portal.page import page, refusal
from meterworks.portal.session import COOKIE_NAME
from meterworks.portal.web_session import check_same_origin, end_session, session_token, signer_of, start_session

__all__ = ["HOME_BY_ROLE", "router"]

LOGIN_COOKIE_NAME = "meterworks_login"
HOME_BY_ROLE = {Role.OPERATOR: "/console/", Role.CONSUMER: "/home"}

router = APIRouter(include_in_schema=False)
FormText = Annotated[str, Form(max_length=256)]


async def _principal(request: Request) -> Principal | None:
    try:
        return await market_of(request).accounts.resolve(session_token(request), kind="session")
    except NotAuthenticated:
        return None


@router.get("/", dependencies=[PUBLIC])
async def start(request: Request) -> Response:
    """To the page of the role, or to the login."""
    principal = await _principal(request)
    if principal is None:
        return RedirectResponse("/login", 303)
    target = HOME_BY_ROLE.get(principal.role)
    if target is None:
        detail = f"The role {principal.role.value} works through the API: see /api/v1/openapi.json and docs/api.md."
        return refusal(403, "No pages for this role", detail, request_id_of(request))
    return RedirectResponse(target, 303)


def _form(request: Request, *, user: str = "", message: str = "", status: int = 200) -> Response:
    nonce = secrets.token_urlsafe(16)
    response = page(
        "login.html", status=status, user=user, message=message, form_token=signer_of(request).form_token(nonce)
    )
    response.set_cookie(
        LOGIN_COOKIE_NAME,
        nonce,
        max_age=3600,
        httponly=True,
        samesite="strict",
        secure=_is_secure(request),
        path="/login",
    )
    return response


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


@router.get("/login", dependencies=[PUBLIC])
async def login_form(request: Request) -> Response:
    """The form; someone already logged in goes on."""
    return RedirectResponse("/", 303) if await _principal(request) is not None else _form(request)


@router.post("/login", dependencies=[PUBLIC])
async def login(request: Request, user: FormText = "", password: FormText = "", form_token: FormText = "") -> Response:
    """Check the password and start a session."""
    check_same_origin(request.headers, request.headers.get("host", ""))
    signer_of(request).check_form(request.cookies.get(LOGIN_COOKIE_NAME, ""), form_token)
    market = market_of(request)
    address = "unknown" if request.client is None else request.client.host
    try:
        account = await market.accounts.verify(user, password, address=address)
    except (BadCredentials, TooManyAttempts) as error:
        text = str(error)
        status = 429 if isinstance(error, TooManyAttempts) else 401
        return _form(request, user=user, message=text[:1].upper() + text[1:] + ".", status=status)
    lifetime_s = market.settings.session_lifetime_s
    issued = await market.accounts.issue(account, kind="session", lifetime_s=lifetime_s)
    response = RedirectResponse("/", 303)
    start_session(response, signer_of(request), issued.token, lifetime_s=lifetime_s, secure=_is_secure(request))
    response.delete_cookie(LOGIN_COOKIE_NAME, path="/login")
    return response


@router.post("/logout", dependencies=[PUBLIC])
async def logout(request: Request, form_token: FormText = "") -> Response:
    """End the session for good."""
    check_same_origin(request.headers, request.headers.get("host", ""))
    response = RedirectResponse("/login", 303)
    end_session(response)
    if request.cookies.get(COOKIE_NAME):
        principal = await _principal(request)
        if principal is not None:
            signer_of(request).check_form(session_token(request), form_token)
            await market_of(request).accounts.revoke(principal.token_hash)
    return response
