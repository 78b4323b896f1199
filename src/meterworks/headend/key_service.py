"""Key campaigns: who is due, how fast, and what is done with a device before anything else is asked of it.

The memory here mirrors the open jobs of the database; each is written there before it counts. A campaign only decides
when a job may begin. A job that is half done is no matter of pace or pause: until it is known which keys a device has,
nothing else can be asked of it, so whoever visits the device first finishes it.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from meterworks.errors import MeterworksError, OutcomeUnknown, UnreachableError
from meterworks.headend.device import DeviceRecord
from meterworks.headend.errors import KeyJobError
from meterworks.headend.key_certificate import CERTIFICATE_KINDS
from meterworks.headend.key_door import CallDoor, DialDoor
from meterworks.headend.key_expiry import CertificateWatch
from meterworks.headend.key_job import (
    CampaignState,
    KeyCampaign,
    KeyEvent,
    KeyJob,
    KeyJobState,
    KeyPurpose,
    KeyTask,
    SecurityLevel,
)
from meterworks.headend.key_ledger import KeyLedger
from meterworks.headend.key_run import KeyDoor, KeyNews
from meterworks.headend.key_runner import KeyRunner
from meterworks.headend.key_telegraph import KeyTelegraph
from meterworks.headend.schedule import TokenBucket
from meterworks.headend.settings import HeadendSettings
from meterworks.headend.slots import Job, Lane, SessionSlots
from meterworks.headend.visitor import Dialer, Reopen
from meterworks.registry import DeviceId, KeyKind, KeySelection
from meterworks.runtime import Clock, gauge, get_logger
from meterworks.trust import known_key

__all__ = ["KINDS_OF_TASK", "ROTATED_KINDS", "KeyFleet", "KeyService"]

log = get_logger("headend.key_service")

ROTATED_KINDS: Final = (KeyKind.GUEK, KeyKind.GAK, KeyKind.KEK, KeyKind.GBEK)
"""What a rotation changes when nobody says otherwise: all symmetric keys that one transfer carries."""
KINDS_OF_TASK: Final[Mapping[KeyTask, tuple[KeyKind, ...]]] = {
    KeyTask.KEYS: ROTATED_KINDS,
    KeyTask.CERTIFICATE: CERTIFICATE_KINDS,
    KeyTask.CLIENT: (),
    KeyTask.SECRET: (KeyKind.HLS,),
    KeyTask.POLICY: (),
}
"""The kinds of keys that a task can be about."""
NO_LEVEL: Final = SecurityLevel()
LOOK_S: Final = 0.2
UPKEEP_S: Final = 3600.0
UNDER_WAY_FACTOR: Final = 2
"""Jobs queued at once, in sessions that may be open."""
LASTING_FACTOR: Final = 10
"""How much later a job is tried again whose device is there, and the trouble another one."""
RANK_FIRST: Final = -1
RANK_LATER: Final = 2
BURST_S: Final = 2.0
_ORDER: Final = tuple(KeyPurpose)
OPEN_JOBS = gauge("headend_key_jobs_open", "Key jobs that are not over", ["state"])


class KeyFleet(Protocol):
    """The devices of the head-end, as key jobs see them: `collection.Collector` is one."""

    @property
    def devices(self) -> dict[int, DeviceRecord]:
        """Who there is."""

    def is_quarantined(self, device_id: int) -> bool:
        """Whether a device is left alone."""

    def keys_changed(self, device: DeviceRecord) -> None:
        """The device has other keys from now on."""


class KeyService:
    """Plans and carries out key jobs. `run()` until cancelled."""

    def __init__(
        self,
        ledger: KeyLedger,
        runner: KeyRunner,
        fleet: KeyFleet,
        slots: SessionSlots,
        dialer: Dialer,
        *,
        clock: Clock,
        settings: HeadendSettings,
        telegraph: KeyTelegraph,
    ) -> None:
        self._ledger = ledger
        self._runner = runner
        self._fleet = fleet
        self._slots = slots
        self._dialer = dialer
        self._clock = clock
        self._settings = settings
        self._campaigns: dict[str, KeyCampaign] = {}
        self._jobs: dict[int, dict[str, KeyJob]] = {}
        self._buckets: dict[str, TokenBucket] = {}
        self._let_begin: set[tuple[str, int]] = set()
        self._queued: set[int] = set()
        self._exhausting: set[int] = set()
        self._met: set[int] = set()
        self._met_loaded = False
        self._open_count: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._telegraph = telegraph
        self._scanned: set[int] = set()
        self.watch: CertificateWatch | None = None
        """Looks after certificates; None where nobody does."""
        runner.counters.on_low = self._counter_low
        runner.counters.low_mark = settings.counter_low_mark

    def now(self) -> datetime:
        """The time by the system's clock."""
        return self._clock.now()

    async def load(self) -> None:
        """Take up what was left."""
        self.take_up(await self._ledger.open_campaigns(), await self._ledger.open_jobs())

    def take_up(self, campaigns: Iterable[KeyCampaign], jobs: Iterable[KeyJob]) -> None:
        """Go on with campaigns and their jobs as they were written last."""
        self._campaigns |= {campaign.id: campaign for campaign in campaigns}
        for job in jobs:
            self._keep(job)

    async def close(self) -> None:
        """End what was begun by itself: what is not told or planned by now is at the next start."""
        for task in self._tasks:
            task.cancel()
        await self.settled()

    async def settled(self) -> None:
        """Wait for what was begun by itself and is not yet written."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Campaigns.

    async def start(
        self,
        purpose: KeyPurpose,
        selection: KeySelection,
        *,
        kinds: Sequence[KeyKind] = ROTATED_KINDS,
        reason: str = "",
        started_by: str = "head-end",
        pace_per_minute: int = 0,
        level: SecurityLevel = NO_LEVEL,
        task: KeyTask = KeyTask.KEYS,
    ) -> KeyCampaign:
        """Begin a campaign over the devices that a selection finds now. An emergency declares their keys compromised.

        task: what is done at each. level: what devices below it are raised to: the suite with their new keys.
        A device that has an open job of the same purpose is left out: it is on its way. Raises KeyJobError where nobody
        is left.
        """
        now = self._clock.now()
        found = await self._ledger.selected(selection)
        wanted = [device_id for device_id in found if not self.is_under_way(device_id, task, purpose)]
        if not wanted:
            raise KeyJobError("no device is selected that has not such a key job already: widen the selection")
        emergency = purpose is KeyPurpose.EMERGENCY
        if emergency:
            await self._ledger.declare_compromised(wanted, kinds)
        campaign = KeyCampaign(
            id=uuid.uuid4().hex,
            purpose=purpose,
            kinds=_with_company(kinds),
            selection=selection,
            reason=reason[:300],
            started_by=started_by[:80],
            created_at=now,
            pace_per_minute=pace_per_minute,
            due_at=now + timedelta(seconds=self._settings.key_emergency_s) if emergency else None,
            suite=level.suite,
            policy=level.policy,
            task=task,
        )
        await self._telegraph.started(campaign, len(wanted))
        jobs = await self._ledger.add_campaign(campaign, wanted)
        self._campaigns[campaign.id] = campaign
        for job in jobs:
            self._keep(job)
        log.info("key campaign started", campaign=campaign.id, purpose=str(purpose), devices=len(jobs))
        return campaign

    async def set_state(self, campaign_id: str, state: CampaignState, *, changed_by: str = "operator") -> KeyCampaign:
        """Pause, resume or stop a campaign. What is half done is finished all the same. Raises KeyJobError."""
        campaign = self._campaigns.get(campaign_id)
        if campaign is None or state is CampaignState.DONE:
            raise KeyJobError(f"there is no open key campaign {campaign_id[:40]!r}", campaign=campaign_id[:40])
        now = self._clock.now()
        stopped: list[KeyJob] = []
        if state is CampaignState.STOPPED:
            waiting = [job for job in self._jobs_of(campaign_id) if not job.is_half_done and not self._is_busy(job)]
            stopped = [job.after(KeyEvent.STOPPED, now, "the campaign was stopped") for job in waiting]
        campaign = replace(campaign, state=state, ended_at=now if state is CampaignState.STOPPED else None)
        await self._telegraph.changed(campaign, changed_by)
        await self._ledger.save_campaign(campaign, stopped)
        self._campaigns[campaign_id] = campaign
        for job in stopped:
            self._keep(job)
        self._buckets.pop(campaign_id, None)
        log.info("key campaign changed", campaign=campaign_id, state=str(state))
        await self._end_if_done(campaign_id)
        return campaign

    async def retry(self, campaign_id: str) -> int:
        """Let the failed jobs of a campaign begin anew. Gives how many."""
        campaign = self._campaigns.get(campaign_id) or await self._ledger.campaign(campaign_id)
        if campaign is None or campaign.state is CampaignState.STOPPED:
            raise KeyJobError(f"there is no key campaign {campaign_id[:40]!r} to go on with", campaign=campaign_id[:40])
        now = self._clock.now()
        failed = await self._ledger.jobs(campaign_id, states=[KeyJobState.FAILED], limit=100_000)
        again = [job.after(KeyEvent.RETRIED, now) for job in failed if not self._open_jobs(job.device_id)]
        if not again:
            return 0
        campaign = replace(campaign, state=CampaignState.RUNNING, ended_at=None)
        await self._ledger.save_campaign(campaign, again)
        self._campaigns[campaign_id] = campaign
        for job in again:
            self._keep(job)
        return len(again)

    # At a device.

    async def attend(self, device: DeviceRecord, reopen: Reopen | None) -> DeviceRecord:
        """Do the key jobs of a device that are due before anything else. Gives the device with its keys of now."""
        for job in self._open_jobs(device.device_id):
            if not self._goes_first(job):
                continue
            if self._campaigns[job.campaign_id].task is KeyTask.KEYS:
                device = await self._run(device, job, reopen)
            elif job.next_try_epoch_s <= self._clock.epoch_s():
                device = await self._run_aside(device, job, reopen)
        return device

    async def _run_aside(self, device: DeviceRecord, job: KeyJob, reopen: Reopen | None) -> DeviceRecord:
        """Run a job that changes nothing of what opens the device: it does not hold up the visit it fails in."""
        try:
            return await self._run(device, job, reopen)
        except MeterworksError as error:
            log.info("key job goes on later", device=device.device_id, reason=error.code)
            return device

    def is_due(self, device_id: int) -> bool:
        """Whether a device that opens the connection itself should be visited for its keys when it does."""
        return any(self._goes_first(job) or self._may_begin(job) for job in self._open_jobs(device_id))

    def _goes_first(self, job: KeyJob) -> bool:
        """Whether a job runs at the first contact: half done, urgent, let begin by its campaign, or tried before."""
        if job.is_half_done:
            return True
        campaign = self._campaigns.get(job.campaign_id)
        if campaign is None or campaign.state is not CampaignState.RUNNING:
            return False
        begun = job.attempts > 0 or (job.campaign_id, job.device_id) in self._let_begin
        return campaign.purpose.goes_first or begun

    async def _run(self, device: DeviceRecord, job: KeyJob, reopen: Reopen | None) -> DeviceRecord:
        door: KeyDoor = DialDoor(self._dialer) if reopen is None else CallDoor(reopen)
        run = await self._runner.begin(device, job, self._campaigns[job.campaign_id])
        try:
            await self._runner.carry_out(run, door)
        except MeterworksError as error:
            await self._broke_off(run.job, error)
            raise
        finally:
            if run.device is not device:
                self._fleet.keys_changed(run.device)
        self._keep(run.job)
        if run.is_done and run.campaign.task is KeyTask.CERTIFICATE and self.watch is not None:
            self._aside(self.watch.replaced(job.device_id))
        await self._end_if_done(job.campaign_id)
        return run.device

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that no visit waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _broke_off(self, job: KeyJob, error: MeterworksError) -> None:
        """Keep how far a job came, and put the next try off."""
        if job.is_open:
            lasting = not isinstance(error, UnreachableError | OutcomeUnknown)
            wait_s = self._settings.key_retry_s * (LASTING_FACTOR if lasting else 1)
            job = job.tried(self._clock.epoch_s() + wait_s, self._clock.now(), str(error))
            await self._ledger.write(job.device_id, job=job)
        self._keep(job)
        await self._end_if_done(job.campaign_id)

    async def possible(self, device: DeviceRecord) -> DeviceRecord | None:
        """The device with the keys it may have taken without our knowing it; None where none are on their way."""
        for job in self._open_jobs(device.device_id):
            campaign = self._campaigns[job.campaign_id]
            if job.is_half_done and campaign.task is KeyTask.KEYS:
                return await self._runner.with_new_keys(device, campaign.suite)
        return None

    # When.

    async def run(self) -> None:
        """Let jobs begin at the pace of their campaigns; look for what is due by age."""
        upkeep_at = self._clock.epoch_s()
        while True:
            for campaign in sorted(self._campaigns.values(), key=_urgency):
                self._let_some_begin(campaign)
            if self._clock.epoch_s() >= upkeep_at:
                upkeep_at = self._clock.epoch_s() + UPKEEP_S
                await self._look_around()
            self._measure()
            await asyncio.sleep(LOOK_S)

    def _let_some_begin(self, campaign: KeyCampaign) -> None:
        running = campaign.state is CampaignState.RUNNING
        for job in self._jobs_of(campaign.id):
            if len(self._queued) >= UNDER_WAY_FACTOR * self._settings.sessions_max:
                return
            if not (running or job.is_half_done) or not self._can_be_queued(job):
                continue
            if not job.attempts and not job.is_half_done and not self._take_token(campaign):
                return
            self._let_begin.add((job.campaign_id, job.device_id))
            device = self._fleet.devices[job.device_id]
            if not device.calls_us:
                self._queue(device, campaign)

    def _may_begin(self, job: KeyJob) -> bool:
        campaign = self._campaigns.get(job.campaign_id)
        return campaign is not None and campaign.state is CampaignState.RUNNING

    def _can_be_queued(self, job: KeyJob) -> bool:
        device_id = job.device_id
        device = self._fleet.devices.get(device_id)
        if device is None or device_id in self._queued or self._fleet.is_quarantined(device_id):
            return False
        called = device.calls_us and (job.campaign_id, device_id) in self._let_begin
        return not called and job.next_try_epoch_s <= self._clock.epoch_s()

    def _take_token(self, campaign: KeyCampaign) -> bool:
        if not campaign.pace_per_minute:
            return True
        bucket = self._buckets.get(campaign.id)
        if bucket is None:
            rate = campaign.pace_per_minute / 60
            bucket = self._buckets[campaign.id] = TokenBucket(rate, max(1.0, rate * BURST_S))
        now_s = asyncio.get_running_loop().time()
        if bucket.wait_s(now_s) > 0:
            return False
        bucket.take(now_s)
        return True

    def _queue(self, device: DeviceRecord, campaign: KeyCampaign) -> None:
        device_id = device.device_id

        async def visit() -> None:
            try:
                await self.attend(self._fleet.devices.get(device_id, device), None)
            except MeterworksError as error:
                log.info("key job goes on later", device=device_id, reason=error.code)
            finally:
                self._queued.discard(device_id)

        self._queued.add(device_id)
        self._slots.submit(
            Job(
                device_id=device_id,
                address=device.address,
                lane=Lane.SCHEDULED,
                run=visit,
                rank=RANK_FIRST if campaign.purpose.goes_first else RANK_LATER,
                order=self._clock.epoch_s(),
            )
        )

    # What begins by itself.

    async def meet(self, device_ids: Iterable[int]) -> None:
        """Plan the personalisation of devices that came with keys of their maker and were never personalised."""
        fresh = set(device_ids) - self._met
        if not self._settings.personalise or not fresh:
            return
        if not self._met_loaded:
            self._met |= await self._ledger.begun_before(KeyPurpose.PERSONALISE)
            self._met_loaded = True
        wanted = sorted((fresh & set(await self._ledger.transport_devices())) - self._met)
        self._met |= fresh
        if wanted:
            selection = KeySelection(device_ids=tuple(DeviceId(each) for each in wanted))
            await self.start(KeyPurpose.PERSONALISE, selection, reason="first contact: keys of the maker are replaced")

    async def _look_around(self) -> None:
        """Begin what is due by age; a look that fails is made again at the next."""
        try:
            await self._rotate_by_age()
            await self._scan_keys()
        except MeterworksError as error:
            log.warning("what is due could not be looked for", reason=str(error))
        if self.watch is not None:
            self._aside(self._look_at_certificates(self.watch))

    async def _look_at_certificates(self, watch: CertificateWatch) -> None:
        """See what ends; the authority may take its time."""
        suites = {DeviceId(each.device_id): each.suite for each in self._fleet.devices.values()}
        try:
            await watch.look(suites, self._clock.epoch_s())
        except MeterworksError as error:
            log.warning("certificates could not be looked at", reason=str(error))

    async def _scan_keys(self) -> None:
        """Tell of devices whose keys everyone knows (SEC-019); each device is looked at once."""
        fresh = [each for number, each in self._fleet.devices.items() if number not in self._scanned]
        self._scanned.update(each.device_id for each in fresh)
        for device_id, name, reason in await asyncio.to_thread(_known_keys, fresh):
            log.error("a key of a device is known to everyone", device=device_id, kind=name)
            detail = (
                f"its {name} is {reason}: replace it with `meterworks keys rotate --emergency --device {device_id}`"
            )
            self._telegraph.tell(KeyNews(device_id=device_id, kind="known-key", detail=detail, failed=True))

    async def _rotate_by_age(self) -> None:
        days = self._settings.key_age_days_max
        if not days:
            return
        selection = KeySelection(older_than=self._clock.now() - timedelta(days=days), kinds=ROTATED_KINDS)
        old = [each for each in await self._ledger.selected(selection) if not self._open_jobs(each)]
        if old:
            await self.start(
                KeyPurpose.SCHEDULED,
                KeySelection(device_ids=tuple(old)),
                reason=f"keys older than {days} days",
                pace_per_minute=self._settings.key_pace_per_minute,
            )

    def _counter_low(self, device_id: int, left: int) -> None:
        """Of a key's counters few are left: alarm, and a new key before they are gone (SEC-007)."""
        if device_id in self._exhausting:
            return
        self._exhausting.add(device_id)
        log.warning("invocation counter nears its end", device=device_id, left=left)
        self._telegraph.tell(
            KeyNews(device_id=device_id, kind="counter-low", detail=f"{left} invocation counters left")
        )
        self._aside(self._replace_exhausting(device_id, left))

    async def _replace_exhausting(self, device_id: int, left: int) -> None:
        try:
            await self.start(
                KeyPurpose.EXHAUSTION,
                KeySelection(device_ids=(DeviceId(device_id),)),
                reason=f"{left} invocation counters left",
            )
        except MeterworksError as error:
            self._exhausting.discard(device_id)
            log.warning("no key job for an exhausted key", device=device_id, reason=str(error))

    # Books.

    def _keep(self, job: KeyJob) -> None:
        held = self._jobs.setdefault(job.device_id, {})
        was_open = job.campaign_id in held
        self._open_count[job.campaign_id] += job.is_open - was_open
        if job.is_open:
            held[job.campaign_id] = job
            return
        held.pop(job.campaign_id, None)
        self._let_begin.discard((job.campaign_id, job.device_id))
        self._exhausting.discard(job.device_id)
        if not held:
            self._jobs.pop(job.device_id, None)

    def _open_jobs(self, device_id: int) -> list[KeyJob]:
        """Open jobs of a device: what is half done first, and of that what opens the device; then by urgency."""
        jobs = self._jobs.get(device_id, {}).values()

        def place(job: KeyJob) -> tuple[bool, bool, tuple[int, str, str]]:
            campaign = self._campaigns[job.campaign_id]
            opens = campaign.task is KeyTask.KEYS
            return not (job.is_half_done and opens), not job.is_half_done, _urgency(campaign)

        return sorted(jobs, key=place)

    def _jobs_of(self, campaign_id: str) -> list[KeyJob]:
        return [held[campaign_id] for held in self._jobs.values() if campaign_id in held]

    def _is_busy(self, job: KeyJob) -> bool:
        return self._slots.is_busy(job.device_id)

    def is_under_way(self, device_id: int, task: KeyTask, purpose: KeyPurpose | None = None) -> bool:
        """Whether a device has an open job of a task, and of a purpose if one is given."""
        found = [self._campaigns[job.campaign_id] for job in self._open_jobs(device_id)]
        return any(each.task is task and purpose in (None, each.purpose) for each in found)

    async def _end_if_done(self, campaign_id: str) -> None:
        campaign = self._campaigns.get(campaign_id)
        if campaign is None or self._open_count[campaign_id]:
            return
        del self._campaigns[campaign_id], self._open_count[campaign_id]
        if campaign.state in (CampaignState.RUNNING, CampaignState.PAUSED):
            await self._ledger.save_campaign(replace(campaign, state=CampaignState.DONE, ended_at=self._clock.now()))
            log.info("key campaign done", campaign=campaign_id)

    def _measure(self) -> None:
        counts = dict.fromkeys(KeyJobState, 0)
        for held in self._jobs.values():
            for job in held.values():
                counts[job.state] += 1
        for state, count in counts.items():
            OPEN_JOBS.labels(str(state)).set(count)


def _known_keys(devices: Iterable[DeviceRecord]) -> list[tuple[int, KeyKind, str]]:
    """Device, kind and what is known of each key in force that protects nothing."""
    held = (
        (each.device_id, kind, key)
        for each in devices
        for kind, key in ((KeyKind.GUEK, each.guek), (KeyKind.GAK, each.gak))
    )
    found = ((device_id, kind, known_key(key)) for device_id, kind, key in held if key is not None)
    return [(device_id, kind, reason) for device_id, kind, reason in found if reason]


def _with_company(kinds: Sequence[KeyKind]) -> tuple[KeyKind, ...]:
    """The kinds of a campaign: a master key is never changed alone, for nothing would prove it."""
    wanted = {*kinds, KeyKind.GUEK, KeyKind.GAK} if KeyKind.KEK in kinds else set(kinds)
    return tuple(kind for kind in KeyKind if kind in wanted)


def _urgency(campaign: KeyCampaign) -> tuple[int, str, str]:
    return _ORDER.index(campaign.purpose), campaign.created_at.isoformat(), campaign.id
