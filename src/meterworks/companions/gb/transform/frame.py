"""The frame of a command: its use case, whose name it goes out in, and what its header says besides.

Choice and sender are rows (`use_case_choices.csv`); this reads them. A command is given as the originator has to sign
it or the broker to MAC it: critical requests as pre-commands, which end behind their payload, others whole but for MAC.
Source: GBCS 7.2 (message structure), DUIS 5.4 (request header); fact sheet gb/GBCS.md sections 2, 3 and 14.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from meterworks.catalogue.gb import (
    Condition,
    PayloadKind,
    UseCase,
    UseCaseChoice,
    load_service_requests,
    load_use_case_choices,
    load_use_cases,
)
from meterworks.companions.errors import RequestError, TransformError
from meterworks.companions.gb.element import Element
from meterworks.companions.gb.request import CommandVariant, Request
from meterworks.companions.gb.situation import Situation
from meterworks.companions.gb.transform.builder import PayloadBuilder, load_builders
from meterworks.companions.gb.transform.header import header_of
from meterworks.protocols.errors import EncodeError
from meterworks.protocols.gbcs import Message, MessageKind

__all__ = ["Rulebook", "choose", "load_rulebook", "signer_of", "transform"]

_WHOLE = frozenset({CommandVariant.SEND, CommandVariant.RETURN, CommandVariant.SEND_AND_RETURN})


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All tables a transform reads, compiled: choices by service request variant, use cases by code, builders.

    critical: the service request variants whose commands their users sign themselves.
    """

    choices: Mapping[str, tuple[UseCaseChoice, ...]]
    use_cases: Mapping[int, UseCase]
    builders: Mapping[PayloadKind, PayloadBuilder]
    critical: frozenset[str] = frozenset()


@cache
def load_rulebook(additions: tuple[Path, ...] = ()) -> Rulebook:
    """Load and compile the tables, once. additions: folders of makers. Raises CatalogueError."""
    folders: Sequence[Path] = additions
    critical = frozenset(row.variant for row in load_service_requests(folders).values() if row.critical)
    return Rulebook(load_use_case_choices(folders), load_use_cases(folders), load_builders(folders), critical)


def transform(request: Request, situation: Situation, *, rulebook: Rulebook | None = None) -> Message:
    """The pre-command of a critical request, the command of another before its MAC.

    Raises TransformError where no use case fits, a value is missing or out of range, or the situation lacks a fact.
    """
    rules = rulebook or load_rulebook()
    choice = choose(request, situation, rulebook=rules)
    builder = rules.builders.get(choice.payload)
    if builder is None:
        raise TransformError(
            f"{choice.use_case}: nothing builds {choice.payload} payloads",
            path=request.body.name, value=choice.use_case, expected="a builder",
        )  # fmt: skip
    try:
        originator, counter, other = header_of(choice, request, situation)
        return Message(
            kind=MessageKind.COMMAND,
            counter=counter,
            originator=originator,
            recipient=request.request_id.target,
            other=other,
            payload=builder.payload_of(choice, request, situation),
            ends_behind_payload=request.command_variant is CommandVariant.PREPARE,
        )
    except (EncodeError, RequestError) as error:
        raise TransformError(f"{choice.use_case}: {error}", **{"use_case": choice.use_case} | error.facts) from error


def choose(request: Request, situation: Situation, *, rulebook: Rulebook | None = None) -> UseCaseChoice:
    """The use case a request becomes in a situation: the first row whose conditions hold and whose use case the device
    knows. Raises TransformError where there is none."""
    rules = rulebook or load_rulebook()
    _check_command_variant(request, is_critical=request.variant in rules.critical)
    known = situation.device_codes
    for choice in rules.choices.get(request.variant, ()):
        if (
            situation.device in choice.devices
            and (choice.party is None or choice.party is situation.party)
            and (known is None or choice.code in known)
            and all(_holds(condition, request.body) for condition in choice.conditions)
        ):
            return choice
    raise TransformError(
        f"service request {request.variant} with this body has no use case on a {situation.device} asked by a "
        f"{situation.party}; look at use_case_choices.csv",
        path=request.body.name, value=request.variant, expected="a service request of this kind of device",
    )  # fmt: skip


def signer_of(request: Request, situation: Situation, *, rulebook: Rulebook | None = None) -> bytes | None:
    """EUI-64 of who signs a request's command, None where nobody does."""
    rules = rulebook or load_rulebook()
    choice = choose(request, situation, rulebook=rules)
    sender = header_of(choice, request, situation)[0]
    if request.command_variant is CommandVariant.PREPARE:
        return sender
    # What is critical for the device and not for the user, the carrier's own parties sign.
    use_case = rules.use_cases[choice.code]
    return sender if use_case.is_critical and sender != request.request_id.originator else None


def _check_command_variant(request: Request, *, is_critical: bool) -> None:
    """A critical command is never made whole: its user has to see it and to sign it."""
    if request.command_variant is CommandVariant.PREPARE or (request.command_variant in _WHOLE and not is_critical):
        return
    number, expected = request.command_variant.value, "4" if is_critical else "1, 2, 3 or 4"
    raise TransformError(
        f"service request {request.variant} is asked with command variant {number}; {expected} expected",
        path="CommandVariant", value=str(number), expected=expected,
    )  # fmt: skip


def _holds(condition: Condition, body: Element) -> bool:
    found = any(condition.text is None or leaf.text == condition.text for leaf in body.all(condition.path))
    return found is not condition.negated
