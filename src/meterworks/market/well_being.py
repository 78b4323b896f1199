"""Is the system well? Each part is asked itself, within a time limit."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import orjson
from sqlalchemy import text

from meterworks.errors import MeterworksError
from meterworks.headend import STATUS_SUBJECT
from meterworks.market.services import MarketServices
from meterworks.runtime import together

__all__ = ["Health", "HealthCheck"]

CACHE_S = 0.5  # a flood of questions must not become a flood of pings
_SUBJECTS = {"headend": STATUS_SUBJECT, "writer": "readings.status"}

State = Literal["ok", "unreachable", "failed"]


@dataclass(frozen=True, slots=True)
class Health:
    """What each part said. `details` is for those who may see more than the state."""

    parts: Mapping[str, State]
    details: Mapping[str, Mapping[str, object]]

    @property
    def well(self) -> bool:
        """Every part is there."""
        return all(state == "ok" for state in self.parts.values())


class HealthCheck:
    """Asks database, head-end and writer, and keeps the answer for a moment."""

    def __init__(
        self, services: MarketServices, *, timeout_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._services = services
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._asking = asyncio.Lock()
        self._kept: tuple[float, Health] | None = None

    async def ask(self) -> Health:
        """The parts' states, at most CACHE_S old."""
        async with self._asking:
            if self._kept is None or self._kept[0] + CACHE_S < self._monotonic():
                self._kept = (self._monotonic(), await self._ask())
            return self._kept[1]

    async def _ask(self) -> Health:
        questions: dict[str, Awaitable[Mapping[str, object]]] = {"database": self._ping_database()}
        questions |= {part: self._ping(subject) for part, subject in _SUBJECTS.items()}
        answers = await together(*(self._state(question) for question in questions.values()))
        named = dict(zip(questions, answers, strict=True))
        return Health(
            parts={part: state for part, (state, _) in named.items()},
            details={part: details for part, (_, details) in named.items()},
        )

    async def _state(self, question: Awaitable[Mapping[str, object]]) -> tuple[State, Mapping[str, object]]:
        try:
            async with asyncio.timeout(self._timeout_s):
                return "ok", await question
        except TimeoutError:
            return "unreachable", {}
        except MeterworksError as error:
            return "unreachable" if error.retry == "safe" else "failed", {}

    async def _ping_database(self) -> Mapping[str, object]:
        async with self._services.database.read() as connection:
            await connection.execute(text("SELECT 1"))
        return {}

    async def _ping(self, subject: str) -> Mapping[str, object]:
        answer = await self._services.bus.request(subject, b"{}", timeout_s=self._timeout_s)
        try:
            document = orjson.loads(answer)
        except orjson.JSONDecodeError:
            return {}
        return document if isinstance(document, dict) else {}
