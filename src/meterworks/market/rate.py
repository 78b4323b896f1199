"""How much a client may ask: requests and rows, each a bucket that fills again, told in headers.

Headers as draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` says the share, `RateLimit` what is left of it.
What is not found counts as several requests, so whoever tries numbers is stopped early, and the audit trail is told.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from meterworks.market.errors import ExportLimitReached, TooManyRequests

__all__ = ["Allowance", "ClientLimits"]

NOT_FOUND_COST = 10
LOST_BURST = 50  # requests for what is not found, before it looks like trying numbers
LOST_REGAIN_S = 60.0
KEY_COUNT_MAX = 10_000


class _Buckets:
    """Levels by key; at most KEY_COUNT_MAX are remembered, beyond that the one longest untouched is forgotten."""

    def __init__(self, size: float, per_s: float, monotonic: Callable[[], float]) -> None:
        self.size = size
        self.per_s = per_s
        self._monotonic = monotonic
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def level(self, key: str) -> float:
        """What is left for a key now; below zero where more was taken."""
        now = self._monotonic()
        level, touched = self._held.get(key, (self.size, now))
        return min(self.size, level + (now - touched) * self.per_s)

    def take(self, key: str, cost: float) -> float:
        """Take from a key's level; gives what is left."""
        left = self.level(key) - cost
        self._held[key] = (left, self._monotonic())
        self._held.move_to_end(key)
        while len(self._held) > KEY_COUNT_MAX:
            self._held.popitem(last=False)
        return left

    def wait_s(self, key: str, cost: float) -> int:
        """Whole seconds until so much is there."""
        return max(1, math.ceil((cost - self.level(key)) / self.per_s))


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a client has left, for the answer's headers."""

    burst: int
    window_s: int
    left: int
    reset_s: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Header lines, as ASGI takes them."""
        return [
            (b"ratelimit-policy", f'"requests";q={self.burst};w={self.window_s}'.encode()),
            (b"ratelimit", f'"requests";r={max(0, self.left)};t={self.reset_s}'.encode()),
        ]


class ClientLimits:
    """Requests and rows of each client (a user, or an organisation's certificate)."""

    def __init__(
        self,
        *,
        requests_burst: int,
        requests_per_s: float,
        export_rows_per_hour: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = _Buckets(requests_burst, requests_per_s, monotonic)
        self._rows = _Buckets(export_rows_per_hour, export_rows_per_hour / 3600, monotonic)
        self._lost = _Buckets(LOST_BURST, 1 / LOST_REGAIN_S, monotonic)

    def take(self, client: str) -> Allowance:
        """Count a request. Raises TooManyRequests."""
        if self._requests.level(client) < 1:
            wait_s = self._requests.wait_s(client, 1)
            raise TooManyRequests(f"that is more than your share; go on in {wait_s} s", retry_after_s=wait_s)
        return self.allowance(client, self._requests.take(client, 1))

    def allowance(self, client: str, left: float | None = None) -> Allowance:
        """What a client has left."""
        level = self._requests.level(client) if left is None else left
        size, per_s = self._requests.size, self._requests.per_s
        return Allowance(
            burst=int(size),
            window_s=max(1, round(size / per_s)),
            left=math.floor(level),
            reset_s=max(0, math.ceil((size - level) / per_s)),
        )

    def not_found(self, client: str) -> bool:
        """Count a request for something that is not there; tells whether it just began to look like trying numbers."""
        self._requests.take(client, NOT_FOUND_COST - 1)
        left = self._lost.take(client, 1)
        return -1 < left <= 0

    def check_rows(self, client: str) -> None:
        """Before readings are given out. Raises ExportLimitReached."""
        if self._rows.level(client) <= 0:
            wait_s = self._rows.wait_s(client, 1)
            raise ExportLimitReached(
                f"you have taken as many readings as an hour has for you; go on in {wait_s} s", retry_after_s=wait_s
            )

    def took_rows(self, client: str, count: int) -> None:
        """Readings were given out."""
        self._rows.take(client, count)
