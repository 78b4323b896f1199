"""DLMS client that blocks: the twin of `DlmsClient` for scripts and notebooks."""

import secrets
import time
from collections.abc import Sequence
from typing import Final, TypeVar

from meterworks.errors import MeterworksError, UnreachableError
from meterworks.links import request
from meterworks.links.blocking_link import BlockingLink, open_link
from meterworks.links.dlms_client import TRANSFER_S_MAX, NotificationHandler, ProgressHandler, Traffic
from meterworks.links.errors import ConnectionLost
from meterworks.links.outcome import no_answer
from meterworks.links.secure import ClientTls
from meterworks.links.tap import Recorder, Tap
from meterworks.links.target import MeterTarget
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

__all__ = ["BlockingDlmsClient"]

WAIT_S_MIN: Final = 0.0005  # a deadline of the link that is due just now still lets arrived octets be read

_Result = TypeVar("_Result")


class BlockingDlmsClient:
    """A DLMS client on one connection; methods, limits and errors are those of `DlmsClient`.

    Use it as `with BlockingDlmsClient.open(...) as client`, which closes it.
    """

    def __init__(
        self, link: BlockingLink, connection: ClientConnection, timeout_s: float, *, is_timed: bool = False
    ) -> None:
        """Use `open` or `connect`."""
        self._link = link
        self._connection = connection
        self._is_timed = is_timed
        self._line: LineFormat | None = None
        self._recorder: Recorder | None = None
        self._on_notification: NotificationHandler | None = None
        self._is_closed = False
        self.timeout_s = timeout_s
        self.traffic = Traffic()

    @classmethod
    def open(
        cls,
        target: MeterTarget,
        settings: ClientSettings,
        *,
        counter: InvocationCounter,
        timeout_s: float = 10.0,
        local_address: str | None = None,
        tls: ClientTls | None = None,
        tap: Tap | None = None,
    ) -> "BlockingDlmsClient":
        """Connect to a meter wherever it is. Raises ConnectFailed, or UsageError where the settings do not fit."""
        connection = ClientConnection(
            target.settings_for(settings), counter, secrets.token_bytes, framing=target.framing
        )
        link = open_link(target, timeout_s=timeout_s, local_address=local_address, tls=tls)
        client = cls(link, connection, timeout_s, is_timed=target.framing is not WRAPPER)
        if tap is not None:
            client._recorder = Recorder(tap, target.transport, *link.ends)
        return client

    @classmethod
    def connect(
        cls,
        host: str,
        port: int,
        settings: ClientSettings,
        *,
        counter: InvocationCounter,
        timeout_s: float = 10.0,
        local_address: str | None = None,
    ) -> "BlockingDlmsClient":
        """Connect to a meter over TCP with the wrapper; `open` is for all the rest. Raises ConnectFailed."""
        target = MeterTarget(host=host, port=port)
        return cls.open(target, settings, counter=counter, timeout_s=timeout_s, local_address=local_address)

    def __enter__(self) -> "BlockingDlmsClient":
        """Give the client."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the connection."""
        self.close()

    @property
    def server_title(self) -> bytes | None:
        """System title of the meter, once it is known."""
        return self._connection.association.server_title

    def on_notification(self, handler: NotificationHandler | None) -> None:
        """Say who is called with what the meter says unasked, while it answers something else."""
        self._on_notification = handler

    def associate(self, *, adopts_counter: bool = False) -> AssociationOpened:
        """Open the association. adopts_counter: as in `DlmsClient.associate`."""
        try:
            return self._run(request.associate())
        except AssociationRefused:
            if not adopts_counter or self._connection.association.counter_expected is None:
                raise
        self._connection.association.adopt_counter()
        return self._run(request.associate())

    def get(
        self, address: AttributeAddress, selection: Selection | None = None, *, progress: ProgressHandler | None = None
    ) -> bytes:
        """Read an attribute, encoded."""
        return self._run(request.get(address, selection), progress)

    def get_list(self, items: Sequence[request.GetItem]) -> list[GetResult]:
        """Read several attributes in one request."""
        return self._run(request.get_list(items))

    def set(self, address: AttributeAddress, value: bytes, *, progress: ProgressHandler | None = None) -> None:
        """Write an attribute."""
        self._run(request.set_(address, value), progress)

    def set_list(self, items: Sequence[tuple[AttributeAddress, bytes]]) -> list[DataAccessResult]:
        """Write several attributes in one request; give the result of each."""
        return self._run(request.set_list(items))

    def action(
        self, address: MethodAddress, parameter: bytes | None = None, *, progress: ProgressHandler | None = None
    ) -> bytes | None:
        """Invoke a method; give what it returns, encoded."""
        return self._run(request.action(address, parameter), progress)

    def action_list(self, items: Sequence[tuple[MethodAddress, bytes]]) -> list[ActionOutcome]:
        """Invoke several methods in one request; give the outcome of each."""
        return self._run(request.action_list(items))

    def access(self, command: Access, *, progress: ProgressHandler | None = None) -> list[AccessOutcome]:
        """Read, write and invoke in one request; give what came of each part."""
        return self._run(request.access(command), progress)

    def read(self, names: Sequence[request.Name], *, progress: ProgressHandler | None = None) -> list[GetResult]:
        """Read by short name."""
        return self._run(request.read(names), progress)

    def write(
        self, items: Sequence[tuple[request.Name, bytes]], *, progress: ProgressHandler | None = None
    ) -> list[DataAccessResult]:
        """Write by short name; give the result of each."""
        return self._run(request.write(items), progress)

    def write_unconfirmed(self, items: Sequence[tuple[request.Name, bytes]]) -> None:
        """Write by short name; the meter does not say what came of it."""
        self._run(request.write_unconfirmed(items))

    def release(self) -> bool:
        """Close the association; give whether the meter's answer was well-formed and genuine."""
        return self._run(request.release())

    def close(self) -> None:
        """Close the connection; may be called more than once."""
        if not self._is_closed and self._is_timed:
            try:
                self._send(self._connection.close(time.monotonic()))
            except OSError:
                pass  # it is gone already
        self._is_closed = True
        self._link.close()

    def execute(self, command: Command, *, progress: ProgressHandler | None = None) -> ClientEvent | None:
        """Carry out a command of the core; give the event that ends it, or None for one that is not answered."""
        if self._is_closed:
            raise ConnectionLost("the connection is closed: connect anew")
        frames = self._connection.send(command, time.monotonic())
        try:
            if self._connection.state is ClientState.READY:
                self._send(frames)
                return None
            return self._exchange(frames, progress)
        except TimeoutError as error:
            self._drop()
            raise no_answer(command, f"the meter did not answer within {self.timeout_s:g} s", late=True) from error
        except OSError as error:
            self._drop()
            raise no_answer(command, f"the connection broke: {error}", late=False) from error
        except UnreachableError as error:
            self._drop()
            raise no_answer(command, str(error), late=True) from error
        except MeterworksError:
            self._drop()
            raise

    def _drop(self) -> None:
        """Close without a word to the other side."""
        self._is_closed = True
        self._link.close()

    def _run(self, asked: request.Request[_Result], progress: ProgressHandler | None = None) -> _Result:
        return asked.result_of(self.execute(asked.command, progress=progress))

    def _exchange(self, output: bytes, progress: ProgressHandler | None) -> ClientEvent:
        """Send and receive until the command is answered."""
        connection = self._connection
        seen = connection.progress
        now_s = time.monotonic()
        ends_s, deadline_s = now_s + TRANSFER_S_MAX, now_s + self.timeout_s
        while True:
            self._send(output)
            for event in self._receive(min(deadline_s, ends_s)):
                if isinstance(event, BlockTransferred):
                    deadline_s = time.monotonic() + self.timeout_s
                if not self._is_told(event, progress):
                    self._send(connection.data_to_send(time.monotonic()))
                    return event
            if connection.progress != seen:
                seen = connection.progress
                deadline_s = time.monotonic() + self.timeout_s
            output = connection.data_to_send(time.monotonic())

    def _receive(self, deadline_s: float) -> list[ClientEvent]:
        """Wait for octets, or for a deadline of the link; give the events of either."""
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        due_s = self._connection.next_deadline() if self._is_timed else None
        if due_s is not None:
            left_s = min(left_s, max(due_s - time.monotonic(), WAIT_S_MIN))
        try:
            data = self._link.receive(left_s)
        except TimeoutError:
            if due_s is None:
                raise
            return self._connection.advance(time.monotonic())
        except BlockingIOError:
            return []  # woken for nothing
        self.traffic.received += len(data)
        if self._recorder is not None:
            self._recorder.received(data)
        return self._connection.receive(data, time.monotonic() if self._is_timed else 0.0)

    def _send(self, octets: bytes) -> None:
        line = self._connection.line if self._is_timed else None
        if line is not None and line != self._line:
            self._line = line
            self._link.set_line(line)
        if octets:
            self._link.send(octets, self.timeout_s)
            self.traffic.sent += len(octets)
            if self._recorder is not None:
                self._recorder.sent(octets)

    def _is_told(self, event: ClientEvent, progress: ProgressHandler | None) -> bool:
        """Tell what is no answer to whom it concerns; give whether it was such."""
        if isinstance(event, NotificationReceived):
            if self._on_notification is not None:
                self._on_notification(event)
            return True
        if isinstance(event, BlockTransferred):
            if progress is not None:
                progress(event.number, event.size)
            return True
        return False
