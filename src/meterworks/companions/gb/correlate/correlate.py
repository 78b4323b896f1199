"""The check: what a message would make a device do, and whether that is what a request asked.

A user signs what its carrier has built, and the signature is what the meter trusts. So the bytes are read anew, by code
that shares nothing with the builder, and compared item by item with the request: nothing may be missing, nothing may
be there that nobody asked for, and no part of the request may go unread. What no table row describes is refused.
Source: fact sheet gb/GBCS.md section 6, step 2.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import zip_longest
from types import MappingProxyType

from meterworks.catalogue.gb import RequestMode, load_service_requests, load_use_cases
from meterworks.companions.errors import RequestMismatchError
from meterworks.companions.gb.correlate.envelope import READER_CERTIFICATE, check_envelope, sender_of
from meterworks.companions.gb.correlate.fact import AnyOf, Carriers, Effects, Fact, term_text
from meterworks.companions.gb.correlate.item import MessageItem, asked_facts, items_of, planned, read_item
from meterworks.companions.gb.correlate.scope import Scope
from meterworks.companions.gb.correlate.table import Row, UseCaseRows, all_met, load_rows
from meterworks.companions.gb.correlate.whole import WHOLE_PAYLOADS, asked_whole
from meterworks.companions.gb.request import Request
from meterworks.companions.gb.situation import Situation
from meterworks.protocols import DecodeError
from meterworks.protocols.gbcs import Message, MessageKind

__all__ = ["correlate", "effects_of"]

_EXECUTION_TIME = "ExecutionDateTime"


def correlate(request: Request, message: bytes, situation: Situation) -> None:
    """Check that a command or pre-command does what a request asks, all of it and nothing else.

    situation: what the requester knows of its device and carrier; of a critical request never what the carrier says.
    A signature or a MAC on the message is not looked at: `protocols.gbcs` checks those.
    Raises RequestMismatchError: facts path (in the request, or the item of the message), asked, found. Also for bytes
    that are no message, and for a request that no row describes ("cannot be checked").
    """
    try:
        found = Message.from_bytes(message)
        sender = sender_of(request, situation, found.message_code)
        check_envelope(request, found, sender)
        scope = Scope.of(request, situation, found.counter)
        _compare(_use_case(request, found, situation, scope), found, scope)
    except DecodeError as error:
        raise RequestMismatchError(
            f"{request.body.name}: the message cannot be what was asked: {error}; do not sign it, ask the carrier",
            path="message", asked=request.variant, found=str(error),
        ) from error  # fmt: skip
    _check_all_read(scope)


def effects_of(message: bytes) -> Effects:
    """What a device would do that took a command for good, for people and for comparison.

    Raises DecodeError for bytes that are no command of a use case in the table.
    """
    found = Message.from_bytes(message)
    candidates = load_rows().get(found.message_code, ())
    if found.kind != MessageKind.COMMAND or not candidates:
        raise DecodeError(f"message code {found.message_code:04X} is no command that the table describes", offset=0)
    reasons = []
    for use_case in candidates:
        try:
            facts = _facts_alone(use_case, found)
        except DecodeError as error:
            reasons.append(str(error))
            continue
        return Effects(
            message_code=found.message_code,
            use_case=use_case.use_case,
            title=_titles().get(found.message_code, ""),
            originator=found.originator,
            recipient=found.recipient,
            counter=found.counter,
            facts=tuple(facts),
        )
    raise DecodeError(f"message code {found.message_code:04X}: {'; '.join(reasons)}", offset=0)


# --- against a request ----------------------------------------------------------------------------------------------


def _use_case(request: Request, found: Message, situation: Situation, scope: Scope) -> UseCaseRows:
    """The rows of the message's use case, where that is one that serves this request on this device."""
    body = _bodies().get(request.variant)
    if body is not None and body != request.body.name:
        raise scope.mismatch("body", f"{body} ({request.variant})", request.body.name)
    known = situation.device_codes
    served = [use_case for rows in load_rows().values() for use_case in rows if request.variant in use_case.variants]
    fitting = [row for row in served if situation.device in row.devices and (known is None or row.code in known)]
    chosen = [row for row in fitting if all_met(row.conditions, scope.apart())]
    for use_case in chosen:
        if use_case.code == found.message_code:
            all_met(use_case.conditions, scope)
            return use_case
    codes = sorted({f"{row.code:04X} {row.use_case}" for row in chosen})
    if not codes:
        raise RequestMismatchError(
            f"{request.body.name} to a {situation.device} cannot be checked: no row describes its message",
            path="message code", asked=None, found=f"{found.message_code:04X}",
        )  # fmt: skip
    raise scope.mismatch("message code", " or ".join(codes), f"{found.message_code:04X}")


