"""The connections of a server of meters: their limits, and who gives way to whom."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from meterworks.protocols.dlms import WRAPPER, GatewayResolver, LogicalDevice, ServerConnection, ServerFraming

__all__ = ["DEFAULT_LIMITS", "Member", "MeterConnections", "MeterResolver", "MeterServerLimits"]

SWEEPS_PER_IDLE_TIME: Final = 4

MeterResolver = Callable[[str, int], LogicalDevice | None]
"""Gives the meter that lives at a local address and port, or None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterServerLimits:
    """What a server of meters allows."""

    connections_max: int = 20_000
    connections_per_meter_max: int = 16
    connections_per_peer_max: int = 20_000  # a head-end on the same machine is one peer
    idle_s_max: float = 120.0
    unread_s_max: float = 20.0


DEFAULT_LIMITS: Final = MeterServerLimits()


class Member(Protocol):
    """One connection, whatever carries it. keys: under which it counts; core: None before it is admitted."""

    keys: tuple[str, str] | None
    core: ServerConnection | None

    def check(self, now_s: float, limits: MeterServerLimits) -> bool:
        """Drop a peer that is idle, or does not read; give whether it was dropped."""

    def abort(self) -> None:
        """End the connection at once."""


class MeterConnections:
    """The open connections of one server, their limits and counts."""

    def __init__(
        self,
        resolve: MeterResolver,
        limits: MeterServerLimits,
        random_bytes: Callable[[int], bytes],
        *,
        framing: ServerFraming = WRAPPER,
        behind: GatewayResolver | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.resolve = resolve
        self.limits = limits
        self.random_bytes = random_bytes
        self.framing = framing
        self.behind = behind
        self.members: dict[Member, None] = {}  # in the order they came, as are those of each meter
        self.per_meter: dict[str, dict[Member, None]] = {}
        self.per_peer: Counter[str] = Counter()
        self.accepted = 0
        self.refused = 0
        self.dropped = 0
        self._timer: asyncio.TimerHandle | None = None
        self._sweep()

    def admit(self, member: Member, local: object, peer: object) -> tuple[str, str] | None:
        """Give the keys under which a connection counts, or None where it is refused."""
        match local, peer:
            case (str(local_ip), int(local_port), *_), (str(peer_ip), *_):
                pass
            case _:  # gone already
                return None
        device = self.resolve(local_ip, local_port)
        if device is None or not self._has_room(local_ip, peer_ip):
            self.refused += 1
            return None
        member.core = self.new_core(device)
        self.accepted += 1
        self.members[member] = None
        self.per_meter.setdefault(local_ip, {})[member] = None
        self.per_peer[peer_ip] += 1
        return local_ip, peer_ip

    def new_core(self, device: LogicalDevice) -> ServerConnection:
        """Give the core of one connection."""
        return ServerConnection(device, self.random_bytes, framing=self.framing, behind=self.behind)

    def _has_room(self, local_ip: str, peer_ip: str) -> bool:
        """Whether there is a place for one more, made by dropping a stranger where needed."""
        limits = self.limits
        of_meter = self.per_meter.get(local_ip, {})
        if len(of_meter) >= limits.connections_per_meter_max and not self._drop_stranger(of_meter):
            return False
        if len(self.members) >= limits.connections_max and not self._drop_stranger(self.members):
            return False
        return self.per_peer[peer_ip] < limits.connections_per_peer_max

    def _drop_stranger(self, members: Iterable[Member]) -> bool:
        """Drop the first that has not proved who it is; False where all have."""
        stranger = next((each for each in members if each.core is None or not each.core.is_proved), None)
        if stranger is None:
            return False
        self.dismiss(stranger)
        stranger.abort()
        self.dropped += 1
        return True

    def dismiss(self, member: Member) -> None:
        """Forget a connection that has ended."""
        self.members.pop(member, None)
        keys, member.keys = member.keys, None
        if keys is None:
            return
        meter, peer = keys
        del self.per_meter[meter][member]
        if not self.per_meter[meter]:
            del self.per_meter[meter]
        self.per_peer[peer] -= 1
        if not self.per_peer[peer]:
            del self.per_peer[peer]

    def _sweep(self) -> None:
        """Drop who is idle or does not read, in a round of a quarter of the shorter time."""
        now_s = self.loop.time()
        self.dropped += sum(member.check(now_s, self.limits) for member in tuple(self.members))
        round_s = min(self.limits.idle_s_max, self.limits.unread_s_max) / SWEEPS_PER_IDLE_TIME
        self._timer = self.loop.call_later(round_s, self._sweep)

    def stop(self) -> None:
        """End all connections."""
        if self._timer is not None:
            self._timer.cancel()
        for member in tuple(self.members):
            member.abort()
