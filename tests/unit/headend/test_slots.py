"""Lanes, limits, leases: who may hold a session."""

import asyncio
from dataclasses import dataclass, field

import pytest

from meterworks.headend.errors import QueueFullError
from meterworks.headend.settings import HeadendSettings
from meterworks.headend.slots import Job, Lane, SessionSlots
from meterworks.runtime import SystemClock


@dataclass
class Bench:
    """Slots with jobs that last until they are told to end."""

    settings: HeadendSettings
    slots: SessionSlots = None
    started: list = field(default_factory=list)
    ends: dict = field(default_factory=dict)

    def job(self, name, *, device_id=None, address=None, lane=Lane.SCHEDULED, **options):
        device_id = len(self.ends) + 1 if device_id is None else device_id
        end = self.ends[name] = asyncio.Event()

        async def run():
            self.started.append(name)
            await end.wait()

        job = Job(device_id=device_id, address=address or str(device_id), lane=lane, run=run, **options)
        self.slots.submit(job)
        return job

    async def settle(self):
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def bench():
    running = []

    def make(**settings):
        made = Bench(HeadendSettings(connects_burst_max=1000, **settings))
        made.slots = SessionSlots(made.settings, SystemClock())
        running.append(asyncio.create_task(made.slots.run()))
        return made

    yield make
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_scheduled_work_never_takes_the_last_slots(bench):
    made = bench(sessions_max=10)
    for number in range(20):
        made.job(number)
    await made.settle()
    assert len(made.started) == made.slots.scheduled_max == 7
    made.job("person", lane=Lane.ON_DEMAND)
    await made.settle()
    assert made.started[-1] == "person"


async def test_persons_may_use_every_slot(bench):
    made = bench(sessions_max=4)
    for number in range(6):
        made.job(number, lane=Lane.ON_DEMAND)
    await made.settle()
    assert made.started == [0, 1, 2, 3]
    assert made.slots.waiting(Lane.ON_DEMAND) == 2


async def test_smaller_ranks_go_first_and_then_who_is_longer_due(bench):
    made = bench(sessions_max=1, on_demand_share=0.0)
    made.job("first")
    await made.settle()
    for name, rank, order in (("late", 1, 9.0), ("early", 1, 3.0), ("fill", 0, 10.0)):
        made.job(name, rank=rank, order=order)
    for name in ("first", "fill", "early", "late"):
        made.ends[name].set()
        await made.settle()
    assert made.started == ["first", "fill", "early", "late"]


async def test_a_device_has_one_session_and_waiting_work_follows_at_once(bench):
    made = bench(sessions_max=10)
    made.job("night", device_id=5)
    await made.settle()
    made.job("person", device_id=5, lane=Lane.ON_DEMAND)
    for number in range(10, 30):
        made.job(number, device_id=number)
    await made.settle()
    assert "person" not in made.started
    made.ends["night"].set()
    await made.settle()
    assert "person" in made.started
    assert made.slots.is_busy(5)


async def test_devices_behind_one_address_take_turns(bench):
    made = bench(sessions_max=10)
    for name in "abc":
        made.job(name, address="hub:4059")
    await made.settle()
    assert made.started == ["a"]
    made.ends["a"].set()
    await made.settle()
    assert len(made.started) == 2


async def test_an_address_may_have_as_many_sessions_as_set(bench):
    made = bench(sessions_max=10, sessions_per_address_max=2)
    for name in "abc":
        made.job(name, address="hub:4059")
    await made.settle()
    assert made.started == ["a", "b"]


async def test_the_queue_of_persons_is_bounded_with_those_who_wait_for_a_busy_device(bench):
    made = bench(sessions_max=10, on_demand_queue_max=2)
    made.job("busy", device_id=5)
    await made.settle()
    made.job("x", device_id=5, lane=Lane.ON_DEMAND)
    await made.settle()
    made.job("y", device_id=5, lane=Lane.ON_DEMAND)
    await made.settle()
    assert made.slots.waiting(Lane.ON_DEMAND) == 2
    with pytest.raises(QueueFullError):
        made.job("z", device_id=6, lane=Lane.ON_DEMAND)


async def test_work_nobody_wants_any_more_is_not_begun(bench):
    made = bench(sessions_max=1, on_demand_share=0.0)
    made.job("first")
    await made.settle()
    made.job("second").cancelled = True
    made.job("third", lane=Lane.ON_DEMAND).cancelled = True
    made.ends["first"].set()
    await made.settle()
    assert made.started == ["first"]
    assert made.slots.open_sessions == 0


async def test_scheduled_work_is_held_while_the_writer_is_behind(bench):
    made = bench(sessions_max=10)
    behind = True
    made.slots.hold_scheduled = lambda: behind
    made.job("night")
    made.job("person", lane=Lane.ON_DEMAND)
    await made.settle()
    assert made.started == ["person"]
    behind = False
    made.slots.wake()
    await made.settle()
    assert made.started == ["person", "night"]


async def test_new_connections_come_at_a_bounded_rate():
    slots = SessionSlots(HeadendSettings(connects_per_s_max=20.0, connects_burst_max=2), SystemClock())
    began, times, all_done = asyncio.get_running_loop().time(), [], asyncio.Event()

    async def run():
        times.append(asyncio.get_running_loop().time() - began)
        if len(times) == 6:
            all_done.set()

    for number in range(6):
        slots.submit(Job(device_id=number, address=str(number), lane=Lane.SCHEDULED, run=run))
    task = asyncio.create_task(slots.run())
    await all_done.wait()
    task.cancel()
    assert times[5] >= 0.15


async def test_a_defect_in_one_session_ends_that_session_only(bench):
    made = bench(sessions_max=2, on_demand_share=0.0)

    async def broken():
        raise ZeroDivisionError

    made.slots.submit(Job(device_id=1, address="1", lane=Lane.SCHEDULED, run=broken))
    made.job("next", device_id=1)
    await made.settle()
    assert made.started == ["next"]


async def test_ending_the_slots_ends_the_sessions():
    slots = SessionSlots(HeadendSettings(), SystemClock())
    ended = []

    async def run():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    slots.submit(Job(device_id=1, address="1", lane=Lane.SCHEDULED, run=run))
    task = asyncio.create_task(slots.run())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ended == [True]
    assert slots.open_sessions == 0
