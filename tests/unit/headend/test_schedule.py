"""When devices are visited and how failures are answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterworks.errors import OutcomeUnknown, PeerError, RefusedError, SecurityError, UnreachableError, UsageError
from meterworks.headend.errors import CounterExhaustedError, ModelMismatchError
from meterworks.headend.schedule import (
    BACK_OFF_S,
    Failure,
    TokenBucket,
    back_off_s,
    classify,
    newest_first,
    next_visit,
    share_of,
)

DAY = 86_400


@given(st.integers(0, 2**40), st.floats(0, 1e9))
def test_a_device_keeps_its_place_in_every_cycle(device_id, now):
    visit = next_visit(device_id, now, cycle_s=1800, window_s=900, offset_s=60)
    assert now < visit <= now + 1800 + 1e-3
    assert 60 <= (visit - 0) % 1800 < 960 + 1e-3 or (visit % 1800) < 1e-3
    later = next_visit(device_id, visit, cycle_s=1800, window_s=900, offset_s=60)
    assert later == pytest.approx(visit + 1800, abs=1e-3) or later == pytest.approx(visit, abs=1e-3)


def test_a_fleet_spreads_evenly_over_the_window():
    places = [share_of(device) for device in range(10_000)]
    tenths = [sum(k / 10 <= place < (k + 1) / 10 for place in places) for k in range(10)]
    assert min(tenths) > 880
    assert max(tenths) < 1120


def test_waits_grow_as_the_table_says_and_differ_by_device():
    for failures, wait_s in enumerate(BACK_OFF_S, 1):
        waits = [back_off_s(Failure.TRANSPORT, failures, device) for device in range(200)]
        assert all(0.8 * wait_s <= each <= 1.2 * wait_s for each in waits)
        assert max(waits) > 1.1 * wait_s
        assert min(waits) < 0.9 * wait_s
    assert back_off_s(Failure.TRANSPORT, len(BACK_OFF_S) + 1, 1) is None


def test_refused_keys_and_wrong_models_wait_for_the_next_cycle():
    assert back_off_s(Failure.AUTHENTICATION, 1, 1) is None
    assert back_off_s(Failure.CONFIGURATION, 1, 1) is None


def test_a_corrected_counter_is_tried_at_once_but_only_once():
    assert back_off_s(Failure.COUNTER, 1, 1) == 0.0
    assert back_off_s(Failure.COUNTER, 2, 1) > BACK_OFF_S[0]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (UnreachableError("x"), Failure.TRANSPORT),
        (SecurityError("x"), Failure.AUTHENTICATION),
        (CounterExhaustedError("x"), Failure.COUNTER),
        (ModelMismatchError("x"), Failure.CONFIGURATION),
        (PeerError("x"), Failure.DEVICE),
        (RefusedError("x"), Failure.CONFIGURATION),
        (OutcomeUnknown("x"), Failure.DEVICE),
        (UsageError("x"), Failure.OURS),
    ],
)
def test_failures_are_told_apart_by_class_and_code(error, failure):
    assert classify(error) is failure


def test_the_edge_of_memory_is_read_first_and_else_the_newest():
    depth_s, now = 397 * DAY, 1000.0 * DAY
    assert not newest_first(int(now) - depth_s, now, depth_s)
    assert newest_first(int(now) - 30 * DAY, now, depth_s)


def test_a_token_bucket_allows_its_burst_and_then_its_rate():
    bucket = TokenBucket(10.0, 3)
    for _ in range(3):
        assert bucket.wait_s(100.0) == 0.0
        bucket.take(100.0)
    assert bucket.wait_s(100.0) == pytest.approx(0.1)
    assert bucket.wait_s(100.1) == 0.0
    bucket.take(100.1)
    assert bucket.wait_s(200.0) == 0.0
    for _ in range(3):
        bucket.take(200.0)
    assert bucket.wait_s(200.0) > 0


def test_urgent_work_may_overdraw_but_never_below_nothing():
    bucket = TokenBucket(1.0, 1)
    for _ in range(5):
        bucket.take(0.0)
    assert bucket.wait_s(0.0) == pytest.approx(1.0)
