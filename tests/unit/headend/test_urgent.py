"""Urgent work in a session that is already open."""

import asyncio
from types import SimpleNamespace

import pytest

from meterworks.errors import RefusedError, UnreachableError
from meterworks.headend.urgent import Served, UrgentDesk

SESSION = SimpleNamespace(device=SimpleNamespace(device_id=1))


def asked(desk, work, device_id=1):
    return asyncio.ensure_future(desk.ask(device_id, work))


async def test_work_is_done_by_the_session_of_its_device_in_order():
    desk, done = UrgentDesk(), []

    def work(name):
        async def run(session):
            done.append((name, session))

        return run

    waiting = [asked(desk, work(name)) for name in "ab"]
    other = asked(desk, work("c"), device_id=2)
    await asyncio.sleep(0)
    assert desk.count == 3
    await desk.serve(SESSION)
    assert await asyncio.gather(*waiting) == [Served(done=True)] * 2
    assert done == [("a", SESSION), ("b", SESSION)]
    assert not other.done()
    other.cancel()


async def test_a_refusal_ends_the_work_and_not_the_session():
    desk, error = UrgentDesk(), RefusedError("no")

    async def work(_):
        raise error

    waiting = asked(desk, work)
    await asyncio.sleep(0)
    await desk.serve(SESSION)
    assert await waiting == Served(done=True, error=error)


async def test_a_lost_link_ends_the_session_and_sends_the_asker_elsewhere():
    desk = UrgentDesk()

    async def work(_):
        raise UnreachableError("gone")

    waiting = [asked(desk, work), asked(desk, work)]
    await asyncio.sleep(0)
    with pytest.raises(UnreachableError):
        await desk.serve(SESSION)
    desk.session_ended(1)
    assert await asyncio.gather(*waiting) == [Served(done=False)] * 2


async def test_who_no_longer_waits_is_not_served():
    desk, done = UrgentDesk(), []

    async def work(_):
        done.append(True)

    waiting = asked(desk, work)
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    await desk.serve(SESSION)
    assert done == []
    assert desk.count == 0


async def test_work_that_comes_while_another_is_done_is_done_too():
    desk, done = UrgentDesk(), []

    async def second(_):
        done.append(2)

    async def first(_):
        done.append(1)
        asked(desk, second)
        await asyncio.sleep(0)

    asked(desk, first)
    await asyncio.sleep(0)
    await desk.serve(SESSION)
    assert done == [1, 2]
