"""The listening side of a fleet that misbehaves: the same meters, each connection behind a `FaultyLink`.

For tests of head-ends only, on the loopback device. Connections are not limited or timed out here: it is the head-end
that is under test.
"""

import asyncio
import random
import secrets
from typing import Final, cast

from meterworks.devices.fault import FaultSettings, FaultyLink
from meterworks.links import BACKLOG, MeterResolver, TlsDoor, listening_socket
from meterworks.protocols.dlms import ServerConnection

__all__ = ["FaultyMeterServer", "start_faulty_server"]

CONNECTIONS_MAX: Final = 20_000


class _MeterLink(asyncio.Protocol):
    """One connection of one meter."""

    def __init__(self, resolve: MeterResolver, members: set[asyncio.Transport]) -> None:
        self._resolve = resolve
        self._members = members
        self._transport: asyncio.Transport | None = None
        self._core: ServerConnection | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop's transports are none of asyncio's classes
        local = transport.get_extra_info("sockname")
        device = self._resolve(local[0], local[1]) if local else None
        if device is None or len(self._members) >= CONNECTIONS_MAX:
            transport.abort()
            return
        self._transport = transport
        self._members.add(transport)
        self._core = ServerConnection(device, secrets.token_bytes)

    def data_received(self, data: bytes) -> None:
        core, transport = self._core, self._transport
        if core is None or transport is None:
            return
        answer = core.receive(data)
        if answer:
            transport.write(answer)
        if core.closed:
            transport.close()
        elif core.has_more:
            asyncio.get_running_loop().call_soon(self.data_received, b"")

    def connection_lost(self, exc: Exception | None) -> None:
        self._core = None
        if self._transport is not None:
            self._members.discard(self._transport)


class FaultyMeterServer:
    """A running faulty server; `close` ends it."""

    def __init__(
        self, server: asyncio.Server, port: int, members: set[asyncio.Transport], door: TlsDoor | None = None
    ) -> None:
        """Use `start_faulty_server`."""
        self._door = door
        self._server = server
        self._members = members
        self.port = port

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._members)

    async def close(self) -> None:
        """Close the listening socket and all connections."""
        self._server.close()
        if self._door is not None:
            self._door.close()
        for transport in tuple(self._members):
            transport.abort()
        await self._server.wait_closed()


async def start_faulty_server(
    resolve: MeterResolver,
    host: str,
    port: int,
    *,
    device_only: str | None,
    faults: FaultSettings,
    tls: TlsDoor | None = None,
) -> FaultyMeterServer:
    """Serve the meters that `resolve` knows, misbehaving. Raises ConnectFailed where it cannot listen."""
    listener = listening_socket(host, port, device_only=device_only)
    chance = random.Random(faults.seed)  # noqa: S311  # chance of a simulation, not of a key
    members: set[asyncio.Transport] = set()

    def accept() -> asyncio.Protocol:
        return FaultyLink(_MeterLink(resolve, members), faults, chance)

    server = await asyncio.get_running_loop().create_server(
        accept if tls is None else tls.before(accept), sock=listener, backlog=BACKLOG
    )
    return FaultyMeterServer(server, listener.getsockname()[1], members, tls)
