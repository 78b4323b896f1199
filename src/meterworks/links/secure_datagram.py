"""DTLS 1.2 on links: meters served over it, and clients that reach them by `dtls://`. Loaded when first needed.

Each frame of the wrapper goes in a record of its own, in a datagram of its own. Who is at the other end is judged
before any frame is sent or taken, as with TLS.
"""

import asyncio
import secrets
import socket
import time
from collections.abc import Callable
from typing import Final, cast
from weakref import WeakKeyDictionary

from meterworks.links.datagram import datagram_frames
from meterworks.links.errors import BadTarget, ConnectFailed
from meterworks.links.meter_connections import DEFAULT_LIMITS, MeterConnections, MeterResolver, MeterServerLimits
from meterworks.links.secure import ClientTls, TlsDemand
from meterworks.links.target import MeterTarget
from meterworks.protocols.dlms import ServerConnection
from meterworks.trust.dtls import (
    DtlsConnection,
    DtlsContext,
    DtlsLimits,
    DtlsListener,
    DtlsState,
    PeerJoined,
    PeerLeft,
    RecordReceived,
)
from meterworks.trust.tls import Guard, Peer, PeerRefused, Refusal, TlsContext

__all__ = [
    "SecuredDatagramCarrier",
    "SecuredDatagramLink",
    "SecuredDatagramServer",
    "open_secured_carrier",
    "start_secured_datagram_server",
]

READ_SIZE_MAX: Final = 65_536
WAIT_S_MIN: Final = 0.001
Address = tuple[str, int]

_DTLS_LIMITS: Final = DtlsLimits()
_CONTEXTS: Final[WeakKeyDictionary[TlsContext, DtlsContext]] = WeakKeyDictionary()


class _Member:
    """One device's client, as a connection of the server of meters."""

    def __init__(self, server: "_ServerProtocol", address: Address) -> None:
        self._server = server
        self._address = address
        self.keys: tuple[str, str] | None = None
        self.core: ServerConnection | None = None
        self.last_s = server.loop.time()

    def check(self, now_s: float, limits: MeterServerLimits) -> bool:
        """End a peer that is idle; give whether it was."""
        if now_s - self.last_s <= limits.idle_s_max:
            return False
        self.abort()
        return True

    def abort(self) -> None:
        """End the association."""
        self._server.drop(self._address)


class _ServerProtocol(asyncio.DatagramProtocol):
    """The socket of all associations."""

    def __init__(
        self, connections: MeterConnections, local: Address, context: DtlsContext, guard: Guard, limits: DtlsLimits
    ) -> None:
        self.connections = connections
        self.loop = connections.loop
        self._local = local
        self._guard = guard
        self._members: dict[Address, _Member] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.listener = DtlsListener(context, self._judge, secrets.token_bytes, now=self.loop.time(), limits=limits)

    def _judge(self, peer: Peer, address: Address) -> None:
        self._guard.judge_peer(peer, where=f"{address[0]}:{address[1]}")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        match addr:
            case (str(host), int(port), *_):
                address = (host, port)
            case _:
                return
        for event in self.listener.receive(data, address, self.loop.time()):
            match event:
                case PeerJoined(peer=peer):
                    self._join(address, peer)
                case RecordReceived(octets=octets):
                    self._answer(address, octets)
                case PeerLeft():
                    self._leave(address)
        self._flush()

    def drop(self, address: Address) -> None:
        """End the association of an address."""
        for _ in self.listener.drop(address):
            self._leave(address)
        self._flush()

    def stop(self) -> None:
        """End all associations."""
        if self._timer is not None:
            self._timer.cancel()
        self.connections.stop()
        if self._transport is not None:
            self._transport.close()

    def _join(self, address: Address, peer: Peer) -> None:
        member = _Member(self, address)
        member.keys = self.connections.admit(member, self._local, address)
        if member.keys is None:
            self.listener.drop(address)
            return
        self._members[address] = member
        self._guard.watch(peer, member.abort, lambda: self._members.get(address) is member)

    def _leave(self, address: Address) -> None:
        member = self._members.pop(address, None)
        if member is not None:
            self.connections.dismiss(member)
            member.core = None

    def _answer(self, address: Address, octets: bytes) -> None:
        member = self._members.get(address)
        if member is None or member.core is None or not datagram_frames(octets):
            return
        core = member.core
        answer = core.receive(octets)
        while core.has_more:  # bounded: by the length of the answer
            answer += core.receive(b"")
        if answer:
            member.last_s = self.loop.time()
        for frame in datagram_frames(answer) or []:
            self.listener.send(frame, address)
        if core.closed:
            self.drop(address)

    def _flush(self) -> None:
        if self._transport is None:
            return
        for datagram, address in self.listener.datagrams():
            self._transport.sendto(datagram, address)
        if self._timer is not None:
            self._timer.cancel()
        due = self.listener.next_deadline(self.loop.time())
        self._timer = None if due is None else self.loop.call_at(due, self._advance)

    def _advance(self) -> None:
        self._timer = None
        for event in self.listener.advance(self.loop.time()):
            if isinstance(event, PeerLeft):
                self._leave(event.address)
        self._flush()


