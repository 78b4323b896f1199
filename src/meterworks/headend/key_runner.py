"""Carrying out the key job of one device: from wherever it was left to new keys proved, or to a reason why not.

    1. open an association under the keys in force; what is not certain is first found out: new, present, previous keys
    2. make new keys; store them, the job as *sent*, and a block of counters for them, in one transaction
    3. transfer them, wrapped under the present master key; the device answers under the old keys
    4. open a new association: its handshake proves that the device has the new keys
    5. new keys in force, old ones retired, job done, counter started anew: in one transaction

Between 2 and 5 the outcome is unknown. Whatever breaks there leaves the job as *sent* (or *answered*), and whoever
comes next begins at 1.  Source: SEC-124; PKI fact sheet section 6.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from meterworks.errors import MeterworksError, RefusedError, SecurityError
from meterworks.headend.counters import COUNTER_LAST, CounterBlocks, ReservedCounter
from meterworks.headend.device import DeviceRecord
from meterworks.headend.errors import KeyJobError, KeyTransferRefused
from meterworks.headend.key_exchange import (
    HeldKeys,
    KeyEra,
    draw_keys,
    held_keys,
    is_refused,
    record_with,
    transfer_keys,
)
from meterworks.headend.key_job import KeyCampaign, KeyEvent, KeyJob, KeyJobState
from meterworks.headend.key_ledger import KeyLedger
from meterworks.headend.visitor import OpenClient, released, told_counter
from meterworks.protocols.dlms import MANAGEMENT_CLIENT, InvocationCounter, SecuritySuite
from meterworks.registry import STORE_KEY, DeviceId, KeyHand, KeyKind, KeyOrigin
from meterworks.runtime import Clock, get_logger

__all__ = ["PROOF_BLOCK", "KeyDoor", "KeyNews", "KeyRunner"]

log = get_logger("headend.key_runner")

PROOF_BLOCK = 64
"""Counters reserved under a key that is not in force, for each try: an association takes a handful."""
ROUNDS_MAX = 4
"""Times a job begins anew within one session: new keys sent, found not taken, sent again."""
COUNTER_TRIES = 2


class KeyDoor(Protocol):
    """How associations with one device are opened: by connecting, or on the connection it opened itself."""

    async def open(self, device: DeviceRecord, client_sap: int, counter: InvocationCounter) -> OpenClient:
        """Give a client that has not associated yet."""

    async def close(self, link: OpenClient) -> None:
        """Be done with an association."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyNews:
    """Something of a device's keys that people and the audit trail should know. kind: as of incidents."""

    device_id: int
    kind: str
    detail: str
    failed: bool = False


