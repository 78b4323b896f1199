"""Waiting for several things at once leaves nothing running."""

import asyncio

import pytest

from meterworks.runtime import together


async def test_results_come_in_the_order_asked() -> None:
    slow = asyncio.Event()

    async def first() -> str:
        await slow.wait()
        return "first"

    async def second() -> int:
        slow.set()
        return 2

    assert await together(first(), second()) == ("first", 2)


async def test_nothing_asked_is_nothing_given() -> None:
    assert await together() == ()


async def test_a_failure_ends_the_others_before_it_is_told() -> None:
    ended: list[str] = []

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("long")

    async def failing() -> None:
        await asyncio.sleep(0)
        raise LookupError("no table")

    with pytest.raises(LookupError, match="no table"):
        await together(long(), failing())
    assert ended == ["long"]


async def test_a_cancelled_wait_ends_them_all() -> None:
    ended: list[int] = []

    async def long(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(number)

    wait = asyncio.ensure_future(together(*[long(number) for number in range(3)]))
    await asyncio.sleep(0.01)
    wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait
    assert sorted(ended) == [0, 1, 2]


async def test_who_cleans_up_slowly_is_cancelled_once_only():
    cleaned = []

    async def quick():
        await asyncio.sleep(60)

    async def slow():
        try:
            await asyncio.sleep(60)
        finally:
            for _ in range(5):  # the others have long ended
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            cleaned.append("all")

    both = asyncio.create_task(together(slow(), quick()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    both.cancel()
    with pytest.raises(asyncio.CancelledError):
        await both
    assert cleaned == ["all"]