class SecuredDatagramServer:
    """A running server over DTLS; `close` ends it. listener: its associations and counts."""

    def __init__(self, protocol: _ServerProtocol, local: Address) -> None:
        """Use `start_secured_datagram_server`."""
        self._protocol = protocol
        self.listener = protocol.listener
        self.host, self.port = local

    @property
    def connections(self) -> int:
        """Associations that are open."""
        return len(self._protocol.connections.members)

    async def close(self) -> None:
        """End all associations and close the socket."""
        self._protocol.stop()


async def start_secured_datagram_server(
    resolve: MeterResolver,
    host: str = "127.0.0.1",
    port: int = 4059,
    *,
    context: DtlsContext,
    guard: Guard,
    limits: MeterServerLimits = DEFAULT_LIMITS,
    dtls_limits: DtlsLimits = _DTLS_LIMITS,
) -> SecuredDatagramServer:
    """Serve the meter that `resolve` knows at this address over DTLS. Raises ConnectFailed where it cannot bind."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ConnectFailed(f"cannot listen on {host}:{port}: {error}", host=host, port=port) from error
    name = bound.getsockname()
    local = (str(name[0]), int(name[1]))
    connections = MeterConnections(resolve, limits, secrets.token_bytes)
    _, protocol = await connections.loop.create_datagram_endpoint(
        lambda: _ServerProtocol(connections, local, context, guard, dtls_limits), sock=bound
    )
    return SecuredDatagramServer(protocol, local)


def _context_of(tls: ClientTls | None, target: MeterTarget) -> tuple[TlsDemand, DtlsContext]:
    if not isinstance(tls, TlsDemand) or not isinstance(tls.context, TlsContext):
        raise BadTarget(f"{target}: DTLS needs a demand with a context of `client_context`")
    known = _CONTEXTS.get(tls.context)
    if known is None:
        known = _CONTEXTS[tls.context] = DtlsContext(tls.context.credential, is_server=False)
    return tls, known


def _check(connection: DtlsConnection, demand: TlsDemand, where: str) -> Peer | None:
    """Give the peer when the handshake is over, None before. Raises PeerRefused, ConnectionError."""
    if connection.state is DtlsState.CLOSED:
        if "certificate verify failed" in connection.reason:
            text = f"{where}: the device's certificate is refused"
            demand.guard.refuse(Refusal(None, "chain", text), where=where)
            raise PeerRefused(text, reason="chain")
        raise ConnectionRefusedError(f"the handshake failed: {connection.reason}")
    if connection.state is DtlsState.OPEN and connection.peer is not None:
        return demand.guard.judge_peer(connection.peer, demand.identity, where=where)
    return None


class SecuredDatagramCarrier(asyncio.DatagramProtocol):
    """A UDP socket with DTLS on it, as a carrier: the protocol above hears of it when the peer was judged."""

    def __init__(self, inner: asyncio.Protocol, connection: DtlsConnection, demand: TlsDemand, where: str) -> None:
        """Use `open_secured_carrier`."""
        self._inner = inner
        self._connection = connection
        self._demand = demand
        self._where = where
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.judged: asyncio.Future[Peer] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._flush()

    def datagram_received(self, data: bytes, addr: object) -> None:
        records = self._connection.receive(data)
        self._flush()
        if not self.judged.done() and not self._is_judged():
            return
        for octets in records:
            if datagram_frames(octets):
                self._inner.data_received(octets)
        if self._connection.state is DtlsState.CLOSED:
            self.abort()

    def error_received(self, exc: Exception) -> None:
        if not self.judged.done():
            self.judged.set_exception(exc)
        self.abort()  # nobody listens there

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.judged.done() and not self.judged.cancelled() and self.judged.exception() is None:
            self._inner.connection_lost(exc)

    def write(self, data: bytes) -> None:
        """Send the frames."""
        for frame in datagram_frames(data) or []:
            self._connection.send(frame)
        self._flush()

    def close(self) -> None:
        """Tell the other side, and close."""
        self._connection.close()
        self._flush()
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it has ended or is about to."""
        return self._transport is None or self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        """Give 0: what waits does not keep us."""
        return 0

    def get_extra_info(self, name: str) -> object:
        """Give `sockname` or `peername`."""
        return None if self._transport is None else self._transport.get_extra_info(name)

    def _is_judged(self) -> bool:
        """Whether the peer is known and may be here; whoever waits is told."""
        try:
            peer = _check(self._connection, self._demand, self._where)
        except (PeerRefused, OSError) as error:
            self._connection.close()
            self._flush()
            self.judged.set_exception(error)
            return False
        if peer is None:
            return False
        self._demand.guard.watch(peer, self.abort, lambda: not self.is_closing())
        self._inner.connection_made(cast(asyncio.BaseTransport, self))
        self.judged.set_result(peer)
        return True

    def _flush(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        for datagram in self._connection.datagrams():
            self._transport.sendto(datagram)
        if self._timer is not None:
            self._timer.cancel()
        due = self._connection.next_deadline(self._loop.time())
        self._timer = None if due is None else self._loop.call_at(due, self._advance)

    def _advance(self) -> None:
        self._timer = None
        self._connection.advance()
        self._flush()


async def open_secured_carrier(
    protocol: asyncio.Protocol, target: MeterTarget, *, local: Address | None, tls: ClientTls | None
) -> None:
    """Connect a protocol to a `dtls://` target. Raises PeerRefused, BadTarget, OSError. Bound its time."""
    demand, context = _context_of(tls, target)
    connection = DtlsConnection(context.current(), is_server=False)
    where = f"{target.host}:{target.port}"
    transport, carrier = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: SecuredDatagramCarrier(protocol, connection, demand, where),
        local_addr=local,
        remote_addr=(target.host, target.port),
    )
    try:
        await carrier.judged
    except BaseException:
        transport.abort()
        raise


