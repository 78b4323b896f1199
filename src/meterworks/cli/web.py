"""The web process: API, operator console and consumer's page on one port."""

import asyncio
from dataclasses import asdict

import uvicorn

from meterworks.headend import HeadendQueries
from meterworks.market import MarketServices
from meterworks.portal import PortalSettings, create_app, load_session_secret
from meterworks.readings import ReadingStore
from meterworks.runtime.warehouse import Warehouse
from meterworks.system.serving import Ground, answering_as_ready

__all__ = ["serve"]

START_POLL_S = 0.05
DRAIN_S = 3


async def serve(ground: Ground, stopping: asyncio.Event) -> None:
    """Serve until asked to stop."""
    layout = ground.layout
    warehouse = await asyncio.to_thread(Warehouse, layout.warehouse)
    services = MarketServices(
        database=ground.database,
        bus=ground.bus,
        clock=ground.clock,
        registry=ground.registry,
        readings=ReadingStore(warehouse=warehouse, database=ground.database),
        collection=HeadendQueries(ground.database),
        headend_settings=layout.headend,
    )
    app = create_app(
        services,
        layout.configuration.market,
        portal_settings=PortalSettings(**asdict(layout.configuration.portal)),
        session_secret=load_session_secret(layout.session_secret),
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=layout.configuration.web.host,
            port=layout.port(layout.configuration.web.port),
            http="httptools",
            ws="websockets-sansio",
            backlog=4096,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=DRAIN_S,
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():  # noqa: ASYNC110  # the server tells only by a flag
        await asyncio.sleep(START_POLL_S)
    async with answering_as_ready(ground.bus, "web"):
        asked = asyncio.create_task(stopping.wait())
        await asyncio.wait({asked, serving}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        server.should_exit = True
        await serving
