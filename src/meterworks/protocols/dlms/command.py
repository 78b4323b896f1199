"""What a client is told to do, and what it tells: commands in, events out."""

from dataclasses import dataclass
from typing import TypeAlias

from meterworks.protocols.dlms.action import ActionOutcome
from meterworks.protocols.dlms.block import GetItem, GetResult
from meterworks.protocols.dlms.conformance import Conformance
from meterworks.protocols.dlms.descriptor import AttributeAddress, EntrySelection, MethodAddress, RangeSelection
from meterworks.protocols.dlms.notification import DataNotification, EventNotification
from meterworks.protocols.dlms.result import DataAccessResult
from meterworks.protocols.dlms.short_name import InformationReport, Parameterised, Variable

__all__ = [
    "Access",
    "AccessAction",
    "AccessFinished",
    "AccessGet",
    "AccessItem",
    "AccessOutcome",
    "AccessSet",
    "Action",
    "ActionFinished",
    "ActionList",
    "ActionListFinished",
    "Associate",
    "AssociationOpened",
    "AssociationRejected",
    "AssociationReleased",
    "BlockTransferred",
    "ClientEvent",
    "Command",
    "ExceptionReceived",
    "Get",
    "GetList",
    "NotificationReceived",
    "Read",
    "Release",
    "Selection",
    "ServiceErrorReceived",
    "Set",
    "SetFinished",
    "SetList",
    "SetListFinished",
    "UnconfirmedWrite",
    "ValueReceived",
    "ValuesReceived",
    "Write",
]

Selection: TypeAlias = RangeSelection | EntrySelection | bytes
"""Selective access: one of a profile's two, or selector and parameters encoded already."""


@dataclass(frozen=True, slots=True)
class Associate:
    """Open the association of the settings; mechanism 5 is carried through to its end."""


@dataclass(frozen=True, slots=True)
class Get:
    """Read an attribute, whole, in as many blocks as it takes."""

    address: AttributeAddress
    selection: Selection | None = None


@dataclass(frozen=True, slots=True)
class GetList:
    """Read several attributes in one request."""

    items: tuple[tuple[AttributeAddress, Selection | None], ...]

    def encoded(self) -> tuple[GetItem, ...]:
        """Give the items with their selections encoded."""
        return tuple((address, encode_selection(selection)) for address, selection in self.items)


@dataclass(frozen=True, slots=True)
class Set:
    """Write an attribute with an encoded value, in as many blocks as it takes.

    confirmed: without it the server does not answer, and there is no event.
    """

    address: AttributeAddress
    value: bytes
    selection: Selection | None = None
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class SetList:
    """Write several attributes in one request."""

    items: tuple[tuple[AttributeAddress, bytes], ...]


@dataclass(frozen=True, slots=True)
class Action:
    """Invoke a method with an encoded parameter, in as many blocks as it takes.

    confirmed: without it the server does not answer, and there is no event.
    """

    address: MethodAddress
    parameter: bytes | None = None
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class ActionList:
    """Invoke several methods in one request."""

    items: tuple[tuple[MethodAddress, bytes], ...]


@dataclass(frozen=True, slots=True)
class AccessGet:
    """Read an attribute, as a part of `Access`."""

    address: AttributeAddress
    selection: Selection | None = None


@dataclass(frozen=True, slots=True)
class AccessSet:
    """Write an attribute with an encoded value, as a part of `Access`."""

    address: AttributeAddress
    value: bytes
    selection: Selection | None = None


@dataclass(frozen=True, slots=True)
class AccessAction:
    """Invoke a method with an encoded parameter, as a part of `Access`."""

    address: MethodAddress
    parameter: bytes = b"\x00"


AccessItem: TypeAlias = AccessGet | AccessSet | AccessAction


