"""DLMS servers over TCP: any number of meters behind one listening socket, told apart by the address called.

The wrapper or HDLC, with TLS or without.

Limits hold for hostile peers too: connections in all, per meter and per peer, idle time, time that a peer may leave our
answers unread, and output kept for it (a few APDUs, see `ServerConnection`). What goes beyond is dropped and counted.
A peer that sends octets but no request is idle. Where all places are taken, the connection that has been open longest
without proof of a key or password gives way, so that strangers cannot shut the head-end out by sitting there.
"""

import asyncio
import secrets
import socket
import ssl
from typing import Final, Literal, cast

from meterworks.links.errors import ConnectFailed
from meterworks.links.listening import BACKLOG, LOOPBACK_DEVICE, listening_socket
from meterworks.links.meter_connections import DEFAULT_LIMITS, MeterConnections, MeterResolver, MeterServerLimits
from meterworks.links.secure import ClientTls, TlsDoor, open_stream
from meterworks.protocols.dlms import WRAPPER, GatewayResolver, LogicalDevice, ServerConnection, ServerFraming
from meterworks.protocols.dlms.hdlc import HdlcFraming, HdlcSettings, LinkParameters
from meterworks.trust.tls import PeerRefused

__all__ = ["MeterCall", "MeterServer", "call_head_end", "start_meter_server"]

_WIDEST: Final = LinkParameters(
    information_transmit_max=2030, information_receive_max=2030, window_transmit=7, window_receive=7
)
FRAMING_OF: Final[dict[str, ServerFraming]] = {
    "wrapper": WRAPPER,
    "hdlc": HdlcFraming(HdlcSettings(parameters=_WIDEST)),  # a client that asks for nothing gets 128 octets and 1
}


class _MeterProtocol(asyncio.Protocol):
    """One connection of one meter."""

    __slots__ = ("_is_timed", "_loop", "_server", "_timer", "_transport", "core", "keys", "last_s", "paused")

    def __init__(self, server: "MeterConnections", device: LogicalDevice | None = None) -> None:
        self._server = server
        self._loop = server.loop
        self._transport: asyncio.Transport | None = None
        self.keys: tuple[str, str] | None = None
        self._is_timed = server.framing is not WRAPPER
        self._timer: asyncio.TimerHandle | None = None
        self.core: ServerConnection | None = None if device is None else server.new_core(device)
        self.last_s = 0.0
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.last_s = self._loop.time()
        if self.core is not None:  # the meter called: there is nothing to look up
            self._server.members[self] = None
            return
        local = transport.get_extra_info("sockname")
        peer = transport.get_extra_info("peername")
        self.keys = self._server.admit(self, local, peer)
        if self.keys is None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.dismiss(self)
        self.core = None
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        core, transport = self.core, self._transport
        if core is None or transport is None:
            return
        answer = core.receive(data, self._loop.time()) if self._is_timed else core.receive(data)
        if answer:  # octets that make no request do not keep a connection open
            self.last_s = self._loop.time()
            transport.write(answer)
        if core.closed:
            transport.close()
        elif core.has_more and not self.paused:
            self._loop.call_soon(self.data_received, b"")
        if self._is_timed:
            self._see_to_link(core)

    def _see_to_link(self, core: ServerConnection) -> None:
        """Have the link's own time looked at."""
        if self._timer is not None:
            self._timer.cancel()
        due_s = core.next_deadline()
        self._timer = None if due_s is None else self._loop.call_at(due_s, self._advance)

    def _advance(self) -> None:
        self._timer = None
        core, transport = self.core, self._transport
        if core is None or transport is None:
            return
        answer = core.advance(self._loop.time())
        if answer:
            transport.write(answer)
        self._see_to_link(core)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self.paused = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self.paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            if self.core is not None and self.core.has_more:
                self._loop.call_soon(self.data_received, b"")

    def check(self, now_s: float, limits: MeterServerLimits) -> bool:
        """Drop a peer that is idle, or does not read; give whether it was dropped."""
        if now_s - self.last_s <= (limits.unread_s_max if self.paused else limits.idle_s_max):
            return False
        self.abort()
        return True

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class MeterServer:
    """A running server of meters; `close` ends it."""

    def __init__(
        self,
        server: asyncio.Server,
        listener: socket.socket,
        connections: MeterConnections,
        door: TlsDoor | None = None,
    ) -> None:
        """Use `start_meter_server`."""
        self._door = door
        self._server = server
        self._connections = connections
        address = listener.getsockname()
        self.host: str = address[0]
        self.port: int = address[1]

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._connections.members)

    @property
    def accepted(self) -> int:
        """Connections accepted so far."""
        return self._connections.accepted

    @property
    def refused(self) -> int:
        """Connections refused so far, by a limit or because no meter lives at the address."""
        return self._connections.refused

    @property
    def dropped(self) -> int:
        """Connections dropped so far because the peer was idle or did not read."""
        return self._connections.dropped

    async def close(self) -> None:
        """Close the listening socket and all connections."""
        self._server.close()
        if self._door is not None:
            self._door.close()
        self._connections.stop()
        await self._server.wait_closed()


