"""What device models capture, as learnt: one device answers for all of its model and firmware."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from meterworks.catalogue import PROFILES
from meterworks.headend.capture import CapturePlan, ModelCheck, memory_depth_s, plan_of
from meterworks.headend.device import DeviceRecord
from meterworks.headend.errors import ModelMismatchError
from meterworks.headend.store import ModelKey
from meterworks.runtime import Clock

__all__ = ["ModelBook"]

SaveModel = Callable[[ModelKey, ModelCheck, datetime], Awaitable[None]]
ReadCheck = Callable[[], Awaitable[ModelCheck]]


class ModelBook:
    """Checks of models, kept in memory and in the database; the first session of a model makes each."""

    def __init__(self, checks: dict[ModelKey, ModelCheck], save: SaveModel, clock: Clock) -> None:
        self._checks = dict(checks)
        self._save = save
        self._clock = clock
        self._own: dict[tuple[int, str], ModelCheck] = {}
        self._unusable: dict[tuple[int, str], str] = {}

    def known(self, device: DeviceRecord, name: str) -> ModelCheck | None:
        """What is known of a profile, log or register group of a device."""
        own = self._own.get((device.device_id, name))
        return own or self._checks.get((device.model, device.firmware, name))

    def depth_s(self, device: DeviceRecord, profile: str) -> int:
        """How far back a device remembers a profile, as its model said; before that what the catalogue says."""
        return memory_depth_s(PROFILES[profile], self.known(device, profile))

    def is_unusable(self, device: DeviceRecord, name: str) -> bool:
        """Whether this device was found not to have it, or not as the catalogue says."""
        return (device.device_id, name) in self._unusable

    def mark_unusable(self, device: DeviceRecord, name: str, why: str) -> None:
        """Do not ask this device for it again while this process lives. Its siblings speak for themselves."""
        self._unusable[(device.device_id, name)] = why

    def differs(self, device: DeviceRecord, name: str, check: ModelCheck) -> bool:
        """Note what a device says of itself after it did not fit its model; gives whether that is anything new."""
        if self.known(device, name) == check:
            return False
        self._own[(device.device_id, name)] = check
        return True

    async def check(self, device: DeviceRecord, name: str, read: ReadCheck) -> ModelCheck:
        """What is known, or what `read` learns now. Nobody waits for another's session: that device may be slow."""
        found = self.known(device, name)
        if found is not None:
            return found
        key = (device.model, device.firmware, name)
        learnt = await read()
        if key not in self._checks:
            self._checks[key] = learnt
            await self._save(key, learnt, self._clock.now())
        return self._checks[key]

    async def plan(self, device: DeviceRecord, profile: str, read: ReadCheck) -> CapturePlan:
        """The compiled plan of a profile. ModelMismatchError when the device was found not to have it."""
        why = self._unusable.get((device.device_id, profile))
        if why is not None:
            raise ModelMismatchError(f"device {device.device_id} has no usable {profile}: {why}", profile=profile)
        return plan_of(profile, await self.check(device, profile, read))
