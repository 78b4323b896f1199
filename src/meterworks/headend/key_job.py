"""Key jobs: how the keys of one device are changed without ever losing it, as a table of states and events.

The danger is the moment in which we do not know which keys the device has: a request or an answer got lost, or we were
killed. So the new keys are made and stored before anything is sent, and that something is about to be sent is stored
before it is. From then on the outcome is unknown until an association under the new keys proves it. Only then the old
ones are retired. Whoever picks the job up, however it was left, asks the device: it tries the new keys, the old ones,
and the ones before those, and goes on from what it finds.

    planned ─made─▶ prepared ─sending─▶ sent ─answered─▶ answered ─proved─▶ done
                        ▲                │ │                │
                        └── still old ───┘ └── proved ──────┼──▶ done
                        └── still old ──────────────────────┘
    any open state ─refused / gave up─▶ failed                 planned, prepared ─stopped─▶ stopped

All symmetric keys of a job travel in one transfer, which the device takes whole or not at all, all wrapped under its
present master key. So there are two key sets a device can have, not two to the power of the number of keys, and a new
master key is never alone: the keys that came with it prove it.

Some tasks take several steps at the device, one after the other: a master key is agreed and then wraps the others; a
key pair is made, certified, brought back and shown. `step` names the one that the state is about; a step that is over
leads back to prepared or planned with the name of the next.  Source: PKI fact sheet section 6; SEC-124.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from meterworks.headend.errors import KeyJobError
from meterworks.headend.key_models import REASON_LENGTH_MAX
from meterworks.registry import DeviceId, KeyKind, KeySelection

__all__ = [
    "OPEN_STATES",
    "CampaignState",
    "KeyCampaign",
    "KeyEvent",
    "KeyJob",
    "KeyJobState",
    "KeyPurpose",
    "KeyTask",
    "SecurityLevel",
]


class KeyPurpose(StrEnum):
    """Why keys are changed, which says what goes first."""

    PERSONALISE = "personalise"  # the maker's keys are replaced at the first contact
    EMERGENCY = "emergency"  # others may know the keys
    EXHAUSTION = "exhaustion"  # the invocation counter of a key nears its end
    SCHEDULED = "scheduled"  # the keys have reached the age the policy allows
    ROTATE = "rotate"  # an operator asked

    @property
    def goes_first(self) -> bool:
        """Whether nothing else is asked of a device before its keys are changed."""
        return self in (KeyPurpose.PERSONALISE, KeyPurpose.EMERGENCY)


class KeyTask(StrEnum):
    """What is done at each device of a campaign."""

    KEYS = "keys"  # its symmetric keys are replaced; with a suite, it is raised to that one
    CERTIFICATE = "certificate"  # it makes new key pairs, and their certificates replace the old ones
    CLIENT = "client"  # it is given our newest certificate
    SECRET = "secret"  # the secret by which readers prove themselves is replaced  # noqa: S105  # a task's name
    POLICY = "policy"  # it is to ask for more protection


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityLevel:
    """What devices are raised to. suite: 0 to 2. policy: of Security setup, version 1. None: that stays."""

    suite: int | None = None
    policy: int | None = None


class KeyJobState(StrEnum):
    """Where the change of a device's keys stands."""

    PLANNED = "planned"  # nothing happened yet
    PREPARED = "prepared"  # new keys are made and stored; the device does not know them
    SENT = "sent"  # they were sent, or were about to be: the device has the old ones or the new ones
    ANSWERED = "answered"  # the device said, under the old keys, that it took them
    DONE = "done"  # the device proved the new keys; the old ones are retired
    FAILED = "failed"  # a person must look: the reason says why
    STOPPED = "stopped"  # an operator stopped it before anything was sent


OPEN_STATES = (KeyJobState.PLANNED, KeyJobState.PREPARED, KeyJobState.SENT, KeyJobState.ANSWERED)


class KeyEvent(StrEnum):
    """What happens to a job."""

    MADE = "made"
    SENDING = "sending"
    ANSWERED = "answered"
    PROVED = "proved"
    NEXT = "next"  # a step is over and another one follows
    STILL_OLD = "still old"  # an association under the old keys worked: the device never got the new ones
    REFUSED = "refused"  # the device refused the transfer, under the old keys
    GAVE_UP = "gave up"  # no key we know opens the device, or there is no way to send it one
    STOPPED = "stopped"
    RETRIED = "retried"  # an operator lets a failed job begin anew


