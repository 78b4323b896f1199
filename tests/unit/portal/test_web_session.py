"""Requests of other sites' pages are told from our own."""

import pytest
from fastapi.responses import Response
from starlette.datastructures import Headers

from meterworks.portal.errors import FormForged
from meterworks.portal.session import SessionSigner
from meterworks.portal.web_session import PAGE_HEADERS, check_same_origin, end_session, start_session


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://m.example"},
        {"origin": "https://M.EXAMPLE"},
        {"sec-fetch-site": "same-origin", "origin": "http://m.example"},
        {"sec-fetch-site": "none"},
    ],
)
def test_our_own_pages_are_let_through(headers: dict[str, str]) -> None:
    check_same_origin(Headers(headers), "m.example")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://m.example.evil"},
        {"origin": "http://m.example:8080"},
        {"origin": "http://evil/m.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://m.example"},
        {"sec-fetch-site": "nonsense"},
    ],
)
def test_others_are_not(headers: dict[str, str]) -> None:
    with pytest.raises(FormForged):
        check_same_origin(Headers(headers), "m.example")


@pytest.mark.parametrize("secure", [False, True])
def test_a_session_cookie_is_bound_to_this_site_and_ends(secure: bool) -> None:
    response = Response()
    start_session(response, SessionSigner(b"s" * 32), "token", lifetime_s=60, secure=secure)
    cookie = response.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Max-Age=60", "Path=/"))
    assert ("Secure" in cookie) == secure
    end_session(response)
    assert "Max-Age=0" in response.headers.getlist("set-cookie")[1]


def test_the_policy_allows_nothing_inline_and_no_other_host() -> None:
    policy = PAGE_HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "*" not in policy
    assert "default-src 'none'" in policy
