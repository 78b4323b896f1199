"""Pages of account, parties and approvals: proof is asked for where it is needed, and one person is not two."""

import httpx
import pyotp
from fastapi import FastAPI
from tests.integration.market.small_neighbourhood import PASSWORD, prove_second_factor
from tests.integration.portal.conftest import BrowserOf, form_token, log_in

from meterworks.catalogue import Role
from meterworks.market import NewUser


async def prove(app: FastAPI, browser: httpx.AsyncClient) -> None:
    token, _, _ = browser.cookies["meterworks_session"].rpartition(".")
    await prove_second_factor(app.state.market.accounts, token)


async def test_the_first_login_of_an_operator_offers_a_second_factor(browser_of: BrowserOf) -> None:
    browser = await browser_of(None)
    answer = await log_in(browser, "olivia")
    assert answer.headers["location"] == "/account?welcome=1"
    text = (await browser.get("/account?welcome=1")).text
    assert "Add a passkey" in text
    assert "Look around first" in text
    assert (await log_in(await browser_of(None), "rea")).headers["location"] == "/"


async def test_an_authenticator_is_enrolled_and_asked_for_from_then_on(browser_of: BrowserOf) -> None:
    browser = await browser_of("olivia")
    token = form_token(await browser.get("/account"))
    offered = await browser.post("/account/totp", data={"form_token": token})
    assert 'src="data:image/svg+xml' in offered.text
    secret = offered.text.partition('id="secret">')[2].partition("<")[0].replace(" ", "")
    otp = pyotp.TOTP(secret)
    codes = await browser.post("/account/totp/confirm", data={"form_token": token, "code": otp.now()})
    assert codes.text.count("<li>") == 8
    other = await browser_of(None)
    assert (await log_in(other, "olivia")).status_code == 401
    fresh = form_token(await other.get("/login"))
    code = codes.text.partition("<code>")[2].partition("<")[0]
    form = {"user": "olivia", "password": PASSWORD, "code": code, "form_token": fresh}
    assert (await other.post("/login", data=form)).headers["location"] == "/"


async def test_a_suspension_wants_a_factor_and_then_takes_effect(app: FastAPI, browser_of: BrowserOf) -> None:
    operator, supplier = await browser_of("olivia"), await browser_of("sam")
    assert (await supplier.get("/points")).status_code == 200
    form = {"organisation": "1", "reason": "keys were lost", "form_token": form_token(await operator.get("/parties"))}
    assert (await operator.post("/parties/suspend", data=form)).headers["location"] == "/account?needed=1"
    await prove(app, operator)
    assert (await operator.post("/parties/suspend", data={**form, "form_token": ""})).status_code == 403
    assert (await operator.post("/parties/suspend", data=form)).headers["location"] == "/parties"
    assert "suspended" in (await operator.get("/parties")).text
    assert (await supplier.get("/points")).status_code == 403
    assert (await supplier.get("/parties")).status_code == 403


async def test_an_emergency_access_is_opened_by_somebody_else(app: FastAPI, browser_of: BrowserOf) -> None:
    accounts = app.state.market.accounts
    await accounts.add_user(NewUser(name="otto", password=PASSWORD, role=Role.OPERATOR))
    await accounts.add_user(NewUser(name="audrey", password=PASSWORD, role=Role.AUDITOR))
    auditor, operator = await browser_of("audrey"), await browser_of("otto")
    for browser in (auditor, operator):
        await prove(app, browser)
    form = {
        "action": "user.manage",
        "reason": "nobody else is here",
        "form_token": form_token(await auditor.get("/approvals")),
    }
    assert (await auditor.post("/approvals/break-glass", data=form)).status_code == 303
    (asked,) = await app.state.market.approvals.listed()
    decision = {"number": str(asked.id), "verdict": "approve"}
    token = form_token(await auditor.get("/approvals"))
    assert (await auditor.post("/approvals/decide", data={**decision, "form_token": token})).status_code == 403
    token = form_token(await operator.get("/approvals"))
    assert (await operator.post("/approvals/decide", data={**decision, "form_token": token})).status_code == 303
    assert "Emergency access of audrey" in (await operator.get("/approvals")).text


async def test_a_stale_session_is_asked_again_and_led_back(app: FastAPI, browser_of: BrowserOf) -> None:
    browser = await browser_of("rea")
    async with app.state.market.services.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE market_token SET proven_at = NULL")
    token = form_token(await browser.get("/account"))
    answer = await browser.post("/account/totp", data={"form_token": token})
    assert answer.headers["location"] == "/account/proof?target=/account"
    form = {"password": PASSWORD, "target": "//evil.example", "form_token": token}
    wrong = await browser.post("/account/proof", data={**form, "password": "wrong password"})
    assert wrong.status_code == 401
    assert (await browser.post("/account/proof", data=form)).headers["location"] == "/account"
    assert (await browser.post("/account/totp", data={"form_token": token})).status_code == 200