def _compare(use_case: UseCaseRows, found: Message, scope: Scope) -> None:
    if use_case.payload is not None:
        read, _ = WHOLE_PAYLOADS[use_case.payload]
        _compare_facts(asked_whole(use_case.payload, scope), read(found), scope)
    else:
        _compare_items(use_case, found, scope)
    for path in use_case.kept:
        for element in scope.below(path):
            element.see_all()


def _compare_items(use_case: UseCaseRows, found: Message, scope: Scope) -> None:
    items = items_of(use_case.protocol, found.payload, found.counter)
    for planned_row, item in zip_longest(planned(use_case, scope), items):
        if planned_row is None:
            raise scope.mismatch(item.label, "nothing more", "an item of the message")
        row, place = planned_row
        _check_item(row, item, scope)
        _compare_facts(list(asked_facts(row, place)), read_item(row, item), scope)


def _check_item(row: Row, item: MessageItem | None, scope: Scope) -> None:
    if item is None:
        raise scope.mismatch(row.item.label, "an item of the message", "its end")
    if item.key != row.item.key or item.has_time != row.item.has_time:
        raise scope.mismatch(row.item.label, row.item.label, item.label)


def _compare_facts(asked: Sequence[Fact], found: Sequence[Fact], scope: Scope) -> None:
    for wanted, there in zip_longest(asked, found):
        if wanted is None:
            raise scope.mismatch(there.name, "nothing", term_text(there.value))
        if there is None:
            raise scope.mismatch(wanted.name, term_text(wanted.value), "nothing")
        if wanted.name != there.name:
            raise scope.mismatch(wanted.name, term_text(wanted.value), f"{there.name} = {term_text(there.value)}")
        if not _is_asked(wanted.value, there.value):
            raise scope.mismatch(wanted.name, term_text(wanted.value), term_text(there.value))


def _is_asked(wanted: object, there: object) -> bool:
    if isinstance(wanted, AnyOf | Carriers):
        return wanted.admits(there)
    return wanted == there and isinstance(wanted, bool) == isinstance(there, bool)


def _check_all_read(scope: Scope) -> None:
    """No part of the request may be left over, but for the time until which the carrier waits, and its reader's key."""
    body = scope.request.body.name
    kept = {f"{body}/{READER_CERTIFICATE}"} | (
        {f"{body}/{_EXECUTION_TIME}"} if scope.request.variant in _carrier_dated() else set()
    )
    for path, text in scope.unread():
        if path not in kept:
            raise scope.mismatch(path, text or "it", "nothing of it")


@cache
def _titles() -> Mapping[int, str]:
    return MappingProxyType({code: row.title for code, row in load_use_cases().items()})


@cache
def _bodies() -> Mapping[str, str]:
    """The name of the body by variant: a request that says two things cannot be compared."""
    return MappingProxyType({variant: service.body for variant, service in load_service_requests().items()})


@cache
def _carrier_dated() -> frozenset[str]:
    """Variants whose requests the carrier may hold until their time; their messages say nothing of it."""
    services = load_service_requests().values()
    return frozenset(service.variant for service in services if RequestMode.CARRIER_DATED in service.modes)


# --- alone ----------------------------------------------------------------------------------------------------------


def _facts_alone(use_case: UseCaseRows, found: Message) -> list[Fact]:
    """What a message says, without a request: each item is read by the next row that it fits."""
    if use_case.payload is not None:
        return WHOLE_PAYLOADS[use_case.payload][0](found)
    facts, start = [], 0
    for item in items_of(use_case.protocol, found.payload, found.counter):
        place, read = _next_row(use_case.rows, start, item)
        start = place if use_case.rows[place].repeated is not None else place + 1
        facts += read
    return facts


def _next_row(rows: Sequence[Row], start: int, item: MessageItem) -> tuple[int, list[Fact]]:
    reason = "no row of the use case describes it"
    for place in range(start, len(rows)):
        row = rows[place]
        if row.item.key != item.key or row.item.has_time != item.has_time:
            continue
        try:
            return place, read_item(row, item)
        except DecodeError as error:
            reason = str(error)
    raise DecodeError(f"{item.label}: {reason}", offset=0)
