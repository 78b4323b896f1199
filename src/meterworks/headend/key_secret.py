"""The task that replaces the secret by which readers prove themselves (mechanisms 3, 4 and 6).

The device's own association objects tell which one is the readers' and how it is proved: mechanisms 5 and 7 prove keys,
which other tasks replace; mechanism 1 is a password and none of ours. The secret is changed over the association of the
management client, which it does not open: a lost answer leaves a device whose reader has the new secret or the old one,
both are tried, and where neither opens the change is asked for again.
Source: Association LN (class 15), attributes 3 and 6, method 2 change_HLS_secret; SEC-020, SEC-124.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from meterworks.errors import RefusedError, SecurityError
from meterworks.headend.errors import KeyJobError
from meterworks.headend.key_exchange import is_refused, record_with
from meterworks.headend.key_job import KeyEvent
from meterworks.headend.key_run import KeyAccess, KeyDoor, KeyRun
from meterworks.headend.visitor import OpenClient, released
from meterworks.protocols.dlms import (
    READER_CLIENT,
    AttributeAddress,
    Mechanism,
    MethodAddress,
    ObisCode,
    decode_all,
    encode_octet_string,
)
from meterworks.protocols.errors import ServiceRefused
from meterworks.registry import STORE_KEY, KeyKind, KeyOrigin, KeyVersion

__all__ = ["SECRET_MECHANISMS", "SecretRotation"]

SECRET_MECHANISMS: Final = frozenset({Mechanism.MD5, Mechanism.SHA1, Mechanism.SHA256})
SECRET_SIZE: Final = 32
ASSOCIATIONS_MAX: Final = 8  # association objects looked through for the readers'
ASSOCIATION_LN: Final = 15
PARTNERS, MECHANISM_NAME, CHANGE_SECRET = 3, 6, 2


class SecretRotation:
    """Replaces secrets of readers."""

    def __init__(self, access: KeyAccess, *, random: Callable[[int], bytes]) -> None:
        """random: of new secrets."""
        self._access = access
        self._random = random

    async def round(self, run: KeyRun, door: KeyDoor) -> bool:
        """Find out, change, prove. True when the job is over; False where it is to begin anew."""
        access = self._access
        if run.job.is_half_done:
            if await self._proved(run, door):
                return True
            await self._see_to_old(run, door)
        link, held = await access.open_known(run, door)
        run.device = record_with(run.device, held)
        try:
            await self._change(run, link)
            await released(link)
        except (ServiceRefused, KeyJobError) as error:
            now = access.clock.now()
            await access.fail(run, str(error), change=lambda hand: hand.abandoned(now, (KeyKind.HLS,)))
        finally:
            await door.close(link)
        return not run.job.is_open or await self._proved(run, door)

    async def _change(self, run: KeyRun, link: OpenClient) -> None:
        """Find the readers' association, make a secret, store it, and send it."""
        access = self._access
        index, mechanism = await _reader_association(link, run.device.device_id)
        if run.job.is_half_done:
            await access.write(run, events=(KeyEvent.STILL_OLD,))
        step = f"{index}:{int(mechanism)}"
        pending = run.hand.pending().get(KeyKind.HLS)
        if pending is None:
            now = access.clock.now()
            wrapped = access.ledger.wrap({KeyKind.HLS: self._random(SECRET_SIZE)})
            await access.write(
                run,
                events=(KeyEvent.MADE, KeyEvent.SENDING),
                step=step,
                change=lambda hand: hand.prepared(wrapped, KeyOrigin.GENERATED, STORE_KEY, now),
            )
            pending = run.hand.pending()[KeyKind.HLS]
        else:
            await access.write(run, events=(KeyEvent.SENDING,), step=step)
        secret = encode_octet_string(access.ledger.open(pending))
        await link.action(MethodAddress(ASSOCIATION_LN, _name(index), CHANGE_SECRET), secret)
        await access.write(run, events=(KeyEvent.ANSWERED,))

    async def _proved(self, run: KeyRun, door: KeyDoor) -> bool:
        """Open the readers' association with the new secret. False where the device refuses it, or there is none."""
        pending = run.hand.pending().get(KeyKind.HLS)
        if pending is None or not await self._opens(run, door, pending):
            return False
        now = self._access.clock.now()
        change = (KeyKind.HLS,)
        await self._access.write(run, events=(KeyEvent.PROVED,), change=lambda hand: hand.put_in_force(change, now))
        self._access.news(run, "key-changed", f"secret of readers replaced: {run.campaign.purpose}")
        return True

    async def _see_to_old(self, run: KeyRun, door: KeyDoor) -> None:
        """Tell where neither secret opens the readers' association; it is changed again in any case."""
        present = run.hand.usable().get(KeyKind.HLS)
        if present is not None and not await self._opens(run, door, present):
            detail = "neither the new secret of its readers nor the one before opened it: it is changed again"
            self._access.news(run, "key-recovered", detail)

    async def _opens(self, run: KeyRun, door: KeyDoor, version: KeyVersion) -> bool:
        """Whether a secret opens the readers' association."""
        access = self._access
        mechanism = Mechanism(int(run.job.step.partition(":")[2]))
        before = run.device
        run.device = replace(before, mechanism=mechanism, secret=access.ledger.open(version))
        try:
            held = access.present(run)
            link = await access.open_present(run, held, door, client_sap=READER_CLIENT)
        except (RefusedError, SecurityError) as error:
            if is_refused(error):
                return False
            raise
        finally:
            run.device = before
        await released(link)
        await door.close(link)
        return True


async def _reader_association(link: OpenClient, device_id: int) -> tuple[int, Mechanism]:
    """The number of the readers' association object and its mechanism. Raises KeyJobError where it has no secret."""
    for index in range(1, ASSOCIATIONS_MAX + 1):
        try:
            partners = decode_all(await link.get(AttributeAddress(ASSOCIATION_LN, _name(index), PARTNERS)))
        except ServiceRefused:
            continue
        match partners:
            case (int(client), *_) if client == READER_CLIENT:
                name = decode_all(await link.get(AttributeAddress(ASSOCIATION_LN, _name(index), MECHANISM_NAME)))
                return index, _mechanism(name, device_id)
    raise KeyJobError(f"device {device_id} shows no association of readers", device=device_id)


def _mechanism(name: object, device_id: int) -> Mechanism:
    """The mechanism of a name: its last octet, or the last member of its structure."""
    number = name[-1] if isinstance(name, bytes | list | tuple) and name else None
    if number not in SECRET_MECHANISMS:
        raise KeyJobError(
            f"readers of device {device_id} prove themselves by mechanism {number}, which has no secret of ours to"
            " replace: rotate its keys",
            device=device_id,
        )
    return Mechanism(int(number))


def _name(index: int) -> ObisCode:
    return ObisCode(f"0.0.40.0.{index}.255")
