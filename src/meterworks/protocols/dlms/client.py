"""The client side over the wrapper: commands in, frames out; bytes in, events out.

Sans-I/O. After each `receive` the shell sends what `data_to_send` gives: proofs and requests for further blocks.
"""

from collections.abc import Callable

from meterworks.errors import PeerError, SecurityError
from meterworks.protocols.dlms.client_association import ClientAssociation, ClientState
from meterworks.protocols.dlms.command import ClientEvent, Command
from meterworks.protocols.dlms.device import InvocationCounter
from meterworks.protocols.dlms.settings import PDU_SIZE_MAX, ClientSettings
from meterworks.protocols.dlms.tag import ApduTag
from meterworks.protocols.dlms.wrapper import WrapperReader, encode_wrapper
from meterworks.protocols.errors import StateError, UnlawfulMessage

__all__ = ["ClientConnection"]


class ClientConnection:
    """One connection to a server, over a byte stream.

    counter: ours under the global key. random_bytes: gives fresh octets for challenges.
    """

    __slots__ = ("_error", "_reader", "association")

    def __init__(
        self,
        settings: ClientSettings,
        counter: InvocationCounter,
        random_bytes: Callable[[int], bytes],
        *,
        apdu_size_max: int = PDU_SIZE_MAX,
    ) -> None:
        self.association = ClientAssociation(settings, counter, random_bytes)
        self._reader = WrapperReader(apdu_size_max)
        self._error: PeerError | SecurityError | None = None

    @property
    def state(self) -> ClientState:
        """Where the association is."""
        return ClientState.BROKEN if self._error is not None else self.association.state

    def send(self, command: Command) -> bytes:
        """Give the frame that carries a command. StateError where the state does not allow it."""
        if self._error is not None:
            raise StateError("the connection is broken: close it and begin anew", state="broken")
        return self._frame(self.association.send(command))

    def receive(self, data: bytes) -> list[ClientEvent]:
        """Take bytes as they came. Raises PeerError or SecurityError, and stays broken then.

        Events of frames before the one that broke the connection are given first; the error comes with the next call.
        """
        if self._error is not None:
            raise self._error
        self._reader.feed(data)
        events: list[ClientEvent] = []
        try:
            while (frame := self._reader.next_frame()) is not None:
                events += self._receive_frame(*frame)
        except (PeerError, SecurityError) as error:
            self._error = error
            if not events:
                raise
        return events

    def _receive_frame(self, source: int, destination: int, apdu: bytes) -> list[ClientEvent]:
        settings = self.association.settings
        if source != settings.server_sap or destination != settings.client_sap:
            # Pushes carry the addresses of the push set-up, all else those of the association.
            if apdu[0] != ApduTag.DATA_NOTIFICATION:
                raise UnlawfulMessage(f"frame from {source} to {destination} is not ours", source=source)
        return self.association.receive(apdu)

    def data_to_send(self) -> bytes:
        """Give the frames that answer what was received, once."""
        apdus = self.association.take_output()
        if not apdus:
            return b""
        return b"".join([self._frame(apdu) for apdu in apdus])

    def _frame(self, apdu: bytes) -> bytes:
        settings = self.association.settings
        return encode_wrapper(settings.client_sap, settings.server_sap, apdu)
