"""A key job under way: associations with a device whose keys are in doubt, and the journal of what is done with it.

Source: SEC-124; PKI fact sheet section 6.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from meterworks.errors import MeterworksError, RefusedError, SecurityError
from meterworks.headend.counters import COUNTER_LAST, CounterBlocks, ReservedCounter
from meterworks.headend.device import DeviceRecord
from meterworks.headend.key_exchange import TRANSFERRED_KINDS, HeldKeys, KeyEra, held_keys, is_refused, record_with
from meterworks.headend.key_job import KeyCampaign, KeyEvent, KeyJob, KeyJobState
from meterworks.headend.key_ledger import KeyLedger
from meterworks.headend.visitor import OpenClient, told_counter
from meterworks.protocols.dlms import MANAGEMENT_CLIENT, InvocationCounter
from meterworks.registry import KeyHand, KeyKind
from meterworks.runtime import Clock, get_logger

__all__ = ["PROOF_BLOCK", "KeyAccess", "KeyDoor", "KeyNews", "KeyRun"]

log = get_logger("headend.key_run")

PROOF_BLOCK = 64
"""Counters reserved under a key that is not in force, for each try: an association takes a handful."""
COUNTER_TRIES = 2


class KeyDoor(Protocol):
    """How associations with one device are opened: by connecting, or on the connection it opened itself."""

    async def open(self, device: DeviceRecord, client_sap: int, counter: InvocationCounter) -> OpenClient:
        """Give a client that has not associated yet."""

    async def close(self, link: OpenClient) -> None:
        """Be done with an association."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyNews:
    """Something of a device's keys that people and the audit trail should know.

    kind: as of incidents. device_id: 0 for keys of our own.
    """

    device_id: int
    kind: str
    detail: str
    failed: bool = False


@dataclass(slots=True, kw_only=True)
class KeyRun:
    """A job under way: what is known by now."""

    device: DeviceRecord
    job: KeyJob
    campaign: KeyCampaign
    hand: KeyHand
    reserved: ReservedCounter | None = None
    """Counters of the new key, reserved and not yet used."""

    @property
    def is_done(self) -> bool:
        """Whether what was to be done is done and proved."""
        return self.job.state is KeyJobState.DONE


