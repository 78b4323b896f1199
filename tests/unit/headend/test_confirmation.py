"""Confirmations: what is durable is crossed off; what cannot be read is passed over; positions follow the stream."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.integration.headend.field import until

from meterworks.errors import PeerError, UnreachableError
from meterworks.headend.confirmation import ConfirmationReader, decode_confirmation
from meterworks.headend.expectation import ExpectationTable, ProfileRule
from meterworks.readings import COMMITTED_SUBJECT, ensure_reading_streams
from meterworks.runtime import ManualClock, MemoryBus

DAY = 86_400
PAIR = (1, "load_import")
RULE = ProfileRule(profile="load_import", step_s=1800, depth_s=10 * DAY, on_grid=True)


def notice(set_id, start=0, end=DAY, device=1, profile="load_import"):
    return {"set_id": set_id, "device": device, "profile": profile, "start": start, "end": end, "rows": 1}


def message(position, *notices, rejected=()):
    return json.dumps({"position": position, "sets": list(notices), "rejected": list(rejected)}).encode()


@pytest.fixture
async def bus():
    made = MemoryBus()
    await ensure_reading_streams(made)
    yield made
    await made.close()


def table_with_sets(*set_ids):
    table = ExpectationTable()
    table.lay_down(1, RULE, ((0, 2**40),), until_epoch_s=DAY * len(set_ids))
    for number, set_id in enumerate(set_ids):
        span = (number * DAY, (number + 1) * DAY)
        table.mark_sent(PAIR, set_id, (span,), at_epoch_s=1.0, rows=48)
    return table


async def test_confirmed_sets_are_crossed_off_and_the_position_kept(bus):
    table = table_with_sets("a", "b")
    reader = ConfirmationReader(bus, table, ManualClock(), position=0)
    await bus.publish(COMMITTED_SUBJECT, message(17, notice("a")))
    assert await reader.read_once(timeout_s=0.1) == 1
    assert table.unconfirmed_sets == 1
    assert table.totals("load_import").committed_s == DAY
    assert (reader.position, reader.committed_position) == (1, 17)


async def test_what_was_confirmed_before_the_position_is_not_read_again(bus):
    for number in range(3):
        await bus.publish(COMMITTED_SUBJECT, message(number, notice(str(number))))
    reader = ConfirmationReader(bus, table_with_sets("x"), ManualClock(), position=2)
    assert await reader.read_once(timeout_s=0.1) == 1
    assert reader.position == 3


async def test_reading_the_same_confirmation_twice_changes_nothing(bus):
    table = table_with_sets("a")
    await bus.publish(COMMITTED_SUBJECT, message(1, notice("a")))
    for _ in range(2):
        await ConfirmationReader(bus, table, ManualClock(), position=0).read_once(timeout_s=0.1)
    totals = table.totals("load_import")
    assert (totals.committed_s, totals.missing_s, totals.sent_s) == (DAY, 0, 0)


async def test_a_message_that_cannot_be_read_is_passed_over(bus):
    table = table_with_sets("a")
    await bus.publish(COMMITTED_SUBJECT, b"\xff")
    await bus.publish(COMMITTED_SUBJECT, message(2, notice("a")))
    reader = ConfirmationReader(bus, table, ManualClock(), position=0)
    await reader.read_once(timeout_s=0.1)
    assert table.unconfirmed_sets == 0
    assert reader.position == 2


async def test_rejected_sets_are_told(bus):
    told = []
    reader = ConfirmationReader(bus, table_with_sets("a"), ManualClock(), position=0)
    reader.on_rejected = lambda set_id, reason: told.append((set_id, reason))
    await bus.publish(COMMITTED_SUBJECT, message(1, rejected=[{"set_id": "a", "reason": "bad"}]))
    await reader.read_once(timeout_s=0.1)
    assert told == [("a", "bad")]


async def test_a_stream_made_anew_is_read_from_its_beginning(bus):
    table = table_with_sets("a")
    for number in range(5):
        await bus.publish(COMMITTED_SUBJECT, message(number, notice("x")))
    reader = ConfirmationReader(bus, table, ManualClock(), position=0)
    await reader.read_once(timeout_s=0.1)
    await bus.delete_stream("COMMITTED")
    await ensure_reading_streams(bus)
    await bus.publish(COMMITTED_SUBJECT, message(1, notice("a")))
    await reader.read_once(timeout_s=0.5)
    assert table.unconfirmed_sets == 0
    assert reader.position == 1


async def test_a_bus_that_is_away_is_waited_for(bus, monkeypatch):
    clock, fails = ManualClock(), []
    fetch = bus.fetch

    async def fails_twice(*args, **options):
        if len(fails) < 2:
            fails.append(1)
            raise UnreachableError("away")
        return await fetch(*args, **options)

    monkeypatch.setattr(bus, "fetch", fails_twice)
    table = table_with_sets("a")
    await bus.publish(COMMITTED_SUBJECT, message(1, notice("a")))
    task = asyncio.create_task(ConfirmationReader(bus, table, clock, position=0).run())
    await clock.run_for(10.0)
    await until(lambda: table.unconfirmed_sets == 0, what="the confirmation")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(fails) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"position": "x", "sets": []}',
        b'{"position": 1}',
        b'{"position": 1, "sets": [{}]}',
        b'{"position": 1, "sets": [5]}',
        b'{"position": 1, "sets": [], "rejected": [{}]}',
    ],
)
def test_malformed_messages_are_the_writers_fault(data):
    with pytest.raises(PeerError):
        decode_confirmation(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    try:
        decode_confirmation(data)
    except PeerError:
        return
    assert data.startswith(b"{")
