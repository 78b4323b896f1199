"""Several awaitables at once, of which none outlives the wait for them."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar, overload

__all__ = ["together"]

First = TypeVar("First")
Second = TypeVar("Second")


@overload
async def together(first: Awaitable[First], second: Awaitable[Second], /) -> tuple[First, Second]: ...
@overload
async def together(*awaitables: Awaitable[First]) -> tuple[First, ...]: ...


async def together(*awaitables: Awaitable[object]) -> tuple[object, ...]:
    """Give all results, in order. When one fails, or the wait is cancelled, the others are cancelled and awaited.

    `asyncio.gather` lets them go on behind the caller's back, with whatever connections they hold; a task group wraps
    the error in a group, which our callers would have to open.
    """
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        return tuple(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            # gather has passed a cancellation on: a second one would cut the cleaning up short
            if not (isinstance(task, asyncio.Task) and task.cancelling()):
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