async def start_meter_server(
    resolve: MeterResolver,
    host: str = "0.0.0.0",  # noqa: S104 - bound to the loopback device, see device_only
    port: int = 4059,
    *,
    device_only: str | None = LOOPBACK_DEVICE,
    limits: MeterServerLimits = DEFAULT_LIMITS,
    framing: Literal["wrapper", "hdlc"] | ServerFraming = "wrapper",
    tls: ssl.SSLContext | TlsDoor | None = None,
    behind: GatewayResolver | None = None,
) -> MeterServer:
    """Serve the meters that `resolve` knows behind one listening socket. Raises ConnectFailed where it cannot listen.

    device_only: network device that connections must come over; the loopback device by default, so that nobody outside
    the machine is answered. None accepts from everywhere. framing: HDLC with the sizes that clients ask for and any
    physical address, or a framing with settings of its own. behind: makes each meter a gateway to those it knows.
    tls: a door judges who comes; a bare context leaves that to its verification of certificates.
    """
    listener = listening_socket(host, port, device_only=device_only)
    chosen = FRAMING_OF[framing] if isinstance(framing, str) else framing
    connections = MeterConnections(resolve, limits, secrets.token_bytes, framing=chosen, behind=behind)
    door = tls if isinstance(tls, TlsDoor) else None
    context = tls if isinstance(tls, ssl.SSLContext) else None

    def accept() -> asyncio.Protocol:
        return _MeterProtocol(connections)

    server = await asyncio.get_running_loop().create_server(
        accept if door is None else door.before(accept), sock=listener, backlog=BACKLOG, ssl=context
    )
    return MeterServer(server, listener, connections, door)


class MeterCall:
    """A connection that a meter opened to its head-end; the meter is the server on it."""

    def __init__(self, protocol: _MeterProtocol, connections: MeterConnections) -> None:
        """Use `call_head_end`."""
        self._protocol = protocol
        self._connections = connections

    @property
    def is_open(self) -> bool:
        """Whether the connection still stands."""
        return bool(self._connections.members)

    def close(self) -> None:
        """Close the connection."""
        self._connections.stop()


async def call_head_end(
    device: LogicalDevice,
    host: str,
    port: int,
    *,
    opening: bytes,
    limits: MeterServerLimits = DEFAULT_LIMITS,
    timeout_s: float = 10.0,
    local_address: str | None = None,
    tls: ClientTls | None = None,
) -> MeterCall:
    """Connect a meter to its head-end, send `opening` (frames of a notification) and answer what comes.

    Raises ConnectFailed; PeerRefused where it is no head-end that answers.
    """
    connections = MeterConnections(lambda _host, _port: None, limits, secrets.token_bytes)
    protocol = _MeterProtocol(connections, device)
    local = None if local_address is None else (local_address, 0)
    try:
        async with asyncio.timeout(timeout_s):
            transport = await open_stream(protocol, host, port, local=local, tls=tls)
    except PeerRefused:
        connections.stop()
        raise
    except (TimeoutError, OSError) as error:
        connections.stop()
        raise ConnectFailed(f"cannot connect to {host}:{port}: {error}", host=host, port=port) from error
    transport.write(opening)
    return MeterCall(protocol, connections)
