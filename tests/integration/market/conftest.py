"""A small neighbourhood, and clients of the API on it, without a socket."""

import asyncio
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
    prove_second_factor,
)

from meterworks.market.api import create_api

CONSUMERS = ("rea", "ben")
ClientOf = Callable[[str | None], Awaitable[httpx.AsyncClient]]


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
async def without_head_end(neighbourhood: SmallNeighbourhood) -> SmallNeighbourhood:
    """The neighbourhood with nobody answering reads: as if the head-end were away."""
    await neighbourhood.reading.unsubscribe()
    return neighbourhood


@pytest.fixture
def api(neighbourhood: SmallNeighbourhood) -> FastAPI:
    """The application."""
    return create_api(neighbourhood.services, neighbourhood.settings)


@pytest.fixture
async def client_of(api: FastAPI) -> AsyncIterator[ClientOf]:
    """Makes a client that is logged in as a user (None: nobody); but for consumers with a second factor."""
    clients: list[httpx.AsyncClient] = []

    async def make(user: str | None) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=api, client=("192.0.2.1", 1234))
        client = httpx.AsyncClient(transport=transport, base_url="http://meterworks.example/api/v1")
        clients.append(client)
        if user is not None:
            answer = await client.post("/tokens", json={"user": user, "password": PASSWORD})
            assert answer.status_code == 201, answer.text
            client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
            if user not in CONSUMERS:
                await prove_second_factor(api.state.market.accounts, answer.json()["token"])
        return client

    yield make
    for client in clients:
        await client.aclose()
