"""Chance for keys: the operating system's generator, under health tests at start and with every octet drawn.

Tests: repetition count and adaptive proportion, with the octet as the sample and eight bits of entropy claimed for it.
Two tests of our own join them: no value of a window may come too often, whichever it began with (a bias is then seen in
the first window), and no block of 16 octets comes twice (a source that plays a tape). Once a test fails the source is
ill for good: it gives nothing more, so no key is made from then on; a listener is told, for the event.
Source: SP 800-90B sections 4.3, 4.4.1, 4.4.2 and 4.5; SECURITY fact sheet SEC-130.
"""

import hashlib
import math
import os
from collections import deque
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Final

from meterworks.runtime import counter, get_logger
from meterworks.trust.errors import EntropyError

__all__ = ["HealthTestedSource", "adaptive_cutoff", "random_bytes", "repetition_cutoff", "system_source"]

STARTUP_SAMPLES: Final = 1024  # SP 800-90B 4.3 asks for as many at least; they are thrown away
WINDOW: Final = 512  # samples of a window, for a source that is not binary
FALSE_ALARM_BITS: Final = 40  # of alpha: once in 2^40 samples a sound source is taken for an ill one
ENTROPY_BITS: Final = 8.0  # claimed for an octet
BLOCK_SIZE: Final = 16
_VALUES: Final = 256
BLOCKS_MAX: Final = 4096  # blocks remembered, as digests: 64 KiB of output

log = get_logger("trust.entropy")
_FAILURES = counter("meterworks_entropy_failures", "Health tests of the random source that failed", ["test"])


def repetition_cutoff(entropy_bits: float, false_alarm_bits: int) -> int:
    """How many equal samples in a row are too many.  Source: SP 800-90B 4.4.1."""
    return 1 + math.ceil(false_alarm_bits / entropy_bits)


@cache
def adaptive_cutoff(entropy_bits: float, false_alarm_bits: int, window: int = WINDOW) -> int:
    """How often the first sample of a window may not come in it.

    Source: SP 800-90B 4.4.2 with the correction that its first sample has been seen already: 2 + the number that the
    others exceed with a probability of at most alpha.
    """
    chance, alpha = 2.0**-entropy_bits, 2.0**-false_alarm_bits
    draws = window - 1
    above = 0.0
    for count in range(draws, -1, -1):
        log_term = (
            math.lgamma(draws + 1) - math.lgamma(count + 1) - math.lgamma(draws - count + 1)
            + count * math.log(chance) + (draws - count) * math.log1p(-chance)
        )  # fmt: skip
        above += math.exp(log_term)
        if above > alpha:
            return min(count + 2, window)
    return 2


class HealthTestedSource:
    """A source of random octets that is tested as it is used. Safe to use from several threads."""

    def __init__(self, draw: Callable[[int], bytes], *, on_failure: Callable[[str], None] | None = None) -> None:
        """draw: gives that many octets. on_failure: told the name of the test, once.

        The tests at start run with the first drawing, so that a source that nobody uses costs nothing.
        """
        self._draw = draw
        self._on_failure = on_failure
        self._lock = Lock()
        self._failed = ""
        self._started = False
        self._last = -1
        self._run = 0
        self._first = -1
        self._counts = [0] * _VALUES
        self._place = 0
        self._blocks: deque[bytes] = deque()
        self._known_blocks: set[bytes] = set()
        self._repetitions_max = repetition_cutoff(ENTROPY_BITS, FALSE_ALARM_BITS)
        self._proportion_max = adaptive_cutoff(ENTROPY_BITS, FALSE_ALARM_BITS)
        self._any_proportion_max = adaptive_cutoff(ENTROPY_BITS, FALSE_ALARM_BITS + 8)  # 256 values share the alarms

    @property
    def failed_test(self) -> str:
        """The test that the source failed, empty while it is sound."""
        return self._failed

    def random_bytes(self, count: int) -> bytes:
        """Give octets for a key. Raises EntropyError when a health test fails, and ever after."""
        with self._lock:
            self._refuse_ill()
            if not self._started:
                self._test(self._draw(STARTUP_SAMPLES), STARTUP_SAMPLES)
                self._started = True
            drawn = self._draw(count)
            self._test(drawn, count)
            return drawn

    def _refuse_ill(self) -> None:
        if self._failed:
            raise EntropyError(
                f"the random source failed its health test ({self._failed}): no key is made; "
                f"look after this machine's random source, then start again",
                test=self._failed,
            )

    def _test(self, drawn: bytes, count: int) -> None:
        if len(drawn) != count:
            self._fail("size")
        for sample in drawn:
            self._test_repetition(sample)
            self._test_proportion(sample)
        self._test_blocks(drawn)

    def _test_repetition(self, sample: int) -> None:
        self._run = self._run + 1 if sample == self._last else 1
        self._last = sample
        if self._run >= self._repetitions_max:
            self._fail("repetition count")

    def _test_proportion(self, sample: int) -> None:
        if self._place == 0:
            self._first, self._counts = sample, [0] * _VALUES
        self._counts[sample] += 1
        self._place = (self._place + 1) % WINDOW
        if self._counts[sample] >= (self._proportion_max if sample == self._first else self._any_proportion_max):
            self._fail("adaptive proportion")

    def _test_blocks(self, drawn: bytes) -> None:
        for start in range(0, len(drawn) - BLOCK_SIZE + 1, BLOCK_SIZE):
            # What is drawn becomes a key: only a digest of it is remembered.
            block = hashlib.sha256(drawn[start : start + BLOCK_SIZE]).digest()
            if block in self._known_blocks:
                self._fail("repeated block")
            self._known_blocks.add(block)
            self._blocks.append(block)
            if len(self._blocks) > BLOCKS_MAX:
                self._known_blocks.discard(self._blocks.popleft())

    def _fail(self, test: str) -> None:
        self._failed = test
        _FAILURES.labels(test).inc()
        log.error("random source failed a health test", test=test)
        if self._on_failure is not None:
            self._on_failure(test)
        self._refuse_ill()


@cache
def system_source() -> HealthTestedSource:
    """The operating system's generator under health tests: one for the whole process."""
    return HealthTestedSource(os.urandom)


def random_bytes(count: int) -> bytes:
    """Give octets for a key from the system's source. Raises EntropyError once it has failed a health test."""
    return system_source().random_bytes(count)
