"""The listener for certificates on a real socket: the application hears who calls, strangers hear nothing."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from tests.integration.system.authorities import files_of, organisation, quick_pki

from meterworks.system.identity import certificate_of
from meterworks.system.serving.listener import PEER_EXTENSION, HttpServer, peer_protocol
from meterworks.trust.pki import PeerRole, SystemPki
from meterworks.trust.tls import Guard, Interface, TlsFiles, client_context, server_context

REQUEST = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class Market:
    """A running listener, its guard and the authorities behind it."""

    folder: Path
    pki: SystemPki
    guard: Guard
    port: int

    def context(self, role: PeerRole, identity: str) -> tuple[ssl.SSLContext, TlsFiles]:
        """A client's side with a certificate of a role."""
        given = (
            organisation(self.pki, identity)
            if role is PeerRole.ORGANISATION
            else self.pki.issue_service(role, identity)
        )
        files = files_of(given, self.folder, f"{role.value}-{identity}")
        return client_context(files, Interface.MARKET), files


async def answering(scope, _receive, send) -> None:
    """Tell the caller who it is."""
    body = scope["extensions"][PEER_EXTENSION].identity.encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Market]:
    pki = quick_pki(tmp_path)
    own = files_of(pki.issue_service(PeerRole.WEB), tmp_path, "web")
    guard = Guard(Interface.MARKET, is_server=True, credential=own)
    context = server_context(own, Interface.MARKET)
    server = HttpServer(
        uvicorn.Config(
            answering, port=0, http=peer_protocol(guard), ws="none", lifespan="off", log_config=None,
            ssl_context_factory=lambda _config, _default: context,
        )
    )  # fmt: skip
    serving = asyncio.create_task(server.serve())
    await server.wait_started(serving)
    yield Market(tmp_path, pki, guard, server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    await serving
    pki.close()


@contextlib.asynccontextmanager
async def asking(market: Market, context: ssl.SSLContext) -> AsyncIterator[asyncio.StreamReader]:
    """Connect and ask; what comes back is to be read inside."""
    reader, writer = await asyncio.open_connection("127.0.0.1", market.port, ssl=context, server_hostname="localhost")
    try:
        writer.write(REQUEST)
        yield reader
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def is_silent(market: Market, context: ssl.SSLContext) -> bool:
    """Whether the listener ends the connection without a word."""
    try:
        async with asking(market, context) as reader:
            return await reader.read(1) == b""
    except OSError:
        return True


async def test_an_organisation_is_told_apart_by_its_certificate(market: Market) -> None:
    async with asking(market, market.context(PeerRole.ORGANISATION, "17")[0]) as reader:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(2) == b"17"


async def test_strangers_hear_nothing(market: Market) -> None:
    nameless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    nameless.check_hostname, nameless.verify_mode = False, ssl.CERT_NONE
    assert await is_silent(market, market.context(PeerRole.FLEET, "fleet")[0])
    assert await is_silent(market, nameless)
    assert market.guard.refused == 1  # the other one did not come through the handshake


async def test_a_revoked_organisation_loses_its_live_connection(market: Market) -> None:
    context, files = market.context(PeerRole.ORGANISATION, "17")
    async with asking(market, context) as reader:
        await reader.readuntil(b"\r\n\r\n17")
        authority = market.pki.authority("organisations")
        authority.revoke(certificate_of(files))
        authority.crl()
        market.pki.write_public(market.folder / "public")
        assert market.guard.sweep() == 1
        assert await ended(reader)
    assert await is_silent(market, context)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether nothing more comes."""
    try:
        return await reader.read(1) == b""
    except OSError:
        return True
