"""A visit: one device, one association, its work, and what came of it. Every ending is an outcome."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from meterworks.errors import MeterworksError, RefusedError
from meterworks.headend.clock_check import ClockAction
from meterworks.headend.counters import CounterBlocks, DeviceCounter
from meterworks.headend.device import DeviceRecord
from meterworks.headend.errors import LeaseLostError
from meterworks.headend.model_book import ModelBook
from meterworks.headend.schedule import Failure, classify
from meterworks.headend.session import DeviceClient, DeviceSession, SessionReport, SessionSink, correct_clock
from meterworks.headend.settings import HeadendSettings
from meterworks.headend.store import DeviceMemory
from meterworks.protocols.dlms import (
    MANAGEMENT_CLIENT,
    PUBLIC_CLIENT,
    READER_CLIENT,
    AttributeAddress,
    InvocationCounter,
    ObisCode,
    decode_all,
)
from meterworks.protocols.errors import AssociationRefused
from meterworks.runtime import Clock, get_logger, histogram

__all__ = [
    "Dialer",
    "KeyAttendant",
    "OpenClient",
    "Reopen",
    "VisitOutcome",
    "VisitResult",
    "Visitor",
    "Work",
    "released",
    "told_counter",
]

log = get_logger("headend.visitor")

SESSION_S = histogram("headend_session_seconds", "Duration of sessions", ["outcome"])
COUNTER_OBJECT = AttributeAddress(1, ObisCode("0.0.43.1.0.255"), 2)
COUNTER_TRIES = 2
COUNTER_JUMP_MAX = 2**24
"""Nothing proves what a device says of its counter; a liar must not use up our key at once."""


class Traffic(Protocol):
    """Octets that went over a connection."""

    received: int
    sent: int


class OpenClient(DeviceClient, Protocol):
    """A connection on which an association can be opened and released."""

    timeout_s: float
    """How long one answer may take."""

    @property
    def traffic(self) -> Traffic:
        """Octets so far."""

    async def associate(self) -> object:
        """Open the association."""

    async def release(self) -> object:
        """Release it; an answer that is not as it should be is no failure."""

    async def close(self) -> None:
        """Close the connection."""


Work = Callable[[DeviceSession], Awaitable[None]]

Reopen = Callable[[int, InvocationCounter, DeviceRecord], OpenClient]
"""Gives another client (its SAP, our counter, the device with its keys) on a connection that a device opened.

ConnectionLost where it is gone.
"""


class Dialer(Protocol):
    """Opens connections to devices."""

    async def dial(self, device: DeviceRecord, client_sap: int, counter: InvocationCounter) -> OpenClient:
        """Connect. UnreachableError where nobody answers."""


class KeyAttendant(Protocol):
    """Sees to the keys of a device before anything else is asked of it: `key_service.KeyService` is one."""

    async def attend(self, device: DeviceRecord, reopen: Reopen | None) -> DeviceRecord:
        """Do what its key jobs ask for first. Gives the device with the keys it has now."""


class VisitOutcome(StrEnum):
    """How a visit ended."""

    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"


@dataclass(slots=True, kw_only=True)
class VisitResult:
    """What came of a visit."""

    outcome: VisitOutcome
    report: SessionReport
    started_epoch_s: float
    ended_epoch_s: float
    bytes_in: int = 0
    bytes_out: int = 0
    error: MeterworksError | None = None
    failure: Failure | None = None
    clock_corrected: ClockAction | None = None


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be done with whom, and over what."""

    device: DeviceRecord
    memory: DeviceMemory
    work: Work
    client: OpenClient | None
    reopen: Reopen | None
    answer_timeout_s: float | None


@dataclass(slots=True)
class _Attempt:
    """What one try leaves behind, however it ends."""

    report: SessionReport
    bytes_in: int = 0
    bytes_out: int = 0
    round_trip_s: float = 0.0


