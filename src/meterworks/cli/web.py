"""The web process: API, operator console and consumer's page on one port, and the API for certificates on another."""

import asyncio
from dataclasses import asdict

import uvicorn

from meterworks.headend import HeadendQueries
from meterworks.market import MarketServices
from meterworks.market.api import API_PREFIX
from meterworks.portal import PortalSettings, create_app, load_session_secret
from meterworks.readings import ReadingStore
from meterworks.runtime import together
from meterworks.runtime.warehouse import Warehouse
from meterworks.system.evidence_chain import certificates_above
from meterworks.system.serving import Ground, answering_as_ready
from meterworks.system.serving.listener import Application, HttpServer, below, peer_protocol
from meterworks.trust.tls import Guard, Interface, server_context

__all__ = ["serve"]


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
        keystore=ground.keystore,
        audit=ground.audit,
        certificates_above=lambda der: certificates_above(layout.pki_public, der),
        audit_heads=layout.heads,
    )
    app = create_app(
        services,
        layout.configuration.market,
        portal_settings=PortalSettings(**asdict(layout.configuration.portal)),
        session_secret=load_session_secret(layout.session_secret),
        oidc=layout.configuration.oidc,
    )
    servers = [_portal_server(app, ground)]
    if layout.configuration.web.market_port >= 0:
        servers.append(_market_server(app, ground))
    serving = [asyncio.create_task(server.serve()) for server in servers]
    await together(*(server.wait_started(task) for server, task in zip(servers, serving, strict=True)))
    async with answering_as_ready(ground.bus, "web"):
        asked = asyncio.create_task(stopping.wait())
        await asyncio.wait({asked, *serving}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        for server in servers:
            server.should_exit = True
        await together(*serving)


def _portal_server(app: Application, ground: Ground) -> HttpServer:
    """Portal and API for people and for programs with tokens."""
    section = ground.layout.configuration.web
    context = server_context(ground.tls, Interface.WEB) if section.tls else None
    return HttpServer(
        uvicorn.Config(
            app,
            host=section.host,
            port=ground.layout.port(section.port),
            http="httptools",
            ws="websockets-sansio",
            backlog=4096,
            log_config=None,
            access_log=False,
            server_header=False,
            ssl_context_factory=None if context is None else lambda _config, _default: context,
        )
    )


def _market_server(app: Application, ground: Ground) -> HttpServer:
    """The API for market organisations that show certificates of their own."""
    section = ground.layout.configuration.web
    context = server_context(ground.tls, Interface.MARKET)
    guard = Guard(Interface.MARKET, is_server=True, credential=ground.tls, audit=ground.audit, actor="process:web")
    return HttpServer(
        uvicorn.Config(
            below(API_PREFIX, app),
            host=section.market_host,
            port=ground.layout.port(section.market_port),
            http=peer_protocol(guard),
            ws="none",
            lifespan="off",
            backlog=1024,
            log_config=None,
            access_log=False,
            server_header=False,
            ssl_context_factory=lambda _config, _default: context,
        )
    )
