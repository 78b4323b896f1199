"""When meters push: spread over the period, alarms at their moment, repetitions later and later, bounded."""

import numpy as np
import pytest

from meterworks.devices import MeterEvents
from meterworks.devices.push_object import PUSH_SETUPS
from meterworks.devices.push_schedule import (
    ALARM_CODES,
    ALARMS_WAITING_MAX,
    LOOK_AHEAD_S,
    PushDue,
    PushSchedule,
    PushTask,
)
from meterworks.devices.push_setup import RetryPlan

START = 1_000_000.0


def events(*rows):
    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    return MeterEvents(
        epoch_s=np.array(columns[0], np.int64),
        log=np.array(columns[1], np.uint8),
        code=np.array(columns[2], np.uint16),
    )


def drain(schedule, now_s):
    return schedule.take_due(now_s, 10**9)


@pytest.fixture
def schedule():
    """A schedule of ten meters whose first looks ahead are done."""
    made = PushSchedule(10, START)
    assert {due.task for due in drain(made, START + 60)} == {PushTask.LOOK_AHEAD}
    return made


def test_every_meter_looks_ahead_within_the_first_minute():
    schedule = PushSchedule(100, START)
    assert len(schedule) == 100
    assert START <= schedule.next_epoch_s() <= START + 1
    assert sorted(due.index for due in drain(schedule, START + 60)) == list(range(100))
    assert schedule.next_epoch_s() is None


@pytest.mark.parametrize("period_s", [60, 900, 3600, 86_400])
def test_scheduled_pushes_come_once_a_period_spread_over_the_fleet(schedule, period_s):
    for index in range(10):
        schedule.plan(index, START, period_s)
        schedule.plan(index, START, period_s)
    taken = drain(schedule, START + 2 * period_s)
    assert sorted(due.index for due in taken) == list(range(10))
    assert all(START < due.epoch_s <= START + 2 * period_s for due in taken)
    spread = min(period_s, PUSH_SETUPS[0].randomisation_s)
    assert max(due.epoch_s % period_s for due in taken) < spread
    assert len({round(due.epoch_s * 10 / spread) for due in taken}) >= 8
    schedule.plan(3, taken[0].epoch_s, period_s)
    assert 0 < schedule.next_epoch_s() - taken[0].epoch_s <= 2 * period_s


def test_a_period_of_zero_is_no_push(schedule):
    schedule.plan(0, START, 0)
    assert len(schedule) == 0


def test_what_is_due_comes_oldest_first_and_no_more_than_asked(schedule):
    for index in (5, 2, 8):
        schedule.plan_now(index, 1, START + index)
    assert [due.index for due in schedule.take_due(START + 8, 2)] == [2, 5]
    assert [due.index for due in schedule.take_due(START + 7, 2)] == []
    assert [due.index for due in schedule.take_due(START + 8, 2)] == [8]


def test_alarms_come_at_their_moment_and_only_for_alarming_events(schedule):
    schedule.plan_alarms(4, events((1_000_100, 0, 1), (1_000_100, 1, 44), (1_000_200, 4, 76), (1_000_300, 1, 40)))
    taken = drain(schedule, START + LOOK_AHEAD_S)
    assert [(due.epoch_s, due.task, due.index) for due in taken] == [
        (1_000_100, PushTask.ALARM, 4),
        (1_000_300, PushTask.ALARM, 4),
    ]


def test_a_power_failure_and_every_alarm_of_the_catalogue_are_told_at_once():
    assert (0, 1) in ALARM_CODES
    assert (1, 50) in ALARM_CODES
    assert (4, 76) not in ALARM_CODES


def test_a_failed_push_is_repeated_later_each_time_and_then_given_up(schedule):
    schedule.plan_alarms(2, events((1_000_000, 0, 1)))
    (due,) = drain(schedule, START)
    waits = []
    plan = RetryPlan(retries_max=PUSH_SETUPS[1].retries_max, delay_s=PUSH_SETUPS[1].repetition_delay_s)
    while schedule.repeat(due, START, plan):
        waits.append(schedule.next_epoch_s() - START)
        (due,) = drain(schedule, START + 10_000)
    assert len(waits) == PUSH_SETUPS[1].retries_max
    assert waits == sorted(waits)
    assert waits[0] >= PUSH_SETUPS[1].repetition_delay_s


def test_alarms_are_bounded_and_what_has_no_room_is_counted(schedule):
    for _ in range(ALARMS_WAITING_MAX + 7):
        schedule.plan_now(1, 1, START)
    assert len(schedule) == ALARMS_WAITING_MAX
    assert schedule.dropped == 7
    drain(schedule, START)
    schedule.plan_now(1, 2, START)
    assert drain(schedule, START)[0].task is PushTask.CONNECTION


def test_a_push_asked_for_does_not_disturb_the_scheduled_one(schedule):
    schedule.plan(1, START, 900)
    schedule.plan_now(1, 0, START)
    (asked,) = drain(schedule, START)
    assert asked.attempt == 1
    schedule.plan(1, START, 900)
    assert len(drain(schedule, START + 1800)) == 1


def test_a_push_that_a_whole_fleet_was_asked_for_is_spread(schedule):
    for index in range(3):
        schedule.plan_now(index, 0, START, 600)
    due = drain(schedule, START + 600)
    assert len({entry.epoch_s for entry in due}) == 3
    assert all(START <= entry.epoch_s < START + 600 for entry in due)


def test_a_push_whose_window_is_closed_waits_as_it_was(schedule):
    schedule.plan_now(1, 1, START)
    (due,) = drain(schedule, START)
    assert schedule.postpone(due, START + 500)
    assert drain(schedule, START + 499) == []
    assert drain(schedule, START + 500) == [PushDue(START + 500, PushTask.ALARM, 1, 1)]


def test_what_waits_for_a_setup_can_be_forgotten_but_not_its_schedule(schedule):
    schedule.plan(1, START, 900)
    for index in (1, 2):
        schedule.plan_now(index, 0, START)
    schedule.plan_now(1, 1, START)
    assert schedule.forget(1, 0) == 1
    left = drain(schedule, START + 1800)
    assert [(due.task, due.index) for due in left if due.attempt] == [(PushTask.SCHEDULED, 2), (PushTask.ALARM, 1)]
    assert [due.index for due in left if not due.attempt] == [1]


def test_a_delay_grows_by_its_factor_up_to_its_maximum():
    plan = RetryPlan(retries_max=9, delay_s=10, factor_percent=300, delay_s_max=100)
    assert [plan.delay_before(attempt) for attempt in range(4)] == [10, 30, 90, 100]
    assert RetryPlan(retries_max=1, delay_s=10, factor_percent=100).delay_before(7) == 10


def test_a_closed_window_gathers_no_scheduled_pushes(schedule):
    schedule.plan(1, START, 900)
    (due,) = drain(schedule, START + 1800)
    assert schedule.postpone(due, START + 9000)
    for later in range(0, 9000, 900):
        schedule.plan(1, START + later, 900)
    assert [each.epoch_s for each in drain(schedule, START + 20_000)] == [START + 9000]
