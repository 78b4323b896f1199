"""Due times and collection runs."""

from meterworks.headend.agenda import Agenda, RunBook
from meterworks.headend.slots import Job, Lane
from meterworks.headend.store import Run
from meterworks.runtime import ManualClock


async def nothing():
    return None


def test_devices_come_out_when_due_longest_due_first():
    agenda = Agenda()
    for device_id, at in ((1, 30.0), (2, 10.0), (3, 20.0)):
        agenda.set(device_id, at)
    assert agenda.pop_due(25.0) == [2, 3]
    assert agenda.next_epoch_s == 30.0
    assert agenda.pop_due(25.0) == []


def test_only_the_last_time_set_counts():
    agenda = Agenda()
    agenda.set(1, 10.0)
    agenda.set(1, 50.0)
    assert agenda.pop_due(20.0) == []
    assert agenda.pop_due(60.0) == [1]


def test_who_is_due_before_all_others_wakes_the_planner():
    agenda = Agenda()
    agenda.set(1, 10.0)
    agenda.sooner.clear()
    agenda.set(2, 20.0)
    assert not agenda.sooner.is_set()
    agenda.set(3, 5.0)
    assert agenda.sooner.is_set()


def test_a_dropped_device_is_due_no_more_and_its_work_is_cancelled():
    agenda = Agenda()
    agenda.set(1, 10.0)
    agenda.queued[1] = Job(device_id=1, address="1", lane=Lane.SCHEDULED, run=nothing)
    job = agenda.queued[1]
    agenda.drop(1)
    assert job.cancelled
    assert agenda.pop_due(20.0) == []


class Book:
    """Takes runs as a workbook would."""

    def __init__(self):
        self.runs = {}

    def open_run(self, kind):
        run = Run(id=str(len(self.runs)), kind=kind, started=ManualClock().now())
        self.runs[run.id] = run
        return run

    def update_run(self, run):
        self.runs[run.id] = run


def counts(run):
    return run.planned, run.done, run.failed, run.ended is not None


def test_a_gap_run_ends_when_its_last_device_was_visited():
    book = Book()
    runs = RunBook(book, ManualClock(5.0))
    for device_id in (1, 2, 3):
        runs.join("gap", device_id)
    runs.leave("gap", 1, done=True)
    runs.leave("gap", 2, done=False)
    runs.update()
    assert counts(book.runs["0"]) == (3, 1, 1, False)
    runs.leave("gap", 3, done=True)
    runs.update()
    assert counts(book.runs["0"]) == (3, 2, 1, True)


def test_a_device_that_is_tried_again_counts_once():
    book = Book()
    runs = RunBook(book, ManualClock())
    for done in (False, False, True):
        runs.join("gap", 1)
        runs.leave("gap", 1, done=done)
    runs.update()
    assert counts(book.runs["0"]) == (1, 1, 0, True)


def test_a_scheduled_run_lasts_one_cycle_and_hands_on_who_still_waits():
    book = Book()
    runs = RunBook(book, ManualClock())
    runs.join("scheduled", 1)
    runs.join("scheduled", 2)
    runs.leave("scheduled", 1, done=True)
    runs.update()
    assert counts(book.runs["0"]) == (2, 1, 0, False)
    runs.begin_cycle()
    assert counts(book.runs["0"]) == (2, 1, 1, True)
    runs.leave("scheduled", 2, done=True)
    runs.update()
    assert counts(book.runs["1"]) == (1, 1, 0, False)


def test_leaving_a_run_nobody_joined_changes_nothing():
    book = Book()
    runs = RunBook(book, ManualClock())
    runs.leave("gap", 1, done=True)
    runs.begin_cycle()
    runs.update()
    assert book.runs == {}
