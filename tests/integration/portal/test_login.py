"""In and out through the form: cookies, forged requests, and where each role lands."""

import httpx
import pytest
from fastapi import FastAPI
from tests.integration.market.small_neighbourhood import PASSWORD
from tests.integration.portal.conftest import BrowserOf, form_token, log_in

from meterworks.market.attempt import Attempts

COOKIE = "meterworks_session"


async def test_the_root_leads_to_the_login_and_then_to_the_page_of_the_role(browser_of: BrowserOf) -> None:
    browser = await browser_of(None)
    assert (await browser.get("/")).headers["location"] == "/login"
    for user, target in (("olivia", "/console/"), ("rea", "/home")):
        browser = await browser_of(user)
        assert (await browser.get("/")).headers["location"] == target
        assert (await browser.get("/login")).headers["location"] == "/"


async def test_a_market_party_sees_its_metering_points_and_no_others(browser_of: BrowserOf) -> None:
    browser = await browser_of("sam")
    assert (await browser.get("/")).headers["location"] == "/points"
    text = (await browser.get("/points")).text
    assert "Northern Power" in text
    assert "MP0001" in text
    assert "MP0003" not in text, "registered there only in June"


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(browser_of: BrowserOf) -> None:
    answer = await log_in(await browser_of(None), "rea")
    (cookie,) = [text for text in answer.headers.get_list("set-cookie") if text.startswith(COOKIE)]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/" in cookie


async def test_behind_https_the_cookie_stays_on_https(browser_of: BrowserOf) -> None:
    browser = await browser_of(None)
    browser.base_url = httpx.URL("https://meterworks.example")
    answer = await log_in(browser, "rea")
    assert all("Secure" in text for text in answer.headers.get_list("set-cookie") if text.startswith(COOKIE))


async def test_a_wrong_password_shows_the_form_again(browser_of: BrowserOf, app: FastAPI) -> None:
    app.state.market.accounts.attempts = Attempts(monotonic=lambda: 0.0)  # nothing is regained on a slow machine
    browser = await browser_of(None)
    answer = await log_in(browser, "rea", "wrong password")
    assert answer.status_code == 401
    assert "wrong" in answer.text
    assert 'value="rea"' in answer.text
    assert COOKIE not in browser.cookies
    for _ in range(4):
        await log_in(browser, "rea", "wrong password")
    assert (await log_in(browser, "rea")).status_code == 429


async def test_a_user_name_is_escaped_when_it_is_shown_again(browser_of: BrowserOf) -> None:
    answer = await log_in(await browser_of(None), '"><script>alert(1)</script>', "wrong password")
    assert "<script>alert" not in answer.text


async def test_logging_out_ends_the_session_for_good(browser_of: BrowserOf) -> None:
    browser = await browser_of("rea")
    cookie = browser.cookies[COOKIE]
    token = form_token(await browser.get("/home"))
    assert (await browser.post("/logout", data={"form_token": token})).headers["location"] == "/login"
    thief = await browser_of(None)
    thief.cookies.set(COOKIE, cookie)
    assert (await thief.get("/home")).headers["location"] == "/login"


# --- forged requests ----------------------------------------------------------------------------------------------


async def test_a_form_of_another_session_does_not_log_out(browser_of: BrowserOf) -> None:
    victim, attacker = await browser_of("rea"), await browser_of("ben")
    foreign = form_token(await attacker.get("/home"))
    for token in ("", foreign):
        assert (await victim.post("/logout", data={"form_token": token})).status_code == 403
    assert (await victim.get("/home")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_sent_from_another_site_is_refused(browser_of: BrowserOf, headers: dict[str, str]) -> None:
    browser = await browser_of(None)
    token = form_token(await browser.get("/login"))
    data = {"user": "rea", "password": PASSWORD, "form_token": token}
    assert (await browser.post("/login", data=data, headers=headers)).status_code == 403
    logged_in = await browser_of("rea")
    token = form_token(await logged_in.get("/home"))
    assert (await logged_in.post("/logout", data={"form_token": token}, headers=headers)).status_code == 403


async def test_a_login_without_its_own_form_is_refused(browser_of: BrowserOf) -> None:
    browser, other = await browser_of(None), await browser_of(None)
    foreign = form_token(await other.get("/login"))
    await browser.get("/login")
    for token in ("", foreign):
        answer = await browser.post("/login", data={"user": "rea", "password": PASSWORD, "form_token": token})
        assert answer.status_code == 403


async def test_a_forged_cookie_is_no_session(browser_of: BrowserOf) -> None:
    browser = await browser_of("rea")
    token, _, signature = browser.cookies[COOKIE].rpartition(".")
    for forged in (token, f"{token}.", f"{token}.{'0' * 64}", f"x{token}.{signature}", "", "."):
        thief = await browser_of(None)
        thief.cookies.set(COOKIE, forged)
        assert (await thief.get("/home")).headers["location"] == "/login"


async def test_a_session_cookie_opens_no_api_and_a_bearer_token_no_page(browser_of: BrowserOf) -> None:
    browser = await browser_of("rea")
    assert (await browser.get("/api/v1/metering-points")).status_code == 401
    issued = await browser.post("/api/v1/tokens", json={"user": "rea", "password": PASSWORD})
    nobody = await browser_of(None)
    answer = await nobody.get("/home", headers={"Authorization": f"Bearer {issued.json()['token']}"})
    assert answer.headers["location"] == "/login"
