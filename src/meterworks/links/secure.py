"""TLS on links: who is at the other end is judged before any octet goes to or comes from the protocol above.

Toward servers, `TlsDemand` says who must be there. Listeners take a `TlsDoor`: it makes the context by the address that
was called, bounds the handshakes under way, and lets a connection in when its peer was judged.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from meterworks.errors import MeterworksError
from meterworks.runtime import get_logger
from meterworks.trust.tls import Guard, Peer, PeerRefused, Refusal, TlsFilesError, session_name

__all__ = [
    "ClientTls",
    "ContextResolver",
    "ContextToCome",
    "JudgedServer",
    "TlsDemand",
    "TlsDoor",
    "context_of",
    "open_stream",
    "server_name",
]

EARLY_SIZE_MAX: Final = 64 * 1024  # octets that may come right behind the end of a handshake

log = get_logger("links.secure")

ContextToCome: TypeAlias = Awaitable[ssl.SSLContext]
"""Of somebody who has to be certified first: the caller waits for it, within the time of a handshake."""
ContextResolver: TypeAlias = Callable[[str, int], ssl.SSLContext | ContextToCome | None]
"""Gives the context for who called a local host and port, at once or later, or None where nobody is at home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsDemand:
    """Toward a server: the context, who judges and keeps the register, and the one identity that must be there."""

    context: ssl.SSLContext
    guard: Guard
    identity: str | None = None

    def judge(self, ssl_object: ssl.SSLObject | ssl.SSLSocket, where: str) -> Peer:
        """Give the peer. Raises PeerRefused."""
        return self.guard.judge(ssl_object, self.identity, where=where)

    def refused(self, error: ssl.SSLCertVerificationError, where: str) -> PeerRefused:
        """Count and tell that the handshake itself refused the server; give the error to raise."""
        refusal = PeerRefused(f"{where}: the server's certificate is refused: {error.verify_message}", reason="chain")
        self.guard.refuse(Refusal(None, "chain", str(refusal)), where=where)
        return refusal


ClientTls: TypeAlias = ssl.SSLContext | TlsDemand
"""What a client takes: a context of the caller's own, who then judges the peer; or a demand."""


def context_of(tls: ClientTls | None) -> ssl.SSLContext | None:
    """Give the context of either."""
    return tls.context if isinstance(tls, TlsDemand) else tls


def server_name(tls: ClientTls | None, host: str, port: int) -> str | None:
    """Give what to call the server towards the context: ours keep sessions by it."""
    if tls is None:
        return None
    return session_name(host, port) if isinstance(tls, TlsDemand) else host


