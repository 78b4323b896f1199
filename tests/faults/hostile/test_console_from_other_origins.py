"""Pages of another program on this machine: cookies go to all its ports alike, so the console looks at the origin."""

import httpx
import pytest
from fastapi import FastAPI
from tests.integration.market.small_neighbourhood import SmallNeighbourhood
from tests.integration.portal.conftest import log_in

from meterworks.portal import PortalSettings, create_app

POLLING = "/console/_nicegui_ws/socket.io/?EIO=4&transport=polling"
FOREIGN = [{"origin": "http://m.example:9999"}, {"origin": "null"}, {"sec-fetch-site": "same-site"}]


@pytest.fixture
def app(neighbourhood: SmallNeighbourhood) -> FastAPI:
    return create_app(
        neighbourhood.services, neighbourhood.settings, portal_settings=PortalSettings(), session_secret=b"s" * 32
    )


@pytest.mark.parametrize("headers", FOREIGN, ids=["port", "null", "same-site"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", POLLING), ("POST", POLLING), ("OPTIONS", POLLING), ("GET", "/console/_nicegui/x"), ("POST", "/console/")],
)
async def test_an_operators_cookie_is_not_enough_from_another_origin(
    app: FastAPI, headers: dict[str, str], method: str, path: str
) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://m.example") as operator:
        await log_in(operator, "olivia")
        refused = await operator.request(method, path, headers=headers)
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers


async def test_a_link_from_elsewhere_still_leads_to_a_page(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://m.example") as nobody:
        answer = await nobody.get("/console/devices/1", headers={"sec-fetch-site": "cross-site"})
        assert answer.headers["location"] == "/login"
