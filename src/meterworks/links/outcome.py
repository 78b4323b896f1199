"""Events of the DLMS client core as values or errors, the same for the asynchronous and the blocking client."""

from typing import Final

from meterworks.errors import MeterworksError
from meterworks.links.errors import ConnectionLost, NoAnswer, WriteOutcomeUnknown
from meterworks.protocols import AssociationRefused, ServiceRefused
from meterworks.protocols.dlms import (
    Access,
    AccessFinished,
    AccessGet,
    AccessOutcome,
    Action,
    ActionFinished,
    ActionList,
    ActionListFinished,
    ActionOutcome,
    AssociationOpened,
    AssociationRejected,
    AssociationReleased,
    ClientEvent,
    Command,
    DataAccessResult,
    ExceptionReceived,
    GetResult,
    ServiceErrorReceived,
    Set,
    SetFinished,
    SetList,
    SetListFinished,
    UnconfirmedWrite,
    ValueReceived,
    ValuesReceived,
    Write,
)

__all__ = [
    "accessed",
    "association_of",
    "list_of",
    "no_answer",
    "outcome_of",
    "outcomes_of",
    "refuse_unless_released",
    "results_of",
    "unanswered",
    "value_of",
    "written",
]


CHANGING: Final = (Set, SetList, Action, ActionList, Write, UnconfirmedWrite)


def _may_change(command: Command) -> bool:
    """Whether a command that was sent may have changed the meter."""
    if isinstance(command, Access):
        return not all(isinstance(item, AccessGet) for item in command.items)
    return isinstance(command, CHANGING)


def no_answer(command: Command, reason: str, *, late: bool) -> MeterworksError:
    """Give the error for a command that was sent and not answered."""
    if _may_change(command):
        return WriteOutcomeUnknown(
            f"{reason}: whether {type(command).__name__} was carried out is unknown; read it back"
        )
    return NoAnswer(reason) if late else ConnectionLost(reason)


def association_of(event: ClientEvent | None) -> AssociationOpened:
    """Give what was agreed; AssociationRefused otherwise."""
    match event:
        case AssociationOpened():
            return event
        case AssociationRejected(result=result, diagnostic=diagnostic, error=error):
            raise AssociationRefused(
                f"the server refused the association: result {result}, diagnostic {diagnostic}; check keys",
                result=result,
                diagnostic=diagnostic,
                error=error,
            )
        case ExceptionReceived(service=service, counter=counter):
            hint = "" if counter is None else f"; it says that it takes counters from {counter} on"
            raise AssociationRefused(
                f"the server refused the association with exception {service}{hint}",
                service=service,
                counter=counter,
            )
    raise _unexpected(event)


def value_of(event: ClientEvent | None) -> bytes:
    """Give the value that was read, encoded; ServiceRefused otherwise."""
    if isinstance(event, ValueReceived):
        if isinstance(event.result, DataAccessResult):
            raise _refused("GET", event.result)
        return event.result
    raise _unexpected(event)


def list_of(event: ClientEvent | None) -> list[GetResult]:
    """Give the values that were read, each encoded or why not."""
    if isinstance(event, ValuesReceived):
        return list(event.results)
    raise _unexpected(event)


def written(event: ClientEvent | None) -> None:
    """Return if the attribute was written; ServiceRefused otherwise."""
    if not isinstance(event, SetFinished):
        raise _unexpected(event)
    if event.result != DataAccessResult.SUCCESS:
        raise _refused("SET", event.result)


def results_of(event: ClientEvent | None) -> list[DataAccessResult]:
    """Give the result of each write."""
    if isinstance(event, SetListFinished):
        return list(event.results)
    raise _unexpected(event)


def outcome_of(event: ClientEvent | None) -> bytes | None:
    """Give what the method returned, encoded, or None; ServiceRefused where it was not carried out."""
    if not isinstance(event, ActionFinished):
        raise _unexpected(event)
    outcome = event.outcome
    if outcome.result != DataAccessResult.SUCCESS:
        raise _refused("ACTION", outcome.result)
    return None if isinstance(outcome.value, DataAccessResult) else outcome.value


def outcomes_of(event: ClientEvent | None) -> list[ActionOutcome]:
    """Give the outcome of each method."""
    if isinstance(event, ActionListFinished):
        return list(event.outcomes)
    raise _unexpected(event)


def unanswered(event: ClientEvent | None) -> None:
    """Return; nothing is known of a request that is not answered."""
    if event is not None:
        raise _unexpected(event)


def accessed(event: ClientEvent | None) -> list[AccessOutcome]:
    """Give what came of each part, nothing where none was to be answered."""
    if event is None:
        return []
    if isinstance(event, AccessFinished):
        return list(event.outcomes)
    raise _unexpected(event)


def refuse_unless_released(event: ClientEvent | None) -> bool:
    """Give whether the release was clean."""
    if isinstance(event, AssociationReleased):
        return event.clean
    raise _unexpected(event)


def _refused(service: str, result: DataAccessResult) -> ServiceRefused:
    name = result.name.lower().replace("_", " ")
    return ServiceRefused(f"the server answered {service} with result {int(result)}, {name}", result=int(result))


def _unexpected(event: ClientEvent | None) -> ServiceRefused:
    if isinstance(event, ExceptionReceived):
        return ServiceRefused(
            f"the server refused the request with exception state {event.state}, service {event.service}",
            state=event.state,
            service=event.service,
            counter=event.counter,
        )
    if isinstance(event, ServiceErrorReceived):
        return ServiceRefused(
            f"the server refused service {event.service} with error {event.error} of kind {event.kind}",
            service=event.service,
            kind=event.kind,
            error=event.error,
        )
    return ServiceRefused(f"the server answered with {type(event).__name__}")
