"""What clients can be asked to do: the command of each method, what its event gives, and what a lost answer means."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.dlms.example_device import ECHO, ENERGY, NOTE

from meterworks.links import ConnectionLost, NoAnswer, WriteOutcomeUnknown, request
from meterworks.links.outcome import no_answer
from meterworks.protocols.dlms import (
    Access,
    AccessAction,
    AccessFinished,
    AccessGet,
    AccessOutcome,
    AccessSet,
    Action,
    ActionFinished,
    ActionList,
    ActionListFinished,
    ActionOutcome,
    ActionResult,
    Associate,
    AssociationOpened,
    AssociationRejected,
    AssociationReleased,
    ClientEvent,
    Command,
    Conformance,
    DataAccessResult,
    EntrySelection,
    ExceptionReceived,
    Get,
    GetList,
    Read,
    Release,
    ServiceErrorReceived,
    Set,
    SetFinished,
    SetList,
    SetListFinished,
    UnconfirmedWrite,
    ValueReceived,
    ValuesReceived,
    Variable,
    Write,
)
from meterworks.protocols.errors import AssociationRefused, ServiceRefused

OK, DENIED = DataAccessResult.SUCCESS, DataAccessResult.READ_WRITE_DENIED
VALUE = b"\x11\x05"
NAME = Variable(0x0100)
OPENED = AssociationOpened(b"MWK12345", Conformance.GET, 1000)
DONE = ActionOutcome(ActionResult.SUCCESS, VALUE)
PART = AccessOutcome(OK, VALUE)
ROWS = EntrySelection(from_entry=1, to_entry=2)
EXCEPTION = ExceptionReceived(1, 2, None)
ALL = Access((AccessGet(ENERGY), AccessSet(NOTE, VALUE)))

Make = Callable[[], request.Request[Any]]

ANSWERED: list[tuple[Make, Command, ClientEvent, object]] = [
    (request.associate, Associate(), OPENED, OPENED),
    (lambda: request.get(ENERGY, ROWS), Get(ENERGY, ROWS), ValueReceived(VALUE), VALUE),
    (
        lambda: request.get_list([ENERGY, (NOTE, ROWS)]),
        GetList(((ENERGY, None), (NOTE, ROWS))),
        ValuesReceived((VALUE, DENIED)),
        [VALUE, DENIED],
    ),
    (lambda: request.set_(NOTE, VALUE), Set(NOTE, VALUE), SetFinished(OK), None),
    (lambda: request.set_list([(NOTE, VALUE)]), SetList(((NOTE, VALUE),)), SetListFinished((OK,)), [OK]),
    (lambda: request.action(ECHO, VALUE), Action(ECHO, VALUE), ActionFinished(DONE), VALUE),
    (
        lambda: request.action_list([(ECHO, VALUE)]),
        ActionList(((ECHO, VALUE),)),
        ActionListFinished((DONE,)),
        [DONE],
    ),
    (lambda: request.access(ALL), ALL, AccessFinished((PART, PART)), [PART, PART]),
    (lambda: request.read([NAME]), Read((NAME,)), ValuesReceived((VALUE,)), [VALUE]),
    (lambda: request.write([(NAME, VALUE)]), Write(((NAME, VALUE),)), SetListFinished((DENIED,)), [DENIED]),
    (request.release, Release(), AssociationReleased(clean=False), False),
]


@pytest.mark.parametrize(("make", "command", "event", "result"), ANSWERED)
def test_request_gives_the_result_of_its_event(
    make: Make, command: Command, event: ClientEvent, result: object
) -> None:
    asked = make()
    assert asked.command == command
    assert asked.result_of(event) == result


@pytest.mark.parametrize(("make", "command", "event", "result"), ANSWERED)
def test_any_other_event_is_a_refusal(make: Make, command: Command, event: ClientEvent, result: object) -> None:
    asked = make()
    kind = AssociationRefused if isinstance(command, Associate) else ServiceRefused
    with pytest.raises(kind, match="exception"):
        asked.result_of(EXCEPTION)
    with pytest.raises(ServiceRefused, match="error 3 of kind 2"):
        asked.result_of(ServiceErrorReceived(service=5, kind=2, error=3))
    others = [other for _, _, other, _ in ANSWERED if type(other) is not type(event)]
    for other in others:
        with pytest.raises(ServiceRefused, match=type(other).__name__):
            asked.result_of(other)


def test_what_is_not_answered_gives_nothing() -> None:
    asked = request.write_unconfirmed([(NAME, VALUE)])
    assert asked.command == UnconfirmedWrite(((NAME, VALUE),))
    asked.result_of(None)
    with pytest.raises(ServiceRefused):
        asked.result_of(ValueReceived(VALUE))
    assert request.access(Access((AccessGet(ENERGY),), confirmed=False)).result_of(None) == []


@pytest.mark.parametrize(
    ("make", "event", "fact"),
    [
        (request.associate, AssociationRejected(1, 13, 4), {"result": 1, "diagnostic": 13, "error": 4}),
        (request.associate, ExceptionReceived(1, 6, 77), {"service": 6, "counter": 77}),
        (lambda: request.get(ENERGY, None), ValueReceived(DENIED), {"result": 3}),
        (lambda: request.set_(NOTE, VALUE), SetFinished(DENIED), {"result": 3}),
        (
            lambda: request.action(ECHO, None),
            ActionFinished(ActionOutcome(ActionResult.READ_WRITE_DENIED, None)),
            {"result": 3},
        ),
    ],
)
def test_refusal_carries_the_numbers_of_the_meter(make: Make, event: ClientEvent, fact: dict[str, int]) -> None:
    with pytest.raises((AssociationRefused, ServiceRefused)) as caught:
        make().result_of(event)
    assert fact.items() <= caught.value.facts.items()


@pytest.mark.parametrize(
    ("command", "changes"),
    [
        (Associate(), False),
        (Get(ENERGY), False),
        (Read((NAME,)), False),
        (Access((AccessGet(ENERGY),)), False),
        (Set(NOTE, VALUE), True),
        (SetList(((NOTE, VALUE),)), True),
        (Action(ECHO), True),
        (ActionList(((ECHO, VALUE),)), True),
        (Write(((NAME, VALUE),)), True),
        (UnconfirmedWrite(((NAME, VALUE),)), True),
        (ALL, True),
        (Access((AccessAction(ECHO),)), True),
    ],
)
def test_lost_answer_to_what_changes_the_meter_is_an_unknown_outcome(command: Command, changes: bool) -> None:
    late, cut = no_answer(command, "no word", late=True), no_answer(command, "no word", late=False)
    if changes:
        assert isinstance(late, WriteOutcomeUnknown)
        assert isinstance(cut, WriteOutcomeUnknown)
        assert "read it back" in str(late)
    else:
        assert isinstance(late, NoAnswer)
        assert isinstance(cut, ConnectionLost)
