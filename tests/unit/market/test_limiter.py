"""Attempts: a burst, then one at a time; honest ones cost nothing; memory is bounded."""

from meterworks.market import limiter
from meterworks.market.limiter import AttemptLimiter


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_allowed_and_then_one_attempt_per_interval() -> None:
    time = Time()
    attempts = AttemptLimiter(burst=3, regain_s=10.0, monotonic=time)
    assert [attempts.take("a") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert attempts.take("a") == 10.0
    time.now = 10.0
    assert attempts.take("a") == 0.0
    assert attempts.take("a") > 0


def test_keys_do_not_share_attempts() -> None:
    attempts = AttemptLimiter(burst=1, regain_s=10.0, monotonic=Time())
    assert attempts.take("a") == 0.0
    assert attempts.take("b") == 0.0


def test_an_honest_attempt_is_given_back() -> None:
    attempts = AttemptLimiter(burst=1, regain_s=10.0, monotonic=Time())
    for _ in range(20):
        assert attempts.take("a") == 0.0
        attempts.give_back("a")


def test_giving_back_never_exceeds_the_burst_and_ignores_unknown_keys() -> None:
    attempts = AttemptLimiter(burst=1, regain_s=10.0, monotonic=Time())
    attempts.give_back("unknown")
    attempts.take("a")
    attempts.give_back("a")
    attempts.give_back("a")
    assert attempts.take("a") == 0.0
    assert attempts.take("a") > 0


def test_only_so_many_keys_are_remembered() -> None:
    attempts = AttemptLimiter(burst=1, regain_s=10.0, monotonic=Time())
    for number in range(limiter.KEY_COUNT_MAX + 5):
        attempts.take(str(number))
    assert len(attempts._buckets) == limiter.KEY_COUNT_MAX
