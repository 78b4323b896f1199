"""The task that replaces a device's symmetric keys, whatever is lost on the way.

    1. open an association under the keys in force; what is not certain is first found out: new, present, previous keys
    2. where both sides have certified signing keys: agree a new master key; it wraps what follows
    3. make new keys; store them, the job as *sent*, and a block of counters for them, in one transaction
    4. transfer them, wrapped under the master key; the device answers under the old keys
    5. open a new association: its handshake proves that the device has the new keys
    6. new keys in force, old ones retired, job done, counter started anew: in one transaction

Between 3 and 6 the outcome is unknown. Whatever breaks there leaves the job as *sent* (or *answered*), and whoever
comes next begins at 1. A lost answer at 2 leaves a device whose keys open it as before and whose master key is one of
two: the one before, or one that nobody knows. So another one is agreed, which needs none of them; a device that then
refuses what is wrapped under it is tried with the one before.

A device is raised to a higher suite on the way: its suite is written before 4 in the same association, and counts from
the next one on, as the keys do.  Source: SEC-124, SEC-131; PKI fact sheet section 6.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from meterworks.errors import MeterworksError, RefusedError, SecurityError
from meterworks.headend.counters import ReservedCounter
from meterworks.headend.errors import KeyAgreementFailed, KeyTransferRefused
from meterworks.headend.key_agreement import KEY_AGREEMENT, MASTER_KEY_ID, AgreementSides, KeyOffer
from meterworks.headend.key_exchange import (
    TRANSFERRED_KINDS,
    HeldKeys,
    KeyEra,
    draw_keys,
    is_refused,
    raise_suite,
    record_with,
    transfer_keys,
)
from meterworks.headend.key_identity import OwnKeys, public_point
from meterworks.headend.key_job import KeyEvent, KeyJobState
from meterworks.headend.key_run import PROOF_BLOCK, KeyAccess, KeyDoor, KeyRun
from meterworks.headend.key_security_setup import MeterCertificates
from meterworks.headend.visitor import OpenClient, released
from meterworks.protocols.dlms import SUITES, InvocationCounter, SecuritySuite
from meterworks.protocols.errors import ServiceRefused
from meterworks.registry import STORE_KEY, KeyHand, KeyKind, KeyOrigin
from meterworks.runtime import get_logger

__all__ = ["KeyRotation"]

log = get_logger("headend.key_rotation")

AGREE, TRANSFER = "agree", "transfer"


class KeyRotation:
    """Replaces symmetric keys."""

    def __init__(self, access: KeyAccess, *, random: Callable[[int], bytes], own: OwnKeys | None = None) -> None:
        """random: of new keys. own: our certified keys, for agreements; None: keys are only transferred."""
        self._access = access
        self._random = random
        self._own = own

    async def round(self, run: KeyRun, door: KeyDoor) -> bool:
        """Find out, send, prove. True when the job is over; False where it is to begin anew."""
        access = self._access
        if run.job.is_half_done and await self._prove(run, door):
            return True
        link, held = await access.open_known(run, door)
        run.device = replace(record_with(run.device, held), suite=run.device.suite)
        try:
            if run.job.is_half_done:
                await access.write(run, events=(KeyEvent.STILL_OLD,))
            if await self._is_to_agree(run) and await self._agree(run, link):
                await released(link)
                return False  # the key is in force from the next association on
            await self._send(run, link, held)
        except KeyAgreementFailed as error:  # what opens it has not changed: nothing else need wait for a person
            await access.fail(run, str(error))
        finally:
            await door.close(link)
        if not run.job.is_open:
            return True
        return run.job.is_half_done and await self._prove(run, door)

    # Agreeing.

    async def _is_to_agree(self, run: KeyRun) -> bool:
        """Whether a master key is to be agreed now: both sides can, it is asked for, and none is agreed yet."""
        suite = SecuritySuite(run.device.suite)
        if KeyKind.KEK not in run.campaign.kinds or suite == SecuritySuite.SUITE_0 or self._own is None:
            return False
        if not _device_keys(run, suite) or _raised_to(run) is not None:
            return False
        if run.job.step == TRANSFER and run.job.state is KeyJobState.PREPARED:
            return False
        if not self._own.signers(suite):
            try:
                await self._own.ready(suite)
            except MeterworksError as error:
                log.warning("no key of ours to agree with", suite=int(suite), cause=str(error))
        return bool(self._own.signers(suite))

    async def _agree(self, run: KeyRun, link: OpenClient) -> bool:
        """Agree a master key; a device that holds no certificate of ours is given it. False where it refuses all."""
        assert self._own is not None
        if await self._agree_as_known(run, link):
            return True
        try:
            await MeterCertificates(link).bring(self._own.certificates(SecuritySuite(run.device.suite))[0])
        except ServiceRefused as error:
            log.info("device takes no certificate of ours", device=run.device.device_id, reason=str(error))
        else:
            if await self._agree_as_known(run, link):
                return True
        self._access.news(run, "key-not-agreed", "it refused every agreement; its keys are sent under its present one")
        return False

    async def _agree_as_known(self, run: KeyRun, link: OpenClient) -> bool:
        """Agree under each of our certified keys that the device may know. False where it refuses all."""
        assert self._own is not None
        suite = SecuritySuite(run.device.suite)
        sides = AgreementSides(
            suite=suite, client_title=self._own.system_title, device_title=run.device.system_title,
            device_keys=_device_keys(run, suite),
        )  # fmt: skip
        for signer in self._own.signers(suite):
            offer = KeyOffer(sides, signer, self._random, key_id=MASTER_KEY_ID)
            await self._access.write(run, events=(KeyEvent.SENDING,), step=AGREE)
            try:
                answer = await link.action(KEY_AGREEMENT, offer.request())
            except ServiceRefused:
                await self._access.write(run, events=(KeyEvent.STILL_OLD,))
                continue
            await self._keep_agreed(run, offer.key_of(answer))
            return True
        return False

    async def _keep_agreed(self, run: KeyRun, key: bytes) -> None:
        """The device said, signed, that it derived this key: store it, to be proved by what comes wrapped under it."""
        now = self._access.clock.now()
        wrapped = self._access.ledger.wrap({KeyKind.KEK: key})

        def change(hand: KeyHand) -> KeyHand:
            without = hand.abandoned(now, TRANSFERRED_KINDS)
            return without.prepared(wrapped, KeyOrigin.AGREED, STORE_KEY, now)

        await self._access.write(run, events=(KeyEvent.ANSWERED, KeyEvent.MADE), step=TRANSFER, change=change)

    # Sending.

    async def _send(self, run: KeyRun, link: OpenClient, held: HeldKeys) -> None:
        """Make new keys where there are none, store them and that they are about to be sent, and send them."""
        masters = self._masters(run, held)
        if _raised_to(run) is not None and _agreed_key(run) is not None:
            await self._settle_agreed(run)
        agreed = _agreed_key(run)
        if not masters:
            await self._access.fail(run, "no master key of it is known, so no key can be sent to it: enter its KEK")
            return
        fresh = self._pending_keys(run.hand) if run.job.state is KeyJobState.PREPARED else {}
        if not fresh.keys() - {agreed}:
            kinds = tuple(kind for kind in run.campaign.kinds if kind is not agreed)
            suite = SecuritySuite(_raised_to(run) or run.device.suite)
            drawn = draw_keys(kinds, held.keys, suite, self._random)
            if not drawn:
                await self._access.fail(run, "it has none of the keys that are to be changed")
                return
            fresh = {**fresh, **drawn}
            await self._store_and_announce(run, drawn)
        else:
            await self._access.write(run, events=(KeyEvent.SENDING,), step=TRANSFER)
        if await self._transferred(run, link, masters, fresh):
            # Not released: the device has other keys now, and would take a release under the old ones for an attack.
            run.job = run.job.after(KeyEvent.ANSWERED, self._access.clock.now())  # written with what comes next

    async def _settle_agreed(self, run: KeyRun) -> None:
        """Another job agreed a master key, and the device signed that it has it: the one to be sent replaces it."""
        now = self._access.clock.now()
        await self._access.write(run, change=lambda hand: hand.put_in_force((KeyKind.KEK,), now))

    def _masters(self, run: KeyRun, held: HeldKeys) -> Sequence[bytes]:
        """The master keys that the device may have, the likeliest first."""
        found = [held.keys[KeyKind.KEK]] if KeyKind.KEK in held.keys else []
        if _agreed_key(run) is not None:
            found.insert(0, self._access.ledger.open(run.hand.pending()[KeyKind.KEK]))
        return found

    async def _transferred(
        self, run: KeyRun, link: OpenClient, masters: Sequence[bytes], fresh: Mapping[KeyKind, bytes]
    ) -> bool:
        """Send keys under one master key after the other. False where all are refused, and what that means is done."""
        refusal: KeyTransferRefused | None = None
        raised = _raised_to(run)
        for master in masters:
            rows = {kind: key for kind, key in fresh.items() if key != master}
            try:
                if raised is not None:
                    await raise_suite(link, run.device, raised)
                await transfer_keys(link, run.device, master, rows)
            except KeyTransferRefused as error:
                refusal = refusal or error
            else:
                return True
        assert refusal is not None
        if raised is not None:
            await raise_suite(link, run.device, run.device.suite)  # or it would be in force without its keys
        now = self._access.clock.now()

        def change(hand: KeyHand) -> KeyHand:
            return hand.abandoned(now, TRANSFERRED_KINDS)

        if _agreed_key(run) is not None:  # it forgot what it agreed to: begin anew, which costs nothing
            self._access.news(
                run, "key-recovered", "it has neither the agreed master key nor the one before: agreed anew"
            )
            await self._access.write(run, events=(KeyEvent.STILL_OLD,), step="", change=change)
        else:
            await self._access.fail(run, str(refusal), event=KeyEvent.REFUSED, change=change)
        return False

    def _pending_keys(self, hand: KeyHand) -> dict[KeyKind, bytes]:
        pending = hand.pending()
        kinds = [kind for kind in pending if kind in TRANSFERRED_KINDS]
        return {kind: self._access.ledger.open(pending[kind]) for kind in kinds if pending[kind].wrapped is not None}

    async def _store_and_announce(self, run: KeyRun, fresh: Mapping[KeyKind, bytes]) -> None:
        """One transaction: new keys pre-active, the counters of their proof reserved, the job as sent."""
        now = self._access.clock.now()
        wrapped = self._access.ledger.wrap(fresh)
        events = (KeyEvent.MADE, KeyEvent.SENDING)

        def change(hand: KeyHand) -> KeyHand:
            made = hand.prepared(wrapped, KeyOrigin.GENERATED, STORE_KEY, now)
            pending = made.pending()
            return made.reserved(pending[KeyKind.GUEK], PROOF_BLOCK) if KeyKind.GUEK in fresh else made

        await self._access.write(run, events=events, step=TRANSFER, change=change)
        if KeyKind.GUEK in fresh:
            run.reserved = ReservedCounter(run.device.device_id, 0, PROOF_BLOCK)

    # Proving.

    async def _prove(self, run: KeyRun, door: KeyDoor) -> bool:
        """Open an association under the new keys. False where the device refuses them: it has the old ones."""
        if run.job.step == AGREE:  # what opens the device has not changed
            return False
        pending = {kind for kind in run.hand.pending() if kind in TRANSFERRED_KINDS}
        if not pending:  # was never written, or was already finished: the device has what is in force
            return False
        access = self._access
        held = access.held(run, KeyEra.NEW)
        changes_guek = KeyKind.GUEK in pending
        counter: InvocationCounter = (
            await access.reserve(run, held) if changes_guek else await access.counters.last_ones(run.device.device_id)
        )
        try:
            link = await access.open(run, held, counter, door)
        except (RefusedError, SecurityError) as error:
            if is_refused(error):
                return False
            raise
        await released(link)
        await door.close(link)
        await self._finish(run, held, pending)
        return True

    async def _finish(self, run: KeyRun, held: HeldKeys, kinds: set[KeyKind]) -> None:
        """The device has the new keys: put them in force and retire the old ones."""
        access = self._access
        now = access.clock.now()
        proved = (KeyEvent.PROVED,)
        suite = held.suite if held.suite != run.device.suite else None
        if KeyKind.GUEK in kinds:
            bound = run.hand.pending()[KeyKind.GUEK].counter
            await access.restart(run, lambda hand: hand.put_in_force(kinds, now), bound, events=proved, suite=suite)
        else:
            await access.write(run, events=proved, change=lambda hand: hand.put_in_force(kinds, now), suite=suite)
        run.device = record_with(run.device, held)
        names = ", ".join(str(kind) for kind in TRANSFERRED_KINDS if kind in kinds)
        raised = "" if suite is None else f", suite {suite}"
        access.news(run, "key-changed", f"{names} replaced{raised}: {run.campaign.purpose}")


def _device_keys(run: KeyRun, suite: SecuritySuite) -> list[bytes]:
    """The certified signing keys that the device may have: in force, and on its way; none of a suite it had before."""
    held = [found.get(KeyKind.SIGNING) for found in (run.hand.usable(), run.hand.pending())]
    keys = [public_point(each.certificate) for each in held if each is not None and each.certificate is not None]
    return [key for key in keys if len(key) == SUITES[suite].public_key_size]


def _raised_to(run: KeyRun) -> int | None:
    """The suite that the device is to be raised to; None where it stays."""
    wanted = run.campaign.suite
    return wanted if wanted is not None and wanted > run.device.suite else None


def _agreed_key(run: KeyRun) -> KeyKind | None:
    """The kind of the key that was agreed and is not yet proved: the master key; None where there is none."""
    pending = run.hand.pending().get(KeyKind.KEK)
    return KeyKind.KEK if pending is not None and pending.origin is KeyOrigin.AGREED else None
