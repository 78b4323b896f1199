"""The head-end as one service: everything put together, started, and stopped.

It owns nothing that cannot be made again: the meters hold the readings, the database holds what was expected and
confirmed, and a kill at any moment only means that something is read twice.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from meterworks.errors import MeterworksError
from meterworks.headend.call import CallCentre
from meterworks.headend.channel import HeadendChannels
from meterworks.headend.collection import BACKLOG_S, FIRST_PROFILE, Collector
from meterworks.headend.confirmation import ConfirmationReader
from meterworks.headend.counters import CounterBlocks
from meterworks.headend.device import DeviceDirectory
from meterworks.headend.dialer import LinkDialer
from meterworks.headend.expectation import ExpectationTable
from meterworks.headend.first_contact import FirstContacts
from meterworks.headend.key_desk import KeyDesk
from meterworks.headend.key_expiry import CertificateWatch
from meterworks.headend.key_identity import Certifier, OwnCredentials
from meterworks.headend.key_ledger import KeyLedger
from meterworks.headend.key_retirement import CertificateRetirement
from meterworks.headend.key_runner import KeyRunner
from meterworks.headend.key_service import KeyService
from meterworks.headend.key_statement import policy_keys
from meterworks.headend.key_telegraph import KeyTelegraph
from meterworks.headend.last_value import LastValueWriter
from meterworks.headend.model_book import ModelBook
from meterworks.headend.on_demand import READ_SUBJECT, OnDemandReader
from meterworks.headend.outbox import Outbox
from meterworks.headend.push import PushReceiver
from meterworks.headend.restore import RestoreMark, jump_all_counters
from meterworks.headend.settings import HeadendSettings
from meterworks.headend.sink import Findings
from meterworks.headend.slots import SessionSlots
from meterworks.headend.status import MISSING_SUBJECT, RELEASE_SUBJECT, STATUS_SUBJECT, StatusDesk
from meterworks.headend.store import HeadendStore
from meterworks.headend.visitor import Dialer, Visitor
from meterworks.headend.workbook import Workbook
from meterworks.readings import COMMITTED_STREAM, ensure_reading_streams
from meterworks.registry import Registry
from meterworks.runtime import Bus, Clock, Database, Subscription, gauge, get_logger
from meterworks.trust.audit import AuditSink

__all__ = ["REGISTRY_CHANGED_SUBJECT", "HeadEnd"]

log = get_logger("headend.service")

REGISTRY_CHANGED_SUBJECT = "registry.changed"
"""Whoever changes the registry may say so here, and need not wait for the next refresh."""
REFRESH_S_MIN = 1.0
DRAIN_S_MAX = 5.0
ANSWER_S = 0.05
"""Time in which those who wait for an on-demand read are told that there will be none."""
UPKEEP_S = 3600.0
OVERDUE_S = 5.0
ENDED_FIRST = frozenset({"headend slots", "headend collection", "headend calls", "headend directory", "headend keys"})
UNCONFIRMED = gauge("headend_unconfirmed_readings", "Readings published and not yet confirmed by the writer")
READY = gauge("headend_ready", "1 while the head-end collects")


class HeadEnd:
    """Collects from the devices of a directory. `run()` until `stop()`."""

    def __init__(
        self,
        *,
        bus: Bus,
        database: Database,
        directory: DeviceDirectory,
        clock: Clock,
        settings: HeadendSettings | None = None,
        dialer: Dialer | None = None,
        registry: Registry | None = None,
        audit: AuditSink | None = None,
    ) -> None:
        """dialer: opens connections to devices; by default over TCP.

        registry: whose keys are rotated; without it keys are used as the directory gives them. audit: where acts go.
        """
        self.settings = settings or HeadendSettings()
        self._bus = bus
        self._clock = clock
        self._directory = directory
        self._store = HeadendStore(database)
        self._dialer = dialer
        self._registry = registry
        self._audit = audit
        self._database = database
        self._restore_mark = RestoreMark(None)
        self._first_contacts = FirstContacts(bus)
        self.restore_mark: Path | None = None
        """A file outside the database that shows when an older copy of the database was put back; set before `run`."""
        self.keys: KeyDesk | None = None
        """The desk of key campaigns, once assembled with a registry."""
        self.channels: HeadendChannels | None = None
        """TLS toward the field; set it before `run`. None: plain TCP."""
        self.own_keys: OwnCredentials | None = None
        """Our key pairs toward meters of suites 1 and 2; set before `run`. None: keys are not agreed, only sent."""
        self.certifier: Certifier | None = None
        """Has keys of meters certified; set before `run`."""
        self.policy_keys: Path | None = None
        """A folder of public keys (PEM): whose signed policies count. None: nobody's, and no meter is raised."""
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._subscriptions: list[Subscription] = []
        self._stored_position = 0
        self._flushing: asyncio.Task[None] | None = None
        self.ready = asyncio.Event()
        """Set when devices are known and collection has begun."""

    @property
    def push_port(self) -> int:
        """Port on which devices push and call, once `ready`."""
        return self._calls.port

    def stop(self) -> None:
        """Ask `run` to end. What was read and published is written down first."""
        self._stopping.set()

    async def run(self) -> None:
        """Collect until stopped. Raises what makes it impossible to start: no bus, no database, port taken."""
        await self._assemble()
        try:
            await self._calls.start()
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(work, name=f"headend {name}")
                    for name, work in (
                        ("outbox", self.outbox.run()),
                        ("confirmations", self._confirmations.run()),
                        ("last values", self._last_values.run()),
                        ("slots", self.slots.run()),
                        ("directory", self._follow_directory()),
                        ("collection", self._collect()),
                        ("calls", self._calls.run()),
                        ("book", self._keep_book()),
                        ("upkeep", self._upkeep()),
                        ("keys", self._change_keys()),
                        ("first contacts", self._first_contacts.run()),
                    )
                ]
                await self._respond()
                await self._stopping.wait()
                READY.set(0)
                await self._wind_down(tasks)
        finally:
            await self._close()

    # Putting together.

    async def _assemble(self) -> None:
        settings, clock = self.settings, self._clock
        if self.channels is not None:
            self.channels.tell(self._first_contacts.met)
        await ensure_reading_streams(self._bus)
        self.table = ExpectationTable()
        async for rows in self._store.load_expectation():
            self.table.load(rows)
        memories = await self._store.load_devices()
        self._stored_position = await self._store.position(COMMITTED_STREAM)
        self._restore_mark = RestoreMark(self.restore_mark)
        if await self._restore_mark.shows_restore(self._store):
            await self._after_restore()
            memories = await self._store.load_devices()
        reserved = {device_id: memory.counter_reserved for device_id, memory in memories.items()}
        self._counters = CounterBlocks(self._reserve, block=settings.counter_block, reserved=reserved)
        models = ModelBook(await self._store.load_models(), self._store.save_model, clock)
        self.book = Workbook(self._store, self.table, memories, clock, self._audit)
        self.slots = SessionSlots(settings, clock)
        self.slots.hold_scheduled = self._must_wait_for_writer
        self.outbox = Outbox(self._bus, self.table, clock, bytes_max=settings.publish_bytes_max)
        self._last_values = LastValueWriter(self._bus)
        event_since = {key: at.timestamp() for key, at in (await self._store.load_event_times()).items()}
        findings = Findings(self.book, self.outbox, self._last_values, event_since, clock)
        link_dialer = LinkDialer(settings, self.channels)
        visitor = Visitor(self._dialer or link_dialer, self._counters, models, findings, clock=clock, settings=settings)
        self.collector = Collector(
            self._directory, self.book, self.slots, visitor, models, clock=clock, settings=settings
        )
        self.collector.event_since = event_since
        self._confirmations = ConfirmationReader(self._bus, self.table, clock, position=self._stored_position)
        receiver = PushReceiver(self._store, self.book, models, self.outbox, self._last_values, clock)
        self._calls = CallCentre(
            self.collector, receiver, link_dialer, self._counters, self.slots,
            clock=clock, settings=settings, channels=self.channels,
        )  # fmt: skip
        await self._assemble_keys(visitor, receiver, self._dialer or link_dialer)
        self.outbox.on_lost = self.collector.visit_soon
        self._confirmations.on_rejected = self._set_rejected

    async def _reserve(self, bounds: Mapping[int, int]) -> None:
        await self._store.reserve_counters(bounds)
        await self._restore_mark.note(self._store)

    async def _after_restore(self) -> None:
        """The database is older than what was used since: no counter of that time may come again (SEC-008)."""
        moved = await jump_all_counters(self._database, self._registry)
        await self._restore_mark.note(self._store)
        log.warning("an older copy of the database was put back: invocation counters moved forward", keys=moved)

    async def _assemble_keys(self, visitor: Visitor, receiver: PushReceiver, dialer: Dialer) -> None:
        if self._registry is None:
            return
        telegraph = KeyTelegraph(self.book, self._audit)
        ledger = KeyLedger(self._database, self._registry)
        own = self.own_keys
        runner = KeyRunner(ledger, self._counters, self._clock, tell=telegraph.tell, own=own, certifier=self.certifier)
        service = KeyService(
            ledger, runner, self.collector, self.slots, dialer,
            clock=self._clock, settings=self.settings, telegraph=telegraph,
        )  # fmt: skip
        service.watch = CertificateWatch(
            ledger, service, own=own, tell=telegraph.tell, pace_per_minute=self.settings.key_pace_per_minute,
            retirement=CertificateRetirement(self._bus),
        )  # fmt: skip
        await service.load()
        visitor.keys = service
        receiver.possible_keys = service.possible
        self.collector.meet, self.collector.keys_due = service.meet, service.is_due
        self.keys = KeyDesk(service, ledger, lambda: policy_keys(self.policy_keys))

    async def _change_keys(self) -> None:
        if self.keys is not None:
            await self.ready.wait()
            await self.keys.service.run()

    async def _respond(self) -> None:
        reader = OnDemandReader(
            self.collector, self.slots, self._calls.when_it_calls, clock=self._clock, settings=self.settings
        )
        desk = StatusDesk(self.collector, self.book, self.slots, clock=self._clock, settings=self.settings)
        for subject, responder in (
            (READ_SUBJECT, reader.respond),
            (STATUS_SUBJECT, desk.status),
            (MISSING_SUBJECT, desk.missing),
            (RELEASE_SUBJECT, desk.release),
            *(() if self.keys is None else self.keys.responders),
        ):
            self._subscriptions.append(await self._bus.respond(subject, responder))
        self._subscriptions.append(await self._bus.subscribe(REGISTRY_CHANGED_SUBJECT, self._registry_changed))

    async def _registry_changed(self, _: object) -> None:
        self._changed.set()

    # Keeping going.

    async def _follow_directory(self) -> None:
        """Ask the registry: often while it grows, seldom when it rests, at once when told."""
        wait_s, known = REFRESH_S_MIN, -1
        while True:
            try:
                count = await self.collector.refresh()
                await self._counters.reserve_all(list(self.collector.devices))
            except MeterworksError as error:
                log.warning("devices cannot be looked up", error=str(error))
                count = known
            self.ready.set()
            READY.set(1)
            grows = count != known or count == 0
            wait_s = REFRESH_S_MIN if grows else min(wait_s * 2, self.settings.directory_refresh_s)
            known = count
            await self._wait_for_change(wait_s)

    async def _wait_for_change(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    async def _collect(self) -> None:
        await self.ready.wait()
        await self.collector.run()

    async def _keep_book(self) -> None:
        """Write behind, and take back what stays unconfirmed."""
        looked = self._clock.epoch_s()
        while True:
            await self._clock.sleep(self.settings.flush_s)
            await self._flush()
            UNCONFIRMED.set(self.table.unconfirmed_rows)
            now = self._clock.epoch_s()
            if now - looked >= OVERDUE_S:
                looked = now
                self._take_back_overdue(now)
            self.slots.wake()

    async def _flush(self) -> None:
        """Write behind, one flush at a time; one that has begun is brought to its end even when we are stopped."""
        if self._flushing is not None and not self._flushing.done():
            await asyncio.wait([self._flushing])
        self._flushing = asyncio.get_running_loop().create_task(self._write_book())
        await asyncio.shield(self._flushing)

    async def _write_book(self) -> None:
        position = self._confirmations.position
        positions = {} if position == self._stored_position else {COMMITTED_STREAM: position}
        if await self.book.flush(positions=positions):
            self._stored_position = position

    def _take_back_overdue(self, now: float) -> None:
        overdue = self.table.overdue(
            now,
            passed_s_max=self.settings.unconfirmed_s_max,
            stale_s_max=self.settings.unconfirmed_stale_s_max,
            position=self._confirmations.committed_position,
        )
        for set_id in overdue:
            pair = self.table.pair_of(set_id)
            self.table.give_back(set_id)
            if pair is not None:
                self.collector.visit_soon(pair[0])
        if overdue:
            log.warning("sets were never confirmed and are read again", sets=len(overdue))

    def _set_rejected(self, set_id: str, reason: str) -> None:
        """The writer can never store it: reading it again at once would bring the same."""
        pair = self.table.pair_of(set_id)
        self.table.give_back(set_id)
        if pair is not None:
            self.collector.hold_back(pair)
        self.book.add_incident("set-rejected", device_id=None if pair is None else pair[0], detail=reason)

    def _must_wait_for_writer(self) -> bool:
        """Too much is on its way, or the first profile's backlog is and only other work is left.

        The other profiles would take the processor, and the batches, from the last sets of the first one: the last
        twentieth of a first fill then took as long as all before it.
        """
        if self.table.unconfirmed_rows > self.settings.unconfirmed_rows_max:
            return True
        on_its_way_s = self.table.totals(FIRST_PROFILE).sent_s
        return bool(self.slots.next_rank) and on_its_way_s > BACKLOG_S * len(self.collector.devices)

    async def _upkeep(self) -> None:
        while True:
            before = self._clock.now() - timedelta(days=self.settings.log_days)
            try:
                await self._store.trim_sessions(before)
            except MeterworksError as error:
                log.warning("old sessions could not be dropped", error=str(error))
            await self._clock.sleep(UPKEEP_S)

    # Stopping.

    async def _wind_down(self, tasks: list[asyncio.Task[None]]) -> None:
        """End sessions first, so that who waits is told; let what was read reach the bus; then end the rest."""
        first = [task for task in tasks if task.get_name() in ENDED_FIRST]
        for task in first:
            task.cancel()
        await asyncio.wait(first, timeout=DRAIN_S_MAX)
        await asyncio.sleep(ANSWER_S)
        await self._unsubscribe()
        try:
            async with asyncio.timeout(DRAIN_S_MAX):
                await self.outbox.drained()
                await self._last_values.flush()
        except (TimeoutError, MeterworksError):
            log.warning("stopped before everything read was published; it will be read again")
        for task in tasks:
            task.cancel()

    async def _unsubscribe(self) -> None:
        for subscription in self._subscriptions:
            try:
                await subscription.unsubscribe()
            except MeterworksError as error:
                log.debug("could not unsubscribe", error=str(error))
        self._subscriptions.clear()

    async def _close(self) -> None:
        await self._calls.close()
        self.collector.measure()
        if self.keys is not None:
            await self.keys.close()
        await self._counters.close()
        await self._flush()
        log.info("head-end stopped")
