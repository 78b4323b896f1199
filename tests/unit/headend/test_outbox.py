"""Sets on their way: several at once, bounded, given back when they cannot leave."""

import asyncio

import numpy as np
import pytest

from meterworks.errors import UnreachableError
from meterworks.headend.expectation import ExpectationTable, ProfileRule
from meterworks.headend.outbox import Outbox
from meterworks.headend.profile_rows import Readings
from meterworks.headend.reading_set import ReadingSet
from meterworks.runtime import ManualClock

DAY = 86_400
SPAN = (0, DAY)
PAIR = (1, "load_import")
RULE = ProfileRule(profile="load_import", step_s=1800, depth_s=10 * DAY, on_grid=True)


class Bus:
    """Takes messages when it is let."""

    def __init__(self):
        self.taken = []
        self.open = asyncio.Event()
        self.open.set()
        self.error = None
        self.at_once = 0

    async def publish(self, subject, data, *, headers=None, message_id=None):
        self.at_once += 1
        await self.open.wait()
        if self.error is not None:
            raise self.error
        self.taken.append((subject, headers["set_id"], message_id))
        return len(self.taken)


def reading_set(device_id=1, rows=4, profile="load_import"):
    readings = Readings(
        channel=np.full(rows, 12, np.int32),
        ts_epoch_s=np.arange(rows, dtype=np.int64) * 1800,
        value=np.arange(rows, dtype=np.int64),
        flags=np.zeros(rows, np.int32),
        covered=(SPAN,),
        absent=(),
    )
    return ReadingSet.of(
        readings, device_id=device_id, profile=profile, span=SPAN, source="pull", received_at_epoch_s=1.0
    )


@pytest.fixture
async def bench():
    table = ExpectationTable()
    table.lay_down(1, RULE, ((0, 2**40),), until_epoch_s=DAY)
    bus = Bus()
    outbox = Outbox(bus, table, ManualClock(5.0), bytes_max=5000)
    task = asyncio.create_task(outbox.run())
    yield table, bus, outbox
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_set_counts_as_sent_at_once_and_is_acknowledged_when_stored(bench):
    table, bus, outbox = bench
    bus.open.clear()
    one = reading_set()
    await outbox.put(one, (SPAN,))
    assert table.missing(PAIR) == ()
    assert table.unconfirmed_rows == 4
    bus.open.set()
    await outbox.drained()
    assert bus.taken == [("readings.set.1", one.set_id, one.set_id)]
    assert table.ledger(PAIR).sent[one.set_id].sequence == 1
    assert outbox.bytes_waiting == 0


async def test_a_set_that_cannot_leave_is_missing_again_and_its_device_named(bench):
    table, bus, outbox = bench
    bus.error, lost = UnreachableError("away"), []
    outbox.on_lost = lost.append
    await outbox.put(reading_set(), (SPAN,))
    await outbox.drained()
    assert table.missing(PAIR) == (SPAN,)
    assert lost == [1]
    bus.error = None
    await outbox.put(reading_set(), (SPAN,))
    await outbox.drained()
    assert table.missing(PAIR) == ()


async def test_who_brings_too_much_waits(bench):
    _, bus, outbox = bench
    bus.open.clear()
    size = len(reading_set().data)
    waiting = [asyncio.create_task(outbox.put(reading_set(), (SPAN,))) for _ in range(5000 // size + 3)]
    await asyncio.sleep(0.01)
    assert sum(task.done() for task in waiting) == 5000 // size
    assert outbox.bytes_waiting <= 5000
    bus.open.set()
    await asyncio.gather(*waiting)


async def test_a_single_set_larger_than_the_limit_still_passes(bench):
    _, bus, outbox = bench
    large = reading_set(rows=200)
    assert len(large.data) > 5000
    await outbox.put(large, (SPAN,))
    await outbox.drained()
    assert len(bus.taken) == 1


async def test_several_sets_travel_at_once(bench):
    _, bus, outbox = bench
    bus.open.clear()
    for _ in range(5):
        await outbox.put(reading_set(), (SPAN,))
    await asyncio.sleep(0.01)
    assert bus.at_once == 5
    bus.open.set()
    await outbox.drained()


async def test_a_set_of_a_profile_nobody_expects_is_published_all_the_same(bench):
    table, bus, outbox = bench
    await outbox.put(reading_set(profile="push"), (SPAN,))
    await outbox.drained()
    assert len(bus.taken) == 1
    assert table.unconfirmed_sets == 0
