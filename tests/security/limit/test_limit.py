"""Limits a client meets, and sees coming."""

import pytest

from meterworks.market.errors import ExportLimitReached, TooManyRequests
from meterworks.market.rate import ClientLimits


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def limits(clock: Clock) -> ClientLimits:
    return ClientLimits(requests_burst=100, requests_per_s=2, export_rows_per_hour=3600, monotonic=clock)


@pytest.mark.requirement("SEC-080")
def test_a_client_that_scrapes_is_stopped_and_told_when_to_go_on():
    clock = Clock()
    known = limits(clock)
    answered = 0
    with pytest.raises(TooManyRequests) as caught:
        for _ in range(200):
            known.take("user:1")
            answered += 1
    assert answered == 100
    clock.seconds = float(str(caught.value.facts["retry_after_s"]))
    known.take("user:1")
    known.take("user:2")


@pytest.mark.requirement("SEC-080")
def test_what_is_left_stands_in_the_headers():
    headers = dict(limits(Clock()).take("user:1").headers())
    assert headers == {b"ratelimit-policy": b'"requests";q=100;w=50', b"ratelimit": b'"requests";r=99;t=1'}


@pytest.mark.requirement("SEC-080")
def test_trying_numbers_is_told_of_and_stopped_early():
    known = limits(Clock())
    told = 0
    with pytest.raises(TooManyRequests):
        for _ in range(100):
            known.take("user:1")
            told += known.not_found("user:1")
    assert told == 0, "a hundred at once are stopped before they look like trying numbers"
    patient = ClientLimits(requests_burst=10_000, requests_per_s=2, export_rows_per_hour=1, monotonic=Clock())
    assert sum(patient.not_found("user:1") for _ in range(100)) == 1


@pytest.mark.requirement("SEC-080")
def test_an_hour_has_so_many_rows_for_a_client():
    clock = Clock()
    known = limits(clock)
    known.check_rows("user:1")
    known.took_rows("user:1", 4000)
    with pytest.raises(ExportLimitReached):
        known.check_rows("user:1")
    clock.seconds = 401
    known.check_rows("user:1")
