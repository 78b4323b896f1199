"""DLMS servers over TCP: any number of meters behind one listening socket, told apart by the address called.

Limits hold for hostile peers too: connections in all, per meter and per peer, idle time, time that a peer may leave our
answers unread, and output kept for it (a few APDUs, see `ServerConnection`). What goes beyond is dropped and counted.
A peer that sends octets but no request is idle. Where all places are taken, the connection that has been open longest
without proof of a key or password gives way, so that strangers cannot shut the head-end out by sitting there.
"""

import asyncio
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, cast

from meterworks.links.errors import ConnectFailed
from meterworks.links.listening import BACKLOG, LOOPBACK_DEVICE, listening_socket
from meterworks.protocols.dlms import LogicalDevice, ServerConnection

__all__ = ["MeterCall", "MeterResolver", "MeterServer", "MeterServerLimits", "call_head_end", "start_meter_server"]

SWEEPS_PER_IDLE_TIME: Final = 4

MeterResolver = Callable[[str, int], LogicalDevice | None]
"""Gives the meter that lives at a local address and port, or None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterServerLimits:
    """What a server of meters allows."""

    connections_max: int = 20_000
    connections_per_meter_max: int = 16
    connections_per_peer_max: int = 20_000  # a head-end on the same machine is one peer
    idle_s_max: float = 120.0
    unread_s_max: float = 20.0


class _MeterProtocol(asyncio.Protocol):
    """One connection of one meter."""

    __slots__ = ("_loop", "_server", "_transport", "core", "keys", "last_s", "paused")

    def __init__(self, server: "_Connections", device: LogicalDevice | None = None) -> None:
        self._server = server
        self._loop = server.loop
        self._transport: asyncio.Transport | None = None
        self.keys: tuple[str, str] | None = None
        self.core: ServerConnection | None = None if device is None else ServerConnection(device, server.random_bytes)
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

    def data_received(self, data: bytes) -> None:
        core, transport = self.core, self._transport
        if core is None or transport is None:
            return
        answer = core.receive(data)
        if answer:  # octets that make no request do not keep a connection open
            self.last_s = self._loop.time()
            transport.write(answer)
        if core.closed:
            transport.close()
        elif core.has_more and not self.paused:
            self._loop.call_soon(self.data_received, b"")

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


class _Connections:
    """The open connections of one server, their limits and counts."""

    def __init__(self, resolve: MeterResolver, limits: MeterServerLimits, random_bytes: Callable[[int], bytes]) -> None:
        self.loop = asyncio.get_running_loop()
        self.resolve = resolve
        self.limits = limits
        self.random_bytes = random_bytes
        self.members: dict[_MeterProtocol, None] = {}  # in the order they came, as are those of each meter
        self.per_meter: dict[str, dict[_MeterProtocol, None]] = {}
        self.per_peer: Counter[str] = Counter()
        self.accepted = 0
        self.refused = 0
        self.dropped = 0
        self._timer: asyncio.TimerHandle | None = None
        self._sweep()

    def admit(self, member: _MeterProtocol, local: object, peer: object) -> tuple[str, str] | None:
        """Give the keys under which a connection counts, or None where it is refused."""
        match local, peer:
            case (str(local_ip), int(local_port), *_), (str(peer_ip), *_):
                pass
            case _:  # gone already
                return None
        device = self.resolve(local_ip, local_port)
        if device is None or not self._has_room(local_ip, peer_ip):
            self.refused += 1
            return None
        member.core = ServerConnection(device, self.random_bytes)
        self.accepted += 1
        self.members[member] = None
        self.per_meter.setdefault(local_ip, {})[member] = None
        self.per_peer[peer_ip] += 1
        return local_ip, peer_ip

    def _has_room(self, local_ip: str, peer_ip: str) -> bool:
        """Whether there is a place for one more, made by dropping a stranger where needed."""
        limits = self.limits
        of_meter = self.per_meter.get(local_ip, {})
        if len(of_meter) >= limits.connections_per_meter_max and not self._drop_stranger(of_meter):
            return False
        if len(self.members) >= limits.connections_max and not self._drop_stranger(self.members):
            return False
        return self.per_peer[peer_ip] < limits.connections_per_peer_max

    def _drop_stranger(self, members: Iterable[_MeterProtocol]) -> bool:
        """Drop the first that has not proved who it is; False where all have."""
        stranger = next((each for each in members if each.core is None or not each.core.is_proved), None)
        if stranger is None:
            return False
        self.dismiss(stranger)
        stranger.abort()
        self.dropped += 1
        return True

    def dismiss(self, member: _MeterProtocol) -> None:
        self.members.pop(member, None)
        keys, member.keys = member.keys, None
        if keys is None:
            return
        meter, peer = keys
        del self.per_meter[meter][member]
        if not self.per_meter[meter]:
            del self.per_meter[meter]
        self.per_peer[peer] -= 1
        if not self.per_peer[peer]:
            del self.per_peer[peer]

    def _sweep(self) -> None:
        """Drop who is idle or does not read, in a round of a quarter of the shorter time."""
        now_s = self.loop.time()
        self.dropped += sum(member.check(now_s, self.limits) for member in tuple(self.members))
        round_s = min(self.limits.idle_s_max, self.limits.unread_s_max) / SWEEPS_PER_IDLE_TIME
        self._timer = self.loop.call_later(round_s, self._sweep)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for member in tuple(self.members):
            member.abort()


class MeterServer:
    """A running server of meters; `close` ends it."""

    def __init__(self, server: asyncio.Server, listener: socket.socket, connections: _Connections) -> None:
        """Use `start_meter_server`."""
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
        self._connections.stop()
        await self._server.wait_closed()


async def start_meter_server(
    resolve: MeterResolver,
    host: str = "0.0.0.0",  # noqa: S104 - bound to the loopback device, see device_only
    port: int = 4059,
    *,
    device_only: str | None = LOOPBACK_DEVICE,
    limits: MeterServerLimits = MeterServerLimits(),
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> MeterServer:
    """Serve the meters that `resolve` knows behind one listening socket. Raises ConnectFailed where it cannot listen.

    device_only: network device that connections must come over; the loopback device by default, so that nobody outside
    the machine is answered. None accepts from everywhere.
    """
    listener = listening_socket(host, port, device_only=device_only)
    connections = _Connections(resolve, limits, random_bytes)
    server = await asyncio.get_running_loop().create_server(
        lambda: _MeterProtocol(connections), sock=listener, backlog=BACKLOG
    )
    return MeterServer(server, listener, connections)


class MeterCall:
    """A connection that a meter opened to its head-end; the meter is the server on it."""

    def __init__(self, protocol: _MeterProtocol, connections: _Connections) -> None:
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
    limits: MeterServerLimits = MeterServerLimits(),
    timeout_s: float = 10.0,
    local_address: str | None = None,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> MeterCall:
    """Connect a meter to its head-end, send `opening` (frames of a notification) and answer what comes.

    Raises ConnectFailed.
    """
    loop = asyncio.get_running_loop()
    connections = _Connections(lambda _host, _port: None, limits, random_bytes)
    protocol = _MeterProtocol(connections, device)
    local = None if local_address is None else (local_address, 0)
    try:
        async with asyncio.timeout(timeout_s):
            transport, _ = await loop.create_connection(lambda: protocol, host, port, local_addr=local)
    except (TimeoutError, OSError) as error:
        connections.stop()
        raise ConnectFailed(f"cannot connect to {host}:{port}: {error}", host=host, port=port) from error
    transport.write(opening)
    return MeterCall(protocol, connections)
