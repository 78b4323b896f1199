"""Who may hold a session now: lanes, limits, one session per device, few per address, new connections at a rate.

On-demand work goes before scheduled work, and scheduled work never takes the last slots: so the night run cannot starve
a person who waits. Work for a device or address that is busy is parked with it and comes to the front when it is free.
"""

import asyncio
import heapq
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import IntEnum

from meterworks.headend.errors import QueueFullError
from meterworks.headend.schedule import TokenBucket
from meterworks.headend.settings import HeadendSettings
from meterworks.runtime import Clock, gauge, get_logger

__all__ = ["Job", "Lane", "SessionSlots"]

log = get_logger("headend.slots")

QUEUE_FILL = gauge("headend_queue_jobs", "Work waiting for a session slot", ["lane"])
SLOTS_USED = gauge("headend_sessions_open", "Sessions open now", ["lane"])
NAP_S_MAX = 1.0


class Lane(IntEnum):
    """Which queue a piece of work waits in."""

    ON_DEMAND = 0
    SCHEDULED = 1


@dataclass(slots=True, eq=False, kw_only=True)
class Job:
    """One piece of work that needs a session with a device."""

    device_id: int
    address: str
    lane: Lane
    run: Callable[[], Awaitable[None]]
    rank: int = 0
    """Among scheduled work: smaller first."""
    order: float = 0.0
    """Among equal rank: smaller first."""
    connects: bool = True
    """Whether it opens a connection, and so needs a token; false where the device called us."""
    cancelled: bool = False


@dataclass(slots=True)
class _Counts:
    on_demand: int = 0
    scheduled: int = 0

    @property
    def total(self) -> int:
        return self.on_demand + self.scheduled


@dataclass(slots=True)
class _Waiting:
    """The queues: urgent work in order of arrival, scheduled work by rank and order."""

    urgent: deque[Job] = field(default_factory=deque)
    heap: list[tuple[int, float, int, Job]] = field(default_factory=list)
    returned: deque[Job] = field(default_factory=deque)
    """Scheduled work whose device or address became free: next in line."""
    parked: dict[str, deque[Job]] = field(default_factory=dict)
    parked_counts: list[int] = field(default_factory=lambda: [0, 0])
    """Parked work by lane."""
    serial: int = 0


