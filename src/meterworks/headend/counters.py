"""Our invocation counters: one per device, reserved in blocks before use, so that none is ever used twice.

A repeated counter under the same key and title destroys AES-GCM, so the database always holds a bound above every
counter that may have been used; after a restart we go on from the bound and never from what was really used.
Source: DLMS/COSEM security, invocation counters.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from meterworks.headend.errors import CounterExhaustedError
from meterworks.runtime import get_logger

__all__ = ["COUNTER_LAST", "CounterBlocks", "DeviceCounter", "ReservedCounter"]

log = get_logger("headend.counters")

COUNTER_LAST = 0xFFFF_FFFF
"""At this value the key is dead."""
LOW_WATER_SHARE = 0.5
LAST_ONES_MIN = 8
"""An association and a transfer take less."""

Reserve = Callable[[Mapping[int, int]], Awaitable[None]]


class DeviceCounter:
    """The counter of one device. `next` gives numbers below the reserved bound and asks for more in good time."""

    __slots__ = ("_blocks", "_device_id", "_next", "bound")

    def __init__(self, blocks: "CounterBlocks", device_id: int, start: int) -> None:
        self._blocks = blocks
        self._device_id = device_id
        self._next = start
        self.bound = start

    @property
    def following(self) -> int:
        """The number that comes next."""
        return self._next

    @property
    def left(self) -> int:
        """Counters that may be given before more must be reserved."""
        return self.bound - self._next

    def next(self) -> int:
        """Give a number never given before. CounterExhaustedError when none is reserved."""
        if self._next >= self.bound:
            raise CounterExhaustedError(
                f"device {self._device_id}: no invocation counter is reserved; try again", device=self._device_id
            )
        given = self._next
        self._next = given + 1
        if self.left < self._blocks.block * LOW_WATER_SHARE:
            self._blocks.want(self._device_id)
        return given

    def raise_to(self, lowest: int) -> None:
        """Never give less than this again: what the device said it will accept. Our own is never lowered."""
        self._next = max(self._next, min(lowest, COUNTER_LAST))


class ReservedCounter:
    """Counters of one block, reserved by whoever made it: of a key that is not in force yet, or not any more."""

    __slots__ = ("_device_id", "_next", "bound")

    def __init__(self, device_id: int, start: int, bound: int) -> None:
        self._device_id = device_id
        self._next = start
        self.bound = bound

    def next(self) -> int:
        """Give a number never given before. CounterExhaustedError at the end of the block."""
        if self._next >= min(self.bound, COUNTER_LAST + 1):
            raise CounterExhaustedError(
                f"device {self._device_id}: no invocation counter is reserved; try again", device=self._device_id
            )
        given = self._next
        self._next = given + 1
        return given


class CounterBlocks:
    """All counters, and the reservations that go to the database together."""

    def __init__(self, reserve: Reserve, *, block: int, reserved: Mapping[int, int]) -> None:
        self.block = block
        self._reserve = reserve
        self._reserved = dict(reserved)
        self._counters: dict[int, DeviceCounter] = {}
        self._wanted: set[int] = set()
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self.on_low: Callable[[int, int], None] = lambda device_id, left: None
        """Told of a device of whose key few counters are left (SEC-007)."""
        self.low_mark = 0
        """How few counters left under a key are few."""

    def counter(self, device_id: int) -> DeviceCounter:
        """The counter of a device; it goes on from what was reserved by any earlier process."""
        found = self._counters.get(device_id)
        if found is None:
            found = self._counters[device_id] = DeviceCounter(self, device_id, self._reserved.get(device_id, 0))
        return found

    async def ready(self, device_id: int) -> DeviceCounter:
        """The counter of a device with half a block in reserve."""
        counter = self.counter(device_id)
        while counter.left < self.block * LOW_WATER_SHARE:
            if counter.bound > COUNTER_LAST:
                raise CounterExhaustedError(
                    f"device {device_id}: the key's invocation counters are used up; change the key", device=device_id
                )
            await asyncio.shield(self.want(device_id))
        return counter

    async def last_ones(self, device_id: int) -> DeviceCounter:
        """As `ready`, for who changes the key: it may use the last numbers there are, which nobody else gets."""
        try:
            return await self.ready(device_id)
        except CounterExhaustedError:
            counter = self.counter(device_id)
            if counter.left < LAST_ONES_MIN:
                raise
            return counter

    async def reserve_all(self, device_ids: list[int]) -> None:
        """Reserve a block for each of many devices at once."""
        self._wanted.update(each for each in device_ids if self.counter(each).left < self.block * LOW_WATER_SHARE)
        await self._reserve_wanted()

    def want(self, device_id: int) -> asyncio.Task[None]:
        """Ask for another block; requests of one moment go to the database together, in the task given back."""
        self._wanted.add(device_id)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._reserve_wanted())
            self._task.add_done_callback(_note)
        return self._task

    async def _reserve_wanted(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, set()
            async with self._lock:
                await self._reserve_for(wanted)

    async def _reserve_for(self, device_ids: set[int]) -> None:
        bounds = {}
        for device_id in device_ids:
            counter = self.counter(device_id)
            start = max(counter.bound, counter.following)
            bounds[device_id] = min(start + self.block, COUNTER_LAST + 1)
        await self._reserve(bounds)
        for device_id, bound in bounds.items():
            counter = self.counter(device_id)
            counter.bound = max(counter.bound, bound)
            left = COUNTER_LAST + 1 - bound
            if left < self.low_mark:
                self.on_low(device_id, left)

    async def restart(self, device_id: int, bound: int, write: Callable[[], Awaitable[None]]) -> None:
        """Begin anew under another key of ours: below the bound numbers may have been used under it.

        write: makes the new start durable; no reservation under the key before runs at the same time. The caller holds
        the device: no session uses its counter.
        """
        async with self._lock:
            await write()
            self._counters[device_id] = DeviceCounter(self, device_id, bound)

    async def close(self) -> None:
        """Wait for a reservation under way."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


def _note(task: asyncio.Task[None]) -> None:
    """A reservation that failed shows in the session that needs it, as an exhausted counter or as this error."""
    if not task.cancelled() and task.exception() is not None:
        log.warning("invocation counters could not be reserved", error=str(task.exception()))