class KeyAccess:
    """Opens devices with whichever keys they have, and writes down what happens. One job at a time for a device."""

    def __init__(
        self, ledger: KeyLedger, counters: CounterBlocks, clock: Clock, *, tell: Callable[[KeyNews], None]
    ) -> None:
        """tell: hears what happened."""
        self.ledger = ledger
        self.counters = counters
        self.clock = clock
        self._tell = tell

    # Opening.

    async def open_known(self, run: KeyRun, door: KeyDoor) -> tuple[OpenClient, HeldKeys]:
        """Open the device with the keys in force, else with those before. The job has failed where none opens it."""
        refusal: MeterworksError | None = None
        for held in self._present_sets(run):
            try:
                return await self.open_present(run, held, door), held
            except (RefusedError, SecurityError) as error:
                if not is_refused(error):
                    raise
                refusal = refusal or error
        link = await self._open_previous(run, door)
        if link is None:
            await self.fail(run, f"no key we know opens it: {refusal}")
            assert refusal is not None
            raise refusal
        return link, self.held(run, KeyEra.PRESENT)

    def _present_sets(self, run: KeyRun) -> Iterator[HeldKeys]:
        """The keys in force; of a device that may have been raised already, in the higher suite too."""
        held = self.held(run, KeyEra.PRESENT)
        yield held
        higher = run.campaign.suite
        if run.job.is_half_done and higher is not None and higher > held.suite:
            yield replace(held, suite=higher)

    def present(self, run: KeyRun) -> HeldKeys:
        """The keys in force."""
        return self.held(run, KeyEra.PRESENT)

    def held(self, run: KeyRun, era: KeyEra) -> HeldKeys:
        """A set of keys that the device may have."""
        suite = run.device.suite
        if era is KeyEra.NEW:
            suite = max(suite, run.campaign.suite or 0)
        return held_keys(run.hand, era, self.ledger.open, suite=suite)

    async def open_present(
        self, run: KeyRun, held: HeldKeys, door: KeyDoor, *, client_sap: int = MANAGEMENT_CLIENT
    ) -> OpenClient:
        """Open with keys in force; a counter that the device has seen is raised once."""
        counter = await self.counters.last_ones(run.device.device_id)
        for tries_left in reversed(range(COUNTER_TRIES)):
            try:
                return await self.open(run, held, counter, door, client_sap=client_sap)
            except MeterworksError as error:
                lowest = told_counter(error)
                if lowest is None or not tries_left or counter.following >= lowest:
                    raise
                counter.raise_to(lowest)
        raise AssertionError

    async def _open_previous(self, run: KeyRun, door: KeyDoor) -> OpenClient | None:
        """Try the keys before the present ones: a restored database, or a device that fell back. None: they fail."""
        held = self.held(run, KeyEra.PREVIOUS)
        present = run.hand.active()
        if not held.is_complete or all(present.get(kind) == each for kind, each in held.versions.items()):
            return None
        try:
            link = await self.open(run, held, await self.reserve(run, held), door)
        except MeterworksError as error:
            if is_refused(error):
                return None
            raise
        now = self.clock.now()
        bound = held.versions[KeyKind.GUEK].counter
        await self.restart(run, lambda hand: hand.reinstated(now, TRANSFERRED_KINDS), bound + PROOF_BLOCK)
        self.news(run, "key-recovered", "it answered under the keys before the present ones; they are in force again")
        return link

    async def open(
        self,
        run: KeyRun,
        held: HeldKeys,
        counter: InvocationCounter,
        door: KeyDoor,
        *,
        client_sap: int = MANAGEMENT_CLIENT,
    ) -> OpenClient:
        """Open an association; that it opens proves the keys, for each side shows the other its knowledge."""
        link = await door.open(record_with(run.device, held), client_sap, counter)
        try:
            await link.associate()
        except BaseException:
            await door.close(link)
            raise
        return link

    async def reserve(self, run: KeyRun, held: HeldKeys) -> ReservedCounter:
        """Reserve counters under a key that is not in force."""
        version = held.versions[KeyKind.GUEK]
        if run.reserved is not None:
            reserved, run.reserved = run.reserved, None
            return reserved
        start = version.counter
        await self.write(run, change=lambda hand: hand.reserved(version, start + PROOF_BLOCK))
        return ReservedCounter(run.device.device_id, start, start + PROOF_BLOCK)

    async def restart(
        self,
        run: KeyRun,
        change: Callable[[KeyHand], KeyHand],
        bound: int,
        *,
        events: Sequence[KeyEvent] = (),
        suite: int | None = None,
    ) -> None:
        """Another key of ours comes in force: keep how far we counted under the one before, and count its own."""
        device_id = run.device.device_id
        active = run.hand.active()[KeyKind.GUEK]
        used = min(self.counters.counter(device_id).bound, COUNTER_LAST + 1)

        async def write() -> None:
            await self.write(
                run, events=events, change=lambda hand: change(hand.reserved(active, used)), counter=bound, suite=suite
            )

        await self.counters.restart(device_id, bound, write)

    # Writing.

    async def write(
        self,
        run: KeyRun,
        *,
        events: Sequence[KeyEvent] = (),
        step: str | None = None,
        change: Callable[[KeyHand], KeyHand] | None = None,
        counter: int | None = None,
        suite: int | None = None,
    ) -> None:
        """Write what happened; only what is written counts. step: which one the job is at now."""
        job = run.job
        for event in events:
            job = job.after(event, self.clock.now(), step=step)
        hand = await self.ledger.write(job.device_id, change=change, job=job, counter=counter, suite=suite)
        run.job = job
        if hand is not None:
            run.hand = hand

    async def fail(
        self,
        run: KeyRun,
        reason: str,
        *,
        event: KeyEvent = KeyEvent.GAVE_UP,
        change: Callable[[KeyHand], KeyHand] | None = None,
    ) -> None:
        """End the job: a person must look."""
        job = run.job.after(event, self.clock.now(), reason)
        hand = await self.ledger.write(job.device_id, change=change, job=job)
        run.job = job
        if hand is not None:
            run.hand = hand
        self.news(run, "key-job-failed", reason, failed=True)

    def news(self, run: KeyRun, kind: str, detail: str, *, failed: bool = False) -> None:
        """Tell what happened to a device's keys."""
        log.info("keys of a device", device=run.device.device_id, what=kind, campaign=run.campaign.id)
        self._tell(KeyNews(device_id=run.device.device_id, kind=kind, detail=detail, failed=failed))
