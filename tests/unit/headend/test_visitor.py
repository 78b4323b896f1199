"""Visits: every ending is an outcome; counters only grow; clocks are corrected after the reading."""

import asyncio
from dataclasses import dataclass, field

import pytest
from tests.integration.headend.field import DAY, FakeMeter, device_record

from meterworks.errors import PeerError, RefusedError, SecurityError, UnreachableError
from meterworks.headend.clock_check import ClockAction
from meterworks.headend.counters import CounterBlocks
from meterworks.headend.model_book import ModelBook
from meterworks.headend.schedule import Failure
from meterworks.headend.settings import HeadendSettings
from meterworks.headend.store import DeviceMemory
from meterworks.headend.visitor import COUNTER_JUMP_MAX, Visitor, VisitOutcome
from meterworks.links import Traffic
from meterworks.protocols.dlms import (
    MANAGEMENT_CLIENT,
    PUBLIC_CLIENT,
    READER_CLIENT,
    DataAccessResult,
    encode_double_long_unsigned,
)
from meterworks.protocols.errors import AssociationRefused
from meterworks.runtime import ManualClock

NOW = 1_772_323_200.0 + 900.0
STARTS = int(NOW) // DAY * DAY - DAY
RECORD = device_record(1, "h", 1, starts=STARTS)


@dataclass
class Line:
    """Connections to one meter, and what is to go wrong on them, in order."""

    meter: FakeMeter
    faults: list = field(default_factory=list)
    dialled: list = field(default_factory=list)
    closed: int = 0
    lowest: int | None = None
    release_error: Exception | None = None
    timeouts: list = field(default_factory=list)

    async def dial(self, device, client_sap, counter):
        self.dialled.append(client_sap)
        return LineClient(self, client_sap, counter)


class LineClient:
    def __init__(self, line, sap, counter):
        self.line, self.sap, self.counter = line, sap, counter
        self.traffic = Traffic()
        self.traffic.received, self.traffic.sent = 100, 10
        self.timeout_s = 30.0

    async def associate(self):
        self.line.timeouts.append(self.timeout_s)
        if self.sap == PUBLIC_CLIENT:
            return
        if self.line.faults:
            fault = self.line.faults.pop(0)
            if fault is not None:
                raise fault
        spent = self.counter.next()
        if self.line.lowest is not None and spent < self.line.lowest:
            raise AssociationRefused("too low", service=6, counter=self.line.lowest)

    async def release(self):
        if self.line.release_error is not None:
            raise self.line.release_error

    async def close(self):
        self.line.closed += 1

    async def get(self, address, selection=None):
        if str(address.obis_code) == "0.0.43.1.0.255" and self.line.lowest is not None:
            return encode_double_long_unsigned(self.line.lowest - 1)
        return self.line.meter.get(self.sap, address, None)

    message_digest = "5f" * 32

    async def get_list(self, items):
        return [DataAccessResult.OBJECT_UNDEFINED for _ in items]

    async def set(self, address, value):
        self.line.meter.set(self.sap, address, value)

    async def action(self, address, parameter=None):
        return self.line.meter.action(self.sap, address, parameter)[1]


async def nothing(*_):
    return None


def bench(**changes):
    clock = ManualClock(NOW)
    line = Line(FakeMeter(1, clock, STARTS, offset_s=changes.pop("offset_s", 0.0)))
    counters = CounterBlocks(nothing, block=64, reserved={})
    settings = HeadendSettings(clock_guard_s=0.0, **changes)
    visitor = Visitor(line, counters, ModelBook({}, nothing, clock), object(), clock=clock, settings=settings)
    return visitor, line, counters, DeviceMemory(device_id=1)


async def idle(session):
    session.report.settled = True


async def test_a_visit_without_trouble():
    visitor, line, _, memory = bench()
    result = await visitor.visit(RECORD, memory, idle)
    assert (result.outcome, result.error, result.failure) == (VisitOutcome.DONE, None, None)
    assert (result.bytes_in, result.bytes_out) == (100, 10)
    assert abs(result.report.drift_s) < 1
    assert line.dialled == [READER_CLIENT]
    assert line.closed == 1


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (UnreachableError("x"), Failure.TRANSPORT),
        (SecurityError("x"), Failure.AUTHENTICATION),
        (PeerError("x"), Failure.DEVICE),
        (AssociationRefused("x", result=1, diagnostic=13), Failure.AUTHENTICATION),
        (AssociationRefused("x", result=2, diagnostic=1), Failure.DEVICE),
        (AssociationRefused("x", result=1, diagnostic=2), Failure.CONFIGURATION),
        (AssociationRefused("x", service=5, counter=None), Failure.AUTHENTICATION),
    ],
)
async def test_what_goes_wrong_is_an_outcome(error, failure):
    visitor, line, _, memory = bench()
    line.faults = [error, error]
    result = await visitor.visit(RECORD, memory, idle)
    assert (result.outcome, result.error, result.failure) == (VisitOutcome.FAILED, error, failure)
    assert line.closed == len(line.dialled)


