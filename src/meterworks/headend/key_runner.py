"""Carrying out the key job of one device: from wherever it was left to what it is for, proved, or to a reason why not.

Each task goes in rounds: find out how things stand, ask for the next step, prove what came of it.  Source: SEC-124.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Protocol

from meterworks.headend.counters import CounterBlocks
from meterworks.headend.device import DeviceRecord
from meterworks.headend.errors import KeyJobError
from meterworks.headend.key_certificate import CertificateRenewal, ClientCertificate
from meterworks.headend.key_exchange import TRANSFERRED_KINDS, KeyEra, held_keys, record_with
from meterworks.headend.key_identity import Certifier, OwnKeys
from meterworks.headend.key_job import KeyCampaign, KeyJob, KeyTask
from meterworks.headend.key_ledger import KeyLedger
from meterworks.headend.key_policy import PolicyRaise
from meterworks.headend.key_rotation import KeyRotation
from meterworks.headend.key_run import KeyAccess, KeyDoor, KeyNews, KeyRun
from meterworks.headend.key_secret import SecretRotation
from meterworks.registry import DeviceId
from meterworks.runtime import Clock

__all__ = ["KeyRunner"]

ROUNDS_MAX = 6
"""Times a job begins anew within one session: a step over and the next one begun, or a step found not done."""


class _Task(Protocol):
    """What is done at a device."""

    async def round(self, run: KeyRun, door: KeyDoor) -> bool:
        """Find out, ask, prove. True when the job is over; False where it is to begin anew."""


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
        own: OwnKeys | None = None,
        certifier: Certifier | None = None,
    ) -> None:
        """tell: hears what happened. random: of new keys. own: our certified keys, None where there are none.

        certifier: has keys of devices certified.
        """
        self._ledger = ledger
        self.counters = counters
        access = KeyAccess(ledger, counters, clock, tell=tell)
        self._tasks: Mapping[KeyTask, _Task] = {
            KeyTask.KEYS: KeyRotation(access, random=random, own=own),
            KeyTask.CERTIFICATE: CertificateRenewal(access, certifier, own),
            KeyTask.CLIENT: ClientCertificate(access, own),
            KeyTask.POLICY: PolicyRaise(access),
            KeyTask.SECRET: SecretRotation(access, random=random),
        }

    async def begin(self, device: DeviceRecord, job: KeyJob, campaign: KeyCampaign) -> KeyRun:
        """Take a job up: `carry_out` brings it on."""
        return KeyRun(device=device, job=job, campaign=campaign, hand=await self._ledger.hand(job.device_id))

    async def carry_out(self, run: KeyRun, door: KeyDoor) -> None:
        """Bring a job as far as it goes; `run` tells how far that was, however this ends.

        Raises what made it break off: UnreachableError and OutcomeUnknown leave a job that goes on later; SecurityError
        and refusals of the association mean that no key we know opens the device; the job has failed then.
        """
        task = self._tasks[run.campaign.task]
        for _ in range(ROUNDS_MAX):
            if await task.round(run, door):
                return
        raise KeyJobError(
            f"device {run.device.device_id} took what was sent {ROUNDS_MAX} times and forgot it each time: look at its"
            " firmware",
            device=run.device.device_id,
        )

    async def with_new_keys(self, device: DeviceRecord, suite: int | None = None) -> DeviceRecord | None:
        """Give a device with the keys that are pending for it; None where there are none. suite: it is raised to."""
        hand = await self._ledger.hand(DeviceId(device.device_id))
        held = held_keys(hand, KeyEra.NEW, self._ledger.open, suite=max(device.suite, suite or 0))
        is_pending = any(kind in TRANSFERRED_KINDS for kind in hand.pending())
        return record_with(device, held) if is_pending and held.is_complete else None
