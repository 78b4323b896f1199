"""Sends a fleet's pushes to the head-end: takes from the schedule what is due, a bounded number at a time.

A push is one frame on a connection of its own. It is not confirmed; when no connection can be made it is tried again
later, as often as its set-up says.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from meterworks.devices.errors import NotPersonalised, PushFailed
from meterworks.devices.meter import ElectricityMeter
from meterworks.devices.meter_tls import MeterChannels
from meterworks.devices.push_message import PushMessage, confirms, make_push
from meterworks.devices.push_schedule import LOOK_AHEAD_S, PushDue, PushSchedule, PushTask
from meterworks.devices.push_setup import (
    OperationMethod,
    RetryPlan,
    note_confirmation,
    operation_method,
    retry_plan,
    spread_s,
    wait_for_window,
)
from meterworks.errors import PeerError, SecurityError, UsageError
from meterworks.protocols.dlms import WrapperReader
from meterworks.runtime import Clock, get_logger
from meterworks.trust.tls import session_name

__all__ = ["PushSender", "parse_destination"]

WAITING_MAX: Final = 256  # pushes taken from the schedule and not yet sent
IDLE_S: Final = 60.0  # longest sleep, system time
TIMEOUT_S: Final = 10.0  # of one push, real time
BATCH_MAX: Final = 64  # entries handled before others may run
CONFIRMATION_SIZE_MAX: Final = 1024  # octets of an answer that is looked at

log = get_logger("devices.push")


def parse_destination(text: str) -> tuple[str, int] | None:
    """Give host and port of "host:port"; None for an empty or unusable text."""
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host and port.isdecimal() and int(port) < 2**16 else None


class PushSender:
    """The pushes of one fleet. `run` until cancelled."""

    def __init__(
        self, meter_at: Callable[[int], ElectricityMeter], size: int, clock: Clock, *,
        destination: str, concurrency_max: int, channels: MeterChannels | None = None,
    ) -> None:  # fmt: skip
        """meter_at: gives a meter by its number. destination: for meters that have none of their own.

        channels: with them pushes go over TLS.
        """
        self._meter_at = meter_at
        self._clock = clock
        self._destination = destination
        self._concurrency_max = concurrency_max
        self._channels = channels
        self._schedule = PushSchedule(size, clock.epoch_s())
        self._waiting: asyncio.Queue[PushDue] = asyncio.Queue(WAITING_MAX)
        self._woken = asyncio.Event()
        self.sent = 0
        self.failed = 0

    def push_now(self, index: int, instance: int) -> None:
        """Ask for a push at once."""
        spread = spread_s(self._meter_at(index).view, instance)
        self._schedule.plan_now(index, instance, self._clock.epoch_s(), spread)
        self._woken.set()

    def forget(self, index: int, instance: int) -> None:
        """Drop what waits to be sent or repeated by a set-up."""
        self._schedule.forget(index, instance)

    async def run(self) -> None:
        """Send what is due until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._concurrency_max):
                tasks.create_task(self._work())
            await self._dispatch()

    async def _dispatch(self) -> None:
        while True:
            self._woken.clear()
            now_s = self._clock.epoch_s()
            for due in self._schedule.take_due(now_s, BATCH_MAX):
                if due.task is PushTask.LOOK_AHEAD:
                    self._look_ahead(due.index, now_s)
                else:
                    await self._waiting.put(due)
            await self._sleep_until(self._schedule.next_epoch_s())

    async def _sleep_until(self, due_epoch_s: float | None) -> None:
        now_s = self._clock.epoch_s()
        wait_s = IDLE_S if due_epoch_s is None else min(IDLE_S, due_epoch_s - now_s)
        if wait_s <= 0:
            await asyncio.sleep(0)
            return
        sleeping = asyncio.ensure_future(self._clock.sleep(wait_s))
        woken = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait((sleeping, woken), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            woken.cancel()

    def _look_ahead(self, index: int, now_s: float) -> None:
        """Plan what the meter will have to tell soon; its load knows the future, as a simulation may."""
        if self._destination_of(index) is not None:
            view = self._meter_at(index).view
            self._schedule.plan_alarms(index, view.load.events(int(now_s), int(now_s) + LOOK_AHEAD_S))
            self._schedule.plan(index, now_s, int(view.state.rows["push_period_s"][index]))
        self._schedule.look_again(index, now_s)

    def _destination_of(self, index: int) -> tuple[str, int] | None:
        own = bytes(self._meter_at(index).view.state.rows["push_destination"][index]).decode("ascii", "replace")
        return parse_destination(own or self._destination)

    async def _work(self) -> None:
        while True:
            due = await self._waiting.get()
            if self._wait_for_window(due):
                continue
            try:
                await self._send(due)
                self.sent += 1
            except PushFailed as error:
                self.failed += 1
                again = self._schedule.repeat(due, self._clock.epoch_s(), self._plan(due))
                self._woken.set()
                log.debug("push failed", meter=due.index, again=again, reason=str(error))
            except UsageError as error:
                self.failed += 1
                log.warning("push not possible", meter=due.index, reason=str(error))
            if due.task is PushTask.SCHEDULED:
                period_s = int(self._meter_at(due.index).view.state.rows["push_period_s"][due.index])
                self._schedule.plan(due.index, self._clock.epoch_s(), period_s)

    def _plan(self, due: PushDue) -> RetryPlan:
        view, instance = self._meter_at(due.index).view, int(due.task)
        plan = retry_plan(view, instance)
        if operation_method(view, instance) is OperationMethod.UNCONFIRMED:
            return replace(plan, retries_max=0)
        return plan

    def _wait_for_window(self, due: PushDue) -> bool:
        """Put a push off whose communication window is closed."""
        wait_s = wait_for_window(self._meter_at(due.index).view, int(due.task))
        if wait_s <= 0:
            return False
        self._schedule.postpone(due, self._clock.epoch_s() + wait_s)
        self._woken.set()
        return True

    async def _send(self, due: PushDue) -> None:
        """Raise PushFailed when the head-end cannot be reached or does not confirm what it has to confirm.

        The frame is made last: its counter is spent once.
        """
        meter = self._meter_at(due.index)
        destination = self._destination_of(due.index)
        if destination is None:
            raise PushFailed(f"meter {due.index} has no push destination: set attribute 3 of its push set-up")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = await self._connect(due.index, destination)
                try:
                    message = make_push(meter, int(due.task))
                    writer.write(message.octets)
                    await writer.drain()
                    if message.wants_confirmation:
                        await _confirmed(meter, int(due.task), message, reader)
                finally:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
        except (OSError, TimeoutError, SecurityError, NotPersonalised) as error:
            host, port = destination
            raise PushFailed(f"no push from meter {due.index} to {host}:{port}: {error}") from error

    async def _connect(
        self, index: int, destination: tuple[str, int]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the head-end; over TLS nothing is said before it was judged. Raises OSError, SecurityError,
        NotPersonalised.
        """
        if self._channels is None:
            return await asyncio.open_connection(*destination)
        demand = await self._channels.demand(index)
        name = session_name(*destination)
        reader, writer = await asyncio.open_connection(*destination, ssl=demand.context, server_hostname=name)
        try:
            demand.judge(writer.get_extra_info("ssl_object"), f"{destination[0]}:{destination[1]}")
        except SecurityError:
            writer.transport.abort()
            raise
        return reader, writer


async def _confirmed(
    meter: ElectricityMeter, instance: int, message: PushMessage, stream: asyncio.StreamReader
) -> None:
    """Wait for the confirmation; PushFailed when something else comes, or nothing any more."""
    frames = WrapperReader(CONFIRMATION_SIZE_MAX)
    while octets := await stream.read(CONFIRMATION_SIZE_MAX):  # bounded: by the time-out of the caller
        frames.feed(octets)
        try:
            frame = frames.next_frame()
        except PeerError:
            break
        if frame is not None and confirms(meter, message, frame[2]):
            note_confirmation(meter.view, instance)
            return
    raise PushFailed(f"meter {meter.view.index}: the receiver of a push did not confirm it")
