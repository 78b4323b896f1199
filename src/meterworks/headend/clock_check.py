"""What to do about a device's clock: nothing, shift, set, and which readings became suspect.

Source: the clock practice of head-ends (a shift must cross no interval boundary; a set makes one long or short
interval) and COSEM interface class Clock (class 8), method 6 shift_time.
"""

from dataclasses import dataclass
from enum import Enum

from meterworks.headend.settings import HeadendSettings

__all__ = ["SUSPECT_DRIFT_S", "ClockAction", "ClockVerdict", "drift_s", "judge_clock", "judge_lost_clock"]

SUSPECT_DRIFT_S = 60.0
"""Readings taken by a clock further off than this are suspect."""
SHIFT_COMMAND_S_MAX = 900
"""What shift_time can express."""


class ClockAction(Enum):
    """What a clock needs."""

    NONE = "none"
    SHIFT = "shift"
    SET = "set"
    WAIT = "wait"
    """It needs correction, but a boundary is too near: leave it to the next session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockVerdict:
    """The outcome of a clock check."""

    drift_s: float | None
    """None where the device has no time at all."""
    action: ClockAction
    shift_s: int = 0
    suspect: bool = False

    @property
    def text(self) -> str:
        """How far off, for people."""
        return "no time" if self.drift_s is None else f"{self.drift_s:+.0f} s"


def drift_s(device_epoch_s: float, asked_epoch_s: float, answered_epoch_s: float) -> float:
    """How far the device's clock is ahead of ours, taking its answer to be made half-way between."""
    return device_epoch_s - (asked_epoch_s + answered_epoch_s) / 2


def judge_clock(
    drift: float, now_epoch_s: float, step_s: int, settings: HeadendSettings, *, uncertainty_s: float = 0.0
) -> ClockVerdict:
    """Decide by the size of the drift and the distance to the boundaries of `step_s`.

    Neither our time nor the device's may lie within the guard time of a boundary, and no boundary may lie between
    the two, else the correction itself would make a long or short interval. uncertainty_s: half of the round trip; on
    a slow line the measured drift may be no drift at all.
    """
    suspect = abs(drift) > SUSPECT_DRIFT_S + uncertainty_s
    if abs(drift) <= settings.clock_tolerance_s + uncertainty_s:
        return ClockVerdict(drift_s=drift, action=ClockAction.NONE)
    if not settings.clock_adjust:
        return ClockVerdict(drift_s=drift, action=ClockAction.NONE, suspect=suspect)
    set_needed = abs(drift) > min(settings.clock_shift_s_max, SHIFT_COMMAND_S_MAX)
    if _boundary_near(drift, now_epoch_s, step_s, settings.clock_guard_s, may_cross=set_needed):
        return ClockVerdict(drift_s=drift, action=ClockAction.WAIT, suspect=suspect)
    if set_needed:
        return ClockVerdict(drift_s=drift, action=ClockAction.SET, suspect=suspect)
    return ClockVerdict(drift_s=drift, action=ClockAction.SHIFT, shift_s=-round(drift), suspect=suspect)


def judge_lost_clock(now_epoch_s: float, step_s: int, settings: HeadendSettings) -> ClockVerdict:
    """For a device that gives no time, or one with wildcards: its clock is set, and its readings are suspect."""
    if not settings.clock_adjust:
        action = ClockAction.NONE
    elif _boundary_near(0.0, now_epoch_s, step_s, settings.clock_guard_s, may_cross=True):
        action = ClockAction.WAIT
    else:
        action = ClockAction.SET
    return ClockVerdict(drift_s=None, action=action, suspect=True)


def _boundary_near(drift: float, now_epoch_s: float, step_s: int, guard_s: float, *, may_cross: bool) -> bool:
    device_epoch_s = now_epoch_s + drift
    for instant in (now_epoch_s, device_epoch_s):
        into_s = instant % step_s
        if min(into_s, step_s - into_s) < guard_s:
            return True
    return not may_cross and int(now_epoch_s // step_s) != int(device_epoch_s // step_s)