_S, _E = KeyJobState, KeyEvent
_TRANSITIONS: Mapping[tuple[KeyJobState, KeyEvent], KeyJobState] = {
    (_S.PLANNED, _E.MADE): _S.PREPARED,
    (_S.PREPARED, _E.MADE): _S.PREPARED,  # a fresh set in place of one that was never sent
    (_S.PREPARED, _E.SENDING): _S.SENT,
    (_S.PLANNED, _E.SENDING): _S.SENT,  # what is asked for needs nothing made before
    (_S.ANSWERED, _E.MADE): _S.PREPARED,  # what the device answered is part of what is sent next
    (_S.ANSWERED, _E.NEXT): _S.PLANNED,
    (_S.SENT, _E.ANSWERED): _S.ANSWERED,
    (_S.SENT, _E.PROVED): _S.DONE,
    (_S.SENT, _E.STILL_OLD): _S.PREPARED,
    (_S.SENT, _E.REFUSED): _S.FAILED,
    (_S.ANSWERED, _E.PROVED): _S.DONE,
    (_S.ANSWERED, _E.STILL_OLD): _S.PREPARED,  # it answered, and forgot: power was lost before it stored them
    **{(state, _E.GAVE_UP): _S.FAILED for state in OPEN_STATES},
    (_S.PLANNED, _E.STOPPED): _S.STOPPED,
    (_S.PREPARED, _E.STOPPED): _S.STOPPED,
    (_S.FAILED, _E.RETRIED): _S.PLANNED,
}


class CampaignState(StrEnum):
    """Where a campaign stands."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"  # every job is done, failed or stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCampaign:
    """One task over devices. pace_per_minute: jobs begun in a minute at most, 0 for as fast as slots allow.

    due_at: when an emergency must be through, by the system's clock.
    """

    id: str
    purpose: KeyPurpose
    kinds: tuple[KeyKind, ...]
    selection: KeySelection
    reason: str
    started_by: str
    created_at: datetime
    state: CampaignState = CampaignState.RUNNING
    pace_per_minute: int = 0
    due_at: datetime | None = None
    ended_at: datetime | None = None
    task: KeyTask = KeyTask.KEYS
    suite: int | None = None  # what devices below it are raised to
    policy: int | None = None  # security policy (version 1) that devices are to have at least


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyJob:
    """The change of one device's keys."""

    campaign_id: str
    device_id: DeviceId
    changed_at: datetime
    state: KeyJobState = KeyJobState.PLANNED
    attempts: int = 0  # sessions tried
    next_try_epoch_s: float = 0.0
    reason: str = ""  # of the last failure
    step: str = ""  # of a task that takes several: which one the state is about

    @property
    def is_open(self) -> bool:
        """Whether there is something left to do."""
        return self.state in OPEN_STATES

    @property
    def is_half_done(self) -> bool:
        """Whether the device may have keys other than those in force: nothing else can be asked of it before."""
        return self.state in (KeyJobState.SENT, KeyJobState.ANSWERED)

    def after(self, event: KeyEvent, now: datetime, reason: str = "", *, step: str | None = None) -> "KeyJob":
        """Give the job after an event, at another step where one is named.

        Raises KeyJobError where its state does not know that event.
        """
        state = _TRANSITIONS.get((self.state, event))
        if state is None:
            raise KeyJobError(
                f"the key job of device {self.device_id} is {self.state}: {event.value!r} cannot happen to it",
                device=self.device_id,
                state=str(self.state),
            )
        at = self.step if step is None else step
        return replace(self, state=state, changed_at=now, reason=reason[:REASON_LENGTH_MAX], step=at)

    def tried(self, next_try_epoch_s: float, now: datetime, reason: str) -> "KeyJob":
        """Give the job after a session that came to nothing."""
        return replace(
            self,
            attempts=self.attempts + 1,
            next_try_epoch_s=next_try_epoch_s,
            changed_at=now,
            reason=reason[:REASON_LENGTH_MAX],
        )
