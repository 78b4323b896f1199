"""DLMS servers over UDP: the wrapper, one frame to a datagram; each peer's address and port is a connection of its own.

Limits are those of the server over TCP. Addresses of datagrams can be forged: who fills all places gives way to the
next, unless a key or password was proved, and an answer is never sent but to who asked.
"""

import asyncio
import secrets
import socket
from typing import cast

from meterworks.links.datagram import datagram_frames
from meterworks.links.errors import ConnectFailed
from meterworks.links.meter_connections import DEFAULT_LIMITS, MeterConnections, MeterResolver, MeterServerLimits
from meterworks.protocols.dlms import ServerConnection

__all__ = ["DatagramMeterServer", "start_datagram_meter_server"]

Address = tuple[str, int]


class _Peer:
    """One peer, as a connection."""

    __slots__ = ("_address", "_server", "core", "keys", "last_s")

    def __init__(self, server: "_DatagramProtocol", address: Address) -> None:
        self._server = server
        self._address = address
        self.keys: tuple[str, str] | None = None
        self.core: ServerConnection | None = None
        self.last_s = server.loop.time()

    def check(self, now_s: float, limits: MeterServerLimits) -> bool:
        """Forget a peer that is idle; give whether it was."""
        if now_s - self.last_s <= limits.idle_s_max:
            return False
        self._server.connections.dismiss(self)
        self.abort()
        return True

    def abort(self) -> None:
        """Forget the peer."""
        self._server.peers.pop(self._address, None)


class _DatagramProtocol(asyncio.DatagramProtocol):
    """The socket of all peers."""

    def __init__(self, connections: MeterConnections, local: Address) -> None:
        self.connections = connections
        self.loop = connections.loop
        self.peers: dict[Address, _Peer] = {}
        self._local = local
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        match addr:
            case (str(host), int(port), *_):
                address = (host, port)
            case _:
                return
        if not datagram_frames(data) or self._transport is None:
            return
        peer = self.peers.get(address) or self._admit(address)
        if peer is None or peer.core is None:
            return
        answer = peer.core.receive(data)
        while peer.core.has_more:
            answer += peer.core.receive(b"")
        if answer:
            peer.last_s = self.loop.time()
        for frame in datagram_frames(answer) or []:
            self._transport.sendto(frame, addr)
        if peer.core.closed:
            self.connections.dismiss(peer)
            peer.abort()

    def _admit(self, address: Address) -> _Peer | None:
        peer = _Peer(self, address)
        peer.keys = self.connections.admit(peer, self._local, address)
        if peer.keys is None:
            return None
        self.peers[address] = peer
        return peer


class DatagramMeterServer:
    """A running server over UDP; `close` ends it."""

    def __init__(self, transport: asyncio.DatagramTransport, protocol: _DatagramProtocol, local: Address) -> None:
        """Use `start_datagram_meter_server`."""
        self._transport = transport
        self._protocol = protocol
        self.host, self.port = local

    @property
    def connections(self) -> int:
        """Peers known now."""
        return len(self._protocol.connections.members)

    @property
    def refused(self) -> int:
        """Peers refused so far, by a limit or because no meter lives at the address."""
        return self._protocol.connections.refused

    @property
    def dropped(self) -> int:
        """Peers forgotten so far because they were idle or gave way."""
        return self._protocol.connections.dropped

    async def close(self) -> None:
        """Close the socket."""
        self._protocol.connections.stop()
        self._transport.close()


async def start_datagram_meter_server(
    resolve: MeterResolver,
    host: str = "127.0.0.1",
    port: int = 4059,
    *,
    limits: MeterServerLimits = DEFAULT_LIMITS,
) -> DatagramMeterServer:
    """Serve the meter that `resolve` knows at this address over UDP. Raises ConnectFailed where it cannot bind.

    A datagram does not tell which of several local addresses it was sent to: give each meter its own.
    """
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
    transport, protocol = await connections.loop.create_datagram_endpoint(
        lambda: _DatagramProtocol(connections, local), sock=bound
    )
    return DatagramMeterServer(transport, protocol, local)
