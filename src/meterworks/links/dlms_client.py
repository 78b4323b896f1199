"""DLMS client with asyncio: one connection, one association, one request at a time, over any framing and carrier."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Sequence
from typing import Final, TypeVar, cast

from meterworks.errors import MeterworksError, UnreachableError
from meterworks.links import request
from meterworks.links.carrier import Carrier, SerialCarrier, open_carrier
from meterworks.links.errors import ConnectionLost
from meterworks.links.outcome import no_answer
from meterworks.links.secure import ClientTls
from meterworks.links.tap import Recorder, Tap
from meterworks.links.target import MeterTarget, Transport
from meterworks.protocols import AssociationRefused
from meterworks.protocols.dlms import (
    WRAPPER,
    Access,
    AccessOutcome,
    ActionOutcome,
    AssociationOpened,
    AttributeAddress,
    BlockTransferred,
    ClientConnection,
    ClientEvent,
    ClientFraming,
    ClientSettings,
    ClientState,
    Command,
    DataAccessResult,
    GetResult,
    InvocationCounter,
    LineFormat,
    MethodAddress,
    NotificationReceived,
    Selection,
)

__all__ = ["DlmsClient", "NotificationHandler", "ProgressHandler", "Traffic"]

TRANSFER_S_MAX: Final = 600.0  # whole of one command, however many blocks it takes

_Result = TypeVar("_Result")

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
    """The asyncio side of one connection. Framings other than the bare wrapper have times of their own."""

    def __init__(
        self,
        settings: ClientSettings,
        counter: InvocationCounter,
        *,
        framing: ClientFraming = WRAPPER,
        tap: Tap | None = None,
        transport: Transport = Transport.TCP,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.connection = ClientConnection(settings, counter, secrets.token_bytes, framing=framing)
        self.is_timed = framing is not WRAPPER
        self.tap = tap
        self.carried_by = transport
        self.recorder: Recorder | None = None
        self.traffic = Traffic()
        self.answer_digest = hashlib.sha256()  # of what came since the last command was sent
        self.transport: Carrier | None = None
        self.closed: asyncio.Future[None] = self.loop.create_future()
        self.waiter: asyncio.Future[ClientEvent] | None = None
        self.command: Command | None = None
        self.deadline_s = 0.0
        self.timeout_s = 0.0
        self.ends_s = 0.0
        self.due_s = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.link_timer: asyncio.TimerHandle | None = None
        self.link_progress = 0
        self.line: LineFormat | None = None
        self.turn: asyncio.Lock | None = None  # held while a command is under way on a line that others use too
        self.progress: ProgressHandler | None = None
        self.on_notification: NotificationHandler | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(Carrier, transport)
        if self.tap is not None:
            names = (self.transport.get_extra_info("sockname"), self.transport.get_extra_info("peername"))
            self.recorder = Recorder(self.tap, self.carried_by, *names)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self.timer, self.link_timer):
            if timer is not None:
                timer.cancel()
        self.timer = self.link_timer = None
        self.fail("the meter closed the connection", late=False)
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.traffic.received += len(data)
        self.answer_digest.update(data)
        if self.recorder is not None:
            self.recorder.received(data)
        now_s = self.loop.time() if self.is_timed else 0.0
        try:
            events = self.connection.receive(data, now_s)
        except MeterworksError as error:
            self.finish_with(error)
            self.abort()
            return
        for event in events:
            self.take(event)
        output = self.connection.data_to_send(now_s)
        if output:
            self.write(output)
        if self.is_timed:
            self.see_to_link()

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
        if self.transport is not None and data:
            self.traffic.sent += len(data)
            if self.recorder is not None:
                self.recorder.sent(data)
            self.transport.write(data)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def finish_with(self, error: MeterworksError) -> None:
        """End what waits; a link that was given up says nothing about what the meter did before."""
        if isinstance(error, UnreachableError):
            self.fail(str(error), late=True)
        elif self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(error)

    def fail(self, reason: str, *, late: bool) -> None:
        if self.waiter is not None and self.command is not None and not self.waiter.done():
            self.waiter.set_exception(no_answer(self.command, reason, late=late))

    # --- time of the link -------------------------------------------------------------------------------------------

    def see_to_link(self) -> None:
        """Set line and timer as the link wants them; a transfer that goes on gives the command more time."""
        connection = self.connection
        if connection.progress != self.link_progress:
            self.link_progress = connection.progress
            self.deadline_s = self.loop.time() + self.timeout_s
        if connection.line != self.line and isinstance(self.transport, SerialCarrier):
            self.line = connection.line
            if self.line is not None and not self.set_line(self.transport, self.line):
                return
        if self.link_timer is not None:
            self.link_timer.cancel()
        due_s = connection.next_deadline()
        self.link_timer = None if due_s is None else self.loop.call_at(due_s, self.advance_link)

    def set_line(self, carrier: SerialCarrier, line: LineFormat) -> bool:
        """Change the line; give whether the port could."""
        try:
            carrier.set_line(line)
        except MeterworksError as error:
            self.finish_with(error)
            self.abort()
            return False
        return True

    def advance_link(self) -> None:
        """Let the link repeat what was not answered."""
        self.link_timer = None
        if self.closed.done():
            return
        try:
            events = self.connection.advance(self.loop.time())
        except MeterworksError as error:
            self.finish_with(error)
            self.abort()
            return
        for event in events:
            self.take(event)
        self.write(self.connection.data_to_send(self.loop.time()))
        self.see_to_link()

    # --- time of the command ----------------------------------------------------------------------------------------

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
    """A DLMS client on one connection.

    Every wait is bounded: `timeout_s` for each answer (each block or frame of a long transfer), ten minutes for a
    transfer. A client that was not answered, or was answered wrongly, is closed; it cannot be used on.
    Use it as `async with await DlmsClient.open(...) as client`, which closes it.
    """

    def __init__(self, protocol: "_ClientProtocol", timeout_s: float) -> None:
        """Use `open`, `connect` or `over`."""
        self._protocol = protocol
        self._connection = protocol.connection
        self._loop = protocol.loop
        self.timeout_s = timeout_s

    @classmethod
    async def open(
        cls,
        target: MeterTarget,
        settings: ClientSettings,
        *,
        counter: InvocationCounter,
        timeout_s: float = 10.0,
        local_address: str | None = None,
        tls: ClientTls | None = None,
        tap: Tap | None = None,
    ) -> "DlmsClient":
        """Connect to a meter wherever it is. Raises ConnectFailed, or UsageError where the settings do not fit.

        local_address: address to come from, where the machine has several. tls: for TCP; with a demand the peer is
        judged before any octet is used, else PeerRefused is raised. tap: told all octets.
        """
        protocol = _ClientProtocol(
            target.settings_for(settings), counter, framing=target.framing, tap=tap, transport=target.transport
        )
        await open_carrier(protocol, target, timeout_s=timeout_s, local_address=local_address, tls=tls)
        return cls(protocol, timeout_s)

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
        """Connect to a meter over TCP with the wrapper; `open` is for all the rest. Raises ConnectFailed."""
        target = MeterTarget(host=host, port=port)
        return await cls.open(target, settings, counter=counter, timeout_s=timeout_s, local_address=local_address)

    @classmethod
    def over(
        cls,
        transport: asyncio.Transport,
        settings: ClientSettings,
        *,
        counter: InvocationCounter,
        timeout_s: float = 10.0,
        framing: ClientFraming = WRAPPER,
        turn: asyncio.Lock | None = None,
    ) -> "DlmsClient":
        """Take over a connection that the meter opened. From here on its bytes come to this client.

        turn: held while a command is under way, where several clients share what carries them.
        """
        protocol = _ClientProtocol(settings, counter, framing=framing)
        protocol.turn = turn
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

    async def associate(self, *, adopts_counter: bool = False) -> AssociationOpened:
        """Open the association. Raises AssociationRefused, UnreachableError, PeerError or SecurityError.

        adopts_counter: where the server says that our counter is used, take the one it expects (see
        `ClientAssociation.adopt_counter`: bounded, since nothing proves who said it) and ask once more.
        """
        try:
            return await self._run(request.associate())
        except AssociationRefused:
            if not adopts_counter or self._connection.association.counter_expected is None:
                raise
        self._connection.association.adopt_counter()
        return await self._run(request.associate())

    @property
    def message_digest(self) -> str:
        """SHA-256 (hex) of the octets of the link that answered the last command: frames as they came, still protected.

        All blocks of a long answer are in it.
        """
        return self._protocol.answer_digest.hexdigest()

    async def get(
        self, address: AttributeAddress, selection: Selection | None = None, *, progress: ProgressHandler | None = None
    ) -> bytes:
        """Read an attribute, encoded. Raises ServiceRefused with the result."""
        return await self._run(request.get(address, selection), progress)

    async def get_list(self, items: Sequence[request.GetItem]) -> list[GetResult]:
        """Read several attributes in one request: for each its encoded value, or the result that says why not."""
        return await self._run(request.get_list(items))

    async def set(self, address: AttributeAddress, value: bytes, *, progress: ProgressHandler | None = None) -> None:
        """Write an attribute. Raises ServiceRefused, or OutcomeUnknown where no answer came."""
        await self._run(request.set_(address, value), progress)

    async def set_list(self, items: Sequence[tuple[AttributeAddress, bytes]]) -> list[DataAccessResult]:
        """Write several attributes in one request; give the result of each."""
        return await self._run(request.set_list(items))

    async def action(
        self, address: MethodAddress, parameter: bytes | None = None, *, progress: ProgressHandler | None = None
    ) -> bytes | None:
        """Invoke a method; give what it returns, encoded. Raises ServiceRefused, or OutcomeUnknown if not answered."""
        return await self._run(request.action(address, parameter), progress)

    async def action_list(self, items: Sequence[tuple[MethodAddress, bytes]]) -> list[ActionOutcome]:
        """Invoke several methods in one request; give the outcome of each."""
        return await self._run(request.action_list(items))

    async def access(self, command: Access, *, progress: ProgressHandler | None = None) -> list[AccessOutcome]:
        """Read, write and invoke in one request; give what came of each part, nothing where it is unconfirmed."""
        return await self._run(request.access(command), progress)

    async def read(self, names: Sequence[request.Name], *, progress: ProgressHandler | None = None) -> list[GetResult]:
        """Read by short name: for each its encoded value, or the result that says why not."""
        return await self._run(request.read(names), progress)

    async def write(
        self, items: Sequence[tuple[request.Name, bytes]], *, progress: ProgressHandler | None = None
    ) -> list[DataAccessResult]:
        """Write by short name; give the result of each."""
        return await self._run(request.write(items), progress)

    async def write_unconfirmed(self, items: Sequence[tuple[request.Name, bytes]]) -> None:
        """Write by short name; the meter does not say what came of it."""
        await self._run(request.write_unconfirmed(items))

    async def release(self) -> bool:
        """Close the association; give whether the meter's answer was well-formed and genuine."""
        return await self._run(request.release())

    async def close(self) -> None:
        """Close the connection, without waiting for the other side; may be called more than once."""
        protocol = self._protocol
        transport = protocol.transport
        if transport is not None and not protocol.closed.done():
            if protocol.is_timed and not transport.is_closing():
                protocol.write(self._connection.close(self._loop.time()))
                protocol.see_to_link()
            if transport.get_write_buffer_size():
                transport.abort()  # a peer that does not read must not keep us
            else:
                transport.close()

    async def execute(self, command: Command, *, progress: ProgressHandler | None = None) -> ClientEvent | None:
        """Carry out a command of the core; give the event that ends it, or None for one that is not answered."""
        if self._protocol.turn is None:
            return await self._execute(command, progress)
        async with self._protocol.turn:
            return await self._execute(command, progress)

    async def _execute(self, command: Command, progress: ProgressHandler | None) -> ClientEvent | None:
        protocol = self._protocol
        if protocol.closed.done():
            raise ConnectionLost("the connection is closed: connect anew")
        loop = self._loop
        now_s = loop.time()
        frames = self._connection.send(command, now_s)
        if self._connection.state is ClientState.READY:
            protocol.write(frames)
            if protocol.is_timed:
                protocol.see_to_link()
            return None
        waiter: asyncio.Future[ClientEvent] = loop.create_future()
        protocol.waiter, protocol.command, protocol.progress = waiter, command, progress
        protocol.timeout_s = self.timeout_s
        protocol.deadline_s, protocol.ends_s = now_s + self.timeout_s, now_s + TRANSFER_S_MAX
        protocol.answer_digest = hashlib.sha256()
        protocol.write(frames)
        protocol.watch()
        if protocol.is_timed:
            protocol.see_to_link()
        try:
            return await waiter
        except asyncio.CancelledError:
            protocol.abort()  # its answer may still come, and must not be taken for that of another request
            raise
        finally:
            protocol.waiter = protocol.command = protocol.progress = None

    async def _run(self, asked: request.Request[_Result], progress: ProgressHandler | None = None) -> _Result:
        if self._protocol.turn is None:
            return asked.result_of(await self._execute(asked.command, progress))
        return asked.result_of(await self.execute(asked.command, progress=progress))
