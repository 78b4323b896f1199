"""DLMS client over TCP that blocks: the twin of `DlmsClient` for scripts and notebooks."""

import secrets
import socket
import time
from collections.abc import Sequence
from typing import Final

from meterworks.errors import MeterworksError
from meterworks.links.dlms_client import NotificationHandler, ProgressHandler, Traffic
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

__all__ = ["BlockingDlmsClient"]

READ_SIZE_MAX: Final = 128 * 1024


class BlockingDlmsClient:
    """A DLMS client on one TCP connection; methods, limits and errors are those of `DlmsClient`.

    Use it as `with BlockingDlmsClient.connect(...) as client`, which closes it.
    """

    def __init__(self, link: socket.socket, connection: ClientConnection, timeout_s: float) -> None:
        """Use `connect`."""
        self._link = link
        self._connection = connection
        self._on_notification: NotificationHandler | None = None
        self._is_closed = False
        self.timeout_s = timeout_s
        self.traffic = Traffic()

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
        """Connect to a meter. Raises ConnectFailed."""
        source = None if local_address is None else (local_address, 0)
        try:
            link = socket.create_connection((host, port), timeout_s, source)
        except OSError as error:
            raise ConnectFailed(f"cannot connect to {host}:{port}: {error}", host=host, port=port) from error
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(link, ClientConnection(settings, counter, secrets.token_bytes), timeout_s)

    @classmethod
    def open(
        cls,
        target: MeterTarget,
        settings: ClientSettings,
        *,
        counter: InvocationCounter,
        timeout_s: float = 10.0,
        local_address: str | None = None,
    ) -> "BlockingDlmsClient":
        """Connect to a meter wherever it is. Raises ConnectFailed."""
        return cls.connect(
            target.host, target.port, settings, counter=counter, timeout_s=timeout_s, local_address=local_address
        )

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

    def associate(self) -> AssociationOpened:
        """Open the association."""
        return association_of(self._execute(Associate()))

    def get(
        self, address: AttributeAddress, selection: Selection | None = None, *, progress: ProgressHandler | None = None
    ) -> bytes:
        """Read an attribute, encoded."""
        return value_of(self._execute(Get(address, selection), progress))

    def get_list(
        self, items: Sequence[AttributeAddress | tuple[AttributeAddress, Selection | None]]
    ) -> list[GetResult]:
        """Read several attributes in one request."""
        pairs = tuple(item if isinstance(item, tuple) else (item, None) for item in items)
        return list_of(self._execute(GetList(pairs)))

    def set(self, address: AttributeAddress, value: bytes, *, progress: ProgressHandler | None = None) -> None:
        """Write an attribute."""
        written(self._execute(Set(address, value), progress))

    def set_list(self, items: Sequence[tuple[AttributeAddress, bytes]]) -> list[DataAccessResult]:
        """Write several attributes in one request; give the result of each."""
        return results_of(self._execute(SetList(tuple(items))))

    def action(
        self, address: MethodAddress, parameter: bytes | None = None, *, progress: ProgressHandler | None = None
    ) -> bytes | None:
        """Invoke a method; give what it returns, encoded."""
        return outcome_of(self._execute(Action(address, parameter), progress))

    def action_list(self, items: Sequence[tuple[MethodAddress, bytes]]) -> list[ActionOutcome]:
        """Invoke several methods in one request; give the outcome of each."""
        return outcomes_of(self._execute(ActionList(tuple(items))))

    def release(self) -> bool:
        """Close the association; give whether the meter's answer was well-formed and genuine."""
        return refuse_unless_released(self._execute(Release()))

    def close(self) -> None:
        """Close the connection; may be called more than once."""
        self._is_closed = True
        self._link.close()

    def _execute(self, command: Command, progress: ProgressHandler | None = None) -> ClientEvent:
        if self._is_closed:
            raise ConnectionLost("the connection is closed: connect anew")
        frame = self._connection.send(command)
        try:
            return self._exchange(frame, progress)
        except TimeoutError as error:
            self.close()
            raise no_answer(command, f"the meter did not answer within {self.timeout_s:g} s", late=True) from error
        except OSError as error:
            self.close()
            raise no_answer(command, f"the connection broke: {error}", late=False) from error
        except MeterworksError:
            self.close()
            raise

    def _exchange(self, output: bytes, progress: ProgressHandler | None) -> ClientEvent:
        """Send and receive until the command is answered."""
        deadline_s = time.monotonic() + self.timeout_s
        while True:
            if output:
                self._link.settimeout(self.timeout_s)
                self._link.sendall(output)
                self.traffic.sent += len(output)
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._link.settimeout(left_s)
            data = self._link.recv(READ_SIZE_MAX)
            if not data:
                raise ConnectionResetError("the meter closed it")
            self.traffic.received += len(data)
            for event in self._connection.receive(data):
                if isinstance(event, BlockTransferred):
                    deadline_s = time.monotonic() + self.timeout_s
                if not self._is_told(event, progress):
                    return event
            output = self._connection.data_to_send()

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
