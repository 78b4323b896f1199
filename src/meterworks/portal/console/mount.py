"""The console's pages, and the console put under /console of an application."""

from typing import Annotated

from fastapi import FastAPI, Path, Query, Request
from nicegui import app as nicegui_app
from nicegui import ui
from starlette.middleware import Middleware

from meterworks.market import Market, NotFound
from meterworks.portal.console.collection_page import show_collection
from meterworks.portal.console.device_list_page import show_device_list
from meterworks.portal.console.device_page import show_device
from meterworks.portal.console.frame import frame, html
from meterworks.portal.console.guard import CONSOLE_PATH, ConsoleGuard
from meterworks.portal.console.key_page import show_keys
from meterworks.portal.console.overview_page import show_overview
from meterworks.portal.console.visit import visit_of
from meterworks.portal.session import SessionSigner
from meterworks.portal.settings import PortalSettings

__all__ = ["mount_console"]

RESPONSE_TIMEOUT_S = 20.0  # a page is built from the warehouse; on a busy machine that may take a while


def mount_console(app: FastAPI, *, market: Market, settings: PortalSettings, signer: SessionSigner) -> None:
    """Add the console. NiceGUI is one per process, so the console of the application made last is the one served."""
    _register_pages()
    ui.run_with(
        app,
        mount_path=CONSOLE_PATH,
        title="Meterworks",
        dark=None,
        language="en-GB",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=30.0,
    )
    nicegui_app.config.endpoint_documentation = "none"
    # Innermost: the request has its number when the guard sees it, and the guard's answers are counted.
    app.user_middleware.append(Middleware(ConsoleGuard, market=market, settings=settings, signer=signer))


def _register_pages() -> None:
    @ui.page("/", response_timeout=RESPONSE_TIMEOUT_S)
    async def overview(request: Request) -> None:
        await show_overview(visit_of(request))

    @ui.page("/devices", response_timeout=RESPONSE_TIMEOUT_S)
    async def devices(request: Request, search: Annotated[str, Query(max_length=200)] = "") -> None:
        await show_device_list(visit_of(request), search)

    @ui.page("/devices/{device_id}", response_timeout=RESPONSE_TIMEOUT_S)
    async def device(request: Request, device_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> None:
        try:
            await show_device(visit_of(request), device_id)
        except NotFound:
            with frame(visit_of(request), "Not found", current="/console/devices"):
                html("There is no such device.", tag="p")

    @ui.page("/keys", response_timeout=RESPONSE_TIMEOUT_S)
    async def keys(request: Request) -> None:
        await show_keys(visit_of(request))

    @ui.page("/collection", response_timeout=RESPONSE_TIMEOUT_S)
    async def collection(request: Request) -> None:
        await show_collection(visit_of(request))
