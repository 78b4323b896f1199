"""Key jobs: which event may follow which, and what is over."""

from datetime import UTC, datetime

import pytest

from meterworks.headend import KeyJob, KeyJobError, KeyJobState, KeyPurpose
from meterworks.headend.key_job import OPEN_STATES, KeyEvent

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def job(state=KeyJobState.PLANNED):
    return KeyJob(campaign_id="c", device_id=1, changed_at=NOW, state=state)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ("made sending answered proved", "done"),
        ("made sending proved", "done"),  # the answer got lost
        ("made sending still-old sending answered proved", "done"),
        ("made sending answered still-old", "prepared"),
        ("made made", "prepared"),
        ("sending answered made sending answered proved", "done"),  # agreed, then sent
        ("sending answered next sending answered proved", "done"),  # one of two is over
        ("sending still-old sending", "sent"),
        ("made sending refused", "failed"),
        ("made sending gave-up", "failed"),
        ("gave-up retried", "planned"),
        ("stopped", "stopped"),
        ("made stopped", "stopped"),
    ],
)
def test_a_job_goes_where_its_events_lead(events, state):
    found = job()
    for event in events.split():
        found = found.after(KeyEvent(event.replace("-", " ")), NOW)
    assert str(found.state) == state


@pytest.mark.parametrize(
    ("state", "event"),
    [("planned", "proved"), ("planned", "answered"), ("prepared", "next"), ("sent", "stopped"),
     ("answered", "stopped"), ("done", "made"), ("done", "gave up"), ("stopped", "retried"), ("sent", "made")],
)  # fmt: skip
def test_what_cannot_happen_is_refused(state, event):
    with pytest.raises(KeyJobError, match=f"is {state}: '{event}' cannot happen"):
        job(KeyJobState(state)).after(KeyEvent(event), NOW)


def test_a_job_keeps_its_step_until_another_is_named():
    sent = job().after(KeyEvent.SENDING, NOW, step="agree")
    assert sent.after(KeyEvent.ANSWERED, NOW).step == "agree"
    assert sent.after(KeyEvent.ANSWERED, NOW).after(KeyEvent.MADE, NOW, step="transfer").step == "transfer"


def test_only_a_sent_job_leaves_open_which_keys_the_device_has():
    assert [str(state) for state in KeyJobState if job(state).is_half_done] == ["sent", "answered"]
    assert {state for state in KeyJobState if job(state).is_open} == set(OPEN_STATES)


def test_a_try_that_came_to_nothing_is_counted_and_explained():
    tried = job().tried(17.0, NOW, "x" * 1000)
    assert (tried.attempts, tried.next_try_epoch_s, len(tried.reason)) == (1, 17.0, 300)


def test_the_keys_of_the_maker_and_compromised_ones_go_first():
    assert [str(purpose) for purpose in KeyPurpose if purpose.goes_first] == ["personalise", "emergency"]
