"""Devices that open the connection: pushes come in on one port, and calls are kept until there is something to ask.

A call is a notification of the device's connection set-up. If the device is due, or somebody waits for it, its
connection is taken over for a session at once; else it is kept open, and pushes on it are taken as from anyone.
"""

import asyncio
from collections.abc import Mapping

from meterworks.errors import MeterworksError, UnreachableError
from meterworks.headend.channel import HeadendChannels
from meterworks.headend.collection import Collector
from meterworks.headend.counters import CounterBlocks
from meterworks.headend.device import DeviceRecord
from meterworks.headend.dialer import LinkDialer
from meterworks.headend.push import PushReceiver, sender_title
from meterworks.headend.session import DeviceSession
from meterworks.headend.settings import HeadendSettings
from meterworks.headend.slots import Job, Lane, SessionSlots
from meterworks.headend.visitor import OpenClient, Reopen, Work
from meterworks.links import ConnectionLost, ListenerLimits, NotificationListener, PushReceived
from meterworks.protocols.dlms import READER_CLIENT, InvocationCounter
from meterworks.runtime import Clock, counter, gauge, get_logger

__all__ = ["CallCentre"]

log = get_logger("headend.call")

CALLS = counter("headend_calls_total", "Connections devices opened, by what became of them", ["fate"])
CONNECTIONS = gauge("headend_push_connections", "Connections open on the push port")
NOTIFICATION_SIZE_MAX = 0x8000
HANDLER_S_MAX = 120.0
WATCH_S = 1.0


class CallCentre:
    """Listens for devices. `run()` until cancelled."""

    def __init__(
        self,
        collector: Collector,
        receiver: PushReceiver,
        dialer: LinkDialer,
        counters: CounterBlocks,
        slots: SessionSlots,
        *,
        clock: Clock,
        settings: HeadendSettings,
        channels: HeadendChannels | None = None,
    ) -> None:
        self._collector = collector
        self._receiver = receiver
        self._dialer = dialer
        self._counters = counters
        self._slots = slots
        self._clock = clock
        self._settings = settings
        self._channels = channels
        self._by_title: dict[bytes, int] = {}
        self._known: Mapping[int, DeviceRecord] = {}
        self._held: dict[int, PushReceived] = {}
        self._waiting: dict[int, list[tuple[Work, asyncio.Future[MeterworksError | None]]]] = {}
        self._listener = NotificationListener(
            self._receive,
            ListenerLimits(
                connections_max=settings.push_connections_max,
                idle_s_max=settings.push_idle_s_max,
                handler_s_max=HANDLER_S_MAX,
                apdu_size_max=NOTIFICATION_SIZE_MAX,
            ),
        )

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._listener.port

    async def start(self) -> None:
        """Listen. Raises ConnectFailed when the port is taken."""
        door = None if self._channels is None else self._channels.door()
        await self._listener.start(self._settings.push_host, self._settings.push_port, tls=door)
        log.info("listening for pushes", host=self._settings.push_host, port=self._listener.port)

    async def close(self) -> None:
        """Stop listening; what is held is closed."""
        await self._listener.close()

    async def run(self) -> None:
        """Keep held calls alive, and use them when their device is due."""
        while True:
            await asyncio.sleep(WATCH_S)
            CONNECTIONS.set(self._listener.connections)
            now, loop_s = self._clock.epoch_s(), asyncio.get_running_loop().time()
            for device_id, push in list(self._held.items()):
                push.connection.last_s = loop_s  # it has proved who it is: silence is not held against it
                if self._collector.is_due(device_id, now):
                    self._use(device_id, push)

    async def when_it_calls(self, device_id: int, work: Work) -> MeterworksError | None:
        """Do a piece of work over the device's own connection: the one it holds, or the next it opens."""
        done: asyncio.Future[MeterworksError | None] = asyncio.get_running_loop().create_future()
        entry = (work, done)
        self._waiting.setdefault(device_id, []).append(entry)
        if device_id in self._held:
            self._use(device_id, self._held[device_id])
        try:
            return await done
        finally:
            waiting = self._waiting.get(device_id, [])
            if entry in waiting:
                waiting.remove(entry)
            if not waiting:
                self._waiting.pop(device_id, None)

    async def _receive(self, push: PushReceived) -> None:
        peer = f"{push.peer_host}:{push.peer_port}"
        device = self._sender(push.apdu)
        if self._channels is not None:
            self._channels.check_sender(push, device)
        pushed = await self._receiver.receive(push.apdu, device, peer)
        if device is None or not pushed.is_call:
            return
        self._held[device.device_id] = push
        CALLS.labels("answered").inc()
        if device.device_id in self._waiting or self._collector.is_due(device.device_id, self._clock.epoch_s()):
            self._use(device.device_id, push)

    def _sender(self, apdu: bytes) -> DeviceRecord | None:
        if self._known is not self._collector.devices:
            self._known = self._collector.devices
            self._by_title = {device.system_title: device.device_id for device in self._known.values()}
        try:
            device_id = self._by_title.get(sender_title(apdu))
        except MeterworksError:
            return None
        return None if device_id is None else self._known.get(device_id)

    def _use(self, device_id: int, push: PushReceived) -> None:
        """Take the connection over and queue its session; urgent if somebody waits."""
        del self._held[device_id]
        device = self._collector.devices.get(device_id)
        if device is None or self._slots.is_busy(device_id) or self._collector.is_quarantined(device_id):
            return
        try:
            client = self._dialer.take_over(push, device, READER_CLIENT, self._counters.counter(device_id))
        except ConnectionLost:
            CALLS.labels("lost").inc()
            return

        def reopen(client_sap: int, counter: InvocationCounter, record: DeviceRecord) -> OpenClient:
            return self._dialer.take_over(push, record, client_sap, counter)

        async def run() -> None:
            await self._session(device_id, client, reopen)

        urgent = device_id in self._waiting
        lane = Lane.ON_DEMAND if urgent else Lane.SCHEDULED
        self._collector.leave_agenda(device_id)
        self._slots.submit(
            Job(
                device_id=device_id,
                address=device.address,
                lane=lane,
                run=run,
                rank=self._collector.rank(device),
                order=self._clock.epoch_s(),
                connects=False,
            )
        )

    async def _session(self, device_id: int, client: OpenClient, reopen: Reopen) -> None:
        """One association serves everybody who waits, and then what is due."""
        waiting = self._waiting.pop(device_id, [])
        if not waiting:
            await self._collector.visit(device_id, kind="scheduled", client=client, reopen=reopen)
            return
        error: MeterworksError | None = None
        try:
            error = await self._collector.visit_on_demand(
                device_id, _all_of([work for work, _ in waiting]), client=client, reopen=reopen
            )
        except asyncio.CancelledError:
            error = UnreachableError("the head-end is stopping", device=device_id)
            raise
        finally:
            for _, done in waiting:
                if not done.done():
                    done.set_result(error)


def _all_of(works: list[Work]) -> Work:
    async def work(session: DeviceSession) -> None:
        for each in works:
            await each(session)

    return work
