"""The way in and out: a password with a code where one is enrolled, or a passkey; then a session cookie."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from meterworks.catalogue import PERMISSIONS, UNBOUND_ROLES, Role
from meterworks.market import BadCredentials, Login, NotAuthenticated, Principal, TooManyAttempts
from meterworks.market.api import PUBLIC, market_of
from meterworks.portal.page import page
from meterworks.portal.session import COOKIE_NAME, DEVICE_DAYS, device_cookie_name
from meterworks.portal.web_session import check_same_origin, end_session, session_token, signer_of, start_session

__all__ = ["HOME_BY_ROLE", "LOGIN_COOKIE_NAME", "address_of", "is_secure", "open_session", "router"]

LOGIN_COOKIE_NAME = "meterworks_login"
HOME_BY_ROLE = {
    **dict.fromkeys(Role, "/points"),
    **dict.fromkeys(UNBOUND_ROLES, "/approvals"),
    Role.OPERATOR: "/console/",
    Role.CONSUMER: "/home",
    Role.AUDITOR: "/audit",
}
_WELCOME = "/account?welcome=1"

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
    return RedirectResponse("/login" if principal is None else HOME_BY_ROLE[principal.role], 303)


def _form(request: Request, *, user: str = "", message: str = "", status: int = 200) -> Response:
    nonce = secrets.token_urlsafe(16)
    response = page(
        "login.html",
        status=status,
        user=user,
        message=message,
        form_token=signer_of(request).form_token(nonce),
        provider=request.app.state.provider,
    )
    response.set_cookie(
        LOGIN_COOKIE_NAME,
        nonce,
        max_age=3600,
        httponly=True,
        samesite="strict",
        secure=is_secure(request),
        path="/login",
    )
    return response


def is_secure(request: Request) -> bool:
    """The page was asked for over HTTPS."""
    return request.url.scheme == "https"


def address_of(request: Request) -> str:
    """The address attempts are counted by."""
    return "unknown" if request.client is None else request.client.host


@router.get("/login", dependencies=[PUBLIC])
async def login_form(request: Request) -> Response:
    """The form; someone already logged in goes on."""
    return RedirectResponse("/", 303) if await _principal(request) is not None else _form(request)


@router.post("/login", dependencies=[PUBLIC])
async def login(
    request: Request, user: FormText = "", password: FormText = "", code: FormText = "", form_token: FormText = ""
) -> Response:
    """Check the proof and start a session."""
    check_same_origin(request.headers, request.headers.get("host", ""))
    signer = signer_of(request)
    signer.check_form(request.cookies.get(LOGIN_COOKIE_NAME, ""), form_token)
    device = signer.device_number(user, request.cookies.get(device_cookie_name(user)))
    try:
        proven = await market_of(request).accounts.log_in(
            user, password, code=code, address=address_of(request), device=device
        )
    except (BadCredentials, TooManyAttempts) as error:
        text = str(error)
        status = 429 if isinstance(error, TooManyAttempts) else 401
        return _form(request, user=user, message=text[:1].upper() + text[1:] + ".", status=status)
    response = RedirectResponse(_after_login(proven), 303)
    await open_session(request, response, proven)
    return response


def _after_login(login: Login) -> str:
    """Somebody whose role administers or commands is offered a second factor first; the pages are there without."""
    wants_one = any(row.second_factor and login.user.role in row.reaches for row in PERMISSIONS.values())
    return _WELCOME if wants_one and login.factors == {"password"} else "/"


async def open_session(request: Request, response: Response, login: Login) -> None:
    """Put a session and a device cookie into an answer; a session the browser had before ends."""
    market = market_of(request)
    before = await _principal(request)
    if before is not None:
        await market.accounts.revoke(before.token_hash)
    lifetime_s = market.settings.session_lifetime_s
    issued = await market.accounts.open(
        login,
        kind="session",
        lifetime_s=lifetime_s,
        idle_s=market.settings.session_idle_s,
        origin=address_of(request),
    )
    signer, secure = signer_of(request), is_secure(request)
    start_session(response, signer, issued.token, lifetime_s=lifetime_s, secure=secure)
    response.delete_cookie(LOGIN_COOKIE_NAME, path="/login")
    response.set_cookie(
        device_cookie_name(login.user.name),
        signer.device(login.user.name, secrets.token_hex(16)),
        max_age=DEVICE_DAYS * 86_400,
        httponly=True,
        samesite="strict",
        secure=secure,
        path="/login",
    )


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
            market = market_of(request)
            await market.accounts.revoke(principal.token_hash)
            name = f"account:{principal.name}"
            market.acts.tell("logout.done", by=name, on=name)
    return response
