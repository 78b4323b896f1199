"""The client side of a connection: commands in, octets out; octets in, events out.

Sans-I/O. After each `receive` and `advance` the shell sends what `data_to_send` gives: proofs, requests for further
blocks, and what the framing below has to say. Time is handed in, in seconds of any clock that does not go back.
"""

from collections.abc import Callable

from meterworks.errors import PeerError, SecurityError, UnreachableError
from meterworks.protocols.dlms.client_association import ClientAssociation, ClientState
from meterworks.protocols.dlms.command import ClientEvent, Command
from meterworks.protocols.dlms.device import InvocationCounter
from meterworks.protocols.dlms.framing import ClientFraming, LineFormat
from meterworks.protocols.dlms.settings import PDU_SIZE_MAX, ClientSettings
from meterworks.protocols.dlms.wrapper import WRAPPER
from meterworks.protocols.errors import StateError

__all__ = ["ClientConnection"]


class ClientConnection:
    """One connection to a server, over octets of any carrier.

    counter: ours under the global key. random_bytes: gives fresh octets for challenges. framing: the layer between
    octets and APDUs.
    """

    __slots__ = ("_error", "_link", "association")

    def __init__(
        self,
        settings: ClientSettings,
        counter: InvocationCounter,
        random_bytes: Callable[[int], bytes],
        *,
        apdu_size_max: int = PDU_SIZE_MAX,
        framing: ClientFraming = WRAPPER,
    ) -> None:
        self.association = ClientAssociation(settings, counter, random_bytes)
        self._link = framing.client_link(settings.client_sap, settings.server_sap, apdu_size_max)
        self._error: PeerError | SecurityError | UnreachableError | None = None

    @property
    def state(self) -> ClientState:
        """Where the association is."""
        return ClientState.BROKEN if self._error is not None else self.association.state

    def send(self, command: Command, now: float = 0.0) -> bytes:
        """Give the octets that carry a command, or what must come before. StateError where the state forbids it."""
        if self._error is not None:
            raise StateError("the connection is broken: close it and begin anew", state="broken")
        sent = self._link.send(self.association.send(command), now)
        rest = self.data_to_send(now)
        return sent + rest if rest else sent

    def receive(self, data: bytes, now: float = 0.0) -> list[ClientEvent]:
        """Take bytes as they came. Raises PeerError, SecurityError or UnreachableError, and stays broken then.

        Events of frames before the one that broke the connection are given first; the error comes with the next call.
        """
        if self._error is not None:
            raise self._error
        link = self._link
        events: list[ClientEvent] = []
        try:
            link.receive(data, now)
            while (apdu := link.next_apdu()) is not None:
                events += self.association.receive(apdu)
        except (PeerError, SecurityError, UnreachableError) as error:
            self._error = error
            if not events:
                raise
        return events

    def data_to_send(self, now: float = 0.0) -> bytes:
        """Give the octets that answer what was received or what time brought, once."""
        apdus = self.association.take_output()
        if not apdus:
            return self._link.data_to_send()
        return b"".join([*[self._link.send(apdu, now) for apdu in apdus], self._link.data_to_send()])

    def next_deadline(self) -> float | None:
        """Give the time at which `advance` must be called, or None where nothing waits for time."""
        return self._link.next_deadline()

    def advance(self, now: float) -> list[ClientEvent]:
        """Let time pass: repetitions go out, or the link is given up. Raises as `receive` does."""
        if self._error is not None:
            raise self._error
        try:
            self._link.advance(now)
        except UnreachableError as error:
            self._error = error
            raise
        return self.receive(b"", now)

    @property
    def progress(self) -> int:
        """A number that grows with each frame that brings a long transfer forward, where the framing has such."""
        return self._link.progress

    @property
    def line(self) -> LineFormat | None:
        """The format that a serial line must have from now on; None where the framing does not care."""
        return self._link.line

    def close(self, now: float = 0.0) -> bytes:
        """Give the octets that end the link, if its framing has such. Nothing may be sent afterwards."""
        return b"" if self._error is not None else self._link.close(now)
