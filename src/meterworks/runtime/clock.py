"""The system's clock: UTC with an offset and a rate, the same in every process, and a hand-driven one for tests.

System time = anchor + (machine time - anchor) x rate + offset. All processes of one system load the same three numbers,
so they agree without talking. A rate of 1440 runs a day in a minute; a negative offset starts the system at the end of
an old file of readings.
"""

import asyncio
import heapq
import itertools
import json
import math
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from meterworks.runtime.errors import SettingsError
from meterworks.runtime.files import write_atomically

__all__ = ["Clock", "ClockSettings", "ManualClock", "SystemClock", "load_clock", "save_clock"]

RATE_MAX = 1_000_000.0  # above it a machine second would pass a fortnight: nothing could follow


class Clock(Protocol):
    """What tells the time to everything above the runtime. Never read the machine's clock beside it."""

    def now(self) -> datetime:
        """System time, aware, UTC."""
        ...

    def epoch_s(self) -> float:
        """System time in seconds since 1970 UTC."""
        ...

    async def sleep(self, system_seconds: float) -> None:
        """Wait until that much system time has passed; nothing or less gives way to other tasks once."""
        ...


@dataclass(frozen=True)
class ClockSettings:
    """How system time follows machine time. Kept in `clock.json` of the data folder."""

    offset_s: float = 0.0
    rate: float = 1.0  # system seconds per machine second
    anchor_epoch_s: float = 0.0  # the machine time at which the rate has done nothing yet

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (self.offset_s, self.rate, self.anchor_epoch_s)):
            raise SettingsError(f"a clock setting is not a finite number: {self}", value=str(self))
        if not 0 < self.rate <= RATE_MAX:
            raise SettingsError(f"the clock's rate {self.rate} is not in 0..{RATE_MAX:g}", value=self.rate)


class SystemClock:
    """The clock of a running system."""

    def __init__(self, settings: ClockSettings | None = None) -> None:
        self.settings = settings or ClockSettings()
        self._rate = self.settings.rate
        self._anchor_epoch_s = self.settings.anchor_epoch_s
        self._start_epoch_s = self.settings.anchor_epoch_s + self.settings.offset_s

    def now(self) -> datetime:
        """System time, aware, UTC."""
        return datetime.fromtimestamp(self.epoch_s(), UTC)

    def epoch_s(self) -> float:
        """System time in seconds since 1970 UTC."""
        return self._start_epoch_s + (time.time() - self._anchor_epoch_s) * self._rate

    async def sleep(self, system_seconds: float) -> None:
        """Wait until that much system time has passed."""
        await asyncio.sleep(max(0.0, system_seconds) / self._rate)


class ManualClock:
    """A clock that stands still until a test advances it. Sleepers wake in the order of their deadlines."""

    def __init__(self, start: datetime | float = 0.0) -> None:
        self._epoch_s = start.timestamp() if isinstance(start, datetime) else float(start)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        """System time, aware, UTC."""
        return datetime.fromtimestamp(self._epoch_s, UTC)

    def epoch_s(self) -> float:
        """System time in seconds since 1970 UTC."""
        return self._epoch_s

    async def sleep(self, system_seconds: float) -> None:
        """Wait until the test has advanced the clock by that much."""
        if system_seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._epoch_s + system_seconds, next(self._order), woken))
        await woken

    @property
    def next_deadline_epoch_s(self) -> float | None:
        """When the next sleeper wakes; None while nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():  # cancelled ones
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def advance(self, seconds: float) -> None:
        """Move the clock on at once and wake every sleeper whose deadline is reached."""
        self._epoch_s += seconds
        while (deadline := self.next_deadline_epoch_s) is not None and deadline <= self._epoch_s:
            heapq.heappop(self._sleepers)[2].set_result(None)

    async def run_for(self, seconds: float, *, turns: int = 20) -> None:
        """Advance from deadline to deadline, so that a sleeper that sleeps again wakes again within the time.

        turns: how often the loop is given way to after each step, so that the woken tasks get to their next sleep.
        """
        end = self._epoch_s + seconds
        await _give_way(turns)
        while (deadline := self.next_deadline_epoch_s) is not None and deadline <= end:
            self.advance(deadline - self._epoch_s)
            await _give_way(turns)
        self._epoch_s = end


async def _give_way(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def load_clock(path: Path) -> ClockSettings:
    """Read the settings; an absent file means machine time. Raises SettingsError for a file that makes no sense."""
    try:
        fields = json.loads(path.read_text())
        return ClockSettings(**{name: float(value) for name, value in fields.items()})
    except FileNotFoundError:
        return ClockSettings()
    except (ValueError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} does not hold clock settings ({error}): correct it, or delete it to run at machine time",
            path=str(path),
        ) from error


def save_clock(path: Path, settings: ClockSettings) -> None:
    """Write the settings for the processes started after it."""
    write_atomically(path, json.dumps(asdict(settings), indent=1).encode() + b"\n")
