"""What a client can be asked to do, once for the asynchronous and the blocking client: a command, and its result.

Each function gives a command of the core and the function that turns its event into a value or an error. The methods of
both clients are named after these.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from meterworks.links.outcome import (
    accessed,
    association_of,
    list_of,
    outcome_of,
    outcomes_of,
    refuse_unless_released,
    results_of,
    unanswered,
    value_of,
    written,
)
from meterworks.protocols.dlms import (
    Access,
    AccessOutcome,
    Action,
    ActionList,
    ActionOutcome,
    Associate,
    AssociationOpened,
    AttributeAddress,
    ClientEvent,
    Command,
    DataAccessResult,
    Get,
    GetList,
    GetResult,
    MethodAddress,
    Parameterised,
    Read,
    Release,
    Selection,
    Set,
    SetList,
    UnconfirmedWrite,
    Variable,
    Write,
)

__all__ = [
    "GetItem",
    "Name",
    "Request",
    "access",
    "action",
    "action_list",
    "associate",
    "get",
    "get_list",
    "read",
    "release",
    "set_",
    "set_list",
    "write",
    "write_unconfirmed",
]

_Result = TypeVar("_Result")

GetItem: TypeAlias = AttributeAddress | tuple[AttributeAddress, Selection | None]
"""An attribute to read, with a selection or without."""

Name: TypeAlias = Variable | Parameterised
"""What a short name stands for, with a selection or without."""


@dataclass(frozen=True, slots=True)
class Request(Generic[_Result]):
    """A command, and what makes its result of the event that ends it (None: it is not answered)."""

    command: Command
    result_of: Callable[[ClientEvent | None], _Result]


def associate() -> Request[AssociationOpened]:
    """Open the association."""
    return Request(Associate(), association_of)


def get(address: AttributeAddress, selection: Selection | None) -> Request[bytes]:
    """Read an attribute."""
    return Request(Get(address, selection), value_of)


def get_list(items: Sequence[GetItem]) -> Request[list[GetResult]]:
    """Read several attributes."""
    pairs = tuple(item if isinstance(item, tuple) else (item, None) for item in items)
    return Request(GetList(pairs), list_of)


def set_(address: AttributeAddress, value: bytes) -> Request[None]:
    """Write an attribute."""
    return Request(Set(address, value), written)


def set_list(items: Sequence[tuple[AttributeAddress, bytes]]) -> Request[list[DataAccessResult]]:
    """Write several attributes."""
    return Request(SetList(tuple(items)), results_of)


def action(address: MethodAddress, parameter: bytes | None) -> Request[bytes | None]:
    """Invoke a method."""
    return Request(Action(address, parameter), outcome_of)


def action_list(items: Sequence[tuple[MethodAddress, bytes]]) -> Request[list[ActionOutcome]]:
    """Invoke several methods."""
    return Request(ActionList(tuple(items)), outcomes_of)


def access(command: Access) -> Request[list[AccessOutcome]]:
    """Read, write and invoke in one request."""
    return Request(command, accessed)


def read(names: Sequence[Name]) -> Request[list[GetResult]]:
    """Read by short name."""
    return Request(Read(tuple(names)), list_of)


def write(items: Sequence[tuple[Name, bytes]]) -> Request[list[DataAccessResult]]:
    """Write by short name."""
    return Request(Write(tuple(items)), results_of)


def write_unconfirmed(items: Sequence[tuple[Name, bytes]]) -> Request[None]:
    """Write by short name, without an answer."""
    return Request(UnconfirmedWrite(tuple(items)), unanswered)


def release() -> Request[bool]:
    """Close the association."""
    return Request(Release(), refuse_unless_released)
