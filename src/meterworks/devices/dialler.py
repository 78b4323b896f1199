"""Meters that open the connection: they call the head-end, say who they are, and answer on the same connection.

What they say first is the push of set-up 0-0:25.9.2. When the head-end has closed the connection, or could not be
reached, a meter waits and calls again; failures make it wait longer, and every meter waits a little differently, so
that a head-end that comes back is not called by all of them at once.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final

from meterworks.devices.errors import NotPersonalised
from meterworks.devices.meter import ElectricityMeter
from meterworks.devices.meter_tls import MeterChannels
from meterworks.devices.push_message import push_frame
from meterworks.devices.push_object import CONNECTION_PUSH
from meterworks.errors import SecurityError, UsageError
from meterworks.links import ConnectFailed, MeterCall, call_head_end
from meterworks.runtime import Clock, get_logger

__all__ = ["Dialler"]

WAIT_FIRST_S: Final = 5.0  # after a failure, system time, doubled each time
WAIT_S_MAX: Final = 600.0
WAIT_SERVED_S: Final = 300.0  # after a connection that the head-end has ended
LOOK_S: Final = 1.0  # real seconds between looks whether a connection still stands
LOOPBACK_PREFIX: Final = "127."

log = get_logger("devices.dialler")


class Dialler:
    """The device-initiated connections of a fleet. `run` until cancelled."""

    def __init__(
        self, meter_at: Callable[[int], ElectricityMeter], indices: Sequence[int], clock: Clock, *,
        destination: tuple[str, int], connecting_max: int, chance: random.Random,
        channels: MeterChannels | None = None,
    ) -> None:  # fmt: skip
        """indices: numbers of the meters that call. destination: host and port of the head-end's push port.

        channels: with them they call over TLS.
        """
        self._meter_at = meter_at
        self._indices = indices
        self._clock = clock
        self._destination = destination
        self._connecting = asyncio.Semaphore(connecting_max)
        self._chance = chance
        self._channels = channels
        self.connected = 0  # calls that were answered so far
        self.failed = 0

    async def run(self) -> None:
        """Keep every meter calling until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for index in self._indices:
                tasks.create_task(self._keep_calling(index))

    async def _keep_calling(self, index: int) -> None:
        wait_s = WAIT_FIRST_S
        while True:
            try:
                call = await self._call(index)
            except (ConnectFailed, SecurityError, NotPersonalised) as error:
                self.failed += 1
                log.debug("head-end does not answer", meter=index, wait_s=wait_s, reason=str(error))
                await self._clock.sleep(wait_s * self._chance.uniform(0.5, 1.5))
                wait_s = min(WAIT_S_MAX, wait_s * 2)
                continue
            except UsageError as error:
                log.warning("meter cannot call any more", meter=index, reason=str(error))
                return
            wait_s = WAIT_FIRST_S
            await self._serve(call)
            await self._clock.sleep(WAIT_SERVED_S * self._chance.uniform(0.8, 1.2))

    async def _call(self, index: int) -> MeterCall:
        meter = self._meter_at(index)
        host, port = self._destination
        own = meter.view.specification.address.rpartition(":")[0]
        same_machine = own.startswith(LOOPBACK_PREFIX) and host.startswith(LOOPBACK_PREFIX)
        async with self._connecting:
            opening = push_frame(meter, CONNECTION_PUSH)
            local_address = own if same_machine else None
            tls = None if self._channels is None else await self._channels.demand(index)
            call = await call_head_end(meter, host, port, opening=opening, local_address=local_address, tls=tls)
        self.connected += 1
        return call

    async def _serve(self, call: MeterCall) -> None:
        try:
            while True:  # bounded: the server drops a connection on which nothing happens
                await asyncio.sleep(LOOK_S)
                if not call.is_open:
                    return
        finally:
            call.close()
