"""When each meter of a fleet pushes: a heap of what is due, without a clock or a socket of its own.

Every meter has one entry for its scheduled push and one for looking ahead at its events; alarms and repetitions come
beside them. Meters of one period start spread over it, by their place in the fleet, so that no two ticks of the clock
bring the whole fleet at once.
"""

import heapq
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from meterworks.catalogue import EVENT_CODES, EVENT_LOGS, Severity
from meterworks.devices.load import MeterEvents
from meterworks.devices.push_object import ALARM_PUSH, CONNECTION_PUSH, PUSH_SETUPS, SCHEDULED_PUSH
from meterworks.devices.push_setup import RetryPlan
from meterworks.protocols.dlms import ObisCode

__all__ = ["ALARM_CODES", "LOOK_AHEAD_S", "PushDue", "PushSchedule", "PushTask"]

LOOK_AHEAD_S: Final = 900  # events of the metrology part are looked up this far ahead
GOLDEN: Final = 0.6180339887498949  # multiples of it fall evenly into 0..1, in whatever order meters are numbered
POWER_DOWN: Final = 1
ALARMS_WAITING_MAX: Final = 4096

#: (E of the event log, code): what a meter tells at once. A power failure is its last gasp.
ALARM_CODES: Final[frozenset[tuple[int, int]]] = frozenset(
    {(0, POWER_DOWN)}
    | {
        (ObisCode(EVENT_LOGS[event.log].obis_code)[4], event.code)
        for event in EVENT_CODES.values()
        if event.severity is Severity.ALARM
    }
)


class PushTask(IntEnum):
    """What is due."""

    SCHEDULED = SCHEDULED_PUSH
    ALARM = ALARM_PUSH
    CONNECTION = CONNECTION_PUSH
    LOOK_AHEAD = 100


@dataclass(frozen=True, slots=True, order=True)
class PushDue:
    """One entry: when (epoch s), what, of which meter, and how often it was tried before."""

    epoch_s: float
    task: PushTask
    index: int
    attempt: int = 0


class PushSchedule:
    """The heap. Bounded: two entries a meter, and at most ALARMS_WAITING_MAX alarms and repetitions."""

    def __init__(self, size: int, now_epoch_s: float) -> None:
        """size: meters in the fleet."""
        self._scheduled: npt.NDArray[np.bool_] = np.zeros(size, bool)
        self._extra = 0
        self.dropped = 0  # alarms and repetitions for which there was no room
        self._heap = [PushDue(now_epoch_s + _share(index) * 60, PushTask.LOOK_AHEAD, index) for index in range(size)]
        heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    def next_epoch_s(self) -> float | None:
        """Give when something is due next; None when nothing ever is."""
        return self._heap[0].epoch_s if self._heap else None

    def take_due(self, now_epoch_s: float, count_max: int) -> list[PushDue]:
        """Take what is due, oldest first."""
        taken: list[PushDue] = []
        while self._heap and len(taken) < count_max and self._heap[0].epoch_s <= now_epoch_s:
            due = heapq.heappop(self._heap)
            if due.task is PushTask.SCHEDULED and not due.attempt:
                self._scheduled[due.index] = False
            elif due.task is not PushTask.LOOK_AHEAD:
                self._extra -= 1
            taken.append(due)
        return taken

    def plan(self, index: int, now_epoch_s: float, period_s: int) -> None:
        """Put the meter's next scheduled push in, unless it is there or its period is 0."""
        if period_s and not self._scheduled[index]:
            self._scheduled[index] = True
            spread_s = min(period_s, PUSH_SETUPS[SCHEDULED_PUSH].randomisation_s) * _share(index)
            following = (now_epoch_s - spread_s) // period_s * period_s + period_s + spread_s
            heapq.heappush(self._heap, PushDue(following, PushTask.SCHEDULED, index))

    def look_again(self, index: int, now_epoch_s: float) -> None:
        """Put the next look at the meter's events in."""
        heapq.heappush(self._heap, PushDue(now_epoch_s + LOOK_AHEAD_S, PushTask.LOOK_AHEAD, index))

    def plan_alarms(self, index: int, events: MeterEvents) -> None:
        """Put in one alarm for each moment with an event that is told at once."""
        rows = zip(events.epoch_s.tolist(), events.log.tolist(), events.code.tolist(), strict=True)
        for epoch_s in sorted({epoch_s for epoch_s, log, code in rows if (log, code) in ALARM_CODES}):
            self._put_extra(PushDue(epoch_s, PushTask.ALARM, index))

    def plan_now(self, index: int, instance: int, now_epoch_s: float, spread_s: int = 0) -> None:
        """Put in a push asked for by a client or by an event of the management part.

        spread_s: over so long the meters of a fleet spread what all of them were asked for.
        """
        self._put_extra(PushDue(now_epoch_s + spread_s * _share(index), PushTask(instance), index, attempt=1))

    def repeat(self, due: PushDue, now_epoch_s: float, plan: RetryPlan) -> bool:
        """Put a failed push in again, later each time; False when it was tried as often as its set-up says."""
        if due.attempt >= plan.retries_max:
            return False
        wait_s = plan.delay_before(due.attempt) * (1 + _share(due.index))
        return self._put_extra(PushDue(now_epoch_s + wait_s, due.task, due.index, due.attempt + 1))

    def postpone(self, due: PushDue, epoch_s: float) -> bool:
        """Put a push in again as it was, for a later instant: its window is closed.

        A scheduled one stays the next of its schedule, so that a closed window gathers no pushes behind it.
        """
        if due.task is PushTask.SCHEDULED and not due.attempt:
            self._scheduled[due.index] = True
            heapq.heappush(self._heap, PushDue(epoch_s, due.task, due.index))
            return True
        return self._put_extra(PushDue(epoch_s, due.task, due.index, due.attempt))

    def forget(self, index: int, instance: int) -> int:
        """Take out what of a meter waits for this set-up, its schedule apart; give how many they were."""
        kept = [due for due in self._heap if not _waits_for(due, index, instance)]
        dropped = len(self._heap) - len(kept)
        self._extra -= dropped
        self._heap = kept
        heapq.heapify(self._heap)
        return dropped

    def _put_extra(self, due: PushDue) -> bool:
        if self._extra >= ALARMS_WAITING_MAX:
            self.dropped += 1
            return False
        self._extra += 1
        heapq.heappush(self._heap, due)
        return True


def _waits_for(due: PushDue, index: int, instance: int) -> bool:
    """Tell whether an entry is an alarm, a repetition or a push asked for of this set-up of this meter."""
    regular = due.task is PushTask.SCHEDULED and not due.attempt
    return due.index == index and int(due.task) == instance and not regular


def _share(index: int) -> float:
    """Give the meter's place in 0..1."""
    return index * GOLDEN % 1.0
