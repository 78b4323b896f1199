"""When to visit a device and how to go on after a failure: pure rules, no clock, no chance.

Jitter and spreading come from a hash of the device number, so that a restart keeps everyone's place and a fleet never
calls at the same second.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from meterworks.errors import (
    MeterworksError,
    OutcomeUnknown,
    PeerError,
    RefusedError,
    SecurityError,
    UnreachableError,
    UsageError,
)
from meterworks.headend.errors import CounterExhaustedError, ModelMismatchError
from meterworks.protocols.dlms import AcseResult, Diagnostic, ExceptionService
from meterworks.protocols.errors import AssociationRefused

__all__ = [
    "BACK_OFF_S",
    "REGISTER_ASK_S",
    "Failure",
    "TokenBucket",
    "back_off_s",
    "classify",
    "newest_first",
    "next_visit",
    "share_of",
]

BACK_OFF_S = (5.0, 30.0, 120.0, 600.0, 3600.0)
"""Waits after the first, second ... failure in a row; then the next cycle. The short first one is for what is over at
once: a modem that was busy, a process of ours that was started again."""
REGISTER_ASK_S: Mapping[str, int] = {"daily": 23 * 3600, "monthly": 28 * 86_400 - 3600}
"""How long after the last register the next one may be there. What is missing for less is not due yet."""
JITTER_SHARE = 0.2
ROUNDING = 1e-6
WRAP_MARGIN_S = 7 * 86_400
"""Entries this near to the end of a device's memory are read before newer ones."""


class Failure(Enum):
    """What kind of failure a session ended with, which decides what happens next."""

    TRANSPORT = "transport"
    AUTHENTICATION = "authentication"
    COUNTER = "counter"
    CONFIGURATION = "configuration"
    DEVICE = "device"
    OURS = "ours"


def share_of(device_id: int, salt: str = "") -> float:
    """A stable number in [0, 1) for a device."""
    digest = hashlib.blake2b(f"{salt}/{device_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def next_visit(device_id: int, now_epoch_s: float, *, cycle_s: int, window_s: int, offset_s: int) -> float:
    """The device's place in the coming cycle: cycles start at multiples of `cycle_s` plus `offset_s` (the grace)."""
    place_s = offset_s + share_of(device_id) * min(window_s, cycle_s)
    start = (now_epoch_s - place_s) // cycle_s * cycle_s
    return start + cycle_s + place_s


def back_off_s(failure: Failure, failures: int, device_id: int) -> float | None:
    """Wait before the next try after this many failures in a row, None for the next cycle."""
    if failure in (Failure.AUTHENTICATION, Failure.CONFIGURATION):
        return None
    if failure is Failure.COUNTER and failures <= 1:
        return 0.0
    if not 1 <= failures <= len(BACK_OFF_S):
        return None
    jitter = 1 + JITTER_SHARE * (2 * share_of(device_id, f"jitter{failures}") - 1)
    return BACK_OFF_S[failures - 1] * jitter


AUTHENTICATION_DIAGNOSTICS = frozenset(
    {
        Diagnostic.MECHANISM_NOT_RECOGNISED,
        Diagnostic.MECHANISM_REQUIRED,
        Diagnostic.AUTHENTICATION_FAILURE,
        Diagnostic.AUTHENTICATION_REQUIRED,
    }
)
_CLASSES: tuple[tuple[type[MeterworksError], Failure], ...] = (
    (ModelMismatchError, Failure.CONFIGURATION),
    (SecurityError, Failure.AUTHENTICATION),
    (UnreachableError, Failure.TRANSPORT),
    (PeerError, Failure.DEVICE),
    (RefusedError, Failure.CONFIGURATION),
    (OutcomeUnknown, Failure.DEVICE),
    (UsageError, Failure.OURS),
)


def classify(error: MeterworksError) -> Failure:
    """The kind of a failure, by the error's class and code, never by its text."""
    if isinstance(error, CounterExhaustedError) or error.facts.get("counter") is not None:
        return Failure.COUNTER
    if isinstance(error, AssociationRefused):
        return _refusal(error)
    for kind, failure in _CLASSES:
        if isinstance(error, kind):
            return failure
    return Failure.OURS


def _refusal(error: AssociationRefused) -> Failure:
    """Refused keys, a transient refusal, or an association the device does not have."""
    deciphering = error.facts.get("service") == ExceptionService.DECIPHERING_ERROR
    if deciphering or error.facts.get("diagnostic") in AUTHENTICATION_DIAGNOSTICS:
        return Failure.AUTHENTICATION
    if error.facts.get("result") == AcseResult.REJECTED_TRANSIENTLY:
        return Failure.DEVICE
    return Failure.CONFIGURATION


def newest_first(oldest_missing_epoch_s: int, now_epoch_s: float, depth_s: int) -> bool:
    """Newest first serves billing; oldest first saves what the device is about to overwrite."""
    return oldest_missing_epoch_s > now_epoch_s - depth_s + WRAP_MARGIN_S


@dataclass(slots=True)
class TokenBucket:
    """Limits how often something may be done: `rate_per_s` steady, `burst` at once."""

    rate_per_s: float
    burst: float
    _level: float = -1.0
    _at_s: float = 0.0

    def wait_s(self, now_s: float) -> float:
        """Seconds until there is a token; 0 if there is one."""
        if self._level < 0:
            self._level = self.burst
        elif now_s > self._at_s:
            self._level = min(self.burst, self._level + (now_s - self._at_s) * self.rate_per_s)
        self._at_s = now_s
        return 0.0 if self._level >= 1 - ROUNDING else (1 - self._level) / self.rate_per_s

    def take(self, now_s: float) -> None:
        """Take a token, even one that is not there yet: urgent work goes first, what follows waits longer."""
        self.wait_s(now_s)
        self._level = max(self._level - 1, 0.0)