class Visitor:
    """Carries out visits."""

    def __init__(
        self,
        dialer: Dialer,
        counters: CounterBlocks,
        models: ModelBook,
        sink: SessionSink,
        *,
        clock: Clock,
        settings: HeadendSettings,
    ) -> None:
        self._dialer = dialer
        self._counters = counters
        self._models = models
        self._sink = sink
        self._clock = clock
        self._settings = settings
        self.keys: KeyAttendant | None = None
        """Sees to the keys of a device before each visit; None where nobody does."""

    async def visit(
        self,
        device: DeviceRecord,
        memory: DeviceMemory,
        work: Work,
        *,
        client: OpenClient | None = None,
        reopen: Reopen | None = None,
        answer_timeout_s: float | None = None,
    ) -> VisitResult:
        """Open an association as reader, do the work, release, and correct the clock if it needs it.

        client: on a connection the device opened itself; reopen gives others on it. answer_timeout_s: other than for
        scheduled work.
        """
        order = _Order(device, memory, work, client, reopen, answer_timeout_s)
        try:
            return await self._visit(order)
        finally:
            if client is not None:
                await client.close()

    async def _visit(self, order: _Order) -> VisitResult:
        device = order.device
        started = self._clock.epoch_s()
        attempt = _Attempt(SessionReport())
        error: MeterworksError | None = None
        try:
            async with asyncio.timeout(self._settings.session_s_max):
                order = await self._see_to_keys(order)
                await self._try(order, attempt)
        except TimeoutError:
            error = LeaseLostError(f"device {device.device_id} held its session too long", device=device.device_id)
        except MeterworksError as raised:
            error = raised
        result = VisitResult(
            outcome=_outcome(error, attempt.report),
            report=attempt.report,
            started_epoch_s=started,
            ended_epoch_s=self._clock.epoch_s(),
            bytes_in=attempt.bytes_in,
            bytes_out=attempt.bytes_out,
            error=error or next(iter(attempt.report.problems.values()), None),
            failure=None if error is None else classify(error),
        )
        SESSION_S.labels(result.outcome.value).observe(max(0.0, result.ended_epoch_s - started))
        if error is None and (order.client is None or order.reopen is not None):
            result.clock_corrected = await self._correct_clock(order, attempt)
        return result

    async def _see_to_keys(self, order: _Order) -> _Order:
        """Change the device's keys first where that is due: nothing else is asked of it before (SEC-125)."""
        if self.keys is None:
            return order
        device = await self.keys.attend(order.device, order.reopen)
        if device is order.device:
            return order
        client = order.client
        if client is not None and order.reopen is not None:
            counter = await self._counters.ready(device.device_id)
            client = order.reopen(READER_CLIENT, counter, device)
        return replace(order, device=device, client=client)

    async def _try(self, order: _Order, attempt: _Attempt) -> None:
        """One association; a second one when the device says that our counter is too low."""
        for tries_left in reversed(range(COUNTER_TRIES)):
            counter = await self._counters.ready(order.device.device_id)
            try:
                await self._associate_and_work(order, attempt, counter)
            except MeterworksError as error:
                may_try = tries_left and order.client is None
                if not (may_try and await self._counter_corrected(order.device, counter, error)):
                    raise
            else:
                return

    async def _associate_and_work(self, order: _Order, attempt: _Attempt, counter: DeviceCounter) -> None:
        link = order.client or await self._dialer.dial(order.device, READER_CLIENT, counter)
        if order.answer_timeout_s is not None:
            link.timeout_s = order.answer_timeout_s
        session = DeviceSession(
            order.device, link, clock=self._clock, models=self._models, sink=self._sink, settings=self._settings
        )
        attempt.report = session.report
        try:
            asked = self._clock.epoch_s()
            await link.associate()
            attempt.round_trip_s = (self._clock.epoch_s() - asked) / 2  # association and authentication
            await session.check_clock(order.memory)
            await order.work(session)
            await released(link)
        finally:
            attempt.bytes_in += link.traffic.received
            attempt.bytes_out += link.traffic.sent
            if order.client is None:
                await link.close()

    async def _open(self, order: _Order, client_sap: int, counter: DeviceCounter) -> OpenClient:
        """Open a further client: on the device's own connection where it called us."""
        if order.reopen is not None:
            return order.reopen(client_sap, counter, order.device)
        return await self._dialer.dial(order.device, client_sap, counter)

    async def _counter_corrected(self, device: DeviceRecord, counter: DeviceCounter, error: MeterworksError) -> bool:
        """After a refusal: learn the counter the device will accept. Ours is only ever raised."""
        lowest = told_counter(error)
        if lowest is None and isinstance(error, AssociationRefused):
            lowest = await self._ask_counter(device)
        if lowest is None or counter.following >= lowest:
            return False
        if lowest - counter.following > COUNTER_JUMP_MAX:
            log.error("device asks for an invocation counter out of all proportion", device=device.device_id)
            return False
        log.info("invocation counter raised", device=device.device_id)
        counter.raise_to(lowest)
        return True

    async def _ask_counter(self, device: DeviceRecord) -> int | None:
        """Read the counter object through the public client. Nothing protects the answer: it can only raise ours."""
        counter = self._counters.counter(device.device_id)
        try:
            link = await self._dialer.dial(device, PUBLIC_CLIENT, counter)
            try:
                await link.associate()
                value = decode_all(await link.get(COUNTER_OBJECT))
                await released(link)
            finally:
                await link.close()
        except MeterworksError:
            return None
        return value + 1 if isinstance(value, int) else None

    async def _correct_clock(self, order: _Order, attempt: _Attempt) -> ClockAction | None:
        """Correct the clock through the management client, after the reading, so that nothing is held up by it.

        With a device that called us over its own connection: nobody knows when it calls next.
        """
        device, verdict = order.device, attempt.report.clock
        if verdict is None or verdict.action not in (ClockAction.SHIFT, ClockAction.SET):
            return None
        try:
            async with asyncio.timeout(self._settings.answer_timeout_s):
                counter = await self._counters.ready(device.device_id)
                link = await self._open(order, MANAGEMENT_CLIENT, counter)
                try:
                    await link.associate()
                    after = await correct_clock(link, verdict, self._clock, round_trip_s=attempt.round_trip_s)
                    await released(link)
                finally:
                    await link.close()
        except (MeterworksError, TimeoutError) as error:
            log.warning("clock could not be corrected", device=device.device_id, error=str(error))
            return None
        log.info("clock corrected", device=device.device_id, drift_s=verdict.drift_s, after_s=after)
        attempt.report.drift_s = after
        return verdict.action


def _outcome(error: MeterworksError | None, report: SessionReport) -> VisitOutcome:
    if error is not None:
        return VisitOutcome.PARTIAL if report.settled else VisitOutcome.FAILED
    return VisitOutcome.PARTIAL if report.problems else VisitOutcome.DONE


def told_counter(error: MeterworksError) -> int | None:
    """The smallest counter the device will accept, if it said so (exception response 6)."""
    told = error.facts.get("counter") if isinstance(error, RefusedError) else None
    return told if isinstance(told, int) else None


async def released(link: OpenClient) -> None:
    """Release the association. What was read is read: a device that falls silent now has still been read."""
    try:
        await link.release()
    except MeterworksError as error:
        log.debug("released without an answer", reason=error.code)
