"""Where meters call in: receives pushed APDUs, and hands connections over for a session.

The first octet of a connection tells whether it carries the wrapper or HDLC. Meters behind a gateway are told apart by
its prefix.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, cast

from meterworks.errors import MeterworksError
from meterworks.links.dlms_client import DlmsClient
from meterworks.links.errors import ConnectionLost
from meterworks.links.listening import BACKLOG, listening_socket
from meterworks.links.secure import TlsDoor
from meterworks.protocols.dlms import (
    WRAPPER,
    BlockReceiver,
    ClientFraming,
    ClientSettings,
    GatewayFraming,
    GatewayPrefix,
    GeneralBlock,
    InvocationCounter,
    WrapperReader,
)
from meterworks.protocols.dlms.hdlc import HDLC, HdlcPushReader
from meterworks.protocols.errors import UnlawfulMessage
from meterworks.trust.tls import Peer, peer_of

__all__ = ["ListenerLimits", "NotificationListener", "PushHandler", "PushReceived"]

WAITING_MAX: Final = 16  # APDUs of one connection that wait for the handler before reading pauses
BLOCKS_SIZE_MAX: Final = 1024 * 1024  # octets of one notification that comes in general blocks
GENERAL_BLOCK: Final = b"\xe0"
HDLC_FLAG: Final = b"\x7e"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerLimits:
    """What a listener allows."""

    connections_max: int = 20_000
    connections_per_peer_max: int = 20_000  # meters of one machine, or behind one gateway, are one peer
    idle_s_max: float = 60.0
    handler_s_max: float = 600.0
    apdu_size_max: int = 0xFFFF
    unfinished_size_max: int = 64 * 2**20  # octets of unfinished frames, all connections together


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReceived:
    """An APDU that a meter sent unasked, as it came (maybe ciphered).

    source, destination: logical addresses of wrapper or HDLC. gateway: which meter behind one, where there is one.
    peer: who opened the connection, where it is TLS.
    """

    peer_host: str
    peer_port: int
    source: int
    destination: int
    apdu: bytes
    connection: "_PushProtocol"
    gateway: GatewayPrefix | None = None
    peer: Peer | None = None

    def take_over(
        self,
        settings: ClientSettings,
        *,
        counter: InvocationCounter,
        timeout_s: float = 10.0,
        framing: ClientFraming | None = None,
    ) -> DlmsClient:
        """Open a client session on the connection that the meter opened. Raises ConnectionLost where it is gone.

        framing: where the way that the push came does not tell enough, as with addresses of HDLC.
        """
        if framing is None:
            framing = HDLC if self.connection.is_hdlc else WRAPPER
            if self.gateway is not None:
                framing = GatewayFraming(framing, self.gateway.network_id, self.gateway.physical_address)
        return self.connection.take_over(settings, counter=counter, timeout_s=timeout_s, framing=framing)


PushHandler = Callable[[PushReceived], Awaitable[None]]
"""Called with one APDU at a time per connection; reading goes on while it runs, up to a limit."""


class _PushProtocol(asyncio.Protocol):
    """One connection of a meter that called."""

    def __init__(self, listener: "NotificationListener") -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._reader: WrapperReader | HdlcPushReader | None = None  # until the first octet tells which
        self._waiting: deque[tuple[int, int, bytes]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._taken_over = False
        self._blocks = BlockReceiver(BLOCKS_SIZE_MAX)
        self._blocks_of: tuple[int, int, GatewayPrefix | None] = (0, 0, None)
        self._blocks_kept = 0  # octets of blocks whose last one has not come, an upper bound
        self._unfinished = 0  # octets of a frame whose rest has not come
        self.peer: tuple[str, int] = ("", 0)
        self.certified: Peer | None = None
        self.last_s = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        secured = transport.get_extra_info("ssl_object")
        self.certified = None if secured is None else peer_of(secured)
        peer = transport.get_extra_info("peername")
        if peer is None or not self._listener.admit(self, (peer[0], peer[1])):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.dismiss(self)

    def data_received(self, data: bytes) -> None:
        if self._reader is None:
            size_max = self._listener.limits.apdu_size_max
            is_hdlc = data.startswith(HDLC_FLAG)
            self._reader = HdlcPushReader(size_max) if is_hdlc else WrapperReader(size_max)
        self._reader.feed(data)
        self._pull()

    @property
    def is_hdlc(self) -> bool:
        """Whether the connection carries HDLC."""
        return isinstance(self._reader, HdlcPushReader)

    def _pull(self) -> None:
        """Take whole frames, at most as many as may wait."""
        reader = self._reader
        if reader is None:
            return
        try:
            while len(self._waiting) < WAITING_MAX and (frame := reader.next_frame()) is not None:
                self._waiting.append(frame)
                self.last_s = self._loop.time()  # octets that make no frame do not keep a connection open
        except MeterworksError:
            self._listener.malformed += 1
            self.abort()
            return
        rest = reader.size
        if not self._listener.keep(rest - self._unfinished):
            self.abort()
            return
        self._unfinished = rest
        if self._transport is not None and len(self._waiting) >= WAITING_MAX and not self._transport.is_closing():
            self._transport.pause_reading()
        if self._waiting and self._task is None:
            self._task = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        listener = self._listener
        try:
            while self._waiting:
                push = self._push_of(*self._waiting.popleft())
                if push is None:
                    continue
                async with asyncio.timeout(listener.limits.handler_s_max):
                    await listener.handler(push)
                self.last_s = self._loop.time()
        except (MeterworksError, TimeoutError):
            listener.failed += 1
            self.abort()
        finally:
            self._task = None
        if not self._taken_over and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._pull()

    def _push_of(self, source: int, destination: int, octets: bytes) -> PushReceived | None:
        """Give the push that a frame ends, or None where more blocks are to come."""
        gateway, apdu = GatewayPrefix.split(octets)
        if apdu.startswith(GENERAL_BLOCK):
            joined = self._join((source, destination, gateway), apdu)
            if joined is None:
                return None
            apdu = joined
        return PushReceived(
            peer_host=self.peer[0],
            peer_port=self.peer[1],
            source=source,
            destination=destination,
            apdu=apdu,
            connection=self,
            gateway=gateway,
            peer=self.certified,
        )

    def _join(self, sender: tuple[int, int, GatewayPrefix | None], apdu: bytes) -> bytes | None:
        """Take a block of a long notification; give the notification with its last one."""
        if sender != self._blocks_of:
            self._blocks_of = sender
            self._blocks.abandon()
            self._listener.keep(-self._blocks_kept)
            self._blocks_kept = 0
        joined = self._blocks.receive(GeneralBlock.from_bytes(apdu))
        pending = self._blocks_kept + len(apdu) if self._blocks.is_pending else 0
        if not self._listener.keep(pending - self._blocks_kept):
            raise UnlawfulMessage("no room for more blocks of long notifications")
        self._blocks_kept = pending
        return joined

    def take_over(
        self, settings: ClientSettings, *, counter: InvocationCounter, timeout_s: float, framing: ClientFraming
    ) -> DlmsClient:
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectionLost("the meter closed the connection that it opened")
        self._taken_over = True
        self._waiting.clear()
        transport.resume_reading()
        client = DlmsClient.over(transport, settings, counter=counter, timeout_s=timeout_s, framing=framing)
        client.when_closed(lambda: self._listener.dismiss(self))
        return client

    @property
    def is_idle(self) -> bool:
        """Whether nothing is going on; a connection handed over has its own time-outs."""
        return self._task is None and not self._taken_over

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def forget_unfinished(self) -> None:
        """Drop what came of a frame that will not be finished."""
        self._listener.keep(-self._unfinished - self._blocks_kept)
        self._unfinished = self._blocks_kept = 0
        self._blocks.abandon()
        self._reader = None

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self.abort()


class NotificationListener:
    """Listens for meters that call. malformed, failed, refused, dropped: connections that ended so, so far."""

    def __init__(self, handler: PushHandler, limits: ListenerLimits = ListenerLimits()) -> None:
        """Use `start` to listen."""
        self.handler = handler
        self.limits = limits
        self.malformed = 0
        self.failed = 0
        self.refused = 0
        self.dropped = 0
        self._members: set[_PushProtocol] = set()
        self._per_peer: Counter[str] = Counter()
        self._unfinished = 0
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._door: TlsDoor | None = None
        self.port = 0

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._members)

    async def start(self, host: str, port: int, *, device_only: str | None = None, tls: TlsDoor | None = None) -> None:
        """Listen on host and port (0 for any free one), behind a door where told. Raises ConnectFailed."""
        self._door = tls
        listener = listening_socket(host, port, device_only=device_only)
        self.port = listener.getsockname()[1]
        self._server = await asyncio.get_running_loop().create_server(
            self._accept if tls is None else tls.before(self._accept), sock=listener, backlog=BACKLOG
        )
        self._sweep()

    def _accept(self) -> asyncio.Protocol:
        return _PushProtocol(self)

    async def close(self) -> None:
        """Stop listening and close all connections, those handed over too."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
        if self._door is not None:
            self._door.close()
        for member in tuple(self._members):
            member.stop()
        if self._server is not None:
            await self._server.wait_closed()

    def admit(self, member: _PushProtocol, peer: tuple[str, int]) -> bool:
        """Take a connection in, unless a limit is reached."""
        host = peer[0]
        full = len(self._members) >= self.limits.connections_max
        if full or self._per_peer[host] >= self.limits.connections_per_peer_max:
            self.refused += 1
            return False
        member.peer = peer
        self._members.add(member)
        self._per_peer[host] += 1
        return True

    def keep(self, octets: int) -> bool:
        """Account for octets of unfinished frames; False where no more may be kept."""
        if octets > 0 and self._unfinished + octets > self.limits.unfinished_size_max:
            self.dropped += 1
            return False
        self._unfinished += octets
        return True

    def dismiss(self, member: _PushProtocol) -> None:
        """Forget a connection that ended."""
        if member not in self._members:
            return
        member.forget_unfinished()
        self._members.discard(member)
        host = member.peer[0]
        self._per_peer[host] -= 1
        if not self._per_peer[host]:
            del self._per_peer[host]

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for member in tuple(self._members):
            if member.is_idle and now_s - member.last_s > self.limits.idle_s_max:
                self.dropped += 1
                member.abort()
        self._timer = loop.call_later(self.limits.idle_s_max / 4, self._sweep)
