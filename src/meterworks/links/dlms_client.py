"""DLMS client over TCP with asyncio: one connection, one association, one request at a time."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Final, cast

from meterworks.errors import MeterworksError
from meterworks.links.errors import ConnectFailed, ConnectionLost
from meterworks.links.outcome import (
    association_of,
    list_of,
    no_answer,
    outcome_of,
    outcomes_of,
    refuse_unless_released,
    results_of,
    value_of,
    written,
)
from meterworks.links.target import MeterTarget
from meterworks.protocols.dlms import (
    Action,
    ActionList,
    ActionOutcome,
    Associate,
    AssociationOpened,
    AttributeAddress,
    BlockTransferred,
    ClientConnection,
    ClientEvent,
    ClientSettings,
    Command,
    DataAccessResult,
    Get,
    GetList,
    GetResult,
    InvocationCounter,
    MethodAddress,
    NotificationReceived,
    Release,
    Selection,
    Set,
    SetList,
)

__all__ = ["DlmsClient", "NotificationHandler", "ProgressHandler", "Traffic"]

TRANSFER_S_MAX: Final = 600.0  # whole of one command, however many blocks it takes

ProgressHandler = Callable[[int, int], None]
"""Called with (block number, octets so far) while a long transfer goes on."""

NotificationHandler = Callable[[NotificationReceived], None]
"""Called with what the meter says unasked."""


class Traffic:
    """Octets that went over a connection."""

    __slots__ = ("received", "sent")

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0


class _ClientProtocol(asyncio.Protocol):
    """The asyncio side of one connection."""

    def __init__(self, connection: ClientConnection, loop: asyncio.AbstractEventLoop) -> None:
        self.connection = connection
        self.loop = loop
        self.traffic = Traffic()
        self.transport: asyncio.Transport | None = None
        self.closed: asyncio.Future[None] = loop.create_future()
        self.waiter: asyncio.Future[ClientEvent] | None = None
        self.command: Command | None = None
        self.deadline_s = 0.0
        self.timeout_s = 0.0
        self.ends_s = 0.0
        self.due_s = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.progress: ProgressHandler | None = None
        self.on_notification: NotificationHandler | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.fail("the meter closed the connection", late=False)
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.traffic.received += len(data)
        try:
            events = self.connection.receive(data)
        except MeterworksError as error:
            self.finish_with(error)
            self.abort()
            return
        for event in events:
            self.take(event)
        output = self.connection.data_to_send()
        if output:
            self.write(output)

    def take(self, event: ClientEvent) -> None:
        if isinstance(event, BlockTransferred):
            self.deadline_s = self.loop.time() + self.timeout_s
            if self.progress is not None:
                self.progress(event.number, event.size)
        elif isinstance(event, NotificationReceived):
            if self.on_notification is not None:
                self.on_notification(event)
        elif self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(event)

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.traffic.sent += len(data)
            self.transport.write(data)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def finish_with(self, error: MeterworksError) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(error)

    def fail(self, reason: str, *, late: bool) -> None:
        if self.waiter is not None and self.command is not None and not self.waiter.done():
            self.waiter.set_exception(no_answer(self.command, reason, late=late))

    def watch(self) -> None:
        """Have the deadline looked at. One timer serves many requests: it runs on, and is set anew when it is early."""
        if self.timer is not None:
            if self.due_s <= self.deadline_s:
                return
            self.timer.cancel()
        self.due_s = self.deadline_s
        self.timer = self.loop.call_at(self.due_s, self.check_deadline)

    def check_deadline(self) -> None:
        """Give up if nothing came in time; otherwise look again when it may be due."""
        self.timer = None
        if self.waiter is None or self.waiter.done():
            return
        self.deadline_s = min(self.deadline_s, self.ends_s)
        if self.loop.time() < self.deadline_s:
            self.watch()
            return
        self.fail(f"the meter did not answer within {self.timeout_s:g} s", late=True)
        self.abort()


class DlmsClient:
    """A DLMS client on one TCP connection.

    Every wait is bounded: `timeout_s` for each answer (each block of a long transfer), ten minutes for a transfer.
    A client that was not answered, or was answered wrongly, is closed; it cannot be used on.
    Use it as `async with await DlmsClient.connect(...) as client`, which closes it.
    """

    def __init__(self, protocol: "_ClientProtocol", timeout_s: float) -> None:
        """Use `connect` or `over`."""
        self._protocol = protocol
        self._connection = protocol.connection
        self._loop = protocol.loop
        self.timeout_s = timeout_s

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        settings: ClientSettings,
        *,
        counter: InvocationCounter,
        timeout_s: float = 10.0,
        local_address: str | None = None,
    ) -> "DlmsClient":
        """Connect to a meter. Raises ConnectFailed.

        local_address: address to come from, where the machine has several.
        """
        loop = asyncio.get_running_loop()
        protocol = _ClientProtocol(ClientConnection(settings, counter, secrets.token_bytes), loop)
        local = None if local_address is None else (local_address, 0)
        try:
            async with asyncio.timeout(timeout_s):
                await loop.create_connection(lambda: protocol, host, port, local_addr=local)
        except TimeoutError as error:
            raise ConnectFailed(f"{host}:{port} did not answer within {timeout_s:g} s", host=host, port=port) from error
        except OSError as error:
            raise ConnectFailed(f"cannot connect to {host}:{port}: {error}", host=host, port=port) from error
        return cls(protocol, timeout_s)

    @classmethod
    async def open(
        cls,
        target: MeterTarget,
        settings: ClientSettings,
        *,
        counter: InvocationCounter,
        timeout_s: float = 10.0,
        local_address: str | None = None,
    ) -> "DlmsClient":
        """Connect to a meter wherever it is. Raises ConnectFailed."""
        return await cls.connect(
            target.host, target.port, settings, counter=counter, timeout_s=timeout_s, local_address=local_address
        )

    @classmethod
    def over(
        cls,
        transport: asyncio.Transport,
        settings: ClientSettings,
        *,
        counter: InvocationCounter,
        timeout_s: float = 10.0,
    ) -> "DlmsClient":
        """Take over a connection that the meter opened. From here on its bytes come to this client."""
        protocol = _ClientProtocol(ClientConnection(settings, counter, secrets.token_bytes), asyncio.get_running_loop())
        protocol.connection_made(transport)
        if transport.is_closing():
            protocol.connection_lost(None)
        else:
            transport.set_protocol(protocol)
        return cls(protocol, timeout_s)

    async def __aenter__(self) -> "DlmsClient":
        """Give the client."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close the connection."""
        await self.close()

    @property
    def traffic(self) -> Traffic:
        """Octets received and sent so far."""
        return self._protocol.traffic

    @property
    def server_title(self) -> bytes | None:
        """System title of the meter, once it is known."""
        return self._connection.association.server_title

    def on_notification(self, handler: NotificationHandler | None) -> None:
        """Say who is called with what the meter says unasked."""
        self._protocol.on_notification = handler

    def when_closed(self, callback: Callable[[], None]) -> None:
        """Say who is called when the connection has ended."""
        self._protocol.closed.add_done_callback(lambda _closed: callback())

    async def associate(self) -> AssociationOpened:
        """Open the association. Raises AssociationRefused, UnreachableError, PeerError or SecurityError."""
        return association_of(await self._execute(Associate()))

    async def get(
        self, address: AttributeAddress, selection: Selection | None = None, *, progress: ProgressHandler | None = None
    ) -> bytes:
        """Read an attribute, encoded. Raises ServiceRefused with the result."""
        return value_of(await self._execute(Get(address, selection), progress))

    async def get_list(
        self, items: Sequence[AttributeAddress | tuple[AttributeAddress, Selection | None]]
    ) -> list[GetResult]:
        """Read several attributes in one request: for each its encoded value, or the result that says why not."""
        pairs = tuple(item if isinstance(item, tuple) else (item, None) for item in items)
        return list_of(await self._execute(GetList(pairs)))

    async def set(self, address: AttributeAddress, value: bytes, *, progress: ProgressHandler | None = None) -> None:
        """Write an attribute. Raises ServiceRefused, or OutcomeUnknown where no answer came."""
        written(await self._execute(Set(address, value), progress))

    async def set_list(self, items: Sequence[tuple[AttributeAddress, bytes]]) -> list[DataAccessResult]:
        """Write several attributes in one request; give the result of each."""
        return results_of(await self._execute(SetList(tuple(items))))

    async def action(
        self, address: MethodAddress, parameter: bytes | None = None, *, progress: ProgressHandler | None = None
    ) -> bytes | None:
        """Invoke a method; give what it returns, encoded. Raises ServiceRefused, or OutcomeUnknown if not answered."""
        return outcome_of(await self._execute(Action(address, parameter), progress))

    async def action_list(self, items: Sequence[tuple[MethodAddress, bytes]]) -> list[ActionOutcome]:
        """Invoke several methods in one request; give the outcome of each."""
        return outcomes_of(await self._execute(ActionList(tuple(items))))

    async def release(self) -> bool:
        """Close the association; give whether the meter's answer was well-formed and genuine."""
        return refuse_unless_released(await self._execute(Release()))

    async def close(self) -> None:
        """Close the connection, without waiting for the other side; may be called more than once."""
        transport = self._protocol.transport
        if transport is not None and not self._protocol.closed.done():
            if transport.get_write_buffer_size():
                transport.abort()  # a peer that does not read must not keep us
            else:
                transport.close()

    async def _execute(self, command: Command, progress: ProgressHandler | None = None) -> ClientEvent:
        protocol = self._protocol
        if protocol.closed.done():
            raise ConnectionLost("the connection is closed: connect anew")
        frame = self._connection.send(command)
        loop = self._loop
        waiter: asyncio.Future[ClientEvent] = loop.create_future()
        now_s = loop.time()
        protocol.waiter, protocol.command, protocol.progress = waiter, command, progress
        protocol.timeout_s = self.timeout_s
        protocol.deadline_s, protocol.ends_s = now_s + self.timeout_s, now_s + TRANSFER_S_MAX
        protocol.write(frame)
        protocol.watch()
        try:
            return await waiter
        except asyncio.CancelledError:
            protocol.abort()  # its answer may still come, and must not be taken for that of another request
            raise
        finally:
            protocol.waiter = protocol.command = protocol.progress = None
