"""The task that has devices ask for more protection: their security policy is raised, never lowered.

What a device asks for already stays asked for, whatever the signed policy leaves out. Policies that ask for signatures
are not for this head-end: it signs no message, and would lock itself out.
Source: Security setup (class 64), attribute 2 and method 1 security_activate; SEC-003, SEC-131.
"""

from typing import Final

from meterworks.errors import PeerError
from meterworks.headend.errors import KeyJobError
from meterworks.headend.key_exchange import record_with
from meterworks.headend.key_job import KeyEvent
from meterworks.headend.key_run import KeyAccess, KeyDoor, KeyRun
from meterworks.headend.visitor import OpenClient, released
from meterworks.protocols.dlms import (
    AttributeAddress,
    MethodAddress,
    ObisCode,
    decode_all,
    encode_enum,
    policy_of_protection,
    protection_of_policy,
)
from meterworks.protocols.errors import DecodeError, ServiceRefused

__all__ = ["PolicyRaise", "raised_policy"]

_SETUP: Final = ObisCode("0.0.43.0.0.255")
POLICY: Final = AttributeAddress(64, _SETUP, 2)
ACTIVATE: Final = MethodAddress(64, _SETUP, 1)
_POLICY_MAX_0: Final = 3  # of version 0; from version 1 on no such value has a meaning of its own
_SIGNED: Final = 0x100


class PolicyRaise:
    """Raises policies."""

    def __init__(self, access: KeyAccess) -> None:
        self._access = access

    async def round(self, run: KeyRun, door: KeyDoor) -> bool:
        """Read what is asked for, ask for more, and open anew under it. Always over, or broken off."""
        access = self._access
        link, held = await access.open_known(run, door)
        run.device = record_with(run.device, held)
        try:
            await self._raise(run, link)
            await released(link)
        except (ServiceRefused, KeyJobError) as error:
            await access.fail(run, str(error))
        finally:
            await door.close(link)
        if run.job.is_open:
            await self._prove(run, door)
        return True

    async def _raise(self, run: KeyRun, link: OpenClient) -> None:
        access = self._access
        present = await _policy(link)
        wanted = raised_policy(present, run.campaign.policy or 0, run.device.device_id)
        if run.job.is_half_done:
            await access.write(run, events=(KeyEvent.STILL_OLD,))
        await access.write(run, events=(KeyEvent.SENDING,), step=f"policy:{wanted:#04x}")
        if wanted != present:
            await link.action(ACTIVATE, encode_enum(wanted))
            if await _policy(link) != wanted:
                raise KeyJobError(
                    f"device {run.device.device_id} took policy {wanted:#04x} and shows another one",
                    device=run.device.device_id,
                )
        await access.write(run, events=(KeyEvent.ANSWERED,))

    async def _prove(self, run: KeyRun, door: KeyDoor) -> None:
        """Open anew: the device asks for that protection from now on, and we are let in."""
        access = self._access
        link = await access.open_present(run, access.present(run), door)
        await released(link)
        await door.close(link)
        await access.write(run, events=(KeyEvent.PROVED,))
        policy = run.job.step.partition(":")[2]
        access.news(run, "policy-raised", f"it asks for policy {policy} at least: {run.campaign.purpose}")


def raised_policy(present: int, wanted: int, device_id: int) -> int:
    """What a device is to ask for: all it asks for now, and what is wanted (version 1), as its version says it.

    Raises KeyJobError where that is not to be said, or asks for signatures.
    """
    version = 0 if 0 < present <= _POLICY_MAX_0 else 1
    try:
        asked, more = protection_of_policy(present, version), protection_of_policy(wanted, 1)
        request, response = asked[0] | more[0], asked[1] | more[1]
        if (more[0] | more[1]) & _SIGNED:
            raise KeyJobError(
                f"policy {wanted:#04x} asks for signatures, and this head-end signs no message: device {device_id}"
                " would let nobody in",
                device=device_id,
            )
        return policy_of_protection(request, response, version)
    except DecodeError as error:
        raise KeyJobError(
            f"device {device_id} shows policy {present}, in which {wanted:#04x} cannot be said: {error}",
            device=device_id,
        ) from error


async def _policy(link: OpenClient) -> int:
    value = decode_all(await link.get(POLICY))
    if not isinstance(value, int):
        raise PeerError(f"the security policy is {value!r}, which is no number (class 64, attribute 2)")
    return value
