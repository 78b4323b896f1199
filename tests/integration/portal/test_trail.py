"""The auditor's page: acts, whether a head covers them, acts per hour, and nobody else's to see."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.audited import SIGNER, event
from tests.integration.market.small_neighbourhood import NOW, PASSWORD, SmallNeighbourhood, prove_second_factor
from tests.integration.portal.conftest import BrowserOf

from meterworks.catalogue import Role
from meterworks.market import Accounts, NewUser
from meterworks.portal import PortalSettings, create_app
from meterworks.trust.audit import AuditSettings, AuditTrail, HeadBook, TrailSink

ODD = "<script>alert(1)</script>"


@pytest.fixture
async def app(neighbourhood: SmallNeighbourhood, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """The application on a trail of sixty acts."""
    await Accounts(neighbourhood.database).add_user(NewUser(name="aud", password=PASSWORD, role=Role.AUDITOR))
    trail = AuditTrail(
        neighbourhood.database,
        HeadBook([tmp_path / "heads"]),
        SIGNER,
        clock=neighbourhood.clock,
        settings=AuditSettings(head_records=8, head_interval_s=3600.0),
        machine_now=lambda: NOW,
    )
    async with trail.appending():
        await trail.append([event(number, at=NOW) for number in range(60)])
        await trail.append([event(60, at=NOW, object=f"account:{ODD}")])
        services = replace(neighbourhood.services, audit=TrailSink(trail), audit_heads=(tmp_path / "heads",))
        yield create_app(
            services,
            neighbourhood.settings,
            portal_settings=PortalSettings(),
            session_secret=b"s" * 32,
            console=False,
        )


async def _auditor(app: FastAPI, browser_of: BrowserOf) -> httpx.AsyncClient:
    browser = await browser_of("aud")
    token = browser.cookies["meterworks_session"].rpartition(".")[0]
    await prove_second_factor(app.state.market.accounts, token)
    return browser


async def test_the_auditor_sees_filters_and_turns_pages(app: FastAPI, browser_of: BrowserOf) -> None:
    browser = await _auditor(app, browser_of)
    page = await browser.get("/audit", params={"act": "login.failed"})
    assert page.status_code == 200, page.text
    assert page.text.count("<td title=") == 50
    assert "sealed" in page.text
    assert "2026-11-21 12:00: " in page.text
    assert ODD not in page.text
    assert "&lt;script&gt;" in page.text
    (older,) = [part.split('"')[0] for part in page.text.split('href="') if part.startswith("/audit?")]
    rest = await browser.get(older.replace("&amp;", "&"))
    assert rest.text.count("<td title=") == 11
    assert "Older acts" not in rest.text
    assert "No act fits." in (await browser.get("/audit", params={"actor": "nobody-at-all"})).text
    looks = await browser.get("/audit", params={"act": "audit.read", "actor": "account:aud"})
    assert looks.text.count("<td title=") == 4


async def test_nobody_else_sees_it(browser_of: BrowserOf) -> None:
    for user in (None, "sam", "rea", "aud"):  # the auditor by password alone
        answer = await (await browser_of(user)).get("/audit")
        assert answer.status_code in {303, 403}, user
        assert "Acts, newest first" not in answer.text
