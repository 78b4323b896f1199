"""Nothing of the console is reached without an operator's session: no page, no script, no socket."""

import httpx
import pytest
from fastapi import FastAPI
from tests.integration.market.small_neighbourhood import SmallNeighbourhood
from tests.integration.portal.conftest import log_in

from meterworks.portal import PortalSettings, create_app

PATHS = ["/console", "/console/", "/console/devices", "/console/devices/1", "/console/_nicegui/x", "/console/nowhere"]


@pytest.fixture
def app(neighbourhood: SmallNeighbourhood) -> FastAPI:
    return create_app(
        neighbourhood.services, neighbourhood.settings, portal_settings=PortalSettings(), session_secret=b"s" * 32
    )


def _browser(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://m.example")


async def test_nobody_is_sent_to_the_login_and_other_roles_are_refused(app: FastAPI) -> None:
    async with _browser(app) as nobody, _browser(app) as consumer, _browser(app) as supplier:
        await log_in(consumer, "rea")
        await log_in(supplier, "sam")
        for path in PATHS:
            assert (await nobody.get(path)).headers["location"] == "/login"
            assert (await nobody.post(path)).status_code == 403
            assert (await consumer.get(path)).status_code == 403
            assert (await supplier.get(path)).status_code == 403


@pytest.mark.parametrize("origin", [None, "http://m.example", "https://evil.example"])
async def test_a_socket_without_a_session_is_closed(app: FastAPI, origin: str | None) -> None:
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    headers = [(b"host", b"m.example")] + ([(b"origin", origin.encode())] if origin else [])
    scope = {"type": "websocket", "path": "/console/_nicegui_ws/socket.io/", "headers": headers, "query_string": b""}
    await app(scope, receive, send)  # type: ignore[arg-type]  # plain dictionaries
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_an_operators_socket_from_another_site_is_closed(app: FastAPI) -> None:
    async with _browser(app) as operator:
        await log_in(operator, "olivia")
        cookie = operator.cookies["meterworks_session"]
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    headers = [
        (b"host", b"m.example"),
        (b"origin", b"https://evil.example"),
        (b"cookie", f"meterworks_session={cookie}".encode()),
    ]
    scope = {"type": "websocket", "path": "/console/_nicegui_ws/socket.io/", "headers": headers, "query_string": b""}
    await app(scope, receive, send)  # type: ignore[arg-type]  # plain dictionaries
    assert sent == [{"type": "websocket.close", "code": 1008}]
