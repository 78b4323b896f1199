"""When each device is due, and which collection run its visit belongs to."""

import asyncio
import heapq
from dataclasses import dataclass, field

from meterworks.headend.slots import Job
from meterworks.headend.store import Run
from meterworks.headend.workbook import Workbook
from meterworks.runtime import Clock

__all__ = ["Agenda", "RunBook"]


@dataclass(slots=True)
class Agenda:
    """Due times of devices. A device is due once, or queued, or being visited."""

    due: dict[int, float] = field(default_factory=dict)
    queued: dict[int, Job] = field(default_factory=dict)
    sooner: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a device became due before all others."""
    _heap: list[tuple[float, int]] = field(default_factory=list)

    def set(self, device_id: int, at_epoch_s: float) -> None:
        """The device is due then, and no longer at any other time."""
        if not self._heap or at_epoch_s < self._heap[0][0]:
            self.sooner.set()
        self.due[device_id] = at_epoch_s
        heapq.heappush(self._heap, (at_epoch_s, device_id))

    def drop(self, device_id: int) -> None:
        """The device is no longer visited."""
        self.due.pop(device_id, None)
        job = self.queued.pop(device_id, None)
        if job is not None:
            job.cancelled = True

    def pop_due(self, now_epoch_s: float) -> list[int]:
        """Take out the devices that are due, longest due first."""
        found = []
        while self._heap and self._heap[0][0] <= now_epoch_s:
            at, device_id = heapq.heappop(self._heap)
            if self.due.get(device_id) == at:
                del self.due[device_id]
                found.append(device_id)
        return found

    @property
    def next_epoch_s(self) -> float | None:
        """When the next device may be due."""
        return self._heap[0][0] if self._heap else None


@dataclass(slots=True)
class _OpenRun:
    run: Run
    outcomes: dict[int, bool | None] = field(default_factory=dict)

    def count(self) -> None:
        states = list(self.outcomes.values())
        self.run.planned, self.run.done, self.run.failed = len(states), states.count(True), states.count(False)

    @property
    def waits(self) -> bool:
        return any(state is None for state in self.outcomes.values())


class RunBook:
    """Collection runs: a gap run lasts until all its devices were visited, a scheduled run for one cycle."""

    def __init__(self, book: Workbook, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._open: dict[str, _OpenRun] = {}
        self._stale: set[str] = set()

    def join(self, kind: str, device_id: int) -> None:
        """A device is queued in the open run of its kind; the first one opens it."""
        entry = self._open.get(kind)
        if entry is None:
            entry = self._open[kind] = _OpenRun(self._book.open_run(kind))
        entry.outcomes[device_id] = None
        self._stale.add(kind)

    def leave(self, kind: str, device_id: int, *, done: bool) -> None:
        """A device of a run was visited."""
        entry = self._open.get(kind)
        if entry is not None and device_id in entry.outcomes:
            entry.outcomes[device_id] = done
            self._stale.add(kind)

    def update(self) -> None:
        """Count what changed since the last call; a gap run that waits for nobody is over."""
        stale, self._stale = self._stale, set()
        for kind in stale:
            entry = self._open[kind]
            entry.count()
            self._book.update_run(entry.run)
            if kind == "gap" and not entry.waits:
                self._close(kind)

    def begin_cycle(self) -> None:
        """End the scheduled run; devices it still waits for go on in the next one."""
        entry = self._open.get("scheduled")
        if entry is None:
            return
        waiting = [device_id for device_id, state in entry.outcomes.items() if state is None]
        for device_id in waiting:
            entry.outcomes[device_id] = False
        entry.count()
        self._close("scheduled")
        for device_id in waiting:
            self.join("scheduled", device_id)

    def _close(self, kind: str) -> None:
        entry = self._open.pop(kind)
        self._stale.discard(kind)
        entry.run.ended = self._clock.now()
        self._book.update_run(entry.run)