class KeyRunner:
    """Carries out key jobs. One at a time for a device: the caller holds it."""

    def __init__(
        self,
        ledger: KeyLedger,
        counters: CounterBlocks,
        clock: Clock,
        *,
        tell: Callable[[KeyNews], None],
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """tell: hears what happened. random: of new keys."""
        self._ledger = ledger
        self.counters = counters
        self._clock = clock
        self._tell = tell
        self._random = random

    async def begin(self, device: DeviceRecord, job: KeyJob, campaign: KeyCampaign) -> "KeyRun":
        """Take a job up: `carry_out` brings it on."""
        return KeyRun(device=device, job=job, campaign=campaign, hand=await self._ledger.hand(job.device_id))

    async def carry_out(self, run: "KeyRun", door: KeyDoor) -> None:
        """Bring a job as far as it goes; `run` tells how far that was, however this ends.

        Raises what made it break off: UnreachableError and OutcomeUnknown leave a job that goes on later; SecurityError
        and refusals of the association mean that no key we know opens the device; the job has failed then.
        """
        for _ in range(ROUNDS_MAX):
            if await self._round(run, door):
                return
        raise KeyJobError(
            f"device {run.device.device_id} took new keys {ROUNDS_MAX} times and used the old ones again each time:"
            " look at its firmware",
            device=run.device.device_id,
        )

    async def with_new_keys(self, device: DeviceRecord) -> DeviceRecord | None:
        """Give a device with the keys that are pending for it; None where there are none."""
        hand = await self._ledger.hand(DeviceId(device.device_id))
        held = held_keys(hand, KeyEra.NEW, self._ledger.open)
        return record_with(device, held) if hand.pending() and held.is_complete else None

    async def _round(self, run: "KeyRun", door: KeyDoor) -> bool:
        """Find out, send, prove. True when the job is over; False where the device turned out not to have taken it."""
        if run.job.is_half_done and await self._prove(run, door):
            return True
        link, held = await self._open_known(run, door)
        run.device = record_with(run.device, held)
        try:
            if run.job.is_half_done:
                await self._write(run, events=(KeyEvent.STILL_OLD,))
            await self._send(run, link, held)
        finally:
            await door.close(link)
        return not run.job.is_open or await self._prove(run, door)

    # Opening.

    async def _open_known(self, run: "KeyRun", door: KeyDoor) -> tuple[OpenClient, HeldKeys]:
        """Open the device with the keys in force, else with those before."""
        try:
            held = held_keys(run.hand, KeyEra.PRESENT, self._ledger.open)
            return await self._open_present(run, held, door), held
        except (RefusedError, SecurityError) as error:
            if not is_refused(error):
                raise
            link = await self._open_previous(run, door)
            if link is None:
                await self._fail(run, f"no key we know opens it: {error}")
                raise
        return link, held_keys(run.hand, KeyEra.PRESENT, self._ledger.open)

    async def _open_present(self, run: "KeyRun", held: HeldKeys, door: KeyDoor) -> OpenClient:
        counter = await self.counters.last_ones(run.device.device_id)
        for tries_left in reversed(range(COUNTER_TRIES)):
            try:
                return await self._open(run, held, counter, door)
            except MeterworksError as error:
                lowest = told_counter(error)
                if lowest is None or not tries_left or counter.following >= lowest:
                    raise
                counter.raise_to(lowest)
        raise AssertionError

    async def _open_previous(self, run: "KeyRun", door: KeyDoor) -> OpenClient | None:
        """Try the keys before the present ones: a restored database, or a device that fell back. None: they fail."""
        held = held_keys(run.hand, KeyEra.PREVIOUS, self._ledger.open)
        present = run.hand.active()
        if not held.is_complete or all(present.get(kind) == each for kind, each in held.versions.items()):
            return None
        try:
            link = await self._open(run, held, await self._reserved(run, held), door)
        except MeterworksError as error:
            if is_refused(error):
                return None
            raise
        now = self._clock.now()
        bound = held.versions[KeyKind.GUEK].counter
        await self._restart(run, lambda hand: hand.reinstated(now), bound + PROOF_BLOCK)
        self._news(run, "key-recovered", "it answered under the keys before the present ones; they are in force again")
        return link

    async def _open(self, run: "KeyRun", held: HeldKeys, counter: InvocationCounter, door: KeyDoor) -> OpenClient:
        """Open a management association; that it opens proves the keys, for each side shows the other its knowledge."""
        link = await door.open(record_with(run.device, held), MANAGEMENT_CLIENT, counter)
        try:
            await link.associate()
        except BaseException:
            await door.close(link)
            raise
        return link

    async def _reserved(self, run: "KeyRun", held: HeldKeys) -> ReservedCounter:
        """Reserve counters under a key that is not in force."""
        version = held.versions[KeyKind.GUEK]
        if run.reserved is not None:
            reserved, run.reserved = run.reserved, None
            return reserved
        start = version.counter
        await self._write(run, change=lambda hand: hand.reserved(version, start + PROOF_BLOCK))
        return ReservedCounter(run.device.device_id, start, start + PROOF_BLOCK)

    # Sending.

    async def _send(self, run: "KeyRun", link: OpenClient, held: HeldKeys) -> None:
        """Make new keys where there are none, store them and that they are about to be sent, and send them."""
        if held.master_key is None:
            await self._fail(run, "no master key of it is known, so no key can be sent to it: enter its KEK")
            return
        fresh = self._pending_keys(run.hand) if run.job.state is KeyJobState.PREPARED else {}
        if not fresh:
            fresh = draw_keys(run.campaign.kinds, held.keys, SecuritySuite(run.device.suite), self._random)
            if not fresh:
                await self._fail(run, "it has none of the keys that are to be changed")
                return
            await self._store_and_announce(run, fresh)
        else:
            await self._write(run, events=(KeyEvent.SENDING,))
        try:
            await transfer_keys(link, run.device, held, fresh)
        except KeyTransferRefused as error:
            now = self._clock.now()
            await self._fail(run, str(error), event=KeyEvent.REFUSED, change=lambda hand: hand.abandoned(now))
            return
        run.job = run.job.after(KeyEvent.ANSWERED, self._clock.now())  # written with what comes next
        await released(link)

    def _pending_keys(self, hand: KeyHand) -> dict[KeyKind, bytes]:
        pending = hand.pending()
        return {kind: self._ledger.open(each) for kind, each in pending.items() if each.wrapped is not None}

    async def _store_and_announce(self, run: "KeyRun", fresh: Mapping[KeyKind, bytes]) -> None:
        """One transaction: new keys pre-active, the counters of their proof reserved, the job as sent."""
        now = self._clock.now()
        wrapped = self._ledger.wrap(fresh)

        def change(hand: KeyHand) -> KeyHand:
            made = hand.prepared(wrapped, KeyOrigin.GENERATED, STORE_KEY, now)
            pending = made.pending()
            return made.reserved(pending[KeyKind.GUEK], PROOF_BLOCK) if KeyKind.GUEK in fresh else made

        await self._write(run, events=(KeyEvent.MADE, KeyEvent.SENDING), change=change)
        if KeyKind.GUEK in fresh:
            run.reserved = ReservedCounter(run.device.device_id, 0, PROOF_BLOCK)

    # Proving.

    async def _prove(self, run: "KeyRun", door: KeyDoor) -> bool:
        """Open an association under the new keys. False where the device refuses them: it has the old ones."""
        pending = run.hand.pending()
        if not pending:  # was never written, or was already finished: the device has what is in force
            return False
        held = held_keys(run.hand, KeyEra.NEW, self._ledger.open)
        changes_guek = KeyKind.GUEK in pending
        counter: InvocationCounter = (
            await self._reserved(run, held) if changes_guek else await self.counters.last_ones(run.device.device_id)
        )
        try:
            link = await self._open(run, held, counter, door)
        except (RefusedError, SecurityError) as error:
            if is_refused(error):
                return False
            raise
        await released(link)
        await door.close(link)
        await self._finish(run, held, changes_guek=changes_guek)
        return True

    async def _finish(self, run: "KeyRun", held: HeldKeys, *, changes_guek: bool) -> None:
        """The device has the new keys: put them in force and retire the old ones."""
        now = self._clock.now()
        kinds = tuple(run.hand.pending())
        proved = (KeyEvent.PROVED,)
        if changes_guek:
            bound = run.hand.pending()[KeyKind.GUEK].counter
            await self._restart(run, lambda hand: hand.put_in_force(kinds, now), bound, events=proved)
        else:
            await self._write(run, events=proved, change=lambda hand: hand.put_in_force(kinds, now))
        run.device = record_with(run.device, held_keys(run.hand, KeyEra.PRESENT, self._ledger.open))
        self._news(run, "key-changed", f"{', '.join(kinds)} replaced: {run.campaign.purpose}")

    async def _restart(
        self, run: "KeyRun", change: Callable[[KeyHand], KeyHand], bound: int, *, events: Sequence[KeyEvent] = ()
    ) -> None:
        """Another key of ours comes in force: keep how far we counted under the one before, and count its own."""
        device_id = run.device.device_id
        active = run.hand.active()[KeyKind.GUEK]
        used = min(self.counters.counter(device_id).bound, COUNTER_LAST + 1)

        async def write() -> None:
            await self._write(
                run, events=events, change=lambda hand: change(hand.reserved(active, used)), counter=bound
            )

        await self.counters.restart(device_id, bound, write)

    # Writing.

    async def _write(
        self,
        run: "KeyRun",
        *,
        events: Sequence[KeyEvent] = (),
        change: Callable[[KeyHand], KeyHand] | None = None,
        counter: int | None = None,
    ) -> None:
        """Write what happened; only what is written counts."""
        job = run.job
        for event in events:
            job = job.after(event, self._clock.now())
        hand = await self._ledger.write(job.device_id, change=change, job=job, counter=counter)
        run.job = job
        if hand is not None:
            run.hand = hand

    async def _fail(
        self,
        run: "KeyRun",
        reason: str,
        *,
        event: KeyEvent = KeyEvent.GAVE_UP,
        change: Callable[[KeyHand], KeyHand] | None = None,
    ) -> None:
        job = run.job.after(event, self._clock.now(), reason)
        hand = await self._ledger.write(job.device_id, change=change, job=job)
        run.job = job
        if hand is not None:
            run.hand = hand
        self._news(run, "key-job-failed", reason, failed=True)

    def _news(self, run: "KeyRun", kind: str, detail: str, *, failed: bool = False) -> None:
        log.info("keys of a device", device=run.device.device_id, what=kind, campaign=run.campaign.id)
        self._tell(KeyNews(device_id=run.device.device_id, kind=kind, detail=detail, failed=failed))


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
        """Whether the new keys are in force."""
        return self.job.state is KeyJobState.DONE
