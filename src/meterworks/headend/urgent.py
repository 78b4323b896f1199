"""Urgent work for a device that already has a session: it is done in that session, between two of its steps.

A device bears one association at a time. Whoever waits for a person's answer need not wait for the night run's session
to end and for another association: the open one serves.
"""

import asyncio
from dataclasses import dataclass

from meterworks.errors import MeterworksError, PeerError, RefusedError, UsageError
from meterworks.headend.session import DeviceSession
from meterworks.headend.visitor import Work

__all__ = ["Served", "UrgentDesk"]

HARMLESS = (RefusedError, PeerError, UsageError)
"""Errors that end a piece of work but not the session."""


@dataclass(frozen=True, slots=True)
class Served:
    """What came of urgent work. done: whether a session took it up at all."""

    done: bool
    error: MeterworksError | None = None


class UrgentDesk:
    """Urgent work waiting for a step of a session to end."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[tuple[Work, asyncio.Future[Served]]]] = {}
        self.count = 0
        """Pieces of work waiting."""

    async def ask(self, device_id: int, work: Work) -> Served:
        """Leave work for the device's open session. Not done when that session ends before it comes to it."""
        told: asyncio.Future[Served] = asyncio.get_running_loop().create_future()
        entry = (work, told)
        self._waiting.setdefault(device_id, []).append(entry)
        self.count += 1
        try:
            return await told
        finally:
            self.count -= 1
            waiting = self._waiting.get(device_id, [])
            if entry in waiting:
                waiting.remove(entry)

    async def serve(self, session: DeviceSession) -> None:
        """Do what waits for this session's device. What breaks the session is raised; its asker finds another way."""
        device_id = session.device.device_id
        while waiting := self._waiting.get(device_id):
            work, told = waiting.pop(0)
            served = Served(done=False)
            try:
                if not told.done():
                    await work(session)
                    served = Served(done=True)
            except HARMLESS as error:
                served = Served(done=True, error=error)
            finally:
                if not told.done():
                    told.set_result(served)

    def session_ended(self, device_id: int) -> None:
        """Nobody serves any more: whoever waits must find another way."""
        for _, told in self._waiting.pop(device_id, []):
            if not told.done():
                told.set_result(Served(done=False))