class SessionSlots:
    """Starts work as slots become free. `run()` until cancelled; `submit` from the same event loop."""

    def __init__(self, settings: HeadendSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._wake = asyncio.Event()
        self._waiting = _Waiting()
        self._counts = _Counts()
        self._busy_devices: set[int] = set()
        self._busy_addresses: dict[str, int] = {}
        self._bucket = TokenBucket(settings.connects_per_s_max, settings.connects_burst_max)
        self.scheduled_max = max(1, settings.sessions_max - math.ceil(settings.sessions_max * settings.on_demand_share))
        self.stopped = False
        """Whether nothing will be started any more."""
        self.hold_scheduled: Callable[[], bool] = lambda: False
        """Gives true while the scheduled work next in line has to wait (the writer is behind)."""

    # Submitting.

    def submit(self, job: Job) -> None:
        """Queue a piece of work. QueueFullError for on-demand work beyond its limit."""
        if job.lane is Lane.ON_DEMAND:
            if self.waiting(Lane.ON_DEMAND) >= self._settings.on_demand_queue_max:
                raise QueueFullError(
                    f"{self._settings.on_demand_queue_max} on-demand requests are waiting; try again later"
                )
            self._waiting.urgent.append(job)
        else:
            self._waiting.serial += 1
            heapq.heappush(self._waiting.heap, (job.rank, job.order, self._waiting.serial, job))
        self._wake.set()

    def waiting(self, lane: Lane) -> int:
        """Work of a lane that waits, parked work included."""
        parked = self._waiting.parked_counts[lane]
        if lane is Lane.ON_DEMAND:
            return len(self._waiting.urgent) + parked
        return len(self._waiting.heap) + len(self._waiting.returned) + parked

    @property
    def next_rank(self) -> int | None:
        """Rank of the scheduled work next in line, None where none waits."""
        if self._waiting.returned:
            return self._waiting.returned[0].rank
        return self._waiting.heap[0][0] if self._waiting.heap else None

    @property
    def open_sessions(self) -> int:
        """Sessions open now."""
        return self._counts.total

    def is_busy(self, device_id: int) -> bool:
        """Whether a session with the device is open."""
        return device_id in self._busy_devices

    def wake(self) -> None:
        """Look again whether something may start."""
        self._wake.set()

    # Running.

    async def run(self) -> None:
        """Start work as it may start. Cancelling ends the open sessions too."""
        async with asyncio.TaskGroup() as sessions:
            try:
                while True:
                    self._wake.clear()
                    await self._wait(self._start_ready(sessions))
            finally:
                self.stopped = True

    async def _wait(self, nap_s: float) -> None:
        try:
            async with asyncio.timeout(nap_s):
                await self._wake.wait()
        except TimeoutError:
            return

    def _start_ready(self, sessions: asyncio.TaskGroup) -> float:
        """Start everything that may start now. Gives seconds until a look may bring more."""
        while self._counts.total < self._settings.sessions_max:
            job = self._next_urgent()
            if job is None:
                if self._counts.scheduled >= self.scheduled_max or self.hold_scheduled():
                    break
                wait_s = self._bucket.wait_s(self._now_s())
                if wait_s > 0:
                    return min(wait_s, NAP_S_MAX)
                job = self._next_scheduled()
                if job is None:
                    break
            if job.connects:
                self._bucket.take(self._now_s())
            self._start(job, sessions)
        self._measure()
        return NAP_S_MAX

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _next_urgent(self) -> Job | None:
        while self._waiting.urgent:
            job = self._waiting.urgent.popleft()
            if not job.cancelled and self._admit(job):
                return job
        return None

    def _next_scheduled(self) -> Job | None:
        while self._waiting.returned or self._waiting.heap:
            job = self._waiting.returned.popleft() if self._waiting.returned else heapq.heappop(self._waiting.heap)[3]
            if not job.cancelled and self._admit(job):
                return job
        return None

    def _admit(self, job: Job) -> bool:
        """True if its device and address are free, else the job is parked with what is busy."""
        if job.device_id in self._busy_devices:
            key = f"device {job.device_id}"
        elif self._busy_addresses.get(job.address, 0) >= self._settings.sessions_per_address_max:
            key = f"address {job.address}"
        else:
            return True
        self._waiting.parked.setdefault(key, deque()).append(job)
        self._waiting.parked_counts[job.lane] += 1
        return False

    def _start(self, job: Job, sessions: asyncio.TaskGroup) -> None:
        self._busy_devices.add(job.device_id)
        self._busy_addresses[job.address] = self._busy_addresses.get(job.address, 0) + 1
        if job.lane is Lane.ON_DEMAND:
            self._counts.on_demand += 1
        else:
            self._counts.scheduled += 1
        sessions.create_task(self._hold(job), name=f"session {job.device_id}")

    async def _hold(self, job: Job) -> None:
        try:
            await job.run()
        except Exception:  # a supervisor: one session's defect must not end the others
            log.exception("session ended by a defect of ours", device=job.device_id)
        finally:
            self._release(job)

    def _release(self, job: Job) -> None:
        self._busy_devices.discard(job.device_id)
        left = self._busy_addresses[job.address] - 1
        if left:
            self._busy_addresses[job.address] = left
        else:
            del self._busy_addresses[job.address]
        if job.lane is Lane.ON_DEMAND:
            self._counts.on_demand -= 1
        else:
            self._counts.scheduled -= 1
        for key in (f"device {job.device_id}", f"address {job.address}"):
            for parked in self._waiting.parked.pop(key, ()):
                self._waiting.parked_counts[parked.lane] -= 1
                (self._waiting.urgent if parked.lane is Lane.ON_DEMAND else self._waiting.returned).append(parked)
        self._wake.set()

    def _measure(self) -> None:
        QUEUE_FILL.labels("on-demand").set(len(self._waiting.urgent))
        QUEUE_FILL.labels("scheduled").set(len(self._waiting.heap) + len(self._waiting.returned))
        SLOTS_USED.labels("on-demand").set(self._counts.on_demand)
        SLOTS_USED.labels("scheduled").set(self._counts.scheduled)
