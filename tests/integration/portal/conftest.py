"""The whole web application on a small neighbourhood, and clients with cookies in place of browsers."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.integration.market.small_neighbourhood import (
    PASSWORD,
    Foundation,
    SmallNeighbourhood,
    lay_foundation,
    open_neighbourhood,
)

from meterworks.portal import PortalSettings, create_app

BrowserOf = Callable[[str | None], Awaitable[httpx.AsyncClient]]
FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


@pytest.fixture(scope="session")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foundation]:
    """What lies on disk, made once."""
    laid = asyncio.run(lay_foundation(tmp_path_factory.mktemp("foundation")))
    yield laid
    laid.warehouse.close()


@pytest.fixture
async def neighbourhood(foundation: Foundation, tmp_path: Path) -> AsyncIterator[SmallNeighbourhood]:
    """A neighbourhood of this test's own."""
    opened = await open_neighbourhood(foundation, tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def app(neighbourhood: SmallNeighbourhood) -> FastAPI:
    """The application without the console, which needs a running server."""
    return create_app(
        neighbourhood.services,
        neighbourhood.settings,
        portal_settings=PortalSettings(),
        session_secret=b"s" * 32,
        console=False,
    )


def form_token(answer: httpx.Response) -> str:
    """The token of the form on a page."""
    found = FORM_TOKEN.search(answer.text)
    assert found is not None, answer.text
    return found.group(1)


async def log_in(browser: httpx.AsyncClient, user: str, password: str = PASSWORD) -> httpx.Response:
    """Fill in the form."""
    token = form_token(await browser.get("/login"))
    return await browser.post("/login", data={"user": user, "password": password, "form_token": token})


@pytest.fixture
async def browser_of(app: FastAPI) -> AsyncIterator[BrowserOf]:
    """Makes a browser that is logged in as a user (None: nobody)."""
    browsers: list[httpx.AsyncClient] = []

    async def make(user: str | None) -> httpx.AsyncClient:
        browser = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://meterworks.example",
            headers={"Accept": "text/html"},
        )
        browsers.append(browser)
        if user is not None:
            assert (await log_in(browser, user)).status_code == 303
        return browser

    yield make
    for browser in browsers:
        await browser.aclose()
