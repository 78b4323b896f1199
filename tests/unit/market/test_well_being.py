"""Health: each part is asked itself, at most so often, and never waited for longer than its time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from meterworks.errors import SecurityError, UnreachableError
from meterworks.market.well_being import HealthCheck

Answer = Callable[[], Awaitable[bytes]]


async def _well() -> bytes:
    return b'{"state":"ok","devices":7}'


async def _garbage() -> bytes:
    return b"\xff not JSON"


async def _list() -> bytes:
    return b"[1, 2]"


async def _gone() -> bytes:
    raise UnreachableError("nobody answers")


async def _broken() -> bytes:
    raise SecurityError("a signature is wrong")


async def _never() -> bytes:
    await asyncio.Event().wait()
    return b""


class Parts:
    """Database and bus, each as well as told."""

    def __init__(self, *, database: Answer = _well, headend: Answer = _well, writer: Answer = _well) -> None:
        self.answers = {"headend.status": headend, "readings.status": writer}
        self.database_answer = database
        self.asked = 0

    async def request(self, subject: str, _data: bytes, *, timeout_s: float) -> bytes:
        self.asked += 1
        return await self.answers[subject]()

    @asynccontextmanager
    async def read(self) -> AsyncIterator["Parts"]:
        await self.database_answer()
        yield self

    async def execute(self, _statement: object) -> None:
        return None

    def check(self, monotonic: Callable[[], float] = lambda: 0.0) -> HealthCheck:
        services = SimpleNamespace(database=self, bus=self)
        return HealthCheck(services, timeout_s=0.05, monotonic=monotonic)  # type: ignore[arg-type]  # a stand-in


async def test_all_well() -> None:
    found = await Parts().check().ask()
    assert found.well
    assert found.parts == {"database": "ok", "headend": "ok", "writer": "ok"}
    assert found.details["headend"] == {"state": "ok", "devices": 7}


@pytest.mark.parametrize("answer", [_garbage, _list])
async def test_a_part_that_answers_nonsense_is_there_at_least(answer: Answer) -> None:
    found = await Parts(headend=answer).check().ask()
    assert found.well
    assert found.details["headend"] == {}


@pytest.mark.parametrize(("answer", "state"), [(_gone, "unreachable"), (_broken, "failed"), (_never, "unreachable")])
@pytest.mark.parametrize("part", ["database", "headend", "writer"])
async def test_a_part_that_does_not_answer_degrades_the_whole(part: str, answer: Answer, state: str) -> None:
    found = await Parts(**{part: answer}).check().ask()
    assert not found.well
    assert found.parts[part] == state
    assert list(found.parts.values()).count("ok") == 2


async def test_many_who_ask_at_once_make_one_question() -> None:
    parts = Parts()
    check = parts.check()
    await asyncio.gather(*(check.ask() for _ in range(50)))
    assert parts.asked == 2


async def test_an_answer_is_kept_for_a_moment_only() -> None:
    now = 0.0
    parts = Parts()
    check = parts.check(lambda: now)
    await check.ask()
    now = 0.4
    parts.answers["headend.status"] = _gone
    assert (await check.ask()).well
    now = 0.6
    assert not (await check.ask()).well