class JudgedServer(asyncio.Protocol):
    """Stands before a client's protocol until the server was judged. refusal: why it was sent away, if it was."""

    def __init__(self, inner: asyncio.Protocol, demand: TlsDemand, where: str) -> None:
        """inner: sees nothing of a server that is refused, not even the connection."""
        self._inner = inner
        self._demand = demand
        self._where = where
        self.refusal: PeerRefused | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Judge, and step aside."""
        secured = cast(asyncio.Transport, transport)
        try:
            peer = self._demand.judge(secured.get_extra_info("ssl_object"), self._where)
        except PeerRefused as error:
            self.refusal = error
            secured.abort()
            return
        self._demand.guard.watch(peer, secured.abort, lambda: not secured.is_closing())
        secured.set_protocol(self._inner)
        self._inner.connection_made(secured)


async def open_stream(
    protocol: asyncio.Protocol, host: str, port: int, *, local: tuple[str, int] | None, tls: ClientTls | None
) -> asyncio.Transport:
    """Connect over TCP, with TLS where told, and give the transport. Raises OSError; PeerRefused.

    With a demand, the protocol first hears of the connection when its server was judged.
    """
    where = f"{host}:{port}"
    judged = JudgedServer(protocol, tls, where) if isinstance(tls, TlsDemand) else None
    try:
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: protocol if judged is None else judged,
            host,
            port,
            local_addr=local,
            ssl=context_of(tls),
            server_hostname=server_name(tls, host, port),
        )
    except ssl.SSLCertVerificationError as error:
        if isinstance(tls, TlsDemand):
            raise tls.refused(error, where) from error
        raise
    if judged is not None and judged.refusal is not None:
        raise judged.refusal
    return transport


class TlsDoor:
    """The TLS side of a listener.

    pending: handshakes under way. turned_away: callers for whom nobody was at home, or who gave way to others while
    they shook hands. failed: handshakes that ended without a peer. Where `handshakes_max` of the policy are under way,
    the oldest gives way, so that callers who stall cannot keep others out.
    """

    def __init__(self, context: ssl.SSLContext | ContextResolver, guard: Guard) -> None:
        """context: one for all, or by the local address that was called. guard: judges who comes."""
        self._context = context
        self.guard = guard
        self.pending: dict[_Entering, None] = {}
        self.turned_away = 0
        self.failed = 0

    def context_for(self, host: str, port: int) -> ssl.SSLContext | ContextToCome | None:
        """Give the context for who called here; None also where its files cannot be used, which is logged."""
        if isinstance(self._context, ssl.SSLContext):
            return self._context
        try:
            return self._context(host, port)
        except TlsFilesError as error:
            log.warning("no TLS at this address", host=host, port=port, reason=str(error))
            return None

    def before(self, factory: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """Give the protocol factory for a plain listening socket; `factory` makes what comes behind the door."""
        return lambda: _Entering(self, factory)

    def close(self) -> None:
        """End all handshakes under way."""
        for each in tuple(self.pending):
            each.give_up()

    def enter(self, caller: "_Entering") -> None:
        """Take note of a handshake; the oldest makes room."""
        if len(self.pending) >= self.guard.policy.handshakes_max:
            self.turned_away += 1
            next(iter(self.pending)).give_up()
        self.pending[caller] = None


class _Entering(asyncio.Protocol):
    """A caller at the door, until its peer was judged: first the protocol below TLS, then that above it.

    The loop's `start_tls` takes over one turn later. What uvloop reads in that turn, though reading is paused, is
    handed on by `_feed` as soon as TLS is there; asyncio reads nothing.
    """

    def __init__(self, door: TlsDoor, factory: Callable[[], asyncio.Protocol]) -> None:
        self._door = door
        self._factory = factory
        self._early = b""
        self._below = b""
        self._is_below = True
        self._is_lost = False
        self._plain: asyncio.Transport | None = None
        self._task: asyncio.Task[asyncio.Transport | None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plain = self._plain = cast(asyncio.Transport, transport)
        context = None
        match plain.get_extra_info("sockname"):
            case (str(host), int(port), *_):
                context = self._door.context_for(host, port)
        if context is None:
            self._door.turned_away += 1
            plain.abort()
            return
        self._door.enter(self)
        plain.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._shake(plain, context))
        self._task.add_done_callback(self._shaken)

    async def _shake(
        self, plain: asyncio.Transport, context: ssl.SSLContext | ContextToCome
    ) -> asyncio.Transport | None:
        """Shake hands, once there is a context to do it with; None where there will be none."""
        loop = asyncio.get_running_loop()
        limit_s = self._door.guard.policy.handshake_s_max
        if not isinstance(context, ssl.SSLContext):
            try:
                async with asyncio.timeout(limit_s):
                    context = await context
            except MeterworksError as error:
                log.debug("nobody answers at this address yet", reason=str(error))
                self._door.turned_away += 1
                plain.abort()
                return None
        loop.call_soon(self._taken_over, loop)
        return await loop.start_tls(plain, self, context, server_side=True, ssl_handshake_timeout=limit_s)

    def data_received(self, data: bytes) -> None:
        self._early += data
        if len(self._early) > EARLY_SIZE_MAX:
            self.give_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True  # perhaps with the last words still to be heard
        if self._is_below:
            self.give_up()  # TLS would wait for who is gone

    def give_up(self) -> None:
        """End the handshake at once."""
        self._door.pending.pop(self, None)
        if self._task is not None:
            self._task.cancel()
        if self._plain is not None:
            self._plain.abort()

    def _taken_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """From here on octets are those above TLS; what came before goes to TLS once it is connected, next turn."""
        self._is_below = False
        self._below, self._early = self._early, b""
        if self._below:
            loop.call_soon(self._feed)

    def _feed(self) -> None:
        if self._plain is None or self._plain.is_closing():
            return
        below = cast(asyncio.BufferedProtocol, self._plain.get_protocol())
        rest = self._below
        while rest:  # bounded: each round takes some
            room = memoryview(below.get_buffer(len(rest)))
            size = min(len(room), len(rest))
            room[:size] = rest[:size]
            below.buffer_updated(size)
            rest = rest[size:]

    def _shaken(self, task: "asyncio.Task[asyncio.Transport | None]") -> None:
        door = self._door
        door.pending.pop(self, None)
        self._task = None
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, OSError | RuntimeError):
            raise error  # none of TLS, of the connection, or of time
        if task.cancelled() or error is not None:
            door.failed += 1
            if self._plain is not None:
                self._plain.abort()
            return
        secured = task.result()
        if secured is not None and (self._early or not secured.is_closing()):
            self._let_in(secured)

    def _let_in(self, secured: asyncio.Transport) -> None:
        guard = self._door.guard
        name = secured.get_extra_info("peername")
        try:
            peer = guard.judge(secured.get_extra_info("ssl_object"), where=f"{name[0]}:{name[1]}" if name else "")
        except PeerRefused:
            secured.abort()
            return
        guard.watch(peer, secured.abort, lambda: not secured.is_closing())
        inner = self._factory()
        secured.set_protocol(inner)
        inner.connection_made(secured)
        if self._early:
            inner.data_received(self._early)  # a push may come, and its connection end, in one piece
        if self._is_lost:
            inner.connection_lost(None)
