"""Invocation counters never repeat, whatever dies when."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterworks.errors import UnreachableError
from meterworks.headend.counters import COUNTER_LAST, CounterBlocks
from meterworks.headend.errors import CounterExhaustedError


class Store:
    """Keeps bounds as the database would; can fail."""

    def __init__(self):
        self.bounds = {}
        self.writes = 0
        self.broken = False

    async def reserve(self, bounds):
        await asyncio.sleep(0)
        if self.broken:
            raise UnreachableError("no database")
        self.writes += 1
        self.bounds.update(bounds)


async def test_nothing_is_given_before_it_is_reserved():
    blocks = CounterBlocks(Store().reserve, block=8, reserved={})
    with pytest.raises(CounterExhaustedError):
        blocks.counter(1).next()


async def test_numbers_grow_and_the_next_block_comes_in_time():
    store = Store()
    blocks = CounterBlocks(store.reserve, block=8, reserved={})
    counter = await blocks.ready(1)
    given = []
    for _ in range(40):
        given.append(counter.next())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert given == list(range(40))
    assert store.bounds[1] > 39


async def test_a_restart_goes_on_above_all_that_was_reserved():
    store = Store()
    first = await CounterBlocks(store.reserve, block=8, reserved={}).ready(1)
    used = [first.next() for _ in range(3)]
    second = await CounterBlocks(store.reserve, block=8, reserved=store.bounds).ready(1)
    assert second.next() >= 8 > max(used)


async def test_many_devices_are_reserved_in_one_write():
    store = Store()
    blocks = CounterBlocks(store.reserve, block=8, reserved={3: 100})
    await blocks.reserve_all(list(range(1000)))
    assert store.writes == 1
    assert blocks.counter(3).next() == 100
    assert blocks.counter(4).next() == 0


async def test_sessions_that_begin_together_share_a_write():
    store = Store()
    blocks = CounterBlocks(store.reserve, block=8, reserved={})
    await asyncio.gather(*(blocks.ready(device) for device in range(50)))
    assert store.writes <= 2


async def test_ours_is_raised_and_never_lowered():
    blocks = CounterBlocks(Store().reserve, block=8, reserved={})
    counter = await blocks.ready(1)
    counter.raise_to(1000)
    assert (await blocks.ready(1)).next() == 1000
    counter.raise_to(5)
    assert counter.next() == 1001


async def test_a_used_up_key_is_dead():
    blocks = CounterBlocks(Store().reserve, block=8, reserved={1: COUNTER_LAST - 1})
    counter = blocks.counter(1)
    await blocks.reserve_all([1])
    assert [counter.next(), counter.next()] == [COUNTER_LAST - 1, COUNTER_LAST]
    with pytest.raises(CounterExhaustedError):
        await blocks.ready(1)


async def test_a_failing_database_fails_the_session_and_not_the_counter():
    store = Store()
    blocks = CounterBlocks(store.reserve, block=8, reserved={})
    store.broken = True
    with pytest.raises(UnreachableError):
        await blocks.ready(1)
    store.broken = False
    assert (await blocks.ready(1)).next() == 0
    await blocks.close()


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 60)), max_size=15))
def test_no_number_is_given_twice_over_any_restarts(lives):
    store = Store()
    given = []

    async def live(count, raised):
        blocks = CounterBlocks(store.reserve, block=8, reserved=store.bounds)
        for _ in range(count):
            counter = await blocks.ready(1)
            counter.raise_to(raised)
            given.append((await blocks.ready(1)).next())
        await blocks.close()

    for count, raised in lives:
        asyncio.run(live(count, raised))
    assert len(set(given)) == len(given)
    assert given == sorted(given)
