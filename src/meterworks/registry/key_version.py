"""The keys of one device through time: versions with a state, as values. A change is a new value.

Of each kind a device has at most one key in force. A rotation adds a key that is *pre-active*: made and stored, not yet
seen to work. Once the device has proved that it uses it, it becomes *active* and the one before it *replaced*; the
replaced one is kept for recovery until the next rotation, then *destroyed*. A key said to be *compromised* stays in
force until it is replaced, for until then it is the only one the device knows; a *suspended* one is in force at the
device but not used by us.

    pre-active ──proved──▶ active ◀──────▶ suspended
        │                    │ ▲               │
        │            replaced│ │found in force │
        ▼                    ▼ │               ▼
    destroyed ◀──────────── replaced ◀─────────┘        compromised: from every state but destroyed

Source: PKI fact sheet section 6; SP 800-57 part 1, key states.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from meterworks.registry.errors import KeyStateError
from meterworks.registry.value import DeviceId

__all__ = [
    "COUNTER_JUMP",
    "COUNTER_LAST",
    "SYMMETRIC_KINDS",
    "KeyHand",
    "KeyKind",
    "KeyOrigin",
    "KeyState",
    "KeyVersion",
    "NewKey",
]

COUNTER_JUMP = 2**20
"""How far counters go forward after a restore, so that none that was used since the backup comes again."""
COUNTER_LAST = 0xFFFF_FFFF
"""Highest invocation counter of a key (DLMS/COSEM, security header)."""


class KeyKind(StrEnum):
    """What a key of a device is for."""

    GUEK = "guek"  # global unicast encryption key
    GBEK = "gbek"  # global broadcast encryption key
    GAK = "gak"  # authentication key
    KEK = "kek"  # master key: wraps the others on their way
    HLS = "hls"  # secret of the reader's association, where it proves itself by one
    SIGNING = "signing"  # certificate of the device's signing pair (suites 1 and 2)
    AGREEMENT = "agree"
    TLS = "tls"

    @property
    def is_certificate(self) -> bool:
        """Whether we hold a certificate of it and never the key."""
        return self in (KeyKind.SIGNING, KeyKind.AGREEMENT, KeyKind.TLS)


SYMMETRIC_KINDS = (KeyKind.GUEK, KeyKind.GBEK, KeyKind.GAK, KeyKind.KEK, KeyKind.HLS)


class KeyState(StrEnum):
    """Where a key is in its life."""

    PRE_ACTIVE = "pre-active"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REPLACED = "replaced"
    COMPROMISED = "compromised"
    DESTROYED = "destroyed"


class KeyOrigin(StrEnum):
    """Where a key comes from."""

    TRANSPORT = "transport"  # the maker's, for the way to us: to be replaced at the first contact
    GENERATED = "generated"  # drawn by us, sent wrapped
    AGREED = "agreed"  # with ephemeral key pairs
    IMPORTED = "imported"  # entered by an operator, or from before keys had versions
    CERTIFIED = "certified"  # made by the device, certified by our PKI


_LAWFUL: Mapping[KeyState, frozenset[KeyState]] = {
    KeyState.PRE_ACTIVE: frozenset({KeyState.ACTIVE, KeyState.COMPROMISED, KeyState.DESTROYED}),
    KeyState.ACTIVE: frozenset({KeyState.SUSPENDED, KeyState.REPLACED, KeyState.COMPROMISED}),
    KeyState.SUSPENDED: frozenset({KeyState.ACTIVE, KeyState.REPLACED, KeyState.COMPROMISED}),
    KeyState.REPLACED: frozenset({KeyState.ACTIVE, KeyState.COMPROMISED, KeyState.DESTROYED}),
    KeyState.COMPROMISED: frozenset({KeyState.DESTROYED}),
    KeyState.DESTROYED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key about to be stored: wrapped under the key store, or the certificate of a key only the device has."""

    wrapped: bytes | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVersion:
    """One version of one key of one device. Times are of the system's clock."""

    device_id: DeviceId
    kind: KeyKind
    version: int  # from 1, never used again
    state: KeyState
    origin: KeyOrigin
    wrap_key: str  # which key of ours it is wrapped under
    created_at: datetime
    wrapped: bytes | None = field(default=None, repr=False)  # None: a certificate's, or destroyed
    certificate: bytes | None = field(default=None, repr=False)  # DER
    counter: int = 0  # our invocation counters below this may have been used under it; only ever grows
    activated_at: datetime | None = None
    ended_at: datetime | None = None  # no longer in force at the device
    verified_at: datetime | None = None  # last time the device proved that it uses it

    @property
    def is_in_force(self) -> bool:
        """Whether the device uses it, as far as we know."""
        return self.activated_at is not None and self.ended_at is None

    @property
    def is_pending(self) -> bool:
        """Whether it is made and not yet proved. One that others know may be what the device has all the same."""
        waits = self.state in (KeyState.PRE_ACTIVE, KeyState.COMPROMISED)
        return waits and self.activated_at is None and self.ended_at is None

    def moved(self, state: KeyState) -> "KeyVersion":
        """Give it in another state. Raises KeyStateError where its present one forbids that."""
        if state is self.state:
            return self
        if state not in _LAWFUL[self.state]:
            raise KeyStateError(
                f"{self.kind} version {self.version} of device {self.device_id} is {self.state} and cannot become"
                f" {state}: rotate the key",
                device=self.device_id,
                kind=str(self.kind),
                state=str(self.state),
            )
        return replace(self, state=state)

    def with_counter(self, bound: int) -> "KeyVersion":
        """Give it with counters below the bound reserved; a lower bound than before changes nothing."""
        return replace(self, counter=max(self.counter, min(bound, COUNTER_LAST + 1)))

    def destroyed(self, now: datetime) -> "KeyVersion":
        """Give it without its key, for good. The row stays: that it existed is part of the record."""
        moved = self.moved(KeyState.DESTROYED)
        return replace(moved, wrapped=None, ended_at=self.ended_at or now)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHand:
    """All key versions of one device. Each method that changes something gives a new hand."""

    device_id: DeviceId
    versions: tuple[KeyVersion, ...] = ()

    def active(self) -> dict[KeyKind, KeyVersion]:
        """Give what is in force at the device, by kind; suspended keys too."""
        return {each.kind: each for each in self.versions if each.is_in_force}

    def usable(self) -> dict[KeyKind, KeyVersion]:
        """Give what is in force and not suspended: what a session may use."""
        return {kind: each for kind, each in self.active().items() if each.state is not KeyState.SUSPENDED}

    def pending(self) -> dict[KeyKind, KeyVersion]:
        """Give what is made and stored, and not yet proved."""
        return {each.kind: each for each in self.versions if each.is_pending}

    def previous(self) -> dict[KeyKind, KeyVersion]:
        """Give what was in force before: the newest ended version of each kind that can still be opened."""
        ended = (each for each in self.versions if each.ended_at is not None and each.wrapped is not None)
        return {each.kind: each for each in sorted(ended, key=lambda each: each.version)}

    def prepared(self, keys: Mapping[KeyKind, NewKey], origin: KeyOrigin, wrap_key: str, now: datetime) -> "KeyHand":
        """Add new keys, pre-active. Of a kind that has one already, that one was never used and is destroyed."""
        hand = self._replaced(each.destroyed(now) for kind, each in self.pending().items() if kind in keys)
        fresh = tuple(
            KeyVersion(
                device_id=self.device_id,
                kind=kind,
                version=hand.last_version(kind) + 1,
                state=KeyState.PRE_ACTIVE,
                origin=origin,
                wrap_key=wrap_key,
                created_at=now,
                wrapped=key.wrapped,
                certificate=key.certificate,
            )
            for kind, key in keys.items()
        )
        return replace(hand, versions=(*hand.versions, *fresh))

    def put_in_force(self, kinds: Iterable[KeyKind], now: datetime) -> "KeyHand":
        """Let the pending keys of these kinds become active, and what they replace end.

        What was replaced one rotation earlier is destroyed: nothing can need it any more.
        """
        wanted = set(kinds)
        changed: list[KeyVersion] = []
        active, previous = self.active(), self.previous()
        for kind, fresh in self.pending().items():
            if kind not in wanted:
                continue
            stays = fresh.state is KeyState.COMPROMISED  # and is replaced next
            begun = fresh if stays else fresh.moved(KeyState.ACTIVE)
            changed.append(replace(begun, activated_at=now, verified_at=now))
            if kind in active:
                changed.append(_ended(active[kind], now))
            if kind in previous:
                changed.append(previous[kind].destroyed(now))
        return self._replaced(changed)

    def abandoned(self, now: datetime, kinds: Iterable[KeyKind] = tuple(KeyKind)) -> "KeyHand":
        """Destroy what is pending of these kinds: the device has not taken it, and will not."""
        wanted = set(kinds)
        return self._replaced(each.destroyed(now) for each in self.pending().values() if each.kind in wanted)

    def reinstated(self, now: datetime, kinds: Iterable[KeyKind] = SYMMETRIC_KINDS) -> "KeyHand":
        """The device turned out to use the keys before the present ones: take those of these kinds back in force."""
        wanted = set(kinds)
        previous = {kind: each for kind, each in self.previous().items() if kind in wanted}
        changed = [
            replace(
                each if each.state is KeyState.COMPROMISED else each.moved(KeyState.ACTIVE),
                ended_at=None,
                verified_at=now,
            )
            for each in previous.values()
        ]
        changed += [_ended(each, now) for kind, each in self.active().items() if kind in previous]
        return self._replaced(changed)

    def compromised(self, kinds: Iterable[KeyKind]) -> "KeyHand":
        """Mark keys in force and pending ones as known to others; they stay in force until they are replaced."""
        wanted = set(kinds)
        found = [*self.active().values(), *self.pending().values()]
        return self._replaced(each.moved(KeyState.COMPROMISED) for each in found if each.kind in wanted)

    def suspended(self, *, suspended: bool) -> "KeyHand":
        """Stop using the keys in force, or use them again; a compromised one stays as it is."""
        state = KeyState.SUSPENDED if suspended else KeyState.ACTIVE
        stays = KeyState.COMPROMISED
        return self._replaced(each.moved(state) for each in self.active().values() if each.state is not stays)

    def verified(self, kinds: Iterable[KeyKind], now: datetime) -> "KeyHand":
        """Note that the device proved these keys just now."""
        active = self.active()
        return self._replaced(replace(active[kind], verified_at=now) for kind in kinds if kind in active)

    def reserved(self, version: KeyVersion, bound: int) -> "KeyHand":
        """Reserve invocation counters below a bound under a key of ours."""
        return self._replaced(
            each.with_counter(bound)
            for each in self.versions
            if (each.kind, each.version) == (version.kind, version.version)
        )

    def changed_from(self, before: "KeyHand") -> tuple[KeyVersion, ...]:
        """Give the versions that are not as they were."""
        known = set(before.versions)
        return tuple(each for each in self.versions if each not in known)

    def last_version(self, kind: KeyKind) -> int:
        """Give the highest version of a kind there ever was; 0 for none."""
        return max((each.version for each in self.versions if each.kind is kind), default=0)

    def _replaced(self, changed: Iterable[KeyVersion]) -> "KeyHand":
        by_name = {(each.kind, each.version): each for each in changed}
        return replace(self, versions=tuple(by_name.get((each.kind, each.version), each) for each in self.versions))


def _ended(version: KeyVersion, now: datetime) -> KeyVersion:
    moved = version if version.state is KeyState.COMPROMISED else version.moved(KeyState.REPLACED)
    return replace(moved, ended_at=now)