class SecuredDatagramLink:
    """A connected UDP socket with DTLS on it, for clients that block."""

    def __init__(self, link: socket.socket, connection: DtlsConnection) -> None:
        """Use `open`."""
        self._link = link
        self._connection = connection
        self.ends: tuple[object, object] = (link.getsockname(), link.getpeername())

    @classmethod
    def open(
        cls, link: socket.socket, target: MeterTarget, *, timeout_s: float, tls: ClientTls | None
    ) -> "SecuredDatagramLink":
        """Shake hands over a connected socket. Raises PeerRefused, BadTarget, TimeoutError, OSError."""
        demand, context = _context_of(tls, target)
        made = cls(link, DtlsConnection(context.current(), is_server=False))
        ends_s = time.monotonic() + timeout_s
        made._shake(lambda: _check(made._connection, demand, f"{target.host}:{target.port}") is not None, ends_s)
        return made

    def _shake(self, is_over: Callable[[], bool], ends_s: float) -> None:
        connection = self._connection
        self._flush()
        while not is_over():  # bounded: by time
            now_s = time.monotonic()
            if now_s >= ends_s:
                raise TimeoutError("the handshake took too long")
            due_s = connection.next_deadline(now_s)
            self._link.settimeout(max(WAIT_S_MIN, (ends_s if due_s is None else min(due_s, ends_s)) - now_s))
            try:
                connection.receive(self._link.recv(READ_SIZE_MAX))
            except TimeoutError:
                connection.advance()
            self._flush()

    def send(self, octets: bytes, timeout_s: float) -> None:
        """Send the frames."""
        self._link.settimeout(timeout_s)
        for frame in datagram_frames(octets) or []:
            self._connection.send(frame)
        self._flush()

    def receive(self, timeout_s: float) -> bytes:
        """Give the frames of the next datagram, empty where it holds none."""
        self._link.settimeout(timeout_s)
        records = self._connection.receive(self._link.recv(READ_SIZE_MAX))
        self._flush()
        if self._connection.state is DtlsState.CLOSED:
            raise ConnectionResetError("the meter closed it")
        return b"".join(octets for octets in records if datagram_frames(octets))

    def set_line(self, line: object) -> None:
        """Nothing to change."""

    def close(self) -> None:
        """Tell the other side, and close."""
        if self._link.fileno() >= 0:
            self._connection.close()
            try:
                self._flush()
            except OSError:
                pass  # it is gone already
            self._link.close()

    def _flush(self) -> None:
        for datagram in self._connection.datagrams():
            self._link.send(datagram)