async def test_what_was_read_before_the_break_counts():
    visitor, _, _, memory = bench()

    async def breaks(session):
        session.report.settled = True
        raise UnreachableError("gone")

    result = await visitor.visit(RECORD, memory, breaks)
    assert (result.outcome, result.failure) == (VisitOutcome.PARTIAL, Failure.TRANSPORT)


async def test_a_problem_with_one_profile_is_no_failure():
    visitor, _, _, memory = bench()

    async def notes(session):
        session.report.problems["daily"] = RefusedError("no")

    result = await visitor.visit(RECORD, memory, notes)
    assert (result.outcome, result.failure, result.error.code) == (VisitOutcome.PARTIAL, None, "refused")


async def test_a_device_that_does_not_answer_the_release_was_read():
    visitor, line, _, memory = bench()
    line.release_error = UnreachableError("silent")
    assert (await visitor.visit(RECORD, memory, idle)).outcome is VisitOutcome.DONE


async def test_a_lease_ends():
    visitor, line, _, memory = bench(session_s_max=0.05)

    async def hangs(_):
        await asyncio.Event().wait()

    result = await visitor.visit(RECORD, memory, hangs)
    assert result.error.code == "lease-lost"
    assert line.closed == 1


async def test_cancelling_a_visit_closes_its_connection():
    visitor, line, _, memory = bench()
    begun = asyncio.Event()

    async def hangs(_):
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(visitor.visit(RECORD, memory, hangs))
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert line.closed == 1


async def test_a_counter_the_device_calls_too_low_is_raised_and_tried_at_once():
    visitor, line, counters, memory = bench()
    line.lowest = 700
    assert (await visitor.visit(RECORD, memory, idle)).outcome is VisitOutcome.DONE
    assert line.dialled == [READER_CLIENT, READER_CLIENT]
    assert counters.counter(1).following == 701


async def test_a_refusal_without_a_reason_makes_us_ask_for_the_counter():
    visitor, line, counters, memory = bench()
    line.lowest, line.faults = 700, [AssociationRefused("no", result=1, diagnostic=1)]
    assert (await visitor.visit(RECORD, memory, idle)).outcome is VisitOutcome.DONE
    assert line.dialled == [READER_CLIENT, PUBLIC_CLIENT, READER_CLIENT]
    assert counters.counter(1).following == 701


async def test_our_counter_is_never_lowered_and_never_leaps():
    visitor, line, counters, memory = bench()
    counter = await counters.ready(1)
    counter.raise_to(500)
    for told in (5, 500 + COUNTER_JUMP_MAX + 1):
        line.faults = [AssociationRefused("no", service=6, counter=told)] * 2
        assert (await visitor.visit(RECORD, memory, idle)).failure is Failure.COUNTER
    assert counters.counter(1).following == 500


async def test_a_clock_is_corrected_by_the_management_client_after_the_reading():
    visitor, line, _, memory = bench(offset_s=95.0)
    result = await visitor.visit(RECORD, memory, idle)
    assert line.dialled == [READER_CLIENT, MANAGEMENT_CLIENT]
    assert result.clock_corrected is ClockAction.SET
    assert result.report.clock.suspect
    assert abs(result.report.drift_s) < 1


async def test_a_clock_that_cannot_be_corrected_spoils_no_reading():
    visitor, line, _, memory = bench(offset_s=95.0)
    line.faults = [None, AssociationRefused("not you", result=1, diagnostic=13)]
    result = await visitor.visit(RECORD, memory, idle)
    assert (result.outcome, result.clock_corrected) == (VisitOutcome.DONE, None)


async def test_a_device_that_called_is_not_dialled():
    visitor, line, counters, memory = bench(offset_s=95.0)
    client = LineClient(line, READER_CLIENT, counters.counter(1))
    result = await visitor.visit(RECORD, memory, idle, client=client)
    assert (result.outcome, line.dialled) == (VisitOutcome.DONE, [])


async def test_the_clock_of_a_device_that_called_is_corrected_over_its_own_connection():
    visitor, line, counters, memory = bench(offset_s=95.0)
    client = LineClient(line, READER_CLIENT, counters.counter(1))
    opened = []

    def reopen(client_sap, counter, device):
        opened.append(client_sap)
        return LineClient(line, client_sap, counter)

    result = await visitor.visit(RECORD, memory, idle, client=client, reopen=reopen)
    assert (line.dialled, opened) == ([], [MANAGEMENT_CLIENT])
    assert result.clock_corrected is ClockAction.SET
    assert abs(result.report.drift_s) < 1


async def test_a_call_that_broke_off_corrects_no_clock():
    visitor, line, counters, memory = bench(offset_s=95.0)
    line.faults = [AssociationRefused("no", result=1, diagnostic=1)]
    client = LineClient(line, READER_CLIENT, counters.counter(1))
    result = await visitor.visit(RECORD, memory, idle, client=client, reopen=pytest.fail)
    assert (result.outcome, result.clock_corrected) == (VisitOutcome.FAILED, None)


async def test_a_person_waits_a_shorter_time_for_each_answer():
    visitor, line, _, memory = bench()
    await visitor.visit(RECORD, memory, idle, answer_timeout_s=4.0)
    await visitor.visit(RECORD, memory, idle)
    assert line.timeouts == [4.0, 30.0]
