"""Collection: which device is visited when, what is read there, and what its outcome means for the next visit.

Work comes from the missing ranges alone. On a fresh system the import load profile of every device is read before
anything else of any device (rank 0 before rank 1); later each visit reads whatever is due. After a success the device
keeps its place in the next cycle, after a failure the back-off table decides.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from meterworks.catalogue import EVENT_LOGS, PROFILES
from meterworks.errors import MeterworksError, PeerError, RefusedError
from meterworks.headend.agenda import Agenda, RunBook
from meterworks.headend.capture import DAY_S, expectation_rule, memory_depth_s
from meterworks.headend.clock_check import ClockAction
from meterworks.headend.device import DeviceDirectory, DeviceRecord
from meterworks.headend.errors import ModelMismatchError, UnknownDeviceError
from meterworks.headend.expectation import Pair, ProfileRule
from meterworks.headend.key_ledger import PUSH_COUNTER_FAR
from meterworks.headend.model_book import ModelBook
from meterworks.headend.ranges import Ranges, floor_to, total_s, union
from meterworks.headend.schedule import REGISTER_ASK_S, Failure, back_off_s, newest_first, next_visit
from meterworks.headend.session import REGISTERS, DeviceSession
from meterworks.headend.settings import HeadendSettings
from meterworks.headend.slots import Job, Lane, SessionSlots
from meterworks.headend.store import DeviceMemory, SessionRecord
from meterworks.headend.urgent import UrgentDesk
from meterworks.headend.visitor import OpenClient, Reopen, Visitor, VisitResult, Work
from meterworks.headend.workbook import Workbook
from meterworks.protocols.dlms import DataAccessResult
from meterworks.runtime import Clock, gauge, get_logger

__all__ = ["FIRST_PROFILE", "Collector"]

log = get_logger("headend.collection")

FIRST_PROFILE = "load_import"
"""What is read of every device before anything else of any."""
BACKLOG_S = 36 * 3600
"""More of a profile missing than this is a gap to be recovered, not the coming in of fresh data."""
RECHECK_S = DAY_S
"""A gap at the newest end is asked for again for so long: the device may have been late."""
LASTING_REFUSALS = frozenset(
    {
        DataAccessResult.READ_WRITE_DENIED,
        DataAccessResult.OBJECT_UNDEFINED,
        DataAccessResult.OBJECT_CLASS_INCONSISTENT,
    }
)
LOST_SET_PAUSE_S = 30.0
RANGES_PER_VISIT_MAX = 32
LAY_DOWN_CHUNK = 250
TICK_S_MAX = 5.0
MEASURE_S = 1.0
TICK_REAL_S_MIN = 0.02
LAY_DOWN_STEP_S = 900
"""Shortest interval any device has: how often new intervals may be due."""

MISSING = gauge("headend_missing_seconds", "Seconds missing, all devices together", ["profile"])
DEVICES = gauge("headend_devices", "Devices collected from", ["state"])


class Collector:
    """Plans visits. `run()` until cancelled; the slots carry them out."""

    def __init__(
        self,
        directory: DeviceDirectory,
        book: Workbook,
        slots: SessionSlots,
        visitor: Visitor,
        models: ModelBook,
        *,
        clock: Clock,
        settings: HeadendSettings,
    ) -> None:
        self._directory = directory
        self._book = book
        self._slots = slots
        self._visitor = visitor
        self._models = models
        self._clock = clock
        self._settings = settings
        self._schedule = Agenda()
        self._runs = RunBook(book, clock)
        self._laid_down_until = 0
        self._measured_s = 0.0
        self._depth_learnt = False
        """Whether a model was found to remember more or less than its catalogue says since the last laying down."""
        self._events_read: dict[int, float] = {}
        self._registers_read: dict[int, float] = {}
        self._held_back: dict[Pair, float] = {}
        self.urgent = UrgentDesk()
        """Urgent work for devices that have a session."""
        self._awaited: set[int] = set()
        """Devices that are due and open the connection themselves."""
        self.devices: dict[int, DeviceRecord] = {}
        self._fresh_keys: dict[int, DeviceRecord] = {}
        self.meet: Callable[[Iterable[int]], Awaitable[None]] = _meet_nobody
        """Told of the devices there are before any of them is visited."""
        self.keys_due: Callable[[int], bool] = lambda device_id: False
        """Whether a device is wanted for its keys."""
        self.event_since: dict[tuple[int, str], float] = {}

    # Who there is.

    async def refresh(self) -> int:
        """Ask the registry again. Gives the number of devices."""
        self._fresh_keys.clear()
        found = {**await self._directory.devices()}
        for device_id, device in self._fresh_keys.items():  # changed while the registry was being read
            if device_id in found:
                found[device_id] = replace(found[device_id], guek=device.guek, gak=device.gak, suite=device.suite)
        await self.meet(found)
        for device_id in self.devices.keys() - found.keys():
            self._schedule.drop(device_id)
            self._awaited.discard(device_id)
            for profile in self.devices[device_id].profiles:
                self._book.table.forget(device_id, profile)
        fresh = [device_id for device_id in found if device_id not in self.devices]
        changed = [each for each in found if each in self.devices and found[each] != self.devices[each]]
        self.devices = dict(found)
        now = self._clock.epoch_s()
        await self._lay_down([*fresh, *changed], now)
        for device_id in fresh:
            self._plan_first(found[device_id], now)
        if fresh:
            log.info("devices to collect from", new=len(fresh), total=len(found))
        self._slots.wake()
        return len(found)

    def rules(self, device: DeviceRecord) -> list[ProfileRule]:
        """What is expected of a device: its profiles, without those its model was found not to have."""
        return [
            expectation_rule(PROFILES[name], device.interval_s, depth_s=self._models.depth_s(device, name))
            for name in device.profiles
            if not self._models.is_unusable(device, name)
        ]

    async def _lay_down(self, device_ids: Sequence[int], now_epoch_s: float) -> None:
        until = now_epoch_s - self._settings.grace_s
        for count, device_id in enumerate(device_ids, 1):
            device = self.devices.get(device_id)
            if device is not None:
                for rule in self.rules(device):
                    self._book.table.lay_down(device_id, rule, device.installed, until_epoch_s=until)
            if count % LAY_DOWN_CHUNK == 0:
                await asyncio.sleep(0)

    def _plan_first(self, device: DeviceRecord, now_epoch_s: float) -> None:
        """A device met for the first time in this process."""
        memory = self._book.memory(device.device_id)
        if memory.quarantined:
            return
        if memory.next_try_epoch_s > now_epoch_s:
            self._schedule.set(device.device_id, memory.next_try_epoch_s)
        elif self._backlog(device):
            self._schedule.set(device.device_id, now_epoch_s)
        else:
            self._schedule.set(device.device_id, self._next_visit(device.device_id, now_epoch_s))

    # When.

    async def run(self) -> None:
        """Keep the expectation up to date and queue who is due."""
        while True:
            now = self._clock.epoch_s()
            boundary = floor_to(int(now - self._settings.grace_s), LAY_DOWN_STEP_S)
            if boundary > self._laid_down_until:
                await self._begin_interval(boundary, now)
            elif self._depth_learnt:
                self._depth_learnt = False
                await self._lay_down(list(self.devices), now)
            for device_id in self._schedule.pop_due(now):
                device = self.devices.get(device_id)
                if device is not None and device.calls_us:
                    self._awaited.add(device_id)
                elif device is not None:
                    self._queue(device, now)
            if asyncio.get_running_loop().time() - self._measured_s >= MEASURE_S:
                self.measure()
            await self._nap()

    async def _begin_interval(self, boundary: int, now_epoch_s: float) -> None:
        if boundary // self._settings.cycle_s > self._laid_down_until // self._settings.cycle_s:
            self._runs.begin_cycle()
        self._laid_down_until = boundary
        await self._lay_down(list(self.devices), now_epoch_s)

    async def _nap(self) -> None:
        """Until the next device is due, somebody is due sooner, or it is time to look again."""
        await asyncio.sleep(TICK_REAL_S_MIN)
        due = self._schedule.next_epoch_s
        wait_s = TICK_S_MAX if due is None else min(due - self._clock.epoch_s(), TICK_S_MAX)
        if wait_s <= 0:
            return
        waiting = [
            asyncio.ensure_future(self._clock.sleep(wait_s)),
            asyncio.ensure_future(self._schedule.sooner.wait()),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
            self._schedule.sooner.clear()

    def _next_visit(self, device_id: int, now_epoch_s: float) -> float:
        settings = self._settings
        return next_visit(
            device_id, now_epoch_s, cycle_s=settings.cycle_s, window_s=settings.window_s, offset_s=settings.grace_s
        )

    def visit_soon(self, device_id: int, pause_s: float = LOST_SET_PAUSE_S) -> None:
        """Something of a device got lost: visit it before its place in the cycle."""
        device = self.devices.get(device_id)
        if device is None or self._book.memory(device_id).quarantined:
            return
        at = self._clock.epoch_s() + pause_s
        if device_id not in self._schedule.queued and self._schedule.due.get(device_id, at + 1) > at:
            self._schedule.set(device_id, at)

    def hold_back(self, pair: Pair) -> None:
        """Ask for a profile of a device not before the next cycle: at once it would bring the same as just now."""
        self._held_back[pair] = self._next_visit(pair[0], self._clock.epoch_s())

    def release(self, device_id: int) -> None:
        """End a device's quarantine and visit it."""
        memory = self._book.memory(device_id)
        memory.quarantined, memory.refusals, memory.failures, memory.next_try_epoch_s = False, 0, 0, 0.0
        self._book.changed(device_id)
        self.visit_soon(device_id, 0.0)

    # What.

    def due_ranges(self, device: DeviceRecord, profile: str, now_epoch_s: float) -> Ranges:
        """What a visit reads of a profile now: missing ranges that can have come in, and a doubtful newest gap."""
        pair = (device.device_id, profile)
        ledger = self._book.table.ledger(pair)
        if ledger is None or not ledger.missing or self._models.is_unusable(device, profile):
            return ()
        if now_epoch_s < self._held_back.get(pair, 0.0):
            return ()
        missing = ledger.missing
        ask_s = REGISTER_ASK_S.get(PROFILES[profile].kind)
        if ask_s is not None:
            return missing if missing[-1][1] - missing[-1][0] >= ask_s or len(missing) > 1 else ()
        newest = missing[-1]
        if ledger.absent and ledger.absent[-1][1] == newest[0]:
            late = max(ledger.absent[-1][0], floor_to(int(now_epoch_s) - RECHECK_S, device.interval_s))
            if late < newest[0]:
                missing = union(missing, ((late, newest[0]),))
        return missing

    def _backlog(self, device: DeviceRecord) -> bool:
        table = self._book.table
        return any(total_s(table.missing((device.device_id, profile))) > BACKLOG_S for profile in device.profiles)

    def rank(self, device: DeviceRecord) -> int:
        """0 while the first profile has a gap to be recovered, else 1."""
        missing = self._book.table.missing((device.device_id, FIRST_PROFILE))
        return 0 if total_s(missing) > BACKLOG_S else 1

    def _queue(self, device: DeviceRecord, now_epoch_s: float) -> None:
        device_id = device.device_id
        if self.is_quarantined(device_id) or device_id in self._schedule.queued:
            return
        rank = self.rank(device)
        kind = "gap" if rank == 0 or self._backlog(device) else "scheduled"
        self._runs.join(kind, device_id)

        async def visit() -> None:
            self._schedule.queued.pop(device_id, None)
            await self.visit(device_id, kind=kind)

        job = Job(
            device_id=device_id,
            address=device.address,
            lane=Lane.SCHEDULED,
            run=visit,
            rank=rank,
            order=now_epoch_s,
        )
        self._schedule.queued[device_id] = job
        self._slots.submit(job)

    async def visit(
        self, device_id: int, *, kind: str, client: OpenClient | None = None, reopen: Reopen | None = None
    ) -> VisitResult | None:
        """Visit a device now and settle when it is visited next. client: a connection it opened itself."""
        device = self.devices.get(device_id)
        if device is None:
            return None
        memory = self._book.memory(device_id)
        first_only = self.rank(device) == 0
        work = self._interruptible(lambda session: self._collect(session, first_only=first_only))
        try:
            result = await self._visitor.visit(device, memory, work, client=client, reopen=reopen)
        finally:
            self.urgent.session_ended(device_id)
        self._settle(device, memory, result, kind)
        return result

    def _interruptible(self, work: Work) -> Work:
        """The same work, with urgent work done before, between and after its steps."""

        async def both(session: DeviceSession) -> None:
            session.interlude = self.urgent.serve
            await self.urgent.serve(session)
            await work(session)
            await self.urgent.serve(session)

        return both

    async def _collect(self, session: DeviceSession, *, first_only: bool) -> None:
        """The work of one visit: profiles that are due, then event logs and registers when their time has come."""
        device, now = session.device, self._clock.epoch_s()
        for profile in (FIRST_PROFILE,) if first_only else device.profiles:
            ranges = await self._ranges_remembered(session, profile, now)
            if ranges:
                newest = newest_first(ranges[0][0], now, self._models.depth_s(device, profile))
                picked = ranges[-RANGES_PER_VISIT_MAX:] if newest else ranges[:RANGES_PER_VISIT_MAX]
                await session.read_profiles(profile, picked, newest_first=newest)
        if first_only:
            return
        if now - self._events_read.get(device.device_id, 0.0) >= self._settings.events_every_s:
            for log_name in EVENT_LOGS:
                await session.interlude(session)
                await self._read_events(session, log_name)
            self._events_read[device.device_id] = now
        if now - self._registers_read.get(device.device_id, 0.0) >= self._settings.registers_every_s:
            await self._read_registers(session)
            self._registers_read[device.device_id] = now

    async def _ranges_remembered(self, session: DeviceSession, profile: str, now_epoch_s: float) -> Ranges:
        """What is due of a profile, with the expectation as long as the device's memory: its model is learnt first."""
        device = session.device
        ranges = self.due_ranges(device, profile, now_epoch_s)
        if not ranges:
            return ()
        fresh = self._models.known(device, profile) is None
        if fresh:
            try:
                await session.plan(profile)
            except (RefusedError, PeerError) as error:
                session.report.problems[profile] = error
                return ()
        depth_s = self._models.depth_s(device, profile)
        if depth_s == memory_depth_s(PROFILES[profile]):
            return ranges
        rule = expectation_rule(PROFILES[profile], device.interval_s, depth_s=depth_s)
        until = now_epoch_s - self._settings.grace_s
        self._book.table.lay_down(device.device_id, rule, device.installed, until_epoch_s=until)
        if fresh:
            self._depth_learnt = True
            self._schedule.sooner.set()
        return self.due_ranges(device, profile, now_epoch_s)

    async def _read_events(self, session: DeviceSession, log_name: str) -> None:
        device = session.device
        if self._models.is_unusable(device, f"events.{log_name}"):
            return
        since = self.event_since.get((device.device_id, log_name), float(device.installed[0][0]))
        await session.read_events(log_name, since)

    async def _read_registers(self, session: DeviceSession) -> None:
        try:
            await session.read_registers()
        except (RefusedError, PeerError) as error:
            session.report.problems[REGISTERS] = error

    # On demand, and devices that call.

    def is_due(self, device_id: int, now_epoch_s: float) -> bool:
        """Whether a device that opens the connection itself should be visited when it does."""
        due = self._schedule.due.get(device_id)
        timely = due is not None and due <= now_epoch_s
        return timely or device_id in self._awaited or self.keys_due(device_id)

    def keys_changed(self, device: DeviceRecord) -> None:
        """Use other keys with a device from now on, whatever the registry said a moment ago."""
        known = self.devices.get(device.device_id)
        if known is not None:
            self.devices[device.device_id] = replace(known, guek=device.guek, gak=device.gak, suite=device.suite)
        self._fresh_keys[device.device_id] = device
        memory = self._book.memory(device.device_id)
        if memory.push_counter >= PUSH_COUNTER_FAR:
            memory.push_counter = -1

    def leave_agenda(self, device_id: int) -> None:
        """The device is about to be visited over its own connection."""
        self._awaited.discard(device_id)
        self._schedule.due.pop(device_id, None)

    def is_quarantined(self, device_id: int) -> bool:
        """Whether the device is left alone until an operator releases it."""
        return self._book.memory(device_id).quarantined

    async def visit_on_demand(
        self, device_id: int, work: Work, *, client: OpenClient | None = None, reopen: Reopen | None = None
    ) -> MeterworksError | None:
        """Visit a device for one piece of work. Gives the error it ended with."""
        device = self.devices.get(device_id)
        if device is None:
            return UnknownDeviceError(f"device {device_id} is no longer there", device=device_id)
        memory = self._book.memory(device_id)
        timeout_s = self._settings.on_demand_answer_timeout_s
        try:
            result = await self._visitor.visit(
                device, memory, self._interruptible(work), client=client, reopen=reopen, answer_timeout_s=timeout_s
            )
        finally:
            self.urgent.session_ended(device_id)
        self._settle_on_demand(device, memory, result)
        return result.error

    def _settle_on_demand(self, device: DeviceRecord, memory: DeviceMemory, result: VisitResult) -> None:
        """A person's read tells as much of a device as a scheduled one, but moves no schedule of an unreachable one."""
        now = result.ended_epoch_s
        memory.last_try_epoch_s = now
        self._note_clock(device, memory, result)
        if result.failure is None:
            memory.last_contact_epoch_s = now
            if memory.failures or device.calls_us:
                memory.failures = memory.refusals = 0
                self.visit_soon(device.device_id, 0.0)
        elif result.failure is Failure.AUTHENTICATION:
            self._note_failure(device, memory, result.failure, now)
        self._book.changed(device.device_id)
        self._log_session(device, result, "on-demand")

    # What came of it.

    def _settle(self, device: DeviceRecord, memory: DeviceMemory, result: VisitResult, kind: str) -> None:
        now = result.ended_epoch_s
        memory.last_try_epoch_s = now
        memory.last_error = None if result.error is None else result.error.code
        self._note_problems(device, result)
        self._note_clock(device, memory, result)
        if result.failure is None:
            memory.failures = memory.refusals = 0
            memory.last_contact_epoch_s = now
            again = result.report.settled and self._has_more(device, now)
            memory.next_try_epoch_s = now if again else self._next_visit(device.device_id, now)
        else:
            self._note_failure(device, memory, result.failure, now)
        self._book.changed(device.device_id)
        self._log_session(device, result, kind)
        done = result.failure is None
        if not done or memory.next_try_epoch_s > now:
            self._runs.leave(kind, device.device_id, done=done)
        if not memory.quarantined:
            self._schedule.set(device.device_id, memory.next_try_epoch_s)

    def _has_more(self, device: DeviceRecord, now_epoch_s: float) -> bool:
        """Whether a visit at once would bring more (the first fill reads the other profiles in a second visit)."""
        return any(total_s(self.due_ranges(device, profile, now_epoch_s)) > BACKLOG_S for profile in device.profiles)

    def _note_problems(self, device: DeviceRecord, result: VisitResult) -> None:
        """What a device does not have is not expected of it any more; anything else is tried again."""
        for name, error in result.report.problems.items():
            log.warning("could not be read", device=device.device_id, what=name, error=str(error))
            lasting = isinstance(error, ModelMismatchError) or error.facts.get("result") in LASTING_REFUSALS
            if lasting:
                self._models.mark_unusable(device, name, str(error))
                self._book.add_incident("model-mismatch", device_id=device.device_id, detail=f"{name}: {error}")
                self._book.table.forget(device.device_id, name)

    def _note_clock(self, device: DeviceRecord, memory: DeviceMemory, result: VisitResult) -> None:
        verdict, now = result.report.clock, result.ended_epoch_s
        if verdict is None:
            return
        memory.last_drift_s = result.report.drift_s
        if verdict.suspect:
            known_good = memory.last_good_clock_epoch_s
            memory.suspect_from_epoch_s = float(device.installed[0][0]) if known_good is None else known_good
            memory.suspect_until_epoch_s = now
            self._book.add_incident(
                "clock-off", device_id=device.device_id, detail=f"{verdict.text}, {verdict.action.value}"
            )
        corrected = result.clock_corrected is ClockAction.SET
        if corrected:
            self._book.add_incident("clock-set", device_id=device.device_id, detail=verdict.text)
        if corrected or not verdict.suspect:
            memory.last_good_clock_epoch_s = now

    def _note_failure(self, device: DeviceRecord, memory: DeviceMemory, failure: Failure, now: float) -> None:
        memory.failures += 1
        if failure is Failure.AUTHENTICATION:
            memory.refusals += 1
            if memory.refusals >= self._settings.quarantine_failures and not memory.quarantined:
                memory.quarantined = True
                self._book.add_incident("quarantine", device_id=device.device_id, detail="our keys were refused")
                log.error("device quarantined", device=device.device_id)
        wait_s = back_off_s(failure, memory.failures, device.device_id)
        following = self._next_visit(device.device_id, now)
        memory.next_try_epoch_s = following if wait_s is None else now + wait_s

    def _log_session(self, device: DeviceRecord, result: VisitResult, kind: str) -> None:
        self._book.add_session(
            SessionRecord(
                device_id=device.device_id,
                kind=kind,
                started=_utc(result.started_epoch_s),
                ended=_utc(result.ended_epoch_s),
                outcome=result.outcome.value,
                error_code=None if result.error is None else result.error.code,
                bytes_in=result.bytes_in,
                bytes_out=result.bytes_out,
                rows=result.report.rows,
                clock_drift_s=result.report.drift_s,
            )
        )

    def measure(self) -> None:
        """Bring runs and metrics up to date."""
        self._measured_s = asyncio.get_running_loop().time()
        self._runs.update()
        for profile in PROFILES:
            MISSING.labels(profile).set(self._book.table.totals(profile).missing_s)
        quarantined = sum(self._book.memory(device_id).quarantined for device_id in self.devices)
        DEVICES.labels("quarantined").set(quarantined)
        DEVICES.labels("collected").set(len(self.devices) - quarantined)


async def _meet_nobody(device_ids: Iterable[int]) -> None:
    del device_ids


def _utc(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)
