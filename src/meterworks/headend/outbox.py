"""Reading sets on their way to the bus: several in flight, bounded in bytes, given back when they cannot leave."""

import asyncio
from collections.abc import Callable

from meterworks.errors import MeterworksError
from meterworks.headend.expectation import ExpectationTable
from meterworks.headend.ranges import Ranges
from meterworks.headend.reading_set import ReadingSet
from meterworks.runtime import Bus, Clock, counter, gauge, get_logger

__all__ = ["Outbox"]

log = get_logger("headend.outbox")

PUBLISHERS = 16
BYTES_WAITING = gauge("headend_outbox_bytes", "Bytes of reading sets being published")
SETS_PUBLISHED = counter("headend_sets_total", "Reading sets by fate", ["fate"])
ROWS_PUBLISHED = counter("headend_readings_total", "Readings published", ["source"])


class Outbox:
    """Publishes reading sets and keeps the expectation table told. `run()` until cancelled."""

    def __init__(self, bus: Bus, table: ExpectationTable, clock: Clock, *, bytes_max: int) -> None:
        self._bus = bus
        self._table = table
        self._clock = clock
        self._bytes_max = bytes_max
        self._bytes = 0
        self._queue: asyncio.Queue[ReadingSet] = asyncio.Queue()
        self._room = asyncio.Condition()
        self.on_lost: Callable[[int], None] = lambda device_id: None
        """Told the device whose set could not be published."""

    @property
    def bytes_waiting(self) -> int:
        """Bytes taken over and not yet published."""
        return self._bytes

    async def put(self, reading_set: ReadingSet, covered: Ranges) -> None:
        """Take a set over; waits while too much is on its way. What it covers counts as sent from now on."""
        size = len(reading_set.data)
        async with self._room:
            await self._room.wait_for(lambda: self._bytes == 0 or self._bytes + size <= self._bytes_max)
            self._bytes += size
        pair = (reading_set.device_id, reading_set.profile)
        now = self._clock.epoch_s()
        self._table.mark_sent(pair, reading_set.set_id, covered, at_epoch_s=now, rows=reading_set.rows)
        self._queue.put_nowait(reading_set)

    async def run(self) -> None:
        """Publish what comes."""
        async with asyncio.TaskGroup() as publishers:
            for _ in range(PUBLISHERS):
                publishers.create_task(self._publish_all())

    async def drained(self) -> None:
        """Return when everything taken over was published or given back."""
        await self._queue.join()

    async def _publish_all(self) -> None:
        while True:
            reading_set = await self._queue.get()
            try:
                await self._publish(reading_set)
            finally:
                self._queue.task_done()
                await self._leave(len(reading_set.data))

    async def _publish(self, reading_set: ReadingSet) -> None:
        try:
            sequence = await self._bus.publish(
                reading_set.subject, reading_set.data, headers=reading_set.headers, message_id=reading_set.set_id
            )
        except MeterworksError as error:
            self._table.give_back(reading_set.set_id)
            SETS_PUBLISHED.labels("given back").inc()
            log.warning("reading set could not be published", device=reading_set.device_id, error=str(error))
            self.on_lost(reading_set.device_id)
            return
        self._table.acknowledge(reading_set.set_id, sequence)
        SETS_PUBLISHED.labels("published").inc()
        ROWS_PUBLISHED.labels(reading_set.source).inc(reading_set.rows)

    async def _leave(self, size: int) -> None:
        async with self._room:
            self._bytes -= size
            BYTES_WAITING.set(self._bytes)
            self._room.notify_all()
