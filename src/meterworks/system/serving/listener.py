"""HTTP over TLS: who shows which certificate, judged before the first request, and told to the application.

uvicorn hands no certificate to the application, so the protocol class it takes is ours: it judges the peer as soon as
the handshake is done, puts it into each request's scope, and lets the interface's guard end the connection when the
certificate is revoked or the connection is too old.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from meterworks.trust.tls import Guard, Peer, PeerRefused

__all__ = ["PEER_EXTENSION", "HttpServer", "below", "peer_protocol"]

PEER_EXTENSION: Final = "meterworks.peer"
"""Where in the extensions of a request's scope the peer stands."""
START_POLL_S: Final = 0.05
DRAIN_S: Final = 3

Scope = MutableMapping[str, Any]
Application = Callable[..., Awaitable[None]]


class HttpServer(uvicorn.Server):
    """A server that leaves the process's signals alone: whoever runs it sets `should_exit`."""

    def __init__(self, config: uvicorn.Config) -> None:
        config.timeout_graceful_shutdown = DRAIN_S
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def wait_started(self, serving: "asyncio.Task[None]") -> None:
        """Return when it listens, or when it has ended instead."""
        while not self.started and not serving.done():  # noqa: ASYNC110  # the server tells only by a flag
            await asyncio.sleep(START_POLL_S)


def peer_protocol(guard: Guard) -> type[HttpToolsProtocol]:
    """The protocol class of a listener whose callers show certificates, for `uvicorn.Config(http=...)`."""

    class PeerProtocol(HttpToolsProtocol):
        peer: Peer | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
            super().connection_made(transport)
            connection = cast("ssl.SSLObject", transport.get_extra_info("ssl_object"))
            where = "{}:{}".format(*self.client) if self.client else ""
            try:
                self.peer = guard.judge(connection, where=where)
            except PeerRefused:
                transport.abort()
                return
            guard.watch(self.peer, transport.abort, lambda: not transport.is_closing())

        def data_received(self, data: bytes) -> None:
            if self.peer is not None:
                super().data_received(data)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            cast("Scope", self.scope)["extensions"] = {PEER_EXTENSION: self.peer}

    return PeerProtocol


def below(prefix: str, application: Application) -> Application:
    """The part of an application below a path; other requests find nothing, and other kinds of scope go by."""

    async def part(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(f"{prefix}/"):
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 404, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await application(scope, receive, send)

    return part