@dataclass(frozen=True, slots=True)
class Access:
    """Read, write and invoke in one request, carried out in order.

    break_on_error: nothing is carried out after the first failure. self_descriptive: the server repeats what was asked
    for, which is compared. date_time: octets as sent, 12 or none. confirmed: without it there is no answer.
    """

    items: tuple[AccessItem, ...]
    break_on_error: bool = False
    self_descriptive: bool = False
    date_time: bytes = b""
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Read:
    """Read variables by short name, in blocks where it must be. Reading a method with parameters invokes it."""

    items: tuple[Variable | Parameterised, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """Write variables by short name with encoded values, in as many blocks as it takes."""

    items: tuple[tuple[Variable | Parameterised, bytes], ...]


@dataclass(frozen=True, slots=True)
class UnconfirmedWrite:
    """Write variables by short name with encoded values. The server does not answer, and there is no event."""

    items: tuple[tuple[Variable | Parameterised, bytes], ...]


@dataclass(frozen=True, slots=True)
class Release:
    """Close the association."""


Command: TypeAlias = (
    Associate | Get | GetList | Set | SetList | Action | ActionList | Access | Read | Write | UnconfirmedWrite | Release
)


@dataclass(frozen=True, slots=True)
class AssociationOpened:
    """The association is open and, with mechanisms 2 to 7, the server has proved itself. max_pdu: of the server.

    is_verified: whether what comes in it is checked for having been altered. It is not in a plain association, nor
    under encryption alone, nor where `Tolerance.UNVERIFIED` goes without the authentication key.
    """

    server_title: bytes | None
    conformance: Conformance
    max_pdu: int
    is_verified: bool = False


@dataclass(frozen=True, slots=True)
class AssociationRejected:
    """The server refused the association, or our proof.

    error: number of `InitiateError` where the server gave one.
    """

    result: int
    diagnostic: int
    error: int | None = None


@dataclass(frozen=True, slots=True)
class ValueReceived:
    """The value that was asked for, encoded, or why there is none."""

    result: GetResult


@dataclass(frozen=True, slots=True)
class ValuesReceived:
    """The values that were asked for, in order."""

    results: tuple[GetResult, ...]


@dataclass(frozen=True, slots=True)
class SetFinished:
    """An attribute was written, or why not."""

    result: DataAccessResult


@dataclass(frozen=True, slots=True)
class SetListFinished:
    """Several attributes were written, or why not."""

    results: tuple[DataAccessResult, ...]


@dataclass(frozen=True, slots=True)
class ActionFinished:
    """A method was carried out, or why not."""

    outcome: ActionOutcome


@dataclass(frozen=True, slots=True)
class ActionListFinished:
    """Several methods were carried out, or why not."""

    outcomes: tuple[ActionOutcome, ...]


@dataclass(frozen=True, slots=True)
class AccessOutcome:
    """What came of one part of `Access`. value: encoded; null-data where there is none."""

    result: DataAccessResult
    value: bytes


@dataclass(frozen=True, slots=True)
class AccessFinished:
    """What came of the parts of `Access`, in order."""

    outcomes: tuple[AccessOutcome, ...]


@dataclass(frozen=True, slots=True)
class ServiceErrorReceived:
    """The server refused the service as a whole. The numbers are those of `ConfirmedServiceError`, which names them."""

    service: int
    kind: int
    error: int


@dataclass(frozen=True, slots=True)
class BlockTransferred:
    """A block of a long transfer came or went; the request for the next is ready to be sent. size: octets so far."""

    number: int
    size: int


@dataclass(frozen=True, slots=True)
class AssociationReleased:
    """The association is closed. clean: whether the server's answer was well-formed and genuine."""

    clean: bool


@dataclass(frozen=True, slots=True)
class NotificationReceived:
    """The server said something unasked. protected: whether it came ciphered or signed, and was verified as genuine."""

    notification: DataNotification | EventNotification | InformationReport
    protected: bool


@dataclass(frozen=True, slots=True)
class ExceptionReceived:
    """The server refused the request as a whole. Nothing proves that it was the server who said so.

    counter: with a counter error, the smallest one it says it will accept.
    """

    state: int
    service: int
    counter: int | None


ClientEvent: TypeAlias = (
    AssociationOpened
    | AssociationRejected
    | ValueReceived
    | ValuesReceived
    | SetFinished
    | SetListFinished
    | ActionFinished
    | ActionListFinished
    | AccessFinished
    | ServiceErrorReceived
    | BlockTransferred
    | AssociationReleased
    | NotificationReceived
    | ExceptionReceived
)


def encode_selection(selection: Selection | None) -> bytes | None:
    """Give selector and parameters, encoded."""
    if selection is None or isinstance(selection, bytes):
        return selection
    return selection.to_bytes()
