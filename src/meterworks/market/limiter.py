"""A bounded set of token buckets: how often something may be tried."""

import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["AttemptLimiter"]

KEY_COUNT_MAX = 10_000


class AttemptLimiter:
    """Each key may make `burst` attempts at once and regains one every `regain_s` seconds.

    At most KEY_COUNT_MAX keys are remembered; beyond that the one longest untouched is forgotten.
    """

    def __init__(self, *, burst: int, regain_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._regain_s = regain_s
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Use one attempt. Gives 0 when it was allowed, else the seconds until the next will be."""
        now = self._monotonic()
        level, touched = self._buckets.pop(key, (float(self._burst), now))
        level = min(float(self._burst), level + (now - touched) / self._regain_s)
        allowed = level >= 1.0
        self._buckets[key] = (level - 1.0 if allowed else level, now)
        while len(self._buckets) > KEY_COUNT_MAX:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - level) * self._regain_s

    def give_back(self, key: str) -> None:
        """Return an attempt that turned out to be honest."""
        if key in self._buckets:
            level, touched = self._buckets[key]
            self._buckets[key] = (min(float(self._burst), level + 1.0), touched)
