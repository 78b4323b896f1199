"""The server side of a connection: octets in, octets out, one association per client address.

Sans-I/O: bytes that arrived go into `receive`, its result goes out. Whatever a peer sends, nothing but a closed
connection comes of it; what it tried is recorded by the device.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from meterworks.protocols.dlms.device import LogicalDevice, SecurityEventKind
from meterworks.protocols.dlms.fault import ExceptionResponse
from meterworks.protocols.dlms.framing import LineFormat, ServerFraming
from meterworks.protocols.dlms.gateway import GatewayPrefix
from meterworks.protocols.dlms.result import ExceptionService, ExceptionState
from meterworks.protocols.dlms.server_association import ServerAssociation
from meterworks.protocols.dlms.settings import MANAGEMENT_DEVICE, PDU_SIZE_MAX
from meterworks.protocols.dlms.tag import ApduTag
from meterworks.protocols.dlms.wrapper import WRAPPER
from meterworks.protocols.errors import DecodeError, UnlawfulMessage

__all__ = ["GatewayResolver", "ServerConnection"]

ASSOCIATIONS_MAX: Final = 4  # client addresses that one connection may use
ASSOCIATIONS_BEHIND_MAX: Final = 1000  # of all meters behind a gateway together
OUTPUT_SIZE_MAX: Final = 4 * PDU_SIZE_MAX  # answers made before the shell must get rid of them
TOO_LONG: Final = ExceptionResponse(state=ExceptionState.NOT_ALLOWED, service=ExceptionService.PDU_TOO_LONG).to_bytes()

GatewayResolver: TypeAlias = Callable[[int, bytes], LogicalDevice | None]
"""Gives the meter behind a gateway, by network id and physical address, or None where there is none."""


class ServerConnection:
    """One connection of a device, over octets of any carrier.

    random_bytes: gives fresh octets for challenges. framing: the layer between octets and APDUs. behind: makes the
    device a gateway to others, if given. closed: the shell must close the connection after sending what `receive` gave.
    has_more: more requests wait; the shell calls `receive(b"")` when its output has drained.
    """

    __slots__ = (
        "_associations",
        "_behind",
        "_device",
        "_forwarded",
        "_link",
        "_random_bytes",
        "_server_sap",
        "closed",
        "has_more",
    )

    def __init__(
        self,
        device: LogicalDevice,
        random_bytes: Callable[[int], bytes],
        *,
        server_sap: int = MANAGEMENT_DEVICE,
        apdu_size_max: int = PDU_SIZE_MAX,
        framing: ServerFraming = WRAPPER,
        behind: GatewayResolver | None = None,
    ) -> None:
        self._device = device
        self._random_bytes = random_bytes
        self._server_sap = server_sap
        self._link = framing.server_link(server_sap, apdu_size_max)
        self._associations: dict[int, ServerAssociation] = {}
        self._behind = behind
        self._forwarded: dict[tuple[int, GatewayPrefix], ServerAssociation] = {}
        self.closed = False
        self.has_more = False

    @property
    def is_proved(self) -> bool:
        """Whether a client on this connection has shown that it knows a key or a password."""
        associations = (*self._associations.values(), *self._forwarded.values())
        return any(association.is_proved for association in associations)

    def receive(self, data: bytes, now: float = 0.0) -> bytes:
        """Take bytes as they came; give the answers, in frames."""
        if self.closed:
            return b""
        link = self._link
        link.receive(data, now)
        answers: list[bytes] = []
        size = 0
        while not self.closed and size < OUTPUT_SIZE_MAX:
            try:
                frame = link.next_frame()
            except UnlawfulMessage:
                self._device.security_event(SecurityEventKind.MALFORMED_MESSAGE.value, 0)
                self.closed = True
                break
            if frame is None:
                self.has_more = False
                break
            answer = self._answer(*frame)
            if answer is not None:
                answers.append(answer)
                size += len(answer)
        else:
            self.has_more = not self.closed
        answers.append(link.data_to_send())
        return b"".join(answers)

    def next_deadline(self) -> float | None:
        """Give the time at which `advance` must be called, or None where nothing waits for time."""
        return self._link.next_deadline()

    @property
    def line(self) -> LineFormat | None:
        """The format that a serial line must have from now on; None where the framing does not care."""
        return self._link.line

    def advance(self, now: float) -> bytes:
        """Let time pass; give what is to be sent then."""
        self._link.advance(now)
        return self.receive(b"", now)

    def _answer(self, client_sap: int, server_sap: int, apdu: bytes | None) -> bytes | None:
        if apdu is None:
            self._forget(client_sap)
            return None
        if server_sap != self._server_sap:
            return None  # as on a bus: what is for another address is not for us to answer
        if self._behind is not None and apdu[0] == ApduTag.GATEWAY_REQUEST:
            return self._answer_behind(self._behind, client_sap, server_sap, apdu)
        association = self._associations.get(client_sap)
        if association is None:
            if len(self._associations) >= ASSOCIATIONS_MAX:
                self.closed = True
                return None
            association = ServerAssociation(self._device, client_sap, self._random_bytes)
            self._associations[client_sap] = association
        answer = association.receive(apdu)
        self.closed = association.is_given_up
        if answer is None:
            return None
        sent = self._link.send(client_sap, server_sap, answer)
        blocks = association.take_output()
        return sent + b"".join([self._link.send(client_sap, server_sap, block) for block in blocks]) if blocks else sent

    def _answer_behind(self, resolve: GatewayResolver, client_sap: int, server_sap: int, octets: bytes) -> bytes | None:
        """Answer for a meter behind the gateway; what is for none of them is not answered."""
        try:
            prefix, apdu = GatewayPrefix.split(octets)
        except DecodeError:
            return None
        assert prefix is not None  # the caller saw the tag
        association = self._forwarded.get((client_sap, prefix))
        if association is None:
            device = resolve(prefix.network_id, prefix.physical_address)
            if device is None or len(self._forwarded) >= ASSOCIATIONS_BEHIND_MAX:
                return None
            association = ServerAssociation(device, client_sap, self._random_bytes)
            self._forwarded[client_sap, prefix] = association
        answer = association.receive(apdu)
        self.closed = association.is_given_up
        if answer is None:
            return None
        head = prefix.to_bytes(ApduTag.GATEWAY_RESPONSE)
        if len(head) + len(answer) > PDU_SIZE_MAX:  # the client offered more than the way here has room for
            answer = TOO_LONG
        return self._link.send(client_sap, server_sap, head + answer)

    def _forget(self, client_sap: int) -> None:
        """Drop with a client's link what was agreed over it."""
        self._associations.pop(client_sap, None)
        for key in [key for key in self._forwarded if key[0] == client_sap]:
            del self._forwarded[key]
