"""Slow and lossy meters: a layer between a socket and a meter's protocol that misbehaves as it is told.

Made for tests of head-ends: it delays each answer, loses some messages for good, and lets bytes through no faster than
a slow modem would. With all knobs at rest it is not put in at all.
"""

import asyncio
import random
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, cast

from meterworks.devices.errors import ModelError

__all__ = ["FaultSettings", "FaultyLink"]

DELAYED_MAX: Final = 64  # chunks that wait in one connection; a peer that sends more is cut off


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSettings:
    """How meters misbehave. Times are real seconds."""

    response_delay_s: float = 0.0  # from a request's arrival to its being looked at
    loss_probability: float = 0.0  # share of arriving chunks that are never looked at: lost requests
    cut_probability: float = 0.0  # share of arriving chunks at which the connection breaks before they are looked at
    answer_loss_probability: float = 0.0  # share of answers that never leave: what was asked is done all the same
    death_probability: float = 0.0  # share of answers in place of which the meter falls off the line, having done it
    byte_rate_max: int = 0  # octets a second in each direction's sum, 0 for no limit
    refuse_connections: bool = False  # every connection is closed as soon as it is made
    seed: int = 0  # of the losses

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        shares = (
            self.loss_probability, self.cut_probability, self.answer_loss_probability, self.death_probability,
        )  # fmt: skip
        if self.response_delay_s < 0 or self.byte_rate_max < 0 or not all(0 <= share <= 1 for share in shares):
            raise ModelError("a fault setting is out of range: delay and rate from 0, probability 0 to 1")

    @property
    def at_rest(self) -> bool:
        """Whether nothing misbehaves."""
        return self == FaultSettings(seed=self.seed)


class _SlowTransport(asyncio.Transport):
    """The transport a meter's protocol sees: writes wait until the line would have carried what was before them."""

    def __init__(self, inner: asyncio.Transport, settings: FaultSettings, chance: random.Random) -> None:
        super().__init__()
        self._inner = inner
        self._settings = settings
        self._chance = chance
        self._rate = settings.byte_rate_max
        self._free_at_s = 0.0
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, now or when the line is free; or never."""
        if self._is_lost():
            return
        if not self._rate:
            self._inner.write(data)
            return
        loop = asyncio.get_running_loop()
        self._free_at_s = max(self._free_at_s, loop.time()) + len(data) / self._rate
        loop.call_at(self._free_at_s, self._write_late, bytes(data))

    def _is_lost(self) -> bool:
        """Decide about an answer; the meter has done what it answers for."""
        settings = self._settings
        if not settings.answer_loss_probability and not settings.death_probability:
            return False
        drawn = self._chance.random()
        if drawn < settings.death_probability:
            self._inner.abort()
            return True
        return drawn < settings.death_probability + settings.answer_loss_probability

    def _write_late(self, data: bytes) -> None:
        if not self._inner.is_closing():
            self._inner.write(data)

    def close(self) -> None:
        """Close when what was written has gone out."""
        self._closing = True
        loop = asyncio.get_running_loop()
        if self._free_at_s > loop.time():
            loop.call_at(self._free_at_s + 0.001, self._inner.close)
        else:
            self._inner.close()

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        self._inner.abort()

    def is_closing(self) -> bool:
        """Tell whether it closes."""
        return self._closing or self._inner.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Give what the socket's transport gives."""
        return self._inner.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Stop reading from the socket."""
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading from the socket."""
        self._inner.resume_reading()

    def is_reading(self) -> bool:
        """Tell whether the socket is read."""
        return self._inner.is_reading()

    def get_write_buffer_size(self) -> int:
        """Give what the socket has not taken yet."""
        return self._inner.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when the protocol is told to pause."""
        self._inner.set_write_buffer_limits(high, low)


class FaultyLink(asyncio.Protocol):
    """Stands before a meter's protocol and passes on, late or never, what arrives."""

    def __init__(self, inner: asyncio.Protocol, settings: FaultSettings, chance: random.Random) -> None:
        """chance: shared by the links of a fleet, so that a seed gives the same share of losses."""
        self._inner = inner
        self._settings = settings
        self._chance = chance
        self._transport: _SlowTransport | None = None
        self._waiting: deque[bytes] = deque()  # timers of one moment may fire in any order: the queue keeps theirs
        self._free_at_s = 0.0
        self._gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass on a slow transport, or close at once."""
        transport = cast("asyncio.Transport", transport)  # uvloop's transports are none of asyncio's classes
        if self._settings.refuse_connections:
            self._gone = True
            transport.abort()
            return
        self._transport = _SlowTransport(transport, self._settings, self._chance)
        self._inner.connection_made(self._transport)

    def data_received(self, data: bytes) -> None:
        """Lose the chunk, or pass it on after the delay."""
        if self._gone or self._transport is None or self._chance.random() < self._settings.loss_probability:
            return
        if self._settings.cut_probability and self._chance.random() < self._settings.cut_probability:
            self._transport.abort()
            return
        if len(self._waiting) >= DELAYED_MAX:
            self._transport.abort()
            return
        loop = asyncio.get_running_loop()
        carried_s = len(data) / self._settings.byte_rate_max if self._settings.byte_rate_max else 0.0
        self._free_at_s = max(self._free_at_s, loop.time()) + carried_s
        self._waiting.append(data)
        loop.call_at(self._free_at_s + self._settings.response_delay_s, self._pass_on)

    def _pass_on(self) -> None:
        data = self._waiting.popleft()
        if not self._gone:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on at once: a peer that has gone waits for nothing."""
        return None if self._gone else self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on, unless the meter never saw the connection."""
        if not self._gone:
            self._gone = True
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._inner.resume_writing()
